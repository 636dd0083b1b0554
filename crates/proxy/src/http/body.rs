//! The JSON that health and statistics are shown as.

use std::time::Duration;

use pgweir_pool::histogram::Histogram;
use serde::Serialize;

use super::timestamp::rfc3339;
use crate::snapshot::{PoolSnapshot, Snapshot};
use pgweir_config::{PoolMode, pool_info};

/// Databases whose pools are described one by one in `poolInfo`.
const DESCRIBED_MAX: usize = 20;

/// What every answer is wrapped in.
#[derive(Debug, Serialize)]
pub(super) struct Answer<T> {
    success: bool,
    data: T,
}

impl<T> Answer<T> {
    pub(super) fn new(success: bool, data: T) -> Self {
        Self { success, data }
    }
}

/// Open to everybody: no name of a database or a user is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    healthy: bool,
    version: &'static str,
    uptime_seconds: u64,
    timestamp: String,
}

impl Health {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            healthy: snapshot.readiness.is_ready(),
            version: snapshot.version,
            uptime_seconds: snapshot.uptime.as_secs(),
            timestamp: rfc3339(snapshot.taken_at),
        }
    }
}

/// The statistics of the whole, and then of each pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats<'a> {
    healthy: bool,
    total_queries: u64,
    total_errors: u64,
    pool_info: String,
    timestamp: String,
    clients: u32,
    clients_limit: u32,
    pools: Vec<PoolStats<'a>>,
}

/// One pool. Times are milliseconds; an absent one is of nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PoolStats<'a> {
    database: &'a str,
    user: &'a str,
    mode: Option<&'static str>,
    limit: Option<u32>,
    clients: u32,
    waiting: u32,
    oldest_wait_ms: Option<f64>,
    active: u32,
    idle: u32,
    opening: u32,
    login_failing: bool,
    transactions: u64,
    queries: u64,
    errors: u64,
    refused: u64,
    received_bytes: u64,
    sent_bytes: u64,
    wait_ms: Times,
    transaction_ms: Times,
    query_ms: Times,
}

/// What a histogram says, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    mean: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl<'a> Stats<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let sum = snapshot.sum().totals;
        let own_errors: u64 = snapshot.errors.iter().map(|(_, count)| count).sum();
        Self {
            healthy: snapshot.readiness.is_ready(),
            total_queries: sum.queries,
            total_errors: sum.errors + own_errors,
            pool_info: describe(snapshot),
            timestamp: rfc3339(snapshot.taken_at),
            clients: snapshot.clients,
            clients_limit: snapshot.clients_max,
            pools: snapshot.pools.iter().map(PoolStats::of).collect(),
        }
    }
}

impl<'a> PoolStats<'a> {
    fn of(pool: &'a PoolSnapshot) -> Self {
        let totals = &pool.totals;
        let histograms = [
            &totals.wait_times,
            &totals.transaction_times,
            &totals.query_times,
        ];
        Self::with_times(pool, histograms.map(Times::of))
    }

    /// The pool with times of waits, transactions and queries that are not those since the start.
    pub(super) fn with_times(pool: &'a PoolSnapshot, times: [Times; 3]) -> Self {
        let totals = &pool.totals;
        let [wait_ms, transaction_ms, query_ms] = times;
        Self {
            database: &pool.database,
            user: &pool.user,
            mode: pool.mode.map(|mode| match mode {
                PoolMode::Session => "session",
                PoolMode::Transaction => "transaction",
                PoolMode::Statement => "statement",
            }),
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
            refused: totals.refusals_queue_full
                + totals.refusals_timeout
                + totals.refusals_login_failing,
            received_bytes: totals.received_bytes,
            sent_bytes: totals.sent_bytes,
            wait_ms,
            transaction_ms,
            query_ms,
        }
    }
}

impl Times {
    pub(super) fn of(histogram: &Histogram) -> Self {
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

/// Milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// The limits in one line, as the log of a start has them; per database where they differ.
fn describe(snapshot: &Snapshot) -> String {
    let lines: Vec<(&str, String)> = snapshot
        .databases
        .iter()
        .map(|of| (of.database.name.as_str(), pool_info(&of.database.pool)))
        .collect();
    let mut texts = lines.iter().map(|(_, text)| text);
    if let Some(first) = texts.next()
        && texts.all(|text| text == first)
    {
        return first.clone();
    }
    let described: Vec<String> = lines
        .iter()
        .take(DESCRIBED_MAX)
        .map(|(name, text)| format!("{name}: {text}"))
        .collect();
    let more = if lines.len() > DESCRIBED_MAX {
        "; ..."
    } else {
        ""
    };
    format!("{}{more}", described.join("; "))
}
