//! Every setting's name in the environment and in a URL, and what it may be.

use std::num::NonZeroU32;
use std::time::Duration;

use super::value::{Kind, Value};
use super::{PoolSettings, Pooler};
use crate::metrics::MetricNames;

/// A setting that can be read.
pub(super) struct Setting {
    /// Its variable.
    pub(super) variable: &'static str,
    /// Its names in a URL; the last ones are those of the Prisma ORM, whose URLs are often shared.
    pub(super) parameters: &'static [&'static str],
    /// What it may be.
    pub(super) kind: Kind,
    /// Puts it where it belongs.
    pub(super) apply: fn(&mut PoolSettings, Value),
}

/// The most connections that SQLx is asked for. It reserves room for that many at once, and no
/// PostgreSQL serves more.
pub(super) const CONNECTIONS_MAX: u32 = 10_000;

#[rustfmt::skip]
pub(super) const SETTINGS: &[Setting] = &[
    Setting { variable: "DB_MAX_CONNECTIONS", parameters: &["connection_limit"], kind: Kind::Count(1, CONNECTIONS_MAX),
        apply: |s, v| s.max_connections = count(v) },
    Setting { variable: "DB_MIN_CONNECTIONS", parameters: &[], kind: Kind::Count(0, CONNECTIONS_MAX),
        apply: |s, v| s.min_connections = count(v) },
    Setting { variable: "DB_ACQUIRE_TIMEOUT", parameters: &["pool_timeout"], kind: Kind::Time("nobody would get a connection that is not idle"),
        apply: |s, v| s.acquire_timeout = time(v).unwrap_or(s.acquire_timeout) },
    Setting { variable: "DB_IDLE_TIMEOUT", parameters: &["max_idle_connection_lifetime"], kind: Kind::TimeOrNever,
        apply: |s, v| s.idle_timeout = time(v) },
    Setting { variable: "DB_MAX_LIFETIME", parameters: &["max_connection_lifetime"], kind: Kind::TimeOrNever,
        apply: |s, v| s.max_lifetime = time(v) },
    Setting { variable: "DB_LIFETIME_JITTER", parameters: &[], kind: Kind::Part(0.0, super::check::JITTER_MAX),
        apply: |s, v| if let Value::Part(part) = v { s.lifetime_jitter = part } },
    Setting { variable: "DB_TEST_BEFORE_ACQUIRE", parameters: &[], kind: Kind::Switch,
        apply: |s, v| s.test_before_acquire = v == Value::Switch(true) },
    Setting { variable: "DB_CONNECT_TIMEOUT", parameters: &["connect_timeout"], kind: Kind::Time("the service would not wait for the database at all"),
        apply: |s, v| s.connect_timeout = time(v).unwrap_or(s.connect_timeout) },
    Setting { variable: "DB_SOCKET_TIMEOUT", parameters: &["socket_timeout"], kind: Kind::TimeOrNever,
        apply: |s, v| s.socket_timeout = time(v) },
    Setting { variable: "DB_STATEMENT_TIMEOUT", parameters: &[], kind: Kind::TimeOrNever,
        apply: |s, v| s.statement_timeout = time(v) },
    Setting { variable: "DB_LOCK_TIMEOUT", parameters: &[], kind: Kind::TimeOrNever,
        apply: |s, v| s.lock_timeout = time(v) },
    Setting { variable: "DB_IDLE_IN_TRANSACTION_TIMEOUT", parameters: &[], kind: Kind::TimeOrNever,
        apply: |s, v| s.idle_in_transaction_timeout = time(v) },
    Setting { variable: "DB_LEAK_AFTER", parameters: &[], kind: Kind::TimeOrNever,
        apply: |s, v| s.leak_after = time(v) },
    Setting { variable: "DB_SLOW_ACQUIRE", parameters: &[], kind: Kind::Time(EVERY),
        apply: |s, v| s.slow_acquire.slow = time(v).unwrap_or(s.slow_acquire.slow) },
    Setting { variable: "DB_VERY_SLOW_ACQUIRE", parameters: &[], kind: Kind::Time(EVERY),
        apply: |s, v| s.slow_acquire.very_slow = time(v).unwrap_or(s.slow_acquire.very_slow) },
    Setting { variable: "DB_SLOW_QUERY", parameters: &[], kind: Kind::Time(EVERY),
        apply: |s, v| s.slow_query.slow = time(v).unwrap_or(s.slow_query.slow) },
    Setting { variable: "DB_VERY_SLOW_QUERY", parameters: &[], kind: Kind::Time(EVERY),
        apply: |s, v| s.slow_query.very_slow = time(v).unwrap_or(s.slow_query.very_slow) },
    Setting { variable: "DB_POOLER", parameters: &[], kind: Kind::Word(&["none", "pgweir", "pgbouncer"]),
        apply: |s, v| s.pooler = match text(v).as_str() { "pgweir" => Pooler::Pgweir, "pgbouncer" => Pooler::PgBouncer, _ => Pooler::None } },
    Setting { variable: "DB_SERVICE", parameters: &[], kind: Kind::Text,
        apply: |s, v| s.service = text(v) },
    Setting { variable: "DB_REPLICAS", parameters: &[], kind: Kind::Count(1, CONNECTIONS_MAX),
        apply: |s, v| s.replicas = NonZeroU32::new(count(v)) },
    Setting { variable: "DB_METRIC_NAMES", parameters: &[], kind: Kind::Word(&["sqlx", "opentelemetry"]),
        apply: |s, v| s.metric_names = if text(v) == "sqlx" { MetricNames::Sqlx } else { MetricNames::OpenTelemetry } },
];

const EVERY: &str = "each would be logged";

/// `DB_*` variables of other programs that miss one of ours by a letter or two.
pub(super) const FOREIGN: &[&str] = &["DB_POOLED", "DB_POOL"];

fn count(value: Value) -> u32 {
    match value {
        Value::Count(count) => count,
        _ => unreachable!("the setting's kind is Count"),
    }
}

fn time(value: Value) -> Option<Duration> {
    match value {
        Value::Time(time) => time,
        _ => unreachable!("the setting's kind is Time"),
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        _ => unreachable!("the setting's kind is Text"),
    }
}
