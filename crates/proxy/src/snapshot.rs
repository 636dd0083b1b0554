//! Everything there is to see, at one moment, as plain data.
//!
//! Every view (JSON, metrics) is rendered from this, so that all of them agree. Taking it locks
//! each pool once, for the time it takes to copy three kilobytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use pgweir_pool::pool::Counts;
use pgweir_pool::waits::{Cause, Held};
use pgweir_pool::work::Totals;

use crate::pool_handle::PoolHandle;
use crate::probe::PostgresSnapshot;
use crate::registry::Registry;
use pgweir_config::{Database, PoolMode, ServerAddress};

/// Pools, and databases, that are shown one by one; the rest is summed up. The first ones stay the
/// first ones, so that no counter ever falls.
pub(crate) const SHOWN_MAX: usize = 200;

/// Name of the database and the user under which the rest is summed up. No client can ask for it
/// by accident: PostgreSQL has such names only in quotes.
pub(crate) const OTHER: &str = "(other)";

/// The pooler at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) version: &'static str,
    /// The wall clock's time.
    pub(crate) taken_at: SystemTime,
    /// Time since the start.
    pub(crate) uptime: Duration,
    pub(crate) readiness: Readiness,
    /// Clients logged in.
    pub(crate) clients: u32,
    /// Limit of `clients`.
    pub(crate) clients_max: u32,
    /// Users that may log in.
    pub(crate) users: usize,
    pub(crate) workers: Vec<WorkerSnapshot>,
    /// Errors of the pooler that clients were sent, by SQLSTATE.
    pub(crate) errors: Vec<(String, u64)>,
    /// Pools there are, also those that are summed up.
    pub(crate) pools_count: usize,
    /// At most [`SHOWN_MAX`] in the order they came to be, and then what the others sum up to.
    pub(crate) pools: Vec<PoolSnapshot>,
    /// At most [`SHOWN_MAX`] of those in the configuration.
    pub(crate) databases: Vec<DatabaseSnapshot>,
    /// Every PostgreSQL of the configuration, as the probes see it.
    pub(crate) postgres: Vec<PostgresSnapshot>,
}

/// Whether clients are well served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Readiness {
    /// The pooler shuts down.
    pub(crate) draining: bool,
    /// Pools with a server open.
    pub(crate) reachable: usize,
    /// Pools without one whose last login to PostgreSQL failed.
    pub(crate) failing: usize,
    /// The probes reach no PostgreSQL.
    pub(crate) probes_fail: bool,
}

impl Readiness {
    /// A pooler that has opened no server yet, or closed all for want of use, is ready.
    pub(crate) fn is_ready(self) -> bool {
        !self.draining && !self.is_cut_off()
    }

    /// No PostgreSQL can be reached.
    pub(crate) fn is_cut_off(self) -> bool {
        self.reachable == 0 && (self.failing > 0 || self.probes_fail)
    }

    /// Looks at all pools.
    pub(crate) fn of(registry: &Registry) -> Self {
        let mut readiness = Self {
            draining: registry.draining.load(Ordering::Acquire),
            probes_fail: registry.probes.reach_none(&registry.config()),
            ..Self::default()
        };
        for pool in registry.pools() {
            readiness.add(&pool.counts(), pool.is_login_failing());
        }
        readiness
    }

    fn add(&mut self, counts: &Counts, login_failing: bool) {
        if counts.active + counts.idle > 0 {
            self.reachable += 1;
        } else if login_failing {
            self.failing += 1;
        }
    }
}

/// A thread of the data plane.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSnapshot {
    /// Thousandths of its time that it did not wait, over the last sweep.
    pub(crate) busy_permille: u32,
    pub(crate) clients: u32,
}

/// One pool, or several summed up.
#[derive(Debug, Clone)]
pub(crate) struct PoolSnapshot {
    pub(crate) database: Arc<str>,
    pub(crate) user: Arc<str>,
    /// `None` for several.
    pub(crate) mode: Option<PoolMode>,
    /// Bound on servers; `None` is no bound.
    pub(crate) size_max: Option<u32>,
    /// Servers beyond that for clients that waited long.
    pub(crate) reserve_max: u32,
    /// Clients logged in.
    pub(crate) clients: u32,
    pub(crate) counts: Counts,
    /// How long the client that is first in the queue has waited.
    pub(crate) oldest_wait: Option<Duration>,
    /// How long a client may wait; `None` is no bound.
    pub(crate) wait_max: Option<Duration>,
    /// The last login to PostgreSQL failed.
    pub(crate) login_failing: bool,
    /// What clients do with the servers they hold.
    pub(crate) held: Held,
    /// Why clients wait, if they do.
    pub(crate) cause: Option<Cause>,
    pub(crate) totals: Totals,
}

/// A database of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseSnapshot {
    pub(crate) database: Arc<Database>,
    /// Servers open or being opened, over all its users.
    pub(crate) servers: u32,
}

impl DatabaseSnapshot {
    /// Host and port; a unix socket's path is its host.
    pub(crate) fn address(&self) -> (String, String) {
        match &self.database.server {
            ServerAddress::Tcp { host, port } => (host.clone(), port.to_string()),
            ServerAddress::Unix(path) => (path.display().to_string(), String::new()),
        }
    }
}

impl Snapshot {
    /// Looks at everything.
    pub(crate) fn take(registry: &Registry) -> Self {
        let config = registry.config();
        let now = registry.clock.now();
        let mut readiness = Readiness {
            draining: registry.draining.load(Ordering::Acquire),
            probes_fail: registry.probes.reach_none(&config),
            ..Readiness::default()
        };
        let mut pools: Vec<PoolSnapshot> = Vec::new();
        let mut others: Option<PoolSnapshot> = None;
        let mut servers: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        let handles = registry.pools();
        for handle in &handles {
            let pool = handle.snapshot(now);
            let counts = &pool.counts;
            readiness.add(counts, pool.login_failing);
            *servers.entry(pool.database.clone()).or_default() +=
                counts.active + counts.idle + counts.opening;
            if pools.len() < SHOWN_MAX {
                pools.push(pool);
            } else {
                others.get_or_insert_with(PoolSnapshot::others).add(&pool);
            }
        }
        pools.extend(others);
        let databases = config.databases.values().chain(&config.fallback_database);
        let databases = databases.take(SHOWN_MAX).map(|database| DatabaseSnapshot {
            database: database.clone(),
            servers: servers.get(&*database.name).copied().unwrap_or(0),
        });
        Self {
            version: env!("CARGO_PKG_VERSION"),
            taken_at: SystemTime::now(),
            uptime: Duration::from_micros(now.0),
            readiness,
            clients: registry.clients_count(),
            clients_max: config.max_client_conn,
            users: config.users.len(),
            workers: registry
                .workers
                .iter()
                .map(|worker| WorkerSnapshot {
                    busy_permille: worker.busy(),
                    clients: worker.clients.load(Ordering::Relaxed),
                })
                .collect(),
            errors: registry.errors.counts(),
            pools_count: handles.len(),
            pools,
            databases: databases.collect(),
            postgres: registry.probes.snapshot(&config),
        }
    }

    /// All pools together.
    pub(crate) fn sum(&self) -> PoolSnapshot {
        let mut sum = PoolSnapshot::others();
        for pool in &self.pools {
            sum.add(pool);
        }
        sum
    }
}

impl PoolSnapshot {
    /// A sum of no pools yet.
    fn others() -> Self {
        Self {
            database: OTHER.into(),
            user: OTHER.into(),
            mode: None,
            size_max: Some(0),
            reserve_max: 0,
            clients: 0,
            counts: Counts::default(),
            oldest_wait: None,
            wait_max: None,
            login_failing: false,
            held: Held::default(),
            cause: None,
            totals: Totals::default(),
        }
    }

    fn add(&mut self, pool: &Self) {
        let sum = self.size_max.zip(pool.size_max);
        self.size_max = sum.map(|(a, b)| a.saturating_add(b));
        self.reserve_max = self.reserve_max.saturating_add(pool.reserve_max);
        self.clients += pool.clients;
        self.counts.active += pool.counts.active;
        self.counts.idle += pool.counts.idle;
        self.counts.opening += pool.counts.opening;
        self.counts.waiting += pool.counts.waiting;
        let since = [self.counts.waiting_since, pool.counts.waiting_since];
        self.counts.waiting_since = since.into_iter().flatten().min();
        self.oldest_wait = self.oldest_wait.max(pool.oldest_wait);
        let bounds = [self.wait_max, pool.wait_max];
        self.wait_max = bounds.into_iter().flatten().min();
        self.login_failing |= pool.login_failing;
        self.held = Held::sum(&[self.held, pool.held]);
        self.totals.add(&pool.totals);
    }
}

impl PoolHandle {
    /// The pool at one moment.
    fn snapshot(&self, now: pgweir_pool::time::Time) -> PoolSnapshot {
        let (clients, counts, totals) = self.figures();
        let settings = self.settings();
        PoolSnapshot {
            database: self.database.clone(),
            user: self.user.clone(),
            mode: Some(settings.config.pool_mode),
            size_max: settings.config.pool_size.map(|size| size.get()),
            reserve_max: settings.config.reserve_pool_size,
            clients,
            counts,
            oldest_wait: counts.waiting_since.map(|since| now.since(since)),
            wait_max: settings.config.query_wait_timeout,
            login_failing: self.is_login_failing(),
            held: self.held(),
            cause: (counts.waiting > 0).then(|| self.cause(now)),
            totals,
        }
    }
}
