//! The live document: everything a view shows of this moment and of the last quarter of an hour.
//!
//! The types here are the only ones: the pooler writes them, `pgweir top` reads them, and those of the
//! page and the OpenAPI document are made from them. What a pooler of another version does not send
//! is taken as absent or zero, so that a new `top` shows an old pooler, and the other way round.

mod findings;
mod judged;
mod servers;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::pools::{PoolColumn, PoolStats, Times};
pub use crate::terms::{FigureUnit, LiveMode, Severity};
pub use crate::window::Window;
pub use findings::{
    BlockerKind, HolderState, LiveBlocker, LiveHolder, LiveWaiter, NPlusOne, SlowLevel, SlowQuery,
    TopStatement, WaitCause,
};
pub use judged::{Alarm, Headline};
pub use servers::{LivePostgres, ServerSessions, SightWord, WaitEvent};

/// The pooler at one moment. Times are milliseconds unless named otherwise. A section that is absent
/// is off or unknown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Live {
    /// The pooler's version.
    pub version: String,
    /// When this was; RFC 3339, UTC.
    pub timestamp: String,
    /// Time since the start.
    pub uptime_seconds: u64,
    /// Whether clients should come here.
    pub ready: bool,
    /// The pooler shuts down.
    pub draining: bool,
    /// No pool may have a server until its operator resumes it: clients wait.
    pub paused: bool,
    /// Nothing is read from clients or written to them until its operator resumes it.
    pub suspended: bool,
    /// Databases that are paused by name: their clients wait.
    pub paused_databases: Vec<String>,
    /// Databases that let nobody in.
    pub disabled_databases: Vec<String>,
    /// A command that connects through it, without a password; null where nothing listens.
    pub connect: Option<String>,
    /// Clients logged in.
    pub clients: u32,
    /// Limit of `clients`.
    pub clients_limit: u32,
    /// What somebody has to look at, the worst first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<Alarm>>,
    /// How it goes, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<Headline>,
    /// The threads of the data plane.
    pub workers: Vec<LiveWorker>,
    /// Errors of the pooler since the start.
    pub errors: Vec<ErrorCount>,
    /// What counts, rates and times of the pools, their sum, and `waits` are of.
    pub window: Window,
    /// How long that is at this moment.
    pub times_seconds: u64,
    /// All pools together.
    pub sum: LiveSum,
    /// Which figures of a pool to list.
    pub columns: Vec<PoolColumn>,
    /// At most 201.
    pub pools: Vec<LivePool>,
    /// The last quarter of an hour, whatever the window.
    pub history: HistoryColumns,
    /// Those that took the most time together since the start; texts without literals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<Vec<TopStatement>>,
    /// Slow statements, the latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<Vec<SlowQuery>>,
    /// Statements that a client repeated, a round trip each, the latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_plus_one: Option<Vec<NPlusOne>>,
    /// Clients that have held a server for longer than a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holders: Option<Vec<LiveHolder>>,
    /// Clients that wait for a server for longer than a moment, the longest wait first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiters: Option<Vec<LiveWaiter>>,
    /// Why clients wait now, and have waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Vec<WaitCause>>,
    /// Who holds locks that servers of pools wait for, as the probe saw it last; the one that most
    /// wait for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blockers: Option<Vec<LiveBlocker>>,
    /// What each PostgreSQL says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Vec<LivePostgres>>,
    /// What happened, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<LiveEvent>>,
}

/// A thread of the data plane.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveWorker {
    /// Share of its time, 0 to 1.
    pub busy: f64,
    /// Clients that live there.
    pub clients: u32,
}

/// How often an error was sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorCount {
    /// Which.
    pub sqlstate: String,
    /// How often.
    pub count: u64,
}

/// All pools together, in the window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveSum {
    /// On average.
    pub transactions_per_second: f64,
    /// On average.
    pub queries_per_second: f64,
    /// Clients that did not get a server.
    pub refused: u64,
    /// Errors of PostgreSQL that clients were sent.
    pub errors: u64,
    /// Waits of clients for the server they got.
    pub wait_ms: Times,
    /// From sending to the answer.
    pub query_ms: Times,
}

/// A pool. Counts, rates and times are those of the window; clients and servers are those of this moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LivePool {
    /// What the statistics have of it too.
    #[serde(flatten)]
    pub stats: PoolStats,
    /// Servers beyond the limit for clients that waited long.
    pub reserve_limit: u32,
    /// How long a client may wait; null is no bound.
    pub wait_limit_ms: Option<f64>,
    /// How long more than 5 clients have waited, at every look; null while no more than 5 do.
    pub queued_ms: Option<f64>,
    /// Why its clients wait, as in `waits`, weighed over the last seconds; null while nobody does.
    pub cause: Option<String>,
    /// On average over the window.
    pub transactions_per_second: f64,
    /// On average over the window.
    pub queries_per_second: f64,
    /// Why the last login to PostgreSQL failed, if it did.
    pub login_failure: Option<String>,
    /// The worst that an alarm says of it now, refusals apart.
    pub trouble: Option<Severity>,
}

/// Columns of equal length, a row per five seconds, the oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryColumns {
    /// Ends of the rows, since 1970.
    pub seconds: Vec<u64>,
    /// Of all pools.
    pub transactions_per_second: Vec<f64>,
    /// Of all pools.
    pub queries_per_second: Vec<f64>,
    /// Null where nobody got a server.
    pub wait_p99_ms: Vec<Option<f64>>,
    /// Null where no query ended.
    pub query_p99_ms: Vec<Option<f64>>,
    /// The most at once.
    pub waiting: Vec<u32>,
    /// The most at once.
    pub active: Vec<u32>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveEvent {
    /// When; RFC 3339, UTC.
    pub at: String,
    /// How much it matters.
    pub severity: Severity,
    /// What.
    pub text: String,
}

impl LivePool {
    /// Its figures of these columns; `None` where nothing was measured.
    ///
    /// # Panics
    /// Never: its own fields have text as keys.
    pub fn figures(&self, columns: &[PoolColumn]) -> Vec<Option<f64>> {
        let json = serde_json::to_value(self).expect("our own types have text as keys");
        let figure = |column: &PoolColumn| {
            let path = column.field.split('.');
            let found = path.fold(&json, |at, name| &at[name]);
            found.as_f64()
        };
        columns.iter().map(figure).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
