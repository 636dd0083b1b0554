//! `[pooler]`.

use std::time::Duration;

use pgweir_settings::{Problem, Section};

use super::super::keys::Scope;
use super::values::{Assumptions, Values};
use crate::facts::{Database, PoolMode, Pooler, PoolerKind};

pub(super) fn pooler(
    section: &Section,
    database: &Database,
    acquire: Option<Duration>,
    assumptions: &mut Assumptions,
    problems: &mut Vec<Problem>,
) -> Pooler {
    let mut v = Values::read(Scope::Pooler, "", section, assumptions, problems);
    let kind: &str = v.get("kind");
    let pool_mode = match v.get::<&str>("pool_mode") {
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
        instances: v.get("instances"),
        pool_mode,
        host: v.or("host", kind.to_owned()),
        port: v.get("port"),
        kappa: v.get("kappa"),
        pool: v.maybe("default_pool_size"),
        reserve_pool: v.maybe("reserve_pool_size"),
        per_database: v.maybe("max_db_connections"),
        clients: v.maybe("max_client_conn"),
        query_wait: v.or(
            "query_wait_timeout",
            acquire.unwrap_or(Duration::from_secs(5)),
        ),
        idle_transaction: v.or("idle_transaction_timeout", idle.map(nine_tenths)),
        client_idle: v.get("client_idle_timeout"),
        server_lifetime: v.get("server_lifetime"),
        server_idle: v.get("server_idle_timeout"),
    }
}

/// Whole milliseconds, so that it is written and read back as it is.
fn nine_tenths(time: Duration) -> Duration {
    let ms = time.as_millis() * 9 / 10;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX).max(1))
}
