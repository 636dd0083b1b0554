//! Files of lines: `.env`, php-fpm pools, Prisma schemas.

use pgweir_advisor::fleet::{Draft, Value};

use super::file::SourceFile;
use super::names::service_name;
use super::said::Sayings;
use super::url::{plain, url};

/// Lines of the form `name = value`: number, name, value without quotes.
pub(crate) fn assignments<'a>(
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

pub(crate) fn php_fpm(source: &SourceFile<'_>) -> Draft {
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

pub(crate) fn prisma_schema(source: &SourceFile<'_>) -> Draft {
    let mut draft = Draft::default();
    let name = source.service();
    let section = draft.service(&name, source.line(0));
    let mut sayings = Sayings::default();
    let mut limited = false;
    for (line, key, value) in assignments(source.text, &['/']) {
        let origin = source.line(line);
        match (key, value) {
            // The generator of Prisma 7, whose clients have no pool of their own.
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
