//! What a pool counts, and what its connections share.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::holders::{Holders, by_place, excerpt};
use crate::metrics::{self, Count, Times};
use crate::settings::{PoolSettings, Slow};

/// Numbers of a pool at one moment. Counts are since the pool was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Connections that are open or being opened.
    pub size: u32,
    /// Connections that are open and idle. SQLx's count may be off for a moment.
    pub idle: u32,
    /// Connections that are held: what [`crate::Pool::holders`] lists.
    pub active: u32,
    /// Acquires under way.
    pub waiting: u32,
    /// The most connections that may be open.
    pub max_connections: u32,
    /// Acquires that succeeded.
    pub acquires: u64,
    /// Acquires that timed out.
    pub timeouts: u64,
    /// Acquires that failed otherwise.
    pub acquire_errors: u64,
    /// Acquires that their caller gave up.
    pub cancelled: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed at the end of their lifetime.
    pub expired: u64,
    /// Connections closed because they came back in an unknown state: inside a transaction, or in
    /// the middle of a query that did not end.
    pub discarded: u64,
    /// Connections held longer than [`PoolSettings::leak_after`].
    pub leaks: u64,
    /// Queries that ended, well or not.
    pub queries: u64,
    /// Queries that failed.
    pub query_errors: u64,
}

/// What the pool, its connections and its watcher share.
pub(crate) struct Shared {
    pub(crate) settings: PoolSettings,
    pub(crate) holders: Holders,
    pub(crate) meter: Meter,
}

impl Shared {
    pub(crate) fn new(settings: PoolSettings) -> Self {
        Self {
            meter: Meter::new(&settings),
            holders: Holders::default(),
            settings,
        }
    }

    /// An acquire ended well after this time.
    pub(crate) fn acquired(&self, place: &dyn std::fmt::Display, time: Duration) {
        let meter = &self.meter;
        meter.acquire.record(time);
        let Slow { slow, very_slow } = self.settings.slow_acquire;
        if time < slow {
            return;
        }
        let (count, level) = if time >= very_slow {
            (&meter.acquires_very_slow, &meter.very_slow_logs)
        } else {
            (&meter.acquires_slow, &meter.slow_logs)
        };
        count.add();
        // Thousands in a queue would all log the same.
        let Some(unsaid) = level.turn(meter.now_ms()) else {
            return;
        };
        let seconds = seconds(time);
        let held_by = by_place(&self.holders.all(Instant::now()));
        if time >= very_slow {
            tracing::error!(%place, seconds, unsaid, held_by, "very slow acquire");
        } else {
            tracing::warn!(%place, seconds, unsaid, held_by, "slow acquire");
        }
    }

    /// An acquire timed out.
    pub(crate) fn timed_out(&self, place: &dyn std::fmt::Display, size: u32) {
        let meter = &self.meter;
        meter.timeouts.add();
        let Some(unsaid) = meter.timeout_logs.turn(meter.now_ms()) else {
            return;
        };
        let holders = self.holders.all(Instant::now());
        tracing::error!(
            %place,
            timeout_seconds = seconds(self.settings.acquire_timeout),
            limit = self.settings.max_connections,
            open = size,
            held = holders.len(),
            waiting = meter.waiting.load(Ordering::Relaxed),
            unsaid,
            held_by = by_place(&holders),
            "no connection within the pool's timeout"
        );
    }

    /// A query ended after this time.
    pub(crate) fn queried(&self, statement: &str, time: Duration, failed: bool) {
        let meter = &self.meter;
        meter.query.record(time);
        if failed {
            meter.query_errors.add();
        } else {
            meter.answered();
        }
        let Slow { slow, very_slow } = self.settings.slow_query;
        if time < slow {
            return;
        }
        let (statement, seconds) = (excerpt(statement), seconds(time));
        if time >= very_slow {
            meter.queries_very_slow.add();
            tracing::error!(%statement, seconds, failed, "very slow query");
        } else {
            meter.queries_slow.add();
            tracing::warn!(%statement, seconds, failed, "slow query");
        }
    }

    /// Logs and counts connections that are held too long. Returns when to look again.
    pub(crate) fn watch(&self, now: Instant) -> Option<Instant> {
        let bound = self.settings.leak_after?;
        for leak in self.holders.leaks(now, bound) {
            self.meter.leaks.add();
            tracing::warn!(
                place = %leak.place,
                seconds = seconds(leak.held_for),
                bound_seconds = seconds(bound),
                "connection held too long, perhaps leaked"
            );
        }
        // A later holder cannot be due before that.
        Some(self.holders.oldest().unwrap_or(now) + bound)
    }
}

/// What a pool counts.
pub(crate) struct Meter {
    start: Instant,
    /// When the database last answered a query, in milliseconds since the start; 0 is never.
    answered_ms: AtomicU64,
    timeout_logs: LogLimit,
    slow_logs: LogLimit,
    very_slow_logs: LogLimit,
    pub(crate) waiting: AtomicU32,
    pub(crate) acquire: Times,
    pub(crate) held: Times,
    pub(crate) query: Times,
    pub(crate) timeouts: Count,
    pub(crate) acquire_errors: Count,
    pub(crate) cancelled: Count,
    pub(crate) opened: Count,
    pub(crate) expired: Count,
    pub(crate) discarded: Count,
    pub(crate) leaks: Count,
    pub(crate) query_errors: Count,
    acquires_slow: Count,
    acquires_very_slow: Count,
    queries_slow: Count,
    queries_very_slow: Count,
    #[cfg(feature = "metrics")]
    gauges: Gauges,
}

#[cfg(feature = "metrics")]
struct Gauges {
    active: ::metrics::Gauge,
    idle: ::metrics::Gauge,
    size: ::metrics::Gauge,
    max: ::metrics::Gauge,
    min: ::metrics::Gauge,
    waiting: ::metrics::Gauge,
}

impl Meter {
    fn new(settings: &PoolSettings) -> Self {
        let (names, service) = (settings.metric_names, settings.service.as_str());
        let count = |metric| Count::new(metric, names, service);
        let times = |metric| Times::new(metric, names, service);
        #[cfg(feature = "metrics")]
        let gauge = |metric| metrics::gauge(metric, names, service);
        Self {
            start: Instant::now(),
            answered_ms: AtomicU64::new(0),
            timeout_logs: LogLimit::default(),
            slow_logs: LogLimit::default(),
            very_slow_logs: LogLimit::default(),
            waiting: AtomicU32::new(0),
            acquire: times(metrics::ACQUIRE),
            held: times(metrics::HELD),
            query: times(metrics::QUERY),
            timeouts: count(metrics::TIMEOUTS),
            acquire_errors: count(metrics::ACQUIRE_ERRORS),
            cancelled: count(metrics::CANCELLED),
            opened: count(metrics::OPENED),
            expired: count(metrics::EXPIRED),
            discarded: count(metrics::DISCARDED),
            leaks: count(metrics::LEAKS),
            query_errors: count(metrics::QUERY_ERRORS),
            acquires_slow: count(metrics::ACQUIRES_SLOW),
            acquires_very_slow: count(metrics::ACQUIRES_VERY_SLOW),
            queries_slow: count(metrics::QUERIES_SLOW),
            queries_very_slow: count(metrics::QUERIES_VERY_SLOW),
            #[cfg(feature = "metrics")]
            gauges: Gauges {
                active: gauge(metrics::ACTIVE),
                idle: gauge(metrics::IDLE),
                size: gauge(metrics::SIZE),
                max: gauge(metrics::MAX),
                min: gauge(metrics::MIN),
                waiting: gauge(metrics::WAITING),
            },
        }
    }

    /// The database answered.
    pub(crate) fn answered(&self) {
        let now = self.now_ms().max(1);
        self.answered_ms.store(now, Ordering::Relaxed);
    }

    /// Whether the database answered within this time.
    pub(crate) fn answered_within(&self, time: Duration) -> bool {
        let last = self.answered_ms.load(Ordering::Relaxed);
        last != 0 && u128::from(self.now_ms().saturating_sub(last)) <= time.as_millis()
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Publishes the current values through the facade.
    #[cfg(feature = "metrics")]
    pub(crate) fn publish(&self, now: &Snapshot, min: u32) {
        for (gauge, value) in [
            (&self.gauges.active, now.active),
            (&self.gauges.idle, now.idle),
            (&self.gauges.size, now.size),
            (&self.gauges.max, now.max_connections),
            (&self.gauges.min, min),
            (&self.gauges.waiting, now.waiting),
        ] {
            gauge.set(f64::from(value));
        }
    }

    /// Prometheus text of all this.
    pub(crate) fn text(&self, now: &Snapshot, settings: &PoolSettings) -> String {
        let mut text = metrics::Text::new(settings.metric_names, &settings.service);
        text.gauge(metrics::ACTIVE, now.active.into())
            .gauge(metrics::IDLE, now.idle.into())
            .gauge(metrics::SIZE, now.size.into())
            .gauge(metrics::MAX, now.max_connections.into())
            .gauge(metrics::MIN, settings.min_connections.into())
            .gauge(metrics::WAITING, now.waiting.into())
            .times(metrics::ACQUIRE, &self.acquire)
            .times(metrics::HELD, &self.held)
            .times(metrics::QUERY, &self.query)
            .count(metrics::TIMEOUTS, &self.timeouts)
            .count(metrics::ACQUIRE_ERRORS, &self.acquire_errors)
            .count(metrics::CANCELLED, &self.cancelled)
            .count(metrics::OPENED, &self.opened)
            .count(metrics::EXPIRED, &self.expired)
            .count(metrics::DISCARDED, &self.discarded)
            .count(metrics::LEAKS, &self.leaks)
            .count(metrics::QUERY_ERRORS, &self.query_errors)
            .count(metrics::ACQUIRES_SLOW, &self.acquires_slow)
            .count(metrics::ACQUIRES_VERY_SLOW, &self.acquires_very_slow)
            .count(metrics::QUERIES_SLOW, &self.queries_slow)
            .count(metrics::QUERIES_VERY_SLOW, &self.queries_very_slow);
        text.finish()
    }
}

/// A time as it is logged: to the millisecond.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// Limits a log line to one per second.
#[derive(Default)]
struct LogLimit {
    /// When, in milliseconds since the start; 0 is never.
    last_ms: AtomicU64,
    /// How often it happened since without being logged.
    unsaid: AtomicU64,
}

impl LogLimit {
    /// How often it happened since the last line, if a line is due.
    fn turn(&self, now_ms: u64) -> Option<u64> {
        let now = now_ms.max(1);
        let last = self.last_ms.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + LOG_EVERY_MS;
        let won = due
            && self
                .last_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if won {
            Some(self.unsaid.swap(0, Ordering::Relaxed))
        } else {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

const LOG_EVERY_MS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_once_a_second_with_how_many_were_not() {
        let limit = LogLimit::default();
        let turns = [0, 0, 500, 1000, 1001, 1500, 2001].map(|ms| limit.turn(ms));
        let unsaid = [Some(0), None, None, None, Some(3), None, Some(1)];
        assert_eq!(turns, unsaid);
    }
}
