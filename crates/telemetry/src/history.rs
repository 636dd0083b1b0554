//! What was, for views that show a time series rather than a sum: differences between snapshots.
//!
//! A look is taken once per second, whether anybody watches or not. Two things are
//! kept: a **point** per five seconds for the last quarter of an hour, of all pools together, and
//! a **mark** per point for the last minute, of each pool, to tell rates and recent times from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use pgweir_pool::work::Totals;

use crate::live::HistoryColumns;
use crate::millis;
use crate::pools::{PoolSnapshot, Times};
use crate::snapshot::Snapshot;

/// Time between points.
const POINT: Duration = Duration::from_secs(5);

/// Points kept: a quarter of an hour.
const POINTS_MAX: usize = 180;

/// Marks kept: a minute. Each holds the totals of at most 201 pools, 3 KiB each, but only of those
/// that have worked since the mark before: 7 MiB if all of 201 are busy, next to nothing if few are.
const MARKS_MAX: usize = 12;

/// A rate over less time says more of the moment than of the pool.
const RATE_SPAN_MIN: Duration = Duration::from_secs(2);

/// The last quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
    /// The oldest first. Never empty after the first look.
    marks: VecDeque<Mark>,
    /// The most clients that waited at once since the last point.
    waiting_max: u32,
    /// The most servers that clients held at once since the last point.
    active_max: u32,
}

/// Five seconds of all pools.
#[derive(Debug)]
struct Point {
    /// Their end, since the start of the process.
    at: Duration,
    transactions_per_second: f64,
    queries_per_second: f64,
    wait_p99: Option<Duration>,
    query_p99: Option<Duration>,
    waiting_max: u32,
    active_max: u32,
}

/// The totals at one moment.
#[derive(Debug)]
struct Mark {
    at: Duration,
    pools: BTreeMap<PoolName, Arc<Totals>>,
    sum: Totals,
}

/// Database and user.
type PoolName = (Arc<str>, Arc<str>);

/// What a pool did lately.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) transactions_per_second: f64,
    pub(crate) queries_per_second: f64,
    /// Of waits, transactions and queries.
    pub(crate) times: [Times; 3],
}

impl History {
    /// Takes a look. To be called once per second or so.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let sum = snapshot.sum();
        self.waiting_max = self.waiting_max.max(sum.counts.waiting);
        self.active_max = self.active_max.max(sum.counts.active);
        if let Some(last) = self.marks.back() {
            let span = snapshot.uptime.saturating_sub(last.at);
            if span < POINT {
                return;
            }
            let point = self.point(snapshot.uptime, span, &last.sum, &sum.totals);
            self.points.push_back(point);
            if self.points.len() > POINTS_MAX {
                self.points.pop_front();
            }
        }
        self.waiting_max = 0;
        self.active_max = 0;
        self.mark(snapshot, sum.totals);
    }

    /// What a pool of this snapshot did lately: rates over the last seconds, times over the last
    /// minute.
    pub(crate) fn recent(&self, snapshot: &Snapshot, pool: &PoolSnapshot) -> Recent {
        let name = (pool.database.clone(), pool.user.clone());
        let settled = |mark: &&Mark| snapshot.uptime.saturating_sub(mark.at) >= RATE_SPAN_MIN;
        let rated = self.marks.iter().rev().find(settled);
        let since = rated.map_or(Duration::ZERO, |mark| mark.at);
        let span = snapshot.uptime.saturating_sub(since);
        let before = rated.and_then(|mark| mark.pools.get(&name));
        let rate = |count: fn(&Totals) -> u64| {
            let count_before = before.map_or(0, |totals| count(totals));
            per_second(count(&pool.totals), count_before, span)
        };
        let oldest = self.marks.front().and_then(|mark| mark.pools.get(&name));
        let nothing = Totals::default();
        let oldest = oldest.map_or(&nothing, Arc::as_ref);
        let now = &pool.totals;
        Recent {
            transactions_per_second: rate(|totals| totals.transactions),
            queries_per_second: rate(|totals| totals.queries),
            times: [
                (&now.wait_times, &oldest.wait_times),
                (&now.transaction_times, &oldest.transaction_times),
                (&now.query_times, &oldest.query_times),
            ]
            .map(|(now, oldest)| Times::of(&now.since(oldest).unwrap_or_default())),
        }
    }

    /// How long the minute of [`Self::recent`] is at this moment.
    pub(crate) fn times_span(&self, snapshot: &Snapshot) -> Duration {
        let oldest = self.marks.front().map_or(Duration::ZERO, |mark| mark.at);
        snapshot.uptime.saturating_sub(oldest)
    }

    /// The points as of a snapshot.
    pub(crate) fn columns(&self, snapshot: &Snapshot) -> HistoryColumns {
        let mut columns = HistoryColumns::default();
        for point in &self.points {
            // From the age, so that a clock that was set does not tear the line.
            let age = snapshot.uptime.saturating_sub(point.at);
            let moment = snapshot.taken_at.duration_since(UNIX_EPOCH);
            let seconds = moment.unwrap_or_default().saturating_sub(age).as_secs();
            columns.seconds.push(seconds);
            columns
                .transactions_per_second
                .push(point.transactions_per_second);
            columns.queries_per_second.push(point.queries_per_second);
            columns.wait_p99_ms.push(point.wait_p99.map(millis));
            columns.query_p99_ms.push(point.query_p99.map(millis));
            columns.waiting.push(point.waiting_max);
            columns.active.push(point.active_max);
        }
        columns
    }

    fn point(&self, at: Duration, span: Duration, before: &Totals, now: &Totals) -> Point {
        let waits = now.wait_times.since(&before.wait_times);
        let queries = now.query_times.since(&before.query_times);
        Point {
            at,
            transactions_per_second: per_second(now.transactions, before.transactions, span),
            queries_per_second: per_second(now.queries, before.queries, span),
            wait_p99: waits.and_then(|times| times.quantile(0.99)),
            query_p99: queries.and_then(|times| times.quantile(0.99)),
            waiting_max: self.waiting_max,
            active_max: self.active_max,
        }
    }

    fn mark(&mut self, snapshot: &Snapshot, sum: Totals) {
        let last = self.marks.back();
        let pools = snapshot.pools.iter().map(|pool| {
            let name = (pool.database.clone(), pool.user.clone());
            let known = last.and_then(|mark| mark.pools.get(&name));
            let totals = match known {
                Some(known) if **known == pool.totals => known.clone(),
                _ => Arc::new(pool.totals.clone()),
            };
            (name, totals)
        });
        let mark = Mark {
            at: snapshot.uptime,
            pools: pools.collect(),
            sum,
        };
        self.marks.push_back(mark);
        if self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
    }
}

/// A rate, to a tenth.
fn per_second(now: u64, before: u64, span: Duration) -> f64 {
    if span.is_zero() {
        return 0.0;
    }
    let rate = now.saturating_sub(before) as f64 / span.as_secs_f64();
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
