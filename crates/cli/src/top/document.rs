//! The live document as far as it is shown here.
//!
//! What a pooler of another version does not send is taken as absent or zero, so that a new `top`
//! shows an old pooler, and the other way round.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The pooler at one moment. Times are milliseconds unless named otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Live {
    pub(crate) version: String,
    pub(crate) timestamp: String,
    pub(crate) uptime_seconds: u64,
    pub(crate) ready: bool,
    pub(crate) draining: bool,
    pub(crate) clients: u64,
    pub(crate) clients_limit: u64,
    pub(crate) pools: Vec<Pool>,
    #[serde(default)]
    pub(crate) history: History,
    pub(crate) statements: Option<Vec<Statement>>,
    pub(crate) slow: Option<Vec<SlowQuery>>,
    pub(crate) n_plus_one: Option<Vec<NPlusOne>>,
    pub(crate) holders: Option<Vec<Holder>>,
    pub(crate) waits: Option<Vec<WaitCause>>,
    pub(crate) blockers: Option<Vec<Blocker>>,
    pub(crate) postgres: Option<Vec<Postgres>>,
    pub(crate) events: Option<Vec<Event>>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Pool {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) mode: Option<String>,
    pub(crate) limit: Option<u64>,
    pub(crate) reserve_limit: u64,
    pub(crate) clients: u64,
    pub(crate) active: u64,
    pub(crate) idle: u64,
    pub(crate) opening: u64,
    pub(crate) waiting: u64,
    pub(crate) oldest_wait_ms: Option<f64>,
    pub(crate) wait_limit_ms: Option<f64>,
    /// How long more clients than a few have waited.
    pub(crate) queued_ms: Option<f64>,
    pub(crate) login_failing: bool,
    pub(crate) refused: u64,
    pub(crate) transactions_per_second: f64,
    pub(crate) queries_per_second: f64,
    pub(crate) wait_ms: Times,
    pub(crate) query_ms: Times,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Times {
    pub(crate) p99: Option<f64>,
}

/// The last quarter of an hour, the oldest first.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct History {
    pub(crate) transactions_per_second: Vec<f64>,
    pub(crate) wait_p99_ms: Vec<Option<f64>>,
    pub(crate) query_p99_ms: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) calls: u64,
    pub(crate) total_ms: f64,
    pub(crate) mean_ms: f64,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) rows: u64,
    pub(crate) errors: u64,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SlowQuery {
    pub(crate) at: String,
    pub(crate) level: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application_name: Option<String>,
    pub(crate) text: String,
    pub(crate) wait_ms: f64,
    pub(crate) server_ms: f64,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NPlusOne {
    pub(crate) at: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application_name: Option<String>,
    pub(crate) text: String,
    pub(crate) fingerprint: String,
    pub(crate) times: u64,
    pub(crate) found: u64,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Holder {
    /// Its number, by which something is done to it.
    pub(crate) client: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application_name: Option<String>,
    pub(crate) state: String,
    pub(crate) since_ms: f64,
    pub(crate) pin: Option<String>,
    pub(crate) last_text: Option<String>,
    pub(crate) server_pid: Option<u64>,
    pub(crate) waiters_behind: u64,
    /// Sessions that wait for locks it holds.
    pub(crate) lock_waiters: u64,
    pub(crate) leak: bool,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WaitCause {
    pub(crate) cause: String,
    pub(crate) waiting: u64,
    pub(crate) total: u64,
    pub(crate) total_ms: f64,
    pub(crate) who: Option<String>,
    pub(crate) hint: Option<String>,
}

/// Somebody who holds locks that others wait for.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Blocker {
    pub(crate) kind: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application_name: String,
    pub(crate) state: String,
    pub(crate) since_ms: Option<f64>,
    pub(crate) lock_waiters: u64,
}

/// What the probe sees of a PostgreSQL.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Postgres {
    pub(crate) server: String,
    /// How much it sees.
    pub(crate) sight: String,
    /// `None` where it sees nothing.
    pub(crate) max_connections: Option<u64>,
    pub(crate) reserved: u64,
    pub(crate) ours: u64,
    pub(crate) elsewhere: u64,
    pub(crate) active_sessions: Option<u64>,
    pub(crate) cores: Option<u64>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Event {
    pub(crate) at: String,
    pub(crate) severity: String,
    pub(crate) text: String,
}

impl Pool {
    /// How the pool is called everywhere.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.database, self.user)
    }
}
