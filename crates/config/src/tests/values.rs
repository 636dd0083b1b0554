//! How single values are read and shown.

use std::time::Duration;

use super::{MD5, REST, SCRAM, check_shown, read};
use crate::value::show_time;
use crate::{AuthType, PoolMode, Secret, ServerAddress, Workers};

#[track_caller]
fn check(setting: &str, shown: &str) {
    let (name, _) = setting.split_once(" = ").unwrap();
    let line = format!("pgweir.{name} = {shown} @ line 2");
    check_shown(read(&format!("[pgweir]\n{setting}{REST}")), &[&line]);
}

#[test]
fn several_hosts_are_servers_of_one_database() {
    let text = "[databases.app]\nhost = \"a, /run\"\nport = 5433\n[users.bob]\npassword = \"x\"\n";
    let config = read(text).unwrap().config;
    let app = &config.databases["app"];
    assert_eq!(app.server.to_string(), "a:5433");
    let others: Vec<String> = app.other_servers.iter().map(ToString::to_string).collect();
    assert_eq!(others, ["/run/.s.PGSQL.5433"]);
    assert!(app.balances_hosts);
}

#[test]
fn times_take_numbers_of_seconds_and_units() {
    for (written, shown) in [
        ("5", "5s"),
        ("1.5", "1.5s"),
        ("0.25", "250ms"),
        ("\"5\"", "5s"),
        ("\"100ms\"", "100ms"),
        ("\"1500ms\"", "1.5s"),
        ("\"5s\"", "5s"),
        ("\"5 s\"", "5s"),
        ("\"10min\"", "600s"),
        ("\"0.5h\"", "1800s"),
        ("\"7d\"", "604800s"),
        ("\"3650d\"", "315360000s"),
        ("0", "off"),
        ("0.0", "off"),
        ("\"0s\"", "off"),
    ] {
        check(&format!("query_timeout = {written}"), shown);
    }
    check("server_lifetime = 0", "single use");
    check("reserve_pool_timeout = 0", "at once");
    check("server_login_retry = 0", "none");
    check("tcp_user_timeout = 1500", "1.5s");
    check("tcp_user_timeout = \"2s\"", "2s");
}

#[test]
fn other_kinds_read_their_forms() {
    check("default_pool_size = 0", "no limit");
    check("default_pool_size = \"7\"", "7");
    check("default_pool_size = 0x10", "16");
    check("default_pool_size = 1_000", "1000");
    check("unix_socket_mode = \"0770\"", "0770");
    check("unix_socket_mode = 0o700", "0700");
    check("tcp_keepalive = 0", "false");
    check("tcp_keepalive = \"on\"", "true");
    check("listen_addr = \"*\"", "0.0.0.0, ::");
    check("listen_addr = \"localhost, ::1\"", "127.0.0.1, ::1");
    check("workers = \"auto\"", "auto");
    check("workers = 4", "4");
}

#[test]
fn a_shown_time_reads_back() {
    for time in [
        Duration::from_millis(1),
        Duration::from_millis(999),
        Duration::from_millis(1001),
        Duration::from_micros(1500),
        Duration::from_secs(3600),
    ] {
        let shown = show_time(time);
        let text = format!("[pgweir]\nquery_timeout = \"{shown}\"{REST}");
        let config = read(&text).unwrap().config;
        assert_eq!(
            config.databases["app"].pool.query_timeout,
            Some(time),
            "{shown}"
        );
    }
}

#[test]
fn an_empty_file_but_for_names_has_the_documented_defaults() {
    let config = read(REST).unwrap().config;
    let pool = &config.databases["app"].pool;
    assert_eq!(config.listen.port, 6432);
    assert_eq!(config.listen.unix_socket_mode, 0o777);
    assert_eq!(config.workers, Workers::Auto);
    assert_eq!(config.auth_type, AuthType::ScramSha256);
    assert_eq!(config.auth, None);
    assert_eq!(config.max_client_conn, 100);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(25));
    assert_eq!(config.log.stats_period, Some(Duration::from_secs(60)));
    assert_eq!(pool.pool_mode, PoolMode::Session);
    assert_eq!(pool.pool_size.map(u32::from), Some(20));
    assert_eq!(pool.query_wait_timeout, Some(Duration::from_secs(120)));
    assert_eq!(pool.query_timeout, None);
    assert_eq!(pool.server_reset_query, "DISCARD ALL");
    assert_eq!(pool.server_check_delay, Some(Duration::from_secs(30)));
    assert_eq!(pool.server_check_query, "");
    assert_eq!(
        config.databases["app"].server,
        ServerAddress::Tcp {
            host: "127.0.0.1".to_owned(),
            port: 5432
        }
    );
    assert_eq!(config.databases["app"].dbname.as_deref(), Some("app"));
}

#[test]
fn the_check_of_servers_is_switched_as_in_pgbouncer() {
    let pool = |settings: &str| {
        let config = read(&format!("[pgweir]\n{settings}{REST}")).unwrap().config;
        let pool = &config.databases["app"].pool;
        (pool.server_check_delay, pool.server_check_query.clone())
    };
    let default = Some(Duration::from_secs(30));
    assert_eq!(pool("server_check_query = \"\""), (None, String::new()));
    assert_eq!(
        pool("server_check_query = \"SELECT 1\""),
        (default, "SELECT 1".to_owned())
    );
    assert_eq!(
        pool("server_check_delay = 0"),
        (Some(Duration::ZERO), String::new())
    );
}

#[test]
fn a_folder_as_host_is_a_unix_socket() {
    let text = "[databases.a]\nhost = \"/run/pg\"\nport = 5433\n[users.bob]\npassword = \"x\"";
    let config = read(text).unwrap().config;
    let path = "/run/pg/.s.PGSQL.5433".into();
    assert_eq!(config.databases["a"].server, ServerAddress::Unix(path));
}

#[test]
fn secrets_are_told_apart_by_form_and_never_shown() {
    let text = format!(
        "[pgweir]\nauth_type = \"md5\"\n[databases.app]\nuser = \"ann\"\npassword = \"hush\"\n\
         [users.ann]\npassword = \"md5 is no hash\"\n[users.bob]\npassword = \"{MD5}\"\n\
         [users.eve]\npassword = \"{SCRAM}\"\n"
    );
    let resolved = read(&text).unwrap();
    let secret = |name: &str| resolved.config.users[name].secret.clone().unwrap();
    assert!(secret("ann") == Secret::Plain("md5 is no hash".to_owned()));
    assert!(secret("bob") == Secret::Md5(MD5.to_lowercase()));
    assert!(secret("eve") == Secret::Scram(SCRAM.to_owned()));
    let everything = format!("{resolved:?}");
    assert!(!everything.contains("hush") && !everything.contains("AAAA="));
    check_shown(
        Ok(resolved),
        &[
            "databases.app.password = set (plain) @ line 5",
            "users.ann.password = set (plain) @ line 7",
            "users.bob.password = set (md5) @ line 9",
            "users.eve.password = set (SCRAM verifier) @ line 11",
        ],
    );
}

#[test]
fn users_are_looked_up_in_the_database_that_is_named() {
    let text = "[pgweir]\nauth_user = \"asker\"\n[users.asker]\npassword = \"x\"\n\
                [databases.app]\nhost = \"10.0.0.1\"\nauth_query = \"select f($1)\"\n\
                [databases.web]\nauth_dbname = \"other\"\nauth_user = \"second\"\n\
                [databases.off]\nauth_user = \"\"\n\
                [databases.\"*\"]\nport = 5433\n";
    let config = read(text).unwrap().config;
    let shown = |auth: Option<&crate::AuthSource>| {
        auth.map(|auth| {
            let dbname = auth.dbname.as_deref().unwrap_or("the client's");
            let has_secret = auth.password != crate::ServerPassword::None;
            let query = if auth.is_default_query {
                "default"
            } else {
                &auth.query
            };
            format!(
                "{} {dbname} {} {has_secret} {query}",
                auth.server, auth.user
            )
        })
    };
    let of = |name: &str| shown(config.databases[name].auth.as_ref());
    assert_eq!(
        of("app").unwrap(),
        "10.0.0.1:5432 app asker true select f($1)"
    );
    assert_eq!(
        of("web").unwrap(),
        "127.0.0.1:5433 other second false default"
    );
    assert_eq!(of("off"), None);
    let fallback = config.fallback_database.as_ref().unwrap();
    assert_eq!(
        shown(fallback.auth.as_ref()).unwrap(),
        "127.0.0.1:5433 the client's asker true default"
    );
    // Without auth_dbname nobody knows where to ask for the user of a database that is nowhere.
    assert_eq!(config.auth, None);
}
