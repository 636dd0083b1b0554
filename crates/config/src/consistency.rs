//! Checks of settings against each other, once each is fine on its own.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem};

use super::hba::pam_service;
use super::ident::unknown_map;
use super::level::{Chain, Found, Level};
use super::outside::Outside;
use super::passfile;
use super::passwords::{Entry, Password};
use super::raw::Dialect;
use super::secrets::check_name;
use super::settings::Scope;
use super::{
    AuthType, Authorities, Config, Database, Ldap, PasswordSource, Secret, ServerAddress,
    ServerPassword, TlsSide, User,
};

/// Reports settings that contradict each other or leave out what another one needs. In PgBouncer's words what
/// PgBouncer starts with is worth a warning.
pub(super) fn check(
    config: &Config,
    global: &Level,
    databases: &[Entry<'_, Arc<Database>>],
    users: &[Entry<'_, Arc<User>>],
    (dialect, outside): (Dialect, &Outside<'_>),
    (problems, warnings): (&mut Vec<Problem>, &mut Vec<Problem>),
) {
    let mut checker = Checker {
        config,
        global,
        outside,
        dialect,
        problems,
        warnings,
    };
    checker.listeners();
    checker.whole_seconds();
    checker.rules();
    let looks_up = config.auth.is_some() || databases.iter().any(|one| one.value.auth.is_some());
    if !looks_up {
        checker.members();
    }
    if databases.is_empty() {
        checker.missing("serves no database: add a section [databases.NAME]");
    }
    let auth_file = !Chain::new(&[global]).get::<String>("auth_file").is_empty();
    let is_for_all = config.auth_type == AuthType::Any || config.has_judges();
    if users.is_empty() && !auth_file && !looks_up && !is_for_all {
        checker.missing("lets no user in: add a section [users.NAME] or an auth_file");
    }
    for database in databases {
        checker.database_name(database);
        checker.server_address(database);
        checker.pool_sizes(database);
        checker.server_login(database, users);
        checker.probe_login(database, users);
        checker.lookup(&Chain::new(&[database.level, global]), databases, users);
    }
    checker.lookup(&Chain::new(&[global]), databases, users);
    for user in users {
        if let Err(message) = check_name(user.name) {
            checker.report(&user.level.origin, &user.level.path, message);
        }
        checker.client_login(user, looks_up);
    }
}

struct Checker<'a> {
    config: &'a Config,
    global: &'a Level,
    outside: &'a Outside<'a>,
    dialect: Dialect,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn listeners(&mut self) {
        let globals = Chain::new(&[self.global]);
        let dir = globals.find("unix_socket_dir");
        let addresses = globals.find("listen_addr");
        let listen = &self.config.listen;
        if let Some(path) = &listen.unix_socket_dir {
            let socket = path.join(format!(".s.PGSQL.{}", listen.port));
            if let Err(message) = check_socket_path(&socket) {
                self.at(&globals, &dir, message);
            }
        } else if listen.addresses.is_empty() && !addresses.broken && !dir.broken {
            let message = "leaves nowhere to listen: set listen_addr or unix_socket_dir";
            self.at(&globals, &addresses, message.to_owned());
        }
    }

    /// Whether rules are where they are asked for, and maps where rules ask for them.
    fn rules(&mut self) {
        let globals = Chain::new(&[self.global]);
        let auth_type = globals.find("auth_type");
        let has_rules = globals.get::<Option<String>>("auth_hba_file").is_some();
        if self.config.auth_type == AuthType::Hba && !has_rules {
            let message = "needs auth_hba_file, which names the file of rules".to_owned();
            self.at(&globals, &auth_type, message);
        }
        let keys = &self.config.token_keys;
        let any_given = [
            "auth_jwks_file",
            "auth_jwt_secret_file",
            "auth_jwt_secret_env",
        ];
        // Keys that cannot be read are reported as that.
        if !any_given.iter().any(|name| self.global.gives(name)) {
            if matches!(self.config.auth_type, AuthType::Jwt | AuthType::Oauth) {
                let message = "needs keys of tokens: auth_jwks_file or auth_jwt_secret_file";
                self.at(&globals, &auth_type, message.to_owned());
            }
            for origin in self.config.hba.taking_tokens() {
                let message = "takes tokens, which needs auth_jwks_file or auth_jwt_secret_file";
                self.problems.push(Problem::new(origin, "", message));
            }
        }
        let names_issuer =
            ["auth_oauth_issuer", "auth_oauth_scope"].map(|name| self.global.gives(name));
        if self.config.auth_type == AuthType::Oauth && names_issuer == [false; 2] {
            let message = "needs auth_oauth_issuer and auth_oauth_scope, which clients are told";
            self.at(&globals, &auth_type, message.to_owned());
        }
        if keys.set.is_some() && keys.audience.is_none() {
            let set = globals.find("auth_jwks_file");
            let message =
                "needs auth_jwt_audience: else tokens that its issuer made for others would do";
            self.at(&globals, &set, message.to_owned());
        }
        let ldap = globals.get::<Option<String>>("auth_ldap_options");
        if self.config.auth_type == AuthType::Ldap && ldap.is_none() {
            let message = "needs auth_ldap_options, which says where LDAP is".to_owned();
            self.at(&globals, &auth_type, message);
        }
        let own = self.config.ldap.as_deref().into_iter();
        let mut all = own.chain(self.config.hba.directories().map(|(_, ldap)| ldap));
        let tls = &self.config.ldap_tls;
        // A file that is named was looked at already.
        if tls.authorities == Authorities::System
            && all.any(Ldap::is_encrypted)
            && let Err(unfit) = (self.outside.tls)(TlsSide::Directories, tls)
        {
            let authorities = globals.find("auth_ldap_tls_ca_file");
            self.at(&globals, &authorities, unfit.message);
        }
        if let Err(message) = pam_service(&self.config.pam_service) {
            let service = globals.find("auth_pam_service");
            self.at(&globals, &service, message);
        }
        for (origin, map) in self.config.hba.maps() {
            if !self.config.ident.has(map) {
                self.problems.push(unknown_map(origin, map));
            }
        }
    }

    /// Nobody can be asked who is a member of which role.
    fn members(&mut self) {
        for origin in self.config.hba.about_members() {
            let message =
                "is about the members of a role, which PostgreSQL is asked for; set auth_user";
            self.problems.push(Problem::new(origin, "", message));
        }
    }

    fn whole_seconds(&mut self) {
        let globals = Chain::new(&[self.global]);
        for name in [
            "tcp_keepidle",
            "tcp_keepintvl",
            "stats_period",
            "probe_interval",
            "otlp_interval",
        ] {
            let found = globals.find(name);
            if globals
                .get::<Option<Duration>>(name)
                .is_some_and(|time| time < Duration::from_secs(1))
            {
                self.at(&globals, &found, "must be 0 or at least 1s".to_owned());
            }
        }
    }

    fn database_name(&mut self, database: &Entry<'_, Arc<Database>>) {
        let message = match check_name(database.name) {
            Err(message) => message,
            Ok(()) if RESERVED.contains(&database.name) => {
                "has a name reserved for the console; choose another and set dbname".to_owned()
            }
            Ok(()) => return,
        };
        self.report(&database.level.origin, &database.level.path, message);
    }

    fn server_address(&mut self, database: &Entry<'_, Arc<Database>>) {
        let chain = Chain::new(&[database.level, self.global]);
        let host = chain.find("host");
        if host.broken || chain.find("port").broken {
            return;
        }
        let listen = &self.config.listen;
        let of = &database.value;
        let servers = std::iter::once(&of.server).chain(&of.other_servers);
        let messages = servers.map(|server| match server {
            ServerAddress::Unix(path) => {
                let own = listen.unix_socket_dir.as_ref();
                let own = own.map(|dir| dir.join(format!(".s.PGSQL.{}", listen.port)));
                match check_socket_path(path) {
                    Ok(()) if own.as_ref() == Some(path) => Err(LOOP.to_owned()),
                    other => other,
                }
            }
            ServerAddress::Tcp { host, port } => match check_host(host) {
                Ok(()) if *port == listen.port && is_own(host, &listen.addresses) => {
                    Err(LOOP.to_owned())
                }
                other => other,
            },
        });
        match messages.filter_map(Result::err).next() {
            Some(message) if message == LOOP => {
                self.unserved(host.problem(chain.key("host"), message));
            }
            Some(message) => self.at(&chain, &host, message),
            None => {}
        }
    }

    fn pool_sizes(&mut self, database: &Entry<'_, Arc<Database>>) {
        let chain = Chain::new(&[database.level, self.global]);
        let min = chain.find("min_pool_size");
        let wanted = chain.get::<u32>("min_pool_size");
        for (name, what) in [
            ("pool_size", "the size of the pool"),
            ("max_db_connections", "the limit of the database"),
        ] {
            let found = chain.find(name);
            let Some(limit) = chain.get::<Option<NonZeroU32>>(name) else {
                continue;
            };
            if wanted > limit.get() && !min.broken && !found.broken {
                let scope = found.level.map_or(Scope::Global, |level| level.scope);
                let message = format!(
                    "must be at most {what}: {} is {limit} ({})",
                    found.setting.name_in(scope),
                    found.origin
                );
                self.unserved(min.problem(chain.key("min_pool_size"), message));
            }
        }
    }

    /// Whether the pooler can prove itself to PostgreSQL.
    fn server_login(
        &mut self,
        database: &Entry<'_, Arc<Database>>,
        users: &[Entry<'_, Arc<User>>],
    ) {
        let chain = Chain::new(&[database.level, self.global]);
        let user = chain.find("user");
        let forced = database.value.forced_user.as_deref();
        if let Some(Err(message)) = forced.map(check_name) {
            self.at(&chain, &user, message);
            return;
        }
        if forced.is_none() && self.config.auth_type == AuthType::Any && !user.broken {
            let message = "is missing, and auth_type any takes no name from clients; add it";
            let key = key_of(&database.level.path, "user");
            self.report(&database.level.origin, &key, message.to_owned());
        }
        match (&database.password.password, forced) {
            (Password::Set(Secret::Scram(_)), _) => {
                let message = "is a SCRAM verifier, which lets nobody into PostgreSQL; \
                               give the plain password";
                let key = key_of(&database.level.path, "password");
                self.report(&database.password.origin, &key, message.to_owned());
            }
            (Password::NotGiven, Some(forced)) if !self.is_fetched(database, forced) => {
                let own = users.iter().find(|user| user.name == forced);
                let why = match own.map(|user| &user.password.password) {
                    None | Some(Password::NotGiven) => "has no password",
                    Some(Password::Set(Secret::Scram(_))) => "has only a SCRAM verifier",
                    Some(Password::Set(Secret::Plain(_) | Secret::Md5(_)))
                    | Some(Password::Empty | Password::Broken) => return,
                };
                let message = format!(
                    "{why} to log in to PostgreSQL with; add password here (\"\" where PostgreSQL \
                     asks for none)"
                );
                self.unserved(user.problem(chain.key("user"), message));
            }
            (Password::NotGiven | Password::Empty | Password::Broken | Password::Set(_), _) => {}
        }
    }

    /// Whether a command makes the user's password, or a password file has it.
    fn is_fetched(&self, database: &Entry<'_, Arc<Database>>, user: &str) -> bool {
        let of = &*database.value;
        match self.config.server_password(of, user) {
            ServerPassword::None | ServerPassword::Known(_) => false,
            ServerPassword::Fetched(PasswordSource::Command(_)) => true,
            ServerPassword::Fetched(PasswordSource::File(_)) => false,
            ServerPassword::Fetched(PasswordSource::Passfile(path)) => {
                let wanted = passfile::Wanted {
                    server: &of.server,
                    database: of.dbname.as_deref().unwrap_or(database.name),
                    user,
                };
                let text = (self.outside.file)(&path);
                text.is_ok_and(|text| passfile::look_up(&text, wanted).is_some())
            }
        }
    }

    /// Whether the probe can prove itself to PostgreSQL.
    fn probe_login(&mut self, database: &Entry<'_, Arc<Database>>, users: &[Entry<'_, Arc<User>>]) {
        let chain = Chain::new(&[database.level, self.global]);
        let Some(name) = &database.value.probe_user else {
            return;
        };
        let own = users.iter().find(|user| user.name == name);
        let password = own.map(|user| &user.password.password);
        let message = match (check_name(name), password) {
            (Err(message), _) => message,
            (Ok(()), Some(Password::Set(Secret::Scram(_))))
                if own.is_some_and(|user| user.password.source.is_none())
                    && database.value.passfile.is_none() =>
            {
                "has only a SCRAM verifier, which lets nobody into PostgreSQL; give the user its \
                 plain password"
                    .to_owned()
            }
            (Ok(()), _) => return,
        };
        let found = chain.find("probe_user");
        self.at(&chain, &found, message);
    }

    /// Whether PostgreSQL can be asked for users.
    fn lookup(
        &mut self,
        chain: &Chain<'_>,
        databases: &[Entry<'_, Arc<Database>>],
        users: &[Entry<'_, Arc<User>>],
    ) {
        let (user, query) = (chain.find("auth_user"), chain.find("auth_query"));
        let dbname = chain.find("auth_dbname");
        if let Some(name) = chain.get::<Option<String>>("auth_user") {
            let own = users.iter().find(|user| user.name == name);
            match (check_name(&name), own.map(|own| &own.password.password)) {
                (Err(message), _) => self.at(chain, &user, message),
                (Ok(()), Some(Password::Set(Secret::Scram(_)))) => {
                    let message = "has only a SCRAM verifier, which lets nobody into PostgreSQL; give \
                                   the user its plain password";
                    self.unserved(user.problem(chain.key("auth_user"), message.to_owned()));
                }
                (Ok(()), _) => {}
            }
        }
        if !chain.get::<String>("auth_query").contains("$1") && !query.broken {
            let message = "must have $1, which is the user that is looked up".to_owned();
            self.unserved(query.problem(chain.key("auth_query"), message));
        }
        let is_known = |name: &str| {
            let mut names = databases.iter().map(|database| database.name);
            names.any(|known| known == name || known == "*")
        };
        let name = chain.get::<Option<String>>("auth_dbname");
        let is_of_all = dbname
            .level
            .is_none_or(|level| level.scope == Scope::Global);
        if let Some(name) = &name
            && RESERVED.contains(&&**name)
        {
            if chain.levels.len() == 1 {
                let message =
                    format!("cannot use the reserved \"{name}\" database as an auth_dbname");
                self.at(chain, &dbname, message);
            } else if !is_of_all {
                let message = "is the console, where nobody can be looked up; name a database that \
                               is in PostgreSQL";
                self.unserved(dbname.problem(chain.key("auth_dbname"), message.to_owned()));
            }
        } else if let Some(name) = name
            && !is_known(&name)
        {
            let message = "names a database that has no section; add [databases] for it".to_owned();
            self.unserved(dbname.problem(chain.key("auth_dbname"), message));
        }
    }

    /// Whether a client can prove itself to the pooler.
    fn client_login(&mut self, user: &Entry<'_, Arc<User>>, looks_up: bool) {
        let auth_type = match self.config.auth_type {
            AuthType::Any
            | AuthType::Trust
            | AuthType::Cert
            | AuthType::Peer
            | AuthType::Jwt
            | AuthType::Oauth
            | AuthType::Pam
            | AuthType::Ldap => return,
            // Which rule a client meets is not known before it comes.
            AuthType::Hba => return,
            AuthType::Plain => "plain",
            AuthType::Md5 => "md5",
            AuthType::ScramSha256 => "scram-sha-256",
        };
        let message = match &user.password.password {
            // PostgreSQL is asked for it.
            Password::NotGiven if looks_up => return,
            Password::NotGiven | Password::Empty => {
                format!(
                    "is missing, and auth_type {auth_type} needs it; add it or set auth_type = \"trust\""
                )
            }
            Password::Set(Secret::Md5(_)) if self.config.auth_type == AuthType::ScramSha256 => {
                "is an md5 hash, which auth_type scram-sha-256 cannot check; give a SCRAM verifier \
                 or the plain password, or set auth_type = \"md5\""
                    .to_owned()
            }
            Password::Set(_) | Password::Broken => return,
        };
        let key = key_of(&user.level.path, "password");
        self.unserved(Problem::new(&user.password.origin, key, message));
    }

    /// Reports a problem of the configuration as a whole.
    fn missing(&mut self, message: &str) {
        let problem = Problem::new(&self.global.origin, "", message);
        self.unserved(problem);
    }

    /// Reports that somebody is not served by a configuration that is fine otherwise.
    fn unserved(&mut self, problem: Problem) {
        match self.dialect {
            Dialect::Pgweir => self.problems.push(problem),
            Dialect::PgBouncer => self.warnings.push(problem),
        }
    }

    /// Reports a problem with a value, where it was given.
    fn at(&mut self, chain: &Chain<'_>, found: &Found<'_>, message: String) {
        let otherwise = chain.key(found.setting.name);
        self.problems.push(found.problem(otherwise, message));
    }

    fn report(&mut self, origin: &Origin, key: &str, message: String) {
        self.problems.push(Problem::new(origin, key, message));
    }
}

fn check_socket_path(path: &Path) -> Result<(), String> {
    if path.to_string_lossy().starts_with('@') {
        return Err("names an abstract socket, which is not supported yet".to_owned());
    }
    if !path.is_absolute() {
        return Err("must be a full path, starting with /".to_owned());
    }
    let len = path.as_os_str().len();
    if len > SOCKET_PATH_LEN_MAX {
        return Err(format!(
            "makes a socket path of {len} bytes; the system takes {SOCKET_PATH_LEN_MAX}"
        ));
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), String> {
    let message = if host.is_empty() {
        "must name a host or the folder of a unix socket"
    } else if host.contains("://") || host.find('@').is_some_and(|at| at > 0) {
        "is a URL; give the name of the host alone, and port, user, password and dbname as settings"
    } else if host.starts_with('@') {
        "names an abstract socket, which is not supported yet"
    } else if host.starts_with('[') {
        "must be an address without brackets"
    } else if host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
        "is no host name, no address and no full path"
    } else if host.len() > HOST_LEN_MAX {
        return Err(format!(
            "is longer than {HOST_LEN_MAX} bytes, as no host name is"
        ));
    } else {
        return Ok(());
    };
    Err(message.to_owned())
}

/// Whether a server address is one the pooler itself listens at; its port is equal.
fn is_own(host: &str, addresses: &[IpAddr]) -> bool {
    let host: Option<IpAddr> = host
        .parse()
        .ok()
        .or_else(|| (host == "localhost").then_some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)));
    host.is_some_and(|host| {
        addresses.iter().any(|address| {
            let all = address.is_unspecified() && address.is_ipv4() == host.is_ipv4();
            *address == host || (all && (host.is_loopback() || host.is_unspecified()))
        })
    })
}

const LOOP: &str = "is where pgweir itself listens; name PostgreSQL's host and port";
/// Names that PgBouncer's and our own console answer to.
pub(super) const RESERVED: [&str; 2] = ["pgbouncer", "pgweir"];
/// `sun_path` of Linux, 108 bytes with its NUL.
const SOCKET_PATH_LEN_MAX: usize = 107;
/// Longest name of the DNS.
const HOST_LEN_MAX: usize = 255;
