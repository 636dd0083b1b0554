//! A container's image and variables, in docker-compose and Kubernetes.

use pgweir_advisor::facts::{Observation, Origin, Ruling};
use pgweir_advisor::fleet::{Draft, Section, Value};

use super::postgresql::server_setting;
use super::said::Sayings;
use super::url::{plain, url};

/// A container.
pub(crate) struct Container<'a> {
    /// Its host name.
    pub(crate) name: &'a str,
    /// Its name in the plan, if it is a service.
    pub(crate) service: &'a str,
    pub(crate) image: &'a str,
    /// Variables, with where they are set.
    pub(crate) variables: Vec<(String, String, Origin)>,
    pub(crate) command: Vec<&'a str>,
    pub(crate) replicas: Option<(&'a str, Origin)>,
    pub(crate) origin: Origin,
}

impl Container<'_> {
    /// Adds it to the draft; returns the service's name if it is a service.
    pub(crate) fn add(&self, draft: &mut Draft) -> Option<String> {
        let image = image_name(self.image);
        if POSTGRES.contains(&image) {
            self.postgres(draft);
            return None;
        }
        if POOLERS.contains(&image) {
            self.pooler(image, draft);
            return None;
        }
        self.service(draft)
    }

    fn postgres(&self, draft: &mut Draft) {
        let database = &mut draft.database;
        if database.is_empty() {
            database.origin = self.origin.clone();
        }
        database.give("host", self.name.into(), self.origin.clone());
        let tag = self.image.rsplit_once(':').map_or("", |(_, tag)| tag);
        let major: String = tag.chars().take_while(char::is_ascii_digit).collect();
        if !major.is_empty() {
            database.give("version", Value::from_text(&major), self.origin.clone());
        }
        for (name, value) in arguments(&self.command) {
            server_setting(database, &name, value, &self.origin);
        }
        for (name, value, origin) in &self.variables {
            match name.as_str() {
                "POSTGRES_DB" if plain(value) => {
                    database.give("name", value.as_str().into(), origin.clone());
                }
                "POSTGRES_MAX_CONNECTIONS" => draft.observations.push(Observation {
                    ruling: Ruling::Correction(2),
                    what: format!("{name}={value}"),
                    origin: origin.clone(),
                }),
                _ => {}
            }
        }
    }

    fn pooler(&self, image: &str, draft: &mut Draft) {
        let section = draft
            .pooler
            .get_or_insert_with(|| Section::new(self.origin.clone()));
        section.give("kind", image.into(), self.origin.clone());
        section.give("host", self.name.into(), self.origin.clone());
        if let Some((replicas, origin)) = &self.replicas {
            section.give("instances", Value::from_text(replicas), origin.clone());
        }
        // This image reads names with a prefix, and ignores the others.
        let prefixed = self.image.starts_with("pgbouncer/pgbouncer");
        for (name, value, origin) in &self.variables {
            let own = name.strip_prefix("PGBOUNCER_");
            if prefixed && own.is_none() && POOLER.contains(&name.as_str()) {
                draft.observations.push(Observation {
                    ruling: Ruling::Correction(22),
                    what: format!("{} with {name}={value}", self.image),
                    origin: origin.clone(),
                });
                continue;
            }
            let key = own.unwrap_or(name);
            if POOLER.contains(&key) && plain(value) {
                let value = Value::from_text(value);
                section.give(&key.to_ascii_lowercase(), value, origin.clone());
            }
        }
    }

    fn service(&self, draft: &mut Draft) -> Option<String> {
        let mut names = self.variables.iter().map(|(name, ..)| name.as_str());
        if !names.any(uses_database) {
            return None;
        }
        let name = self.service.to_owned();
        let section = draft.service(&name, self.origin.clone());
        section.give("image", self.image.into(), self.origin.clone());
        if let Some((replicas, origin)) = &self.replicas {
            section.give("replicas", Value::from_text(replicas), origin.clone());
        }
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value, origin)| (&**name, &**value, origin.clone()));
        let observations = variables_of_service(section, variables);
        draft.observations.extend(observations);
        Some(name)
    }
}

/// Whether a container of this image with these variables is a service that opens connections.
pub(crate) fn opens_pools<'a>(image: &str, mut variables: impl Iterator<Item = &'a str>) -> bool {
    let image = image_name(image);
    !POSTGRES.contains(&image) && !POOLERS.contains(&image) && variables.any(uses_database)
}

fn uses_database(variable: &str) -> bool {
    [HOSTS.as_slice(), &["PHP_FPM_MAX_CHILDREN"]]
        .concat()
        .contains(&variable)
}

/// Reads the variables of a service, in any order; returns what is wrong with them.
pub(crate) fn variables_of_service<'a>(
    section: &mut Section,
    variables: impl Iterator<Item = (&'a str, &'a str, Origin)>,
) -> Vec<Observation> {
    let mut sayings = Sayings::default();
    let mut kinds = Vec::new();
    for (name, value, origin) in variables {
        if name == "DATABASE_URL" {
            if url(&mut sayings, value, &origin) {
                kinds.push(("prisma6", origin));
            }
        } else if plain(value) {
            variable(&mut sayings, name, value, &origin);
            match name {
                "PHP_FPM_MAX_CHILDREN" => kinds.push(("php-fpm", origin)),
                "DB_MAX_CONNECTIONS" => kinds.push(("sqlx", origin)),
                _ => {}
            }
        }
    }
    // The first one found wins: FPM's workers count wherever there are some, and Prisma reads no
    // DB_MAX_CONNECTIONS, while pgweir-sqlx reads a connection_limit.
    let kind = ["php-fpm", "sqlx", "prisma6"]
        .iter()
        .find_map(|kind| kinds.iter().find(|(found, _)| found == kind));
    if let Some((kind, origin)) = kind
        && (*kind == "php-fpm" || !section.has("kind"))
    {
        section.give("kind", (*kind).into(), origin.clone());
    }
    sayings.decide(section, "only one can be meant: keep that one")
}

fn variable(sayings: &mut Sayings, name: &str, value: &str, origin: &Origin) {
    let number = || Value::from_text(value);
    let seconds = || Value::from(format!("{value}s"));
    let (key, value) = match name {
        "DB_MAX_CONNECTIONS" | "PHP_FPM_MAX_CHILDREN" => ("pool", number()),
        "DB_MIN_CONNECTIONS" => ("pool_min", number()),
        "DB_ACQUIRE_TIMEOUT" => ("acquire_timeout", seconds()),
        "DB_IDLE_TIMEOUT" => ("idle_timeout", seconds()),
        "DB_MAX_LIFETIME" => ("max_lifetime", seconds()),
        "DB_DATABASE" => ("database", value.into()),
        "DB_USERNAME" => ("user", value.into()),
        "PHP_FPM_START_SERVERS" => ("start_servers", number()),
        "PHP_FPM_MIN_SPARE" => ("min_spare_servers", number()),
        "PHP_FPM_MAX_SPARE" => ("max_spare_servers", number()),
        "PHP_FPM_MAX_REQUESTS" => ("max_requests", number()),
        _ => return,
    };
    sayings.add(key, value, name, origin);
}

/// Settings on a command line of PostgreSQL: `-c name=value`, `--name=value`, and short options.
fn arguments<'a>(command: &[&'a str]) -> Vec<(String, &'a str)> {
    let mut words = command.iter().flat_map(|word| word.split_whitespace());
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
            settings.push((name.to_owned(), value.trim_matches(QUOTES)));
        } else if let Some((name, value)) = word
            .trim_start_matches("--")
            .trim_start_matches("-c")
            .split_once('=')
        {
            // PostgreSQL accepts dashes for underscores on its command line.
            settings.push((name.replace('-', "_"), value.trim_matches(QUOTES)));
        }
    }
    settings
}

/// A service whose host is the pooler's goes through it.
pub(crate) fn via(draft: &mut Draft, behind: &[(String, Vec<String>)]) {
    let Some(pooler) = &draft.pooler else { return };
    let host = match pooler.get("host").map(|given| &given.value) {
        Some(Value::Text(host)) => host.to_string(),
        _ => return,
    };
    for (name, addresses) in behind {
        if addresses.iter().all(|address| address == UNKNOWN) {
            continue;
        }
        let goes = addresses.iter().any(|address| {
            let after = address.rsplit('@').next().unwrap_or(address);
            let end = after.find([':', '/', '?', '.']).unwrap_or(after.len());
            after[..end] == host
        });
        let section = draft.service(name, Origin::Default);
        let origin = section.origin.clone();
        let via = if goes { "pooler" } else { "direct" };
        section.give("via", via.into(), origin);
    }
}

/// `postgres` of `registry.example:5000/library/postgres:17`.
fn image_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}

/// Stands for a value that is defined elsewhere.
pub(crate) const UNKNOWN: &str = "$";

/// Variables with the address of the database.
pub(crate) const HOSTS: [&str; 3] = ["DATABASE_URL", "DB_HOST", "PGHOST"];

/// Images of PostgreSQL.
const POSTGRES: [&str; 4] = ["postgres", "postgresql", "postgis", "timescaledb"];

/// Images of poolers.
const POOLERS: [&str; 2] = ["pgbouncer", "pgweir"];

/// Quotes that a shell removes.
const QUOTES: [char; 2] = ['"', '\''];

/// Short options of `postgres` and their settings.
const LETTERS: [(&str, &str); 4] = [
    ("-N", "max_connections"),
    ("-B", "shared_buffers"),
    ("-S", "work_mem"),
    ("-p", "port"),
];

/// Variables of PgBouncer's images that the planner knows.
const POOLER: [&str; 8] = [
    "POOL_MODE",
    "MAX_CLIENT_CONN",
    "DEFAULT_POOL_SIZE",
    "RESERVE_POOL_SIZE",
    "MAX_DB_CONNECTIONS",
    "QUERY_WAIT_TIMEOUT",
    "SERVER_LIFETIME",
    "SERVER_IDLE_TIMEOUT",
];
