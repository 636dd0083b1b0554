//! What was, for views that show a time series rather than a sum: differences between snapshots.
//!
//! A look is taken once per second, whether anybody watches or not. Two things are
//! kept: a **point** per five seconds for the last quarter of an hour, of all pools together, and
//! **marks** of each pool, to tell what happened in a window: one per point for the last minute, one per
//! minute for the last quarter of an hour.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use pgweir_pool::work::Totals;

use crate::live::HistoryColumns;
use crate::millis;
use crate::pools::{PoolSnapshot, Times};
use crate::snapshot::Snapshot;
use crate::window::Window;

/// Time between points.
const POINT: Duration = Duration::from_secs(5);

/// Points kept: a quarter of an hour.
const POINTS_MAX: usize = 180;

/// Marks kept: a minute. Each holds the totals of at most 201 pools, 3 KiB each, but only of those
/// that have worked since the mark before: 7 MiB if all of 201 are busy, next to nothing if few are.
const MARKS_MAX: usize = 12;

/// Marks kept that are older: as many minutes as the longest window. With those of the last minute, 17 MiB at
/// the most.
const MINUTES_MAX: usize = 15;

/// Between those.
const MINUTE: Duration = Duration::from_secs(60);

/// A rate over less time says more of the moment than of the pool.
const SPAN_MIN: Duration = Duration::from_secs(2);

/// The last quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
    /// The oldest first. Never empty after the first look.
    marks: VecDeque<Mark>,
    /// Those that were dropped of `marks`, one per minute; the oldest first.
    minutes: VecDeque<Mark>,
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

/// What a pool, or all of them, did in a window.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) transactions_per_second: f64,
    pub(crate) queries_per_second: f64,
    /// Counts alone are of use: transactions, queries, errors, refusals, bytes and waits.
    pub(crate) counts: Totals,
    /// Of waits, transactions and queries.
    pub(crate) times: [Times; 3],
}

impl Recent {
    fn of(now: &Totals, before: &Totals, span: Duration) -> Self {
        Self {
            transactions_per_second: per_second(now.transactions, before.transactions, span),
            queries_per_second: per_second(now.queries, before.queries, span),
            counts: counts(now, before),
            times: [
                (&now.wait_times, &before.wait_times),
                (&now.transaction_times, &before.transaction_times),
                (&now.query_times, &before.query_times),
            ]
            .map(|(now, before)| Times::of(&now.since(before).unwrap_or_default())),
        }
    }
}

/// What was counted after `before`; of another pool of that name, which began to count anew, nothing.
fn counts(now: &Totals, before: &Totals) -> Totals {
    let mut counts = Totals::default();
    macro_rules! count {
        ($($field:ident),+) => {
            $(counts.$field = now.$field.saturating_sub(before.$field);)+
        };
    }
    count!(transactions, queries, errors, received_bytes, sent_bytes);
    count!(
        refusals_queue_full,
        refusals_timeout,
        refusals_login_failing
    );
    for (at, waited) in counts.waits.iter_mut().enumerate() {
        waited.count = now.waits[at].count.saturating_sub(before.waits[at].count);
        waited.us = now.waits[at].us.saturating_sub(before.waits[at].us);
    }
    counts
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

    /// What a pool of this snapshot did in a window.
    pub(crate) fn recent(
        &self,
        snapshot: &Snapshot,
        pool: &PoolSnapshot,
        window: Window,
    ) -> Recent {
        let name = (pool.database.clone(), pool.user.clone());
        let mark = self.mark_of(snapshot, window);
        let before = mark.and_then(|mark| mark.pools.get(&name));
        let nothing = Totals::default();
        let before = before.map_or(&nothing, Arc::as_ref);
        Recent::of(&pool.totals, before, self.span(snapshot, window))
    }

    /// What all pools of this snapshot did in a window.
    pub(crate) fn sum(&self, snapshot: &Snapshot, window: Window) -> Recent {
        let mark = self.mark_of(snapshot, window);
        let nothing = Totals::default();
        let before = mark.map_or(&nothing, |mark| &mark.sum);
        let now = snapshot.sum().totals;
        Recent::of(&now, before, self.span(snapshot, window))
    }

    /// How long a window is at this moment.
    pub(crate) fn span(&self, snapshot: &Snapshot, window: Window) -> Duration {
        let mark = self.mark_of(snapshot, window);
        let since = mark.map_or(Duration::ZERO, |mark| mark.at);
        snapshot.uptime.saturating_sub(since)
    }

    /// The mark at which a window begins: the one whose age is closest to its length. `None` is the start.
    fn mark_of(&self, snapshot: &Snapshot, window: Window) -> Option<&Mark> {
        let wanted = window.span()?;
        let age = |mark: &&Mark| snapshot.uptime.saturating_sub(mark.at);
        let marks = self.minutes.iter().chain(&self.marks);
        let settled = marks.filter(|mark| age(mark) >= SPAN_MIN);
        let closest = settled.min_by_key(|mark| age(mark).abs_diff(wanted));
        // Right after the start, the start itself is closer.
        closest.filter(|mark| age(mark).abs_diff(wanted) <= snapshot.uptime.abs_diff(wanted))
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
            let old = self.marks.pop_front().expect("there is one");
            let last = self.minutes.back().map(|last| last.at);
            if last.is_none_or(|last| old.at.saturating_sub(last) >= MINUTE) {
                self.minutes.push_back(old);
            }
            if self.minutes.len() > MINUTES_MAX {
                self.minutes.pop_front();
            }
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
