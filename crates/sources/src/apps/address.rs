//! Addresses of databases as one value: URLs of all kinds, keywords as libpq, PDO and Npgsql have them.
//!
//! An address is known by its form, whatever the variable is called that has it.

use crate::inventory::{Address, Scheme, Text};

/// The address in a value, if it is one. `by` is the name of what has it.
pub fn address(by: &str, value: &Text) -> Option<Address> {
    let mut found = url(value)
        .or_else(|| keywords(value))
        .or_else(|| go_mysql(value))?;
    found.by = by.to_owned();
    Some(found)
}

fn empty(scheme: Scheme, value: &Text) -> Address {
    Address::of_kind(scheme, "", value.origin.clone())
}

/// The kind of database of a scheme as it stands before `://`; `None` for what is no database.
pub fn scheme(name: &str) -> Option<Scheme> {
    let name = name.to_ascii_lowercase();
    // `jdbc:postgresql`, `r2dbc:pool:postgresql`, `postgresql+asyncpg`.
    let name = name
        .trim_start_matches("jdbc:")
        .trim_start_matches("r2dbc:");
    let name = name.trim_start_matches("tc:").trim_start_matches("pool:");
    let name = name.split(['+', ':']).next().unwrap_or(name);
    if POSTGRES.contains(&name) {
        return Some(Scheme::Postgres);
    }
    // Ecto says nothing but that.
    if name == "ecto" {
        return Some(Scheme::Unsaid);
    }
    let other = OTHERS.iter().find(|(names, _)| names.contains(&name));
    other.map(|(_, title)| Scheme::Other(title))
}

/// `scheme://user:password@host:port/database?parameters`, and what JDBC makes of it.
fn url(value: &Text) -> Option<Address> {
    let text = value.with_gaps();
    let start = text.len() - text.trim_start_matches(QUOTES_AND_SPACE).len();
    let end = text.trim_end_matches(QUOTES_AND_SPACE).len().max(start);
    let inner = &text[start..end];
    // SQLite has one slash or none, and JDBC for Oracle and SQL Server no host in the usual place.
    let (name, after) = match inner.find("://") {
        Some(at) => (&inner[..at], at + 3),
        None => {
            let at = inner.rfind(':').filter(|_| inner.starts_with("sqlite"))?;
            (&inner[..at], inner.len())
        }
    };
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+:._-".contains(c))
    {
        return None;
    }
    let mut found = empty(scheme(name)?, value);
    if let Scheme::Other(_) = found.scheme {
        // Its host says which server it is; nothing else of it matters.
        found.host = host_of(value, start + after, end);
        return Some(found);
    }
    let (mut at, mut last) = (start + after, end);
    let cut =
        |from: usize, to: usize, letters: &[char]| text[from..to].find(letters).map(|c| from + c);
    if let Some(fragment) =
        cut(at, last, &['#']).filter(|hash| cut(at, last, &['@']).is_none_or(|sign| sign < *hash))
    {
        last = fragment;
    }
    if let Some(query) = cut(at, last, &['?']) {
        found.parameters = parameters(value, query + 1, last);
        last = query;
    }
    if let Some(sign) = text[at..last].rfind('@').map(|sign| at + sign) {
        let colon = cut(at, sign, &[':']).unwrap_or(sign);
        found.user = value.part(at..colon).decoded();
        at = sign + 1;
    }
    let slash = cut(at, last, &['/']).unwrap_or(last);
    found.database = value.part((slash + 1).min(last)..last).decoded();
    // Of several hosts the first: they are one cluster.
    let host_end = cut(at, slash, &[',']).unwrap_or(slash);
    let colon = match text[at..host_end].find(']') {
        Some(bracket) => cut(at + bracket, host_end, &[':']),
        None => cut(at, host_end, &[':']),
    };
    found.host = value.part(at..colon.unwrap_or(host_end)).decoded();
    if let Some(colon) = colon {
        found.port = value.part(colon + 1..host_end);
    }
    from_parameters(&mut found);
    Some(found)
}

/// What stands in parameters: libpq takes all of it there, JDBC the user.
fn from_parameters(found: &mut Address) {
    for (name, value) in &found.parameters {
        match name.as_str() {
            "host" if found.host.is_empty() => found.host = value.clone(),
            "port" if found.port.is_empty() => found.port = value.clone(),
            "user" if found.user.is_empty() => found.user = value.clone(),
            "dbname" if found.database.is_empty() => found.database = value.clone(),
            _ => {}
        }
    }
}

fn host_of(value: &Text, from: usize, to: usize) -> Text {
    let text = value.with_gaps();
    let end = text[from..to]
        .find(['/', '?', ';'])
        .map_or(to, |at| from + at);
    let start = text[from..end].rfind('@').map_or(from, |at| from + at + 1);
    let end = text[start..end]
        .find([':', ','])
        .map_or(end, |at| start + at);
    value.part(start..end)
}

fn parameters(value: &Text, from: usize, to: usize) -> Vec<(String, Text)> {
    let text = value.with_gaps();
    let mut found = Vec::new();
    let mut at = from;
    for pair in text[from..to].split('&') {
        if let Some(sign) = pair.find('=') {
            let part = value.part(at + sign + 1..at + pair.len());
            found.push((pair[..sign].to_owned(), part.decoded()));
        }
        at += pair.len() + 1;
    }
    found
}

/// `host=db port=5432 dbname=app user=app` of libpq and Go, `pgsql:host=db;dbname=app` of PDO,
/// `Host=db;Database=app;Username=app` of Npgsql.
fn keywords(value: &Text) -> Option<Address> {
    let text = value.with_gaps();
    let start = text.len() - text.trim_start_matches(QUOTES_AND_SPACE).len();
    let pdo = text[start..].split_once(':').filter(|(name, rest)| {
        name.chars().all(|c| c.is_ascii_alphanumeric()) && rest.contains('=')
    });
    let (mut scheme_said, from) = match pdo.and_then(|(name, _)| Some((scheme(name)?, name.len())))
    {
        Some((scheme, length)) => (Some(scheme), start + length + 1),
        None => (None, start),
    };
    let separator: &[char] = if text[from..].contains(';') {
        &[';']
    } else {
        &[' ', '\t', '\n']
    };
    let mut found = empty(Scheme::Postgres, value);
    let mut at = from;
    let (mut hosts, mut names) = (0, 0);
    for pair in text[from..].split(separator) {
        if let Some(sign) = pair.find('=') {
            let name: String = pair[..sign].trim().to_ascii_lowercase();
            let (first, last) = (at + sign + 1, at + pair.len());
            let part = value.part(first..last);
            let part = trimmed(&part);
            match name.replace([' ', '_'], "").as_str() {
                "host" | "server" | "datasource" | "hostaddr" => {
                    hosts += 1;
                    found.host = part;
                }
                "port" => found.port = part,
                "dbname" | "database" | "db" | "initialcatalog" => {
                    names += 1;
                    found.database = part;
                }
                "user" | "username" | "userid" | "uid" => {
                    names += 1;
                    found.user = part;
                }
                // Only SQL Server's drivers have these.
                "trustservercertificate"
                | "multipleactiveresultsets"
                | "integratedsecurity"
                | "encrypt"
                | "trustedconnection" => {
                    scheme_said = scheme_said.or(Some(Scheme::Other("SQL Server")));
                }
                "sslmode" if scheme_said.is_none() && separator != [';'] => {
                    scheme_said = Some(Scheme::Postgres);
                }
                _ => {}
            }
            found.parameters.push((name, value.part(first..last)));
        }
        at += pair.len() + 1;
    }
    if hosts == 0 || (names == 0 && scheme_said.is_none()) {
        return None;
    }
    // `Server=tcp:db,1433`.
    let host = found.host.with_gaps().to_ascii_lowercase();
    if host.starts_with("tcp:") || host.ends_with(",1433") {
        scheme_said = scheme_said.or(Some(Scheme::Other("SQL Server")));
    }
    let by_port = by_port(&found.port);
    found.scheme = scheme_said.or(by_port).unwrap_or(if separator == [';'] {
        Scheme::Unsaid
    } else {
        Scheme::Postgres
    });
    Some(found)
}

fn trimmed(text: &Text) -> Text {
    let all = text.with_gaps();
    let start = all.len() - all.trim_start_matches(QUOTES_AND_SPACE).len();
    let end = all.trim_end_matches(QUOTES_AND_SPACE).len().max(start);
    text.part(start..end)
}

/// `user:password@tcp(mysql:3306)/shop`.
fn go_mysql(value: &Text) -> Option<Address> {
    let text = value.with_gaps();
    let at = text.find("@tcp(")? + "@tcp(".len();
    let end = text[at..].find([':', ')']).map(|end| at + end)?;
    let mut found = empty(Scheme::Other("MySQL"), value);
    found.host = value.part(at..end);
    Some(found)
}

/// The kind of database that has this port as a rule.
pub fn by_port(port: &Text) -> Option<Scheme> {
    let port = port.known()?;
    let known = PORTS.iter().find(|(number, _)| *number == port);
    known.map(|(_, scheme)| *scheme)
}

const QUOTES_AND_SPACE: [char; 6] = ['"', '\'', ' ', '\t', '\r', '\n'];

/// Schemes of PostgreSQL in the URLs of its drivers.
const POSTGRES: [&str; 11] = [
    "postgres",
    "postgresql",
    "postgis",
    "pgsql",
    "pgx",
    "pgx5",
    "psql",
    "pg",
    "pdo-pgsql",
    "timescale",
    "timescaledb",
];

/// Schemes of other databases, and their names.
pub(crate) const OTHERS: [(&[&str], &str); 12] = [
    (
        &["mysql", "mysql2", "mysqlx", "pdo-mysql", "mysqli"],
        "MySQL",
    ),
    (&["mariadb"], "MariaDB"),
    (&["sqlite", "sqlite3", "sqlitecloud", "libsql"], "SQLite"),
    (&["mongodb", "mongo"], "MongoDB"),
    (&["sqlserver", "mssql", "sqlsrv", "azuresql"], "SQL Server"),
    (&["oracle", "oci", "oci8"], "Oracle"),
    (&["clickhouse", "clickhousedb", "ch"], "ClickHouse"),
    (
        &["cockroach", "cockroachdb", "crdb-postgres"],
        "CockroachDB",
    ),
    (&["cassandra", "scylla"], "Cassandra"),
    (&["neo4j", "bolt"], "Neo4j"),
    (&["h2", "hsqldb", "derby"], "an embedded database"),
    (
        &["snowflake", "bigquery", "redshift", "databricks"],
        "a data warehouse",
    ),
];

const PORTS: [(&str, Scheme); 10] = [
    ("5432", Scheme::Postgres),
    ("5433", Scheme::Postgres),
    ("6432", Scheme::Postgres),
    ("6543", Scheme::Postgres),
    ("3306", Scheme::Other("MySQL")),
    ("3307", Scheme::Other("MySQL")),
    ("1433", Scheme::Other("SQL Server")),
    ("1521", Scheme::Other("Oracle")),
    ("27017", Scheme::Other("MongoDB")),
    ("26257", Scheme::Other("CockroachDB")),
];

/// Whether an address is one that only tools use: migrations, tests.
pub(crate) fn is_side_door(by: &str) -> bool {
    let by = by.to_ascii_uppercase();
    SIDE_DOORS.iter().any(|word| by.contains(word))
}

/// Words of names of addresses that no request uses.
const SIDE_DOORS: [&str; 8] = [
    "DIRECT",
    "UNPOOLED",
    "NON_POOLING",
    "NONPOOLING",
    "NO_POOL",
    "SHADOW",
    "MIGRAT",
    "TEST",
];
