//! Turns the raw form into a `Config`: inheritance once, every problem at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::consistency;
use super::level::{Chain, Level, mismatch};
use super::listing::{self, Shown};
use super::passwords::{self, Held};
use super::problem::{self, Problem};
use super::raw::Raw;
use super::secrets::Outside;
use super::settings::Scope;
use super::toml::path_of;
use super::value::Parsed;
use super::{
    AuthType, Config, Database, Listen, Log, PoolConfig, ServerAddress, Tcp, User, Workers,
};

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the pooler runs with.
    pub config: Config,
    /// Every value with its origin, for `pgweir check`.
    pub settings: Vec<Shown>,
}

/// A section with what `consistency` needs to judge it.
pub(super) struct Entry<'a, T> {
    pub(super) name: &'a str,
    pub(super) level: &'a Level,
    pub(super) password: &'a Held,
    pub(super) value: T,
}

/// Resolves what a source said.
///
/// # Errors
/// Every problem there is, in the order of the text.
pub fn resolve(raw: &Raw, outside: &Outside<'_>) -> Result<Resolved, Vec<Problem>> {
    let mut problems = Vec::new();
    let resolved = resolve_into(raw, outside, &mut problems);
    problem::finish(resolved, problems)
}

/// As `resolve`, adding to problems found before. The result means nothing where there are any.
pub(super) fn resolve_into(
    raw: &Raw,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Resolved {
    let global = Level::read(Scope::Global, "", &raw.globals, problems);
    let globals = Chain::new(&[&global]);
    let mut users = Vec::new();
    for (name, section) in &raw.users {
        let path = path_of("users", name);
        let level = Level::read(Scope::User, &path, section, problems);
        let password = passwords::of(&level, &raw.folder, outside, problems);
        users.push((name.clone(), level, password));
    }
    passwords::add_auth_file(&globals, &raw.folder, outside, &mut users, problems);
    let databases: Vec<(&str, Level, Held)> = raw
        .databases
        .iter()
        .map(|(name, section)| {
            let path = path_of("databases", name);
            let level = Level::read(Scope::Database, &path, section, problems);
            let password = passwords::of(&level, &raw.folder, outside, problems);
            (name.as_str(), level, password)
        })
        .collect();

    let users: Vec<Entry<'_, Arc<User>>> = users
        .iter()
        .map(|(name, level, password)| Entry {
            name,
            level,
            password,
            value: Arc::new(user(name, &Chain::new(&[level, &global]), password)),
        })
        .collect();
    let databases: Vec<Entry<'_, Arc<Database>>> = databases
        .iter()
        .map(|(name, level, password)| Entry {
            name,
            level,
            password,
            value: Arc::new(database(name, level, password, &global, &users)),
        })
        .collect();

    let mut by_name: BTreeMap<String, Arc<Database>> = databases
        .iter()
        .map(|entry| (entry.name.to_owned(), Arc::clone(&entry.value)))
        .collect();
    let config = Config {
        listen: listen(&globals),
        workers: workers(&globals),
        auth_type: auth_type(&globals),
        fallback_database: by_name.remove("*"),
        databases: by_name,
        users: users
            .iter()
            .map(|entry| (entry.name.to_owned(), Arc::clone(&entry.value)))
            .collect(),
        max_client_conn: globals.number("max_client_conn"),
        max_user_connections: globals.limit("max_user_connections"),
        client_login_timeout: globals.timeout("client_login_timeout"),
        shutdown_timeout: globals.time("shutdown_timeout"),
        ignore_startup_parameters: ignore_startup_parameters(&globals),
        tcp: tcp(&globals),
        log: log(&globals),
        http: super::http::read(&globals, &raw.folder, outside, problems),
        probe_interval: globals.timeout("probe_interval"),
    };
    if !raw.torn {
        consistency::check(&config, &global, &databases, &users, problems);
    }
    Resolved {
        settings: listing::list(&global, &databases, &users),
        config,
    }
}

fn listen(globals: &Chain<'_>) -> Listen {
    let addresses: Vec<IpAddr> = match globals.find("listen_addr").parsed {
        Parsed::Addresses(addresses) => addresses,
        _ => mismatch("listen_addr"),
    };
    let Parsed::FileMode(unix_socket_mode) = globals.find("unix_socket_mode").parsed else {
        mismatch("unix_socket_mode")
    };
    Listen {
        addresses,
        port: port(globals, "listen_port"),
        unix_socket_dir: globals.some_text("unix_socket_dir").map(PathBuf::from),
        unix_socket_mode,
        backlog: globals.number("listen_backlog"),
    }
}

fn port(chain: &Chain<'_>, name: &str) -> u16 {
    u16::try_from(chain.number(name)).expect("the table bounds ports by 65535")
}

fn workers(globals: &Chain<'_>) -> Workers {
    match globals.find("workers").parsed {
        Parsed::Workers(workers) => workers,
        _ => mismatch("workers"),
    }
}

fn auth_type(globals: &Chain<'_>) -> AuthType {
    match globals.find("auth_type").parsed {
        Parsed::AuthType(auth_type) => auth_type,
        _ => mismatch("auth_type"),
    }
}

fn log_level(globals: &Chain<'_>) -> Option<&'static str> {
    match globals.find("log_level").parsed {
        Parsed::LogLevel(level) => level,
        _ => mismatch("log_level"),
    }
}

fn ignore_startup_parameters(globals: &Chain<'_>) -> Vec<String> {
    let text = globals.text("ignore_startup_parameters").to_lowercase();
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn tcp(globals: &Chain<'_>) -> Tcp {
    Tcp {
        keepalive: globals.boolean("tcp_keepalive"),
        keepidle: globals.timeout("tcp_keepidle"),
        keepintvl: globals.timeout("tcp_keepintvl"),
        keepcnt: globals.limit("tcp_keepcnt").map(Into::into),
        user_timeout: globals.timeout("tcp_user_timeout"),
        socket_buffer: globals.limit("tcp_socket_buffer").map(Into::into),
    }
}

fn log(globals: &Chain<'_>) -> Log {
    let stats = globals.boolean("log_stats");
    Log {
        level: log_level(globals),
        connections: globals.boolean("log_connections"),
        disconnections: globals.boolean("log_disconnections"),
        pooler_errors: globals.boolean("log_pooler_errors"),
        stats_period: globals.timeout("stats_period").filter(|_| stats),
    }
}

fn user(name: &str, chain: &Chain<'_>, password: &Held) -> User {
    User {
        name: name.to_owned(),
        secret: password.secret(),
        max_user_connections: chain.limit("max_user_connections"),
        max_user_client_connections: chain.limit("max_user_client_connections"),
    }
}

fn database(
    name: &str,
    level: &Level,
    password: &Held,
    global: &Level,
    users: &[Entry<'_, Arc<User>>],
) -> Database {
    let chain = Chain::new(&[level, global]);
    let given = chain.some_text("dbname");
    let dbname = match name {
        "*" => given,
        name => Some(given.unwrap_or_else(|| name.to_owned())),
    };
    let user_pools = users
        .iter()
        .filter(|user| overrides_pool(user.level))
        .map(|user| {
            let chain = Chain::new(&[user.level, level, global]);
            (user.name.to_owned(), pool(&chain))
        });
    let startup_parameters = STARTUP_PARAMETERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), chain.some_text(name)?)));
    Database {
        name: name.to_owned(),
        server: server(&chain),
        dbname,
        forced_user: chain.some_text("user"),
        password: password.secret(),
        max_db_connections: chain.limit("max_db_connections"),
        max_db_client_connections: chain.limit("max_db_client_connections"),
        connect_query: chain.some_text("connect_query"),
        startup_parameters: startup_parameters.collect(),
        probe_user: chain.some_text("probe_user"),
        server_cores: chain.limit("server_cores"),
        pool: pool(&chain),
        user_pools: user_pools.collect(),
    }
}

fn server(chain: &Chain<'_>) -> ServerAddress {
    let host = chain.text("host");
    let port = port(chain, "port");
    if host.starts_with('/') {
        return ServerAddress::Unix(Path::new(&host).join(format!(".s.PGSQL.{port}")));
    }
    ServerAddress::Tcp { host, port }
}

/// Whether a user's section changes the pools it has.
pub(super) fn overrides_pool(level: &Level) -> bool {
    super::settings::in_scope(Scope::User)
        .filter(|setting| setting.scopes.contains(&Scope::Database))
        .any(|setting| !setting.name.starts_with("password") && level.gives(setting.name))
}

fn pool(chain: &Chain<'_>) -> PoolConfig {
    let pool_size = chain.limit("pool_size");
    let check_query = chain.text("server_check_query");
    // As in PgBouncer: no query is no check, and a delay of 0 is a check before every use.
    let server_check_delay = (!check_query.is_empty()).then(|| chain.time("server_check_delay"));
    PoolConfig {
        pool_mode: chain.pool_mode("pool_mode"),
        pool_size,
        min_pool_size: min_pool_size(chain),
        reserve_pool_size: chain.number("reserve_pool_size"),
        reserve_pool_timeout: chain.time("reserve_pool_timeout"),
        max_waiting_clients: chain.limit("max_waiting_clients"),
        query_wait_timeout: chain.timeout("query_wait_timeout"),
        query_timeout: chain.timeout("query_timeout"),
        idle_transaction_timeout: chain.timeout("idle_transaction_timeout"),
        transaction_timeout: chain.timeout("transaction_timeout"),
        client_idle_timeout: chain.timeout("client_idle_timeout"),
        track_statements: chain.boolean("track_statements"),
        slow_query_time: chain.timeout("slow_query_time"),
        very_slow_query_time: chain.timeout("very_slow_query_time"),
        leak_time: chain.timeout("leak_time"),
        server_connect_timeout: chain.timeout("server_connect_timeout"),
        server_login_retry: chain.time("server_login_retry"),
        server_idle_timeout: chain.timeout("server_idle_timeout"),
        server_lifetime: chain.time("server_lifetime"),
        server_check_delay,
        server_check_query: match check_query.as_str() {
            "<empty>" => String::new(),
            _ => check_query,
        },
        server_reset_query: chain.text("server_reset_query"),
        server_reset_query_always: chain.boolean("server_reset_query_always"),
    }
}

/// A user has a `pool_size` of its own but no `min_pool_size`, so its size bounds what it inherits.
pub(super) fn min_pool_size(chain: &Chain<'_>) -> u32 {
    let min = chain.number("min_pool_size");
    match chain.limit("pool_size") {
        Some(size) => min.min(size.get()),
        None => min,
    }
}

const STARTUP_PARAMETERS: [&str; 5] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "search_path",
];
