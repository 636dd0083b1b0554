//! Laravel: `config/database.php`, and `config/horizon.php`.
//!
//! Each process of PHP has a connection of its own to each database that it uses; whoever starts them says
//! how many there are.

use std::ops::Range;

use crate::inventory::{Address, Program, Scheme, Text};

use super::address::address;
use super::code::{Code, Field};
use super::hosts::kind_named;

/// The connection that is used unless one is named, and those of PostgreSQL with names of their own.
pub(crate) fn database(code: &Code<'_>) -> Vec<Program> {
    let mut program = Program {
        origin: code.settings.whole(),
        ..Program::default()
    };
    let Some(root) = returned(code) else {
        program.leave_open(
            "no connection of it is understood",
            "pool",
            code.settings.whole(),
        );
        return vec![program];
    };
    let fields = code.fields(root);
    let get = |key: &str| fields.iter().find(|field| field.key == key);
    let default = get("default").map(|field| code.value(field.value.clone()));
    let connections = get("connections").and_then(|field| code.inside(field.value.clone()));
    let connections = connections
        .map(|inside| code.fields(inside))
        .unwrap_or_default();
    let name = default.as_ref().and_then(Text::known);
    let mut dsns = 0_u64;
    for connection in &connections {
        let is_default = name.map_or(connection.key == "pgsql", |name| name == connection.key);
        let of_template = TEMPLATE.contains(&connection.key.as_str());
        if !is_default && of_template {
            continue;
        }
        let Some(found) = self::connection(code, connection) else {
            continue;
        };
        if matches!(found.address.scheme, Scheme::Other(_)) {
            if is_default {
                program.addresses.push(found.address);
            }
            continue;
        }
        dsns = dsns.saturating_add(found.dsns);
        if found.is_persistent {
            program.give(
                "persistent",
                true,
                "PDO::ATTR_PERSISTENT",
                found.address.origin.clone(),
            );
        }
        program.addresses.push(found.address);
    }
    if dsns > 1 {
        program.give("dsns", dsns, "connections", code.settings.whole());
    }
    if name.is_none()
        && let Some(text) = default
    {
        let gaps = text.gaps().join(" and ");
        let what =
            format!("which connection is the default is {gaps}, which none of the files says");
        program.leave_open(what, "dsns", text.origin);
    }
    vec![program]
}

struct Connection {
    address: Address,
    /// Two where reads go elsewhere: a request that does both has both open.
    dsns: u64,
    is_persistent: bool,
}

fn connection(code: &Code<'_>, connection: &Field) -> Option<Connection> {
    let inside = code.inside(connection.value.clone())?;
    let fields = code.fields(inside);
    let field = |key: &str| fields.iter().find(|field| field.key == key);
    let get = |key: &str| {
        let value = code.value(field(key)?.value.clone());
        Some(value).filter(|value| !value.is_empty())
    };
    let driver = get("driver")?;
    let scheme = driver
        .known()
        .and_then(kind_named)
        .unwrap_or(Scheme::Unsaid);
    let origin = code.origin(connection.value.start);
    let by = format!("connections.{}", connection.key);
    let url = get("url").filter(|url| url.known().is_some());
    let mut found = url
        .and_then(|url| address(&by, &url))
        .unwrap_or_else(|| Address::of_kind(scheme, &*by, origin));
    found.scheme = scheme;
    for (key, part) in [
        ("host", &mut found.host),
        ("port", &mut found.port),
        ("database", &mut found.database),
        ("username", &mut found.user),
    ] {
        if part.is_empty() {
            *part = get(key).unwrap_or_default();
        }
    }
    let write = field("write").and_then(|write| code.inside(write.value.clone()));
    if let Some(host) = write.and_then(|inside| host(code, inside)) {
        found.host = host;
    }
    let options = field("options").map_or("", |options| &code.plain()[options.value.clone()]);
    let persistent = options.find("ATTR_PERSISTENT").is_some_and(|at| {
        let after = options[at..]
            .split_once("=>")
            .map_or("", |(_, after)| after);
        after.trim_start().starts_with("true")
    });
    Some(Connection {
        address: found,
        dsns: if field("read").is_some() { 2 } else { 1 },
        is_persistent: persistent,
    })
}

/// `'host' => ['10.0.0.1', …]`: the first of them.
fn host(code: &Code<'_>, inside: Range<usize>) -> Option<Text> {
    let fields = code.fields(inside);
    let field = fields.into_iter().find(|field| field.key == "host")?;
    match code.inside(field.value.clone()) {
        Some(list) => Some(code.value(code.items(list).into_iter().next()?)),
        None => Some(code.value(field.value)),
    }
}

/// Horizon's workers: the most that supervisors of production start together.
pub(crate) fn horizon(code: &Code<'_>) -> Vec<Program> {
    let mut program = Program {
        name: Some("horizon".to_owned()),
        kind: Some(("queue", code.settings.whole())),
        origin: code.settings.whole(),
        ..Program::default()
    };
    let fields = returned(code)
        .map(|root| code.fields(root))
        .unwrap_or_default();
    let below = |fields: &[Field], key: &str| {
        let field = fields.iter().find(|field| field.key == key)?;
        Some(code.fields(code.inside(field.value.clone())?))
    };
    let defaults = below(&fields, "defaults").unwrap_or_default();
    let environments = below(&fields, "environments").unwrap_or_default();
    let production = below(&environments, "production").unwrap_or_default();
    // Supervisors that an environment does not name have what the defaults say.
    let names: Vec<&str> = match production.is_empty() {
        true => defaults.iter().map(|field| field.key.as_str()).collect(),
        false => production.iter().map(|field| field.key.as_str()).collect(),
    };
    let mut sum = 0_u64;
    for name in names {
        let of = |all: &[Field]| {
            let options = below(all, name)?;
            let field = ["maxProcesses", "processes"]
                .iter()
                .find_map(|key| options.iter().find(|field| field.key == *key).cloned())?;
            Some(code.value(field.value))
        };
        let count = of(&production).or_else(|| of(&defaults));
        match count
            .as_ref()
            .map(|count| count.known().and_then(|known| known.parse::<u64>().ok()))
        {
            Some(Some(count)) => sum = sum.saturating_add(count),
            None => sum = sum.saturating_add(1),
            Some(None) => {
                let what = format!("the number of processes of {name} is not plain");
                program.leave_open(what, "processes", code.settings.whole());
            }
        }
    }
    if sum == 0 && program.unknown.is_empty() {
        program.leave_open(
            "no supervisor of it is understood",
            "processes",
            code.settings.whole(),
        );
    } else if program.unknown.is_empty() {
        program.multiply(sum, "maxProcesses of Horizon", code.settings.whole());
    }
    vec![program]
}

/// What the file returns, if it is an array.
fn returned(code: &Code<'_>) -> Option<Range<usize>> {
    code.statements("return")
        .into_iter()
        .find_map(|range| code.inside(range))
}

/// Connections that every application has in its file, used or not.
const TEMPLATE: [&str; 5] = ["sqlite", "mysql", "mariadb", "pgsql", "sqlsrv"];

#[cfg(test)]
mod tests;
