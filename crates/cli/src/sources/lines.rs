//! Files of lines: `.env`, php-fpm pools, `pgbouncer.ini`, Prisma schemas, Rust with SQLx.

use pgweir_advisor::fleet::{Draft, Section, Value};

use super::container::{plain, url, variables_of_service};
use super::said::Sayings;
use super::{Source, service_name};

/// Lines that assign: number, name, value without quotes.
fn assignments<'a>(
    text: &'a str,
    comments: &'a [char],
) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if line.starts_with(comments) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let inner = |quote: char| {
            value
                .strip_prefix(quote)?
                .split_once(quote)
                .map(|(value, _)| value)
        };
        let value = inner('"').or_else(|| inner('\'')).unwrap_or_else(|| {
            let comment = |(at, c): &(usize, char)| {
                (*c == '#' || *c == ';') && value[..*at].ends_with(char::is_whitespace)
            };
            let end = value.char_indices().find(comment);
            value[..end.map_or(value.len(), |(at, _)| at)].trim()
        });
        Some((at + 1, name.trim().trim_start_matches("export "), value))
    })
}

pub(super) fn environment(source: &Source<'_>) -> Draft {
    let mut draft = Draft::default();
    let name = source.service();
    let section = draft.service(&name, source.line(0));
    let variables = assignments(source.text, &['#']);
    let variables = variables.map(|(line, name, value)| (name, value, source.line(line)));
    let observations = variables_of_service(section, variables);
    if section.is_empty() {
        draft.services.clear();
    }
    draft.observations = observations;
    draft
}

pub(super) fn php_fpm(source: &Source<'_>) -> Draft {
    let mut draft = Draft::default();
    let mut name = source.service();
    for (at, line) in source.text.lines().enumerate() {
        let line = line.trim();
        let inner = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        if let Some(pool) = inner {
            if pool != "global" && pool != "www" {
                name = service_name(pool);
            }
            continue;
        }
        let Some((_, setting, value)) = assignments(line, &[';', '#']).next() else {
            continue;
        };
        let key = match setting {
            "pm.max_children" => "pool",
            "pm.start_servers" => "start_servers",
            "pm.min_spare_servers" => "min_spare_servers",
            "pm.max_spare_servers" => "max_spare_servers",
            "pm.max_requests" => "max_requests",
            _ => continue,
        };
        let section = draft.service(&name, source.line(at + 1));
        let origin = source.line(at + 1);
        section.give("kind", "php-fpm".into(), origin.clone());
        if plain(value) {
            section.give(key, Value::from_text(value), origin);
        }
    }
    draft
}

pub(super) fn pgbouncer(source: &Source<'_>) -> Draft {
    let mut draft = Draft::default();
    let mut section = Section::new(source.line(0));
    section.set("kind", "pgbouncer");
    let mut databases = false;
    for (at, line) in source.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            databases = line == "[databases]";
            continue;
        }
        let Some((_, name, value)) = assignments(line, &[';', '#']).next() else {
            continue;
        };
        let origin = source.line(at + 1);
        if databases {
            for (key, value) in value
                .split_whitespace()
                .filter_map(|pair| pair.split_once('='))
            {
                if key == "host" && plain(value) {
                    draft.database.give("host", value.into(), origin.clone());
                }
            }
            continue;
        }
        let seconds = || match value {
            "0" => Value::Integer(0),
            _ => Value::from(format!("{value}s")),
        };
        let (key, value) = match name {
            "pool_mode" => (name, value.into()),
            "listen_port" => ("port", Value::from_text(value)),
            "default_pool_size" | "reserve_pool_size" | "max_client_conn" => {
                (name, Value::from_text(value))
            }
            // 0 is no limit, which the planner has as not given.
            "max_db_connections" if value != "0" => (name, Value::from_text(value)),
            "query_wait_timeout"
            | "idle_transaction_timeout"
            | "client_idle_timeout"
            | "server_lifetime"
            | "server_idle_timeout" => (name, seconds()),
            _ => continue,
        };
        section.give(key, value, origin);
    }
    draft.pooler = Some(section);
    draft
}

pub(super) fn prisma_schema(source: &Source<'_>) -> Draft {
    let mut draft = Draft::default();
    let name = source.service();
    let section = draft.service(&name, source.line(0));
    let mut sayings = Sayings::default();
    let mut limited = false;
    for (line, key, value) in assignments(source.text, &['/']) {
        let origin = source.line(line);
        match (key, value) {
            // The generator of 7, whose clients have no pool of their own.
            ("provider", "prisma-client") => section.give("kind", "prisma7".into(), origin),
            ("provider", "prisma-client-js") => section.give("kind", "prisma6".into(), origin),
            ("url", value) if value.contains("://") => {
                limited |= url(&mut sayings, value, &origin);
            }
            _ => {}
        }
    }
    if limited && !section.has("kind") {
        section.set("kind", "prisma6");
    }
    let observations = sayings.decide(section, "keep one of them");
    draft.observations = observations;
    draft
}

/// Options of `PgPoolOptions` that are plain numbers.
pub(super) fn sqlx_code(source: &Source<'_>) -> Draft {
    let mut draft = Draft::default();
    if !source.text.contains("PgPoolOptions") {
        return draft;
    }
    let name = source.service();
    let section = draft.service(&name, source.line(0));
    section.set("kind", "sqlx");
    for (at, line) in source.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let origin = source.line(at + 1);
        let argument = |method: &str| {
            let (_, after) = code.split_once(&format!(".{method}("))?;
            let after = after.trim_start_matches("Some(");
            let (unit, digits) = match after.split_once("Duration::from_") {
                Some(("", rest)) => {
                    let (unit, rest) = rest.split_once('(')?;
                    (
                        match unit {
                            "secs" => "s",
                            "millis" => "ms",
                            _ => return None,
                        },
                        rest,
                    )
                }
                _ => ("", after),
            };
            let digits: String = digits
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '_')
                .filter(|c| *c != '_')
                .collect();
            (!digits.is_empty()).then(|| Value::from_text(&format!("{digits}{unit}")))
        };
        for (method, key) in [
            ("max_connections", "pool"),
            ("min_connections", "pool_min"),
            ("acquire_timeout", "acquire_timeout"),
            ("idle_timeout", "idle_timeout"),
            ("max_lifetime", "max_lifetime"),
        ] {
            if let Some(value) = argument(method) {
                section.give(key, value, origin.clone());
            }
        }
    }
    draft
}
