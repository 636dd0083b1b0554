//! Session settings in transaction mode: a client's own, over changing servers.

use pgweir_e2e::{Batch, Client, Pooler, shared};

const SETTINGS: [(&str, [&str; 3]); 6] = [
    ("TimeZone", ["Asia/Tokyo", "UTC", "America/New_York"]),
    ("DateStyle", ["ISO, DMY", "German, DMY", "SQL, MDY"]),
    ("IntervalStyle", ["postgres", "iso_8601", "sql_standard"]),
    ("application_name", ["a b", "it's \"quoted\"", ""]),
    ("client_encoding", ["UTF8", "LATIN1", "SQL_ASCII"]),
    ("standard_conforming_strings", ["on", "off", "on"]),
];

/// Asks a session for a setting and compares it with what its client believes.
#[track_caller]
fn has(client: &mut Client, name: &str, value: &str) {
    let seen = client.value(&format!("show {name}"));
    assert_eq!(seen, value, "{name}");
    assert_eq!(client.parameters[name], value, "{name} as reported");
}

#[test]
fn settings_are_the_clients_own_over_changing_servers() {
    for at_startup in [true, false] {
        let role = shared().role();
        let pooler = Pooler::start(&role.config().set("default_pool_size", 2));
        let target = role.through(&pooler);
        // Three clients with settings, and one without any.
        let mut clients: Vec<_> = (0..3)
            .map(|number| {
                let own = SETTINGS.map(|(name, values)| (name, values[number]));
                if at_startup {
                    return Client::log_in_with(&target, &own);
                }
                let mut client = Client::log_in(&target);
                for (name, value) in own {
                    let value = value.replace('\'', "''");
                    client.query(&format!("set {name} = '{value}'")).success();
                }
                client
            })
            .collect();
        let mut plain = Client::log_in(&target);
        let defaults = plain.parameters.clone();
        for round in 0..4 {
            // Somebody else keeps one of the two servers in every second round.
            let mut blocker = Client::log_in(&target);
            if round % 2 == 1 {
                blocker.query("begin").success();
            }
            for (name, values) in SETTINGS {
                for (client, value) in clients.iter_mut().zip(values) {
                    has(client, name, value);
                }
                has(&mut plain, name, &defaults[name]);
            }
        }
    }
}

#[test]
fn clients_with_different_settings_do_not_meet_in_pipelines() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 2));
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..10)
        .map(|number| Client::log_in_with(&target, &[("application_name", &number.to_string())]))
        .collect();
    let mut batch = Batch::new();
    for _ in 0..20 {
        batch = batch
            .run("select current_setting('application_name')", &[])
            .sync();
    }
    for _ in 0..5 {
        for client in &mut clients {
            client.send(batch.bytes());
        }
        for (number, client) in clients.iter_mut().enumerate() {
            for _ in 0..20 {
                assert_eq!(client.until_ready().success().value(), number.to_string());
            }
        }
    }
}

#[test]
fn a_search_path_at_startup_is_the_clients_own() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut own = Client::log_in_with(&target, &[("search_path", "pg_catalog")]);
    let mut plain = Client::log_in(&target);
    for _ in 0..3 {
        assert_eq!(own.value("show search_path"), "pg_catalog");
        assert_eq!(plain.value("show search_path"), "\"$user\", public");
    }
}

#[test]
fn a_search_path_is_read_the_same_whatever_encoding_the_server_was_left_in() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let bytes = "select encode(convert_to(current_setting('search_path'), 'UTF8'), 'hex')";
    let mut before = Client::log_in_with(&target, &[("client_encoding", "LATIN1")]);
    // SJIS has no such letter, and PostgreSQL takes the setting all the same.
    for encoding in ["UTF8", "LATIN1", "SJIS"] {
        let own = [("client_encoding", encoding), ("search_path", "\u{e9}")];
        let mut client = Client::log_in_with(&target, &own);
        before.query("select 1").success();
        assert_eq!(client.value(bytes), "c3a9", "{encoding}");
        assert_eq!(client.value("show client_encoding"), encoding);
    }
}

#[test]
fn a_setting_that_is_rolled_back_is_not_kept() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    let mut other = Client::log_in_with(&target, &[("TimeZone", "Asia/Tokyo")]);
    let before = client.parameters["TimeZone"].clone();
    client
        .query("begin; set timezone = 'America/New_York'")
        .success();
    has(&mut client, "TimeZone", "America/New_York");
    client.query("rollback").success();
    has(&mut other, "TimeZone", "Asia/Tokyo");
    has(&mut client, "TimeZone", &before);
}

#[test]
fn a_wrong_value_at_startup_is_refused_at_login_and_costs_no_server() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut fine = Client::log_in(&target);
    let backend = fine.value("select pg_backend_pid()");
    for _ in 0..3 {
        let refused = Client::try_log_in(&target, &[("TimeZone", "Nowhere")]);
        let refused = refused.expect_err("refused at login");
        assert_eq!(refused.error().sqlstate(), "22023", "{refused:?}");
        assert!(refused.error().text().contains("Nowhere"), "{refused:?}");
        assert!(refused.ended, "{refused:?}");
        has(&mut fine, "TimeZone", "UTC");
        assert_eq!(fine.value("select pg_backend_pid()"), backend);
    }
}

#[test]
fn a_value_that_the_pool_does_not_know_is_told_as_postgresql_spells_it() {
    let role = shared().role();
    // Only in session mode a login holds a server.
    for (mode, servers) in [("transaction", 1), ("session", 2)] {
        let config = role.config().set("default_pool_size", servers);
        let pooler = Pooler::start(&config.set("pool_mode", mode));
        let target = role.through(&pooler);
        for _ in 0..2 {
            let mut client = Client::log_in_with(&target, &[("TimeZone", "asia/tokyo")]);
            assert_eq!(client.parameters["TimeZone"], "Asia/Tokyo");
            assert_eq!(Client::log_in(&target).value("show timezone"), "UTC");
            has(&mut client, "TimeZone", "Asia/Tokyo");
        }
    }
}

#[test]
fn a_login_with_a_value_that_is_not_known_waits_no_longer_than_a_query() {
    let role = shared().role();
    let config = role.config().set("default_pool_size", 1);
    let pooler = Pooler::start(&config.set("query_wait_timeout", 1));
    let target = role.through(&pooler);
    let mut busy = Client::log_in(&target);
    busy.query("begin").success();
    let refused = Client::try_log_in(&target, &[("TimeZone", "Asia/Tokyo")]);
    let refused = refused.expect_err("no server is free");
    assert!(
        refused.error().text().contains("query_wait_timeout"),
        "{refused:?}"
    );
    Client::log_in_with(&target, &[("application_name", "any"), ("TimeZone", "UTC")]);
    busy.query("commit").success();
    Client::log_in_with(&target, &[("TimeZone", "Asia/Tokyo")]);
    busy.query("begin").success();
    Client::log_in_with(&target, &[("TimeZone", "Asia/Tokyo")]);
}

#[test]
fn settings_of_the_database_are_every_servers() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .database("app", "timezone", "Asia/Tokyo")
            .database("app", "application_name", "of the pool")
            .database("app", "search_path", "pg_catalog")
            .database("app", "connect_query", "set work_mem = '77kB'"),
    );
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.parameters["TimeZone"], "Asia/Tokyo");
    has(&mut client, "TimeZone", "Asia/Tokyo");
    has(&mut client, "application_name", "of the pool");
    assert_eq!(client.value("show search_path"), "pg_catalog");
    assert_eq!(client.value("show work_mem"), "77kB");
}

#[test]
fn parameters_that_are_not_settings_are_refused_unless_ignored() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("ignore_startup_parameters", "extra_float_digits, options"),
    );
    let target = role.through(&pooler);
    let ignored = [("extra_float_digits", "2"), ("options", "-c work_mem=1MB")];
    Client::log_in_with(&target, &ignored).value("select 1");
    let answer = match Client::try_log_in(&target, &[("no_such_setting", "1")]) {
        Ok(mut client) => client.query("select 1"),
        Err(refused) => refused,
    };
    assert_eq!(answer.error().sqlstate(), "42704", "{answer:?}");
}

#[test]
fn discard_all_resets_to_what_the_session_had_at_first() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("pool_mode", "session")
            .set("default_pool_size", 1),
    );
    let target = role.through(&pooler);
    let mut first = Client::log_in_with(&target, &[("TimeZone", "Asia/Tokyo")]);
    let pid = first.value("select pg_backend_pid()");
    first
        .query("set work_mem = '99kB'; create temp table left_over (a int); listen news")
        .success();
    first.send(Batch::new().terminate().bytes());
    assert_eq!(first.until_end().to_string(), "end");
    let mut second = Client::log_in(&target);
    assert_eq!(
        second.value("select pg_backend_pid()"),
        pid,
        "the server is reused"
    );
    has(&mut second, "TimeZone", "UTC");
    assert_eq!(second.value("show work_mem"), "4MB");
    assert_eq!(
        second.value("select count(*) from pg_class where relname = 'left_over'"),
        "0"
    );
    assert_eq!(
        second.value("select count(*) from pg_listening_channels()"),
        "0"
    );
}

#[test]
fn a_reset_returns_to_what_the_client_connected_with() {
    let own = [
        ("application_name", "billing"),
        ("TimeZone", "Asia/Tokyo"),
        ("search_path", "pg_catalog"),
    ];
    let all = "reset application_name; set timezone to default; reset search_path";
    for mode in ["transaction", "session"] {
        let role = shared().role();
        let pooler = Pooler::start(&role.config().set("pool_mode", mode));
        let target = role.through(&pooler);
        let mut plain = Client::log_in(&target);
        let defaults = own.map(|(name, _)| plain.value(&format!("show {name}")));
        for text in ["reset all", "discard all", all] {
            let mut client = Client::log_in_with(&target, &own);
            client.query("set timezone to 'UTC'").success();
            client.query(text).success();
            for (at, (name, value)) in own.into_iter().enumerate() {
                let show = format!("show {name}");
                assert_eq!(client.value(&show), value, "{text} in {mode} mode");
                assert_eq!(plain.value(&show), defaults[at], "{text} in {mode} mode");
            }
            assert_eq!(client.parameters["TimeZone"], "Asia/Tokyo", "{text}");
        }
    }
}

#[test]
fn a_role_is_not_left_to_the_next_client() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut one = Client::log_in(&target);
    let mut next = Client::log_in(&target);
    let login = next.value("select current_setting('role')");
    for text in [
        "set role none; set role current_user",
        "select set_config('role', current_user, false)",
    ] {
        let text = text.replace(
            "set role current_user",
            "do $$begin execute format('set role %I', current_user); end$$",
        );
        one.query(&text).success();
        assert_eq!(
            next.value("select current_setting('role')"),
            login,
            "{text}"
        );
    }
}

#[test]
fn settings_are_not_read_in_the_encoding_of_another_client() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut other = Client::log_in_with(&target, &[("client_encoding", "LATIN1")]);
    let mut client = Client::log_in_with(
        &target,
        &[("client_encoding", "UTF8"), ("search_path", "caf\u{e9}")],
    );
    for _ in 0..2 {
        assert_eq!(other.value("show client_encoding"), "LATIN1");
        assert_eq!(client.value("show search_path"), "caf\u{e9}");
    }
}
