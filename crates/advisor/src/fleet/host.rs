//! Where a server is reached, and what may not stand in its place: rendered files repeat hosts and names
//! on many lines, so that a password in one of them would be written down.

use std::net::Ipv6Addr;

use pgweir_settings::SECRET_WORDS;

/// Whether this can be the name or address of a machine, or the folder of a socket.
pub(super) fn is_host(text: &str) -> bool {
    if text.starts_with('/') {
        return !text.contains("//") && text.chars().all(|c| named(c) || "/+~".contains(c));
    }
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    text.chars().all(named)
        || address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(named)
}

/// The host within a URL or beside a port, where there is no doubt which part that is.
pub(super) fn within(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let mut parts = text.split('@');
    let rest = match (parts.next(), parts.next(), parts.next()) {
        (Some(host), None, _) => host,
        // Behind a question mark stand parameters, among which may be a password.
        (Some(login), Some(host), None) if !login.contains('?') => host,
        // Of several signs one may belong to a password.
        _ => return None,
    };
    let host = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => rest.split([':', '/', '?', '#']).next()?,
    };
    (is_host(host) && !holds_a_login(host)).then_some(host)
}

/// Whether this is a URL, or carries a login or a password.
pub(super) fn holds_a_login(text: &str) -> bool {
    let login = text
        .rsplit_once('@')
        .is_some_and(|(before, _)| before.contains(':'));
    let lower = text.to_ascii_lowercase();
    let assigned = |word: &str| {
        let mut rest = lower
            .match_indices(word)
            .map(|(at, _)| &lower[at + word.len()..]);
        rest.any(|rest| rest.trim_start().starts_with('='))
    };
    text.contains("://") || login || SECRET_WORDS.iter().any(|word| assigned(word))
}

fn named(c: char) -> bool {
    c.is_alphanumeric() || "._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_addresses_and_folders_of_sockets() {
        for host in [
            "db",
            "db-1.example.com",
            "my_db",
            "10.0.0.1",
            "::1",
            "fe80::1%eth0",
            "/run/postgresql",
            "bücher.example",
        ] {
            assert!(is_host(host), "{host}");
        }
        for text in [
            "postgres://app:hunter2@db/x",
            "app@db",
            "a b",
            "db:5432",
            "[::1]",
            "db,other",
            "db/x",
            "/run/a b",
            "/run//a@b",
            "fe80::1%",
            "db?x=y",
            "$DB",
            "db\"",
            "@abstract",
        ] {
            assert!(!is_host(text), "{text}");
        }
    }

    #[test]
    fn the_host_of_a_url_is_told_and_never_its_password() {
        for (text, host) in [
            ("postgres://app:hunter2@db/x", Some("db")),
            ("postgres://db.internal:5432/x?a=b", Some("db.internal")),
            ("postgres://app:hunter2@[::1]:5432/x", Some("::1")),
            ("db:5432", Some("db")),
            (" db ", Some("db")),
            ("app:hunter2@db", Some("db")),
            ("postgres://app:hunt@er2@db/x", None),
            ("postgres://app@db/x?password=hunt@er2", None),
            ("postgres://db?user=app&password=hunt@er2", None),
            ("host=db password=hunter2", None),
        ] {
            assert_eq!(within(text), host, "{text}");
        }
    }

    #[test]
    fn names_are_told_from_logins() {
        for name in [
            "app",
            "my db",
            "o'brien $x",
            "app@tenant",
            "token_service",
            "a:b",
            "50%",
        ] {
            assert!(!holds_a_login(name), "{name}");
        }
        for text in [
            "postgres://db/x",
            "app:hunter2@db",
            "x password=hunter2",
            "PWD = x",
        ] {
            assert!(holds_a_login(text), "{text}");
        }
    }
}
