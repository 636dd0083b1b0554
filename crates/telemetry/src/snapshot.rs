//! Everything there is to see, at one moment, as plain data.
//!
//! Every view (JSON, metrics) is rendered from this, so that all of them agree.

use std::time::{Duration, SystemTime};

use pgweir_pool::pool::Counts;

use crate::pools::PoolSnapshot;
use crate::postgres::PostgresSnapshot;
use crate::services::ServiceSnapshot;
use crate::terms::LiveMode;

/// Pools, and databases, that are shown one by one; the rest is summed up. The first ones stay the
/// first ones, so that no counter ever falls.
pub const SHOWN_MAX: usize = 200;

/// The pooler at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Pools that are added one by one.
    pub shown_max: usize,
    /// The pooler's version.
    pub version: &'static str,
    /// The wall clock's time.
    pub taken_at: SystemTime,
    /// Time since the start.
    pub uptime: Duration,
    /// Whether clients are well served here.
    pub readiness: Readiness,
    /// No pool may have a server until its operator resumes it.
    pub paused: bool,
    /// Nothing is read or written until its operator resumes it.
    pub suspended: bool,
    /// A command that connects through it, without a password.
    pub connect: Option<String>,
    /// Clients logged in.
    pub clients: u32,
    /// Limit of `clients`.
    pub clients_max: u32,
    /// Servers of one user at most, where its section says nothing else (`max_user_connections`).
    pub user_servers_max: Option<u32>,
    /// For how many days a certificate is good, by whom it is shown to: the first of each side to expire.
    pub certificates: Vec<(&'static str, u64)>,
    /// Users that may log in.
    pub users: usize,
    /// Those users one by one; empty where nobody looks at them.
    pub user_list: Vec<UserSnapshot>,
    /// The threads of the data plane.
    pub workers: Vec<WorkerSnapshot>,
    /// Errors of the pooler that clients were sent, by SQLSTATE.
    pub errors: Vec<(String, u64)>,
    /// What became of logins of clients.
    pub logins: LoginCounts,
    /// Pools there are, also those that are summed up.
    pub pools_count: usize,
    /// At most `shown_max` in the order they came to be, and then what the others sum up to.
    pub pools: Vec<PoolSnapshot>,
    /// Databases of the configuration, also those that are not shown.
    pub databases_count: usize,
    /// At most `shown_max` of those in the configuration.
    pub databases: Vec<DatabaseSnapshot>,
    /// Services, where `metrics_compat` wants them.
    pub services: Vec<ServiceSnapshot>,
    /// Every PostgreSQL of the configuration, as the probes see it.
    pub postgres: Vec<PostgresSnapshot>,
}

/// What became of logins of clients, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginCounts {
    /// The proof was wrong, or there is no such user.
    pub failed: u64,
    /// Had to wait because many from their address failed.
    pub delayed: u64,
    /// Had to wait because many from their address were under way.
    pub queued: u64,
    /// Had to make room for others.
    pub ejected: u64,
}

/// Whether clients are well served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// The pooler shuts down.
    pub draining: bool,
    /// Pools with a server open.
    pub reachable: usize,
    /// Pools without one whose last login to PostgreSQL failed.
    pub failing: usize,
    /// The probes reach no PostgreSQL.
    pub probes_fail: bool,
}

impl Readiness {
    /// A pooler that has opened no server yet, or closed all for want of use, is ready.
    pub fn is_ready(self) -> bool {
        !self.draining && !self.is_cut_off()
    }

    /// No PostgreSQL can be reached.
    pub fn is_cut_off(self) -> bool {
        self.reachable == 0 && (self.failing > 0 || self.probes_fail)
    }

    /// Takes a pool into account.
    pub fn add(&mut self, counts: &Counts, login_failing: bool) {
        if counts.active + counts.idle > 0 {
            self.reachable += 1;
        } else if login_failing {
            self.failing += 1;
        }
    }
}

/// A thread of the data plane.
#[derive(Debug, Clone)]
pub struct WorkerSnapshot {
    /// Thousandths of its time that it did not wait, over the last sweep.
    pub busy_permille: u32,
    /// Clients that live there.
    pub clients: u32,
}

/// A database of the configuration.
#[derive(Debug, Clone)]
pub struct DatabaseSnapshot {
    /// As clients ask for it.
    pub name: String,
    /// How its connections are shared out among several hosts, in the words of `load_balance_hosts`.
    pub load_balance: Option<&'static str>,
    /// As PostgreSQL knows it.
    pub dbname: String,
    /// A unix socket's path is its host.
    pub host: String,
    /// Empty for a unix socket.
    pub port: String,
    /// The user as whom servers log in, whoever the client is; empty if that is the client's.
    pub forced_user: String,
    /// When a server goes back.
    pub mode: LiveMode,
    /// Servers of one pool at most; `None` is no bound.
    pub pool_size: Option<u32>,
    /// Servers of one pool that stay open although nobody uses them.
    pub pool_size_min: u32,
    /// Servers beyond that for clients that waited long.
    pub reserve: u32,
    /// How long a server is used at most.
    pub lifetime: Duration,
    /// Servers over all its pools at most; `None` is no bound.
    pub servers_max: Option<u32>,
    /// Servers open or being opened, over all its users.
    pub servers: u32,
    /// Clients at most; `None` is no bound.
    pub clients_max: Option<u32>,
    /// Clients logged in.
    pub clients: u32,
    /// Nobody is let in until the operator enables it.
    pub disabled: bool,
    /// It may have no server until the operator resumes it.
    pub paused: bool,
    /// The limits of its pools in one line, as the log of a start has them.
    pub limits: String,
}

/// A user of the configuration.
#[derive(Debug, Clone)]
pub struct UserSnapshot {
    /// Its name.
    pub name: String,
    /// Servers of one of its pools at most, where the user has a bound of its own.
    pub pool_size: Option<u32>,
    /// Servers beyond that, where the user has a number of its own.
    pub reserve: Option<u32>,
    /// When a server goes back, where the user has a mode of its own.
    pub mode: Option<LiveMode>,
    /// Servers at most; `None` is no bound.
    pub servers_max: Option<u32>,
    /// Servers open or being opened, over all databases.
    pub servers: u32,
    /// Clients at most; `None` is no bound.
    pub clients_max: Option<u32>,
    /// Clients logged in.
    pub clients: u32,
}

impl Snapshot {
    /// A pooler that has just started, and has nothing yet.
    pub fn new(version: &'static str, taken_at: SystemTime) -> Self {
        Self {
            shown_max: SHOWN_MAX,
            version,
            taken_at,
            uptime: Duration::ZERO,
            readiness: Readiness::default(),
            paused: false,
            suspended: false,
            connect: None,
            clients: 0,
            clients_max: 0,
            user_servers_max: None,
            certificates: Vec::new(),
            users: 0,
            user_list: Vec::new(),
            workers: Vec::new(),
            errors: Vec::new(),
            logins: LoginCounts::default(),
            pools_count: 0,
            pools: Vec::new(),
            databases_count: 0,
            databases: Vec::new(),
            services: Vec::new(),
            postgres: Vec::new(),
        }
    }

    /// Adds a pool: by itself, or to the sum of those beyond `shown_max`.
    pub fn add_pool(&mut self, pool: PoolSnapshot) {
        self.pools_count += 1;
        self.readiness.add(&pool.counts, pool.login_failing);
        if self.pools.len() < self.shown_max {
            self.pools.push(pool);
            return;
        }
        if self.pools.len() == self.shown_max {
            self.pools.push(PoolSnapshot::others());
        }
        self.pools[self.shown_max].add(&pool);
    }

    /// All pools together.
    pub fn sum(&self) -> PoolSnapshot {
        let mut sum = PoolSnapshot::others();
        for pool in &self.pools {
            sum.add(pool);
        }
        sum
    }
}

#[cfg(test)]
pub(crate) mod tests;
