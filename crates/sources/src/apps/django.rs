//! Django's `settings.py`: `DATABASES`.
//!
//! Without a pool Django opens a connection for each thread and database, so that whoever starts it says
//! how many there are.

use std::ops::Range;

use crate::inventory::{Address, Program, Scheme, Text};

use super::address::address;
use super::code::{Code, Field};
use super::databases::{self, Database, Size};
use super::hosts::kind_named;

/// Whether a file has databases of Django.
pub(crate) fn is_settings(code: &Code<'_>) -> bool {
    !code.assignments("DATABASES").is_empty() || !indexed(code).is_empty()
}

pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let mut databases = Vec::new();
    let mut open = Vec::new();
    for value in code.assignments("DATABASES") {
        match code.inside(value.clone()) {
            Some(inside) => {
                for Field { key, value } in code.fields(inside) {
                    match database(code, &key, value.clone()) {
                        Some(database) => databases.push(database),
                        None => open.push((key, value)),
                    }
                }
            }
            None => open.push(("DATABASES".to_owned(), value)),
        }
    }
    for (alias, value) in indexed(code) {
        match database(code, &alias, value.clone()) {
            Some(database) => {
                databases.retain(|known: &Database| known.name != alias);
                databases.push(database);
            }
            None => open.push((alias, value)),
        }
    }
    let pooled = databases
        .iter()
        .all(|database| !matches!(database.size, Size::Unsaid));
    let mut programs = databases::programs(code.settings.whole(), databases);
    if programs.is_empty() {
        programs.push(Program {
            origin: code.settings.whole(),
            ..Program::default()
        });
    }
    for program in &mut programs {
        let of_postgres = program
            .addresses
            .iter()
            .find(|address| !matches!(address.scheme, Scheme::Other(_)));
        if let Some(address) = of_postgres.filter(|_| !pooled) {
            let origin = address.origin.clone();
            program.leave_unsaid(
                "Django without a pool opens a connection for each thread, and how many there are is not said",
                "pool",
                origin,
            );
        }
    }
    for (alias, value) in open {
        let what = format!("{alias} is an expression, and is not read");
        programs[0].leave_open(what, "pool", code.origin(value.start));
    }
    programs
}

/// `DATABASES["default"] = …`, by its alias.
fn indexed(code: &Code<'_>) -> Vec<(String, Range<usize>)> {
    code.indexed("DATABASES")
}

fn database(code: &Code<'_>, alias: &str, value: Range<usize>) -> Option<Database> {
    if let Some(inside) = code.inside(value.clone()) {
        let fields = code.fields(inside);
        let nested = fields.iter().find(|field| field.key == "**");
        if let Some(nested) = nested {
            // `{**env.db(), "CONN_MAX_AGE": 60}`.
            let mut found = from_url(code, alias, nested.value.clone())?;
            found.size = size(code, alias, &fields);
            return Some(found);
        }
        return of_fields(code, alias, value, &fields);
    }
    from_url(code, alias, value)
}

fn of_fields(
    code: &Code<'_>,
    alias: &str,
    value: Range<usize>,
    fields: &[Field],
) -> Option<Database> {
    let get = |key: &str| {
        let mut all = fields.iter();
        let field = all.find(|field| field.key == key)?;
        Some(code.value(field.value.clone())).filter(|text| !text.is_empty())
    };
    let origin = code.origin(value.start);
    let engine = get("ENGINE")?;
    let scheme = engine
        .known()
        .map_or(Scheme::Unsaid, |engine| match engine {
            "psqlextra.backend" => Scheme::Postgres,
            engine => kind_named(engine).unwrap_or(Scheme::Unsaid),
        });
    let mut address = Address::of_kind(scheme, format!("DATABASES.{alias}"), origin);
    for (key, part) in [
        ("HOST", &mut address.host),
        ("PORT", &mut address.port),
        ("NAME", &mut address.database),
        ("USER", &mut address.user),
    ] {
        *part = get(key).unwrap_or_default();
    }
    Some(Database {
        name: alias.to_owned(),
        address,
        size: size(code, alias, fields),
    })
}

/// `env.db()`, `dj_database_url.config(default=…)`, `dj_database_url.parse(…)`.
fn from_url(code: &Code<'_>, alias: &str, value: Range<usize>) -> Option<Database> {
    let (callee, arguments) = code.call(&value)?;
    let end = callee.rsplit('.').next().unwrap_or(callee);
    if ![
        "db",
        "db_url",
        "dj_db_url",
        "config",
        "parse",
        "db_url_config",
    ]
    .contains(&end)
    {
        return None;
    }
    let mut name = None;
    let mut default = None;
    let mut fields = Vec::new();
    for item in code.items(arguments) {
        match code.keyword(item.clone()) {
            Some(field) if field.key == "default" => default = Some(code.value(field.value)),
            Some(field) if field.key == "env" || field.key == "var" => {
                name = code.value(field.value).known().map(str::to_owned);
            }
            Some(field) => fields.push(field),
            None if end == "parse" || end == "db_url_config" => default = Some(code.value(item)),
            None => name = code.value(item).known().map(str::to_owned),
        }
    }
    let origin = code.origin(value.start);
    let url = if end == "parse" || end == "db_url_config" {
        default?
    } else {
        let name = name.unwrap_or_else(|| "DATABASE_URL".to_owned());
        code.settings.variable(&name, default, origin)
    };
    let by = format!("DATABASES.{alias}");
    let found = address(&by, &url);
    let known = url.known().is_some();
    // What is known and no address is none that anybody could understand.
    let address = match found {
        Some(found) => found,
        None if known => return None,
        None => Address::unknown(url, &*by),
    };
    Some(Database {
        name: alias.to_owned(),
        address,
        size: size(code, alias, &fields),
    })
}

fn size(code: &Code<'_>, alias: &str, fields: &[Field]) -> Size {
    let options = fields.iter().find(|field| field.key == "OPTIONS");
    let inside = options.and_then(|options| code.inside(options.value.clone()));
    let options = inside.map(|inside| code.fields(inside)).unwrap_or_default();
    let number = |text: &Text, by: String| Size::of(text, &by);
    if let Some(limit) = options.iter().find(|field| field.key == "MAX_CONNS") {
        return number(
            &code.value(limit.value.clone()),
            format!("MAX_CONNS of {alias}"),
        );
    }
    let Some(pool) = options.iter().find(|field| field.key == "pool") else {
        return Size::Unsaid;
    };
    let default =
        |origin| Size::Default(POOL, format!("psycopg's default pool for {alias}"), origin);
    let Some(inside) = code.inside(pool.value.clone()) else {
        let value = code.value(pool.value.clone());
        return match value.known() {
            Some("true") => default(value.origin),
            Some("false" | "") => Size::Unsaid,
            _ => Size::not_plain(format!("pool of {alias} is no plain value"), value.origin),
        };
    };
    let sizes = code.fields(inside);
    let of = |key: &str| {
        let field = sizes.iter().find(|field| field.key == key)?;
        Some(code.value(field.value.clone())).filter(|text| !text.is_empty())
    };
    // Without a maximum the pool keeps its minimum.
    match of("max_size").or_else(|| of("min_size")) {
        Some(text) => number(&text, format!("pool of {alias}")),
        None => default(code.origin(pool.value.start)),
    }
}

/// `min_size` of a `psycopg_pool`, which is its maximum too unless that is given.
const POOL: u64 = 4;

#[cfg(test)]
mod tests;
