//! The sections of the live document that report statements, holders, waits and locks.

use std::collections::BTreeMap;

use pgweir_pool::statements::Statement;
use pgweir_sql::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::millis;

/// A statement of a pool. Times are those of executions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TopStatement {
    /// What it is recognised by.
    pub fingerprint: String,
    /// Without literals.
    pub text: String,
    /// Of its pool.
    pub database: String,
    /// Of its pool.
    pub user: String,
    /// Executions.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
    /// Returned or changed.
    pub rows: u64,
    /// That PostgreSQL answered.
    pub bytes: u64,
    /// All together.
    pub total_ms: f64,
    /// On average.
    pub mean_ms: f64,
    /// 99 % took no longer.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: f64,
}

/// A slow statement of an application, and how often it was slow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SlowQuery {
    /// When it ended last; RFC 3339, UTC.
    pub at: String,
    /// How slow the slowest was.
    pub level: SlowLevel,
    /// Of its pool.
    pub database: String,
    /// Of its pool.
    pub user: String,
    /// The client's number.
    pub client: String,
    /// What the client calls itself; may be empty.
    pub application_name: String,
    /// Without literals.
    pub text: String,
    /// What it is recognised by.
    pub fingerprint: String,
    /// How long the client had waited for a server, the last time.
    pub wait_ms: f64,
    /// How long PostgreSQL took, the last time.
    pub server_ms: f64,
    /// How often it was slow.
    pub times: u64,
    /// How long PostgreSQL took at the most.
    pub worst_ms: f64,
}

/// How slow a statement was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum SlowLevel {
    /// As slow as `slow_query_time`.
    #[default]
    #[serde(rename = "slow")]
    Slow,
    /// As slow as `very_slow_query_time`.
    #[serde(rename = "very slow")]
    VerySlow,
    /// Of a newer version.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl SlowLevel {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::VerySlow => "very slow",
            Self::Unknown => "unknown",
        }
    }
}

/// A statement that a client repeated, a round trip each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NPlusOne {
    /// When last; RFC 3339, UTC.
    pub at: String,
    /// Of its pool.
    pub database: String,
    /// Of its pool.
    pub user: String,
    /// The client's number.
    pub client: String,
    /// What the client calls itself; may be empty.
    pub application_name: String,
    /// Without literals.
    pub text: String,
    /// What it is recognised by.
    pub fingerprint: String,
    /// In a row, at least.
    pub times: u32,
    /// How many clients and transactions did that.
    pub found: u64,
    /// Of the comment that came with it (sqlcommenter).
    pub tags: BTreeMap<String, String>,
}

/// A client that has held a server for longer than a moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveHolder {
    /// Of its pool.
    pub database: String,
    /// Of its pool.
    pub user: String,
    /// Its number, by which something is done to it.
    pub client: String,
    /// What it calls itself; may be empty.
    pub application_name: String,
    /// Null over a unix socket.
    pub address: Option<String>,
    /// What it does.
    pub state: HolderState,
    /// How long it has the server.
    pub held_ms: f64,
    /// How long it has been in that state.
    pub since_ms: f64,
    /// What keeps the server with it, also between transactions, if something does.
    pub pin: Option<String>,
    /// How long that has; null in session mode, where all do.
    pub pin_ms: Option<f64>,
    /// The statement that it comes from, without literals.
    pub pin_text: Option<String>,
    /// Without literals.
    pub last_text: Option<String>,
    /// PostgreSQL's process.
    pub server_pid: Option<u32>,
    /// Clients that wait for a server in its pool.
    pub waiters_behind: u32,
    /// Sessions that wait for its locks, as the probe saw it last.
    pub lock_waiters: u32,
    /// The pooler takes it for one that was forgotten.
    pub leak: bool,
}

/// What a client does with the server it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum HolderState {
    /// It runs something.
    #[serde(rename = "active")]
    Active,
    /// What it runs waits for a lock.
    #[serde(rename = "waiting for a lock")]
    WaitingForLock,
    /// It does nothing inside a transaction.
    #[serde(rename = "idle in transaction")]
    IdleInTransaction,
    /// It does nothing, and keeps the server.
    #[serde(rename = "idle, pinned")]
    IdlePinned,
    /// Of a newer version.
    #[default]
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl HolderState {
    /// Whether the client keeps the server and does nothing with it.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::IdleInTransaction | Self::IdlePinned)
    }

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::WaitingForLock => "waiting for a lock",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdlePinned => "idle, pinned",
            Self::Unknown => "unknown",
        }
    }
}

/// A client that waits for a server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveWaiter {
    /// Of its pool.
    pub database: String,
    /// Of its pool.
    pub user: String,
    /// Its number.
    pub client: String,
    /// What it calls itself; may be empty.
    pub application_name: String,
    /// Null over a unix socket.
    pub address: Option<String>,
    /// So far.
    pub waited_ms: f64,
    /// What keeps the servers of its pool from it, as in `waits`.
    pub cause: Option<String>,
}

/// Why clients wait now, and have waited in the window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WaitCause {
    /// Its name, as in metrics.
    pub cause: String,
    /// Clients that wait for it now.
    pub waiting: u32,
    /// Waits that have ended.
    pub total: u64,
    /// All of those together.
    pub total_ms: f64,
    /// Of locks: who holds those that most wait for.
    pub who: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Somebody who holds locks that others wait for. Texts are empty where PostgreSQL hides them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveBlocker {
    /// The PostgreSQL where that is.
    pub server: String,
    /// What it is. client: one of the pooler. clients: several in turn, each for a moment. server:
    /// one that no client holds. elsewhere: a session that does not come through the pooler.
    /// prepared: a prepared transaction.
    pub kind: BlockerKind,
    /// The number of a client of ours.
    pub client: Option<String>,
    /// Where it is.
    pub database: String,
    /// Whose it is.
    pub user: String,
    /// What it calls itself.
    pub application_name: String,
    /// What it does.
    pub state: String,
    /// How long it has been in that state.
    pub since_ms: Option<f64>,
    /// Without literals.
    pub last_text: Option<String>,
    /// PostgreSQL's process.
    pub server_pid: Option<u32>,
    /// Sessions that wait for its locks, also those behind others that do.
    pub lock_waiters: u32,
}

/// What somebody is who holds locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlockerKind {
    /// A client of ours.
    Client,
    /// Clients of ours that hold a server for moments only, one after another.
    Clients,
    /// A server of ours that no client holds.
    Server,
    /// A session that does not come through here.
    Elsewhere,
    /// A transaction that was prepared.
    Prepared,
    /// Of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl TopStatement {
    /// A statement of the pool of `database` and `user`.
    pub fn of(database: &str, user: &str, id: Fingerprint, statement: Statement) -> Self {
        let times = &statement.times;
        let total_ms = times.sum_us() as f64 / 1e3;
        Self {
            fingerprint: id.to_string(),
            database: database.to_owned(),
            user: user.to_owned(),
            calls: statement.calls,
            errors: statement.errors,
            rows: statement.rows,
            bytes: statement.bytes,
            total_ms,
            mean_ms: total_ms / times.count().max(1) as f64,
            p99_ms: times.quantile(0.99).map(millis),
            max_ms: millis(statement.longest),
            text: statement.text,
        }
    }
}
