//! Sizes of pools in variables, known by the form of their names: `DB_POOL_SIZE`, `SPRING_DATASOURCE_HIKARI_…`,
//! `AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW`.

use crate::inventory::{Program, Text, Unknown, Variable};

/// Adds the pools that variables say.
pub(crate) fn sizes(program: &mut Program, variables: &[Variable]) {
    let mut parts: Vec<Part<'_>> = variables.iter().filter_map(Part::of).collect();
    // Whatever their order is.
    parts.sort_by_key(|part| (part.start.clone(), part.size, part.name));
    let certain = |part: &&Part<'_>| part.about == About::Database;
    for part in parts.iter().filter(certain) {
        match part.size {
            Size::Max => maximum(program, part, &parts),
            Size::Min => number(program, part, "pool_min", 0),
            Size::Overflow => {
                let has_size =
                    |other: &Part<'_>| other.size == Size::Max && other.start == part.start;
                if !parts.iter().any(has_size) {
                    number(program, part, "pool", POOL_SIZE);
                }
            }
        }
    }
    if program.mentions("pool") {
        return;
    }
    for part in parts.iter().filter(|part| part.about == About::Something) {
        program.unsaid.push(Unknown {
            what: format!("{} may be the size of a pool of connections", part.name),
            add: "set pool of the service in fleet.toml".to_owned(),
            key: Some("pool"),
            origin: part.value.origin.clone(),
        });
    }
}

/// A pool's size, and what it may grow beyond that.
fn maximum(program: &mut Program, part: &Part<'_>, parts: &[Part<'_>]) {
    let mut all = parts.iter();
    let overflow = all.find(|other| other.size == Size::Overflow && other.start == part.start);
    let Some(overflow) = overflow else {
        let more = if part.is_sqlalchemy() {
            MAX_OVERFLOW
        } else {
            0
        };
        return number(program, part, "pool", more);
    };
    let known = |part: &Part<'_>| part.value.known()?.trim().parse::<i64>().ok();
    match (known(part), known(overflow)) {
        (Some(size), Some(overflow_max)) if size > 0 && overflow_max >= 0 => program.give(
            "pool",
            size.saturating_add(overflow_max).unsigned_abs(),
            format!("{} with {}", part.name, overflow.name),
            part.value.origin.clone(),
        ),
        (Some(size), Some(_)) => unlimited(program, if size > 0 { overflow } else { part }),
        (Some(_), None) => number(program, overflow, "pool", 0),
        (None, _) => number(program, part, "pool", 0),
    }
}

fn number(program: &mut Program, part: &Part<'_>, key: &'static str, more: u64) {
    let origin = part.value.origin.clone();
    let Some(known) = part.value.known() else {
        if key == "pool" {
            let what = part.value.gaps().join(" and ");
            let what = format!("{} is {what}, which none of the files says", part.name);
            program.leave_open(what, key, origin);
        }
        return;
    };
    match known.trim().parse::<u64>() {
        Ok(0) if key == "pool" && part.is_sqlalchemy() => unlimited(program, part),
        Ok(size) if more > 0 => {
            let by = match part.size {
                Size::Overflow => format!("{} with the default pool_size", part.name),
                Size::Max | Size::Min => format!("{} with the default max_overflow", part.name),
            };
            program.give(key, size.saturating_add(more), by, origin);
        }
        Ok(size) => program.give(key, size, part.name, origin),
        Err(_) if part.size == Size::Overflow => unlimited(program, part),
        // `DB_POOL=transaction`, `DB_POOL=true`: no size.
        Err(_) => {}
    }
}

fn unlimited(program: &mut Program, part: &Part<'_>) {
    let value = part.value.known().unwrap_or_default().trim();
    let what = format!("{}={value} is a pool without a limit", part.name);
    program.leave_open(what, "pool", part.value.origin.clone());
}

/// A variable that is about the size of a pool.
struct Part<'a> {
    name: &'a str,
    value: &'a Text,
    size: Size,
    /// Its name without what says the size.
    start: String,
    about: About,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    Max,
    Min,
    Overflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// A database like PostgreSQL.
    Database,
    /// Not said.
    Something,
}

impl<'a> Part<'a> {
    fn of(variable: &'a Variable) -> Option<Self> {
        if variable.value.is_empty() || READ_ELSEWHERE.contains(&variable.name.as_str()) {
            return None;
        }
        let words: Vec<String> = variable
            .name
            .split(['_', '.', '-'])
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_uppercase)
            .collect();
        let joined = words.concat();
        let sizes = [
            (Size::Min, MINIMA),
            (Size::Overflow, OVERFLOWS),
            (Size::Max, MAXIMA),
        ];
        let (size, end) = sizes.iter().find_map(|(size, ends)| {
            let end = ends.iter().find(|end| joined.ends_with(**end))?;
            Some((*size, *end))
        })?;
        let start = joined[..joined.len() - end.len()].to_owned();
        let said = |word: &&str| words.iter().any(|part| part == word);
        let fused = |word: &&str| start.ends_with(word);
        let alone = DATABASES.contains(&start.as_str());
        if OTHER.iter().any(said) || POOLER.contains(&start.as_str()) {
            return None;
        }
        let servers_own =
            ["POSTGRES", "POSTGRESQL"].contains(&start.as_str()) && end == "MAXCONNECTIONS";
        let about = match start.as_str() {
            // MAX_CONNECTIONS alone may be those of a web server.
            // POOL alone may be anything, such as what compose puts into a URL.
            "" if end == "POOL" => return None,
            "" if end.contains("POOL") || size == Size::Overflow => About::Database,
            _ if servers_own => About::Something,
            _ if alone || DATABASES.iter().any(said) || FUSED.iter().any(fused) => About::Database,
            _ => About::Something,
        };
        let number = variable
            .value
            .known()
            .is_none_or(|value| value.trim().parse::<u64>().is_ok());
        if about == About::Something && (size != Size::Max || end == "POOL" || !number) {
            return None;
        }
        Some(Self {
            name: &variable.name,
            value: &variable.value,
            size,
            start,
            about,
        })
    }

    fn is_sqlalchemy(&self) -> bool {
        self.start.contains("SQLALCHEMY")
    }
}

/// SQLAlchemy's defaults of `QueuePool`.
pub(crate) const POOL_SIZE: u64 = 5;
/// What it opens beyond that at most.
pub(crate) const MAX_OVERFLOW: u64 = 10;

/// Ends of names, without underscores; a longer one before one that it ends with.
const MAXIMA: &[&str] = &[
    "MAXIMUMPOOLSIZE",
    "MAXPOOLSIZE",
    "POOLMAXSIZE",
    "POOLMAXCONNECTIONS",
    "POOLMAXCONNS",
    "POOLSIZEMAX",
    "POOLMAX",
    "POOLLIMIT",
    "POOLSIZE",
    "MAXPOOL",
    "CONNECTIONLIMIT",
    "MAXOPENCONNECTIONS",
    "MAXOPENCONNS",
    "MAXOPENCONN",
    "MAXOPEN",
    "MAXCONNECTIONS",
    "MAXCONNS",
    "JDBCMAXSIZE",
    "REACTIVEMAXSIZE",
    "CONNECTIONPOOL",
    "POOL",
];

const MINIMA: &[&str] = &[
    "MINIMUMPOOLSIZE",
    "MINPOOLSIZE",
    "POOLMINSIZE",
    "POOLSIZEMIN",
    "POOLMIN",
    "MINPOOL",
    "MINIMUMIDLE",
    "MINCONNECTIONS",
    "MINCONNS",
    "JDBCMINSIZE",
];

const OVERFLOWS: &[&str] = &["MAXOVERFLOW", "POOLOVERFLOW"];

/// Words of names that are about a database like PostgreSQL, or a library for one.
const DATABASES: &[&str] = &[
    "DB",
    "DATABASE",
    "PG",
    "PGSQL",
    "POSTGRES",
    "POSTGRESQL",
    "SQL",
    "SQLALCHEMY",
    "ALCHEMY",
    "HIKARI",
    "HIKARICP",
    "DATASOURCE",
    "DATASOURCES",
    "JDBC",
    "R2DBC",
    "QUARKUS",
    "PRISMA",
    "ECTO",
    "REPO",
    "KNEX",
    "TYPEORM",
    "SEQUELIZE",
    "ASYNCPG",
    "PGX",
    "ORM",
    "RAILS",
];

/// Ends of words that say the same.
const FUSED: &[&str] = &["DB", "DATABASE", "POSTGRES", "DATASOURCE"];

/// What stands before `POOL_SIZE` in settings of PgBouncer.
const POOLER: &[&str] = &["DEFAULT", "RESERVE", "THREAD"];

/// Words of names that are about something else.
const OTHER: &[&str] = &[
    "REDIS",
    "VALKEY",
    "CACHE",
    "MEMCACHED",
    "MONGO",
    "MONGODB",
    "MYSQL",
    "MARIADB",
    "MSSQL",
    "ORACLE",
    "CLICKHOUSE",
    "CASSANDRA",
    "ELASTIC",
    "ELASTICSEARCH",
    "OPENSEARCH",
    "HTTP",
    "HTTPS",
    "THREAD",
    "THREADS",
    "BUFFER",
    "MEMORY",
    "KAFKA",
    "AMQP",
    "RABBITMQ",
    "BROKER",
    "NATS",
    "GRPC",
    "LDAP",
    "SMTP",
    "S3",
    "UV",
    "WEBSOCKET",
    "PASSENGER",
    "PGBOUNCER",
    "IP",
    "STORAGE",
];

/// Variables with a meaning of their own.
const READ_ELSEWHERE: &[&str] = &["DB_MAX_CONNECTIONS", "DB_MIN_CONNECTIONS"];

#[cfg(test)]
mod tests;
