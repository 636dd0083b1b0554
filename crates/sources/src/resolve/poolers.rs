//! Poolers: as containers, as an operator has them, or known by their file alone.

use pgweir_advisor::facts::{Observation, Ruling};
use pgweir_advisor::fleet::keys::Scope;
use pgweir_advisor::fleet::{Section, Value};

use super::give;
use crate::file::{Library, SourceFile};
use crate::inventory::{self, Address, Container, Count, Inventory, Place, Unknown, Workload};
use crate::pgbouncer;

/// A pooler.
#[derive(Debug, Clone)]
pub(super) struct Pooler {
    pub(super) place: Place,
    /// Empty for one of which a file tells that does not name it.
    pub(super) name: String,
    /// `[pooler]`.
    pub(super) section: Section,
    /// Where it connects to.
    pub(super) upstream: Vec<Address>,
    /// How many instances there are.
    pub(super) replicas: Count,
    /// The workload that it runs in.
    pub(super) workload: Option<usize>,
}

impl Pooler {
    pub(super) fn described(pooler: inventory::Pooler) -> Self {
        Self {
            place: pooler.place,
            name: pooler.name,
            section: pooler.section,
            upstream: pooler.upstream,
            replicas: pooler.replicas,
            workload: None,
        }
    }

    /// The port that it listens on.
    pub(super) fn port(&self) -> String {
        let given = self.section.get("port");
        given.map_or_else(
            || "6432".to_owned(),
            |given| given.value.bare().into_owned(),
        )
    }

    /// Servers of one instance for one database and user.
    pub(super) fn size(&self) -> u64 {
        let given = self.section.get("default_pool_size");
        match given.map(|given| &given.value) {
            Some(Value::Integer(size)) => u64::try_from(*size).unwrap_or(DEFAULT_SIZE),
            _ => DEFAULT_SIZE,
        }
    }
}

/// A container of a pooler.
pub(super) struct Part<'a> {
    /// The number of its workload.
    pub(super) at: usize,
    /// Its workload.
    pub(super) workload: &'a Workload,
    /// The container.
    pub(super) container: &'a Container,
    /// Addresses in its variables.
    pub(super) upstream: Vec<Address>,
}

/// A container that runs this program.
pub(super) fn of(part: Part<'_>, program: &'static str, inventory: &mut Inventory) -> Pooler {
    let Part {
        at,
        workload,
        container,
        mut upstream,
    } = part;
    let mut section = Section::new(container.origin.clone());
    let kind = if program == "pgweir" {
        program
    } else {
        "pgbouncer"
    };
    section.give("kind", kind.into(), container.origin.clone());
    let host = Value::from(workload.name.as_str());
    give(
        Scope::Pooler,
        &mut section,
        "host",
        host,
        container.origin.clone(),
    );
    if !["pgbouncer", "pgweir"].contains(&program) {
        inventory.unknown.push(Unknown {
            what: format!(
                "{} runs {program}, whose pool sizes are not read",
                workload.name
            ),
            add: "set default_pool_size and max_db_connections of [pooler]".to_owned(),
            key: None,
            origin: container.origin.clone(),
        });
    }
    let image = container.image.with_gaps();
    variables(&mut section, image, container, inventory);
    for file in &container.files {
        if file.at.ends_with(".ini") {
            let (name, text) = (file.name.as_str(), file.text.as_str());
            let mut library = Library::new(&[], &|_| None);
            let read = pgbouncer::read(&SourceFile { name, text }, &mut library);
            section.overlay(read.section);
            upstream.extend(read.upstream);
            inventory.observations.extend(read.observations);
        }
    }
    Pooler {
        place: workload.place.clone(),
        name: workload.name.clone(),
        section,
        upstream,
        replicas: workload.replicas.clone(),
        workload: Some(at),
    }
}

fn variables(section: &mut Section, image: &str, container: &Container, inventory: &mut Inventory) {
    // This image reads names with a prefix, and ignores the others.
    let prefixed = image.starts_with("pgbouncer/pgbouncer");
    // These listen where PostgreSQL does.
    let as_postgres = image.contains("edoburu/");
    if as_postgres {
        section.give("port", Value::Integer(5432), container.origin.clone());
    }
    for variable in &container.variables {
        let (name, value) = (&variable.name, &variable.value);
        let own = name.strip_prefix("PGBOUNCER_");
        let Some(known) = value.known() else { continue };
        if prefixed && own.is_none() && SETTINGS.contains(&name.as_str()) {
            inventory.observations.push(Observation {
                ruling: Ruling::Correction(22),
                what: format!("{image} with {name}={known}"),
                origin: value.origin.clone(),
            });
            continue;
        }
        let key = own.unwrap_or(name);
        let key = if key == "PORT" && own.is_some() {
            "LISTEN_PORT"
        } else {
            key
        };
        if SETTINGS.contains(&key)
            && let Some((key, value)) = pgbouncer::setting(&key.to_ascii_lowercase(), known)
        {
            section.give(key, value, variable.value.origin.clone());
        }
    }
}

/// Gives `[pooler]` its number of instances.
pub(super) fn instances(pooler: &Pooler, section: &mut Section) {
    let max = pooler.replicas.max.as_ref();
    if let Some((text, known)) = max.and_then(|max| Some((max, max.known()?))) {
        give(
            Scope::Pooler,
            section,
            "instances",
            Value::from_text(known),
            text.origin.clone(),
        );
    }
}

/// PgBouncer's default.
const DEFAULT_SIZE: u64 = 20;

/// Variables of PgBouncer's images that the planner knows.
const SETTINGS: [&str; 9] = [
    "LISTEN_PORT",
    "POOL_MODE",
    "MAX_CLIENT_CONN",
    "DEFAULT_POOL_SIZE",
    "RESERVE_POOL_SIZE",
    "MAX_DB_CONNECTIONS",
    "QUERY_WAIT_TIMEOUT",
    "SERVER_LIFETIME",
    "SERVER_IDLE_TIMEOUT",
];
