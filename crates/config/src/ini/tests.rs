//! What a `pgbouncer.ini` resolves to, and its mistakes.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use pgweir_settings::{Problem, Value};
use proptest::prelude::*;

use super::{DEFAULTS, read};
use crate::pgbouncer::{Part, ROWS, Ruling};
use crate::settings::{self, Scope};
use crate::tests::OUTSIDE;
use crate::{AuthType, Outside, PoolMode, Resolved, Secret, ServerAddress, resolve_all};

fn resolve(text: &str) -> Result<Resolved, Vec<Problem>> {
    let outside = Outside {
        file: &|path| match path.to_str() {
            Some("more.ini") => Ok("[databases]\nmore = host=m\n%include more.ini\n".to_owned()),
            Some("databases.ini") => Ok("[databases]\nincluded = host=i\n".to_owned()),
            Some("userlist.txt") => Ok("\"ann\" \"secret\"\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        },
        ..OUTSIDE
    };
    let (raw, problems) = read(Path::new("p.ini"), text, &outside);
    resolve_all(&raw, problems, &outside)
}

fn sound(text: &str) -> Resolved {
    resolve(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    let problems = resolve(text).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

fn warnings(text: &str) -> Vec<String> {
    sound(text)
        .warnings
        .iter()
        .map(Problem::to_string)
        .collect()
}

/// The rest of a file that a test is not about.
const REST: &str = "[databases]\napp =\n[pgbouncer]\nauth_file = userlist.txt\n";

#[test]
fn what_is_not_said_is_as_in_pgbouncer() {
    let config = sound(REST).config;
    assert_eq!(config.auth_type, AuthType::Md5);
    assert!(config.listen.addresses.is_empty());
    assert_eq!(
        config.listen.unix_socket_dir.as_deref(),
        Some(Path::new("/tmp"))
    );
    assert_eq!(config.max_client_conn, 100);
    let app = &config.databases["app"];
    assert_eq!(app.server, ServerAddress::Unix("/tmp/.s.PGSQL.5432".into()));
    assert_eq!(app.dbname.as_deref(), Some("app"));
    assert_eq!(app.pool.pool_mode, PoolMode::Session);
    assert_eq!(app.pool.pool_size.map(|size| size.get()), Some(20));
}

#[test]
fn defaults_are_pgbouncers() {
    for row in ROWS {
        let Some(part) = row.parts.first() else {
            continue;
        };
        if row.ruling != Ruling::Served || row.default == "default_pool_size" {
            continue;
        }
        let scope = part.scope().expect("peers have no settings");
        let setting = settings::find(scope, row.name).expect("a setting that is served is known");
        let given = DEFAULTS.iter().find(|(name, _)| *name == row.name);
        let own = given.map_or(setting.default, |(_, value)| value);
        let read = |text: &str| setting.kind.parse(&Value::from(text)).ok();
        let is_described = row.name == "dbname";
        assert!(
            is_described || read(own) == read(row.default),
            "{}",
            row.name
        );
    }
}

#[test]
fn every_setting_of_the_table_stands_there_once() {
    let mut seen = BTreeSet::new();
    for row in ROWS {
        for part in row.parts {
            assert!(seen.insert((part.name(), row.name)), "{}", row.name);
        }
    }
    for name in DEFAULTS.iter().map(|(name, _)| name) {
        assert!(settings::find(Scope::Global, name).is_some(), "{name}");
    }
}

#[test]
fn lines_are_read_as_pgbouncer_reads_them() {
    let text = "\u{feff}; a comment\r\n# another\n\n  [databases]  \n\
        \"odd \"\"name\"\"\" = host=h dbname='it''s one' password = 'a b' user=u\n\
        * = host=fallback\napp = host=first pool_size=1\napp = host=second\n\
        %include databases.ini\nbehind=host=b\n\
        [users]\nann = pool_mode=STATEMENT max_user_connections=7\n\
        [pgbouncer]\nserver_check_query = select 1; -- a = b\npool_mode = Transaction\n\
        auth_file=userlist.txt\npool_mode = session\n";
    let config = sound(text).config;
    let names: Vec<&str> = config.databases.keys().map(String::as_str).collect();
    assert_eq!(names, ["app", "behind", "included", "odd \"name\""]);
    let odd = &config.databases["odd \"name\""];
    assert_eq!(odd.dbname.as_deref(), Some("it's one"));
    assert!(matches!(&odd.password, Some(Secret::Plain(text)) if text == "a b"));
    let app = &config.databases["app"];
    assert_eq!(app.server.to_string(), "second:5432");
    assert_eq!(app.pool.pool_size.map(|size| size.get()), Some(20));
    assert_eq!(app.pool.server_check_query, "select 1; -- a = b");
    assert_eq!(app.pool.pool_mode, PoolMode::Session);
    assert_eq!(app.user_pools["ann"].pool_mode, PoolMode::Statement);
    assert!(config.fallback_database.is_some());
    assert!(config.users["ann"].secret.is_some());
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "stray = 1\n[pgbouncer]\npool_mod = session\nmax_client_conn = lots\n\
        nonsense\n\"open = 1\n[oops\n%incluse x\n%include missing.ini\npool_size = 3\n\
        peer_id = 20000\nverbose = much\n\
        [databases]\na = host\nb = host='x\nc = host='x'y\nd = port=x\ne = = 1\n\
        pgbouncer = host=h\nf = max_client_conn=1\n\
        [peers]\n1 = port=5\nx = host=h\n";
    check_problems(
        text,
        &[
            "p.ini:1: stray: stands before the first section; begin with [pgbouncer]",
            "p.ini:3: pool_mod: unknown setting; did you mean pool_mode?",
            "p.ini:4: max_client_conn = lots: must be a whole number of 1 or more",
            "p.ini:5: is neither a section nor name = value",
            "p.ini:6: has a name whose quote is not closed",
            "p.ini:7: begins a section and does not end with its ]",
            "p.ini:8: is no directive; %include FILE is the only one",
            "p.ini:9: includes missing.ini, which cannot be read: entity not found",
            "p.ini:10: pool_size: belongs in [databases]",
            "p.ini:11: peer_id = 20000: must be at most 16383; 0 means none",
            "p.ini:12: verbose = much: must be 0 to 3",
            "p.ini:14: databases.a: must be a list of name=value, values with spaces in single quotes",
            "p.ini:15: databases.b: has a value whose quote is not closed",
            "p.ini:16: databases.c: has something right behind a quote that ends a value",
            "p.ini:17: databases.d.port = x: must be a whole number of 1 or more",
            "p.ini:18: databases.e: has no name before a =",
            "p.ini:19: databases.pgbouncer: has a name reserved for the console; choose another and set dbname",
            "p.ini:20: databases.f.max_client_conn: belongs in [pgbouncer]",
            "p.ini:22: peers.1.host: is missing: the peer's address, or the folder of its unix socket",
            "p.ini:23: peers.x: must be a number from 1 to 16383",
        ],
    );
}

#[test]
fn files_that_include_each_other_have_an_end() {
    check_problems(
        &format!("{REST}%include more.ini\n"),
        &["more.ini:3: includes files more than 10 deep"],
    );
}

#[test]
fn an_unknown_section_is_the_only_mistake_of_its_lines() {
    check_problems(
        "[database]\nx = host=h\n",
        &["p.ini:1: database: unknown section; did you mean [databases]?"],
    );
}

#[test]
fn what_does_nothing_is_named() {
    let text = format!("{REST}pkt_buf = 8192\n");
    let warnings = warnings(&text);
    assert_eq!(
        warnings,
        [
            "p.ini:5: pkt_buf = 8192: has no meaning here: each worker has one buffer for all its connections",
        ]
    );
}

#[test]
fn peers_are_read_as_pgbouncer_reads_them() {
    let text = format!(
        "{REST}peer_id = 3\nso_reuseport = 1\n[peers]\n1 = host=/run/one port=5 pool_size=2\n\
         2 = host=old\n2 = host=127.0.0.1\n"
    );
    let config = sound(&text).config;
    assert_eq!(config.peer_id.map(|id| id.get()), Some(3));
    assert!(config.listen.reuses_port);
    let [one, two] = [1, 2].map(|id| &config.peers[&id]);
    assert_eq!(one.address.to_string(), "/run/one/.s.PGSQL.5");
    assert_eq!(one.pool_size.map(|size| size.get()), Some(2));
    assert_eq!(two.address.to_string(), "127.0.0.1:6432");
    assert_eq!(two.pool_size.map(|size| size.get()), Some(20));
    assert!(warnings(&text).is_empty());
    assert_eq!(
        warnings(&format!("{REST}[peers]\n1 = host=h\n")),
        [
            "default: peer_id: is 0, so that [peers] mean nothing; give each process a number of its own"
        ]
    );
}

#[test]
fn what_is_served_is_a_setting_here_in_each_section() {
    for row in ROWS {
        if !matches!(row.ruling, Ruling::Served | Ruling::Differs(_)) {
            continue;
        }
        for scope in row.parts.iter().filter_map(|part| part.scope()) {
            let found = settings::find(scope, row.name);
            assert!(found.is_some(), "{} in {scope:?}", row.name);
        }
    }
}

#[test]
fn every_setting_is_taken_or_named_and_never_dropped() {
    for row in ROWS.iter().filter(|row| !row.default.is_empty()) {
        let value = match row.name {
            "dbname" | "host" | "pool_size" => continue,
            _ => row.default,
        };
        for part in row.parts {
            let line = match part {
                Part::PgBouncer => format!("{} = {value}\n", row.name),
                part => format!("[{}]\napp = {}='{value}'\n", part.name(), row.name),
            };
            let resolved = sound(&format!("{REST}{line}"));
            let is_named = resolved
                .warnings
                .iter()
                .any(|it| it.key.ends_with(row.name));
            let is_listed = resolved.settings.iter().any(|shown| {
                let own = matches!(
                    &shown.origin,
                    pgweir_settings::Origin::File { line: 5.., .. }
                );
                own && (shown.path.ends_with(row.name) || row.name == "reserve_pool")
            });
            // Nothing more is logged than without it.
            assert!(is_named || is_listed || row.name == "verbose", "{line}");
        }
    }
}

#[test]
fn what_pgbouncer_starts_with_is_a_warning() {
    let text = "[pgbouncer]\nauth_type = trust\n[databases]\n\
        app = host=h user=nobody min_pool_size=30 auth_dbname=none\n";
    assert_eq!(
        warnings(text),
        [
            "p.ini: lets no user in: add a section [users.NAME] or an auth_file",
            "p.ini:4: databases.app.auth_dbname = none: names a database that has no section; add [databases] for it",
            "p.ini:4: databases.app.min_pool_size = 30: must be at most the size of the pool: default_pool_size is 20 (default)",
            "p.ini:4: databases.app.user = nobody: has no password to log in to PostgreSQL with; add password here (\"\" where PostgreSQL asks for none)",
        ]
    );
    assert_eq!(sound(text).config.databases["app"].pool.min_pool_size, 20);
}

#[test]
fn settings_of_pgweir_alone_may_stand_beside() {
    let config = sound(&format!("{REST}http_listen = off\nworkers = 2\n")).config;
    assert!(config.http.listen.is_none());
    assert_eq!(
        sound(&format!("{REST}verbose = 2\n")).config.log.level,
        Some("trace")
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(lines in prop::collection::vec("[\\[\\]%\"'=;# a-z{}\\\\]{0,24}|\\PC{0,12}", 0..8)) {
        let text = format!("[databases]\n{}", lines.join("\n"));
        let _ = resolve(&text);
        let _ = super::pairs(&lines.join(" "));
        let files = [(Path::new("x"), text.as_str())];
        for (_, format) in crate::import::Format::ALL {
            let _ = crate::import::import(format, &files, Path::new("pgweir.toml"), &OUTSIDE);
        }
    }

    #[test]
    fn what_is_quoted_is_read_back(values in prop::collection::vec("[ a-z'=\"]{0,8}", 0..5)) {
        let written: Vec<String> = values
            .iter()
            .map(|value| format!("k = '{}'", value.replace('\'', "''")))
            .collect();
        let read = super::pairs(&written.join("  ")).unwrap();
        let read: Vec<String> = read.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
    }
}
