//! Which of several sections decides.

use super::{REST, check_shown, read};
use crate::PoolMode;

const TEXT: &str = r#"[pgweir]
default_pool_size = 10
min_pool_size = 3
query_timeout = 7
max_user_connections = 4
[databases.app]
pool_size = 8
query_timeout = 6
application_name = "pool"
search_path = "app, public"
[databases."*"]
host = "10.0.0.1"
[users.ann]
password = "x"
pool_size = 2
max_user_connections = 9
[users.bob]
password = "x"
pool_mode = "statement"
[users."c d"]
password = "x"
"#;

#[test]
fn the_user_comes_before_the_database_and_that_before_the_global() {
    let config = read(TEXT).unwrap().config;
    let app = &config.databases["app"];
    let any = config.fallback_database.as_ref().unwrap();
    let sizes =
        |user: &str| [app, any].map(|database| database.pool_config(user).pool_size.map(u32::from));
    assert_eq!(sizes("ann"), [Some(2), Some(2)]);
    assert_eq!(sizes("bob"), [Some(8), Some(10)]);
    assert_eq!(sizes("c d"), [Some(8), Some(10)]);
    assert_eq!(app.pool_config("bob").pool_mode, PoolMode::Statement);
    assert_eq!(app.pool_config("ann").pool_mode, PoolMode::Session);
    assert_eq!(app.pool.query_timeout.unwrap().as_secs(), 6);
    assert_eq!(any.pool.query_timeout.unwrap().as_secs(), 7);
    assert_eq!(config.users["ann"].max_user_connections.unwrap().get(), 9);
    assert_eq!(config.users["bob"].max_user_connections.unwrap().get(), 4);
    assert!(!app.user_pools.contains_key("c d"), "it changes nothing");
    assert_eq!(any.dbname, None);
    assert!(!config.databases.contains_key("*"));
    let expected = [("application_name", "pool"), ("search_path", "app, public")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(app.startup_parameters, expected);
}

#[test]
fn a_users_smaller_pool_keeps_no_more_servers_than_it_may_open() {
    let config = read(TEXT).unwrap().config;
    assert_eq!(config.databases["app"].pool_config("ann").min_pool_size, 2);
    assert_eq!(config.databases["app"].pool_config("bob").min_pool_size, 3);
}

#[test]
fn what_is_shown_says_where_it_was_taken_from() {
    check_shown(
        read(TEXT),
        &[
            "pgweir.default_pool_size = 10 @ line 2",
            "pgweir.max_client_conn = 100 @ default",
            "databases.app.pool_size = 8 @ line 7",
            "databases.app.min_pool_size = 3 @ line 3 (pgweir.min_pool_size)",
            "databases.app.server_lifetime = 3600s @ default",
            "databases.\"*\".pool_size = 10 @ line 2 (pgweir.default_pool_size)",
            "users.ann.max_user_connections = 9 @ line 16",
            "users.bob.max_user_connections = 4 @ line 5 (pgweir.max_user_connections)",
            "users.ann.pool_size = 2 @ line 15",
            "users.\"c d\".password = set (plain) @ line 21",
            "pools.app.ann.pool_size = 2 @ line 15 (users.ann.pool_size)",
            "pools.app.ann.min_pool_size = 2 @ line 15 (users.ann.pool_size)",
            "pools.\"*\".bob.pool_mode = statement @ line 19 (users.bob.pool_mode)",
        ],
    );
}

#[test]
fn ignored_startup_parameters_are_in_lower_case() {
    let text =
        format!("[pgweir]\nignore_startup_parameters = \"Extra_Float_Digits, options,\"{REST}");
    let config = read(&text).unwrap().config;
    assert_eq!(
        config.ignore_startup_parameters,
        ["extra_float_digits", "options"]
    );
}

#[test]
fn users_of_the_console_are_listed_by_their_names_as_they_stand() {
    let text = format!("[pgweir]\nadmin_users = \"Ann, bob,\"\nstats_users = \"\"{REST}");
    let config = read(&text).unwrap().config;
    assert_eq!(config.admin_users, ["Ann", "bob"]);
    assert!(config.stats_users.is_empty());
}

#[test]
fn settings_of_the_pooler_are_shown_as_numbers_where_they_are_numbers() {
    let text =
        format!("[pgweir]\nquery_wait_timeout = \"1min\"\nunix_socket_mode = \"0770\"{REST}");
    let config = read(&text).unwrap().config;
    for (name, value, default) in [
        ("query_wait_timeout", "60", "120"),
        ("max_user_connections", "0", "0"),
        ("log_connections", "1", "1"),
        ("unix_socket_mode", "0770", "0777"),
        ("workers", "auto", "auto"),
        ("auth_file", "", ""),
        ("auth_type", "scram-sha-256", "scram-sha-256"),
    ] {
        let mut settings = config.globals.iter();
        let setting = settings.find(|setting| setting.name == name).unwrap();
        assert_eq!(
            (&*setting.value, &*setting.default),
            (value, default),
            "{name}"
        );
    }
}
