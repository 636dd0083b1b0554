//! Users that PostgreSQL is asked for (`auth_query`).

use std::io::Write;
use std::net::TcpListener;

use pgweir_e2e::{Client, Config, Pooler, Role, Target, Transcript, eventually, shared};
use pgweir_wire::startup;

/// A role that may read verifiers.
fn asker() -> Role {
    let role = shared().role();
    shared().sql(&format!("grant select on pg_authid to {}", role.name));
    role
}

/// A pooler that knows nobody but the asker.
fn config(asker: &Role) -> Config {
    asker
        .config()
        .set("auth_type", "scram-sha-256")
        .set("auth_user", &asker.name)
        .set("server_login_retry", 60)
}

fn refused(target: &Target) -> Transcript {
    Client::try_log_in(target, &[]).expect_err("nobody lets this in")
}

/// What a stranger sees of the questions and of the answer.
fn seen(answer: &Transcript) -> (Vec<(u8, usize)>, String) {
    let messages = answer.messages.iter();
    let sizes = messages.map(|message| match message.kind {
        b'R' => (b'R', message.body.len()),
        kind => (kind, 0),
    });
    (sizes.collect(), answer.error().sqlstate())
}

#[test]
fn users_of_postgresql_come_in_as_themselves_and_no_others() {
    let (asker, bob) = (asker(), shared().role());
    let (expired, nologin, bare) = (shared().role(), shared().role(), shared().role());
    shared().sql(&format!(
        "alter role {} valid until 'yesterday'; alter role {} nologin; alter role {} password null",
        expired.name, nologin.name, bare.name
    ));
    let pooler = Pooler::start(&config(&asker));
    for role in [&bob, &asker] {
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select current_user"), role.name);
    }
    let long = "u".repeat(64);
    let injection = "x' or '1' = '1";
    let wrong = seen(&refused(&bob.through(&pooler).password("wrong")));
    assert_eq!(wrong.1, "28P01");
    for (role, user) in [
        (&expired, &*expired.name),
        (&nologin, &*nologin.name),
        (&bare, &*bare.name),
        (&bob, "nobody"),
        (&bob, &long),
        (&bob, injection),
        (&bob, "$1"),
        (&bob, "\u{e9}\u{1f418}"),
    ] {
        let answer = refused(&role.through(&pooler).user(user));
        assert_eq!(seen(&answer), wrong, "{user}");
        let text = format!("password authentication failed for user \"{user}\"");
        assert_eq!(answer.error().text(), text);
    }
}

#[test]
fn cve_2015_6817_an_unknown_user_is_not_the_one_that_asks() {
    let asker = asker();
    let pooler = Pooler::start(&config(&asker));
    Client::log_in(&asker.through(&pooler));
    for password in [&*asker.password, "", "x"] {
        let answer = refused(&asker.through(&pooler).user("nobody").password(password));
        assert_eq!(answer.error().sqlstate(), "28P01");
    }
}

#[test]
fn cve_2025_2291_an_expired_password_is_refused_although_servers_are_warm() {
    let (asker, bob) = (asker(), shared().role());
    let pooler = Pooler::start(&config(&asker).set("auth_cache_ttl", 1));
    let mut client = Client::log_in(&bob.through(&pooler));
    shared().sql(&format!("alter role {} valid until 'yesterday'", bob.name));
    eventually("the role has expired here", || {
        Client::try_log_in(&bob.through(&pooler), &[])
            .is_err()
            .then_some(())
    });
    let answer = refused(&bob.through(&pooler));
    assert_eq!(answer.error().sqlstate(), "28P01");
    assert_eq!(
        client.value("select 1"),
        "1",
        "a session that is open goes on"
    );
}

#[test]
fn roles_that_are_dropped_or_may_not_log_in_are_refused_although_servers_are_warm() {
    let asker = asker();
    let pooler = Pooler::start(&config(&asker).set("auth_cache_ttl", 1));
    let (dropped, barred) = (shared().role(), shared().role());
    for (role, sql) in [
        (
            &dropped,
            format!("drop owned by {0}; drop role {0}", dropped.name),
        ),
        (&barred, format!("alter role {} nologin", barred.name)),
    ] {
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select current_user"), role.name);
        shared().sql(&sql);
        eventually("it is refused", || {
            Client::try_log_in(&role.through(&pooler), &[])
                .is_err()
                .then_some(())
        });
        let answer = refused(&role.through(&pooler));
        assert_eq!(answer.error().sqlstate(), "28P01");
        let unknown = refused(&role.through(&pooler).user("nobody"));
        assert_eq!(seen(&answer), seen(&unknown));
    }
}

#[test]
fn a_changed_password_comes_in_before_the_old_one_is_forgotten() {
    let (asker, bob) = (asker(), shared().role());
    let pooler = Pooler::start(&config(&asker).set("auth_cache_ttl", "1h"));
    Client::log_in(&bob.through(&pooler));
    shared().sql(&format!("alter role {} password 'new'", bob.name));
    // What was found is doubted when it is a second old.
    let new = bob.through(&pooler).password("new");
    eventually("the new password is known", || {
        Client::try_log_in(&new, &[]).ok()
    });
    let old = refused(&bob.through(&pooler));
    assert_eq!(old.error().sqlstate(), "28P01");
}

#[test]
fn what_postgresql_refuses_is_asked_again() {
    let (asker, bob) = (asker(), shared().role());
    let pooler = Pooler::start(&config(&asker).set("auth_cache_ttl", "1h"));
    Client::log_in(&bob.through(&pooler));
    shared().sql(&format!("alter role {} password 'new'", bob.name));
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity where usename =";
    shared().sql(&format!("{terminate} '{}'", bob.name));
    // The old password fits what was found, and no server can be opened with it.
    let answer = eventually("PostgreSQL refuses the old password", || {
        Client::try_log_in(&bob.through(&pooler), &[]).err()
    });
    assert_eq!(answer.error().sqlstate(), "28P01");
    // Neither the answer nor the failure is remembered: the new password needs no second attempt.
    let mut client = Client::log_in(&bob.through(&pooler).password("new"));
    assert_eq!(client.value("select current_user"), bob.name);
    let old = refused(&bob.through(&pooler));
    assert_eq!(
        old.error().text(),
        format!("password authentication failed for user \"{}\"", bob.name)
    );
}

#[test]
fn cve_2025_12819_nothing_of_a_client_reaches_the_question() {
    let (asker, bob) = (asker(), shared().role());
    // The answer makes the search path of the connection the password.
    let query = "select $1::text, current_setting('search_path')";
    let config = config(&asker)
        .set("auth_query", query)
        .database("app", "user", &bob.name)
        .database("app", "password", &bob.password);
    let pooler = Pooler::start(&config);
    let target = bob.through(&pooler).user("somebody");
    let evil = [("search_path", "evil"), ("options", "-c search_path=evil")];
    let answer = Client::try_log_in(&target.clone().password("evil"), &evil);
    assert_eq!(answer.unwrap_err().error().sqlstate(), "28P01");
    Client::log_in_with(
        &target.password("\"$user\", public"),
        &[("search_path", "public")],
    );
}

#[test]
fn an_answer_about_anybody_else_lets_nobody_in() {
    let (asker, bob) = (asker(), shared().role());
    let of_bob = format!(
        "'{}'::text, '{}'::text",
        bob.name,
        bob.password.replace('\'', "''")
    );
    for query in [
        format!("select {of_bob} where $1::text <> ''"),
        format!("select {of_bob} where $1::text <> '' union all select 'x', 'y'"),
        "select $1::text".to_owned(),
        "select $1::text, 1 / 0".to_owned(),
        "select $1::text, 'SCRAM-SHA-256$nonsense'".to_owned(),
    ] {
        let pooler = Pooler::start(&config(&asker).set("auth_query", &query));
        let answer = refused(&bob.through(&pooler).user("eve"));
        assert_eq!(answer.error().sqlstate(), "57P03", "{query}");
        assert_eq!(
            answer.error().text(),
            "bouncer config error: auth_query has no answer for this user"
        );
        pooler.has_said("auth_query failed");
        assert!(!pooler.log().contains(&bob.password));
        Client::log_in(&asker.through(&pooler));
    }
}

#[test]
fn the_database_that_is_asked_may_be_another() {
    let (asker, bob) = (asker(), shared().role());
    // Here the asker may not read what it asks for.
    shared().sql(&format!("create database of_{0} owner {0}", bob.name));
    let config = config(&asker)
        .set("auth_type", "plain")
        .database("app", "dbname", &format!("of_{}", bob.name))
        .database("directory", "host", "127.0.0.1")
        .database("directory", "port", shared().port())
        .database("directory", "dbname", "postgres");
    let pooler = Pooler::start(&config);
    let answer = refused(&bob.through(&pooler));
    assert_eq!(answer.error().sqlstate(), "57P03");
    pooler.has_said("auth_query failed: permission denied");
    let config = config.set("auth_dbname", "directory");
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&bob.through(&pooler));
    assert_eq!(client.value("select current_user"), bob.name);
    // A name that leads nowhere is told to those alone who have proven who they are.
    let nowhere = bob.through(&pooler).database("nowhere");
    assert_eq!(refused(&nowhere).error().sqlstate(), "3D000");
    let wrong = refused(&nowhere.password("wrong"));
    assert_eq!(wrong.error().sqlstate(), "28P01");
}

#[test]
fn users_with_md5_secrets_come_in_by_md5() {
    let (asker, bob) = (asker(), shared().role_by("by_md5", "md5"));
    let pooler = Pooler::start(&config(&asker).set("auth_type", "md5"));
    let mut client = Client::log_in(&bob.through(&pooler));
    assert_eq!(client.value("select current_user"), bob.name);
    let wrong = refused(&bob.through(&pooler).password("wrong"));
    assert_eq!(wrong.error().sqlstate(), "28P01");
}

#[test]
fn a_password_file_for_others_is_in_nobodys_way() {
    let (asker, bob) = (asker(), shared().role_by("by_md5", "md5"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "db:5432:other:somebody:x\n").unwrap();
    let config = config(&asker)
        .set("auth_type", "md5")
        .set("passfile", &file.path().display().to_string());
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&bob.through(&pooler));
    assert_eq!(client.value("select current_user"), bob.name);
}

#[test]
fn a_section_without_a_secret_limits_a_user_that_is_looked_up() {
    let (asker, bob, eve) = (asker(), shared().role(), shared().role());
    let config = config(&asker).set("max_user_client_connections", 2).user(
        &bob.name,
        "max_user_client_connections",
        1,
    );
    let pooler = Pooler::start(&config);
    for (role, most) in [(&bob, 1), (&eve, 2)] {
        let clients: Vec<Client> = (0..most)
            .map(|_| Client::log_in(&role.through(&pooler)))
            .collect();
        let answer = refused(&role.through(&pooler));
        assert_eq!(answer.error().sqlstate(), "53300");
        drop(clients);
    }
}

#[test]
fn a_reload_forgets_what_was_found() {
    let (asker, bob) = (asker(), shared().role());
    let config = config(&asker).set("auth_cache_ttl", "1h");
    let pooler = Pooler::start(&config);
    Client::log_in(&bob.through(&pooler));
    shared().sql(&format!("alter role {} nologin", bob.name));
    pooler.reload(&config);
    let answer = refused(&bob.through(&pooler));
    assert_eq!(answer.error().sqlstate(), "28P01");
}

#[test]
fn one_connection_asks_and_is_closed_when_it_is_not_used() {
    let asker = asker();
    let roles: Vec<Role> = (0..8).map(|_| shared().role()).collect();
    let pooler = Pooler::start(&config(&asker));
    let _clients: Vec<Client> = roles
        .iter()
        .map(|role| Client::log_in(&role.through(&pooler)))
        .collect();
    let of_asker = format!(
        "select count(*) from pg_stat_activity \
         where usename = '{}' and application_name = 'pgweir auth_query'",
        asker.name
    );
    assert_eq!(shared().sql(&of_asker).value(), "1");
    eventually("it is closed", || {
        (shared().sql(&of_asker).value() == "0").then_some(())
    });
    Client::log_in(&roles[0].through(&pooler));
}

#[test]
fn a_dead_database_holds_no_login_of_others() {
    let (asker, bob) = (asker(), shared().role());
    // It takes connections and says nothing.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(&asker)
        .database("dead", "host", "127.0.0.1")
        .database("dead", "port", dead.local_addr().unwrap().port());
    // There are 32 places for those who log in.
    let pooler = Pooler::start_with_files(&config, 256);
    let target = bob.through(&pooler).database("dead");
    let mut waiting: Vec<Client> = (0..100)
        .map(|number| {
            let mut client = Client::connect(&target).unwrap();
            let mut out = Vec::new();
            let user = format!("user_{number}");
            startup::encode_startup(&mut out, 0, &[("user", &user), ("database", "dead")]);
            client.stream.write_all(&out).unwrap();
            client
        })
        .collect();
    let mut client = Client::log_in(&bob.through(&pooler));
    assert_eq!(client.value("select current_user"), bob.name);
    // Those beyond the bound know at once, the others when there was no answer in time.
    let answers: Vec<String> = waiting
        .iter_mut()
        .map(|client| client.until_end().to_string())
        .collect();
    let count = |text: &str| answers.iter().filter(|answer| *answer == text).count();
    assert!(
        count("E(53300) end") > 0 && count("E(57P03) end") > 0,
        "{answers:?}"
    );
    assert_eq!(
        count("E(53300) end") + count("E(57P03) end"),
        100,
        "{answers:?}"
    );
}

#[test]
fn the_password_of_who_asks_may_be_fetched() {
    let (asker, bob) = (asker(), shared().role());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "not yet\n").unwrap();
    let config = config(&asker)
        .without_user_setting(&asker.name, "password")
        .user(&asker.name, "password_file", &file.display().to_string());
    let pooler = Pooler::start(&config);
    let answer = refused(&bob.through(&pooler));
    assert_eq!(answer.error().sqlstate(), "57P03");
    // It is read again because PostgreSQL refused what was read.
    std::fs::write(&file, format!("{}\n", asker.password)).unwrap();
    eventually("the asker is let in", || {
        Client::try_log_in(&bob.through(&pooler), &[]).ok()
    });
}

#[test]
fn a_reload_fetches_the_password_of_who_asks_again() {
    let (asker, bob) = (asker(), shared().role());
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    std::fs::write(folder.path().join("password"), &asker.password).unwrap();
    let path = folder.path().display();
    let script = format!("echo >> {path}/runs; cat {path}/password");
    let config = config(&asker)
        .without_user_setting(&asker.name, "password")
        .user(&asker.name, "password_command", ["/bin/sh", "-c", &script])
        .user(&asker.name, "password_command_ttl", 3600);
    let pooler = Pooler::start(&config);
    let count = || std::fs::read_to_string(&runs).map_or(0, |text| text.lines().count());
    // The pool of the asker fetches for itself.
    pooler.has_said("Database connected");
    assert_eq!(count(), 1);
    for expected in [2, 3] {
        Client::log_in(&bob.through(&pooler));
        assert_eq!(count(), expected);
        pooler.reload(&config);
    }
}
