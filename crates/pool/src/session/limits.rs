//! How long a session may take for what, and what it does with its server.

use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;

use super::{Pinned, Session, Stage};
use crate::id::ServerId;
use crate::pin::Pin;
use crate::relay::Hold;
use crate::stream::Stream;
use crate::time::Time;

/// Time for a server to answer the check and to take the settings of a client, which it does in no
/// time. As for a cancel request.
pub const JOIN_MAX: Duration = Duration::from_secs(10);

/// Time for the answers that are outstanding when a client says goodbye. What takes longer is cancelled, for
/// nobody may hear its answer, and others wait for the server.
pub const PARTING_MAX: Duration = Duration::from_secs(2);

/// Times that a session may take, `Duration::MAX` for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A query, from its first byte to its last answer.
    pub query: Duration,
    /// A pause of the client inside a transaction.
    pub idle_in_transaction: Duration,
    /// A transaction.
    pub transaction: Duration,
    /// A pause of the client outside a transaction.
    pub idle: Duration,
    /// A server that state of the session keeps, until the client does nothing outside a transaction.
    pub pin: Duration,
}

/// Which of the [`Limits`] was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// `query`.
    Query,
    /// `idle_in_transaction`.
    IdleInTransaction,
    /// `transaction`.
    Transaction,
    /// `idle`.
    Idle,
    /// `pin`: for this reason the server is kept.
    Pin(Pin),
}

/// What a client does with the server that it holds.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// The server.
    pub server: ServerId,
    /// What holds the server to the client.
    pub hold: Hold,
    /// When the client got the server.
    pub since: Time,
    /// Since the client or the server last did something.
    pub quiet: Duration,
    /// Since the query that runs was sent.
    pub running: Duration,
    /// The statement that was executed last.
    pub statement: Fingerprint,
    /// What state of the session keeps the server, if one does.
    pub pinned: Option<Pinned>,
}

impl<C: Stream, S: Stream> Session<C, S> {
    /// Which limit the session has passed.
    pub fn overdue(&self, now: Time, limits: &Limits) -> Option<Overdue> {
        match &self.stage {
            Stage::Idle => (now - self.idle_since >= limits.idle).then_some(Overdue::Idle),
            Stage::Waiting(_) | Stage::Over(_) => None,
            Stage::Leased(lease) => {
                let hold = self.relay.hold(&lease.server.upstream);
                let quiet = now - lease.active;
                match hold {
                    Hold::Busy if now - lease.running.query >= limits.query => Some(Overdue::Query),
                    Hold::InTransaction if quiet >= limits.idle_in_transaction => {
                        Some(Overdue::IdleInTransaction)
                    }
                    Hold::Pinned(_) if quiet >= limits.idle => Some(Overdue::Idle),
                    Hold::Pinned(_) => {
                        let pinned = lease.pinned.filter(|it| it.is_overdue(now, limits.pin));
                        pinned.map(|pinned| Overdue::Pin(pinned.pin))
                    }
                    Hold::Busy | Hold::InTransaction
                        if now - lease.running.transaction >= limits.transaction =>
                    {
                        Some(Overdue::Transaction)
                    }
                    Hold::Busy | Hold::InTransaction | Hold::Asking | Hold::Free => None,
                }
            }
        }
    }

    /// Counts the time until `now` for which state of the session kept the server: for those who look at counters
    /// while it lasts.
    pub fn count_pin(&mut self, now: Time) {
        if let Stage::Leased(lease) = &mut self.stage {
            lease.count_pin(now);
        }
    }

    /// Whether its server has not answered the check, the settings, or what the pooler asked behind
    /// a transaction, for [`JOIN_MAX`].
    pub fn is_stuck(&self, now: Time) -> bool {
        match &self.stage {
            Stage::Leased(lease) if lease.is_unheard() => now - lease.attached >= JOIN_MAX,
            Stage::Leased(lease) => lease.asked.is_some_and(|since| now - since >= JOIN_MAX),
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => false,
        }
    }

    /// Whether the client said goodbye [`PARTING_MAX`] ago.
    pub fn has_parted(&self, now: Time) -> bool {
        self.parting.is_some_and(|since| now - since >= PARTING_MAX)
    }

    /// Since when the client runs its query, waits for a server, or has done nothing.
    pub fn busy_since(&self) -> Time {
        match &self.stage {
            Stage::Leased(lease) => lease.running.query,
            Stage::Waiting(place) => place.since,
            Stage::Idle | Stage::Over(_) => self.idle_since,
        }
    }

    /// What the client does with its server; `None` without a server.
    pub fn holding(&self, now: Time) -> Option<Holding> {
        match &self.stage {
            Stage::Leased(lease) => Some(Holding {
                server: lease.server.id,
                hold: self.relay.hold(&lease.server.upstream),
                since: lease.attached,
                quiet: now - lease.active,
                running: now - lease.running.query,
                statement: lease.server.upstream.observer.trace.last,
                pinned: lease.pinned,
            }),
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => None,
        }
    }
}
