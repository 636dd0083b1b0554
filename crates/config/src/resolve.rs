//! Turns the raw form into a `Config`: inheritance once, every problem at once.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::Path;
use std::sync::Arc;

use pgweir_settings::text::key_of;
use pgweir_settings::{Problem, finish};

use super::consistency;
use super::hba::Hba;
use super::ident::IdentMaps;
use super::ldap::Ldap;
use super::level::{Chain, Level, mismatch};
use super::listing::{self, Shown};
use super::lookup::{self, Place, Places};
use super::outside::Outside;
use super::passwords::{self, Entry, Held, Password};
use super::raw::{Dialect, Raw};
use super::service::Service;
use super::settings::Scope;
use super::{
    AuthType, Config, Database, Listen, Log, LoginLimits, PoolConfig, ServerAddress, ServerAuth,
    ServerTls, Tcp, User, Workers,
};
use super::{oauth, peers, tokens};
use super::{tls_settings, warnings};

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the pooler runs with.
    pub config: Config,
    /// Every value with its origin, for `pgweir check`.
    pub settings: Vec<Shown>,
    /// What is allowed and may not be meant, for `pgweir check`.
    pub warnings: Vec<Problem>,
    /// What was written, to resolve it again when a file has changed that it names.
    pub raw: Arc<Raw>,
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

    let files = (&*raw.folder, outside);
    let users: Vec<Entry<'_, Arc<User>>> = users
        .iter()
        .map(|(name, level, password)| Entry {
            name,
            level,
            password,
            value: Arc::new(user((name, level, password), &global, raw.dialect)),
        })
        .collect();
    let mut warnings = raw.warnings.clone();
    let tls_place = tls_settings::Place {
        folder: &raw.folder,
        outside,
        dialect: raw.dialect,
    };
    let server_tls = tls_settings::servers(&globals, &tls_place, (problems, &mut warnings));
    let places: Places = databases
        .iter()
        .map(|(name, level, _)| {
            let chain = Chain::new(&[level, &global]);
            let is_special = tls_settings::SERVER_SETTINGS
                .iter()
                .any(|name| level.gives(name));
            let tls = match is_special {
                true => tls_settings::servers(&chain, &tls_place, (problems, &mut warnings)),
                false => server_tls.clone(),
            };
            ((*name).to_owned(), place(name, &chain, tls))
        })
        .collect();
    let databases: Vec<Entry<'_, Arc<Database>>> = databases
        .iter()
        .map(|(name, level, password)| Entry {
            name,
            level,
            password,
            value: {
                let own = (*name, level, password);
                Arc::new(database(own, (&global, &users), &places, files))
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
        service: Service::read(&globals, &raw.folder),
        workers: Workers::read(&globals),
        auth_type: auth_type(&globals),
        auth: lookup::source(&globals, None, &places, &users),
        token_keys: tokens::keys(
            &globals,
            &tokens::OF_CLIENTS,
            (&raw.folder, outside),
            problems,
        ),
        token_claim: globals.get("auth_jwt_claim"),
        oauth: oauth::read(&globals, problems),
        pam_service: globals.get("auth_pam_service"),
        ldap: ldap(&globals, problems),
        ldap_tls: tls_settings::directories(&globals, &tls_place, (problems, &mut warnings)),
        auth_cache_ttl: globals.get("auth_cache_ttl"),
        auth_file: named("auth_file"),
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
        proxy_protocol_networks: globals.get("proxy_protocol_networks"),
        login_limits: LoginLimits::read(&globals),
        max_client_conn: globals.get("max_client_conn"),
        max_user_connections: globals.get("max_user_connections"),
        max_user_client_connections: globals.get("max_user_client_connections"),
        max_db_client_connections: globals.get("max_db_client_connections"),
        client_login_timeout: globals.get("client_login_timeout"),
        shutdown_timeout: globals.get("shutdown_timeout"),
        suspend_timeout: globals.get("suspend_timeout"),
        autodb_idle_timeout: globals.get("autodb_idle_timeout"),
        pool_idle_timeout: globals.get("pool_idle_timeout"),
        cancel_wait_timeout: globals.get("cancel_wait_timeout"),
        application_name_add_host: globals.get("application_name_add_host"),
        login_notify_message: globals.get("login_notify_message"),
        scram_iterations: globals.get("scram_iterations"),
        ignore_startup_parameters: names(&globals, "ignore_startup_parameters")
            .into_iter()
            .map(|name| name.to_lowercase())
            .collect(),
        admin_users: names(&globals, "admin_users"),
        stats_users: names(&globals, "stats_users"),
        client_tls: tls_settings::clients(&globals, &tls_place, (problems, &mut warnings)),
        tcp: Tcp::read(&globals),
        log: Log::read(&globals, &raw.folder),
        http: super::http::read(&globals, &raw.folder, outside, problems),
        error_codes: globals.get("error_codes"),
        probe_interval: globals.get("probe_interval"),
        peer_id: globals
            .get::<Option<u32>>("peer_id")
            .and_then(|id| u16::try_from(id).ok().and_then(NonZeroU16::new)),
        peers: peers::read(&raw.peers, globals.get("default_pool_size"), problems),
        globals: Arc::new(listing::globals(&global)),
    };
    if !raw.torn {
        let found = (&mut *problems, &mut warnings);
        consistency::check(
            &config,
            &global,
            &databases,
            &users,
            (raw.dialect, outside),
            found,
        );
    }
    warnings.extend(warnings::of(&config, &global, &databases, &users, files));
    warnings.sort_by(|a, b| a.origin.cmp(&b.origin).then_with(|| a.key.cmp(&b.key)));
    warnings.dedup();
    Resolved {
        warnings,
        settings: listing::list(&global, &databases, &users),
        raw: Arc::new(raw.clone()),
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
        "jwt" => AuthType::Jwt,
        "oauth" => AuthType::Oauth,
        "pam" => AuthType::Pam,
        "ldap" => AuthType::Ldap,
        "hba" => AuthType::Hba,
        _ => mismatch("auth_type"),
    }
}

fn ldap(globals: &Chain<'_>, problems: &mut Vec<Problem>) -> Option<Arc<Ldap>> {
    let text = globals.get::<Option<String>>("auth_ldap_options")?;
    let read = Ldap::parse(&text).map_err(|message| {
        problems.push(globals.problem("auth_ldap_options", message));
    });
    read.ok().map(Arc::new)
}

/// The names of a list that has commas between them.
fn names(globals: &Chain<'_>, setting: &str) -> Vec<String> {
    let text = globals.get::<String>(setting);
    let names = text.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn user((name, level, password): (&str, &Level, &Held), global: &Level, dialect: Dialect) -> User {
    let chain = Chain::new(&[level, global]);
    let own = |setting| level.gives(setting);
    User {
        name: name.to_owned(),
        secret: password.secret(),
        is_known: match dialect {
            Dialect::Pgweir => true,
            Dialect::PgBouncer => !matches!(password.password, Password::NotGiven),
        },
        password_source: password.source.clone(),
        pool_size: own("pool_size").then(|| {
            let size: Option<NonZeroU32> = chain.get("pool_size");
            size.map_or(0, NonZeroU32::get)
        }),
        reserve_pool_size: own("reserve_pool_size").then(|| chain.get("reserve_pool_size")),
        pool_mode: own("pool_mode").then(|| chain.get("pool_mode")),
        max_user_connections: chain.get("max_user_connections"),
        max_user_client_connections: chain.get("max_user_client_connections"),
    }
}

fn database(
    (name, level, password): (&str, &Level, &Held),
    (global, users): (&Level, &[Entry<'_, Arc<User>>]),
    places: &Places,
    (folder, outside): (&Path, &Outside<'_>),
) -> Database {
    let chain = Chain::new(&[level, global]);
    let place = places[name].clone();
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
        auth: lookup::source(&chain, places.get(name), places, users),
        misplaced_auth: lookup::misplaced(&chain, places),
        server: place.server,
        other_servers: place.other_servers,
        balances_hosts: chain.get::<&str>("load_balance_hosts") != "disable",
        tls: place.tls,
        dbname: place.dbname,
        forced_user: chain.get("user"),
        password: password.secret(),
        password_source: password.source.clone(),
        passfile: match password.password {
            // There is none, and none is to be looked for.
            Password::Empty => None,
            Password::NotGiven | Password::Broken | Password::Set(_) => {
                passwords::passfile(&chain, folder, outside)
            }
        },
        server_auth: place.server_auth,
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

/// Where a database is, and its name there.
fn place(name: &str, chain: &Chain<'_>, tls: Arc<ServerTls>) -> Place {
    let given = chain.get::<Option<String>>("dbname");
    let dbname = match name {
        "*" => given,
        name => Some(given.unwrap_or_else(|| name.to_owned())),
    };
    let (server, other_servers) = servers(chain);
    Place {
        server,
        other_servers,
        tls,
        server_auth: ServerAuth::read(chain),
        dbname,
    }
}

/// The first of the hosts, and the others.
fn servers(chain: &Chain<'_>) -> (ServerAddress, Vec<ServerAddress>) {
    let hosts = chain.get::<String>("host");
    let port = chain.get::<u16>("port");
    let mut servers = hosts.split(',').map(|host| match host.trim() {
        folder if folder.starts_with('/') => {
            ServerAddress::Unix(Path::new(folder).join(format!(".s.PGSQL.{port}")))
        }
        host => ServerAddress::Tcp {
            host: host.to_owned(),
            port,
        },
    });
    let first = servers.next().expect("a text split has a part");
    (first, servers.collect())
}

const STARTUP_PARAMETERS: [&str; 5] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "search_path",
];
