//! Making a pool: SQLx's options and hooks, and the first connection.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;
use crate::lifetime::Lifetimes;
use crate::meter::Shared;
use crate::settings::{Pooler, SettingsError};
use crate::sqlx::postgres::PgPoolOptions;
use crate::sqlx::{self, ConnectOptions, Connection as _};

/// Why there is no pool.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The settings contradict each other.
    Settings(SettingsError),
    /// The database refused, or the connection failed in a way that waiting does not help (TLS, the
    /// password).
    Database(sqlx::Error),
    /// The database was not reachable in time.
    Unreachable {
        /// How long the start waited: [`crate::PoolSettings::connect_timeout`].
        waited: Duration,
        /// The error of the last attempt, if it ended.
        cause: Option<sqlx::Error>,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Database(error) => write!(f, "cannot connect to the database: {error}"),
            Self::Unreachable { waited, cause } => {
                let seconds = waited.as_secs_f64();
                write!(f, "no connection to the database within {seconds} s")?;
                match cause {
                    Some(cause) => write!(f, ": {cause}"),
                    None => write!(f, "; it does not answer"),
                }
            }
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Unreachable { cause, .. } => cause.as_ref().map(|cause| cause as _),
        }
    }
}

/// SQLx's options, with hooks for lifetimes and tests.
pub(super) fn pool_options(shared: &Arc<Shared>) -> PgPoolOptions {
    let settings = &shared.settings;
    let direct = settings.pooler == Pooler::None;
    let options = PgPoolOptions::new()
        .max_connections(settings.max_connections)
        .min_connections(settings.min_connections)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(settings.idle_timeout)
        // SQLx checks first, and connections that it closes are not counted.
        .max_lifetime(settings.max_lifetime.map(|max| max + AFTER_OUR_OWN))
        .test_before_acquire(settings.test_before_acquire && direct)
        // This crate logs slow acquires itself, with the holders.
        .acquire_slow_level("off".parse().expect("a level"));
    let counted = Arc::clone(shared);
    let options = options.after_connect(move |_, _| {
        counted.meter.opened.add();
        Box::pin(async { Ok(()) })
    });
    let lifetimes = settings.max_lifetime.map(|max| {
        let start = Instant::now();
        Arc::new(Lifetimes::new(max, settings.lifetime_jitter, start))
    });
    let test_after = (settings.test_before_acquire && !direct).then_some(TEST_AFTER);
    let (own, counted) = (lifetimes.clone(), Arc::clone(shared));
    let options = options.before_acquire(move |connection, meta| {
        let beyond = own.as_ref().is_some_and(|own| own.is_beyond(meta.age));
        if beyond {
            counted.meter.expired.add();
        }
        let test = test_after.is_some_and(|after| meta.idle_for >= after);
        Box::pin(async move { Ok(!beyond && (!test || connection.ping().await.is_ok())) })
    });
    let Some(own) = lifetimes else {
        return options;
    };
    let counted = Arc::clone(shared);
    options.after_release(move |_, meta| {
        let over = own.is_over(meta.age, Instant::now());
        if over {
            counted.meter.expired.add();
        }
        Box::pin(async move { Ok(!over) })
    })
}

/// Waits for the first connection.
pub(super) async fn first(pool: &Pool) -> Result<(), ConnectError> {
    let waited = pool.settings().connect_timeout;
    let deadline = tokio::time::Instant::now() + waited;
    loop {
        match tokio::time::timeout_at(deadline, pool.inner.sqlx.acquire()).await {
            Ok(Ok(_connection)) => {
                pool.shared().meter.answered();
                return Ok(());
            }
            // The pool's own timeout may be the shorter one.
            Ok(Err(sqlx::Error::PoolTimedOut)) => {}
            // SQLx waits only for a server that refuses, not for a name that does not resolve yet, a
            // socket that does not exist yet or a server that stops at that moment.
            Ok(Err(sqlx::Error::Io(_))) => {
                let retry = tokio::time::Instant::now() + RETRY_AFTER;
                tokio::time::sleep_until(retry.min(deadline)).await;
            }
            Ok(Err(error)) => return Err(ConnectError::Database(error)),
            Err(_) => break,
        }
    }
    // SQLx retries without reporting the error.
    let options = pool.inner.sqlx.connect_options();
    let attempt = tokio::time::timeout(LAST_ATTEMPT, options.connect());
    match attempt.await {
        // It became reachable at the last moment; the pool will reach it, too.
        Ok(Ok(connection)) => {
            // It was not used, so an error while closing it does not matter.
            let _ = connection.close().await;
            Ok(())
        }
        Ok(Err(cause)) => Err(ConnectError::Unreachable {
            waited,
            cause: Some(cause),
        }),
        Err(_) => Err(ConnectError::Unreachable {
            waited,
            cause: None,
        }),
    }
}

const AFTER_OUR_OWN: Duration = Duration::from_secs(1);
/// Behind a pooler, a connection is tested once it was idle for this long. The pooler tests its servers;
/// this tests the way to the pooler.
const TEST_AFTER: Duration = Duration::from_secs(1);
/// Delay of noticing that the database started, and interval of name lookups.
const RETRY_AFTER: Duration = Duration::from_millis(200);
const LAST_ATTEMPT: Duration = Duration::from_secs(1);
