//! Metrics: their names, their values, and their text for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

mod text;

pub(crate) use text::Text;

/// Names of metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricNames {
    /// `sqlx_pool_*`, with the label `service`.
    #[default]
    Sqlx,
    /// The names of OpenTelemetry's semantic conventions for database clients where they have one,
    /// such as `db.client.connection.count`, with the label `db.client.connection.pool.name`. In
    /// Prometheus text dots become underscores and units are added, as OpenTelemetry prescribes.
    OpenTelemetry,
}

impl MetricNames {
    /// The label that carries the service's name.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Sqlx => "service",
            Self::OpenTelemetry => "db.client.connection.pool.name",
        }
    }
}

/// Something that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) sqlx: &'static str,
    pub(crate) opentelemetry: &'static str,
    /// A label besides the service's; one that begins with `db.` is for OpenTelemetry alone.
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) help: &'static str,
}

impl Metric {
    pub(crate) fn name(&self, names: MetricNames) -> &'static str {
        match names {
            MetricNames::Sqlx => self.sqlx,
            MetricNames::OpenTelemetry => self.opentelemetry,
        }
    }

    /// The label besides the service's. OpenTelemetry counts connections by state under one name, and
    /// asks for the system of an operation.
    pub(crate) fn label(&self, names: MetricNames) -> Option<(&'static str, &'static str)> {
        match names {
            MetricNames::Sqlx => self.label.filter(|(name, _)| !name.starts_with("db.")),
            MetricNames::OpenTelemetry => self.label,
        }
    }
}

const STATE: &str = "db.client.connection.state";

#[rustfmt::skip]
mod list {
    use super::{Metric, STATE};

    const fn metric(sqlx: &'static str, opentelemetry: &'static str, help: &'static str) -> Metric {
        Metric { sqlx, opentelemetry, label: None, help }
    }

    const fn labelled(of: Metric, name: &'static str, value: &'static str) -> Metric {
        Metric { label: Some((name, value)), ..of }
    }

    const COUNT: &str = "db.client.connection.count";
    const SLOW_ACQUIRES: Metric = metric("sqlx_pool_slow_acquires_total", "sqlx.pool.slow_acquires", "Acquires that were logged as slow");
    const SLOW_QUERIES: Metric = metric("sqlx_pool_slow_queries_total", "sqlx.pool.slow_queries", "Queries that were logged as slow");

    pub(crate) const ACTIVE: Metric = labelled(metric("sqlx_pool_connections_active", COUNT, "Connections that are held"), STATE, "used");
    pub(crate) const IDLE: Metric = labelled(metric("sqlx_pool_connections_idle", COUNT, "Connections that are open and unused"), STATE, "idle");
    pub(crate) const SIZE: Metric = metric("sqlx_pool_connections_size", "sqlx.pool.connections.size", "Connections that are open or being opened");
    pub(crate) const MAX: Metric = metric("sqlx_pool_connections_max", "db.client.connection.max", "The most connections that may be open");
    pub(crate) const MIN: Metric = metric("sqlx_pool_connections_min", "db.client.connection.idle.min", "Connections that are kept open");
    pub(crate) const WAITING: Metric = metric("sqlx_pool_waiting", "db.client.connection.pending_requests", "Acquires under way");
    pub(crate) const ACQUIRE: Metric = metric("sqlx_pool_acquire_seconds", "db.client.connection.wait_time", "Time until a connection was acquired, opening one included");
    pub(crate) const HELD: Metric = metric("sqlx_pool_held_seconds", "db.client.connection.use_time", "Time for which a connection was held");
    pub(crate) const QUERY: Metric = labelled(metric("sqlx_pool_query_seconds", "db.client.operation.duration", "Time until a query's last row was read"), "db.system.name", "postgresql");
    pub(crate) const TIMEOUTS: Metric = metric("sqlx_pool_acquire_timeouts_total", "db.client.connection.timeouts", "Acquires that timed out");
    pub(crate) const ACQUIRE_ERRORS: Metric = metric("sqlx_pool_acquire_errors_total", "sqlx.pool.acquire_errors", "Acquires that failed otherwise");
    pub(crate) const CANCELLED: Metric = metric("sqlx_pool_acquires_cancelled_total", "sqlx.pool.acquires_cancelled", "Acquires that their caller gave up");
    pub(crate) const OPENED: Metric = metric("sqlx_pool_connections_opened_total", "sqlx.pool.connections.opened", "Connections opened");
    pub(crate) const EXPIRED: Metric = metric("sqlx_pool_connections_expired_total", "sqlx.pool.connections.expired", "Connections closed at the end of their lifetime");
    pub(crate) const DISCARDED: Metric = metric("sqlx_pool_connections_discarded_total", "sqlx.pool.connections.discarded", "Connections closed because they came back in an unknown state");
    pub(crate) const LEAKS: Metric = metric("sqlx_pool_leaks_total", "sqlx.pool.leaks", "Connections held longer than the bound");
    pub(crate) const QUERY_ERRORS: Metric = metric("sqlx_pool_query_errors_total", "sqlx.pool.query_errors", "Queries that failed");
    pub(crate) const ACQUIRES_SLOW: Metric = labelled(SLOW_ACQUIRES, "level", "slow");
    pub(crate) const ACQUIRES_VERY_SLOW: Metric = labelled(SLOW_ACQUIRES, "level", "very_slow");
    pub(crate) const QUERIES_SLOW: Metric = labelled(SLOW_QUERIES, "level", "slow");
    pub(crate) const QUERIES_VERY_SLOW: Metric = labelled(SLOW_QUERIES, "level", "very_slow");
}

pub(crate) use list::*;

/// A counter, here and in the facade.
pub(crate) struct Count {
    value: AtomicU64,
    #[cfg(feature = "metrics")]
    facade: metrics::Counter,
}

impl Count {
    /// A new one for `metric` of `service`.
    pub(crate) fn new(metric: Metric, names: MetricNames, service: &str) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = (metric, names, service);
        Self {
            value: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            facade: {
                let name = metric.name(names);
                metrics::describe_counter!(name, metric.help);
                metrics::counter!(name, labels(metric, names, service))
            },
        }
    }

    /// Counts one.
    pub(crate) fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.facade.increment(1);
    }

    /// The count.
    pub(crate) fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// A histogram of times, here and in the facade.
pub(crate) struct Times {
    /// One more than there are bounds, for times beyond the last.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
    #[cfg(feature = "metrics")]
    facade: metrics::Histogram,
}

impl Times {
    /// A new one for `metric` of `service`.
    pub(crate) fn new(metric: Metric, names: MetricNames, service: &str) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = (metric, names, service);
        Self {
            buckets: Default::default(),
            sum_ns: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            facade: {
                let name = metric.name(names);
                metrics::describe_histogram!(name, metrics::Unit::Seconds, metric.help);
                metrics::histogram!(name, labels(metric, names, service))
            },
        }
    }

    /// Adds one.
    pub(crate) fn record(&self, time: Duration) {
        let bucket = BOUNDS.partition_point(|bound| bound.0 < time);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // 584 years fit.
        self.sum_ns
            .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.facade.record(time.as_secs_f64());
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts().iter().sum()
    }

    fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed))
    }

    fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed))
    }
}

/// A gauge in the facade. Here its value is read on demand.
#[cfg(feature = "metrics")]
pub(crate) fn gauge(metric: Metric, names: MetricNames, service: &str) -> metrics::Gauge {
    let name = metric.name(names);
    metrics::describe_gauge!(name, metric.help);
    metrics::gauge!(name, labels(metric, names, service))
}

#[cfg(feature = "metrics")]
fn labels(metric: Metric, names: MetricNames, service: &str) -> Vec<metrics::Label> {
    let own = metrics::Label::new(names.label(), service.to_owned());
    let other = metric.label(names);
    std::iter::once(own)
        .chain(other.map(|(name, value)| metrics::Label::new(name, value)))
        .collect()
}

/// Upper bounds of the buckets, and how they are written. Among them are those that dashboards for
/// Prisma's query times use.
const BOUNDS: [(Duration, &str); 15] = [
    (Duration::from_micros(500), "0.0005"),
    (Duration::from_millis(1), "0.001"),
    (Duration::from_micros(2500), "0.0025"),
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(50), "0.05"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(250), "0.25"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_secs(1), "1"),
    (Duration::from_secs(2), "2"),
    (Duration::from_secs(5), "5"),
    (Duration::from_secs(10), "10"),
    (Duration::from_secs(30), "30"),
];

#[cfg(test)]
mod tests;
