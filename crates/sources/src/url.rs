//! `DATABASE_URL`: user, database, and the pool parameters of Prisma.

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::Value;

use super::said::Sayings;

/// Reads user, database and Prisma's pool parameters of a `DATABASE_URL`; returns whether it limits a
/// pool. It skips the password, and no message quotes the URL.
pub(crate) fn url(sayings: &mut Sayings, text: &str, origin: &Origin) -> bool {
    let text = without_references(text);
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = login.split(':').next().unwrap_or_default();
    let database = place.split_once('/').map_or("", |(_, database)| database);
    for (key, value) in [("user", user), ("database", database)] {
        if plain(value) && !value.contains('%') {
            sayings.add(key, value.into(), "DATABASE_URL", origin);
        }
    }
    let mut limits = false;
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let (key, value) = match name {
            "connection_limit" => ("pool", Value::from_text(value)),
            "pool_timeout" => ("acquire_timeout", Value::from(format!("{value}s"))),
            "connect_timeout" => ("connect_timeout", Value::from(format!("{value}s"))),
            "socket_timeout" => ("socket_timeout", Value::from(format!("{value}s"))),
            "max_idle_connection_lifetime" => ("idle_timeout", Value::from(format!("{value}s"))),
            "max_connection_lifetime" => ("max_lifetime", Value::from(format!("{value}s"))),
            _ => continue,
        };
        limits |= name == "connection_limit";
        sayings.add(key, value, &format!("{name} of the URL"), origin);
    }
    limits
}

/// Replaces each `${...}` and `$(...)` by a dollar sign, because references may contain slashes and
/// question marks.
fn without_references(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some(at) = rest.find("${").or_else(|| rest.find("$(")) {
        let end = rest[at..]
            .find(['}', ')'])
            .map_or(rest.len(), |end| at + end + 1);
        plain.push_str(&rest[..at]);
        plain.push('$');
        rest = &rest[end..];
    }
    plain + rest
}

/// Whether a text has no reference to a variable.
pub(crate) fn plain(text: &str) -> bool {
    !text.is_empty() && !text.contains('$')
}
