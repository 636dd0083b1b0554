//! `[pooler]`.

use std::time::Duration;

use pgweir_settings::{Problem, Section};

use super::super::keys::Scope;
use super::values::{Assumptions, Values};
use crate::facts::{Database, PoolMode, Pooler, PoolerKind};
use crate::units::Connections;

pub(super) fn pooler(
    section: &Section,
    database: &Database,
    acquire: Option<Duration>,
    assumptions: &mut Assumptions,
    problems: &mut Vec<Problem>,
) -> Pooler {
    let mut v = Values::read(Scope::Pooler, "", section, assumptions, problems);
    let kind = v.choice("kind");
    let pool_mode = match v.choice("pool_mode") {
        "session" => PoolMode::Session,
        "statement" => PoolMode::Statement,
        _ => PoolMode::Transaction,
    };
    let idle = database.timeouts.idle_in_transaction;
    Pooler {
        kind: match kind {
            "pgbouncer" => PoolerKind::Pgbouncer,
            _ => PoolerKind::Pgweir,
        },
        instances: v.count("instances"),
        pool_mode,
        host: v.text_or("host", kind),
        port: v.port("port"),
        kappa: v.count("kappa"),
        pool: v.maybe_count("default_pool_size").map(Connections),
        reserve_pool: v.maybe_count("reserve_pool_size").map(Connections),
        per_database: v.maybe_count("max_db_connections").map(Connections),
        clients: v.maybe_count("max_client_conn").map(Connections),
        query_wait: v.time_or(
            "query_wait_timeout",
            acquire.unwrap_or(Duration::from_secs(5)),
        ),
        idle_transaction: v.limit_or("idle_transaction_timeout", idle.map(nine_tenths)),
        client_idle: v.limit("client_idle_timeout"),
        server_lifetime: v.time("server_lifetime"),
        server_idle: v.time("server_idle_timeout"),
    }
}

/// Whole milliseconds, so that it is written and read back as it is.
fn nine_tenths(time: Duration) -> Duration {
    let ms = time.as_millis() * 9 / 10;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX).max(1))
}
