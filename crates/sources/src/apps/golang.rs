//! Go source: `SetMaxOpenConns` of `database/sql`, and pgxpool.

use crate::inventory::{Address, Program, Scheme, Text};

use super::address::address;
use super::code::{Call, Code};
use super::databases::{Database, Size};
use super::hosts::kind_named;
use super::pool_call::{postgres, programs};

/// What a file says. It has nothing if it makes no pool.
pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let mut pools = pgx(code);
    if pools.is_empty() {
        pools.extend(sql(code));
    }
    programs(code, pools, None)
}

/// pgxpool: `pool_max_conns` of the URL, or `MaxConns` of its configuration.
fn pgx(code: &Code<'_>) -> Vec<Database> {
    if !code.has("pgxpool") {
        return Vec::new();
    }
    let mut calls = code.calls("NewWithConfig");
    calls.extend(code.calls("ConnectConfig"));
    let of_url = ["New", "Connect"].iter().flat_map(|name| code.calls(name));
    let of_url: Vec<Call> = of_url
        .filter(|call| code.plain()[..call.at].ends_with("pgxpool."))
        .collect();
    // The URL stands where the configuration is parsed.
    let parsed = code.calls("ParseConfig").into_iter().next();
    calls.extend(of_url);
    let found = calls.into_iter().map(|call| {
        let items = code.items(parsed.as_ref().unwrap_or(&call).arguments.clone());
        let url = items.last().map(|url| code.value(url.clone()));
        let address = url.map_or_else(
            || Address::of_kind(Scheme::Postgres, "pgxpool", code.origin(call.at)),
            |url| address("pgxpool", &url).unwrap_or_else(|| Address::unknown(url, "pgxpool")),
        );
        let parameter = address.parameters.iter().find(|(name, _)| name == "pool_max_conns");
        let assigned = code.assignments("MaxConns").pop();
        let size = match (assigned, parameter) {
            (Some(value), _) => Size::of(&code.value(value), "MaxConns of pgxpool"),
            (None, Some((_, text))) => Size::of(text, "pool_max_conns of pgxpool"),
            (None, None) => Size::not_plain(
                "pgxpool without pool_max_conns opens as many connections as there are cores, and 4 at least",
                code.origin(call.at),
            ),
        };
        postgres(code, &call, address, size)
    });
    found.collect()
}

/// `database/sql`, and what is made on it: GORM, sqlx, ent.
fn sql(code: &Code<'_>) -> Option<Database> {
    let opened = ["Open", "OpenDB", "Connect", "MustConnect"]
        .iter()
        .find_map(|name| {
            let mut calls = code.calls(name).into_iter();
            calls.find(|call| {
                let before = &code.plain()[..call.at];
                ["sql.", "sqlx.", "gorm.", "ent.", "otelsql.", "postgres."]
                    .iter()
                    .any(|start| before.ends_with(start))
            })
        });
    let limit = code.calls("SetMaxOpenConns").into_iter().next();
    let address = match &opened {
        Some(call) => opened_address(code, call),
        None => Address::of_kind(Scheme::Unsaid, "database/sql", code.settings.whole()),
    };
    let call = opened.or_else(|| limit.clone())?;
    let size = match limit {
        Some(limit) => {
            let value = code.items(limit.arguments.clone());
            let text = value
                .first()
                .map(|value| code.value(value.clone()))
                .unwrap_or_default();
            match text.known() {
                // What Go's documentation says of 0 and less.
                Some("0") => Size::not_plain(
                    "SetMaxOpenConns(0) is a pool without a limit",
                    code.origin(limit.at),
                ),
                _ => Size::of(&text, "SetMaxOpenConns"),
            }
        }
        None => Size::Unknown(crate::inventory::Unknown {
            what: "database/sql without SetMaxOpenConns is a pool without a limit".to_owned(),
            add: "set pool of the service in fleet.toml, or SetMaxOpenConns in the program"
                .to_owned(),
            key: Some("pool"),
            origin: code.origin(call.at),
        }),
    };
    let mut found = postgres(code, &call, address, size);
    found.name = "sql".to_owned();
    Some(found)
}

fn opened_address(code: &Code<'_>, call: &Call) -> Address {
    let mut items = code.items(call.arguments.clone());
    // `gorm.Open(postgres.Open(dsn), &gorm.Config{})`.
    let inner = items.first().and_then(|first| code.call(first));
    let mut scheme = Scheme::Unsaid;
    if let Some((dialect, arguments)) = inner {
        scheme = kind_named(dialect).unwrap_or(Scheme::Unsaid);
        items = code.items(arguments);
    }
    let values: Vec<Text> = items.iter().map(|item| code.value(item.clone())).collect();
    let found = values
        .iter()
        .find_map(|value| address("database/sql", value));
    if let Some(found) = found {
        return found;
    }
    let driver = values.iter().find_map(|value| kind_named(value.known()?));
    let place = values.into_iter().find(|value| value.known().is_none());
    let mut found = match place {
        Some(place) => Address::unknown(place, "database/sql"),
        None => Address::of_kind(Scheme::Unsaid, "database/sql", code.origin(call.at)),
    };
    if let Some(driver) = driver {
        scheme = driver;
    }
    found.scheme = scheme;
    found
}

#[cfg(test)]
mod tests;
