//! SQLx's PostgreSQL pool for services that run for months.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = pgweir_sqlx::PoolSettings::from_env()?; // DATABASE_URL and DB_*
//! let pool = pgweir_sqlx::Pool::connect(settings).await?;
//! # use pgweir_sqlx::sqlx;
//! let answer: i32 = sqlx::query_scalar("SELECT 42").fetch_one(&pool).await?;
//! # Ok(()) }
//! ```
//!
//! [`Pool`] wraps [`sqlx::PgPool`] and takes its place. It adds:
//!
//! * [`PoolSettings`] from `DATABASE_URL`, the `DB_*` variables and the parameters
//!   `connection_limit`, `pool_timeout`, `connect_timeout` and `socket_timeout`, with every mistake
//!   reported at once ([`SettingsError`]) and no secret in any message.
//! * [`Pool::holders`] lists who holds a connection, where in the code they took it and how long
//!   ago; one held longer than [`PoolSettings::leak_after`] is logged and counted.
//! * Slow acquires and slow queries are logged on two levels, and an acquire that times out logs who
//!   held the connections.
//! * Connections end at different ages, so that a fleet does not reconnect all at once.
//! * [`Pool::close_with_timeout`] has a deadline, and reports who still holds a connection.
//! * [`Pool::prometheus_text`], the `metrics` facade, [`Pool::health`], [`Pool::statistics`] and,
//!   with the feature `axum`, a router for all of them.
//! * [`Pooler`] adapts it to pgweir and PgBouncer in transaction mode.
//!
//! Deliberately not here: queries, migrations and everything else that SQLx does. The SQLx in use is
//! [`sqlx`]: 0.8 by default, 0.9 with `default-features = false, features = ["sqlx-0_9"]`. One build
//! has one of them, since [`Pool`] hands out its types. TLS is switched on with the features of your
//! own dependency on SQLx.
//!
//! The crate needs tokio, and Rust 1.88 with SQLx 0.8 or 1.94 with SQLx 0.9.

#[cfg(all(feature = "sqlx-0_8", feature = "sqlx-0_9"))]
compile_error!(
    "pgweir-sqlx: the features sqlx-0_8 and sqlx-0_9 exclude each other; for SQLx 0.9 write \
     pgweir-sqlx = { default-features = false, features = [\"sqlx-0_9\"] }"
);
#[cfg(not(any(feature = "sqlx-0_8", feature = "sqlx-0_9")))]
compile_error!("pgweir-sqlx: choose a version of SQLx with the feature sqlx-0_8 or sqlx-0_9");

#[cfg(all(feature = "sqlx-0_8", not(feature = "sqlx-0_9")))]
pub use sqlx_0_8 as sqlx;
#[cfg(feature = "sqlx-0_9")]
pub use sqlx_0_9 as sqlx;

mod capacity;
mod health;
mod holders;
mod lifetime;
mod meter;
mod metrics;
mod pool;
#[cfg(feature = "axum")]
mod routes;
mod settings;
mod version;

pub use self::metrics::MetricNames;
pub use capacity::{Capacity, Verdict};
pub use health::{Answer, Health, HolderEntry, Statistics};
pub use holders::{Holder, Place};
pub use meter::Snapshot;
pub use pool::{ConnectError, Connection, Pool, Session, StillHeld, Transaction};
#[cfg(feature = "axum")]
pub use routes::router;
pub use settings::{Origin, PoolSettings, Pooler, Problem, SettingsError};
