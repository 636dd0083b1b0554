//! Configurations on the command line: `DATABASE_URL` alone, and `pgweir check`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use pgweir_e2e::{Client, Config, Pooler, Role, Target, eventually, shared};

/// The role's URL, with parameters.
fn url(role: &Role, parameters: &str) -> String {
    let target = role.direct();
    let encode = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.bytes()
            .map(|byte| match char::from(byte) {
                c if plain(c) => c.to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let (user, password) = (encode(&target.user), encode(&target.password));
    format!(
        "postgresql://{user}:{password}@127.0.0.1:{}/postgres{parameters}",
        target.port
    )
}

fn through(role: &Role, pooler: &Pooler) -> Target {
    role.through(pooler).database("postgres")
}

#[test]
fn a_url_is_all_that_is_needed() {
    let role = shared().role();
    let parameters = "?connection_limit=2&pool_timeout=1&connect_timeout=7&socket_timeout=1\
                      &application_name=of%20the%20url";
    let pooler = Pooler::start_with_variables(&[("DATABASE_URL", &url(&role, parameters))]);
    eventually("it is connected", || {
        pooler.log().contains("Database connected").then_some(())
    });
    let log = pooler.log();
    let line = log
        .lines()
        .find(|line| line.contains("Connection Pool"))
        .expect(&log);
    for word in ["Limit: 2", "Pool Timeout: 1s", "Connect Timeout: 7s"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(!log.contains("hush"), "no password in the log");

    let target = through(&role, &pooler);
    let wrong = Client::try_log_in(&target.clone().password("wrong"), &[]).unwrap_err();
    assert_eq!(wrong.error().sqlstate(), "28P01");
    let mut clients: Vec<_> = (0..3).map(|_| Client::log_in(&target)).collect();
    assert_eq!(clients[0].value("show application_name"), "of the url");
    clients[0].query("begin").success();
    clients[1].query("begin").success();
    let refused = clients[2].query("select 1");
    assert_eq!(refused.error().sqlstate(), "57P03");
    assert!(refused.error().text().contains("query_wait_timeout (1 s)"));
    let cancelled = clients[1].query("select pg_sleep(60)");
    assert_eq!(cancelled.error().sqlstate(), "57014");
}

#[test]
fn the_variables_of_the_environment_count_too() {
    let role = shared().role();
    let pooler = Pooler::start_with_variables(&[
        ("DATABASE_URL", &url(&role, "")),
        ("DB_MAX_CONNECTIONS", "1"),
        ("DB_MIN_CONNECTIONS", "1"),
        ("DB_ACQUIRE_TIMEOUT", "1"),
        ("DB_IDLE_TIMEOUT", "30"),
        ("DB_MAX_LIFETIME", "60"),
    ]);
    let target = through(&role, &pooler);
    let mut clients: Vec<_> = (0..2).map(|_| Client::log_in(&target)).collect();
    clients[0].query("begin").success();
    assert_eq!(clients[1].query("select 1").error().sqlstate(), "57P03");
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = pgweir_e2e::pgweir();
    let output: Output = command
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn an_unknown_parameter_is_an_error_that_names_the_nearest() {
    let role = shared().role();
    let url = url(&role, "?conection_limit=2");
    for command in ["serve", "check"] {
        let (code, out, err) = run(&[command], &[("DATABASE_URL", &url)]);
        let text = out + &err;
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("conection_limit") && text.contains("connection_limit"),
            "{text}"
        );
        assert!(!text.contains("hush"), "no password in {text}");
    }
}

#[test]
fn check_prints_every_value_or_every_problem() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, role.config().set("default_pool_size", 7).text()).unwrap();
    let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let (code, _, err) = run(&["check", path], &[]);
    assert_eq!(code, Some(0), "a warning is no mistake");
    assert!(err.contains("warning: ") && err.contains("chmod"), "{err}");
    mode(0o600);
    let (code, out, err) = run(&["check", path], &[]);
    assert_eq!((code, &*err), (Some(0), ""));
    let line = out
        .lines()
        .find(|line| line.contains("default_pool_size"))
        .expect(&out);
    assert!(
        line.contains('7') && line.contains("pgweir.toml:"),
        "{line}"
    );
    assert!(!out.contains("hush"), "no password in {out}");
    assert!(!out.contains("query_wait_timeout"), "a default in {out}");
    assert!(out.contains("The configuration is good."), "{out}");
    let (_, out, _) = run(&["check", "--all", path], &[]);
    assert!(out.contains("query_wait_timeout"), "{out}");

    let broken = role
        .config()
        .set("default_pool_size", -1)
        .set("pool_mod", "session");
    std::fs::write(&file, broken.text()).unwrap();
    let (code, out, _) = run(&["check", path], &[]);
    assert_eq!(code, Some(1));
    for word in [
        "pgweir.toml:",
        "default_pool_size",
        "-1",
        "pool_mod",
        "pool_mode",
    ] {
        assert!(out.contains(word), "no {word:?} in {out}");
    }
    let (code, _, err) = run(&["serve", path], &[]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("default_pool_size") && err.contains("pool_mod"),
        "{err}"
    );
}

#[test]
fn a_missing_configuration_is_an_error_that_says_what_to_do() {
    let (code, _, err) = run(&["serve"], &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("DATABASE_URL"), "{err}");
    let (code, _, err) = run(&["serve", "/nowhere/pgweir.toml"], &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("/nowhere/pgweir.toml"), "{err}");
}

#[test]
fn check_connect_says_what_postgres_gives_and_what_will_fail() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    let path = file.to_str().unwrap();
    let check = |config: Config, more: &[&str]| {
        std::fs::write(&file, config.text()).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        run(&[&["check", "--connect", path], more].concat(), &[])
    };
    let (code, out, err) = check(role.config(), &[]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    for part in [
        "PostgreSQL ",
        " connections for ordinary roles (max_connections ",
        &format!("role {}", role.name),
        "PostgreSQL gives what it asks for.",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    let wrong = role
        .config()
        .set("pool_mode", "session")
        .set("server_reset_query", "discard everything")
        .database("typo", "dbname", "there is none")
        .database("typo", "host", "127.0.0.1")
        .database("typo", "port", role.direct().port);
    let (code, out, _) = check(wrong.clone(), &[]);
    assert_eq!(code, Some(3), "{out}");
    for part in [
        "problem: there is no database there is none",
        "problem: server_reset_query of database ",
        "syntax error",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    let (_, out, _) = check(wrong, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect(&out);
    let problems = json["servers"][0]["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 2, "{out}");
    assert!(!out.contains("hush"), "no password in {out}");
}
