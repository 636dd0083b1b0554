//! The table of every setting of a fleet: where it stands, what it may be, what it is when nobody
//! says, and why. The reader, the manual, `plan init` and the list of assumptions all use it.

use pgweir_settings::{Origin, Problem, nearest};

use super::value::Kind;
use crate::units::Bytes;

/// Where a setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `[database]`.
    Database,
    /// `[services.NAME]`.
    Service,
    /// `[operations]`.
    Operations,
    /// `[pooler]`.
    Pooler,
    /// `[measured]`.
    Measured,
}

impl Scope {
    /// All of them in the order of the manual.
    pub const ALL: [Self; 5] = [
        Self::Database,
        Self::Service,
        Self::Pooler,
        Self::Operations,
        Self::Measured,
    ];

    /// The section as one writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Service => "services.NAME",
            Self::Operations => "operations",
            Self::Pooler => "pooler",
            Self::Measured => "measured",
        }
    }

    /// Its settings.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Database => DATABASE,
            Self::Service => SERVICE,
            Self::Operations => OPERATIONS,
            Self::Pooler => POOLER,
            Self::Measured => MEASURED,
        }
    }
}

/// What a setting is when nobody says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fallback {
    /// This, written as in a file.
    Is(&'static str),
    /// Something that follows from other settings; `why` says how.
    Follows,
    /// Not known.
    Unknown,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is when nobody says.
    pub fallback: Fallback,
    /// What it means.
    pub about: &'static str,
    /// Why it is what it is when nobody says.
    pub why: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    fallback: Fallback,
    about: &'static str,
    why: &'static str,
) -> Key {
    Key {
        name,
        kind,
        fallback,
        about,
        why,
    }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn size(min: Bytes) -> Kind {
    Kind::Size {
        min,
        max: Bytes::gib(64 * 1024),
    }
}

const fn time(zero: &'static str) -> Kind {
    Kind::Time { zero: Some(zero) }
}

const TIME: Kind = Kind::Time { zero: None };

use Fallback::{Follows, Is, Unknown};

/// Sections of a fleet.
pub(super) const SECTIONS: [&str; 5] = ["database", "services", "operations", "pooler", "measured"];

/// Settings of `[database]`.
#[rustfmt::skip]
pub const DATABASE: &[Key] = &[
    key("name", Kind::Name, Is("\"app\""), "database that services use unless they say otherwise", "a name for the rendered files"),
    key("host", Kind::Host, Is("\"postgres\""), "host name that services reach it by", "the name of the service in S2's compose file"),
    key("port", count(1, 65_535), Is("5432"), "port", "PostgreSQL's default"),
    key("version", count(13, 18), Is("17"), "major version of PostgreSQL", "supported by every provider at the time of writing"),
    key("physical_cores", count(1, 1_024), Is("4"), "physical cores of the database machine, without hyper-threads", "the example of both documents"),
    key("ram", size(Bytes::mib(64)), Follows, "memory of the database machine or container", "4 times shared_buffers if that is given (the documents' 25 % rule; 16 times for desktop), else 2 GB for each core"),
    key("storage", Kind::Choice(&["ssd", "nvme", "cloud", "hdd"]), Is("\"ssd\""), "what the data lies on", "spindles count only for hdd"),
    key("spindles", count(1, 1_024), Is("1"), "disks that seek independently, for storage = \"hdd\"", "one disk"),
    key("cache_hit", Kind::Share, Is("\"95%\""), "share of reads found in memory; matters with hdd only", "what a healthy OLTP database shows in pg_stat_database"),
    key("workload", Kind::Choice(&["web", "oltp", "dw", "desktop", "mixed"]), Is("\"web\""), "what it is mostly used for: pages of an application, transactions with many writes, reports and bulk loads, a developer's machine, or transactions with reports", "what services with pools usually are"),
    key("max_connections", count(1, 262_143), Is("100"), "max_connections", "PostgreSQL's default"),
    key("superuser_reserved_connections", count(0, 262_143), Is("3"), "superuser_reserved_connections", "PostgreSQL's default"),
    key("reserved_connections", count(0, 262_143), Is("0"), "reserved_connections, PostgreSQL 16 and later", "PostgreSQL's default"),
    key("work_mem", size(Bytes::kib(64)), Follows, "work_mem: memory of one sort or hash node of one process", "PostgreSQL's default of 4MB; where ram is given, as much as fits with every connection active and three such nodes each, 16MB at most for web and oltp, 32MB for desktop, 64MB for mixed, 1GB for dw"),
    key("hash_mem_multiplier", Kind::Number { min: 1.0, max: 1000.0 }, Follows, "hash_mem_multiplier", "PostgreSQL's default: 1.0 up to 14, 2.0 from 15 on"),
    key("shared_buffers", size(Bytes::kib(128)), Follows, "shared_buffers", "a quarter of ram, as the PostgreSQL manual and S2 start with; a sixteenth for desktop"),
    key("maintenance_work_mem", size(Bytes::mib(1)), Follows, "maintenance_work_mem", "PostgreSQL's default of 64MB; where ram is given, a sixteenth of it, dw an eighth, desktop a thirty-second, within 64MB to 2GB and what memory has room for"),
    key("autovacuum_work_mem", size(Bytes::mib(1)), Follows, "autovacuum_work_mem", "maintenance_work_mem, as PostgreSQL's default -1; where that is not given but ram is, all workers together get half of the same part of ram, each 1GB at most"),
    key("autovacuum_max_workers", count(1, 1_024), Is("3"), "autovacuum_max_workers", "PostgreSQL's default"),
    key("max_parallel_workers", count(0, 1_024), Follows, "max_parallel_workers, of the whole server", "half of the cores and 8 at most for web and oltp, where the others serve other connections; else one for each core"),
    key("max_parallel_workers_per_gather", count(0, 1_024), Follows, "max_parallel_workers_per_gather", "half of the cores; 2 at most for web and oltp, 4 for mixed and desktop, 8 for dw; 0 with a single core"),
    key("max_worker_processes", count(0, 262_143), Follows, "max_worker_processes", "max_parallel_workers and 4 for replication and extensions; 8 at least, PostgreSQL's default"),
    key("huge_pages", Kind::Bool, Is("false"), "whether shared_buffers lies in huge pages", "the default `try` gets none on most machines"),
    key("idle_backend", size(Bytes::kib(256)), Is("\"3MB\""), "memory of a connection that does nothing", "measured on PostgreSQL 15: 1.3 MB fresh, 2.8 to 4.6 MB after use"),
    key("standbys", Kind::Names, Unknown, "names of standbys, which must allow as many connections as the primary", ""),
    key("statement_timeout", time("none"), Is("\"30s\""), "statement_timeout of application roles", "S2, section 4"),
    key("batch_statement_timeout", time("none"), Is("\"10min\""), "statement_timeout of roles that only queue workers use", "a batch job may take longer than a page, and not forever"),
    key("lock_timeout", time("none"), Is("\"10s\""), "lock_timeout of application roles", "below statement_timeout, so that the error names the lock"),
    key("idle_in_transaction_session_timeout", time("none"), Is("\"1min\""), "idle_in_transaction_session_timeout of application roles", "S2, section 4"),
    key("transaction_timeout", time("none"), Follows, "transaction_timeout of application roles, PostgreSQL 17 and later", "twice statement_timeout, and one minute at least, where the version has it"),
    key("idle_session_timeout", time("none"), Is("0"), "idle_session_timeout of application roles", "a pool's warm connections are idle by design (PostgreSQL manual)"),
    key("tcp_keepalives_idle", TIME, Is("\"60s\""), "tcp_keepalives_idle", "S2, section 4"),
    key("tcp_keepalives_interval", TIME, Is("\"10s\""), "tcp_keepalives_interval", "S2, section 4"),
    key("tcp_keepalives_count", count(1, 127), Is("6"), "tcp_keepalives_count", "S2, section 4"),
];

/// Settings of `[services.NAME]`.
#[rustfmt::skip]
pub const SERVICE: &[Key] = &[
    key("kind", Kind::Choice(&["prisma6", "prisma7", "sqlx", "php-fpm", "octane", "queue", "serverless", "generic"]), Is("\"generic\""), "what it is made of", "counts like any pool"),
    key("replicas", count(0, 10_000), Is("1"), "instances at most; functions at once for serverless", "one instance"),
    key("replicas_min", count(0, 10_000), Follows, "instances at least, where it scales", "the same as replicas"),
    key("surge", Kind::Surge, Follows, "instances added during a rollout", "Kubernetes' maxSurge of 25% for what runs as pods; 0% for php-fpm, which restarts in place, and for serverless"),
    key("processes", count(1, 1_000), Is("1"), "processes of one instance, each with its own pool; workers for octane and queue", "one process"),
    key("pool", count(1, 10_000), Follows, "connections of one pool at most; pm.max_children for php-fpm; connection_limit of one function for serverless", "what the queueing need says where requests is given, else what the library or the document has: 10, php-fpm 20, octane, queue and serverless 1"),
    key("pool_min", count(0, 10_000), Follows, "connections of one pool that are kept open", "2 as in S2 for sqlx, within the pool; else 0"),
    key("dsns", count(1, 100), Is("1"), "data source names of one process: databases, users or options that differ", "one"),
    key("via", Kind::Choice(&["direct", "pooler"]), Follows, "how it reaches PostgreSQL", "through the pooler if there is one"),
    key("database", Kind::Name, Follows, "its database", "that of [database]"),
    key("user", Kind::Name, Is("\"app\""), "role it logs in as", "one role for all is one pair of database and user"),
    key("requests", Kind::Number { min: 0.0, max: 10_000_000.0 }, Unknown, "requests per second of all instances together", ""),
    key("request_time", TIME, Is("\"200ms\""), "mean time of a request, or job, which keeps a process of php-fpm, octane, queue and serverless busy", "an ordinary page of a web application"),
    key("queries_per_request", Kind::Number { min: 0.0, max: 10_000.0 }, Is("3"), "queries, or transactions, of one request", "a page of an ordinary web application"),
    key("hold", TIME, Is("\"5ms\""), "mean time from checkout to checkin of a connection", "a short transaction with its round trips"),
    key("arrival_variation", Kind::Number { min: 0.0, max: 1_000.0 }, Is("1"), "squared coefficient of variation of times between arrivals", "Poisson arrivals"),
    key("hold_variation", Kind::Number { min: 0.0, max: 1_000.0 }, Is("1"), "squared coefficient of variation of the hold time", "exponential times"),
    key("connections_per_task", count(1, 1_000), Is("1"), "connections that one task holds at once", "no nested checkouts"),
    key("tasks", count(1, 100_000), Is("1"), "tasks of one pool that hold connections at once", "matters with nested checkouts only"),
    key("request_deadline", TIME, Is("\"10s\""), "time a request may take", "what proxies and people wait for"),
    key("acquire_timeout", TIME, Follows, "time to wait for a connection from the pool", "half of request_deadline and 5 s at most; 20 s in profile prisma-guide, 5 s in sqlx-strategy"),
    key("connect_timeout", TIME, Follows, "time to connect and log in", "2 s, or half of acquire_timeout if that is less; 10 s in profile prisma-guide"),
    key("socket_timeout", time("none"), Follows, "time a client waits for its query", "5 s more than statement_timeout, so that the server's error arrives; 30 s in the documents' profiles"),
    key("idle_timeout", time("never"), Is("\"10min\""), "time an unused connection is kept", "S2, section 2"),
    key("max_lifetime", time("never"), Is("\"30min\""), "age at which a connection is replaced", "S2, section 2"),
    key("close_timeout", TIME, Is("\"20s\""), "time that closing the pool may take at shutdown", "below the 30 s that Kubernetes grants"),
    key("persistent", Kind::Bool, Is("false"), "whether PDO keeps connections between requests, for php-fpm", "state leaks from request to request otherwise (PHP manual)"),
    key("start_servers", count(1, 10_000), Follows, "pm.start_servers of php-fpm", "4 as in S2, within the spare servers"),
    key("min_spare_servers", count(1, 10_000), Follows, "pm.min_spare_servers of php-fpm", "2 as in S2, within pm.max_children"),
    key("max_spare_servers", count(1, 10_000), Follows, "pm.max_spare_servers of php-fpm", "6 as in S2, within pm.max_children"),
    key("max_requests", count(0, 1_000_000), Is("500"), "pm.max_requests of php-fpm; 0 is no limit", "S2, section 3"),
    key("image", Kind::Text, Follows, "container image", "the name of the service with the tag latest"),
    key("http_port", count(1, 65_535), Is("8080"), "port it serves HTTP on", "a common choice"),
];

/// Settings of `[pooler]`.
#[rustfmt::skip]
pub const POOLER: &[Key] = &[
    key("kind", Kind::Choice(&["pgweir", "pgbouncer"]), Is("\"pgweir\""), "which pooler", "this program"),
    key("pgbouncer_version", Kind::Choice(&["1.15", "1.16", "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25"]), Is("\"1.25\""), "version of PgBouncer that pgbouncer.ini is for; up to 1.20 it cannot share prepared statements", "the newest series"),
    key("instances", count(1, 1_000), Is("1"), "processes of the pooler, each with pools of its own", "one"),
    key("image", Kind::Text, Follows, "container image", "pgweir:latest, which the rendered Dockerfile makes; edoburu/pgbouncer:latest for pgbouncer"),
    key("pool_mode", Kind::Choice(&["session", "transaction", "statement"]), Is("\"transaction\""), "when a server goes back to its pool", "S1, problem 3"),
    key("host", Kind::Host, Follows, "host name that services reach it by", "its kind"),
    key("port", count(1, 65_535), Is("6432"), "port", "PgBouncer's default"),
    key("kappa", count(1, 100), Is("2"), "multiple of the active optimum that its servers may be", "2 covers waits for disks; 1 if everything is cached"),
    key("default_pool_size", count(1, 10_000), Follows, "servers of one database and user, of one instance", "F11"),
    key("reserve_pool_size", count(0, 10_000), Follows, "servers beyond that for clients that waited", "a fifth of default_pool_size"),
    key("max_db_connections", count(1, 10_000), Follows, "servers of one database, of one instance", "F11"),
    key("max_client_conn", count(1, 1_000_000), Follows, "clients of one instance", "a quarter more than all clients' pools, rollout included, for one instance carries them while others restart; 100 at least"),
    key("query_wait_timeout", TIME, Follows, "time a client may wait for a server", "the longest acquire_timeout behind the pooler: nobody waits longer than that anyway"),
    key("idle_transaction_timeout", time("none"), Follows, "time a client may be idle in a transaction", "nine tenths of idle_in_transaction_session_timeout, so that the pooler ends it with a clear message"),
    key("client_idle_timeout", time("none"), Is("0"), "time a client may be idle outside a transaction", "clients' pools close what they do not need"),
    key("server_lifetime", TIME, Is("\"1h\""), "age at which an unused server is closed", "PgBouncer's default"),
    key("server_idle_timeout", TIME, Is("\"10min\""), "time an unused server is kept", "PgBouncer's default"),
];

/// Settings of `[operations]`.
#[rustfmt::skip]
pub const OPERATIONS: &[Key] = &[
    key("reserve", count(0, 100_000), Is("3"), "connections for monitoring, migrations and backups", "one for each"),
    key("target_utilisation", Kind::Percent { min: 1, max: 100 }, Is("\"80%\""), "highest utilisation of usable connections", "what the table of S1 comes to: 120/150, 400/500, 800/1000"),
    key("surge", Kind::Bool, Is("true"), "whether rollouts count", "old and new instances run side by side"),
    key("wait", TIME, Is("\"10ms\""), "how long requests may wait for a connection", "below what people notice"),
    key("wait_share", Kind::Number { min: 0.000_001, max: 0.5 }, Is("0.01"), "share of requests that may wait longer", "the 99th percentile"),
    key("network_idle_timeout", time("none on the way"), Is("\"350s\""), "idle time after which a load balancer or NAT forgets a connection", "AWS Network Load Balancer"),
    key("termination_grace", TIME, Is("\"30s\""), "time an instance has to end", "Kubernetes' terminationGracePeriodSeconds"),
    key("longest_transaction", TIME, Is("\"10s\""), "the longest transaction to be expected", "beyond it a shutdown cuts it off"),
    key("os_reserve", size(Bytes(0)), Is("\"0MB\""), "memory of the database machine that other programs use", "a tenth of ram is left to the system anyway"),
    key("monitoring", Kind::Bool, Unknown, "whether connections are monitored; for the checklist", ""),
    key("alerts", Kind::Bool, Unknown, "whether somebody is alerted before connections run out; for the checklist", ""),
    key("documented", Kind::Text, Unknown, "where the team finds the plan, such as a page of its wiki; for the checklist", ""),
];

/// Settings of `[measured]`.
#[rustfmt::skip]
pub const MEASURED: &[Key] = &[
    key("active", Kind::Number { min: 0.0, max: 100_000.0 }, Unknown, "average active sessions, 99th percentile", ""),
    key("cpu", Kind::Percent { min: 0, max: 100 }, Unknown, "CPU of the database machine", ""),
    key("read_share", Kind::Share, Unknown, "share of reads in the load", ""),
    key("churn", Kind::Number { min: 0.0, max: 1_000_000.0 }, Unknown, "new connections per second", ""),
    key("steps", Kind::Steps, Unknown, "steps of a load test: pairs of concurrency and requests per second", ""),
];

/// The setting called `name` in `scope`.
pub fn find(scope: Scope, name: &str) -> Option<&'static Key> {
    place(scope, name).map(|(_, key)| key)
}

/// The setting called `name` in `scope`, with its place in the table.
pub(super) fn place(scope: Scope, name: &str) -> Option<(usize, &'static Key)> {
    let mut keys = scope.keys().iter().enumerate();
    keys.find(|(_, key)| key.name == name)
}

/// Names of all settings, and what other programs call them.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    let settings = Scope::ALL.iter().flat_map(|scope| scope.keys());
    let synonyms = SYNONYMS.iter().map(|(synonym, _)| *synonym);
    settings.map(|key| key.name).chain(synonyms)
}

/// The problem with a name that `scope` does not know.
pub(super) fn unknown(scope: Scope, name: &str, origin: &Origin, key: String) -> Problem {
    let problem = |suggestion: String| {
        Problem::new(origin, &*key, "unknown setting").with_suggestion(suggestion)
    };
    if let Some(elsewhere) = Scope::ALL
        .iter()
        .find(|other| find(**other, name).is_some())
    {
        return problem(format!("it belongs in [{}]", elsewhere.title()));
    }
    let (_, meant) = SYNONYMS
        .iter()
        .find(|(synonym, _)| *synonym == name)
        .copied()
        .unwrap_or_default();
    if !meant.is_empty() && find(scope, meant).is_some() {
        return problem(format!("it is called {meant}"));
    }
    let near = nearest(name, scope.keys().iter().map(|key| key.name));
    Problem::unknown(origin, key, "setting", near, "pgweir help planning")
}

/// What other programs call these settings.
const SYNONYMS: &[(&str, &str)] = &[
    ("connection_limit", "pool"),
    ("max_connections", "pool"),
    ("max_children", "pool"),
    ("pool_size", "pool"),
    ("pool_max", "pool"),
    ("min_connections", "pool_min"),
    ("pool_timeout", "acquire_timeout"),
    ("rps", "requests"),
    ("cores", "physical_cores"),
    ("cpu", "physical_cores"),
    ("memory", "ram"),
    ("target_utilization", "target_utilisation"),
    ("replicas_max", "replicas"),
    ("workers", "processes"),
    ("max_surge", "surge"),
    ("response_time", "request_time"),
];
