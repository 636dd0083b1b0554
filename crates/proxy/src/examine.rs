//! What each PostgreSQL of a configuration gives, asked before anything is served (`pgweir check --connect`).
//!
//! One login for each host and port, as the probe has it, and questions that change nothing. The reset query
//! of pools that use one is run on that connection, for what PostgreSQL refuses there it would refuse behind
//! each session.

mod facts;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use pgweir_config::{Config, Database};
use tokio::time::timeout;

use crate::pool_handle::Keys;
use crate::probe::{ANSWER_TIMEOUT, Failure, ProbeLogin, ProbeSession};
use crate::probes::target::{self, Target};
use crate::tls::servers::Connectors;
use crate::vault::Vault;
use facts::Server;
pub use facts::{DatabaseFacts, RoleFacts};

/// Databases and roles that are looked at on one PostgreSQL: a check is for people to read.
const NAMES_MAX: usize = 1000;

/// What was found out about one PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its address.
    pub server: String,
    /// As whom it was asked.
    pub user: Option<String>,
    /// What it gives, if it let us in.
    pub found: Option<Found>,
    /// What will go wrong, in sentences.
    pub problems: Vec<String>,
    /// What may.
    pub warnings: Vec<String>,
}

/// What a PostgreSQL said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As `server_version` says.
    pub version: String,
    /// `max_connections`.
    pub max_connections: u32,
    /// Of these, what ordinary roles do not get.
    pub reserved: u32,
    /// Sessions of clients now, this one left out; without `pg_read_all_stats` they are counted too.
    pub sessions: u32,
    /// Whether it only reads, as a standby does.
    pub is_standby: bool,
    /// Databases of the configuration, by their names there.
    pub databases: Vec<DatabaseFacts>,
    /// Roles of the configuration.
    pub roles: Vec<RoleFacts>,
    /// What the pools of the configuration may open there; `None` is any number.
    pub wanted: Option<u32>,
}

/// Asks every PostgreSQL that the configuration names, one after the other.
///
/// # Cancel safety
/// Dropped, it takes its connection with it.
pub async fn examine(config: &Config) -> Vec<Examined> {
    let (connectors, vault) = (Connectors::default(), Vault::default());
    let mut all = Vec::new();
    for target in target::all(config) {
        all.push(one(config, &target, (&connectors, &vault)).await);
    }
    all
}

async fn one(
    config: &Config,
    target: &Target,
    (connectors, vault): (&Connectors, &Vault),
) -> Examined {
    let account = target.account.as_ref();
    let mut examined = Examined {
        server: target.name.to_string(),
        user: account.map(|account| account.user.clone()),
        found: None,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let Some(account) = account else {
        let why = "not asked: no user has a password here, for servers are opened with the keys of clients' logins; \
                   set probe_user";
        examined.warnings.push(why.to_owned());
        return examined;
    };
    let login = ProbeLogin {
        user: account.user.clone(),
        password: account.password.clone(),
        keys: Keys::default(),
        database: target.database.clone(),
    };
    let opening = ProbeSession::open(target, login, (&config.tcp, connectors, vault));
    let mut session = match opening.await {
        Ok(session) => session,
        Err(failure) => {
            let problem = format!("cannot log in as {}: {failure}", account.user);
            examined.problems.push(problem);
            return examined;
        }
    };
    let names = Names::at(config, target);
    match ask(&mut session, &names).await {
        Err(failure) => {
            let problem = format!("does not answer what it is asked: {failure}");
            examined.problems.push(problem);
        }
        Ok(server) => {
            let found = server.found(&names.databases, &names.roles, wanted(config, target));
            facts::judge(&found, &mut examined);
            examined.found = Some(found);
            resets(config, target, &mut session, &mut examined).await;
        }
    }
    examined
}

/// What is asked about.
struct Names {
    databases: BTreeSet<String>,
    roles: BTreeSet<String>,
}

impl Names {
    fn at(config: &Config, target: &Target) -> Self {
        let mut names = Self {
            databases: BTreeSet::new(),
            roles: BTreeSet::new(),
        };
        for database in at(config, target) {
            names.databases.extend(database.dbname.clone());
            match &database.forced_user {
                Some(user) => names.roles.extend([user.clone()]),
                None => names.roles.extend(config.users.keys().cloned()),
            }
        }
        for all in [&mut names.databases, &mut names.roles] {
            if let Some(first_too_many) = all.iter().nth(NAMES_MAX).cloned() {
                all.split_off(&first_too_many);
            }
        }
        names
    }
}

/// The databases of the configuration that are there.
fn at<'a>(config: &'a Config, target: &'a Target) -> impl Iterator<Item = &'a Database> {
    let all = config.databases.values().chain(&config.fallback_database);
    let here = all.filter(|database| database.server == target.address);
    here.map(|database| &**database)
}

/// What the pools there may open together, as far as the configuration bounds it.
fn wanted(config: &Config, target: &Target) -> Option<u32> {
    let pools = |database: &Database| {
        let size = database.pool.pool_size?.get() + database.pool.reserve_pool_size;
        let users = match (&database.forced_user, &*database.name) {
            (_, "*") => return None,
            (Some(_), _) => 1,
            (None, _) => u32::try_from(config.users.len()).unwrap_or(u32::MAX),
        };
        let most = size.saturating_mul(users);
        let limit = database
            .max_db_connections
            .map_or(u32::MAX, NonZeroU32::get);
        Some(most.min(limit))
    };
    at(config, target).map(pools).sum()
}

async fn ask(session: &mut ProbeSession, names: &Names) -> Result<Server, Failure> {
    let questions = facts::questions(&names.databases, &names.roles);
    let rows = answer(session, &questions).await?;
    Server::read(&rows).ok_or(Failure::Unreadable)
}

async fn answer(session: &mut ProbeSession, sql: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let answer = timeout(ANSWER_TIMEOUT, session.ask(sql)).await;
    answer.unwrap_or(Err(Failure::Timeout(ANSWER_TIMEOUT)))
}

/// Tries each reset query that pools there use.
async fn resets(
    config: &Config,
    target: &Target,
    session: &mut ProbeSession,
    examined: &mut Examined,
) {
    let mut queries: BTreeMap<&str, &str> = BTreeMap::new();
    for database in at(config, target).filter(|database| database.pool.resets_always()) {
        let query = &*database.pool.server_reset_query;
        queries.entry(query).or_insert(&database.name);
    }
    for (query, database) in queries {
        if let Err(failure) = answer(session, query).await {
            examined.problems.push(format!(
                "server_reset_query of database {database} fails: {failure}; no server could be used twice"
            ));
            if !matches!(failure, Failure::Refused(_)) {
                return;
            }
        }
    }
}
