//! Files, secrets kept elsewhere, reloads, and what `pgweir check` prints.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{OUTSIDE, REST, SCRAM, check_problems, check_shown, lines, read};
use crate::check::{render_json, render_problems_json, render_text};
use crate::reload::merge;
use crate::settings::SETTINGS;
use crate::{Secret, Source, load, startup_lines};

#[test]
fn the_environment_is_loaded() {
    let url = ("DATABASE_URL".to_owned(), "postgres://u:p@h/d".to_owned());
    let resolved = load(&Source::Environment(BTreeMap::from([url])), &OUTSIDE).unwrap();
    assert!(resolved.config.databases.contains_key("d"));
}

#[test]
fn a_password_may_lie_outside_the_file() {
    let text = "[databases.app]\npassword_env = \"BOB_PASSWORD\"\n\
                [users.bob]\npassword_file = \"bob.secret\"\n";
    let resolved = read(text).unwrap();
    let secret = |text: &str| Some(Secret::Plain(text.to_owned()));
    assert!(resolved.config.databases["app"].password == secret("from a variable"));
    assert!(resolved.config.users["bob"].secret == secret("from a file"));
    check_shown(
        Ok(resolved),
        &[
            "databases.app.password = set (plain) @ line 2",
            "users.bob.password = set (plain) @ line 4",
        ],
    );
}

#[test]
fn a_password_that_is_not_where_it_should_be_is_a_problem() {
    check_problems(
        read(
            "[databases.app]\npassword_env = \"NOWHERE\"\n\
             [users.ann]\npassword_file = \"nowhere\"\n\
             [users.bob]\npassword_env = \"EMPTY\"\n\
             [users.eve]\npassword = \"hush\"\npassword_env = \"BOB_PASSWORD\"\n",
        ),
        &[
            "pgweir.toml:2: databases.app.password_env: names an environment variable that is \
             not set; set it",
            "pgweir.toml:4: users.ann.password_file: names a file that cannot be read: \
             entity not found",
            "pgweir.toml:6: users.bob.password_env: leads to an empty password",
            "pgweir.toml:8: users.eve.password: stands beside password_env; remove one",
        ],
    );
}

#[test]
fn users_without_a_secret_take_it_from_the_auth_file() {
    let text = "[pgweir]\nauth_file = \"userlist.txt\"\n[databases.app]\nuser = \"bob\"\n";
    let config = read(text).unwrap().config;
    assert!(config.users["bob"].secret == Some(Secret::Plain("the \"list".to_owned() + "\"")));
    assert!(config.users["eve"].secret == Some(Secret::Scram(SCRAM.to_owned())));
    let own = format!("{text}[users.bob]\npool_size = 3\n[users.eve]\npassword = \"mine\"\n");
    let config = read(&own).unwrap().config;
    assert!(config.users["bob"].secret == Some(Secret::Plain("the \"list\"".to_owned())));
    assert!(config.users["eve"].secret == Some(Secret::Plain("mine".to_owned())));
    assert_eq!(
        config.databases["app"]
            .pool_config("bob")
            .pool_size
            .unwrap()
            .get(),
        3
    );
}

#[test]
fn mistakes_in_the_auth_file_have_its_lines() {
    let form = "must be \"user\" \"secret\", both in double quotes";
    check_problems(
        read("[pgweir]\nauth_file = \"broken.txt\"\n[databases.app]\n"),
        &[
            &format!("broken.txt:2: {form}"),
            &format!("broken.txt:3: {form}"),
            "broken.txt:4: ann: is listed already at broken.txt:1; remove one",
            "broken.txt:5: has an empty name",
            "broken.txt:6: kim: starts like a SCRAM verifier but is none; copy rolpassword of \
             pg_authid in full",
        ],
    );
    check_problems(
        read("[pgweir]\nauth_file = \"none.txt\"\n[databases.app]\n"),
        &["pgweir.toml:2: auth_file = none.txt: cannot be read: entity not found"],
    );
}

const FILE: &str = "[pgweir]\nauth_type = \"trust\"\n[databases.app]\npool_size = 5\n[users.bob]\n";

#[test]
fn a_reload_names_what_needs_a_restart() {
    let with = |settings: &str| {
        let text = FILE.replace("[pgweir]\n", &format!("[pgweir]\n{settings}\n"));
        read(&text).unwrap().config
    };
    let old = with("");
    let (merged, reload) = merge(&old, with("query_timeout = 5\nmax_client_conn = 7"));
    assert_eq!(reload.needs_restart, [""; 0]);
    assert_eq!(merged.max_client_conn, 7);
    let new = with(
        "listen_addr = \"::1\"\nlisten_port = 1\nunix_socket_dir = \"/run\"\n\
         unix_socket_mode = \"0700\"\nunix_socket_group = \"web\"\nlisten_backlog = 1\nso_reuseport = true\n\
         workers = 1\n\
         pidfile = \"p\"\nrun_as = \"u\"\nlog_format = \"json\"\n\
         http_listen = \"[::1]:1\"\nhttp_path_prefix = \"/x\"\n\
         otlp_endpoint = \"http://h\"\notlp_interval = 7",
    );
    let of_table: Vec<&str> = SETTINGS
        .iter()
        .filter(|setting| !setting.reload)
        .map(|setting| setting.name)
        .collect();
    let (merged, reload) = merge(&old, new.clone());
    assert_eq!(reload.needs_restart, of_table);
    // It is told of until it is true, and not when it is put back.
    let (merged, reload) = merge(&merged, new);
    assert_eq!(reload.needs_restart, of_table);
    let (_, reload) = merge(&merged, old);
    assert_eq!(reload.needs_restart, [""; 0]);
}

#[test]
fn a_check_prints_aligned_columns() {
    let text = render_text(&read(FILE).unwrap(), false, false);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    let (a, b) = (line("pgweir.auth_type "), line("databases.app.pool_size "));
    assert_eq!(a.find("trust"), b.find('5'), "{text}");
    assert_eq!(
        a.find("conf/pgweir.toml:2"),
        b.find("conf/pgweir.toml:4"),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
    assert!(!text.contains("listen_port"), "a default is not shown");
    assert!(render_text(&read(FILE).unwrap(), true, true).contains("\x1b[2mpgweir.listen_port"));
}

#[test]
fn a_secret_that_nobody_gave_is_unset() {
    let text = render_text(&read(FILE).unwrap(), true, false);
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("pgweir.auth_ldap_options"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[1..], ["unset", "default"]);
}

#[test]
fn a_check_prints_json_with_its_schema() {
    let json: Value = serde_json::from_str(&render_json(&read(FILE).unwrap(), None)).unwrap();
    assert_eq!(json["schema"], "pgweir-check/1");
    assert_eq!(json["ok"], true);
    let settings = json["settings"].as_array().unwrap();
    let size = settings
        .iter()
        .find(|one| one["setting"] == "databases.app.pool_size")
        .unwrap();
    assert_eq!(size["value"], "5");
    assert_eq!(size["origin"]["file"], "conf/pgweir.toml");
    assert_eq!(size["origin"]["line"], 4);
}

#[test]
fn problems_are_printed_as_text_and_json() {
    let problems = read("[pgweir]\npool_mode = \"x\"\n[databases.a]\n").unwrap_err();
    assert_eq!(lines(&problems).len(), 2);
    let text = problems[0].to_string();
    assert!(
        text.starts_with("conf/pgweir.toml:1: lets no user in"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&render_problems_json(&problems)).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["problems"][1]["setting"], "pool_mode");
    assert_eq!(json["problems"][1]["value"], "x");
    assert_eq!(json["problems"][1]["origin"]["line"], 2);
}

#[test]
fn a_start_has_a_line_per_pool() {
    let text = format!("{FILE}query_wait_timeout = 0\n[databases.\"*\"]\npool_size = 0\n");
    assert_eq!(
        startup_lines(&read(&text).unwrap().config),
        [
            "Connection Pool: Limit: 5, Pool Timeout: 120s, Connect Timeout: 15s (database app)",
            "Connection Pool: Limit: 5, Pool Timeout: off, Connect Timeout: 15s (database app, user bob)",
            "Connection Pool: Limit: off, Pool Timeout: 120s, Connect Timeout: 15s (database *)",
            "Connection Pool: Limit: off, Pool Timeout: off, Connect Timeout: 15s (database *, user bob)",
        ]
    );
}

#[test]
fn what_lets_more_people_in_than_most_want_is_warned_of() {
    let warned = |text: &str| super::warnings(text);
    let trust = "[pgweir]\nauth_type = \"trust\"\n";
    let quiet: [String; 0] = [];
    assert_eq!(
        warned(&format!("{trust}{REST}")),
        quiet,
        "on a loopback address"
    );
    assert_eq!(
        warned(&format!(
            "{trust}listen_addr = \"127.0.0.1, 10.0.0.1, ::\"{REST}[databases.\"*\"]\n"
        )),
        [
            "pgweir.toml:2: auth_type = trust: lets everybody in who reaches 10.0.0.1, :: and knows \
             the name of a user",
            "pgweir.toml:2: auth_type = trust: lets everybody into every database that \
             [databases.\"*\"] leads to",
        ]
    );
    assert_eq!(
        warned(&format!(
            "[pgweir]\nlisten_addr = \"*\"{REST}[databases.\"*\"]\n"
        )),
        quiet
    );
}

#[test]
fn a_file_with_a_password_that_everybody_may_read_is_warned_of() {
    let text = "[databases.app]\n[users.ann]\npassword_file = \"open.secret\"\n\
                [users.bob]\npassword_file = \"bob.secret\"\n";
    assert_eq!(
        super::warnings(text),
        [
            "pgweir.toml:3: users.ann.password_file: names a file that every user of this machine \
             may read; chmod o-r it"
        ]
    );
    let text = "[pgweir]\nauth_file = \"open.txt\"\n[databases.app]\n";
    assert_eq!(
        super::warnings(text),
        [
            "open.txt:2: users.bob.password: stands in a file that every user of this machine may \
             read; chmod o-r it"
        ],
        "a SCRAM verifier lets nobody in"
    );
}

#[test]
fn no_problem_shows_a_secret_that_stands_in_the_wrong_place() {
    for text in [
        "[databases.app]\nhost = \"postgres://u:HUSH@h/d\"",
        "[databases.app]\nhost = \"u:HUSH@h\"",
        "[databases.app]\nport = \"postgres://u:HUSH@h/d\"",
        "[databases.app]\npassword_env = \"HUSH\"",
        "[databases.app]\npassword_env = \"HUSH$1\"",
        "[databases.app]\npassword_file = \"HUSH\"",
        "[databases.app]\ndbname = \"postgres://u:HUSH@h/d\"\nport = 0",
        "[pgweir]\nauth_file = \"postgres://u:HUSH@h/d\"",
        "[pgweir]\nhttp_jwt_secret_env = \"HUSH\"",
        "[pgweir]\nhttp_jwt_secret_file = \"HUSH\"",
        "[pgweir]\nhttp_listen = \"postgres://u:HUSH@h/d\"",
        "[pgweir]\notlp_endpoint = \"http://u:HUSH@h\"",
    ] {
        let text = format!("{text}\n[users.bob]\npassword = \"x\"\n");
        let problems = read(&text).unwrap_err();
        assert!(!problems.is_empty());
        for line in lines(&problems) {
            assert!(!line.contains("HUSH"), "{line}");
        }
    }
    let text = format!("[databases.x]\ndbname = \"postgres://u:HUSH@h/d\"{REST}");
    let listed = render_text(&read(&text).unwrap(), true, false);
    assert!(!listed.contains("HUSH"), "{listed}");
}
