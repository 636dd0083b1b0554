//! The table of all settings. Reading, `pgweir check`, hints and the manual all come from it.

use pgweir_settings::{Origin, Problem, nearest};

use super::peers::PEER_ID_MAX;
use super::value::{Kind, Unit};

/// A section a setting may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `[pgweir]`.
    Global,
    /// `[databases.NAME]`.
    Database,
    /// `[users.NAME]`.
    User,
}

impl Scope {
    /// The section as the operator writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "[pgweir]",
            Self::Database => "[databases.NAME]",
            Self::User => "[users.NAME]",
        }
    }
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Name, PgBouncer's where it has the setting.
    pub name: &'static str,
    /// Another name that is understood in the same sections.
    pub alias: Option<&'static str>,
    /// Sections it may stand in.
    pub scopes: &'static [Scope],
    /// Name it has in `[pgweir]`, where that differs.
    pub global_name: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// Value where none is given, written as in the file; empty text is "unset".
    pub default: &'static str,
    /// Whether a reload changes it.
    pub reload: bool,
    /// One line for the manual.
    pub meaning: &'static str,
}

impl Setting {
    const fn new(
        scopes: &'static [Scope],
        name: &'static str,
        kind: Kind,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            alias: None,
            scopes,
            global_name: None,
            kind,
            default,
            reload: true,
            meaning,
        }
    }

    const fn needs_restart(mut self) -> Self {
        self.reload = false;
        self
    }

    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn inherits(mut self, global_name: &'static str) -> Self {
        self.global_name = Some(global_name);
        self
    }

    /// Whether its value says where a secret is, so that the secret itself may stand there by mistake.
    /// It is shown in no problem.
    pub(super) fn leads_to_secret(&self) -> bool {
        LEAD_TO_SECRETS.contains(&self.name)
    }

    /// The name to look for in `scope`.
    pub(super) fn name_in(&self, scope: Scope) -> &'static str {
        match scope {
            Scope::Global => self.global_name.unwrap_or(self.name),
            Scope::Database | Scope::User => self.name,
        }
    }
}

/// The setting called `name` in `scope`.
pub fn find(scope: Scope, name: &str) -> Option<&'static Setting> {
    in_scope(scope).find(|setting| setting.name == name || setting.alias == Some(name))
}

/// The settings that may stand in `scope`, in the order of the table.
pub fn in_scope(scope: Scope) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.scopes.contains(&scope))
}

/// Names of all settings, of whichever section.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .flat_map(|setting| [Some(setting.name), setting.alias, setting.global_name])
        .flatten()
}

/// What to say of a setting that only PgBouncer has.
pub(super) const NOT_YET: &str = "is not supported yet by this version; remove it";

/// The problem with a name that `scope` does not know.
pub(super) fn unknown(scope: Scope, name: &str, origin: &Origin, key: String) -> Problem {
    if let Some(setting) = SETTINGS.iter().find(|s| s.global_name == Some(name)) {
        let message = format!("belongs in [pgweir]; here it is called {}", setting.name);
        return Problem::new(origin, key, message);
    }
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) {
        let titles: Vec<&str> = setting.scopes.iter().map(|scope| scope.title()).collect();
        let here = match setting.global_name {
            Some(global_name) if scope == Scope::Global => {
                format!("; here it is called {global_name}")
            }
            _ => String::new(),
        };
        let message = format!("belongs in {}{here}", titles.join(" or "));
        return Problem::new(origin, key, message);
    }
    let known = in_scope(scope).map(|setting| setting.name);
    Problem::unknown(origin, key, "setting", nearest(name, known), MANUAL)
}

const LEAD_TO_SECRETS: [&str; 7] = [
    "password_env",
    "password_file",
    "passfile",
    "http_jwt_secret_env",
    "http_jwt_secret_file",
    "auth_jwt_secret_env",
    "auth_jwt_secret_file",
];

/// Where all settings and parameters are listed.
pub(super) const MANUAL: &str = "pgweir help configuration";

/// A text setting of moderate length.
const TEXT: Kind = Kind::Text { len_max: 1024 };
/// What PgBouncer and libpq call sslmode.
pub(super) const TLS_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
const TLS_MODE: Kind = Kind::Choice(&TLS_MODES);
/// PgBouncer's names of syslog's facilities.
pub(super) const FACILITIES: [&str; 12] = [
    "daemon", "auth", "authpriv", "user", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
/// SQL that runs on servers.
const SQL: Kind = Kind::Text { len_max: 64 * 1024 };
/// A time where 0 switches the limit off.
const TIMEOUT: Kind = time("off");

const fn time(zero: &'static str) -> Kind {
    Kind::Time {
        zero,
        unit: Unit::Seconds,
    }
}

const fn number(min: u32, max: u32) -> Kind {
    Kind::Number { min, max, zero: "" }
}

const fn limit(max: u32) -> Kind {
    Kind::Number {
        min: 0,
        max,
        zero: "no limit",
    }
}

/// PostgreSQL serves some thousands of connections at the very most.
const SERVERS_MAX: u32 = 10_000;

/// Most prepared statements per server.
const STATEMENTS_MAX: u32 = 10_000;
/// Beyond any machine's number of file descriptors.
const CLIENTS_MAX: u32 = 1_000_000;

const G: &[Scope] = &[Scope::Global];
const D: &[Scope] = &[Scope::Database];
const GD: &[Scope] = &[Scope::Global, Scope::Database];
const GU: &[Scope] = &[Scope::Global, Scope::User];
const DU: &[Scope] = &[Scope::Database, Scope::User];
const GDU: &[Scope] = &[Scope::Global, Scope::Database, Scope::User];

/// Every setting there is. Where a setting may stand in several sections, the user's comes before
/// the database's, and that before the global one.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    // Where clients come in.
    Setting::new(G, "listen_addr", Kind::Addresses, "127.0.0.1",
        "Addresses of the TCP sockets. `*` is 0.0.0.0 and ::, `localhost` is 127.0.0.1. PgBouncer has no default.").needs_restart(),
    Setting::new(G, "listen_port", number(1, 65_535), "6432",
        "Port of the TCP sockets, and the number in the unix socket's file name.").needs_restart(),
    Setting::new(G, "unix_socket_dir", TEXT, "",
        "Folder of the unix socket; unset is none. PgBouncer's default is /tmp.").needs_restart(),
    Setting::new(G, "unix_socket_mode", Kind::FileMode, "0777",
        "Permissions of the unix socket.").needs_restart(),
    Setting::new(G, "unix_socket_group", TEXT, "",
        "Group of the unix socket, by its name in /etc/group or its number; unset is the process's own.").needs_restart(),
    Setting::new(G, "listen_backlog", number(1, 65_535), "128",
        "Connections the kernel queues before they are accepted.").needs_restart(),
    Setting::new(G, "so_reuseport", Kind::Bool, "false",
        "Whether other processes of the same user may listen at the same TCP addresses; the system shares connections out among them. See [Several processes](peers.md).").needs_restart(),
    Setting::new(G, "peer_id", Kind::Number { min: 0, max: PEER_ID_MAX as u32, zero: "none" }, "0",
        "Number of this process among those that share an address (`[peers.NUMBER]`): its clients' cancel keys carry it, and cancel requests for clients of others are passed on. See [Several processes](peers.md)."),
    Setting::new(G, "workers", Kind::Workers, "auto",
        "Threads that serve. `auto`: as many as there are cores, each woken when those before it are busy.").needs_restart(),
    Setting::new(G, "pidfile", TEXT, "",
        "File that the number of the process is written to, and that is removed at its end. While another process that runs has it, a start is refused. A relative path starts at the configuration file.").needs_restart(),
    Setting::new(G, "run_as", TEXT, "",
        "User of the system, by its name in /etc/passwd or its number, that the process becomes once it listens, with its groups; it has to be started by root then. PgBouncer's name for it is `user`.").alias("user").needs_restart(),
    Setting::new(G, "max_client_conn", number(1, CLIENTS_MAX), "100",
        "Clients logged in at once, over all databases."),
    Setting::new(G, "client_login_timeout", TIMEOUT, "60",
        "Time a client has from its first byte to the end of its login."),
    Setting::new(G, "proxy_protocol_networks", Kind::Networks, "",
        "Load balancers whose connections begin with a header of the PROXY protocol, version 1 or 2; without one they are refused, and others are refused with one. PgBouncer does not have it."),
    Setting::new(G, "max_logins_per_address", limit(1024), "64",
        "Logins that one address, or a /64 of IPv6, may have under way at once. PgBouncer does not have it."),
    Setting::new(G, "login_failures_per_minute", limit(10_000), "10",
        "Failed logins of one address within a minute before its next ones are delayed, from a quarter of a second on and twice as long with each. PgBouncer does not have it."),
    Setting::new(G, "login_failure_delay_max", time("none"), "3",
        "Longest of those delays. PgBouncer does not have it."),
    Setting::new(G, "login_limits_exempt", Kind::Networks, "unix, 127.0.0.0/8, ::1",
        "Addresses without the two limits above. PgBouncer does not have it."),
    Setting::new(G, "ignore_startup_parameters", TEXT, "",
        "Startup parameters that are dropped without an error, comma separated."),
    Setting::new(G, "application_name_add_host", Kind::Bool, "false",
        "Whether address and port of a client stand behind its `application_name`, for `pg_stat_activity`."),
    Setting::new(G, "error_codes", Kind::Choice(&["postgresql", "pgbouncer"]), "postgresql",
        "Code of the error that ends a session by a timeout, or for a transaction in statement mode: PostgreSQL's (25P03, 25P04, 57014, 57P05, 0A000), or 08P01 as PgBouncer's, which drivers take for a lost connection. In `pgbouncer.ini` it is `pgbouncer`. PgBouncer does not have it."),
    Setting::new(G, "login_notify_message", TEXT, "",
        "Notice that each client gets behind its login; unset is none."),
    Setting::new(G, "disable_pqexec", Kind::Bool, "false",
        "Whether a client that sends a simple query, which may hold several statements, is refused and closed."),
    Setting::new(G, "max_packet_size", number(1024, 2_147_483_647), "2147483647",
        "Longest message of a client, in bytes with its header; a longer one ends the session. PostgreSQL itself takes 1 GiB. PgBouncer counts rows of results too."),
    Setting::new(G, "shutdown_timeout", time("at once"), "25",
        "Time a graceful shutdown waits for transactions before it closes what is left; below the 30 s that Kubernetes grants."),
    Setting::new(G, "suspend_timeout", time("no limit"), "10",
        "Time that `SUSPEND` on the console waits for what is under way to be sent; clients for whom it is not complete by then are closed."),

    // Who may come in.
    Setting::new(G, "auth_type", Kind::Choice(AUTH_TYPES), "scram-sha-256",
        "How clients prove who they are; see [Security](security.md). `md5` asks users whose secret is a SCRAM verifier for SCRAM. PgBouncer's default is md5, and it has `peer` in `auth_hba_file` only."),
    Setting::new(G, "auth_hba_file", TEXT, "",
        "File of rules in the form of `pg_hba.conf`, for `auth_type = \"hba\"`: the first that fits says how a client proves who it is. A relative path starts at the configuration file."),
    Setting::new(G, "auth_ident_file", TEXT, "",
        "File in the form of `pg_ident.conf`: which user of the system or of a certificate may be which user, for rules with `map=`."),
    Setting::new(G, "auth_file", TEXT, "",
        "File of lines `\"user\" \"secret\"` for users that have no secret in `[users]`; a relative path starts at the configuration file. It is read again within 2 s of a change."),
    Setting::new(GD, "auth_user", TEXT, "",
        "User that asks PostgreSQL for the secrets of users that have none here, with `auth_query`; unset asks nobody. Its own secret is that of `[users]` or `auth_file`."),
    Setting::new(GD, "auth_query", SQL, AUTH_QUERY,
        "Query of that: `$1` is the user, the row has its name and its secret. No row is no user; no secret (NULL) lets nobody in by password."),
    Setting::new(GD, "auth_dbname", TEXT, "",
        "Database of `[databases]` where it runs; unset is the database that the client asks for."),
    Setting::new(G, "auth_cache_ttl", time("asked at each login"), "60",
        "Time for which its answers hold. A role that was dropped, has expired or has another password is refused after that at the latest. PgBouncer does not have it."),
    Setting::new(G, "scram_iterations", number(1, 100_000), "4096",
        "Iterations of the verifier that is made of a plain password, for clients that log in by SCRAM-SHA-256."),
    Setting::new(G, "auth_pam_service", TEXT, "pgweir",
        "Service of PAM (a file in `/etc/pam.d`) that is asked with `auth_type = \"pam\"` and by rules without `pamservice`. PgBouncer's is always `pgbouncer`."),
    Setting::new(G, "auth_ldap_options", Kind::Secret, "",
        "Where LDAP is and how users are found there, for `auth_type = \"ldap\"`, in the form that rules of `pg_hba.conf` have them: `ldapurl=\"ldaps://ldap.example.com/dc=example,dc=com?uid?sub\"`. Rules have their own."),
    Setting::new(G, "auth_ldap_tls_ca_file", TEXT, "",
        "File of authorities that sign the certificates of LDAP servers; unset or `system` is those that the system trusts. PgBouncer takes them from `ldap.conf`."),
    Setting::new(G, "auth_jwks_file", TEXT, "",
        "JSON Web Key Set whose RS256, ES256 and EdDSA tokens clients log in with, for `auth_type = \"jwt\"` and rules that say so. Needs `auth_jwt_audience`. PgBouncer does not have it."),
    Setting::new(G, "auth_jwt_secret_file", TEXT, "",
        "File of the secret, 32 bytes or more, of such tokens with HS256; a relative path starts at the configuration file. PgBouncer does not have it."),
    Setting::new(G, "auth_jwt_secret_env", TEXT, "",
        "Environment variable that holds that secret. PgBouncer does not have it."),
    Setting::new(G, "auth_jwt_audience", TEXT, "",
        "Audience (`aud`) that such tokens must have. PgBouncer does not have it."),
    Setting::new(G, "auth_jwt_claim", TEXT, "sub",
        "What of such a token names the user: a text, or a list of texts with it in. PgBouncer does not have it."),
    Setting::new(G, "auth_oauth_issuer", TEXT, "",
        "Who issues tokens for `auth_type = \"oauth\"`, by its name or by the URL of its metadata, with `https://`: clients are told, and tokens must be its own (`iss`). Rules have `issuer=`. PgBouncer does not have it."),
    Setting::new(G, "auth_oauth_scope", TEXT, "",
        "What clients ask it for, and such tokens must be good for; words separated by spaces. Rules have `scope=`. PgBouncer does not have it."),
    Setting::new(DU, "password", Kind::Secret, "",
        "User: plain text, `md5...` or `SCRAM-SHA-256$...`. Database: the secret for server logins, in place of the user's."),
    Setting::new(DU, "password_env", TEXT, "",
        "Environment variable that holds the password."),
    Setting::new(DU, "password_file", TEXT, "",
        "File that holds the password, and perhaps one line break behind it; a relative path starts at the configuration file. It is read again for servers when PostgreSQL refuses the password, and at a reload."),
    Setting::new(DU, "password_command", Kind::Command, "",
        "Program, with its arguments, that prints the password for server logins; no shell reads it. It finds PGHOST, PGPORT and PGUSER in its environment, has 10 s, and may print 8 KiB. Of a user it is the one for servers, beside another for clients."),
    Setting::new(DU, "password_command_ttl", time("one login"), "600",
        "Time for which what the program printed is used, unless PostgreSQL refuses it: a token's lifetime, less a margin."),
    Setting::new(GD, "passfile", TEXT, "",
        "File in libpq's format with passwords for server logins that have no other; unset is PGPASSFILE, or `.pgpass` in HOME. It is ignored if anybody but its owner may use it."),
    Setting::new(GD, "server_require_auth", Kind::Methods, "",
        "Proofs of itself that the pooler gives PostgreSQL, as libpq's `require_auth`; `none` is a server that asks for none. PgBouncer does not have it."),
    Setting::new(GD, "server_allow_plaintext_password", Kind::Bool, "false",
        "Whether a server that asks for the password itself gets it over TCP without TLS. Over loopback and unix sockets it does in any case. PgBouncer does not have it."),

    // The admin console.
    Setting::new(G, "admin_users", TEXT, "",
        "Users, comma separated, that may give every command in the database `pgbouncer` or `pgweir`; see [Admin console](console.md)."),
    Setting::new(G, "stats_users", TEXT, "",
        "Users, comma separated, that may look there (`SHOW`) and change nothing."),

    // Where servers are.
    Setting::new(D, "host", TEXT, "127.0.0.1",
        "Name or address of the PostgreSQL server; a folder (`/...`) is that of its unix socket. Several, separated by commas, are servers that are alike; what asks PostgreSQL for activity and secrets uses the first."),
    Setting::new(D, "load_balance_hosts", Kind::Choice(&["round-robin", "disable"]), "round-robin",
        "Which of several hosts a new connection is tried with first: each in turn, or always the first. One that cannot be reached gives way to the next."),
    Setting::new(D, "port", number(1, 65_535), "5432",
        "Port of the PostgreSQL server."),
    Setting::new(D, "dbname", TEXT, "",
        "Name of the database in PostgreSQL; unset is the name clients use."),
    Setting::new(D, "user", TEXT, "",
        "User for server logins, whoever the client is; unset is the client's own."),
    Setting::new(D, "connect_query", SQL, "",
        "SQL that runs once on each server after its login."),
    Setting::new(D, "application_name", TEXT, "",
        "Value every server of the database is opened with."),
    Setting::new(D, "client_encoding", TEXT, "",
        "Value every server of the database is opened with."),
    Setting::new(D, "datestyle", TEXT, "",
        "Value every server of the database is opened with."),
    Setting::new(D, "timezone", TEXT, "",
        "Value every server of the database is opened with."),
    Setting::new(D, "search_path", TEXT, "",
        "Value every server of the database is opened with. PgBouncer does not have it."),

    // TLS towards clients.
    Setting::new(G, "client_tls_sslmode", TLS_MODE, "disable",
        "Whether clients are spoken to in TLS. `allow` and `prefer`: those that ask for it. `require`: all, but for unix sockets. `verify-ca` and `verify-full`: all, with a certificate that `client_tls_ca_file` signed."),
    Setting::new(G, "client_tls_cert_file", TEXT, "",
        "PEM file of the certificate, and of what signed it, that clients see. A reload reads it again."),
    Setting::new(G, "client_tls_key_file", TEXT, "",
        "PEM file of the certificate's private key."),
    Setting::new(G, "client_tls_ca_file", TEXT, "",
        "PEM file of the authorities whose signature makes a client's certificate good; `system` is those the system trusts. With `prefer` and `require` a certificate is asked for and need not be there."),
    Setting::new(G, "client_tls_crl_file", TEXT, "",
        "PEM file of lists of revoked client certificates. PgBouncer does not have it."),
    Setting::new(G, "client_tls_protocols", TEXT, "secure",
        "Versions of TLS: `secure` is both of `tlsv1.2,tlsv1.3`; older ones are not spoken."),
    Setting::new(G, "client_tls_ciphers", TEXT, "default",
        "Cipher suites of TLS 1.2 by OpenSSL's names, separated by colons; `default` is all that are safe, and no others are spoken."),
    Setting::new(G, "client_tls13_ciphers", TEXT, "",
        "Cipher suites of TLS 1.3; unset is all."),
    Setting::new(G, "client_tls_ecdhcurve", TEXT, "auto",
        "Groups of key exchange (`X25519`, `prime256v1`, `secp384r1`), separated by colons."),
    Setting::new(G, "client_tls_dheparams", TEXT, "auto",
        "Without meaning here: no key exchange that needs parameters is spoken."),

    // TLS towards servers.
    Setting::new(GD, "server_tls_sslmode", TLS_MODE, "prefer",
        "Whether PostgreSQL is spoken to in TLS, as libpq's `sslmode`: `require` encrypts, `verify-ca` also looks at who signed its certificate, `verify-full` also at whose it is. Unix sockets go without."),
    Setting::new(GD, "server_tls_ca_file", TEXT, "",
        "PEM file of the authorities whose signature makes PostgreSQL's certificate good; unset or `system` is those the system trusts."),
    Setting::new(GD, "server_tls_cert_file", TEXT, "",
        "PEM file of the certificate that PostgreSQL sees, if it asks for one."),
    Setting::new(GD, "server_tls_key_file", TEXT, "",
        "PEM file of that certificate's private key."),
    Setting::new(GD, "server_tls_crl_file", TEXT, "",
        "PEM file of lists of revoked certificates of servers. PgBouncer does not have it."),
    Setting::new(GD, "server_tls_protocols", TEXT, "secure",
        "Versions of TLS: `secure` is both of `tlsv1.2,tlsv1.3`."),
    Setting::new(GD, "server_tls_ciphers", TEXT, "default",
        "Cipher suites of TLS 1.2 by OpenSSL's names, separated by colons; `default` is all that are safe."),
    Setting::new(GD, "server_tls13_ciphers", TEXT, "",
        "Cipher suites of TLS 1.3; unset is all."),
    Setting::new(GD, "server_tls_ecdhcurve", TEXT, "auto",
        "Groups of key exchange, separated by colons. PgBouncer does not have it."),
    Setting::new(GD, "server_tls_negotiation", Kind::Choice(&["postgres", "direct"]), "postgres",
        "How TLS begins, as libpq's `sslnegotiation`: `direct` spares a round trip and needs PostgreSQL 17. PgBouncer does not have it."),
    Setting::new(GD, "server_channel_binding", Kind::Choice(&["disable", "prefer", "require"]), "prefer",
        "Whether the proof of a password is good for one TLS connection alone (SCRAM-SHA-256-PLUS), as libpq's `channel_binding`. PgBouncer does not have it."),

    // Pools.
    Setting::new(GDU, "pool_mode", Kind::Choice(&["session", "transaction", "statement"]), "session",
        "When a server goes back to its pool: at the client's end, after a transaction, after a query."),
    Setting::new(GDU, "session_state", Kind::Choice(&["keep", "reject"]), "keep",
        "What becomes of state that keeps a server in transaction and statement mode (temporary objects, advisory locks of the session, `LISTEN`, ...). `keep`: the client keeps the server. `reject`: 0A000, before it runs where the text shows it, else as the end of the session. PgBouncer does not have it."),
    Setting::new(G, "default_pool_size", limit(SERVERS_MAX), "20",
        "Servers of one pool, for databases and users without a `pool_size`."),
    Setting::new(DU, "pool_size", limit(SERVERS_MAX), "20",
        "Servers of one pool, which is one database and one user.").inherits("default_pool_size"),
    Setting::new(G, "server_round_robin", Kind::Bool, "false",
        "Whether the server that was unused for longest is taken next, so that load spreads over what is behind one address; else the one used last, so that a quiet pool shrinks."),
    Setting::new(GD, "min_pool_size", number(0, SERVERS_MAX), "0",
        "Servers kept open in a pool that has clients. A user's smaller `pool_size` lowers it."),
    Setting::new(GDU, "reserve_pool_size", number(0, SERVERS_MAX), "0",
        "Servers beyond the pool's size, once a client waited `reserve_pool_timeout`.").alias("reserve_pool"),
    Setting::new(GD, "reserve_pool_timeout", time("at once"), "5",
        "Wait after which the reserve is used."),
    Setting::new(GD, "max_waiting_clients", limit(CLIENTS_MAX), "0",
        "Clients that may wait in one pool; the next is refused. PgBouncer does not have it."),
    Setting::new(GD, "max_db_connections", limit(SERVERS_MAX), "0",
        "Servers of one database, over all users."),
    Setting::new(GD, "max_db_client_connections", limit(CLIENTS_MAX), "0",
        "Clients of one database."),
    Setting::new(GU, "max_user_connections", limit(SERVERS_MAX), "0",
        "Servers of one user, over all databases."),
    Setting::new(GU, "max_user_client_connections", limit(CLIENTS_MAX), "0",
        "Clients of one user."),

    // Time limits of clients.
    Setting::new(GDU, "query_wait_timeout", TIMEOUT, "120",
        "Time a client may wait for a server; then it is refused."),
    Setting::new(G, "query_wait_notify", TIMEOUT, "5",
        "Time after which a client that waits for a server is told so by a notice, once for each wait."),
    Setting::new(G, "cancel_wait_timeout", TIMEOUT, "10",
        "Time to deliver a cancel request to PostgreSQL; then it is given up."),
    Setting::new(GDU, "query_timeout", TIMEOUT, "0",
        "Time a query may run; then it is cancelled and its client closed."),
    Setting::new(GDU, "idle_transaction_timeout", TIMEOUT, "0",
        "Time a client may be idle inside a transaction."),
    Setting::new(GDU, "transaction_timeout", TIMEOUT, "0",
        "Time a transaction may take."),
    Setting::new(GDU, "client_idle_timeout", TIMEOUT, "0",
        "Time a client may be idle outside a transaction."),
    Setting::new(GDU, "pin_timeout", TIMEOUT, "0",
        "Time for which state of a session (temporary objects, advisory locks, `LISTEN`, ...) may keep its server in transaction and statement mode; then the session ends with 57P05 as soon as its client pauses outside a transaction. PgBouncer does not have it."),

    // What is found out.
    Setting::new(GDU, "track_statements", Kind::Bool, "true",
        "Whether statements are counted, without their literals; without it nothing is called slow or N+1. PgBouncer does not have it."),
    Setting::new(GDU, "slow_query_time", TIMEOUT, "1",
        "Time from which on a statement is slow: logged and counted. PgBouncer does not have it."),
    Setting::new(GDU, "very_slow_query_time", TIMEOUT, "3",
        "Time from which on it is very slow. PgBouncer does not have it."),
    Setting::new(GDU, "leak_time", TIMEOUT, "30",
        "Time a client may hold a server without using it before it is called a leak. PgBouncer does not have it."),

    // Care of servers.
    Setting::new(GD, "server_connect_timeout", TIMEOUT, "15",
        "Time to connect and log in to PostgreSQL."),
    Setting::new(GD, "server_login_retry", time("none"), "15",
        "Pause after a failed server login."),
    Setting::new(G, "server_fast_close", Kind::Bool, "false",
        "Whether RECONNECT, or a reload that moves a database, ends sessions of session mode at once or after their transaction; else they keep their server until they end."),
    Setting::new(GD, "server_unreachable", Kind::Choice(&["refuse", "wait"]), "refuse",
        "What clients get that need a server while PostgreSQL cannot be reached, or is starting up: the reason at once, or a wait for the next attempt, of `query_wait_timeout` at most and `client_login_timeout` at their login. In `pgbouncer.ini` it is `wait`. PgBouncer does not have it."),
    Setting::new(GD, "server_idle_timeout", TIMEOUT, "600",
        "Time an unused server is kept."),
    Setting::new(GD, "server_lifetime", time("single use"), "3600",
        "Age at which an unused server is closed."),
    Setting::new(G, "autodb_idle_timeout", TIMEOUT, "3600",
        "Time a pool without clients is kept whose database has no section of its own but is served by `[databases.\"*\"]`. One that PostgreSQL never let in goes after `server_login_retry`."),
    Setting::new(G, "pool_idle_timeout", time("kept for ever"), "0",
        "Time a pool without clients is kept whose database has a section of its own; its servers are closed with it."),
    Setting::new(GD, "server_check_delay", time("before every use"), "30",
        "Idle time after which a server is checked before it is used again; within a second of its login it is not."),
    Setting::new(GD, "server_check_query", SQL, "<empty>",
        "SQL of that check; `<empty>` is an empty query, an empty text is no check."),
    Setting::new(GD, "server_reset_query", SQL, "DISCARD ALL",
        "SQL that cleans a server after a session; an empty text is none."),
    Setting::new(GD, "server_reset_query_always", Kind::Bool, "false",
        "Whether it runs after each transaction in the other pool modes too."),
    Setting::new(GD, "max_prepared_statements", number(0, STATEMENTS_MAX), "200",
        "Named prepared statements that a server keeps for all clients in transaction and statement mode; the one not used for longest makes room. `0` shares none: a client with named statements keeps its server."),
    Setting::new(GD, "session_audit_interval", number(0, 1_000_000), "1000",
        "In transaction and statement mode, one in so many times that a client gives a server up, PostgreSQL is asked what functions have left in its session that no text shows: settings, temporary objects, advisory locks, held cursors, channels. `0` never asks."),

    // TCP, both sides.
    Setting::new(G, "tcp_keepalive", Kind::Bool, "true",
        "Whether keepalive probes are sent."),
    Setting::new(G, "tcp_keepidle", time("the system's"), "0",
        "Idle time before the first probe; whole seconds."),
    Setting::new(G, "tcp_keepintvl", time("the system's"), "0",
        "Time between probes; whole seconds."),
    Setting::new(G, "tcp_keepcnt", Kind::Number { min: 0, max: 127, zero: "the system's" }, "0",
        "Probes before the connection is given up."),
    Setting::new(G, "tcp_user_timeout", Kind::Time { zero: "the system's", unit: Unit::Milliseconds }, "0",
        "Time sent data may stay unacknowledged."),
    Setting::new(G, "tcp_socket_buffer", Kind::Number { min: 0, max: 1 << 30, zero: "the system's" }, "0",
        "Size of the kernel's buffers, in bytes."),

    // Log.
    Setting::new(G, "log_level", Kind::Choice(&["auto", "error", "warn", "info", "debug", "trace"]), "auto",
        "What the log lets through; `auto` is what the command line and PGWEIR_LOG say. PgBouncer does not have it."),
    Setting::new(G, "log_format", Kind::Choice(&["text", "json", "pgbouncer"]), "text",
        "How lines of the log look: `text`, `json`, or `pgbouncer`, which is PgBouncer's form; see [Read the log](logs.md). The command line's `--log-format` comes first. PgBouncer does not have it.").needs_restart(),
    Setting::new(G, "logfile", TEXT, "",
        "File that the log is appended to, beside standard error. It is opened anew at each reload, so that it can be moved away before. A relative path starts at the configuration file."),
    Setting::new(G, "syslog", Kind::Bool, "false",
        "Whether the log goes to the system's log (`/dev/log`), too."),
    Setting::new(G, "syslog_ident", TEXT, "pgweir",
        "Name of the program there. PgBouncer's default is pgbouncer."),
    Setting::new(G, "syslog_facility", Kind::Choice(&FACILITIES), "daemon",
        "Facility there."),
    Setting::new(G, "log_connections", Kind::Bool, "true",
        "Whether logins are logged."),
    Setting::new(G, "log_disconnections", Kind::Bool, "true",
        "Whether ends of connections are logged, with their reason."),
    Setting::new(G, "log_pooler_errors", Kind::Bool, "true",
        "Whether errors sent to clients are logged."),
    Setting::new(G, "log_stats", Kind::Bool, "true",
        "Whether a line of statistics is logged each `stats_period`."),
    Setting::new(G, "stats_period", time("off"), "60",
        "Period of that line."),

    // HTTP.
    Setting::new(G, "http_listen", TEXT, "127.0.0.1:6433",
        "Address and port of HTTP (page, probes, health, statistics, metrics), or `off`. If the default is taken, there is none. PgBouncer does not have it.").needs_restart(),
    Setting::new(G, "http_tls_cert_file", TEXT, "",
        "PEM file of the certificate, and of what signed it, that HTTP is encrypted with; unset is not encrypted. A reload reads it again."),
    Setting::new(G, "http_tls_key_file", TEXT, "",
        "PEM file of the certificate's private key."),
    Setting::new(G, "http_path_prefix", TEXT, "/api/v1",
        "What stands before `/health`, `/stats/database` and `/openapi.json`.").needs_restart(),
    Setting::new(G, "http_jwt_secret_file", TEXT, "",
        "File of the secret, 32 bytes or more, whose HS256 tokens may read statistics; a relative path starts at the configuration file."),
    Setting::new(G, "http_jwt_secret_env", TEXT, "",
        "Environment variable that holds that secret."),
    Setting::new(G, "http_jwks_file", TEXT, "",
        "JSON Web Key Set whose RS256, ES256 and EdDSA tokens may read statistics. With no key at all they are not served."),
    Setting::new(G, "http_jwt_audience", TEXT, "",
        "Audience (`aud`) that tokens must have; unset is any or none."),
    Setting::new(G, "http_admin_scope", TEXT, "pgweir:admin",
        "What a token's `scope`, `scp` or `roles` must name for its bearer to cancel and end clients; `off` lets nobody."),
    Setting::new(G, "metrics_compat", TEXT, "",
        "Names of metrics beside pgweir's and pgbouncer_exporter's: `prisma`, `sqlx`, `postgres_exporter`, comma separated."),
    Setting::new(G, "otlp_endpoint", TEXT, "",
        "Collector that metrics are pushed to by OTLP over HTTP in JSON, such as http://127.0.0.1:4318; unset is none. Needs `http_listen`. PgBouncer does not have it.").needs_restart(),
    Setting::new(G, "otlp_interval", time("off"), "15",
        "Pause between pushes; at least 1 s. PgBouncer does not have it.").needs_restart(),

    // The probe.
    Setting::new(G, "probe_interval", time("off"), "1",
        "Pause between looks at `pg_stat_activity` of each PostgreSQL, over one connection of its own beyond all limits; at least 1 s, and only while HTTP is served. Waits behind locks are told apart by it. PgBouncer does not have it."),
    Setting::new(GD, "probe_user", TEXT, "",
        "User that connection logs in as, with its password in `[users]` or `auth_file`; unset is the user of the servers. To see all it needs pg_monitor. PgBouncer does not have it."),
    Setting::new(GD, "server_cores", Kind::Number { min: 0, max: 4096, zero: "unknown" }, "0",
        "Cores of PostgreSQL's machine, to compare its active sessions with. PgBouncer does not have it."),
];

/// The default of `auth_query`: what PostgreSQL itself would look at. All names are in full and the operators, too, so
/// that no object of anybody's schema can take the place of one.
pub(super) const AUTH_QUERY: &str = "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin";

/// Values of `auth_type`.
const AUTH_TYPES: &[&str] = &[
    "any",
    "trust",
    "plain",
    "md5",
    "scram-sha-256",
    "cert",
    "peer",
    "jwt",
    "oauth",
    "pam",
    "ldap",
    "hba",
];
