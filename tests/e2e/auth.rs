//! Who may log in: clients at the pooler, and the pooler at PostgreSQL.

use pgweir_e2e::{Client, Config, Pooler, Postgres, Role, Transcript, shared};

/// The verifier that PostgreSQL stores.
fn stored(role: &Role) -> String {
    let sql = format!(
        "select rolpassword from pg_authid where rolname = '{}'",
        role.name
    );
    shared().sql(&sql).value()
}

fn refused(pooler: &Pooler, role: &Role, user: &str, password: &str) -> Transcript {
    let target = role.through(pooler).user(user).password(password);
    Client::try_log_in(&target, &[]).expect_err("nobody lets this in")
}

/// A client logs in and runs a query, over each way that the pooler may be asked for a proof.
fn works(config: &Config, role: &Role) {
    let pooler = Pooler::start(config);
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select current_user"), role.name);
}

#[test]
fn every_client_proof_goes_with_every_secret_that_fits() {
    let role = shared().role_by("by_md5", "md5");
    let config = role.config();
    for auth in ["trust", "md5", "scram-sha-256"] {
        works(&config.clone().set("auth_type", auth), &role);
    }
    // The md5 hash serves on both sides: PostgreSQL asks this role for md5 as well.
    let md5 = config.user(&role.name, "password", &stored(&role));
    works(&md5.set("auth_type", "md5"), &role);
}

#[test]
fn postgres_may_ask_for_whatever_it_likes() {
    for (group, encryption) in [
        ("by_clear", "scram-sha-256"),
        ("by_md5", "md5"),
        ("by_md5", "scram-sha-256"),
        ("by_trust", "scram-sha-256"),
        ("", "scram-sha-256"),
    ] {
        let role = shared().role_by(group, encryption);
        works(&role.config(), &role);
    }
}

#[test]
fn scram_passes_through_and_no_password_is_stored() {
    let role = shared().role();
    let verifier = stored(&role);
    assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
    // `md5` asks a user with a SCRAM verifier for SCRAM.
    for auth in ["scram-sha-256", "md5"] {
        let config = role
            .config()
            .user(&role.name, "password", &verifier)
            .set("auth_type", auth);
        assert!(!config.text().contains("hush"));
        let pooler = Pooler::start(&config);
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select current_user"), role.name);
        let wrong = refused(&pooler, &role, &role.name, "wrong");
        assert_eq!(wrong.error().sqlstate(), "28P01");
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn an_own_verifier_of_the_same_password_cannot_log_in_to_postgres() {
    let role = shared().role();
    let other = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .user(&role.name, "password", &stored(&other))
            .set("auth_type", "scram-sha-256"),
    );
    // The client proves the password of the pooler's file, which PostgreSQL has another verifier of.
    let answer = refused(&pooler, &role, &role.name, &other.password);
    let error = answer.error();
    assert_eq!(error.sqlstate(), "28P01", "{error:?}");
    let detail = error.field(b'D');
    assert!(
        detail.contains("PostgreSQL's answer to the pooler's login"),
        "{error:?}"
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let role = shared().role();
    for auth in ["md5", "scram-sha-256"] {
        let pooler = Pooler::start(&role.config().set("auth_type", auth));
        let wrong = refused(&pooler, &role, &role.name, "wrong");
        let unknown = refused(&pooler, &role, "nobody", "wrong");
        assert_eq!(wrong.to_string(), unknown.to_string());
        for (answer, name) in [(&wrong, &*role.name), (&unknown, "nobody")] {
            let error = answer.error();
            assert_eq!(
                (error.field(b'S'), error.sqlstate()),
                ("FATAL".into(), "28P01".into())
            );
            let text = format!("password authentication failed for user \"{name}\"");
            assert_eq!(error.text(), text);
        }
        // Asked before it is known whether the user exists: the same questions, in number and size.
        let sizes = |answer: &Transcript| {
            let messages = answer.messages.iter().filter(|m| m.kind == b'R');
            messages.map(|m| m.body.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&wrong), sizes(&unknown), "{auth}");
    }
}

#[test]
fn an_unknown_user_of_an_unknown_database_learns_nothing_of_it() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "scram-sha-256"));
    let target = role.through(&pooler).database("nowhere");
    let stranger = Client::try_log_in(&target.clone().password("wrong"), &[]).unwrap_err();
    assert_eq!(stranger.error().sqlstate(), "28P01");
    let known = Client::try_log_in(&target, &[]).unwrap_err();
    assert_eq!(known.error().sqlstate(), "3D000");
    assert_eq!(known.error().text(), "no such database: nowhere");
}

#[test]
fn a_database_that_postgres_does_not_have_is_its_own_error() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().database("app", "dbname", "nowhere"));
    let answer = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    let error = answer.error();
    assert_eq!(error.sqlstate(), "3D000", "{error:?}");
    assert!(
        error.text().contains("database \"nowhere\" does not exist"),
        "{error:?}"
    );
}

#[test]
fn a_wrong_password_for_postgres_is_told_to_the_client_and_in_the_log() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().user(&role.name, "password", "wrong"));
    let answer = refused(&pooler, &role, &role.name, "");
    assert_eq!(answer.error().sqlstate(), "28P01");
    pooler.has_said("password authentication failed");
    assert!(!pooler.log().contains("wrong\""), "no secret in the log");
}

#[test]
fn a_database_with_a_user_shares_its_servers_among_all_clients() {
    let (owner, guest) = (shared().role(), shared().role());
    let pooler = Pooler::start(
        &guest
            .config()
            .database("app", "user", &owner.name)
            .database("app", "password", &owner.password)
            .user("stranger", "password", "of no role"),
    );
    for user in [&*guest.name, "stranger"] {
        let mut client = Client::log_in(&guest.through(&pooler).user(user));
        assert_eq!(client.value("select current_user"), owner.name);
    }
}

#[test]
fn an_auth_file_serves_users_without_a_secret() {
    let role = shared().role();
    let file =
        std::env::temp_dir().join(format!("pgweir-e2e-{}-{}", std::process::id(), role.name));
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    std::fs::write(
        &file,
        format!("{} {}\n", quoted(&role.name), quoted(&role.password)),
    )
    .unwrap();
    let config = role
        .config()
        .without_user_setting(&role.name, "password")
        .set("auth_type", "scram-sha-256")
        .set("auth_file", &file.display().to_string());
    works(&config, &role);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_role_whose_password_changed_gets_in_after_a_reload() {
    let role = Postgres::role(shared());
    let pooler = Pooler::start(&role.config().set("server_login_retry", 0));
    let mut client = Client::log_in(&role.through(&pooler));
    shared().sql(&format!("alter role {} password 'new'", role.name));
    assert_eq!(
        client.value("select 1"),
        "1",
        "an open server is not touched"
    );
    pooler.reload(
        &role
            .config()
            .set("server_login_retry", 0)
            .user(&role.name, "password", "new"),
    );
    client.query("begin").success();
    let mut second = Client::log_in(&role.through(&pooler));
    assert_eq!(second.value("select 2"), "2");
}

#[test]
fn an_auth_file_is_read_again_when_it_has_changed() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let line = |user: &str, secret: &str| {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        format!("; users\n{} {}\n", quoted(user), quoted(secret))
    };
    write(&line(&role.name, "another"));
    let config = role
        .config()
        .without_user_setting(&role.name, "password")
        .set("auth_type", "scram-sha-256")
        .set("auth_file", &file.display().to_string())
        .database("app", "user", &role.name)
        .database("app", "password", &role.password);
    let pooler = Pooler::start(&config);
    Client::log_in(&role.through(&pooler).password("another"));
    let wrong = refused(&pooler, &role, &role.name, &role.password);
    assert_eq!(wrong.error().sqlstate(), "28P01");

    write(&line(&role.name, &role.password));
    pooler.has_logged("configuration reloaded", 1);
    Client::log_in(&role.through(&pooler));

    // With a mistake in it, all of it stays as it was, and no secret is told.
    write(&format!("{}\"eve\" hidden\n", line(&role.name, "unread")));
    pooler.has_logged("reload failed", 1);
    pooler.has_said("users:3: must be \"user\" \"secret\", both in double quotes");
    for secret in ["hidden", "unread", "another"] {
        assert!(!pooler.log().contains(secret), "{secret}");
    }
    Client::log_in(&role.through(&pooler));
}
