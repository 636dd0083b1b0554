//! What a PostgreSQL says of its sessions, as a probe saw it last.
//!
//! Source: PostgreSQL documentation, "pg_stat_activity" (states, wait events, and what is hidden
//! from users without `pg_read_all_stats`) and "Connection Settings".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One PostgreSQL as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PostgresSnapshot {
    /// Host and port, or the path of the unix socket.
    pub server: Arc<str>,
    /// Cores of its machine, where the configuration says.
    pub cores: Option<u32>,
    /// What is known of it.
    pub sight: Sight,
}

/// What is known of a PostgreSQL.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Sight {
    /// It is not looked at: `probe_interval` is 0, or HTTP is not served.
    Off,
    /// No user of the configuration can log in without a client's help, and none has come.
    NoUser,
    /// It was not asked yet, or does not answer.
    #[default]
    Away,
    /// What it said last.
    Seen(Arc<Seen>),
}

/// What PostgreSQL said, and what it said before.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What it said last.
    pub activity: Activity,
    /// Average of active sessions over the last minute by what they wait for, most first.
    pub averages: Vec<(Wait, f64)>,
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// `Lock`, `IO`, `LWLock` and so on, in PostgreSQL's words; `CPU` where it waits for nothing.
    pub kind: String,
    /// PostgreSQL's name of the event.
    pub event: String,
}

impl Wait {
    /// It waits for nothing that PostgreSQL has a name for, so it computes.
    pub fn cpu() -> Self {
        Self {
            kind: "CPU".to_owned(),
            event: "running".to_owned(),
        }
    }
}

/// What PostgreSQL does at one moment. The probe's own session is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// How much of it the probe sees.
    pub privilege: Privilege,
    /// Its `max_connections`.
    pub max_connections: u32,
    /// Connections of those that only superusers get (`superuser_reserved_connections`).
    pub superuser_reserved: u32,
    /// Connections of those that only members of a role get (`reserved_connections`; 16 and later).
    pub reserved: u32,
    /// Sessions of clients.
    pub sessions: BTreeMap<(Origin, SessionState), u32>,
    /// The same sessions by database, state and application.
    pub applications: BTreeMap<(Arc<str>, SessionState, Arc<str>), u32>,
    /// Age of the oldest open transaction.
    pub oldest_transaction: BTreeMap<Origin, Duration>,
    /// Active sessions by what they wait for.
    pub waits: BTreeMap<Wait, u32>,
    /// The processes of those that wait for a lock, and how long their statements have run.
    pub blocked: BTreeMap<u32, Duration>,
}

impl Activity {
    /// Sessions that users without a claim to reserved connections can have.
    pub fn limit(&self) -> u32 {
        let reserved = u64::from(self.superuser_reserved) + u64::from(self.reserved);
        let left = u64::from(self.max_connections).saturating_sub(reserved);
        u32::try_from(left).expect("at most max_connections")
    }

    /// Sessions of which this is true.
    pub fn count(&self, is: impl Fn(Origin, SessionState) -> bool) -> u32 {
        let sessions = self.sessions.iter();
        let counted = sessions.filter(|&(&(origin, state), _)| is(origin, state));
        counted.map(|(_, count)| count).sum()
    }
}

/// How much PostgreSQL lets the probe see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Everything.
    Full,
    /// Of other users' sessions only that they are there.
    Reduced,
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A server of one of our pools.
    Pools,
    /// Somebody else's.
    Elsewhere,
}

impl Origin {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pools, Self::Elsewhere];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What a session is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionState {
    /// It runs a query or a function.
    Active,
    /// It waits for a query, outside of a transaction.
    Idle,
    /// It waits for a query inside a transaction.
    IdleInTransaction,
    /// It waits inside a transaction that failed.
    IdleInFailedTransaction,
    /// It is hidden from us, not tracked, or one that we do not know.
    Unknown,
}

impl SessionState {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Active,
        Self::Idle,
        Self::IdleInTransaction,
        Self::IdleInFailedTransaction,
        Self::Unknown,
    ];

    /// PostgreSQL's word for it; empty where it is hidden.
    pub fn in_postgres(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInFailedTransaction => "idle in transaction (aborted)",
            Self::Unknown => "",
        }
    }

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::IdleInFailedTransaction => "idle_in_failed_transaction",
            Self::Unknown => "unknown",
        }
    }
}
