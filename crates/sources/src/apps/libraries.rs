//! Libraries that are known by the form of an address, and the pools that they have when nobody sets one.

use crate::inventory::{Address, Program, Scheme, Variable};

use super::pools::{MAX_OVERFLOW, POOL_SIZE};

/// Adds the pool of the library that an address is written for. Of several addresses the largest counts.
pub(crate) fn default_pool(program: &mut Program, variables: &[Variable]) {
    let found = program.addresses.iter().filter_map(|address| {
        if let Scheme::Other(_) = address.scheme {
            return None;
        }
        let mut all = variables.iter();
        let variable = all.find(|variable| variable.name == address.by)?;
        let (library, pool) = library(address, variable)?;
        Some((pool, library, address.origin.clone()))
    });
    let Some((pool, library, origin)) = found.max_by_key(|(pool, ..)| pool.unwrap_or(u64::MAX))
    else {
        return;
    };
    match pool {
        Some(pool) => program.assume("pool", pool, format!("the default of {library}"), origin),
        None => {
            let what =
                format!("{library} opens as many connections as are asked for without a pool");
            program.leave_unsaid(what, "pool", origin);
        }
    }
}

/// The library of an address and its pool; no number where there is no limit.
fn library(address: &Address, variable: &Variable) -> Option<(&'static str, Option<u64>)> {
    let text = variable
        .value
        .with_gaps()
        .trim_start_matches(['"', '\'', ' ']);
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let name = variable.name.to_ascii_uppercase();
    if scheme.starts_with("jdbc:") && name.starts_with("SPRING") {
        return Some(("HikariCP", Some(HIKARI)));
    }
    if scheme.starts_with("r2dbc:") {
        return Some(("r2dbc-pool", Some(R2DBC)));
    }
    if scheme.starts_with("ecto") {
        return Some(("Ecto", Some(ECTO)));
    }
    if scheme.contains('+') && !scheme.starts_with("jdbc:") {
        return Some(("SQLAlchemy", Some(POOL_SIZE + MAX_OVERFLOW)));
    }
    let said = |wanted: &str, value: Option<&str>| {
        address.parameters.iter().any(|(name, found)| {
            let name = name.replace(' ', "");
            name == wanted
                && value.is_none_or(|value| found.with_gaps().eq_ignore_ascii_case(value))
        })
    };
    let keywords = scheme.is_empty() && text.contains(';') && !text.starts_with("pgsql:");
    if keywords && (said("username", None) || said("userid", None)) && said("database", None) {
        return Some(match said("pooling", Some("false")) {
            true => ("Npgsql with Pooling=false", None),
            false => ("Npgsql", Some(NPGSQL)),
        });
    }
    None
}

/// `maximumPoolSize` of HikariCP, which Spring Boot uses.
const HIKARI: u64 = 10;
/// `maxSize` of r2dbc-pool.
const R2DBC: u64 = 10;
/// `pool_size` of Ecto.
const ECTO: u64 = 10;
/// `Maximum Pool Size` of Npgsql.
const NPGSQL: u64 = 100;
