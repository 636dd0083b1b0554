//! Addresses in several variables: `DB_HOST`, `DB_PORT`, `DB_CONNECTION` and so on.
//!
//! A variable is known by the words of its name: one that is about a database, and at the end one that is
//! about a host. What belongs to it begins alike.

use crate::inventory::{Address, Scheme, Text, Variable};

use super::address::{by_port, scheme};

/// The addresses that variables have in parts. Those that are one value (`URL`s) are not looked at.
pub(crate) fn addresses(variables: &[Variable]) -> Vec<Address> {
    let mut found = Vec::new();
    for variable in variables {
        let Some(group) = Group::of(&variable.name) else {
            continue;
        };
        if variable.value.is_empty() || variable.value.with_gaps().contains("://") {
            continue;
        }
        found.push(group.address(variable, variables));
    }
    // Laravel and others connect to this machine if only the kind is said.
    for variable in variables {
        let Some((
            start,
            "CONNECTION" | "DIALECT" | "DRIVER" | "ENGINE" | "CLIENT" | "TYPE" | "ADAPTER",
        )) = split(&variable.name)
        else {
            continue;
        };
        let group = Group {
            start,
            glue: &variable.name[start.len()..start.len() + 1],
            said: None,
        };
        let related = |other: &Address| {
            let (of, _) = split(&other.by).unwrap_or((&other.by, ""));
            of.starts_with(start) || start.starts_with(of)
        };
        let alone = !found.iter().any(related);
        let about = is_about_database(start);
        if alone
            && about
            && let Some(scheme) = variable.value.known().and_then(kind_named)
        {
            let mut address = group.address(variable, variables);
            address.host = Text::default();
            address.scheme = scheme;
            found.push(address);
        }
    }
    found
}

/// Variables whose names begin alike.
struct Group<'a> {
    start: &'a str,
    /// What stands between the start and the last word.
    glue: &'a str,
    /// The kind of database that the name says.
    said: Option<Scheme>,
}

/// The start of a name and its last word.
fn split(name: &str) -> Option<(&str, &str)> {
    let (start, last) = name.rsplit_once('_')?;
    Some((start.trim_end_matches('_'), last))
}

impl<'a> Group<'a> {
    /// The group of a variable that has a host.
    fn of(name: &'a str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let last = HOSTS.iter().find(|word| upper.ends_with(**word))?;
        let start = &name[..name.len() - last.len()];
        let bare = start.trim_end_matches(['_', '.', '-']);
        if bare.is_empty() || !is_about_database(bare) {
            return None;
        }
        let said = words(bare).find_map(|word| named(&word));
        let glue = &start[bare.len()..];
        Some(Self {
            start: bare,
            glue,
            said,
        })
    }

    /// What a variable of the group has, of these last words the first there is.
    fn get<'v>(&self, variables: &'v [Variable], last: &[&str]) -> Option<&'v Text> {
        last.iter().find_map(|last| {
            let name = format!("{}{}{last}", self.start, self.glue);
            let mut all = variables.iter();
            let found = all.find(|variable| variable.name.eq_ignore_ascii_case(&name))?;
            Some(&found.value).filter(|value| !value.is_empty())
        })
    }

    fn address(&self, host: &Variable, variables: &[Variable]) -> Address {
        let get = |last: &[&str]| self.get(variables, last).cloned().unwrap_or_default();
        let mut port = get(&["PORT"]);
        let mut place = host.value.clone();
        // `GITEA__database__HOST=db:5432`.
        if let Some(colon) = place
            .with_gaps()
            .rfind(':')
            .filter(|_| place.with_gaps().matches(':').count() == 1)
        {
            let end = place.with_gaps().len();
            port = place.part(colon + 1..end);
            place = place.part(0..colon);
        }
        let kind = self
            .get(variables, &KINDS)
            .and_then(Text::known)
            .and_then(kind_named);
        // `KC_DB=postgres` beside `KC_DB_URL_HOST`.
        let whole = || {
            let parents = [
                self.start,
                self.start.rsplit_once('_').map_or("", |(parent, _)| parent),
            ];
            let mut all = variables.iter();
            let found = all.find(|variable| parents.contains(&variable.name.as_str()))?;
            found.value.known().and_then(kind_named)
        };
        let scheme = self.said.or(kind).or_else(whole).or_else(|| by_port(&port));
        Address {
            scheme: scheme.unwrap_or(Scheme::Unsaid),
            host: place,
            port,
            database: get(&[
                "DATABASE",
                "NAME",
                "DBNAME",
                "DB",
                "DATABASE_NAME",
                "DB_NAME",
            ]),
            user: get(&["USERNAME", "USER", "DB_USER", "USR"]),
            parameters: Vec::new(),
            by: host.name.clone(),
            origin: host.value.origin.clone(),
        }
    }
}

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(['_', '.', '-'])
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
}

fn is_about_database(name: &str) -> bool {
    words(name).any(|word| {
        DATABASES.contains(&word.as_str()) || named(&word).is_some() || word.ends_with("DB")
    }) && !words(name).any(|word| STORES.contains(&word.as_str()))
}

/// Whether a variable is about PostgreSQL by its name.
pub(crate) fn is_about_postgres(name: &str) -> bool {
    let libpq = [
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "PGPORT",
        "PGPASSFILE",
        "PGSERVICE",
    ];
    libpq.contains(&name) || words(name).any(|word| named(&word) == Some(Scheme::Postgres))
}

/// The kind of database that a word of a name says.
fn named(word: &str) -> Option<Scheme> {
    match word {
        "PG" | "PGSQL" | "PSQL" | "POSTGRES" | "POSTGRESQL" | "POSTGRESDB" | "TIMESCALE"
        | "TIMESCALEDB" | "PGBOUNCER" => Some(Scheme::Postgres),
        _ => scheme(word).filter(|scheme| *scheme != Scheme::Postgres),
    }
}

/// The kind of database that a value says: `pgsql`, `mysql`, `django.db.backends.postgresql`.
pub(super) fn kind_named(value: &str) -> Option<Scheme> {
    let value = value.trim().to_ascii_lowercase();
    let mut words = value.split(|c: char| !c.is_ascii_alphanumeric()).rev();
    words.find_map(|word| match word {
        "postgresdb" | "postgres" | "postgresql" | "pgsql" | "pg" | "postgis" => {
            Some(Scheme::Postgres)
        }
        word => scheme(word),
    })
}

/// Last words of variables that have a host.
const HOSTS: [&str; 5] = ["HOST", "HOSTNAME", "SERVER", "ENDPOINT", "ADDR"];

/// Last words of variables that say the kind of database.
const KINDS: [&str; 10] = [
    "CONNECTION",
    "TYPE",
    "DRIVER",
    "ENGINE",
    "DIALECT",
    "ADAPTER",
    "VENDOR",
    "CLIENT",
    "KIND",
    "DB_TYPE",
];

/// Words of names that are about a database of any kind.
const DATABASES: [&str; 7] = [
    "DB",
    "DATABASE",
    "DATABASES",
    "SQL",
    "RDS",
    "DATASOURCE",
    "DBSERVER",
];

/// Words of names that are about something that is no such database.
const STORES: [&str; 6] = [
    "REDIS",
    "VALKEY",
    "MEMCACHED",
    "ELASTICSEARCH",
    "QDRANT",
    "INFLUXDB",
];
