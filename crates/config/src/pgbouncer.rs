//! PgBouncer's settings, and what becomes of each here. The manual's table and the reader come from it.

use super::settings::{self, Scope};

/// A section of `pgbouncer.ini`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `[pgbouncer]`.
    PgBouncer,
    /// `[databases]`.
    Databases,
    /// `[users]`.
    Users,
    /// `[peers]`.
    Peers,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PgBouncer, Self::Databases, Self::Users, Self::Peers];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::PgBouncer => "pgbouncer",
            Self::Databases => "databases",
            Self::Users => "users",
            Self::Peers => "peers",
        }
    }

    /// The section of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// The section of `pgweir.toml` that has its settings; peers have none.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::PgBouncer => Some(Scope::Global),
            Self::Databases => Some(Scope::Database),
            Self::Users => Some(Scope::User),
            Self::Peers => None,
        }
    }
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It does what it does in PgBouncer.
    Served,
    /// It does that with a difference.
    Differs(&'static str),
    /// It sets `log_level`.
    LogLevel,
    /// It has nothing to act on here, and why.
    Meaningless(&'static str),
}

/// One of PgBouncer's settings.
#[derive(Debug)]
pub struct Row {
    /// Sections that it may stand in.
    pub parts: &'static [Part],
    /// Its name.
    pub name: &'static str,
    /// PgBouncer's default; empty is unset.
    pub default: &'static str,
    /// What becomes of it.
    pub ruling: Ruling,
}

/// What becomes of `name` in a section; `None` if PgBouncer does not have it there.
pub(crate) fn ruling(part: Part, name: &str) -> Option<Ruling> {
    let mut rows = ROWS.iter();
    let row = rows.find(|row| row.name == name && row.parts.contains(&part))?;
    Some(row.ruling)
}

/// Why a setting has no place in `pgweir.toml`, in the section where PgBouncer's would stand.
pub(crate) fn unused(scope: Scope, name: &str) -> Option<String> {
    let part = Part::ALL
        .into_iter()
        .find(|part| part.scope() == Some(scope))?;
    match ruling(part, name)? {
        Ruling::Meaningless(why) => Some(format!("{why}; remove it")),
        Ruling::LogLevel => Some(settings::NOT_YET.to_owned()),
        Ruling::Served | Ruling::Differs(_) => None,
    }
}

/// The names that PgBouncer has in a section.
pub(crate) fn names(part: Part) -> impl Iterator<Item = &'static str> {
    let rows = ROWS.iter().filter(move |row| row.parts.contains(&part));
    rows.map(|row| row.name)
}

const fn row(parts: &'static [Part], name: &'static str, default: &'static str) -> Row {
    Row {
        parts,
        name,
        default,
        ruling: Ruling::Served,
    }
}

impl Row {
    const fn is(mut self, ruling: Ruling) -> Self {
        self.ruling = ruling;
        self
    }
}

const P: &[Part] = &[Part::PgBouncer];
const D: &[Part] = &[Part::Databases];
const PD: &[Part] = &[Part::PgBouncer, Part::Databases];
const PU: &[Part] = &[Part::PgBouncer, Part::Users];
const DU: &[Part] = &[Part::Databases, Part::Users];
const PDU: &[Part] = &[Part::PgBouncer, Part::Databases, Part::Users];

const NO_DNS_CACHE: &str = "has no meaning here: names are looked up by the system's resolver at each connect, and nothing is cached";
const OLD_TLS: &str = "`all` and `legacy` are TLS 1.2 and 1.3; older versions in a list are warned of and not spoken, and alone they are a mistake";
const SAFE_CIPHERS: &str = "suites that are not safe are not spoken; unknown names are mistakes";

/// Every setting of PgBouncer's manual.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // The process.
    row(P, "logfile", ""),
    row(P, "pidfile", ""),
    row(P, "user", "").is(Ruling::Differs("once it listens; without it, root may serve, too")),
    row(P, "syslog", "0"),
    row(P, "syslog_ident", "pgbouncer"),
    row(P, "syslog_facility", "daemon"),
    row(P, "so_reuseport", "0"),
    row(P, "peer_id", "0").is(Ruling::Differs("with it a process has at most 32,768 clients, as many numbers as keys leave")),
    row(P, "service_name", "pgbouncer").is(Ruling::Meaningless("has a meaning on Windows only")),
    row(P, "job_name", "pgbouncer").is(Ruling::Meaningless("has a meaning on Windows only")),
    row(P, "conffile", "").is(Ruling::Meaningless(
        "has no meaning here: a reload reads the file that the process was started with")),
    row(P, "listen_addr", "").is(Ruling::Differs("addresses, `*` and `localhost`, and no other names")),
    row(P, "listen_port", "6432"),
    row(P, "unix_socket_dir", "/tmp").is(Ruling::Differs("a folder; abstract sockets (`@`) are not served")),
    row(P, "unix_socket_mode", "0777"),
    row(P, "unix_socket_group", ""),
    row(P, "listen_backlog", "128"),
    row(P, "tcp_defer_accept", "1").is(Ruling::Meaningless(
        "has no meaning here: a client that says nothing has a place of its own until client_login_timeout")),
    row(P, "tcp_socket_buffer", "0"),
    row(P, "tcp_keepalive", "1"),
    row(P, "tcp_keepcnt", "0"),
    row(P, "tcp_keepidle", "0"),
    row(P, "tcp_keepintvl", "0"),
    row(P, "tcp_user_timeout", "0"),
    row(P, "max_packet_size", "2147483647").is(Ruling::Differs("of messages of clients; rows of results are as long as PostgreSQL makes them")),
    row(P, "pkt_buf", "4096").is(Ruling::Meaningless(
        "has no meaning here: each worker has one buffer for all its connections")),
    row(P, "sbuf_loopcnt", "5").is(Ruling::Meaningless(
        "has no meaning here: a connection gives way to others after a bounded amount of work")),
    // Authentication.
    row(P, "auth_type", "md5"),
    row(P, "auth_file", ""),
    row(P, "auth_hba_file", ""),
    row(P, "auth_ident_file", ""),
    row(P, "auth_ldap_options", ""),
    row(PD, "auth_user", ""),
    row(PD, "auth_query", "").is(Ruling::Differs("the default asks the same with all names in full; it needs `$1`")),
    row(PD, "auth_dbname", ""),
    row(P, "scram_iterations", "4096"),
    row(P, "login_notify_message", ""),
    row(P, "admin_users", ""),
    row(P, "stats_users", ""),
    // Pools.
    row(PDU, "pool_mode", "session"),
    row(P, "max_client_conn", "100"),
    row(P, "default_pool_size", "20"),
    row(DU, "pool_size", "default_pool_size"),
    row(PD, "min_pool_size", "0").is(Ruling::Differs("more than the size of the pool counts as that size")),
    row(PDU, "reserve_pool_size", "0"),
    row(D, "reserve_pool", "0"),
    row(P, "reserve_pool_timeout", "5"),
    row(PD, "max_db_connections", "0"),
    row(PD, "max_db_client_connections", "0"),
    row(PU, "max_user_connections", "0"),
    row(PU, "max_user_client_connections", "0"),
    row(P, "server_round_robin", "0"),
    row(P, "max_prepared_statements", "200"),
    row(P, "track_extra_parameters", "IntervalStyle").is(Ruling::Meaningless(
        "has no meaning here: every setting of a client is kept, whatever it is")),
    row(P, "ignore_startup_parameters", ""),
    row(P, "disable_pqexec", "0"),
    row(P, "application_name_add_host", "0"),
    // Databases.
    row(D, "dbname", "the name of the entry"),
    row(D, "host", "unix_socket_dir").is(Ruling::Differs("abstract sockets (`@`) are not reached")),
    row(D, "port", "5432"),
    row(D, "user", ""),
    row(D, "password", ""),
    row(D, "client_encoding", ""),
    row(D, "datestyle", ""),
    row(D, "timezone", ""),
    row(D, "application_name", ""),
    row(D, "connect_query", ""),
    row(D, "load_balance_hosts", "round-robin").is(Ruling::Differs("a host that cannot be reached gives way to the next at once")),
    // Servers.
    row(P, "server_reset_query", "DISCARD ALL"),
    row(P, "server_reset_query_always", "0"),
    row(P, "server_check_delay", "30"),
    row(P, "server_check_query", "<empty>"),
    row(P, "server_fast_close", "0"),
    row(PD, "server_lifetime", "3600"),
    row(P, "server_idle_timeout", "600"),
    row(P, "server_connect_timeout", "15"),
    row(P, "server_login_retry", "15"),
    row(P, "autodb_idle_timeout", "3600"),
    row(P, "pool_idle_timeout", "0"),
    row(P, "dns_max_ttl", "15").is(Ruling::Meaningless(NO_DNS_CACHE)),
    row(P, "dns_nxdomain_ttl", "15").is(Ruling::Meaningless(NO_DNS_CACHE)),
    row(P, "dns_zone_check_period", "0").is(Ruling::Meaningless(NO_DNS_CACHE)),
    row(P, "resolv_conf", "").is(Ruling::Meaningless(NO_DNS_CACHE)),
    // Clients.
    row(P, "client_login_timeout", "60"),
    row(PU, "query_timeout", "0"),
    row(PDU, "query_wait_timeout", "120"),
    row(P, "query_wait_notify", "5"),
    row(P, "cancel_wait_timeout", "10"),
    row(PU, "client_idle_timeout", "0"),
    row(PU, "idle_transaction_timeout", "0"),
    row(PU, "transaction_timeout", "0"),
    row(P, "suspend_timeout", "10"),
    // Log.
    row(P, "log_connections", "1"),
    row(P, "log_disconnections", "1"),
    row(P, "log_pooler_errors", "1"),
    row(P, "log_stats", "1"),
    row(P, "stats_period", "60"),
    row(P, "verbose", "0").is(Ruling::LogLevel),
    // TLS.
    row(P, "client_tls_sslmode", "disable"),
    row(P, "client_tls_key_file", ""),
    row(P, "client_tls_cert_file", ""),
    row(P, "client_tls_ca_file", ""),
    row(P, "client_tls_protocols", "secure").is(Ruling::Differs(OLD_TLS)),
    row(P, "client_tls_ciphers", "default").is(Ruling::Differs(SAFE_CIPHERS)),
    row(P, "client_tls13_ciphers", ""),
    row(P, "client_tls_ecdhcurve", "auto"),
    row(P, "client_tls_dheparams", "auto").is(Ruling::Meaningless(
        "has no meaning here: no key exchange that needs parameters is spoken")),
    row(P, "server_tls_sslmode", "prefer"),
    row(P, "server_tls_ca_file", ""),
    row(P, "server_tls_key_file", ""),
    row(P, "server_tls_cert_file", ""),
    row(P, "server_tls_protocols", "secure").is(Ruling::Differs(OLD_TLS)),
    row(P, "server_tls_ciphers", "default").is(Ruling::Differs(SAFE_CIPHERS)),
    row(P, "server_tls13_ciphers", ""),
];
