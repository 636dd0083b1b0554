//! What is said of the pools of one program, in its variables, its files and its command.

use pgweir_advisor::fleet::Value;

use crate::apps;
use crate::formats;
use crate::image::Image;
use crate::inventory::{Address, Container, Program, Scheme, Setting, Text, Variable};

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
    (database && place && !is(&STORES)).then(|| Address {
        scheme: if postgres {
            Scheme::Postgres
        } else {
            Scheme::Unsaid
        },
        host: variable.value.clone(),
        port: Text::default(),
        database: Text::default(),
        user: Text::default(),
        parameters: Vec::new(),
        by: variable.name.clone(),
        origin: variable.value.origin.clone(),
    })
}

/// Adds what another file says of the same program.
pub(super) fn merge(program: &mut Program, other: Program) {
    // FPM's workers count wherever there are some.
    let stronger = other
        .kind
        .as_ref()
        .is_some_and(|(kind, _)| *kind == "php-fpm");
    if program.kind.is_none() || stronger {
        program.kind = other.kind.or(program.kind.take());
    }
    program.settings.extend(other.settings);
    program.defaults.extend(other.defaults);
    program.threads.extend(other.threads);
    program.processes.extend(other.processes);
    program.addresses.extend(other.addresses);
    program.unknown.extend(other.unknown);
    program.unsaid.extend(other.unsaid);
    program.observations.extend(other.observations);
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
