//! Which PostgreSQLs there are to look at, and as whom to log in there.

use std::sync::Arc;
use std::time::Duration;

use pgweir_config::{Config, Database, Secret, ServerAddress, ServerTls, User};

/// PostgreSQLs that are looked at; further ones are left out, so that connections and labels of
/// metrics stay bounded.
pub(crate) const TARGETS_MAX: usize = 64;

/// The database to connect to where only the fallback names the server: every PostgreSQL has it.
const USUAL_DATABASE: &str = "postgres";

/// One host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The address as it is shown.
    pub(crate) name: Arc<str>,
    pub(crate) address: ServerAddress,
    pub(crate) tls: Arc<ServerTls>,
    /// Name of the database in PostgreSQL.
    pub(crate) database: String,
    /// `None`: nobody can log in without a client.
    pub(crate) account: Option<Account>,
    /// Time for the login (`server_connect_timeout`).
    pub(crate) login_timeout: Option<Duration>,
    /// Cores of the machine (`server_cores`).
    pub(crate) cores: Option<u32>,
}

/// As whom to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    /// `None` where PostgreSQL asks for nothing.
    pub(crate) secret: Option<Secret>,
}

/// Every host and port that the configuration names, each once.
pub(crate) fn all(config: &Config) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let usual = usual(config);
    let databases = || config.databases.values().chain(&config.fallback_database);
    // Where one of a server's databases names a user for this, it is that one.
    let named = databases().filter(|database| database.probe_user.is_some());
    let others = databases().filter(|database| database.probe_user.is_none());
    for database in named.chain(others) {
        let account = account(config, database, usual.as_ref());
        let known = targets
            .iter()
            .position(|target| target.address == database.server);
        match known {
            Some(at) => {
                let target = &mut targets[at];
                target.cores = target.cores.or(cores(database));
                if target.account.is_none() && account.is_some() {
                    target.account = account;
                    target.database = name_in_postgres(database);
                }
            }
            None if targets.len() < TARGETS_MAX => targets.push(Target {
                name: database.server.to_string().into(),
                address: database.server.clone(),
                tls: database.tls.clone(),
                database: name_in_postgres(database),
                account,
                login_timeout: database.pool.server_connect_timeout,
                cores: cores(database),
            }),
            None => {}
        }
    }
    targets
}

fn cores(database: &Database) -> Option<u32> {
    database.server_cores.map(std::num::NonZeroU32::get)
}

fn name_in_postgres(database: &Database) -> String {
    let name = database.dbname.as_deref();
    name.unwrap_or(USUAL_DATABASE).to_owned()
}

/// `probe_user`, else the user of the database's servers, else `usual`: with the password that the
/// database has for all its users, or with its own.
fn account(config: &Config, database: &Database, usual: Option<&Account>) -> Option<Account> {
    let secret_of = |user: &str| config.users.get(user).and_then(|user| user.secret.clone());
    if let Some(user) = &database.probe_user {
        // The database's own password is that of another user as a rule.
        return Account::new(user, secret_of(user));
    }
    match (&database.forced_user, &database.password) {
        (Some(user), Some(password)) => Account::new(user, Some(password.clone())),
        (Some(user), None) => Account::new(user, secret_of(user)),
        (None, Some(password)) => {
            let user = config.users.keys().next()?;
            Account::new(user, Some(password.clone()))
        }
        (None, None) => usual.cloned(),
    }
}

/// The first user of all whose password is known, else the first one that PostgreSQL may ask for
/// none. Looked for once, for there may be thousands.
fn usual(config: &Config) -> Option<Account> {
    let users = || config.users.values();
    let known = |user: &&Arc<User>| matches!(user.secret, Some(Secret::Plain(_) | Secret::Md5(_)));
    let user = users()
        .find(known)
        .or_else(|| users().find(|user| user.secret.is_none()))?;
    Account::new(&user.name, user.secret.clone())
}

impl Account {
    /// `None` for a SCRAM verifier: the key behind it comes with a client.
    fn new(user: &str, secret: Option<Secret>) -> Option<Self> {
        if matches!(secret, Some(Secret::Scram(_))) {
            return None;
        }
        Some(Self {
            user: user.to_owned(),
            secret,
        })
    }
}

#[cfg(test)]
mod tests;
