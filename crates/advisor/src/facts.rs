//! Everything a plan needs to know about a fleet: what the operator gave, and a default for everything
//! else.

mod service;
mod sharing;
mod work;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use pgweir_settings::Origin;
pub use service::{ClientTimeouts, Fpm, Kind, Service, Via};
pub use sharing::Sharing;
pub use work::Work;

pub use crate::formula::tuning::Workload;

use crate::formula::base::{self, Storage};
use crate::formula::memory;
use crate::formula::queueing::Goal;
use crate::formula::scaling::Step;
use crate::profile::Profile;
use crate::units::{Bytes, Connections, Rate};

/// A fleet: one PostgreSQL primary, the services that use it, and the pooler between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The rules that filled in what was not given.
    pub profile: Profile,
    /// The PostgreSQL server.
    pub database: Database,
    /// The services, by name, in their order of appearance.
    pub services: Vec<Service>,
    /// What operations need and want.
    pub operations: Operations,
    /// The pooler, if there is one.
    pub pooler: Option<Pooler>,
    /// What was measured.
    pub measured: Measured,
    /// Every default that was used.
    pub assumptions: Vec<Assumption>,
    /// What the sources have that does not do what its author meant.
    pub observations: Vec<Observation>,
}

impl Facts {
    /// Whether this setting, such as `database.ram`, has an assumed value.
    pub fn assumes(&self, key: &str) -> bool {
        self.assumptions
            .iter()
            .any(|assumption| assumption.key == key)
    }
}

/// The PostgreSQL server.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Name of the database that services use unless they say otherwise.
    pub name: String,
    /// Host name that services reach it by.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Major version, 13 to 18.
    pub version: u32,
    /// Physical cores; hyper-threads do not count.
    pub physical_cores: u32,
    /// Memory of the machine or container.
    pub ram: Bytes,
    /// The kind of disk.
    pub storage: Storage,
    /// What it is mostly used for.
    pub workload: Workload,
    /// Share of reads found in memory, between 0 and 1.
    pub cache_hit: f64,
    /// `max_connections`.
    pub max_connections: Connections,
    /// `superuser_reserved_connections`.
    pub superuser_reserved: Connections,
    /// `reserved_connections`, from PostgreSQL 16 on.
    pub reserved: Connections,
    /// `work_mem`.
    pub work_mem: Bytes,
    /// `hash_mem_multiplier`.
    pub hash_mem_multiplier: f64,
    /// `shared_buffers`.
    pub shared_buffers: Bytes,
    /// `maintenance_work_mem`.
    pub maintenance_work_mem: Bytes,
    /// `autovacuum_work_mem`; the same as `maintenance_work_mem` where PostgreSQL has -1.
    pub autovacuum_work_mem: Bytes,
    /// `autovacuum_max_workers`.
    pub autovacuum_max_workers: u64,
    /// `max_parallel_workers`.
    pub max_parallel_workers: u64,
    /// `max_parallel_workers_per_gather`.
    pub max_parallel_workers_per_gather: u64,
    /// `max_worker_processes`.
    pub max_worker_processes: u64,
    /// Whether `shared_buffers` lies in huge pages, which need no page tables worth counting.
    pub huge_pages: bool,
    /// Memory of a connection that does nothing.
    pub idle_backend: Bytes,
    /// Names of standbys, which must allow as many connections as the primary.
    pub standbys: Vec<String>,
    /// Time limits of the application roles.
    pub timeouts: ServerTimeouts,
}

impl Database {
    /// What its memory depends on, with this many active connections and this many sorts or hashes in
    /// each plan.
    pub fn memory(&self, active: Connections, nodes: u64) -> memory::Inputs {
        memory::Inputs {
            connections: self.max_connections,
            active,
            work_mem: self.work_mem,
            hash_factor: self.hash_mem_multiplier,
            nodes,
            workers_per_gather: self.max_parallel_workers_per_gather,
            parallel_workers_max: self.max_parallel_workers.min(self.max_worker_processes),
            shared_buffers: self.shared_buffers,
            idle_backend: self.idle_backend,
            // Idle connections too: a pool's have all touched the shared buffers some time.
            page_table_owners: if self.huge_pages {
                Connections::ZERO
            } else {
                self.max_connections
            },
            autovacuum_workers: self.autovacuum_max_workers,
            autovacuum_work_mem: self.autovacuum_work_mem,
            maintenance_work_mem: self.maintenance_work_mem,
            maintenance_sessions: 1,
        }
    }

    /// F1: connections that can usefully be active at once.
    pub fn optimum(&self) -> Connections {
        let spindles = base::effective_spindles(self.storage, self.cache_hit);
        base::active_optimum(self.physical_cores, spindles)
    }
}

/// Time limits that PostgreSQL enforces; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// `statement_timeout`.
    pub statement: Option<Duration>,
    /// `statement_timeout` of roles that only queue workers use.
    pub batch_statement: Option<Duration>,
    /// `lock_timeout`.
    pub lock: Option<Duration>,
    /// `idle_in_transaction_session_timeout`.
    pub idle_in_transaction: Option<Duration>,
    /// `transaction_timeout`, from PostgreSQL 17 on.
    pub transaction: Option<Duration>,
    /// `idle_session_timeout`.
    pub idle_session: Option<Duration>,
    /// `tcp_keepalives_idle`.
    pub keepalives_idle: Duration,
    /// `tcp_keepalives_interval`.
    pub keepalives_interval: Duration,
    /// `tcp_keepalives_count`.
    pub keepalives_count: u64,
}

impl ServerTimeouts {
    /// Time until the keepalives notice a dead peer.
    pub fn dead_peer(&self) -> Duration {
        let count = u32::try_from(self.keepalives_count).unwrap_or(u32::MAX);
        let probes = self.keepalives_interval.saturating_mul(count);
        self.keepalives_idle.saturating_add(probes)
    }
}

/// What operations need and want.
#[derive(Debug, Clone, PartialEq)]
pub struct Operations {
    /// Connections for monitoring, migrations and backups.
    pub reserve: Connections,
    /// Highest utilisation in percent.
    pub target: u32,
    /// Whether rollouts count.
    pub surge: bool,
    /// How long requests may wait for a connection.
    pub goal: Goal,
    /// Idle time after which a load balancer or NAT on the way drops a connection; `None`: there is none.
    pub network_idle: Option<Duration>,
    /// Time that Kubernetes grants an instance to end.
    pub termination_grace: Duration,
    /// The longest transaction to expect.
    pub longest_transaction: Duration,
    /// Memory of the database's machine that other programs use.
    pub os_reserve: Bytes,
    /// Whether connections are monitored; `None`: nobody said.
    pub monitoring: Option<bool>,
    /// Whether somebody is alerted before connections run out; `None`: nobody said.
    pub alerts: Option<bool>,
    /// Where the team finds the plan; `None`: nobody said.
    pub documented: Option<String>,
}

/// Which pooler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolerKind {
    /// pgweir.
    Pgweir,
    /// PgBouncer.
    Pgbouncer,
}

impl PoolerKind {
    /// The name in `fleet.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pgweir => "pgweir",
            Self::Pgbouncer => "pgbouncer",
        }
    }

    /// The container image of one that nobody chose: of pgweir the one that the rendered Dockerfile makes.
    pub fn image(self) -> &'static str {
        match self {
            Self::Pgweir => "pgweir:latest",
            Self::Pgbouncer => "edoburu/pgbouncer:latest",
        }
    }

    /// Its name in text.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pgweir => "pgweir",
            Self::Pgbouncer => "PgBouncer",
        }
    }
}

/// A version of PgBouncer, 1.15 to 1.25.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgbouncerVersion {
    /// What follows `1.`.
    pub minor: u32,
}

impl PgbouncerVersion {
    /// The version that is written like this.
    pub fn named(text: &str) -> Option<Self> {
        let minor = text.strip_prefix("1.")?.parse().ok()?;
        Some(Self { minor })
    }

    /// Whether it lets transactions share prepared statements, by `max_prepared_statements`.
    pub fn shares_prepared_statements(self) -> bool {
        self.minor >= 21
    }
}

impl fmt::Display for PgbouncerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// When a pooler takes a server back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When a transaction ends.
    Transaction,
    /// After each query.
    Statement,
}

impl fmt::Display for PoolMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        })
    }
}

/// The pooler.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooler {
    /// Which.
    pub kind: PoolerKind,
    /// Which PgBouncer.
    pub version: PgbouncerVersion,
    /// Container image.
    pub image: String,
    /// Its processes; each has pools of its own.
    pub instances: u64,
    /// When it takes a server back.
    pub pool_mode: PoolMode,
    /// Host name that services reach it by.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Multiple of the active optimum that its servers may be.
    pub kappa: u64,
    /// `default_pool_size`; `None`: the plan decides.
    pub pool: Option<Connections>,
    /// `reserve_pool_size`; `None`: the plan decides.
    pub reserve_pool: Option<Connections>,
    /// `max_db_connections`; `None`: the plan decides.
    pub per_database: Option<Connections>,
    /// `max_client_conn`; `None`: the plan decides.
    pub clients: Option<Connections>,
    /// `query_wait_timeout`.
    pub query_wait: Duration,
    /// `idle_transaction_timeout`; `None` is no limit.
    pub idle_transaction: Option<Duration>,
    /// `client_idle_timeout`; `None` is no limit.
    pub client_idle: Option<Duration>,
    /// `server_lifetime`.
    pub server_lifetime: Duration,
    /// `server_idle_timeout`.
    pub server_idle: Duration,
}

impl Pooler {
    /// One of which nothing was said, in front of clients that wait at most `acquire` for a connection.
    pub fn usual(kind: PoolerKind, database: &Database, acquire: Option<Duration>) -> Self {
        let idle = database.timeouts.idle_in_transaction;
        Self {
            kind,
            version: PgbouncerVersion { minor: 25 },
            image: kind.image().to_owned(),
            instances: 1,
            pool_mode: PoolMode::Transaction,
            host: kind.name().to_owned(),
            port: 6432,
            kappa: 2,
            pool: None,
            reserve_pool: None,
            per_database: None,
            clients: None,
            query_wait: acquire.unwrap_or(Duration::from_secs(5)),
            idle_transaction: idle.map(nine_tenths),
            client_idle: None,
            server_lifetime: Duration::from_secs(3600),
            server_idle: Duration::from_secs(600),
        }
    }
}

/// Whole milliseconds, so that it is written and read back as it is.
fn nine_tenths(time: Duration) -> Duration {
    let ms = time.as_millis() * 9 / 10;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX).max(1))
}

/// What was measured. Nothing in it is assumed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Average active sessions, 99th percentile.
    pub active: Option<f64>,
    /// CPU of the database machine in percent.
    pub cpu: Option<f64>,
    /// Share of reads in the load, between 0 and 1.
    pub read_share: Option<f64>,
    /// New connections per second.
    pub churn: Option<Rate>,
    /// Steps of a load test.
    pub steps: Vec<Step>,
}

/// A default that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// The setting; `services.*.surge` for one of several services.
    pub key: String,
    /// What was assumed.
    pub value: String,
    /// How many services it was assumed for; 1 outside services.
    pub count: u64,
    /// The first of them; empty outside services.
    pub first: String,
    /// Why this value.
    pub why: &'static str,
}

/// Something in a source that does not do what its author meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What to do about it.
    pub ruling: Ruling,
    /// What was seen, such as `POSTGRES_MAX_CONNECTIONS=100`.
    pub what: String,
    /// Where.
    pub origin: Origin,
}

/// What to do about an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The correction with this number applies.
    Correction(u32),
    /// Something is wrong there. This is what to do.
    Wrong(&'static str),
    /// The plan ignores it, in part or as a whole. This is what to do.
    Left(&'static str),
    /// It could open connections, and nobody knows how many. This is what to do. A plan with one of these
    /// is never OK.
    NotUnderstood(String),
}
