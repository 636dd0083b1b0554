//! What a pool is set up with, what it has its driver do, and what it tells of itself.

use std::time::Duration;

use super::Place;
use crate::id::{ClientId, ServerId};
use crate::time::Time;

/// Limits and times of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Upper bound on open servers; `u32::MAX` is none.
    pub size_max: u32,
    /// Servers kept open while the pool has clients. At most `size_max`.
    pub size_min: u32,
    /// `size_min` also holds while it has none.
    pub keeps_min_unused: bool,
    /// Servers beyond `size_max` while the oldest waiter has waited `reserve_after`.
    pub reserve_max: u32,
    /// Wait after which the reserve may be used.
    pub reserve_after: Duration,
    /// Upper bound on queued clients; the next one is refused at once.
    pub waiters_max: usize,
    /// How long a client may queue before it is refused; `Duration::MAX` is for ever.
    pub wait_max: Duration,
    /// How long an unused server is kept; `Duration::MAX` is for ever.
    pub idle_max: Duration,
    /// Age at which a server that is not in use is closed. Zero closes it after one use.
    pub lifetime: Duration,
    /// Pause between attempts after a failed login.
    pub login_retry: Duration,
    /// The server that was unused for longest is granted next, wherever it lives.
    pub round_robin: bool,
}

/// What the driver must do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Connect and log in; answer with `opened`, `failed` or `denied`.
    Open(ServerId),
    /// Say goodbye and close the socket. The server is already forgotten here.
    Close(ServerId, CloseReason),
    /// Hand the server to a client that waited.
    Grant(Grant),
    /// Tell a client that waited at this place that it will not get a server.
    Refuse(ClientId, Place, Refusal),
}

/// A server for a client, which holds it until `checkin` or `lost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Who gets the server.
    pub client: ClientId,
    /// The server.
    pub server: ServerId,
    /// When the server was last used or opened.
    pub idle_since: Time,
    /// The client's place, for `requeue` should the server turn out to be dead.
    pub place: Place,
    /// Nobody had the server before.
    pub is_new: bool,
}

/// What comes of asking for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkout {
    /// One was idle.
    Granted(Grant),
    /// The client is in the queue; `Action::Grant` or `Action::Refuse` will name it.
    Waits(Place),
    /// It does not get one.
    Refused(Refusal),
}

/// Why a server was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Unused for `idle_max`.
    Idle,
    /// Older than `lifetime`, or used once where that is the rule.
    Lifetime,
    /// More servers than the limit allows.
    OverLimit,
    /// Its session could not be cleaned.
    Dirty,
    /// Its configuration is no longer the pool's.
    Retired,
    /// Another pool of the same database or user needs the connection.
    Evicted,
    /// Its pool is paused.
    Paused,
}

/// Why a client did not get a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `waiters_max` clients were already queued. Answered with SQLSTATE 53300.
    QueueFull,
    /// No server became free within `wait_max`. Answered with SQLSTATE 57P03.
    Timeout,
    /// PostgreSQL refuses logins and no server is open. Answered with PostgreSQL's own code, or
    /// 57P03 when it cannot be reached.
    LoginFailing,
}

/// What a failed login says of those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// They will fail as well: who waits is refused, and who comes before `login_retry` is over.
    Final,
    /// PostgreSQL may be back soon: clients wait for the next attempt, for `wait_max` at most.
    Passing,
}

/// Whether a returned server may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its last ReadyForQuery said idle and nothing is outstanding.
    Clean,
    /// Anything else.
    Dirty,
}

/// How many there are of what, for SHOW, metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Servers held by clients.
    pub active: u32,
    /// Servers free for use.
    pub idle: u32,
    /// Servers logging in.
    pub opening: u32,
    /// Clients in the queue.
    pub waiting: u32,
    /// When the oldest of them began to wait.
    pub waiting_since: Option<Time>,
}
