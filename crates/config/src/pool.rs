//! Settings of pools: their sizes, their time limits, and the care of their servers.
//!
//! A setting of pools is a row in `settings`, a field here, and its name in [`PoolConfig::read`].

use std::num::NonZeroU32;
use std::time::Duration;

use super::level::{Chain, ReadAs};
use super::value::Parsed;

/// When a server goes back to its pool (`pool_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When a transaction ends.
    Transaction,
    /// After each query; transactions of several statements are refused.
    Statement,
}

/// What becomes of state that keeps a server outside session mode (`session_state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// The client keeps the server.
    Keep,
    /// It is refused.
    Reject,
}

/// What becomes of clients while PostgreSQL cannot be reached (`server_unreachable`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// They are told so at once.
    Refuse,
    /// They wait, as for any server.
    Wait,
}

/// Settings of one pool: one database and one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// When a server goes back (`pool_mode`).
    pub pool_mode: PoolMode,
    /// What becomes of state that keeps a server (`session_state`).
    pub session_state: SessionState,
    /// Upper bound on open servers (`pool_size`, `default_pool_size`); `None` is no bound.
    pub pool_size: Option<NonZeroU32>,
    /// Whether the server that was unused for longest is taken next (`server_round_robin`).
    pub server_round_robin: bool,
    /// Servers kept open while the pool has clients (`min_pool_size`); at most `pool_size`.
    pub min_pool_size: u32,
    /// Servers beyond `pool_size` once a client waited `reserve_pool_timeout`.
    pub reserve_pool_size: u32,
    /// Wait after which the reserve is used. Zero: at once.
    pub reserve_pool_timeout: Duration,
    /// Clients that may wait at once; the next is refused. `None`: as many as there are clients.
    pub max_waiting_clients: Option<NonZeroU32>,
    /// Time a client may wait for a server (`query_wait_timeout`, `pool_timeout`).
    pub query_wait_timeout: Option<Duration>,
    /// Time after which a client that waits is told so.
    pub query_wait_notify: Option<Duration>,
    /// Whether simple queries are refused (`disable_pqexec`).
    pub disable_pqexec: bool,
    /// Longest message of a client.
    pub max_packet_size: u32,
    /// Time a query may run (`query_timeout`, `socket_timeout`).
    pub query_timeout: Option<Duration>,
    /// Time a client may be idle inside a transaction.
    pub idle_transaction_timeout: Option<Duration>,
    /// Time a transaction may take.
    pub transaction_timeout: Option<Duration>,
    /// Time a client may be idle outside a transaction.
    pub client_idle_timeout: Option<Duration>,
    /// Time for which state of a session may keep its server in transaction and statement mode.
    pub pin_timeout: Option<Duration>,
    /// Whether statements are counted.
    pub track_statements: bool,
    /// Time from which on a statement is slow.
    pub slow_query_time: Option<Duration>,
    /// Time from which on it is very slow.
    pub very_slow_query_time: Option<Duration>,
    /// Time a client may hold a server without using it before it is called a leak.
    pub leak_time: Option<Duration>,
    /// Time to connect and log in to PostgreSQL (`server_connect_timeout`, `connect_timeout`).
    pub server_connect_timeout: Option<Duration>,
    /// Pause after a failed server login.
    pub server_login_retry: Duration,
    /// What becomes of clients while PostgreSQL cannot be reached.
    pub server_unreachable: Unreachable,
    /// Time an unused server is kept. `None`: for ever.
    pub server_idle_timeout: Option<Duration>,
    /// Age at which an unused server is closed. Zero: after one use.
    pub server_lifetime: Duration,
    /// Idle time after which a server is checked before it is used again; within a second of its login it is not. `None`: never.
    pub server_check_delay: Option<Duration>,
    /// SQL of that check; empty is an empty query.
    pub server_check_query: String,
    /// SQL that cleans a server after a session (`server_reset_query`); empty is none.
    pub server_reset_query: String,
    /// Whether that is run after each transaction too (`server_reset_query_always`).
    pub server_reset_query_always: bool,
    /// Whether sessions end, outside a transaction, when their server is of an old configuration.
    pub server_fast_close: bool,
    /// Named prepared statements that a server keeps for all clients; 0 shares none.
    pub max_prepared_statements: u32,
    /// One in so many leases of a server is audited outside session mode; 0 audits none.
    pub session_audit_interval: u32,
}

impl ReadAs for PoolMode {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("session") => Some(Self::Session),
            Parsed::Word("transaction") => Some(Self::Transaction),
            Parsed::Word("statement") => Some(Self::Statement),
            _ => None,
        }
    }
}

impl ReadAs for Unreachable {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("refuse") => Some(Self::Refuse),
            Parsed::Word("wait") => Some(Self::Wait),
            _ => None,
        }
    }
}

impl ReadAs for SessionState {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("keep") => Some(Self::Keep),
            Parsed::Word("reject") => Some(Self::Reject),
            _ => None,
        }
    }
}

/// The fields, each read from the setting that has its name.
macro_rules! by_name {
    ($chain:ident: $($field:ident),* $(,)?) => {
        Self { $($field: $chain.get(stringify!($field)),)* }
    };
}

impl PoolConfig {
    /// Whether servers are reset whenever a client gives one up.
    pub fn resets_always(&self) -> bool {
        let is_due = self.pool_mode == PoolMode::Session || self.server_reset_query_always;
        is_due && !self.server_reset_query.is_empty()
    }

    /// Reads the settings that hold in the most special section of `chain`.
    pub(super) fn read(chain: &Chain<'_>) -> Self {
        let mut pool = by_name! { chain:
            pool_mode, session_state, pool_size, min_pool_size, reserve_pool_size, reserve_pool_timeout,
            server_fast_close, server_round_robin, query_wait_notify, disable_pqexec, max_packet_size,
            max_waiting_clients, query_wait_timeout, query_timeout, idle_transaction_timeout,
            transaction_timeout, client_idle_timeout, pin_timeout, track_statements, slow_query_time,
            very_slow_query_time, leak_time, server_connect_timeout, server_login_retry,
            server_unreachable,
            server_idle_timeout, server_lifetime, server_check_delay, server_check_query,
            server_reset_query, server_reset_query_always, max_prepared_statements,
            session_audit_interval,
        };
        pool.min_pool_size = min_pool_size(chain);
        // As in PgBouncer: no query is no check, and a delay of 0 is a check before every use.
        let is_checked = !pool.server_check_query.is_empty();
        pool.server_check_delay = is_checked.then(|| chain.get("server_check_delay"));
        if pool.server_check_query == "<empty>" {
            pool.server_check_query.clear();
        }
        pool
    }
}

/// A user has a `pool_size` of its own but no `min_pool_size`, so its size bounds what it inherits.
pub(super) fn min_pool_size(chain: &Chain<'_>) -> u32 {
    let min = chain.get::<u32>("min_pool_size");
    match chain.get::<Option<NonZeroU32>>("pool_size") {
        Some(size) => min.min(size.get()),
        None => min,
    }
}
