use super::{TARGETS_MAX, all};
use crate::outside::load;
use pgweir_config::{Config, Source};

fn config(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    std::fs::write(&path, format!("[pgweir]\nauth_type = \"trust\"\n{text}")).unwrap();
    match load(&Source::File(path)) {
        Ok(resolved) => resolved.config,
        Err(problems) => panic!("{problems:?}"),
    }
}

/// Each target as `SERVER DATABASE USER`, with a question mark where nobody can log in.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = all(&config(text))
        .iter()
        .map(|target| {
            let user = target.account.as_ref().map_or("?", |account| &account.user);
            format!("{} {} {user}", target.name, target.database)
        })
        .collect();
    assert_eq!(found, expected);
}

const SCRAM: &str = "SCRAM-SHA-256$4096:c2FsdA==$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_host_and_port_is_one_target_whatever_its_databases() {
    check(
        "[databases.a]\nhost = \"h\"\n[databases.b]\nhost = \"h\"\n[databases.c]\nhost = \"h\"\n\
         port = 5433\n[databases.d]\nhost = \"/run\"\n[databases.\"*\"]\nhost = \"i\"\n\
         [users.bob]\npassword = \"x\"",
        &[
            "h:5432 a bob",
            "h:5433 c bob",
            "/run/.s.PGSQL.5432 d bob",
            "i:5432 postgres bob",
        ],
    );
}

#[test]
fn the_account_is_one_that_needs_no_client() {
    let users = format!(
        "[users.ann]\npassword = \"{SCRAM}\"\n[users.bob]\n[users.cid]\npassword = \"x\"\n"
    );
    for (database, user) in [
        ("", "cid"),
        ("user = \"forced\"\npassword = \"\"", "forced"),
        ("password = \"x\"", "ann"),
        ("probe_user = \"bob\"", "bob"),
        ("probe_user = \"monitor\"\nuser = \"cid\"", "monitor"),
    ] {
        let expected = format!("127.0.0.1:5432 app {user}");
        check(
            &format!("[databases.app]\n{database}\n{users}"),
            &[&expected],
        );
    }
    let users = format!("[users.ann]\npassword = \"{SCRAM}\"\n");
    check(
        &format!("[databases.app]\n{users}"),
        &["127.0.0.1:5432 app ?"],
    );
    check(
        &format!("[databases.app]\n[databases.zoo]\npassword = \"x\"\n{users}"),
        &["127.0.0.1:5432 zoo ann"],
    );
}

#[test]
fn a_probe_user_of_one_database_looks_at_its_server() {
    check(
        "[databases.a]\n[databases.b]\nprobe_user = \"monitor\"\ndbname = \"x\"\n\
         [databases.c]\nhost = \"h\"\n[users.bob]\npassword = \"x\"",
        &["127.0.0.1:5432 x monitor", "h:5432 c bob"],
    );
}

#[test]
fn a_probe_user_with_nothing_but_a_verifier_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    let text = format!(
        "[pgweir]\nprobe_user = \"ann\"\n[databases.app]\n[users.ann]\npassword = \"{SCRAM}\""
    );
    std::fs::write(&path, text).unwrap();
    let problems = load(&Source::File(path)).unwrap_err();
    let text = problems[0].to_string();
    assert!(
        text.contains("probe_user") && text.contains("verifier"),
        "{text}"
    );
}

#[test]
fn targets_are_bounded() {
    let mut text = String::new();
    for port in 0..TARGETS_MAX + 5 {
        text.push_str(&format!("[databases.d{port}]\nport = {}\n", 1000 + port));
    }
    let config = config(&format!("{text}[users.bob]\npassword = \"x\""));
    assert_eq!(all(&config).len(), TARGETS_MAX);
}
