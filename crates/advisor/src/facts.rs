//! What is known of a fleet, with nothing left open: what the operator said, and the stated default of
//! everything else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::formula::base::Storage;
use crate::formula::demand::Surge;
use crate::formula::queueing::Goal;
use crate::formula::scaling::Step;
use crate::profile::Profile;
use crate::units::{Bytes, Connections, Rate};

/// A fleet: one PostgreSQL primary, the services that use it, and what stands between.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Whose rules filled in what was not said.
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
    /// What sources showed that contradicts how things work.
    pub observations: Vec<Observation>,
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
    /// What the data lies on.
    pub storage: Storage,
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

/// Time limits that PostgreSQL enforces; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// `statement_timeout`.
    pub statement: Option<Duration>,
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

/// What a service is made of, which decides how it opens connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Prisma 6 or older, with its own pool in the query engine.
    Prisma6,
    /// Prisma 7 with the `pg` adapter, which ignores the URL's pool parameters.
    Prisma7,
    /// Rust with SQLx.
    Sqlx,
    /// PHP under FPM: one connection per child and data source name.
    PhpFpm,
    /// Laravel Octane: long-lived workers, one connection each.
    Octane,
    /// Queue workers and schedulers: one connection each.
    Queue,
    /// Functions that scale with the requests.
    Serverless,
    /// Anything else with a pool.
    Generic,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Prisma6,
        Self::Prisma7,
        Self::Sqlx,
        Self::PhpFpm,
        Self::Octane,
        Self::Queue,
        Self::Serverless,
        Self::Generic,
    ];

    /// The name in `fleet.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prisma6 => "prisma6",
            Self::Prisma7 => "prisma7",
            Self::Sqlx => "sqlx",
            Self::PhpFpm => "php-fpm",
            Self::Octane => "octane",
            Self::Queue => "queue",
            Self::Serverless => "serverless",
            Self::Generic => "generic",
        }
    }

    /// The pool that a service of this kind has when nobody sets one.
    pub fn default_pool(self) -> Connections {
        Connections(match self {
            // Prisma 6 takes twice the cores of its own machine and one; 10 is what the pg adapter, and
            // SQLx, have.
            Self::Prisma6 | Self::Prisma7 | Self::Sqlx | Self::Generic => 10,
            // The example of S2; PHP-FPM itself has no default and refuses to start.
            Self::PhpFpm => 20,
            Self::Octane | Self::Queue | Self::Serverless => 1,
        })
    }

    /// Whether each process holds one connection per data source name and there is no pool to
    /// size: the number of processes is the size.
    pub fn one_per_process(self) -> bool {
        match self {
            Self::PhpFpm | Self::Octane | Self::Queue | Self::Serverless => true,
            Self::Prisma6 | Self::Prisma7 | Self::Sqlx | Self::Generic => false,
        }
    }

    /// What replaces it during a rollout where nothing is said: Kubernetes' 25 % for what runs as
    /// pods; PHP-FPM restarts in place, and a provider replaces functions within its limit.
    pub fn default_surge(self) -> Surge {
        match self {
            Self::PhpFpm | Self::Serverless => Surge::Percent(0),
            Self::Prisma6
            | Self::Prisma7
            | Self::Sqlx
            | Self::Octane
            | Self::Queue
            | Self::Generic => Surge::Percent(25),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a service reaches PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Without a pooler.
    Direct,
    /// Through the pooler.
    Pooler,
}

impl Via {
    /// The name in `fleet.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pooler => "pooler",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A service: instances of one program that open connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
    /// Instances at most, without a rollout.
    pub replicas: u64,
    /// Instances at least, where it scales.
    pub replicas_min: u64,
    /// Instances added during a rollout.
    pub surge: Surge,
    /// Processes of one instance, each with its own pool.
    pub processes: u64,
    /// Connections of one pool at most; of PHP-FPM `pm.max_children`.
    pub pool: Connections,
    /// Whether somebody set the pool, or the planner may choose it.
    pub pool_given: bool,
    /// Connections of one pool that are kept open.
    pub pool_min: Connections,
    /// Data source names: pools of one process to different databases, users or options.
    pub dsns: u64,
    /// How it reaches PostgreSQL.
    pub via: Via,
    /// Name of its database.
    pub database: String,
    /// Role it logs in as.
    pub user: String,
    /// Requests of all instances together; `None`: not known.
    pub requests: Option<Rate>,
    /// Queries, or transactions, of one request.
    pub queries_per_request: f64,
    /// Mean time from checkout to checkin.
    pub hold: Duration,
    /// Squared coefficient of variation of the times between arrivals.
    pub arrival_variation: f64,
    /// Squared coefficient of variation of the hold time.
    pub hold_variation: f64,
    /// Connections that one task holds at once.
    pub connections_per_task: u64,
    /// Tasks of one pool that do so at once.
    pub tasks: u64,
    /// Time a request may take.
    pub request_deadline: Duration,
    /// Time limits of the client's pool.
    pub timeouts: ClientTimeouts,
    /// Whether PDO keeps connections between requests.
    pub persistent: bool,
    /// The other numbers of a PHP-FPM pool.
    pub fpm: Fpm,
    /// Container image.
    pub image: String,
    /// Port it serves HTTP on.
    pub http_port: u16,
}

/// Time limits of a client's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// Time to wait for a connection from the pool.
    pub acquire: Duration,
    /// Time to connect and log in.
    pub connect: Duration,
    /// Time a client waits for its query; `None` is for ever.
    pub socket: Option<Duration>,
    /// Time an unused connection is kept; `None` is for ever.
    pub idle: Option<Duration>,
    /// Age at which a connection is replaced; `None` is never.
    pub max_lifetime: Option<Duration>,
    /// Time that closing the pool may take at shutdown.
    pub close: Duration,
}

/// The numbers of a PHP-FPM pool beside `pm.max_children`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fpm {
    /// `pm.start_servers`.
    pub start: u64,
    /// `pm.min_spare_servers`.
    pub spare_min: u64,
    /// `pm.max_spare_servers`.
    pub spare_max: u64,
    /// `pm.max_requests`.
    pub requests_max: u64,
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
    /// Idle time after which a load balancer or NAT on the way forgets a connection; `None`: none is
    /// there.
    pub network_idle: Option<Duration>,
    /// Time that Kubernetes grants an instance to end.
    pub termination_grace: Duration,
    /// The longest transaction to be expected.
    pub longest_transaction: Duration,
    /// Memory of the database's machine that other programs use.
    pub os_reserve: Bytes,
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
    /// Its name as one writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pgweir => "pgweir",
            Self::Pgbouncer => "PgBouncer",
        }
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
    /// `default_pool_size`; `None`: the plan says.
    pub pool: Option<Connections>,
    /// `reserve_pool_size`; `None`: the plan says.
    pub reserve_pool: Option<Connections>,
    /// `max_db_connections`; `None`: the plan says.
    pub per_database: Option<Connections>,
    /// `max_client_conn`; `None`: the plan says.
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

/// What was measured; nothing of it is assumed.
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
    /// Number of the correction that says so.
    pub correction: u32,
    /// What was seen, such as `POSTGRES_MAX_CONNECTIONS=100`.
    pub what: String,
    /// Where.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, counted from 1; 0 stands for the file as a whole.
    File {
        /// The file as the operator named it.
        path: Arc<str>,
        /// The line.
        line: u32,
        /// Where in the line.
        columns: Columns,
    },
    /// A preset.
    Preset(&'static str),
    /// `--what-if`.
    WhatIf,
    /// A live database.
    Database,
    /// An answer to a question.
    Answer,
    /// Nowhere in particular.
    #[default]
    Nowhere,
}

impl Origin {
    /// A line of a file, where its columns are not known.
    pub fn line(path: Arc<str>, line: u32) -> Self {
        Self::File {
            path,
            line,
            columns: Columns::default(),
        }
    }
}

/// Where a setting stands in its line, in bytes from the start of the line. Empty where that is not
/// known, or beyond 65,535.
///
/// What it covers may be shown as it is written: the name of a setting that is known as one, and its
/// value, which is no secret where the problem itself says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Columns {
    /// The name.
    pub name: Span,
    /// The value, or its part on that line.
    pub value: Span,
}

/// Bytes of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first.
    pub start: u16,
    /// The one behind the last.
    pub end: u16,
}

impl Span {
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0, .. } => f.write_str(path),
            Self::File { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::WhatIf => f.write_str("--what-if"),
            Self::Database => f.write_str("the database"),
            Self::Answer => f.write_str("answer"),
            Self::Nowhere => f.write_str("fleet"),
        }
    }
}
