//! The resolved configuration: what an operator meant, with nothing left to inherit.
//!
//! Text (TOML, a `DATABASE_URL`, the environment) is read into one raw form; resolving it applies
//! inheritance (global, then database, then user) once and reports every mistake at once. Below
//! this line an `Option` means "may be absent", never "look elsewhere", and a limit of "none" is
//! `None`, not zero.
//!
//! Names of settings and their meaning are PgBouncer's; see the manual for the few of our own.

pub mod access;
pub mod check;
mod consistency;
mod env;
mod error_codes;
pub mod hba;
mod http;
pub mod ident;
pub mod import;
pub mod ini;
mod ldap;
mod level;
mod listen;
mod listing;
mod log;
mod login_limits;
mod lookup;
mod networks;
pub mod oauth;
mod outside;
pub mod passfile;
mod passwords;
mod pattern;
mod peers;
pub mod pgbouncer;
mod pool;
pub mod raw;
mod records;
pub mod reload;
mod resolve;
mod secrets;
mod server_password;
mod service;
pub mod settings;
mod startup;
mod tls;
mod tls_settings;
mod tls_versions;
mod tokens;
mod value;
mod warnings;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use access::AuthType;
pub use error_codes::ErrorCodes;
pub use http::{Compat, Http, Otlp};
pub use ldap::{Ldap, LdapEncryption, LdapNaming};
pub use listen::{Listen, Tcp, Workers};
pub use listing::{GlobalSetting, Shown};
pub use log::{Log, LogFormat, Syslog};
pub use login_limits::LoginLimits;
pub use lookup::AuthSource;
pub use networks::Networks;
pub use outside::{Outside, Unusable};
pub use peers::{PEER_ID_MAX, Peer};
pub use pgweir_settings::Problem;
pub use pool::{PoolConfig, PoolMode, SessionState, Unreachable};
pub use resolve::{Resolved, resolve};
pub use server_password::{
    PasswordCommand, PasswordSource, ServerAuth, ServerPassword, without_line_break,
};
pub use service::Service;
pub use startup::{pool_info, startup_lines};
pub use tls::{
    Authorities, ChannelBinding, Negotiation, Pem, ServerTls, Tls, TlsMode, TlsPart, TlsSide,
    TlsVersion, Unfit,
};
pub use tokens::TokenKeys;
pub use value::{Kind, Unit};

use hba::Hba;
use ident::IdentMaps;
use oauth::Oauth;
use pgweir_settings::{Origin, finish};
use raw::Raw;

/// Where a configuration is read from.
#[derive(Clone)]
pub enum Source {
    /// A TOML file.
    File(PathBuf),
    /// A file in PgBouncer's form.
    Ini(PathBuf),
    /// `DATABASE_URL` and the pool's variables, by name.
    Environment(BTreeMap<String, String>),
}

/// Reads and resolves a configuration.
///
/// # Errors
/// Every problem there is, in the order of the text.
pub fn load(source: &Source, outside: &Outside<'_>) -> Result<Resolved, Vec<Problem>> {
    let text = |path: &Path| {
        (outside.file)(path).map_err(|error| {
            let origin = Origin::line(path.display().to_string().into(), 0);
            let message = format!("cannot be read: {error}");
            vec![Problem::new(&origin, "", message)]
        })
    };
    let (raw, problems) = match source {
        Source::File(path) => raw::read_file(path, &text(path)?),
        Source::Ini(path) => ini::read(path, &text(path)?, outside),
        Source::Environment(variables) => env::read(variables),
    };
    resolve_all(&raw, problems, outside)
}

/// Resolves what was read, together with the problems met on the way.
fn resolve_all(
    raw: &Raw,
    mut problems: Vec<Problem>,
    outside: &Outside<'_>,
) -> Result<Resolved, Vec<Problem>> {
    let resolved = resolve::resolve_into(raw, outside, &mut problems);
    finish(resolved, problems)
}

/// Everything the pooler needs to know, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients are accepted. Not changed by a reload.
    pub listen: Listen,
    /// What the process is to the system. Not changed by a reload.
    pub service: Service,
    /// Data-plane threads. Not changed by a reload.
    pub workers: Workers,
    /// How clients prove who they are.
    pub auth_type: AuthType,
    /// Where users of databases are looked up that lead nowhere; `None` is nowhere.
    pub auth: Option<AuthSource>,
    /// Time for which what was found there holds (`auth_cache_ttl`); zero is not at all.
    pub auth_cache_ttl: Duration,
    /// Keys of tokens that clients log in with (`auth_jwks_file`, `auth_jwt_...`).
    pub token_keys: TokenKeys,
    /// What of a token names the user (`auth_jwt_claim`).
    pub token_claim: String,
    /// Who issues the tokens of OAUTHBEARER (`auth_oauth_issuer`, `auth_oauth_scope`).
    pub oauth: Option<Oauth>,
    /// Service of PAM that is asked where a rule names none (`auth_pam_service`).
    pub pam_service: String,
    /// Directory that is asked with `auth_type = "ldap"` (`auth_ldap_options`).
    pub ldap: Option<Arc<Ldap>>,
    /// What directories are spoken to with, where that is TLS (`auth_ldap_tls_ca_file`).
    pub ldap_tls: Arc<Tls>,
    /// The file of users and their secrets (`auth_file`), which is read again when it has changed.
    pub auth_file: Option<PathBuf>,
    /// Who may come in from where (`auth_hba_file`); without rules where that is not set.
    pub hba: Hba,
    /// Who of the system is which user (`auth_ident_file`).
    pub ident: IdentMaps,
    /// Databases by the name clients use.
    pub databases: BTreeMap<String, Arc<Database>>,
    /// The database named `*`: serves any name not listed in `databases`.
    pub fallback_database: Option<Arc<Database>>,
    /// Users by name, with their secrets.
    pub users: BTreeMap<String, Arc<User>>,
    /// Whose connections begin with a header of the PROXY protocol (`proxy_protocol_networks`).
    pub proxy_protocol_networks: Networks,
    /// What one address may do before it has logged in.
    pub login_limits: LoginLimits,
    /// Clients logged in at once, over all databases (`max_client_conn`).
    pub max_client_conn: u32,
    /// Servers open at once for a user whose section does not say (`max_user_connections`).
    pub max_user_connections: Option<NonZeroU32>,
    /// Clients logged in at once as a user whose section does not say (`max_user_client_connections`).
    pub max_user_client_connections: Option<NonZeroU32>,
    /// Clients logged in at once to a database whose section does not say, and sessions of the console
    /// (`max_db_client_connections`).
    pub max_db_client_connections: Option<NonZeroU32>,
    /// Time a client has from its first byte to the end of its login (`client_login_timeout`).
    pub client_login_timeout: Option<Duration>,
    /// Time a graceful shutdown waits for transactions before it closes what is left.
    pub shutdown_timeout: Duration,
    /// Bound of a suspension's beginning (`suspend_timeout`); `None` is no bound.
    pub suspend_timeout: Option<Duration>,
    /// Time a pool without clients is kept whose database has no section of its own; `None` is for
    /// ever.
    pub autodb_idle_timeout: Option<Duration>,
    /// Time a pool without clients is kept whose database has a section of its own; `None` is for ever.
    pub pool_idle_timeout: Option<Duration>,
    /// Time to deliver a cancel request (`cancel_wait_timeout`).
    pub cancel_wait_timeout: Option<Duration>,
    /// Whether a client's address stands behind its `application_name`.
    pub application_name_add_host: bool,
    /// What each client is told behind its login (`login_notify_message`).
    pub login_notify_message: Option<String>,
    /// Iterations of verifiers that are made of plain passwords.
    pub scram_iterations: u32,
    /// Startup parameters that are dropped without an error (`ignore_startup_parameters`), in
    /// lower case.
    pub ignore_startup_parameters: Vec<String>,
    /// Users that may give every command in the admin console (`admin_users`).
    pub admin_users: Vec<String>,
    /// Users that may look there (`stats_users`).
    pub stats_users: Vec<String>,
    /// What clients are spoken to with.
    pub client_tls: Arc<Tls>,
    /// TCP keepalive and buffers of both sides.
    pub tcp: Tcp,
    /// What is logged of the comings and goings.
    pub log: Log,
    /// What is served over HTTP.
    pub http: Http,
    /// Codes of the errors that end a session (`error_codes`).
    pub error_codes: ErrorCodes,
    /// Pause between looks at what each PostgreSQL does (`probe_interval`); `None` is never.
    pub probe_interval: Option<Duration>,
    /// Its number among the processes that serve one address (`peer_id`); `None` is alone.
    pub peer_id: Option<NonZeroU16>,
    /// Those processes, by number (`[peers.NUMBER]`).
    pub peers: BTreeMap<u16, Peer>,
    /// The settings of the whole pooler as they are shown, by their names.
    pub globals: Arc<Vec<GlobalSetting>>,
}

impl Config {
    /// Whether others may judge passwords, PAM or a directory: they say who there is, and servers may be
    /// logged in with what a client has sent.
    pub fn has_judges(&self) -> bool {
        match self.auth_type {
            AuthType::Pam | AuthType::Ldap => true,
            AuthType::Hba => self.hba.asks_others(),
            AuthType::Any
            | AuthType::Trust
            | AuthType::Plain
            | AuthType::Md5
            | AuthType::ScramSha256
            | AuthType::Cert
            | AuthType::Peer
            | AuthType::Jwt
            | AuthType::Oauth => false,
        }
    }

    /// A user that has no section and no secret here.
    pub fn unlisted_user(&self, name: &str) -> User {
        User {
            name: name.to_owned(),
            secret: None,
            is_known: true,
            password_source: None,
            pool_size: None,
            reserve_pool_size: None,
            pool_mode: None,
            max_user_connections: self.max_user_connections,
            max_user_client_connections: self.max_user_client_connections,
        }
    }
}

/// What the pooler knows of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Plain(String),
    /// `md5` and 32 hex digits, as PostgreSQL stores it.
    Md5(String),
    /// `SCRAM-SHA-256$...`, as PostgreSQL stores it. Lets clients in; lets us into PostgreSQL only
    /// with a key taken from a client's login.
    Scram(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A secret never reaches a log, not even by accident.
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Md5(_) => "Md5(..)",
            Self::Scram(_) => "Scram(..)",
        })
    }
}

/// A user that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name as sent in the startup packet.
    pub name: String,
    /// Absent when the user is listed without one: only `trust` lets it in.
    pub secret: Option<Secret>,
    /// Whether it is known to be there. PgBouncer's `[users]` has limits of users that only its `auth_file` or
    /// PostgreSQL makes ones.
    pub is_known: bool,
    /// Where its password for server logins is fetched: the file that `secret` was read from, or a
    /// command.
    pub password_source: Option<PasswordSource>,
    /// Servers of one of its pools at most, where its section says; zero is no bound.
    pub pool_size: Option<u32>,
    /// Servers beyond that, where its section says.
    pub reserve_pool_size: Option<u32>,
    /// When its servers go back, where its section says.
    pub pool_mode: Option<PoolMode>,
    /// Servers open at once for this user over all databases (`max_user_connections`).
    pub max_user_connections: Option<NonZeroU32>,
    /// Clients logged in at once as this user (`max_user_client_connections`).
    pub max_user_client_connections: Option<NonZeroU32>,
}

/// A database that clients may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Name that clients use; `*` for the fallback.
    pub name: String,
    /// Where its servers are: the first, or the only, of its hosts. It is who is asked for activity and
    /// secrets.
    pub server: ServerAddress,
    /// The other hosts, which a connection is tried with if one cannot be reached.
    pub other_servers: Vec<ServerAddress>,
    /// Whether each new connection begins with the next of the hosts (`load_balance_hosts`); else all begin with the
    /// first.
    pub balances_hosts: bool,
    /// What they are spoken to with.
    pub tls: Arc<ServerTls>,
    /// Name of the database in PostgreSQL; `None` takes the name the client asked for, which only
    /// the fallback does.
    pub dbname: Option<String>,
    /// User for server logins (`user`); `None` takes the client's own.
    pub forced_user: Option<String>,
    /// Secret for server logins (`password`); `None` takes that of the user, or its SCRAM key.
    pub password: Option<Secret>,
    /// Where that is fetched instead: the file that `password` was read from, or a command.
    pub password_source: Option<PasswordSource>,
    /// File in libpq's format for logins without a password of their own (`passfile`).
    pub passfile: Option<PathBuf>,
    /// What may be answered to its servers.
    pub server_auth: ServerAuth,
    /// Where users without a secret are looked up; `None` is nowhere.
    pub auth: Option<AuthSource>,
    /// The `auth_dbname` where they cannot be looked up, because there is no such database.
    pub misplaced_auth: Option<String>,
    /// Servers open at once for this database over all users (`max_db_connections`).
    pub max_db_connections: Option<NonZeroU32>,
    /// Clients logged in at once (`max_db_client_connections`).
    pub max_db_client_connections: Option<NonZeroU32>,
    /// SQL run once on each server after its login (`connect_query`).
    pub connect_query: Option<String>,
    /// Settings every server is opened with (`client_encoding`, `datestyle`, `timezone`,
    /// `application_name` of the database section).
    pub startup_parameters: Vec<(String, String)>,
    /// User that the probe logs in as (`probe_user`); `None` takes one of the servers'.
    pub probe_user: Option<String>,
    /// Cores of PostgreSQL's machine (`server_cores`); `None` is unknown.
    pub server_cores: Option<NonZeroU32>,
    /// Settings of this database's pools for users that have none of their own.
    pub pool: PoolConfig,
    /// Settings of this database's pools for users that do, by user name.
    pub user_pools: BTreeMap<String, PoolConfig>,
}

impl std::fmt::Display for ServerAddress {
    /// Host and port, or the path of the unix socket.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Database {
    /// The settings of the pool of this database and `user`.
    pub fn pool_config(&self, user: &str) -> &PoolConfig {
        self.user_pools.get(user).unwrap_or(&self.pool)
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// Host name or address, and port.
    Tcp {
        /// Name or address; resolved at each connect.
        host: String,
        /// Port.
        port: u16,
    },
    /// Full path of a unix socket (`DIR/.s.PGSQL.PORT`).
    Unix(PathBuf),
}
