//! PostgreSQL servers: as containers, as an operator has them, or known by their host alone.

use pgweir_advisor::facts::{Observation, Ruling};
use pgweir_advisor::fleet::keys::{Scope, find};
use pgweir_advisor::fleet::{Section, Value};

use super::memory;
use crate::file::SourceFile;
use crate::inventory::{self, Address, Container, Place, Text, Workload};
use crate::postgresql::{self, server_setting};

/// A PostgreSQL server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) place: Place,
    /// Empty for one of which a file tells that does not name it.
    pub(super) name: String,
    /// `[database]`.
    pub(super) section: Section,
}

impl Server {
    pub(super) fn described(server: inventory::Server) -> Self {
        Self {
            place: server.place,
            name: server.name,
            section: server.section,
        }
    }

    /// One of which only its host is known.
    pub(super) fn host(host: &str, address: &Address) -> Self {
        let mut section = Section::new(address.origin.clone());
        give(&mut section, "host", host, address.origin.clone());
        let port = address.port.known().unwrap_or("5432");
        if port != "5432" {
            give(&mut section, "port", port, address.origin.clone());
        }
        Self {
            place: Place::Outside,
            name: host.to_owned(),
            section,
        }
    }
}

/// Gives a setting of `[database]`, if it may have this value.
fn give(section: &mut Section, key: &str, text: &str, origin: pgweir_advisor::facts::Origin) {
    let value = match key {
        "host" | "name" | "ram" => Value::from(text),
        _ => Value::from_text(text),
    };
    super::give(Scope::Database, section, key, value, origin);
}

/// A container of PostgreSQL.
pub(super) fn of(
    workload: &Workload,
    container: &Container,
    version: Option<u32>,
    observations: &mut Vec<Observation>,
) -> Server {
    let mut section = Section::new(container.origin.clone());
    give(
        &mut section,
        "host",
        &workload.name,
        container.origin.clone(),
    );
    for variable in &container.variables {
        of_variable(&mut section, &variable.name, &variable.value, observations);
    }
    if let Some(version) = version {
        of_version(&mut section, version, container, observations);
    }
    if let Some((text, origin)) = &container.memory
        && let Some(size) = memory(text)
    {
        give(&mut section, "ram", &size, origin.clone());
    }
    for file in &container.files {
        if file.at.ends_with(".conf") && !file.at.ends_with("pg_hba.conf") {
            let (name, text) = (file.name.as_str(), file.text.as_str());
            let read = postgresql::read(&SourceFile { name, text });
            section.overlay(read.database);
            observations.extend(read.observations);
        }
    }
    for (name, value) in arguments(&container.command) {
        server_setting(&mut section, &name, &value, &container.origin);
    }
    Server {
        place: workload.place.clone(),
        name: workload.name.clone(),
        section,
    }
}

fn of_variable(
    section: &mut Section,
    name: &str,
    value: &Text,
    observations: &mut Vec<Observation>,
) {
    let Some(known) = value.known() else { return };
    let origin = value.origin.clone();
    match name {
        "POSTGRES_DB" | "POSTGRESQL_DATABASE" => give(section, "name", known, origin),
        // Bitnami's image writes it into its configuration.
        "POSTGRESQL_MAX_CONNECTIONS" => give(section, "max_connections", known, origin),
        "POSTGRES_MAX_CONNECTIONS" => observations.push(Observation {
            ruling: Ruling::Correction(2),
            what: format!("{name}={known}"),
            origin,
        }),
        _ => {}
    }
}

fn of_version(
    section: &mut Section,
    version: u32,
    container: &Container,
    observations: &mut Vec<Observation>,
) {
    let value = Value::from(u64::from(version));
    let known = find(Scope::Database, "version");
    if known.is_some_and(|known| known.kind.allows(&value)) {
        section.give("version", value, container.origin.clone());
    } else {
        observations.push(Observation {
            ruling: Ruling::Left("check the settings that your version has"),
            what: format!("PostgreSQL {version} is planned as one of the versions 13 to 18"),
            origin: container.origin.clone(),
        });
    }
}

/// Whether the variables of a container are those of the official image.
pub(super) fn looks_like_one(container: &Container, addresses: &[Address]) -> bool {
    let has = |name: &str| {
        let mut all = container.variables.iter();
        all.any(|variable| variable.name == name)
    };
    let own = has("PGDATA") || has("POSTGRES_INITDB_ARGS") || has("POSTGRES_HOST_AUTH_METHOD");
    let first = container.command.first().and_then(Text::known);
    let server = first.is_some_and(|word| word == "postgres" || word.ends_with("/postgres"));
    // An application may be given all variables of its database.
    (own && addresses.is_empty()) || server
}

/// Settings on a command line of PostgreSQL: `-c name=value`, `--name=value`, and short options.
fn arguments(command: &[Text]) -> Vec<(String, String)> {
    let known = command.iter().filter_map(Text::known);
    // `sh -c "postgres -c max_connections=5"` has them in one word.
    let mut words = known.flat_map(str::split_whitespace);
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let word = word.trim_matches(QUOTES);
        let letter = LETTERS.iter().find_map(|(letter, name)| {
            let value = word.strip_prefix(letter)?;
            Some((*name, value))
        });
        if let Some((name, value)) = letter {
            let value = if value.is_empty() {
                words.next().unwrap_or_default()
            } else {
                value
            };
            settings.push((name.to_owned(), value.trim_matches(QUOTES).to_owned()));
        } else if let Some((name, value)) = word
            .trim_start_matches("--")
            .trim_start_matches("-c")
            .split_once('=')
        {
            // PostgreSQL accepts dashes for underscores on its command line.
            settings.push((
                name.replace('-', "_"),
                value.trim_matches(QUOTES).to_owned(),
            ));
        }
    }
    settings
}

/// Quotes that a shell removes.
const QUOTES: [char; 2] = ['"', '\''];

/// Short options of `postgres` and their settings.
const LETTERS: [(&str, &str); 4] = [
    ("-N", "max_connections"),
    ("-B", "shared_buffers"),
    ("-S", "work_mem"),
    ("-p", "port"),
];
