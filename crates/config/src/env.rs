//! Configuration from the environment alone: `DATABASE_URL` and the variables of the pool.
//!
//! Where both name a setting they have to agree: which of two different limits was meant is
//! nobody's guess to make.

mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use pgweir_settings::text::printable;
use pgweir_settings::url::{self, Url};
use pgweir_settings::{Origin, Problem, Section, Value, nearest};

use super::raw::Raw;
use super::settings::{self, Scope};
use super::value::Parsed;

/// Reads the raw form out of the variables. Variables of other programs are left alone.
///
/// What could be read is returned beside the problems.
pub(super) fn read(variables: &BTreeMap<String, String>) -> (Raw, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut raw = Raw {
        globals: Section::new(WITHOUT_FILE),
        ..Raw::default()
    };
    for (name, value) in DEFAULTS {
        raw.globals.give(name, (*value).into(), WITHOUT_FILE);
    }
    let url = match variables.get("DATABASE_URL") {
        Some(text) => url::parse(text),
        None => Err("is not set; set it, or name a configuration file".to_owned()),
    };
    match url {
        Ok(url) => from_url(&mut raw, url, &mut problems),
        Err(message) => {
            raw.torn = true;
            problems.push(Problem::new(&Origin::Url, "", message));
        }
    }
    for (variable, setting, zero) in VARIABLES {
        if let Some(text) = variables.get(*variable) {
            let origin = Origin::Variable((*variable).to_owned());
            give(
                &mut raw.globals,
                setting,
                *zero,
                text,
                origin,
                &mut problems,
            );
        }
    }
    (raw, problems)
}

fn from_url(raw: &mut Raw, mut url: Url, problems: &mut Vec<Problem>) {
    let parameter = |name: &str| url.parameters.iter().any(|(given, _)| given == name);
    let (user, password) = (url.user.is_some(), url.password.is_some());
    if !(user || parameter("user")) || !(password || parameter("password")) {
        // Nothing else is said: without a login before the host, any part may be the password.
        let message = "names no user or no password, which clients log in with as well; write \
                       postgres://USER:PASSWORD@HOST/DATABASE";
        raw.torn = true;
        problems.push(Problem::new(&Origin::Url, "", message));
        return;
    }
    let mut database = Section::new(Origin::Url);
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut tls = tls::Parameters::new();
    for (name, value) in std::mem::take(&mut url.parameters) {
        let origin = Origin::UrlParameter(printable(&name));
        match seen.insert(name.clone(), value.clone()) {
            Some(before) if before != value => {
                problems.push(Problem::new(
                    &origin,
                    "",
                    "is given twice and differs; remove one",
                ));
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        match meaning(&name) {
            Some(Meaning::Global(setting, zero)) => {
                give(&mut raw.globals, setting, zero, &value, origin, problems);
            }
            Some(Meaning::Database(setting)) => {
                database.give(setting, value.into(), origin);
            }
            Some(Meaning::Schema) => database.give("search_path", schema(&value).into(), origin),
            Some(Meaning::Application) => {}
            Some(Meaning::Part(part)) => {
                let part = part(&mut url);
                match part {
                    // A URL for a unix socket often names localhost because its parser wants a host.
                    Some(before) if before == "localhost" && value.starts_with('/') => {
                        *part = Some(value);
                    }
                    // A password is no value to print, and the others are plain to see.
                    Some(before) if *before != value => {
                        let message = "differs from the same part of the URL; remove one";
                        problems.push(Problem::new(&origin, "", message));
                    }
                    _ => *part = Some(value),
                }
            }
            Some(Meaning::Tls) => {
                tls.insert(name, (value, origin));
            }
            Some(Meaning::NotYet) => {
                problems.push(Problem::new(&origin, "", settings::NOT_YET));
            }
            None => {
                let near = nearest(&name, PARAMETERS.iter().map(|(name, _)| *name));
                let manual = settings::MANUAL;
                problems.push(Problem::unknown(&origin, "", "parameter", near, manual));
            }
        }
    }
    tls::give(&mut database, tls, problems);
    let user = url.user.unwrap_or_default();
    let mut login = Section::new(Origin::Url);
    let password = Value::from(url.password.unwrap_or_default());
    login.give("password", password.clone(), Origin::Url);
    database.give("password", password, Origin::Url);
    let dbname = url.dbname.unwrap_or_else(|| user.clone());
    // One user, so the pool is known before the first client and can be filled beforehand.
    let parts = [
        ("user", Some(user.clone())),
        ("host", url.host),
        ("port", url.port),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            database.give(name, part.into(), Origin::Url);
        }
    }
    raw.users.insert(user, login);
    raw.databases.insert(dbname, database);
}

/// Gives a global setting unless it was given already with another value.
fn give(
    globals: &mut Section,
    name: &'static str,
    zero: Zero,
    text: &str,
    origin: Origin,
    problems: &mut Vec<Problem>,
) {
    let kind = settings::find(Scope::Global, name)
        .expect("the tables below name global settings")
        .kind;
    let value = Value::from(text);
    let parsed = kind.parse(&value);
    if let Zero::Refused(message) = zero
        && matches!(
            &parsed,
            Ok(Parsed::Number(0) | Parsed::Time(Duration::ZERO))
        )
    {
        problems.push(Problem::new(&origin, name, message).with_value(text));
        return;
    }
    if let Some(before) = globals.get(name)
        && before.origin != WITHOUT_FILE
    {
        if kind.parse(&before.value) != parsed {
            let message = format!(
                "differs from {} = {}; remove one of them",
                before.origin,
                before.value.bare()
            );
            problems.push(Problem::new(&origin, name, message).with_value(text));
        }
        return;
    }
    globals.give(name, value, origin);
}

/// A list of the one schema of this name, which Prisma takes as it is written. A name that is the same without
/// quotes goes without.
fn schema(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    if !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What 0 does for a name taken over from other software.
#[derive(Clone, Copy)]
enum Zero {
    /// What it does in the setting.
    AsInSetting,
    /// It is refused with this message, since the setting understands something else by it.
    Refused(&'static str),
}

#[derive(Clone, Copy)]
enum Meaning {
    Global(&'static str, Zero),
    Database(&'static str),
    /// The one schema to look into.
    Schema,
    /// It concerns the side that connects to the pooler: how an application keeps its own pool,
    /// statements or types.
    Application,
    Part(fn(&mut Url) -> &mut Option<String>),
    /// It concerns TLS with PostgreSQL.
    Tls,
    NotYet,
}

fn meaning(name: &str) -> Option<Meaning> {
    let found = PARAMETERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, meaning)| *meaning)
}

/// Given nowhere, chosen because there is no configuration file.
pub(super) const WITHOUT_FILE: Origin = Origin::named("default without a file");

const AT_LEAST_ONE: Zero = Zero::Refused("must be 1 or more");
const LIFETIME: Zero =
    Zero::Refused("must be more than 0: server_lifetime understands 0 as single use");

/// Parameters of the URL.
#[rustfmt::skip]
const PARAMETERS: &[(&str, Meaning)] = &[
    ("connection_limit", Meaning::Global("default_pool_size", AT_LEAST_ONE)),
    ("pool_timeout", Meaning::Global("query_wait_timeout", Zero::AsInSetting)),
    ("connect_timeout", Meaning::Global("server_connect_timeout", Zero::AsInSetting)),
    ("socket_timeout", Meaning::Global("query_timeout", Zero::AsInSetting)),
    ("schema", Meaning::Schema),
    ("currentSchema", Meaning::Database("search_path")),
    ("application_name", Meaning::Database("application_name")),
    ("ApplicationName", Meaning::Database("application_name")),
    ("fallback_application_name", Meaning::Application),
    ("client_encoding", Meaning::Database("client_encoding")),
    ("host", Meaning::Part(|url| &mut url.host)),
    ("port", Meaning::Part(|url| &mut url.port)),
    ("dbname", Meaning::Part(|url| &mut url.dbname)),
    ("user", Meaning::Part(|url| &mut url.user)),
    ("password", Meaning::Part(|url| &mut url.password)),
    ("sslmode", Meaning::Tls),
    ("sslrootcert", Meaning::Tls),
    ("sslcert", Meaning::Tls),
    ("sslkey", Meaning::Tls),
    ("sslcrl", Meaning::Tls),
    ("sslnegotiation", Meaning::Tls),
    ("ssl_min_protocol_version", Meaning::Tls),
    ("channel_binding", Meaning::Tls),
    ("require_auth", Meaning::Database("server_require_auth")),
    ("sslaccept", Meaning::Tls),
    ("sslpassword", Meaning::NotYet),
    ("sslidentity", Meaning::NotYet),
    // Without it PostgreSQL is spoken to as libpq does where there is no ticket.
    ("gssencmode", Meaning::Tls),
    ("target_session_attrs", Meaning::NotYet),
    ("load_balance_hosts", Meaning::NotYet),
    ("options", Meaning::NotYet),
    // libpq's, of connections to PostgreSQL: of which the pooler has its own.
    ("keepalives", Meaning::Global("tcp_keepalive", Zero::AsInSetting)),
    ("keepalives_idle", Meaning::Global("tcp_keepidle", Zero::AsInSetting)),
    ("keepalives_interval", Meaning::Global("tcp_keepintvl", Zero::AsInSetting)),
    ("keepalives_count", Meaning::Global("tcp_keepcnt", Zero::AsInSetting)),
    ("tcp_user_timeout", Meaning::Global("tcp_user_timeout", Zero::AsInSetting)),
    // Prisma.
    ("pgbouncer", Meaning::Application),
    ("statement_cache_size", Meaning::Application),
    ("max_connection_lifetime", Meaning::Application),
    ("max_idle_connection_lifetime", Meaning::Application),
    ("single_use_connections", Meaning::Application),
    // SQLx, asyncpg and SQLAlchemy, psycopg.
    ("statement-cache-capacity", Meaning::Application),
    ("prepared_statement_cache_size", Meaning::Application),
    ("prepare_threshold", Meaning::Application),
    // pgx and lib/pq.
    ("default_query_exec_mode", Meaning::Application),
    ("statement_cache_capacity", Meaning::Application),
    ("description_cache_capacity", Meaning::Application),
    ("pool_max_conns", Meaning::Application),
    ("pool_min_conns", Meaning::Application),
    ("pool_max_conn_lifetime", Meaning::Application),
    ("pool_max_conn_lifetime_jitter", Meaning::Application),
    ("pool_max_conn_idle_time", Meaning::Application),
    ("pool_health_check_period", Meaning::Application),
    ("binary_parameters", Meaning::Application),
    // JDBC.
    ("prepareThreshold", Meaning::Application),
    ("preparedStatementCacheQueries", Meaning::Application),
    ("preparedStatementCacheSizeMiB", Meaning::Application),
    ("reWriteBatchedInserts", Meaning::Application),
    ("defaultRowFetchSize", Meaning::Application),
    ("stringtype", Meaning::Application),
    // Rails and Laravel.
    ("pool", Meaning::Application),
    ("prepared_statements", Meaning::Application),
    ("statement_limit", Meaning::Application),
    ("encoding", Meaning::Database("client_encoding")),
    ("charset", Meaning::Database("client_encoding")),
];

/// Variables of the pool and of its listener.
const VARIABLES: &[(&str, &str, Zero)] = &[
    ("DB_MAX_CONNECTIONS", "default_pool_size", AT_LEAST_ONE),
    ("DB_MIN_CONNECTIONS", "min_pool_size", Zero::AsInSetting),
    (
        "DB_ACQUIRE_TIMEOUT",
        "query_wait_timeout",
        Zero::AsInSetting,
    ),
    ("DB_IDLE_TIMEOUT", "server_idle_timeout", Zero::AsInSetting),
    ("DB_MAX_LIFETIME", "server_lifetime", LIFETIME),
    ("PGWEIR_LISTEN_ADDR", "listen_addr", Zero::AsInSetting),
    ("PGWEIR_LISTEN_PORT", "listen_port", Zero::AsInSetting),
    ("PGWEIR_HTTP_LISTEN", "http_listen", Zero::AsInSetting),
];

/// Defaults of this source that differ from those of a file: there is nothing to inherit from, and
/// sharing servers between transactions is what a pooler is for.
const DEFAULTS: &[(&str, &str)] = &[("pool_mode", "transaction"), ("max_client_conn", "1000")];
