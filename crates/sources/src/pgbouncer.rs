//! `pgbouncer.ini`. The plan has one pool size for all databases: a database's own size counts if all of
//! them have the same, and is reported otherwise.

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::{Section, Value};

use super::file::{Library, SourceFile, beside, folder};
use super::lines::assignments;
use super::said::Sayings;
use super::url::plain;
use crate::inventory::{Address, Scheme, Text};

/// What a `pgbouncer.ini` says.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// `[pooler]`.
    pub(crate) section: Section,
    /// Where it connects to.
    pub(crate) upstream: Vec<Address>,
    /// What is left out or contradicts itself.
    pub(crate) observations: Vec<Observation>,
}

/// Reads a `pgbouncer.ini` and the files that it includes.
pub(crate) fn read(source: &SourceFile<'_>, library: &mut Library<'_>) -> Read {
    let mut reader = Reader {
        read: Read {
            section: Section::new(source.line(0)),
            ..Read::default()
        },
        part: String::new(),
        databases: Vec::new(),
    };
    reader.read.section.set("kind", "pgbouncer");
    reader.lines(source, library, INCLUDES_MAX);
    of_databases(&mut reader.read, &reader.databases);
    reader.read
}

/// What was read so far. A section goes on in the files that are included.
struct Reader {
    read: Read,
    part: String,
    databases: Vec<Database>,
}

impl Reader {
    fn lines(&mut self, source: &SourceFile<'_>, library: &mut Library<'_>, depth: u32) {
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim();
            let origin = source.line(at + 1);
            if line.starts_with('[') {
                line.clone_into(&mut self.part);
            } else if let Some(name) = line.strip_prefix("%include") {
                self.include(name.trim(), &origin, source, library, depth);
            } else if let Some((_, name, value)) = assignments(line, &[';', '#']).next() {
                self.setting(name, value, origin);
            }
        }
    }

    fn include(
        &mut self,
        name: &str,
        origin: &Origin,
        source: &SourceFile<'_>,
        library: &mut Library<'_>,
        depth: u32,
    ) {
        let path = beside(folder(source.name), name);
        match library.take(&path).filter(|_| depth > 0) {
            Some(text) => {
                let (name, text) = (path.as_str(), &*text);
                self.lines(&SourceFile { name, text }, library, depth - 1);
            }
            None => self.read.observations.push(Observation {
                ruling: Ruling::NotUnderstood("add that file to --from".to_owned()),
                what: format!("%include {name} is not to be read"),
                origin: origin.clone(),
            }),
        }
    }

    fn setting(&mut self, name: &str, value: &str, origin: Origin) {
        let read = &mut self.read;
        match self.part.as_str() {
            "[databases]" => self.databases.push((name.to_owned(), words(value), origin)),
            "[users]" => {
                let own = words(value);
                let own = own.iter().filter(|(key, _)| LIMITS.contains(&key.as_str()));
                read.observations
                    .extend(own.map(|(key, value)| left(key, value, "user", name, &origin)));
            }
            _ => {
                if name == "max_user_connections" && value != "0" {
                    read.observations
                        .push(left(name, value, "section", "[pgbouncer]", &origin));
                }
                if let Some((key, value)) = setting(name, value) {
                    read.section.give(key, value, origin);
                }
            }
        }
    }
}

/// A setting of the pooler that the planner has.
pub(crate) fn setting<'a>(name: &'a str, value: &str) -> Option<(&'a str, Value)> {
    let seconds = || match value {
        "0" => Value::Integer(0),
        _ => Value::from(format!("{value}s")),
    };
    Some(match name {
        "pool_mode" => (name, value.into()),
        "listen_port" => ("port", Value::from_text(value)),
        "default_pool_size" | "reserve_pool_size" | "max_client_conn" => {
            (name, Value::from_text(value))
        }
        // 0 is no limit, which to the planner is a setting that is not given.
        "max_db_connections" if value != "0" => (name, Value::from_text(value)),
        "query_wait_timeout"
        | "idle_transaction_timeout"
        | "client_idle_timeout"
        | "server_lifetime"
        | "server_idle_timeout" => (name, seconds()),
        _ => return None,
    })
}

/// Name, settings and line of a database.
type Database = (String, Vec<(String, String)>, Origin);

fn of_databases(read: &mut Read, databases: &[Database]) {
    let mut sayings = Sayings::default();
    for (name, parameters, origin) in databases {
        read.upstream.extend(upstream(name, parameters, origin));
        for (key, value) in parameters {
            let by = || format!("{key} of {name}");
            match key.as_str() {
                "host" if plain(value) => sayings.add("host", value.as_str().into(), &by(), origin),
                // No limit.
                _ if key.starts_with("max_") && value == "0" => {}
                key if LIMITS.contains(&key) => {
                    let same = (key.to_owned(), value.clone());
                    let own = databases
                        .iter()
                        .all(|(_, others, _)| others.contains(&same));
                    let meant = match key {
                        "pool_size" => setting("default_pool_size", value),
                        "reserve_pool" => setting("reserve_pool_size", value),
                        _ => setting(key, value),
                    };
                    match meant {
                        Some((key, value)) if own => read.section.give(key, value, origin.clone()),
                        _ => read
                            .observations
                            .push(left(key, value, "database", name, origin)),
                    }
                }
                _ => {}
            }
        }
    }
    let remedy = "a plan covers one PostgreSQL: make a plan for each";
    // The hosts themselves are in the addresses.
    let observations = sayings.decide(&mut Section::default(), remedy);
    read.observations.extend(observations);
}

/// Where a line of `[databases]` leads.
fn upstream(name: &str, parameters: &[(String, String)], origin: &Origin) -> Option<Address> {
    let get = |key: &str| {
        let found = parameters.iter().find(|(known, _)| *known == key);
        let text = found.map_or("", |(_, value)| value);
        Text::plain(text, origin.clone())
    };
    let host = get("host");
    (!host.is_empty()).then(|| {
        let by = format!("the database {name}");
        let mut address = Address::of_kind(Scheme::Postgres, by, origin.clone());
        address.host = host;
        address.port = get("port");
        address.database = get("dbname");
        address.user = get("user");
        address
    })
}

/// Something that the plan does not use.
fn left(key: &str, value: &str, owner: &str, name: &str, origin: &Origin) -> Observation {
    Observation {
        ruling: Ruling::Left(
            "the plan has one pool size for all: check that it is at least as large",
        ),
        what: format!("{key}={value} of the {owner} {name} is not used"),
        origin: origin.clone(),
    }
}

/// `key=value` pairs of a line; values may be in single quotes.
fn words(line: &str) -> Vec<(String, String)> {
    line.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

/// Files that include files.
const INCLUDES_MAX: u32 = 16;

/// Settings of a single database or user that limit its servers.
const LIMITS: [&str; 8] = [
    "pool_size",
    "min_pool_size",
    "reserve_pool",
    "reserve_pool_size",
    "pool_mode",
    "max_db_connections",
    "max_user_connections",
    "server_lifetime",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests;

    fn check(databases: &str, pool: i128, seen: &[&str]) {
        let text = format!("[databases]\n{databases}[pgbouncer]\ndefault_pool_size = 25\n");
        let name = "p.ini";
        let mut library = Library::new(&[], &|_| None);
        let read = read(&SourceFile { name, text: &text }, &mut library);
        let size = read.section.get("default_pool_size").unwrap();
        assert_eq!(size.value, Value::Integer(pool), "{databases}");
        let found = tests::seen(&read.observations);
        assert_eq!(found, seen, "{databases}");
    }

    #[test]
    fn settings_of_single_databases_are_read_or_reported() {
        check("a = host=h port=5433\n", 25, &[]);
        check("a = host=h pool_size=12\n", 12, &[]);
        check(
            "a = host=h pool_size=12\nb = host=h pool_size=12\n",
            12,
            &[],
        );
        check(
            "a = host=h pool_size=12\nb = host=h\n",
            25,
            &["p.ini:2: pool_size=12 of the database a is not used"],
        );
        check(
            "a = host='h' pool_size=12\nb = host=i min_pool_size=3\n",
            25,
            &[
                "p.ini:2: pool_size=12 of the database a is not used",
                "p.ini:3: min_pool_size=3 of the database b is not used",
                "p.ini:3: host of b says i, and host of a (p.ini:2) says h: the last counts",
            ],
        );
        check(
            "a = host=h max_db_connections=0\n[users]\nu = max_user_connections=4 pool_mode=session\n",
            25,
            &[
                "p.ini:4: max_user_connections=4 of the user u is not used",
                "p.ini:4: pool_mode=session of the user u is not used",
            ],
        );
    }
}
