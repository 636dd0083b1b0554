//! What is said of the pools of one program, in its variables, its files and its command.

use pgweir_advisor::fleet::Value;

use crate::apps;
use crate::formats;
use crate::image::Image;
use crate::inventory::{Address, Container, Program, Scheme, Setting, Text, Unknown, Variable};

/// What a container says of the pools of its program.
pub(super) fn of_container(container: &Container, image: Image) -> Program {
    let mut program = apps::program(&container.command, &container.variables);
    program.origin = container.origin.clone();
    for file in &container.files {
        let read = formats::programs(&file.name, &file.text, &container.variables);
        for read in read.unwrap_or_default() {
            merge(&mut program, read);
        }
    }
    includes(
        &mut program,
        container.files.iter().map(|file| file.name.as_str()),
    );
    if program.addresses.is_empty() {
        let unknown = container.variables.iter().filter_map(hidden);
        program.addresses.extend(unknown);
    }
    if image == Image::PhpFpm && !program.addresses.is_empty() && program.kind.is_none() {
        program.kind = Some(("php-fpm", container.origin.clone()));
        if program.settings.iter().all(|setting| setting.key != "pool") {
            program.settings.push(Setting {
                key: "pool",
                value: Value::Integer(FPM_CHILDREN),
                by: "pm.max_children of the image".to_owned(),
                origin: container.origin.clone(),
            });
        }
    }
    program
}

/// The address of a variable whose name says that it is one of a database, and whose value is not known.
fn hidden(variable: &Variable) -> Option<Address> {
    let gap: String = Text::GAP.to_string();
    if variable.value.with_gaps() != gap {
        return None;
    }
    let name = variable.name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '.', '-']).collect();
    let is = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let postgres = is(&POSTGRES) || name.starts_with("PG");
    let database = postgres || is(&DATABASES);
    let place = is(&PLACES) || PLACES.iter().any(|place| name.ends_with(place));
    (database && place && !is(&STORES)).then(|| {
        let scheme = if postgres {
            Scheme::Postgres
        } else {
            Scheme::Unsaid
        };
        let value = variable.value.clone();
        let mut address = Address::of_kind(scheme, &variable.name, value.origin.clone());
        address.host = value;
        address
    })
}

/// Adds what another file says of the same program.
pub(super) fn merge(program: &mut Program, mut other: Program) {
    let kind = |program: &Program| program.kind.as_ref().map(|(kind, _)| *kind);
    let (own, others) = (kind(program), kind(&other));
    // A worker has one connection, whatever the files of the web server beside it say.
    if rank(own) == WORKER {
        let web = others == Some("php-fpm");
        other
            .settings
            .retain(|setting| !web && !POOLS.contains(&setting.key));
        other
            .defaults
            .retain(|setting| !POOLS.contains(&setting.key));
        other.threads.clear();
        let of_pool = |unknown: &Unknown| unknown.key == Some("pool");
        other.unknown.retain(|unknown| !of_pool(unknown));
        other.unsaid.retain(|unknown| !of_pool(unknown));
    }
    if rank(others) > rank(own) {
        program.kind = other.kind;
    }
    program.settings.extend(other.settings);
    program.defaults.extend(other.defaults);
    program.threads.extend(other.threads);
    program.processes.extend(other.processes);
    program.addresses.extend(other.addresses);
    program.includes.extend(other.includes);
    program.unknown.extend(other.unknown);
    program.unsaid.extend(other.unsaid);
    program.observations.extend(other.observations);
}

/// Which of two kinds a program is of: what a command says, FPM's workers wherever there are some, and a
/// library rather than what the form of a URL suggests.
fn rank(kind: Option<&str>) -> u64 {
    match kind {
        Some("octane" | "queue" | "serverless") => WORKER,
        Some("php-fpm") => 4,
        Some("prisma7") => 3,
        Some("sqlx") => 2,
        Some(_) => 1,
        None => 0,
    }
}

const WORKER: u64 = 5;

/// Settings of the pool of a process.
const POOLS: [&str; 2] = ["pool", "pool_min"];

/// Names what a file takes in that is not there. `files` are those that were given with it.
pub(crate) fn includes<'f>(program: &mut Program, files: impl Iterator<Item = &'f str> + Clone) {
    for pattern in std::mem::take(&mut program.includes) {
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let wanted = last(pattern.with_gaps());
        let mut names = files.clone();
        if names.any(|name| matches(&wanted, &last(name))) {
            continue;
        }
        program.unsaid.push(Unknown {
            what: format!(
                "it takes in {}, which is in none of the files",
                shown(&pattern)
            ),
            add: "add that file to --from, or set pool of the service in fleet.toml".to_owned(),
            key: Some("pool"),
            origin: pattern.origin,
        });
    }
}

/// Whether a name is of a pattern with one star or none.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}

fn shown(text: &Text) -> String {
    match text.known() {
        Some(known) => known.to_owned(),
        None => text.gaps().join(" and "),
    }
}

/// pm.max_children of the official image.
const FPM_CHILDREN: i128 = 5;

const POSTGRES: [&str; 6] = ["PG", "POSTGRES", "POSTGRESQL", "PSQL", "PGSQL", "TIMESCALE"];
const DATABASES: [&str; 6] = ["DB", "DATABASE", "DATASOURCE", "SQL", "SQLALCHEMY", "RDS"];
const PLACES: [&str; 8] = [
    "URL",
    "URI",
    "DSN",
    "CONNECTION",
    "CONN",
    "STRING",
    "CONNECTIONSTRING",
    "CONNSTR",
];
const STORES: [&str; 5] = ["REDIS", "MONGO", "MONGODB", "MYSQL", "MARIADB"];
