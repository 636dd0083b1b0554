//! Ecto's repositories in `config/*.exs`.

use std::ops::Range;

use crate::inventory::{Address, Program, Scheme};

use super::address::address;
use super::code::{Code, Field};
use super::databases::{self, Database, Size};

/// Repositories that a configuration has. That of tests and developers is in files of their own, which do
/// not count.
pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let file = code.settings.file_name();
    let mut program = Program {
        origin: code.settings.whole(),
        ..Program::default()
    };
    if ["dev.exs", "test.exs"].contains(&file.as_str()) {
        program.leave_out(
            format!("{file} is for developers and tests, and is not counted"),
            "nothing to do",
            code.settings.whole(),
        );
        return vec![program];
    }
    let repositories = code.statements("config").into_iter();
    let found: Vec<Database> = repositories
        .filter_map(|range| repository(code, range))
        .collect();
    let programs = databases::programs(code.settings.whole(), found);
    if programs.is_empty() {
        vec![program]
    } else {
        programs
    }
}

/// `config :app, App.Repo, url: …, pool_size: 10`.
fn repository(code: &Code<'_>, range: Range<usize>) -> Option<Database> {
    let at = range.start;
    let items = code.items(range);
    let name = &code.plain()[items.get(1)?.clone()];
    let fields: Vec<Field> = items[2..]
        .iter()
        .flat_map(|item| code.fields(item.clone()))
        .collect();
    let get = |key: &str| {
        let field = fields.iter().find(|field| field.key == key)?;
        Some(code.value(field.value.clone())).filter(|text| !text.is_empty())
    };
    let about = ["url", "hostname", "database", "pool_size", "socket_dir"];
    let module = name.starts_with(|c: char| c.is_ascii_uppercase());
    if !module || !name.contains("Repo") || !about.iter().any(|key| get(key).is_some()) {
        return None;
    }
    let by = name.to_owned();
    let mut found = match get("url") {
        Some(url) => address(&by, &url).unwrap_or_else(|| Address::unknown(url, &*by)),
        None => Address::of_kind(Scheme::Unsaid, &*by, code.origin(at)),
    };
    let adapter = get("adapter");
    let adapter = adapter
        .as_ref()
        .and_then(|adapter| adapter.gaps().first().cloned())
        .unwrap_or_default();
    if found.scheme == Scheme::Unsaid {
        found.scheme = match adapter.as_str() {
            name if name.ends_with("MyXQL") => Scheme::Other("MySQL"),
            name if name.ends_with("SQLite3") => Scheme::Other("SQLite"),
            name if name.ends_with("Tds") => Scheme::Other("SQL Server"),
            name if name.ends_with("Postgres") => Scheme::Postgres,
            _ => Scheme::Unsaid,
        };
    }
    for (key, part) in [
        ("hostname", &mut found.host),
        ("port", &mut found.port),
        ("database", &mut found.database),
        ("username", &mut found.user),
    ] {
        if part.is_empty() {
            *part = get(key).unwrap_or_default();
        }
    }
    let in_url = found.parameters.iter().find(|(key, _)| key == "pool_size");
    let size = match (get("pool_size"), in_url) {
        (Some(size), _) => Size::of(&size, &format!("pool_size of {by}")),
        (None, Some((_, size))) => Size::of(size, &format!("pool_size of the URL of {by}")),
        (None, None) => Size::Default(
            POOL,
            format!("the default of Ecto for {by}"),
            code.origin(at),
        ),
    };
    // With several pools of a repository each has that size.
    let size = match (get("pool_count"), size) {
        (Some(count), Size::Known(size, by, origin)) => {
            match count.known().and_then(|count| count.parse::<u64>().ok()) {
                Some(count) => Size::Known(
                    size.saturating_mul(count),
                    format!("{by} times pool_count"),
                    origin,
                ),
                None => Size::of(&count, "pool_count"),
            }
        }
        (_, size) => size,
    };
    Some(Database {
        name: by.rsplit('.').next().unwrap_or(&by).to_owned(),
        address: found,
        size,
    })
}

/// `pool_size` of Ecto.
const POOL: u64 = 10;

#[cfg(test)]
mod tests;
