//! SQLx: pool options as Rust, with jitter on the lifetime, and the environment.

use super::connect::{
    address, database_url, of_kind, password_in_url, password_variable, shares_servers,
};
use super::file::{File, header};
use crate::facts::{Kind, PoolerKind, Service};
use crate::plan::Plan;
use crate::units::{whole_ms, whole_seconds};

pub(super) fn files(plan: &Plan) -> Vec<File> {
    of_kind(plan, &[Kind::Sqlx])
        .flat_map(|service| {
            let name = &service.name;
            [
                File {
                    path: format!("sqlx/{name}.rs"),
                    content: code(plan, service),
                },
                File {
                    path: format!("sqlx/{name}.env"),
                    content: environment(plan, service),
                },
            ]
        })
        .collect()
}

fn environment(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let times = &service.timeouts;
    let seconds = |time: Option<_>| time.map_or(0, whole_seconds);
    format!(
        "{}# The password comes from a variable, percent-encoded; dotenvy expands it.\n\
         # SQLx itself reads DATABASE_URL only; pgweir-sqlx reads the others, in seconds.\n\
         DATABASE_URL=\"{}\"\n\
         DB_MAX_CONNECTIONS={}\nDB_MIN_CONNECTIONS={}\nDB_ACQUIRE_TIMEOUT={}\nDB_IDLE_TIMEOUT={}\n\
         DB_MAX_LIFETIME={}\n{}DB_SERVICE={}\n",
        header(plan, "sqlx", "#"),
        database_url(&service.user, host, port, &service.database).replace(
            &format!("${{{}}}", password_variable(&service.user)),
            &format!("${{{}}}", password_in_url(&service.user)),
        ),
        service.pool,
        service.pool_min,
        whole_seconds(times.acquire),
        seconds(times.idle),
        seconds(times.max_lifetime),
        between(plan, service).map_or(String::new(), |pooler| format!("DB_POOLER={pooler}\n")),
        service.name,
    )
}

/// What `pgweir-sqlx` has to know of the pooler: which one shares its servers, if one does.
pub(super) fn between(plan: &Plan, service: &Service) -> Option<&'static str> {
    let pooler = plan.facts.pooler.as_ref()?;
    shares_servers(plan, service).then(|| pooler.kind.name())
}

/// Why SQLx's cache of prepared statements stays as it is.
fn statement_cache(plan: &Plan, service: &Service) -> String {
    let Some(pooler) = &plan.facts.pooler else {
        return String::new();
    };
    if !shares_servers(plan, service) {
        return String::new();
    }
    let line = match pooler.kind {
        PoolerKind::Pgweir => "The statement cache stays on: pgweir shares prepared statements.",
        PoolerKind::Pgbouncer if pooler.version.shares_prepared_statements() => {
            "The statement cache stays on: PgBouncer shares them with max_prepared_statements."
        }
        PoolerKind::Pgbouncer => {
            "SQLx names every statement: it needs PgBouncer 1.21 or pool_mode = session."
        }
    };
    // Without its cache SQLx still names each statement, and closes none.
    format!("    // {line}\n")
}

fn code(plan: &Plan, service: &Service) -> String {
    let times = &service.timeouts;
    let time = |limit: Option<_>| {
        limit.map_or("None".to_owned(), |limit| {
            format!("Some(Duration::from_millis({}))", whole_ms(limit))
        })
    };
    format!(
        "{header}//! The pool of {name}.

use std::hash::{{BuildHasher, RandomState}};
use std::time::Duration;

use sqlx::postgres::{{PgConnectOptions, PgPool, PgPoolOptions}};

/// Connections at most.
pub const MAX_CONNECTIONS: u32 = {max};
/// Connections kept open.
const MIN_CONNECTIONS: u32 = {min};
/// Wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis({acquire});
/// Time an unused connection is kept.
const IDLE_TIMEOUT: Option<Duration> = {idle};
/// Age at which a connection is replaced, up to a tenth less.
const MAX_LIFETIME: Option<Duration> = {lifetime};

/// Options of the pool.
pub fn pool_options() -> PgPoolOptions {{
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .min_connections(MIN_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME.map(earlier))
        .test_before_acquire(true)
}}

/// Connects to the URL of `DATABASE_URL`, which has no parameters of other pools.
///
/// # Errors
/// The URL is invalid, or the database cannot be reached.
pub async fn connect(database_url: &str) -> Result<PgPool, sqlx::Error> {{
    let options: PgConnectOptions = database_url.parse()?;
{cache}    let options = options.application_name(\"{name}\");
    pool_options().connect_with(options).await
}}

/// Takes off a random part of up to a tenth, so that instances that started together do not
/// reconnect together.
fn earlier(lifetime: Duration) -> Duration {{
    let chance = RandomState::new().hash_one(0) % 1_000;
    lifetime - lifetime / 10 * u32::try_from(chance).unwrap_or(0) / 1_000
}}
",
        header = header(plan, "sqlx", "//"),
        name = service.name,
        max = service.pool,
        min = service.pool_min,
        acquire = whole_ms(times.acquire),
        idle = time(times.idle),
        lifetime = time(times.max_lifetime),
        cache = statement_cache(plan, service),
    )
}
