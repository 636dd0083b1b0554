//! The pool.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::capacity::{Capacity, Verdict};
use crate::health::{Health, Statistics};
use crate::holders::{Holder, Holders, Lease, Place};
use crate::meter::{Shared, Snapshot};
use crate::settings::{PoolSettings, Pooler};
use crate::sqlx::pool::PoolConnection;
use crate::sqlx::{self, PgPool, Postgres};

mod close;
mod connect;
mod connection;
mod executor;
mod transaction;

pub use close::StillHeld;
pub use connect::ConnectError;
pub use connection::{Connection, Session};
pub use transaction::Transaction;

/// A pool of connections to PostgreSQL. Clones are the same pool.
///
/// It runs queries as [`sqlx::PgPool`] does (`.fetch_one(&pool)`), hands out connections, begins
/// transactions, and tracks who holds what. [`Pool::sqlx`] is for code that needs SQLx's own type, such
/// as migrations; its use is not tracked.
///
/// ```no_run
/// # async fn run(pool: pgweir_sqlx::Pool) -> Result<(), pgweir_sqlx::sqlx::Error> {
/// use pgweir_sqlx::sqlx;
///
/// let mut transaction = pool.begin().await?;
/// sqlx::query("UPDATE stock SET count = count - 1 WHERE id = $1")
///     .bind(7)
///     .execute(&mut *transaction)
///     .await?;
/// transaction.commit().await
/// # }
/// ```
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    sqlx: PgPool,
    shared: Arc<Shared>,
}

impl Pool {
    /// Makes a pool and waits for the database, for at most
    /// [`PoolSettings::connect_timeout`]. Logs the pool in one line, and a warning for each setting
    /// that does not do what it seems to. If [`PoolSettings::replicas`] is set, it asks once how many
    /// connections the database allows.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The settings contradict each other, or the database is not reachable or refuses.
    pub async fn connect(settings: PoolSettings) -> Result<Self, ConnectError> {
        let pool = Self::connect_lazy(settings)?;
        connect::first(&pool).await?;
        tracing::info!("Database connected");
        pool.check_capacity().await;
        Ok(pool)
    }

    /// Makes a pool that connects on first use.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The settings contradict each other.
    pub fn connect_lazy(settings: PoolSettings) -> Result<Self, ConnectError> {
        settings.check().map_err(ConnectError::Settings)?;
        tracing::info!("{settings}");
        for warning in settings.warnings() {
            tracing::warn!("{warning}");
        }
        let options = settings.server_options();
        let shared = Arc::new(Shared::new(settings));
        let sqlx = connect::pool_options(&shared).connect_lazy_with(options);
        let pool = Self {
            inner: Arc::new(Inner { sqlx, shared }),
        };
        tokio::spawn(watch(Arc::downgrade(&pool.inner)));
        Ok(pool)
    }

    async fn check_capacity(&self) {
        let settings = &self.shared().settings;
        // Behind a pooler, the pooler's servers have to fit.
        if settings.replicas.is_none() || settings.pooler != Pooler::None {
            return;
        }
        match self.capacity().await {
            Ok(capacity) => match capacity.verdict() {
                Verdict::Enough => tracing::info!("{capacity}"),
                Verdict::Tight => {
                    tracing::warn!("{capacity}: this leaves little for other services")
                }
                Verdict::TooMany => tracing::warn!(
                    "{capacity}: connections will be refused; lower max_connections of the pool, or \
                     put a pooler in front"
                ),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot ask how many connections the database allows")
            }
        }
    }

    /// A connection; [`Pool::holders`] lists it with the caller's line. Dropping it gives it back.
    ///
    /// # Errors
    /// As [`sqlx::PgPool::acquire`]: `PoolTimedOut` after [`PoolSettings::acquire_timeout`],
    /// `PoolClosed`, or why no connection could be opened. A timeout is logged with the holders
    /// of the connections.
    ///
    /// # Cancel safety
    /// The place in the queue is lost; a connection that is being opened may be closed.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Connection, sqlx::Error>> + Send + use<> {
        let place = Place::Code(Location::caller());
        let pool = self.clone();
        async move {
            let (connection, lease) = pool.take(place).await?;
            Ok(Connection::new(connection, lease, &pool.inner.shared))
        }
    }

    /// A connection if one is idle; it is not tested.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<Connection> {
        let connection = self.inner.sqlx.try_acquire()?;
        let shared = &self.inner.shared;
        shared.meter.acquire.record(Duration::ZERO);
        let place = Place::Code(Location::caller());
        let lease = Holders::hold(shared, place, Instant::now());
        Some(Connection::new(connection, lease, shared))
    }

    /// A transaction; [`Pool::holders`] lists it with the caller's line. Dropping it rolls it back.
    ///
    /// # Errors
    /// As [`Pool::acquire`], or PostgreSQL's.
    ///
    /// # Cancel safety
    /// As [`Pool::acquire`]. If `BEGIN` was sent already, a task waits for it and rolls back, so
    /// that no connection comes back inside a transaction.
    #[track_caller]
    pub fn begin(
        &self,
    ) -> impl Future<Output = Result<Transaction<'static>, sqlx::Error>> + Send + use<> {
        let place = Place::Code(Location::caller());
        let statement = self.shared().settings.begin_statement();
        transaction::begin(self.clone(), place, statement)
    }

    /// A transaction that begins with this statement, such as `BEGIN ISOLATION LEVEL SERIALIZABLE`.
    ///
    /// # Errors
    /// As [`Pool::begin`], and `BeginFailed` if it does not begin one.
    ///
    /// # Cancel safety
    /// As [`Pool::begin`].
    #[track_caller]
    pub fn begin_with(
        &self,
        statement: &'static str,
    ) -> impl Future<Output = Result<Transaction<'static>, sqlx::Error>> + Send + use<> {
        let place = Place::Code(Location::caller());
        let settings = self.shared().settings.begin_statement();
        let settings = settings
            .as_deref()
            .and_then(|text| text.strip_prefix("BEGIN"));
        let statement = format!("{statement}{}", settings.unwrap_or_default());
        transaction::begin(self.clone(), place, Some(statement))
    }

    async fn take(&self, place: Place) -> Result<(PoolConnection<Postgres>, Lease), sqlx::Error> {
        let shared = &self.inner.shared;
        let start = Instant::now();
        let waiter = Waiter::new(shared);
        let outcome = self.inner.sqlx.acquire().await;
        waiter.served();
        match outcome {
            Ok(connection) => {
                let now = Instant::now();
                shared.acquired(&place, now - start);
                Ok((connection, Holders::hold(shared, place, now)))
            }
            Err(error) => {
                match error {
                    sqlx::Error::PoolTimedOut => shared.timed_out(&place, self.inner.sqlx.size()),
                    _ => shared.meter.acquire_errors.add(),
                }
                Err(error)
            }
        }
    }

    /// SQLx's own pool, for code that needs that type. What is taken from it is not counted, not timed,
    /// and not in [`Pool::holders`].
    pub fn sqlx(&self) -> &PgPool {
        &self.inner.sqlx
    }

    /// The pool's settings.
    pub fn settings(&self) -> &PoolSettings {
        &self.inner.shared.settings
    }

    /// Who holds a connection, the longest first.
    pub fn holders(&self) -> Vec<Holder> {
        self.shared().holders.all(Instant::now())
    }

    /// The pool in numbers.
    pub fn snapshot(&self) -> Snapshot {
        let (meter, sqlx) = (&self.shared().meter, &self.inner.sqlx);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Snapshot {
            size: sqlx.size(),
            // SQLx counts an idle connection only after it is in the queue.
            idle: number(sqlx.num_idle()).min(sqlx.size()),
            active: number(self.shared().holders.count()),
            waiting: meter.waiting.load(Ordering::Relaxed),
            max_connections: self.shared().settings.max_connections,
            acquires: meter.acquire.count(),
            timeouts: meter.timeouts.value(),
            acquire_errors: meter.acquire_errors.value(),
            cancelled: meter.cancelled.value(),
            opened: meter.opened.value(),
            expired: meter.expired.value(),
            discarded: meter.discarded.value(),
            leaks: meter.leaks.value(),
            queries: meter.query.count(),
            query_errors: meter.query_errors.value(),
        }
    }

    /// Metrics in Prometheus text format 0.0.4, to be served as `text/plain; version=0.0.4`.
    /// docs/sqlx.md in the repository explains each of them.
    pub fn prometheus_text(&self) -> String {
        let shared = self.shared();
        shared.meter.text(&self.snapshot(), &shared.settings)
    }

    /// The pool's health. If the database did not answer a query in the last five seconds, this runs
    /// one, for at most two seconds.
    pub async fn health(&self) -> Health {
        Health::ask(self).await
    }

    /// The pool's health and its numbers.
    pub async fn statistics(&self) -> Statistics {
        Statistics::ask(self).await
    }

    /// Asks with one query how many connections the database allows. Behind a pooler the answer is
    /// about the pooler's servers, not about this pool.
    ///
    /// # Errors
    /// As [`Pool::acquire`], or PostgreSQL's.
    pub async fn capacity(&self) -> Result<Capacity, sqlx::Error> {
        Capacity::ask(self).await
    }

    /// Whether it is closed or being closed.
    pub fn is_closed(&self) -> bool {
        self.inner.sqlx.is_closed()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("settings", self.settings())
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

/// Looks for leaks when one is due and publishes metrics, as long as the pool exists.
async fn watch(pool: Weak<Inner>) {
    loop {
        // The watcher must not keep the pool alive.
        let Some(inner) = pool.upgrade() else {
            return;
        };
        let now = Instant::now();
        let leak = inner.shared.watch(now);
        let pool = Pool { inner };
        if pool.is_closed() && pool.shared().holders.count() == 0 {
            return;
        }
        let Some(next) = publish(&pool, now).into_iter().chain(leak).min() else {
            return;
        };
        drop(pool);
        tokio::time::sleep_until(next.into()).await;
    }
}

/// Publishes metrics; returns when to do so again.
#[cfg(feature = "metrics")]
fn publish(pool: &Pool, now: Instant) -> Option<Instant> {
    let shared = pool.shared();
    let min = shared.settings.min_connections;
    shared.meter.publish(&pool.snapshot(), min);
    Some(now + PUBLISH_EVERY)
}

#[cfg(not(feature = "metrics"))]
fn publish(_: &Pool, _: Instant) -> Option<Instant> {
    None
}

/// A caller in the queue. If dropped before it is served, it has given up.
struct Waiter<'a> {
    shared: &'a Shared,
    served: bool,
}

impl<'a> Waiter<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.meter.waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            served: false,
        }
    }

    fn served(mut self) {
        self.served = true;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let meter = &self.shared.meter;
        meter.waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.served {
            meter.cancelled.add();
        }
    }
}

/// Gauges in the facade are at most this old.
#[cfg(feature = "metrics")]
const PUBLISH_EVERY: Duration = Duration::from_secs(5);
