//! Turns the raw form into a `Config`: inheritance once, every problem at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pgweir_settings::text::key_of;
use pgweir_settings::{Problem, finish};

use super::consistency;
use super::hba::Hba;
use super::ident::IdentMaps;
use super::level::{Chain, Level, mismatch};
use super::listing::{self, Shown};
use super::outside::Outside;
use super::passwords::{self, Entry, Held};
use super::raw::Raw;
use super::settings::Scope;
use super::{
    AuthType, Config, Database, Listen, Log, PoolConfig, ServerAddress, ServerTls, Tcp, User,
    Workers,
};
use super::{tls, warnings};

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the pooler runs with.
    pub config: Config,
    /// Every value with its origin, for `pgweir check`.
    pub settings: Vec<Shown>,
    /// What is allowed and may not be meant, for `pgweir check`.
    pub warnings: Vec<Problem>,
}

/// Resolves what a source said.
///
/// # Errors
/// Every problem there is, in the order of the text.
pub fn resolve(raw: &Raw, outside: &Outside<'_>) -> Result<Resolved, Vec<Problem>> {
    let mut problems = Vec::new();
    let resolved = resolve_into(raw, outside, &mut problems);
    finish(resolved, problems)
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
        let path = key_of("users", name);
        let level = Level::read(Scope::User, &path, section, problems);
        let password = passwords::of(&level, &raw.folder, outside, problems);
        users.push((name.clone(), level, password));
    }
    passwords::add_auth_file(&globals, &raw.folder, outside, &mut users, problems);
    let databases: Vec<(&str, Level, Held)> = raw
        .databases
        .iter()
        .map(|(name, section)| {
            let path = key_of("databases", name);
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
    let server_tls = tls::servers(&globals, &raw.folder, outside, problems);
    let databases: Vec<Entry<'_, Arc<Database>>> = databases
        .iter()
        .map(|(name, level, password)| Entry {
            name,
            level,
            password,
            value: {
                let chain = Chain::new(&[level, &global]);
                let is_special = tls::SERVER_SETTINGS.iter().any(|name| level.gives(name));
                let tls = match is_special {
                    true => tls::servers(&chain, &raw.folder, outside, problems),
                    false => server_tls.clone(),
                };
                Arc::new(database((name, password), (level, &global), tls, &users))
            },
        })
        .collect();

    let mut by_name: BTreeMap<String, Arc<Database>> = databases
        .iter()
        .map(|entry| (entry.name.to_owned(), Arc::clone(&entry.value)))
        .collect();
    let named = |name: &str| {
        let written = globals.get::<Option<String>>(name)?;
        Some(raw.folder.join(written))
    };
    let (rules, maps) = (named("auth_hba_file"), named("auth_ident_file"));
    let config = Config {
        listen: Listen::read(&globals),
        workers: Workers::read(&globals),
        auth_type: auth_type(&globals),
        hba: rules
            .map(|path| Hba::read(&path, outside, problems))
            .unwrap_or_default(),
        ident: maps
            .map(|path| IdentMaps::read(&path, outside, problems))
            .unwrap_or_default(),
        fallback_database: by_name.remove("*"),
        databases: by_name,
        users: users
            .iter()
            .map(|entry| (entry.name.to_owned(), Arc::clone(&entry.value)))
            .collect(),
        max_client_conn: globals.get("max_client_conn"),
        max_user_connections: globals.get("max_user_connections"),
        max_user_client_connections: globals.get("max_user_client_connections"),
        client_login_timeout: globals.get("client_login_timeout"),
        shutdown_timeout: globals.get("shutdown_timeout"),
        autodb_idle_timeout: globals.get("autodb_idle_timeout"),
        ignore_startup_parameters: ignore_startup_parameters(&globals),
        client_tls: tls::clients(&globals, &raw.folder, outside, problems),
        tcp: Tcp::read(&globals),
        log: Log::read(&globals),
        http: super::http::read(&globals, &raw.folder, outside, problems),
        probe_interval: globals.get("probe_interval"),
    };
    if !raw.torn {
        consistency::check(&config, &global, &databases, &users, problems);
    }
    let files = (&*raw.folder, outside);
    Resolved {
        warnings: warnings::of(&config, &global, &databases, &users, files),
        settings: listing::list(&global, &databases, &users),
        config,
    }
}

fn auth_type(globals: &Chain<'_>) -> AuthType {
    match globals.get::<&str>("auth_type") {
        "any" => AuthType::Any,
        "trust" => AuthType::Trust,
        "plain" => AuthType::Plain,
        "md5" => AuthType::Md5,
        "scram-sha-256" => AuthType::ScramSha256,
        "cert" => AuthType::Cert,
        "peer" => AuthType::Peer,
        "hba" => AuthType::Hba,
        _ => mismatch("auth_type"),
    }
}

fn ignore_startup_parameters(globals: &Chain<'_>) -> Vec<String> {
    let text = globals
        .get::<String>("ignore_startup_parameters")
        .to_lowercase();
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn user(name: &str, chain: &Chain<'_>, password: &Held) -> User {
    User {
        name: name.to_owned(),
        secret: password.secret(),
        max_user_connections: chain.get("max_user_connections"),
        max_user_client_connections: chain.get("max_user_client_connections"),
    }
}

fn database(
    (name, password): (&str, &Held),
    (level, global): (&Level, &Level),
    tls: Arc<ServerTls>,
    users: &[Entry<'_, Arc<User>>],
) -> Database {
    let chain = Chain::new(&[level, global]);
    let given = chain.get::<Option<String>>("dbname");
    let dbname = match name {
        "*" => given,
        name => Some(given.unwrap_or_else(|| name.to_owned())),
    };
    let user_pools = users
        .iter()
        .filter(|user| user.level.overrides_pool())
        .map(|user| {
            let chain = Chain::new(&[user.level, level, global]);
            (user.name.to_owned(), PoolConfig::read(&chain))
        });
    let startup_parameters = STARTUP_PARAMETERS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), chain.get::<Option<String>>(name)?)));
    Database {
        name: name.to_owned(),
        server: server(&chain),
        tls,
        dbname,
        forced_user: chain.get("user"),
        password: password.secret(),
        max_db_connections: chain.get("max_db_connections"),
        max_db_client_connections: chain.get("max_db_client_connections"),
        connect_query: chain.get("connect_query"),
        startup_parameters: startup_parameters.collect(),
        probe_user: chain.get("probe_user"),
        server_cores: chain.get("server_cores"),
        pool: PoolConfig::read(&chain),
        user_pools: user_pools.collect(),
    }
}

fn server(chain: &Chain<'_>) -> ServerAddress {
    let host = chain.get::<String>("host");
    let port = chain.get::<u16>("port");
    if host.starts_with('/') {
        return ServerAddress::Unix(Path::new(&host).join(format!(".s.PGSQL.{port}")));
    }
    ServerAddress::Tcp { host, port }
}

const STARTUP_PARAMETERS: [&str; 5] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "search_path",
];
