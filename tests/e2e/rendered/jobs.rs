// Written by `pgweir render sqlx`; the test beside it says for which fleet.
// Change the fleet and render again; changes made here are lost.
//! The pool of jobs.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// Connections at most.
pub const MAX_CONNECTIONS: u32 = 4;
/// Connections kept open.
const MIN_CONNECTIONS: u32 = 2;
/// Wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(5000);
/// Time an unused connection is kept.
const IDLE_TIMEOUT: Option<Duration> = Some(Duration::from_millis(600000));
/// Age at which a connection is replaced, up to a tenth less.
const MAX_LIFETIME: Option<Duration> = Some(Duration::from_millis(1800000));

/// Options of the pool.
pub fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .min_connections(MIN_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME.map(earlier))
        .test_before_acquire(true)
}

/// Connects to the URL of `DATABASE_URL`, which has no parameters of other pools.
///
/// # Errors
/// The URL is invalid, or the database cannot be reached.
pub async fn connect(database_url: &str) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = database_url.parse()?;
    let options = options.application_name("jobs");
    pool_options().connect_with(options).await
}

/// Takes off a random part of up to a tenth, so that instances that started together do not
/// reconnect together.
fn earlier(lifetime: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) % 1_000;
    lifetime - lifetime / 10 * u32::try_from(chance).unwrap_or(0) / 1_000
}
