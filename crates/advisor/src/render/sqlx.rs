//! SQLx: pool options as Rust, with jitter on the lifetime, and the environment.

use super::connect::{address, database_url, of_kind, shares_servers};
use super::file::{File, header};
use crate::facts::{Kind, Service};
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
        "{}# SQLx itself reads DATABASE_URL only; pgweir-sqlx reads the others, in seconds.\n\
         DATABASE_URL=\"{}\"\n\
         DB_MAX_CONNECTIONS={}\nDB_MIN_CONNECTIONS={}\nDB_ACQUIRE_TIMEOUT={}\nDB_IDLE_TIMEOUT={}\n\
         DB_MAX_LIFETIME={}\n",
        header(plan, "sqlx", "#"),
        database_url(&service.user, host, port, &service.database),
        service.pool,
        service.pool_min,
        whole_seconds(times.acquire),
        seconds(times.idle),
        seconds(times.max_lifetime),
    )
}

fn code(plan: &Plan, service: &Service) -> String {
    let times = &service.timeouts;
    let time = |limit: Option<_>| {
        limit.map_or("None".to_owned(), |limit| {
            format!("Some(Duration::from_millis({}))", whole_ms(limit))
        })
    };
    let (cache, cache_line) = if shares_servers(plan, service) {
        (
            "/// Prepared statements kept on a connection. The pooler may give each transaction another server,\n/// \
             which does not have them.\nconst STATEMENT_CACHE: usize = 0;\n",
            "\n        .statement_cache_capacity(STATEMENT_CACHE)",
        )
    } else {
        ("", "")
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
{cache}
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
    let options = options{application}{cache_line};
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
        // As rustfmt breaks the line.
        application = if cache_line.is_empty() {
            format!(".application_name(\"{}\")", service.name)
        } else {
            format!("\n        .application_name(\"{}\")", service.name)
        },
    )
}
