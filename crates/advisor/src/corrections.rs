//! What the two documents claim, what is true, and what the tool does about it: 53 numbered corrections.
//!
//! S1 is the Prisma connection pool guide, S2 the connection pooling strategy for SQLx and Laravel.

use serde::Serialize;

/// Whether a statement of the documents is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is right, and kept as a rule.
    Right,
    /// It is right as far as it goes.
    Incomplete,
    /// It was right once.
    Outdated,
    /// It is wrong.
    False,
    /// Doing it does harm.
    Dangerous,
    /// The documents do not mention it.
    Missing,
}

/// One correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// Its number in the manual.
    pub number: u32,
    /// What the documents say.
    pub says: &'static str,
    /// Whether that is right.
    pub standing: Standing,
    /// What is true.
    pub truth: &'static str,
    /// What the tool does, or operators should do.
    pub rule: &'static str,
    /// Where that is documented or was seen.
    pub source: &'static str,
}

/// The correction with this number.
pub fn numbered(number: u32) -> Option<&'static Correction> {
    CORRECTIONS
        .iter()
        .find(|correction| correction.number == number)
}

const fn c(
    number: u32,
    says: &'static str,
    standing: Standing,
    truth: &'static str,
    rule: &'static str,
    source: &'static str,
) -> Correction {
    Correction {
        number,
        says,
        standing,
        truth,
        rule,
        source,
    }
}

use Standing::{Dangerous, False, Incomplete, Missing, Outdated, Right};

/// All of them, by number.
#[rustfmt::skip]
pub const CORRECTIONS: [Correction; 53] = [
    c(1, "S1 P3, S2 I1: ALTER SYSTEM SET max_connections, then pg_reload_conf()", False,
        "max_connections is read at server start only; after a reload SHOW gives the old value and pg_settings.pending_restart is true",
        "mark it `restart`; raise it on standbys first and lower it on the primary first",
        "PostgreSQL manual, Connections and Authentication; Hot Standby; seen on 15"),
    c(2, "S2 section 4: POSTGRES_MAX_CONNECTIONS=100 in the environment", False,
        "the official image does not know that variable and ignores it",
        "pass `-c max_connections=...` as the container's command",
        "docker-library/docs, postgres"),
    c(3, "S2 section 4: -- comments in postgresql.conf", Dangerous,
        "the server does not start: comments there begin with #",
        "# in postgresql.conf, -- in SQL; both are tried in tests",
        "PostgreSQL manual, Setting Parameters; seen on 15"),
    c(4, "S1 P4: RAM = connections * work_mem * max_parallel_workers, 100 * 4MB * 2 = 800MB", False,
        "the 2 is max_parallel_workers_per_gather; work_mem counts per node and process, workers are limited for the whole server, and buffers, backends and maintenance are missing",
        "F6 gives what to expect and what could happen, and shows the document's number beside them",
        "PostgreSQL manual, Resource Consumption"),
    c(5, "S2: work_mem 4MB per connection", False,
        "it is per sort or hash node of each process, times hash_mem_multiplier for hashes",
        "F6", "PostgreSQL manual, Resource Consumption"),
    c(6, "both: utilisation is counted against max_connections", Incomplete,
        "ordinary roles get max_connections less superuser_reserved_connections and, from 16 on, reserved_connections",
        "F4 counts what is usable", "PostgreSQL manual, Connections and Authentication; seen on 15 and 18"),
    c(7, "both: count(*) of pg_stat_activity is the number of connections", False,
        "it counts background processes and itself: an idle PostgreSQL 15 with one client has 6 rows, 18 has 9",
        "count backend_type = 'client backend' and leave out one's own pid",
        "PostgreSQL manual, The Statistics Collector; seen on 15 and 18"),
    c(8, "S1: active connections are state = 'active'", Incomplete,
        "right, but one sample says little and counts its own session",
        "sample once a second, without one's own session", "PostgreSQL manual, pg_stat_activity"),
    c(9, "S2 I1: terminate everything idle for 10 minutes", Dangerous,
        "those are the warm connections of pools: their next use fails, pools reconnect in storms, LISTEN and advisory locks are lost",
        "never; let the owning pool shrink, and end only transactions left open",
        "PostgreSQL manual, idle_session_timeout (on pooling software)"),
    c(10, "S2: kill a long query with pg_terminate_backend", Dangerous,
        "that ends the session", "pg_cancel_backend first", "PostgreSQL manual, Server Signaling Functions"),
    c(11, "S2 I4: leaks show as idle in transaction", Incomplete,
        "that shows open transactions; a leaked connection looks idle",
        "compare what the pool has lent with what the server sees", "PostgreSQL manual, pg_stat_activity"),
    c(12, "S2: statement_timeout = 30000 for the whole server", Dangerous,
        "it hits migrations and maintenance as well",
        "set it per role; from 17 on also transaction_timeout", "PostgreSQL manual, Client Connection Defaults"),
    c(13, "S2: idle_in_transaction_session_timeout = 60000", Right,
        "the default is none; it ends the session, which a pooler must survive",
        "keep it, with the pooler's idle_transaction_timeout a little below", "PostgreSQL manual, Client Connection Defaults"),
    c(14, "S2: tcp_keepalives 60, 10, 6", Right,
        "a dead peer is noticed after 60 + 10 * 6 = 120 s; a running statement does not notice at all",
        "also client_connection_check_interval from 14 on, and tcp_user_timeout", "PostgreSQL manual, Connections and Authentication"),
    c(15, "S2: shared_buffers = 256MB, 25 % of RAM", Incomplete,
        "that is a machine of 1 GB, which the document does not state",
        "give ram", "PostgreSQL manual, Resource Consumption"),
    c(16, "S2: with PgBouncer set max_connections to 200 to 500", False,
        "a pooler is there to need fewer server connections",
        "F11: what the poolers open, with a quarter to spare", "PgBouncer manual, default_pool_size"),
    c(17, "S2 DO 3: 100 pooled connections on max_connections = 100", Dangerous,
        "97 are usable: the pooler runs into errors, and nobody else gets in",
        "the pooler's servers, direct services and the reserve within 80 % of what is usable", "F4, F5"),
    c(18, "S2: CPU above 70 %, add read replicas", Incomplete,
        "that helps where reads dominate and may be late; an oversized pool raises CPU by itself",
        "advised only with measured sessions and a read share above 70 %", "PostgreSQL wiki, Number Of Database Connections"),
    c(19, "both: the formula of cores and spindles for each service instance", False,
        "it counts the cores of the database and the active connections of all services",
        "F1 is one number for the fleet; both readings are kept as profiles", "PostgreSQL wiki, Number Of Database Connections"),
    c(20, "S1: socket_timeout prevents deadlocks", False,
        "the client stops waiting, but the statement continues and keeps its locks",
        "lock_timeout below statement_timeout below the client's timeout", "PostgreSQL manual, Lock Management"),
    c(21, "both: parallel workers and versions are not considered", Outdated,
        "which settings need a restart differs by version: in 18 autovacuum_max_workers is reloaded and autovacuum_worker_slots is not",
        "rendered settings are marked by version", "PostgreSQL 18 release notes; seen on 18"),
    c(22, "S1: image pgbouncer/pgbouncer with POOL_MODE, MAX_CLIENT_CONN, DEFAULT_POOL_SIZE", Dangerous,
        "that image takes PGBOUNCER_POOL_MODE and so on; the names belong to another image, so the pool is in session mode with 20 servers and 100 clients, and asks for no password",
        "mount pgbouncer.ini and userlist.txt", "sportsru/docker-pgbouncer and edoburu/docker-pgbouncer, README"),
    c(23, "S1: transaction mode, without its limits", Incomplete,
        "SET, LISTEN, WITH HOLD, temporary tables, session advisory locks and SQL-level PREPARE do not last; protocol-level prepared statements do from PgBouncer 1.21 on",
        "a recipe for each kind of client", "PgBouncer manual, Features"),
    c(24, "S1: DEFAULT_POOL_SIZE = 25 is the total", Incomplete,
        "it is per pair of database and user and per process of PgBouncer",
        "F11, with max_db_connections as the cap", "PgBouncer manual, default_pool_size"),
    c(25, "S1: a Kubernetes Deployment without replicas, probes, preStop, budget or authentication", Incomplete,
        "a rollout or a drained node cuts off every client",
        "the rendered manifests have all of them", "Kubernetes documentation, Pod Lifecycle"),
    c(26, "S1: PgBouncer above 50 connections; S2: above 1000 requests a minute", Incomplete,
        "1000 a minute with 3 queries of 5 ms keep a quarter of a connection busy; counts, churn and fan-out are reasons",
        "listed as rules of thumb, below the model", "F8"),
    c(27, "both: silent on SQLx's pings", Missing,
        "SQLx sends a lone Sync on every acquire and release, for each of which PgBouncer links a server",
        "a pooler should answer it itself", "SQLx 0.8, PgConnection::ping"),
    c(28, "S1: Prisma opens 10 connections by default", Right,
        "by accident: up to 6 it is twice the cores of its machine plus one; the pg adapter of 7 has 10",
        "by version", "Prisma documentation, Connection pool"),
    c(29, "S1: URL parameters of the pool", Outdated,
        "Prisma 7 has no pool of its own; the pg adapter ignores the parameters and waits forever for a connection",
        "the URL for 6 and older, a factory for 7", "Prisma documentation, Connection pool; pg-connection-string"),
    c(30, "S1: defaults pool_timeout 10, connect_timeout 5", Right,
        "for Prisma 6 and older", "kept", "Prisma documentation, Connection pool"),
    c(31, "S1: socket_timeout defaults to 0", Right,
        "left out means none", "kept", "Prisma documentation, PostgreSQL connector"),
    c(32, "S1: `Can't reach database server` means that the pool is exhausted", False,
        "P1001 is the network; waiting too long for the pool is P2024, a full server P2037",
        "read the code, not the text", "Prisma documentation, Error reference"),
    c(33, "S1: latency is high, raise pool_timeout", False,
        "waiting longer hides the queue and makes nothing faster",
        "at most half of the request's deadline", "F10"),
    c(34, "S2: SQLx with 10, 2, 5 s, 600 s, 1800 s, test_before_acquire", Right,
        "the library has 10, 0, 30 s, 600 s, 1800 s, true",
        "kept as the profile's values", "SQLx 0.8, PoolOptions"),
    c(35, "S2: DB_MAX_CONNECTIONS and so on in the environment", False,
        "SQLx reads none of them, and drops unknown URL parameters with a warning that logs their values",
        "pgweir-sqlx reads exactly these", "SQLx 0.8, PgConnectOptions::from_str"),
    c(36, "S2: pool_size - idle_connections", False,
        "u32 less usize does not compile, and idle may be more than size for a moment",
        "size.saturating_sub(idle as u32)", "SQLx 0.8, Pool::size and num_idle"),
    c(37, "S2 DON'T 3: do_work(conn).await? leaks the connection", False,
        "a connection that was moved is dropped and returns itself; leaks come from detach, leak, forget, and guards held long",
        "watch the age of checkouts", "SQLx 0.8, PoolConnection"),
    c(38, "S2: min_connections are always ready", Incomplete,
        "best effort; and max_lifetime has no jitter, so replicas reconnect together",
        "some jitter for each instance", "SQLx 0.8, pool::inner"),
    c(39, "S2: silent on cancellation", Missing,
        "dropping a query's future closes or drains the connection, and the server continues",
        "statement_timeout as a connection option", "SQLx 0.8, pool::inner"),
    c(40, "S2 DO 5: pool.close().await", Incomplete,
        "it waits for every connection without a deadline",
        "close with a timeout below the grace period", "SQLx 0.8, Pool::close"),
    c(41, "S2 I2: `Timed out waiting for connection from pool`", False,
        "SQLx says `pool timed out while waiting for an open connection`",
        "search for that", "SQLx 0.8, Error::PoolTimedOut"),
    c(42, "S2 DON'T 4: do not share a connection between threads", Right,
        "SQLx's types do not allow it", "kept", "SQLx 0.8"),
    c(43, "S2: actix-web-prometheus exposes the pool's metrics", False,
        "the crate is actix-web-prom and counts HTTP requests",
        "sqlx_pool_connections_active and _idle come from pgweir-sqlx", "actix-web-prom, README"),
    c(44, "S2: persistent PDO connections are a pool", Dangerous,
        "each worker keeps one per data source name, and session state and open transactions pass to the next request",
        "counted as workers times data source names; off by default", "PHP manual, Persistent Database Connections"),
    c(45, "S2: PDO::ATTR_TIMEOUT = 5", Right,
        "it is connect_timeout, 30 s by default", "kept", "PHP manual, PDO_PGSQL"),
    c(46, "S2: PHP_FPM_MAX_CHILDREN in the environment", False,
        "PHP-FPM reads no such variable; its files may name ${VARIABLES}",
        "a pool file that does", "PHP-FPM configuration; tried with php-fpm -t"),
    c(47, "Octane is not mentioned", Missing,
        "its workers live long and keep their connections",
        "kind octane: one for each worker", "Laravel documentation, Octane"),
    c(48, "S2 DO 6: alert below 10 % idle connections", Dangerous,
        "a pool of the right size runs nearly full, and SQLx's grows on demand: 3 open and 3 busy of 10 is 0 % idle and 70 % free",
        "alert when less than 10 % is free and a client waits", "SQLx 0.8, Pool"),
    c(49, "S1: alert above 5 waiters", Right,
        "a heuristic; the longest wait says more", "kept, together with the wait", "F10"),
    c(50, "S1: slow above 1 s, very slow somewhere above 1.2 s", Right,
        "its samples put the second threshold between 1234 and 3456 ms",
        "1000 ms and 3000 ms", "S1, Prisma logs"),
    c(51, "serverless is not mentioned", Missing,
        "each function has a pool of its own", "kind serverless: connection_limit = 1 and a pooler", "Prisma documentation, Serverless"),
    c(52, "max_lifetime with load balancers is not mentioned", Incomplete,
        "a connection must be replaced before something on the way drops it",
        "client below pooler below network", "AWS documentation, Network Load Balancer, idle timeout of 350 s"),
    c(53, "S2 DO 1: acquire 3 to 5 s, idle 5 to 10 min, lifetime 30 min to 1 h", Right,
        "good bounds", "checked as L15", "SQLx 0.8, PoolOptions"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_correction_has_its_number_and_all_its_parts() {
        for (at, correction) in CORRECTIONS.iter().enumerate() {
            assert_eq!(correction.number as usize, at + 1);
            for part in [
                correction.says,
                correction.truth,
                correction.rule,
                correction.source,
            ] {
                assert!(!part.is_empty(), "{}", correction.number);
            }
        }
        assert_eq!(numbered(0), None);
        assert_eq!(numbered(54), None);
    }
}
