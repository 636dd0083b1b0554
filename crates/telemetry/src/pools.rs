//! One pool: as it is taken, as JSON shows it, as metrics name it, and which of its figures views
//! list. A figure that is added is added here alone, and where it is counted.

use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::histogram::Histogram;
use pgweir_pool::pool::Counts;
use pgweir_pool::waits::{Cause, Held};
use pgweir_pool::work::Totals;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::millis;
use crate::sample::{MetricKind, SampleValue};
use crate::terms::{FigureUnit, LiveMode};

/// Name of the database and the user under which pools are summed up. No client can ask for it by
/// accident: PostgreSQL has such names only in quotes.
pub const OTHER: &str = "(other)";

/// One pool at one moment, or several summed up.
#[derive(Debug, Clone)]
pub struct PoolSnapshot {
    /// As clients ask for it.
    pub database: Arc<str>,
    /// As whom they log in.
    pub user: Arc<str>,
    /// `None` for several.
    pub mode: Option<LiveMode>,
    /// Bound on servers; `None` is no bound.
    pub size_max: Option<u32>,
    /// Servers beyond that for clients that waited long.
    pub reserve_max: u32,
    /// Clients logged in.
    pub clients: u32,
    /// Servers and waiters.
    pub counts: Counts,
    /// Requests that are on their way to PostgreSQL to cancel something.
    pub cancels: u32,
    /// How long the client that is first in the queue has waited.
    pub oldest_wait: Option<Duration>,
    /// How long a client may wait; `None` is no bound.
    pub wait_max: Option<Duration>,
    /// From how long on a query is slow; `None`: none is.
    pub slow_from: Option<Duration>,
    /// The last login to PostgreSQL failed.
    pub login_failing: bool,
    /// Why, in a sentence without secrets.
    pub login_failure: Option<String>,
    /// What clients do with the servers they hold.
    pub held: Held,
    /// Why clients wait, if they do.
    pub cause: Option<Cause>,
    /// What was counted and measured since the start.
    pub totals: Totals,
}

impl PoolSnapshot {
    /// A pool without a limit that has done nothing yet.
    pub fn new(database: &str, user: &str) -> Self {
        Self {
            database: database.into(),
            user: user.into(),
            mode: None,
            size_max: None,
            reserve_max: 0,
            clients: 0,
            counts: Counts::default(),
            cancels: 0,
            oldest_wait: None,
            wait_max: None,
            slow_from: None,
            login_failing: false,
            login_failure: None,
            held: Held::default(),
            cause: None,
            totals: Totals::default(),
        }
    }

    /// A sum of no pools yet.
    pub(crate) fn others() -> Self {
        Self {
            size_max: Some(0),
            ..Self::new(OTHER, OTHER)
        }
    }

    /// Adds another pool: what it may do, does and did.
    pub fn add(&mut self, pool: &Self) {
        let sum = self.size_max.zip(pool.size_max);
        self.size_max = sum.map(|(a, b)| a.saturating_add(b));
        self.reserve_max = self.reserve_max.saturating_add(pool.reserve_max);
        self.clients += pool.clients;
        self.cancels += pool.cancels;
        self.counts.active += pool.counts.active;
        self.counts.idle += pool.counts.idle;
        self.counts.opening += pool.counts.opening;
        self.counts.waiting += pool.counts.waiting;
        let since = [self.counts.waiting_since, pool.counts.waiting_since];
        self.counts.waiting_since = since.into_iter().flatten().min();
        self.oldest_wait = self.oldest_wait.max(pool.oldest_wait);
        let bounds = [self.wait_max, pool.wait_max];
        self.wait_max = bounds.into_iter().flatten().min();
        let slow = [self.slow_from, pool.slow_from];
        self.slow_from = slow.into_iter().flatten().min();
        self.login_failing |= pool.login_failing;
        if self.login_failure.is_none() {
            self.login_failure.clone_from(&pool.login_failure);
        }
        self.held = Held::sum(&[self.held, pool.held]);
        self.totals.add(&pool.totals);
    }

    /// Clients that wait while state of sessions keeps servers of the pool.
    pub(crate) fn behind_pins(&self) -> u32 {
        match self.held.keeping_state() {
            0 => 0,
            _ => self.counts.waiting,
        }
    }

    /// Clients that did not get a server, for whichever reason.
    pub(crate) fn refused(&self) -> u64 {
        refused(&self.totals)
    }
}

/// Clients that did not get a server, for whichever reason.
pub(crate) fn refused(totals: &Totals) -> u64 {
    totals.refusals_queue_full + totals.refusals_timeout + totals.refusals_login_failing
}

/// One pool in JSON. Counts are those since the start; times are milliseconds, and an absent one is
/// of nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolStats {
    /// As clients ask for it.
    pub database: String,
    /// As whom they log in.
    pub user: String,
    /// When a server goes back; null for several pools.
    pub mode: Option<LiveMode>,
    /// Servers at most; null is no limit.
    pub limit: Option<u32>,
    /// Clients logged in.
    pub clients: u32,
    /// Clients that wait for a server.
    pub waiting: u32,
    /// How long the client that is first in the queue has waited.
    pub oldest_wait_ms: Option<f64>,
    /// Servers held by clients.
    pub active: u32,
    /// Servers free for use.
    pub idle: u32,
    /// Servers logging in.
    pub opening: u32,
    /// The last login to PostgreSQL failed.
    pub login_failing: bool,
    /// Transactions that ended.
    pub transactions: u64,
    /// Queries that ended.
    pub queries: u64,
    /// Errors of PostgreSQL that clients were sent.
    pub errors: u64,
    /// Clients that did not get a server.
    pub refused: u64,
    /// Bytes from clients to servers.
    pub received_bytes: u64,
    /// Bytes from servers to clients.
    pub sent_bytes: u64,
    /// Waits of clients for the server they got.
    pub wait_ms: Times,
    /// From the first byte to the last answer.
    pub transaction_ms: Times,
    /// From sending to the answer.
    pub query_ms: Times,
}

impl PoolStats {
    /// The pool with counts, and times of waits, transactions and queries, that may be those of a while.
    pub(crate) fn of_window(pool: &PoolSnapshot, totals: &Totals, times: [Times; 3]) -> Self {
        let [wait_ms, transaction_ms, query_ms] = times;
        Self {
            database: pool.database.to_string(),
            user: pool.user.to_string(),
            mode: pool.mode,
            limit: pool.size_max,
            clients: pool.clients,
            waiting: pool.counts.waiting,
            oldest_wait_ms: pool.oldest_wait.map(millis),
            active: pool.counts.active,
            idle: pool.counts.idle,
            opening: pool.counts.opening,
            login_failing: pool.login_failing,
            transactions: totals.transactions,
            queries: totals.queries,
            errors: totals.errors,
            refused: refused(totals),
            received_bytes: totals.received_bytes,
            sent_bytes: totals.sent_bytes,
            wait_ms,
            transaction_ms,
            query_ms,
        }
    }

    /// The pool with its times since the start.
    pub fn of(pool: &PoolSnapshot) -> Self {
        let totals = &pool.totals;
        let histograms = [
            &totals.wait_times,
            &totals.transaction_times,
            &totals.query_times,
        ];
        Self::of_window(pool, totals, histograms.map(Times::of))
    }

    /// How the pool is called everywhere.
    pub fn name(&self) -> String {
        format!("{}/{}", self.database, self.user)
    }
}

/// What a histogram says, in milliseconds; null where nothing was counted yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Times {
    /// The mean.
    pub mean: Option<f64>,
    /// Half of all took no longer.
    pub p50: Option<f64>,
    /// 95 % took no longer.
    pub p95: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
}

impl Times {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        let quantile = |q| histogram.quantile(q).map(millis);
        let mean = histogram.sum_us().checked_div(histogram.count());
        Self {
            mean: mean.map(|us| us as f64 / 1e3),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// A figure of each pool that views list beside what they draw of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolColumn {
    /// Where it is in a pool: a name, or two with a dot between.
    pub field: String,
    /// What to call it.
    pub label: String,
    /// How to write it.
    pub unit: FigureUnit,
    /// Where there is no room for all, those of the highest rank go first; 0 stays.
    pub rank: u8,
}

/// The figures that the page and `pgweir top` list of each pool.
const COLUMNS: [(&str, &str, FigureUnit, u8); 5] = [
    ("transactionsPerSecond", "tx/s", FigureUnit::Rate, 0),
    ("queriesPerSecond", "queries/s", FigureUnit::Rate, 9),
    ("waitMs.p99", "wait p99", FigureUnit::Milliseconds, 2),
    ("queryMs.p99", "query p99", FigureUnit::Milliseconds, 4),
    ("refused", "refused", FigureUnit::Count, 6),
];

/// The figures that views list of each pool.
pub fn columns() -> Vec<PoolColumn> {
    let columns = COLUMNS.iter().map(|(field, label, unit, rank)| PoolColumn {
        field: (*field).to_owned(),
        label: (*label).to_owned(),
        unit: *unit,
        rank: *rank,
    });
    columns.collect()
}

/// A metric with one sample per pool: its kind, name and help, and how it is read; `None` has no
/// sample.
pub(crate) type PoolMetric = (
    MetricKind,
    &'static str,
    &'static str,
    fn(&PoolSnapshot) -> Option<SampleValue>,
);

macro_rules! metric {
    ($kind:ident $name:literal, $help:literal, |$pool:ident| $value:expr) => {
        (MetricKind::$kind, $name, $help, |$pool: &PoolSnapshot| {
            Some($value.into())
        })
    };
}

/// The metrics of a pool that need no label of their own. docs/metrics.md explains each of them.
pub(crate) const METRICS: [PoolMetric; 26] = [
    (
        MetricKind::Gauge,
        "pgweir_pool_servers_limit",
        "Limit of servers, where there is one: pool_size.",
        |pool| pool.size_max.map(SampleValue::from),
    ),
    metric!(Gauge "pgweir_pool_reserve_limit", "Servers beyond the limit for clients that waited long: reserve_pool_size.", |pool| pool.reserve_max),
    metric!(Gauge "pgweir_pool_clients", "Clients logged in.", |pool| pool.clients),
    metric!(Gauge "pgweir_pool_waiters", "Clients that wait for a server.", |pool| pool.counts.waiting),
    metric!(Gauge "pgweir_pool_waiters_behind_pins", "Clients that wait for a server while state of sessions keeps servers of their pool.", |pool| pool.behind_pins()),
    metric!(Gauge "pgweir_pool_login_failing", "Whether the last login to PostgreSQL failed.", |pool| pool.login_failing),
    metric!(Gauge "pgweir_pool_oldest_wait_seconds", "How long the client that is first in the queue has waited.", |pool| pool.oldest_wait.unwrap_or_default()),
    metric!(Gauge "pgweir_pool_leaks", "Servers that a client has held without using them for leak_time.", |pool| pool.held.leaks),
    metric!(Gauge "pgweir_pool_blocking", "Servers whose client holds locks that others wait for.", |pool| pool.held.blocking),
    metric!(Gauge "pgweir_pool_statements", "Prepared statements that servers keep for all clients.", |pool| pool.totals.statements),
    metric!(Counter "pgweir_pool_transactions", "Transactions that ended.", |pool| pool.totals.transactions),
    metric!(Counter "pgweir_pool_queries", "Queries that ended.", |pool| pool.totals.queries),
    metric!(Counter "pgweir_pool_errors", "Errors of PostgreSQL that clients were sent.", |pool| pool.totals.errors),
    metric!(Counter "pgweir_pool_parses", "Parse messages of clients.", |pool| pool.totals.parses),
    metric!(Counter "pgweir_pool_binds", "Bind messages of clients.", |pool| pool.totals.binds),
    metric!(Counter "pgweir_pool_parses_known", "Parse messages of clients that were not sent, because the server had the statement.", |pool| pool.totals.known),
    metric!(Counter "pgweir_pool_parses_put_in_front", "Parse messages of the pooler in front of a client's message, because the server lacked the statement.", |pool| pool.totals.put_in_front),
    metric!(Counter "pgweir_pool_statements_evicted", "Prepared statements that were closed to make room (max_prepared_statements).", |pool| pool.totals.evicted),
    metric!(Counter "pgweir_pool_received_bytes", "Bytes from clients to servers.", |pool| pool.totals.received_bytes),
    metric!(Counter "pgweir_pool_sent_bytes", "Bytes from servers to clients.", |pool| pool.totals.sent_bytes),
    metric!(Counter "pgweir_pool_client_logins", "Clients that logged in.", |pool| pool.totals.client_logins),
    metric!(Counter "pgweir_pool_server_logins", "Servers that logged in.", |pool| pool.totals.server_logins),
    metric!(Counter "pgweir_pool_server_login_failures", "Logins of servers that failed.", |pool| pool.totals.server_login_failures),
    metric!(Counter "pgweir_pool_n_plus_one", "Statements that a client repeated ten times or more, a round trip each.", |pool| pool.totals.found.repeated),
    metric!(Counter "pgweir_pool_unseen_settings", "Audits of sessions that found settings that no text told of.", |pool| pool.totals.found.unseen_settings),
    metric!(Counter "pgweir_pool_unseen_held", "Audits of sessions that found locks, temporary objects, cursors or channels that no text told of.", |pool| pool.totals.found.unseen_held),
];
