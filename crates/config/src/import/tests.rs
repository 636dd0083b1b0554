//! What becomes of other poolers' configurations.

use std::io;
use std::path::Path;

use pgweir_settings::Problem;

use super::{Format, Imported, Verdict, import};
use crate::Outside;
use crate::tests::OUTSIDE;

fn imported(format: Format, texts: &[&str]) -> Imported {
    let outside = Outside {
        file: &|path| match path.to_str() {
            Some("userlist.txt") => Ok("\"ann\" \"secret\"\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        },
        ..OUTSIDE
    };
    let files: Vec<(&Path, &str)> = texts.iter().map(|text| (Path::new("in"), *text)).collect();
    import(format, &files, Path::new("pgweir.toml"), &outside)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Imports, and compares the text and what was changed or not carried over.
#[track_caller]
fn check(format: Format, texts: &[&str], expected: &str, findings: &[&str]) {
    let imported = imported(format, texts);
    assert_eq!(imported.text, expected);
    let problems: Vec<String> = imported.problems.iter().map(Problem::to_string).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let told = imported
        .findings
        .iter()
        .filter_map(|finding| match &finding.verdict {
            Verdict::Carried(_) => None,
            Verdict::Changed(to, _) => Some(format!("{} -> {to}", finding.key)),
            Verdict::Dropped(_) => Some(finding.key.clone()),
        });
    assert_eq!(told.collect::<Vec<_>>(), findings);
}

#[test]
fn pgbouncer() {
    check(
        Format::PgBouncer,
        &[
            "[databases]\napp = host=db user=app password='a b' pool_size=5\n\
           [users]\nann = pool_mode=transaction\n[pgbouncer]\nlisten_addr = *\n\
           auth_file = userlist.txt\nserver_idle_timeout = 1.5\npkt_buf = 1\n\
           server_tls_protocols = tlsv1.1,tlsv1.2\nclient_tls_protocols = all\n",
        ],
        "[pgweir]\nlisten_addr = \"*\"\nunix_socket_dir = \"/tmp\"\nerror_codes = \"pgbouncer\"\n\
         auth_type = \"md5\"\nauth_file = \"userlist.txt\"\nclient_tls_protocols = \"all\"\n\
         server_tls_protocols = \"tlsv1.2\"\nserver_unreachable = \"wait\"\nserver_idle_timeout = 1.5\n\
         log_format = \"pgbouncer\"\nsyslog_ident = \"pgbouncer\"\nprobe_interval = 0\n\n\
         [databases.app]\npassword = \"a b\"\nhost = \"db\"\nuser = \"app\"\npool_size = 5\n\n\
         [users.ann]\npool_mode = \"transaction\"\n",
        &[
            "pgbouncer.auth_file -> pgweir.auth_file",
            "pkt_buf",
            "pgbouncer.server_tls_protocols -> pgweir.server_tls_protocols",
        ],
    );
}

#[test]
fn pgcat() {
    check(
        Format::PgCat,
        &[
            "[general]\nhost = \"127.0.0.1\"\nport = 6432\nconnect_timeout = 5500\n\
           server_lifetime = 86400000\nban_time = 60\n\
           [pools.app]\npool_mode = \"session\"\n\
           [pools.app.users.0]\nusername = \"ann\"\npassword = \"x\"\npool_size = 9\n\
           [pools.app.shards.0]\ndatabase = \"app_db\"\n\
           servers = [[\"replica\", 1, \"replica\"], [\"main\", 5433, \"primary\"]]\n\
           [plugins.intercept]\nenabled = true\n",
        ],
        "[pgweir]\nlisten_addr = \"127.0.0.1\"\nlisten_port = 6432\nauth_type = \"md5\"\n\
         pool_mode = \"transaction\"\nquery_wait_timeout = \"5500ms\"\nserver_lifetime = 86400\n\n\
         [databases.app]\nhost = \"main\"\nport = 5433\ndbname = \"app_db\"\npool_mode = \"session\"\n\n\
         [users.ann]\npassword = \"x\"\npool_size = 9\n",
        &[
            "general.ban_time",
            "pools.app.shards.0.servers -> databases.app.host",
            "plugins.intercept.enabled",
        ],
    );
}

#[test]
fn pg_doorman() {
    check(
        Format::PgDoorman,
        &[
            "[general]\nport = 6432\nquery_wait_timeout = 5000\ntcp_user_timeout = 60\n\
           [pools.app]\nserver_host = \"/run/postgresql\"\nserver_port = 5432\n\
           [pools.app.users.0]\nusername = \"ann\"\npassword = \"x\"\npool_size = 40\n\
           server_username = \"owner\"\nserver_password = \"y\"\n",
        ],
        "[pgweir]\nlisten_addr = \"*\"\nlisten_port = 6432\nmax_client_conn = 8192\n\
         auth_type = \"md5\"\npool_mode = \"transaction\"\nquery_wait_timeout = 5\n\
         tcp_user_timeout = \"60s\"\n\n\
         [databases.app]\npassword = \"y\"\nhost = \"/run/postgresql\"\nport = 5432\n\
         user = \"owner\"\n\n[users.ann]\npassword = \"x\"\npool_size = 40\n",
        &[],
    );
}

#[test]
fn pgdog_with_its_users() {
    check(
        Format::PgDog,
        &[
            "[general]\nport = 6432\ntls_verify = \"verify_full\"\nquery_timeout = 9223372036854775807\n\
             [[databases]]\nname = \"app\"\nhost = \"replica\"\nrole = \"replica\"\n\
             [[databases]]\nname = \"app\"\nhost = \"main\"\n",
            "[[users]]\nname = \"ann\"\ndatabase = \"app\"\npassword = \"x\"\npooler_mode = \"session\"\n",
        ],
        "[pgweir]\nlisten_addr = \"*\"\nlisten_port = 6432\nmax_client_conn = 10000\n\
         server_tls_sslmode = \"verify-full\"\npool_mode = \"transaction\"\ndefault_pool_size = 10\n\
         min_pool_size = 1\nquery_timeout = 0\n\n[databases.app]\nhost = \"main\"\n\n\
         [users.ann]\npassword = \"x\"\npool_mode = \"session\"\n",
        &[
            "users.0.database",
            "databases.0.name",
            "databases.0.host",
            "databases.0.role",
        ],
    );
}

#[test]
fn odyssey() {
    check(
        Format::Odyssey,
        &["# a comment\nworkers 2\nlog_format \"%p # %m\\n\"\n\
           listen {\n host \"*\"\n port 6432\n tls \"disable\"\n}\n\
           storage \"pg\" {\n type \"remote\"\n host \"[db]:5433:az,other\"\n port 5432\n}\n\
           storage \"local\" { type \"local\" }\n\
           database \"app\" {\n user \"ann\" {\n  authentication \"scram-sha-256\"\n  password \"x\"\n\
             storage \"pg\"\n  pool \"transaction\"\n  pool_size 7\n  pool_ttl 60\n }\n}\n\
           database default { user default { authentication \"block\" } }\n\
           database \"console\" { user default { authentication \"none\" storage \"local\" } }\n"],
        "[pgweir]\nlisten_addr = \"*\"\nlisten_port = 6432\nworkers = 2\nauth_type = \"scram-sha-256\"\n\
         client_tls_sslmode = \"disable\"\n\n\
         [databases.app]\nhost = \"db\"\nport = 5433\nserver_idle_timeout = 60\n\n\
         [users.ann]\npassword = \"x\"\npool_mode = \"transaction\"\npool_size = 7\n",
        &[
            "log_format",
            "storage.pg.host -> databases.app.host",
            "database.*.user.*.authentication",
            "database.console.user.*.authentication",
            "database.console.user.*.storage",
        ],
    );
}

#[test]
fn sections_without_names_are_counted_by_their_keys() {
    let text = "online_restart_drop_options { drop_enabled yes }\nlisten { host \"127.0.0.1\" port 1 }\n\
                listen { host \"10.0.0.1\" port 2 }\n";
    let imported = imported(Format::Odyssey, &[text]);
    assert!(
        imported
            .text
            .starts_with("[pgweir]\nlisten_addr = \"127.0.0.1\"\nlisten_port = 1\n"),
        "{}",
        imported.text
    );
}

#[test]
fn the_first_of_many_entries_is_the_server() {
    let mut text = String::new();
    for number in 0..12 {
        let name = if number == 2 || number == 10 {
            "app"
        } else {
            "other"
        };
        text.push_str(&format!(
            "[[databases]]\nname = \"{name}\"\nhost = \"h{number}\"\n"
        ));
    }
    let imported = imported(Format::PgDog, &[&text]);
    let app = "[databases.app]\nhost = \"h2\"\n";
    assert!(imported.text.contains(app), "{}", imported.text);
}

#[test]
fn a_torn_odyssey_file_is_reported() {
    for (text, message) in [
        (
            "listen {\n port 1\n",
            "ends within a section; a } is missing",
        ),
        ("}\n", "has a brace where a setting should stand"),
        ("a \"b\n", "has a quote that is not closed on its line"),
    ] {
        let problems = import(
            Format::Odyssey,
            &[(Path::new("o.conf"), text)],
            Path::new("pgweir.toml"),
            &OUTSIDE,
        )
        .err()
        .unwrap_or_default();
        assert!(problems.iter().any(|it| it.message == message), "{text}");
    }
}

#[test]
fn a_format_is_known_by_its_name_or_content() {
    for (name, text, format) in [
        ("/etc/pgbouncer/pgbouncer.ini", "", Some(Format::PgBouncer)),
        ("pooler.ini", "", Some(Format::PgBouncer)),
        ("pgcat.toml", "", Some(Format::PgCat)),
        ("a.toml", "[pools.x]\n", Some(Format::PgCat)),
        ("pg-doorman.toml", "", Some(Format::PgDoorman)),
        (
            "a.toml",
            "[pools.x]\nserver_host = \"h\"\n",
            Some(Format::PgDoorman),
        ),
        ("users.toml", "[[users]]\n", None),
        ("pgdog.toml", "", Some(Format::PgDog)),
        ("a.conf", "storage \"s\" {\n", Some(Format::Odyssey)),
        ("a.conf", "", None),
    ] {
        assert_eq!(Format::of(Path::new(name), text), format, "{name}");
    }
}
