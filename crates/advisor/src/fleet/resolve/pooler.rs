//! `[pooler]`.

use std::time::Duration;

use pgweir_settings::{Problem, Section};

use super::super::keys::Scope;
use super::values::{Assumptions, Values};
use crate::facts::{Database, PgbouncerVersion, PoolMode, Pooler, PoolerKind};

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
    let kind = match kind {
        "pgbouncer" => PoolerKind::Pgbouncer,
        _ => PoolerKind::Pgweir,
    };
    let usual = Pooler::usual(kind, database, acquire);
    let version = v.get::<&str>("pgbouncer_version");
    Pooler {
        version: PgbouncerVersion::named(version).expect("the table allows only versions"),
        instances: v.get("instances"),
        image: v.or("image", usual.image.clone()),
        pool_mode,
        host: v.or("host", usual.host.clone()),
        port: v.get("port"),
        kappa: v.get("kappa"),
        pool: v.maybe("default_pool_size"),
        reserve_pool: v.maybe("reserve_pool_size"),
        per_database: v.maybe("max_db_connections"),
        clients: v.maybe("max_client_conn"),
        query_wait: v.or("query_wait_timeout", usual.query_wait),
        idle_transaction: v.or("idle_transaction_timeout", usual.idle_transaction),
        client_idle: v.get("client_idle_timeout"),
        server_lifetime: v.get("server_lifetime"),
        server_idle: v.get("server_idle_timeout"),
        ..usual
    }
}
