//! A service: its kind, how it reaches PostgreSQL, and what each of its instances opens.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Work;
use crate::formula::demand::Surge;
use crate::units::Connections;

/// The kind of a service, which decides how it opens connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Prisma 6 or older, with a pool in the query engine.
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
    /// Functions that scale with requests.
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
            // Prisma 6 has twice the cores of its own machine plus one; the pg adapter and SQLx have 10.
            Self::Prisma6 | Self::Prisma7 | Self::Sqlx | Self::Generic => 10,
            // The example of S2; PHP-FPM itself has no default and refuses to start.
            Self::PhpFpm => 20,
            Self::Octane | Self::Queue | Self::Serverless => 1,
        })
    }

    /// Whether each process holds one connection per data source name. There is no pool to size then:
    /// the number of processes is the size.
    pub fn one_per_process(self) -> bool {
        match self {
            Self::PhpFpm | Self::Octane | Self::Queue | Self::Serverless => true,
            Self::Prisma6 | Self::Prisma7 | Self::Sqlx | Self::Generic => false,
        }
    }

    /// Default surge of a rollout: Kubernetes' 25 % for what runs as pods. PHP-FPM restarts in place,
    /// and a provider replaces functions within its limit.
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
    /// Its kind.
    pub kind: Kind,
    /// Instances at most, without a rollout.
    pub replicas: u64,
    /// Instances at least, where it scales.
    pub replicas_min: u64,
    /// Instances added during a rollout.
    pub surge: Surge,
    /// Processes of one instance, each with its own pool.
    pub processes: u64,
    /// Connections of one pool at most; `pm.max_children` for PHP-FPM.
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
    /// What all its instances together have to do.
    pub work: Work,
    /// Connections that one task holds at once.
    pub connections_per_task: u64,
    /// Tasks of one pool that hold connections at once.
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
    /// Time a client waits for its query; `None` is forever.
    pub socket: Option<Duration>,
    /// Time an unused connection is kept; `None` is forever.
    pub idle: Option<Duration>,
    /// Age at which a connection is replaced; `None` is never.
    pub max_lifetime: Option<Duration>,
    /// Time that closing the pool may take at shutdown.
    pub close: Duration,
}

/// The numbers of a PHP-FPM pool other than `pm.max_children`.
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
