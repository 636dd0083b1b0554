//! `pgbouncer.ini`. The plan has one pool size for all databases: a database's own size counts if all of
//! them have the same, and is reported otherwise.

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::{Draft, Section, Value};

use super::file::SourceFile;
use super::lines::assignments;
use super::said::Sayings;
use super::url::plain;

pub(crate) fn read(source: &SourceFile<'_>) -> Draft {
    let mut draft = Draft::default();
    let mut pooler = Section::new(source.line(0));
    pooler.set("kind", "pgbouncer");
    let mut part = "";
    let mut databases = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            part = line;
            continue;
        }
        let Some((_, name, value)) = assignments(line, &[';', '#']).next() else {
            continue;
        };
        let origin = source.line(at + 1);
        match part {
            "[databases]" => databases.push((name, words(value), origin)),
            "[users]" => {
                let own = words(value);
                let own = own.iter().filter(|(key, _)| LIMITS.contains(key));
                draft
                    .observations
                    .extend(own.map(|(key, value)| left(key, value, "user", name, &origin)));
            }
            _ => {
                if name == "max_user_connections" && value != "0" {
                    draft
                        .observations
                        .push(left(name, value, "section", "[pgbouncer]", &origin));
                }
                if let Some((key, value)) = setting(name, value) {
                    pooler.give(key, value, origin);
                }
            }
        }
    }
    of_databases(&mut draft, &mut pooler, &databases);
    draft.pooler = Some(pooler);
    draft
}

/// A setting of the pooler that the planner has.
fn setting<'a>(name: &'a str, value: &str) -> Option<(&'a str, Value)> {
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

type Database<'a> = (&'a str, Vec<(&'a str, &'a str)>, Origin);

fn of_databases(draft: &mut Draft, pooler: &mut Section, databases: &[Database<'_>]) {
    let mut sayings = Sayings::default();
    for (name, parameters, origin) in databases {
        for (key, value) in parameters {
            let by = || format!("{key} of {name}");
            match *key {
                "host" if plain(value) => sayings.add("host", (*value).into(), &by(), origin),
                "port" => sayings.add("port", Value::from_text(value), &by(), origin),
                // No limit.
                _ if key.starts_with("max_") && *value == "0" => {}
                key if LIMITS.contains(&key) => {
                    let own = |(_, others, _): &Database<'_>| others.contains(&(key, *value));
                    let own = databases.iter().all(own);
                    let meant = match key {
                        "pool_size" => setting("default_pool_size", value),
                        "reserve_pool" => setting("reserve_pool_size", value),
                        _ => setting(key, value),
                    };
                    match meant {
                        Some((key, value)) if own => pooler.give(key, value, origin.clone()),
                        _ => draft
                            .observations
                            .push(left(key, value, "database", name, origin)),
                    }
                }
                _ => {}
            }
        }
    }
    let remedy = "a plan covers one PostgreSQL: make a plan for each";
    let observations = sayings.decide(&mut draft.database, remedy);
    draft.observations.extend(observations);
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
fn words(line: &str) -> Vec<(&str, &str)> {
    line.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key, value.trim_matches('\'')))
        .collect()
}

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
        let draft = read(&SourceFile { name, text: &text });
        let pooler = draft.pooler.unwrap();
        let size = pooler.get("default_pool_size").unwrap();
        assert_eq!(size.value, Value::Integer(pool), "{databases}");
        let found = tests::seen(&draft.observations);
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
