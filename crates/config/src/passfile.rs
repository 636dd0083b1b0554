//! libpq's password file: lines of `host:port:database:user:password`.
//!
//! Source: PostgreSQL documentation, "The Password File", and what libpq does where that is silent: the
//! first line that fits decides, and a password ends at a colon without a backslash.

use std::path::Path;

use super::ServerAddress;

/// What a line has to fit.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the server is.
    pub server: &'a ServerAddress,
    /// Name of the database in PostgreSQL.
    pub database: &'a str,
    /// As whom to log in.
    pub user: &'a str,
}

/// The password that `text`, the content of a password file, has for this login; never an empty one.
pub fn look_up(text: &str, wanted: Wanted<'_>) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let password = lines
        .filter_map(|line| line_fits(line, wanted))
        .next()
        .map(unescaped)?;
    Some(password).filter(|password| !password.is_empty())
}

/// What is behind the four fields of a line that fits.
fn line_fits<'a>(line: &'a str, wanted: Wanted<'_>) -> Option<&'a str> {
    let (hosts, port) = place(wanted.server);
    let mut rest = None;
    for host in hosts.iter().flatten() {
        rest = rest.or_else(|| field(line, host));
    }
    let rest = field(rest?, &port)?;
    field(field(rest, wanted.database)?, wanted.user)
}

/// The names that a server goes by, and its port.
fn place(server: &ServerAddress) -> ([Option<&str>; 2], String) {
    match server {
        ServerAddress::Tcp { host, port } => ([Some(host), None], port.to_string()),
        ServerAddress::Unix(path) => {
            let folder = path.parent().and_then(Path::to_str);
            let usual = folder.filter(|folder| USUAL_FOLDERS.contains(folder));
            let name = path.file_name().and_then(|name| name.to_str());
            let port = name.and_then(|name| name.rsplit('.').next());
            (
                [folder, usual.map(|_| "localhost")],
                port.unwrap_or_default().to_owned(),
            )
        }
    }
}

/// The rest of a line whose first field is `value` or `*`.
fn field<'a>(line: &'a str, value: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let (mut line, mut value) = (line.chars(), value.chars());
    loop {
        match line.next()? {
            ':' => return value.next().is_none().then_some(line.as_str()),
            '\\' => {
                let escaped = line.next()?;
                if value.next() != Some(escaped) {
                    return None;
                }
            }
            plain => {
                if value.next() != Some(plain) {
                    return None;
                }
            }
        }
    }
}

fn unescaped(field: &str) -> String {
    let mut password = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            '\\' => password.push(chars.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}

/// Folders of unix sockets that builds of PostgreSQL have as their default: libpq's is one of them, and
/// there it says `localhost`.
const USUAL_FOLDERS: [&str; 3] = ["/tmp", "/var/run/postgresql", "/run/postgresql"];

#[cfg(test)]
mod tests {
    use super::{Wanted, look_up};
    use crate::ServerAddress;
    use proptest::prelude::*;

    fn tcp(host: &str) -> ServerAddress {
        ServerAddress::Tcp {
            host: host.to_owned(),
            port: 5432,
        }
    }

    #[track_caller]
    fn check(text: &str, server: &ServerAddress, expected: Option<&str>) {
        let wanted = Wanted {
            server,
            database: "shop",
            user: "alice",
        };
        assert_eq!(look_up(text, wanted).as_deref(), expected, "{text}");
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        let text = "# of the shop\n\
                    db:5432:shop:bob:bobs\n\
                    db:5433:shop:alice:other port\n\
                    db:5432:shop:alice:first\n\
                    *:*:*:*:last\r\n";
        check(text, &tcp("db"), Some("first"));
        check(text, &tcp("elsewhere"), Some("last"));
        check("db:5432:shop:alice:\n*:*:*:*:never", &tcp("db"), None);
        check("", &tcp("db"), None);
    }

    #[test]
    fn a_backslash_takes_the_meaning_from_the_next_character() {
        let v6 = tcp("::1");
        check(r"\:\:1:5432:shop:alice:a\:b\\c", &v6, Some(r"a:b\c"));
        check("::1:5432:shop:alice:x", &v6, None);
        check(r"\db:5432:sh\op:alice:x", &tcp("db"), Some("x"));
        // A colon ends the password, and what is behind it means nothing.
        check("db:5432:shop:alice:a:b", &tcp("db"), Some("a"));
        check("db:5432:shop:alice:a\\", &tcp("db"), Some("a\\"));
    }

    #[test]
    fn a_star_is_all_only_if_it_stands_alone() {
        check("*b:5432:shop:alice:x", &tcp("db"), None);
        check("db:5432:*:alice:x", &tcp("db"), Some("x"));
        check("db:5432:shop:alice", &tcp("db"), None);
        check("d:5432:shop:alice:x", &tcp("db"), None);
        check("dbx:5432:shop:alice:x", &tcp("db"), None);
    }

    #[test]
    fn a_unix_socket_goes_by_its_folder_and_the_usual_one_by_localhost() {
        let usual = ServerAddress::Unix("/var/run/postgresql/.s.PGSQL.5432".into());
        let own = ServerAddress::Unix("/srv/pg/.s.PGSQL.5432".into());
        check("localhost:5432:shop:alice:x", &usual, Some("x"));
        check("/var/run/postgresql:5432:shop:alice:x", &usual, Some("x"));
        check("localhost:5432:shop:alice:x", &own, None);
        check("/srv/pg:5432:shop:alice:x", &own, Some("x"));
        check("/srv/pg:5433:shop:alice:x", &own, None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_with_backslashes_is_found(
            host in "[a-z:*\\\\]{1,8}", password in "[ -~]{1,16}", before in "[ -~\n]{0,40}",
        ) {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            let line = format!("{}:5432:shop:alice:{}", escaped(&host), escaped(&password));
            let server = tcp(&host);
            let wanted = Wanted { server: &server, database: "shop", user: "alice" };
            if !line.starts_with('#') {
                prop_assert_eq!(look_up(&line, wanted), Some(password));
            }
            // Whatever stands before it does no harm.
            let _ = look_up(&format!("{before}\n{line}"), wanted);
        }
    }
}
