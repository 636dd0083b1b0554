//! How clients prove who they are, by each `auth_type`.

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, Target, Transcript, shared};
use pgweir_wire::{encode, startup};

/// The methods that ask for a password.
const ASKING: [&str; 3] = ["plain", "md5", "scram-sha-256"];

/// The verifier that PostgreSQL stores.
fn stored(role: &Role) -> String {
    let sql = format!(
        "select rolpassword from pg_authid where rolname = '{}'",
        role.name
    );
    shared().sql(&sql).value()
}

fn refused(target: &Target) -> Transcript {
    Client::try_log_in(target, &[]).expect_err("nobody lets this in")
}

/// Name of this process's user in the operating system.
fn os_user() -> String {
    let name = std::process::Command::new("id").arg("-un").output();
    String::from_utf8(name.expect("id runs").stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Answers the first question of a login with a password message of these bytes.
fn answer(target: &Target, body: &[u8]) -> Transcript {
    let mut client = Client::connect(target).unwrap();
    let mut out = Vec::new();
    let parameters = [("user", &*target.user), ("database", &*target.database)];
    startup::encode_startup(&mut out, 0, &parameters);
    client.send(&out);
    assert_eq!(client.receive().expect("a question").kind, b'R');
    let mut out = Vec::new();
    encode::message(&mut out, b'p', |out| out.extend_from_slice(body));
    client.send(&out);
    client.until_end()
}

#[test]
fn passwords_in_clear_text_fit_every_secret() {
    let role = shared().role();
    let by_md5 = shared().role_by("by_md5", "md5");
    for (role, secret) in [
        (&role, role.password.clone()),
        // What the client sends makes the keys that log servers in: nothing else is stored.
        (&role, stored(&role)),
        (&by_md5, stored(&by_md5)),
    ] {
        let config = role
            .config()
            .user(&role.name, "password", &secret)
            .set("auth_type", "plain");
        let pooler = Pooler::start(&config);
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select current_user"), role.name);
        let wrong = refused(&role.through(&pooler).password("wrong"));
        assert_eq!(wrong.to_string(), "R E(28P01) end");
    }
}

#[test]
fn a_wrong_password_looks_the_same_for_all_users_and_methods() {
    let role = shared().role();
    let verifier = stored(&role);
    let long = "x".repeat(10_000 - 10);
    for auth in ASKING {
        for secret in [&role.password, &verifier] {
            let config = role.config().user(&role.name, "password", secret);
            let pooler = Pooler::start(&config.set("auth_type", auth));
            let target = role.through(&pooler);
            let unknown = target.clone().user("nobody");
            for password in ["wrong", &long, &verifier] {
                let wrong = refused(&target.clone().password(password));
                assert_eq!(wrong.error().sqlstate(), "28P01", "{auth}");
                let text = format!(
                    "password authentication failed for user \"{}\"",
                    target.user
                );
                assert_eq!(wrong.error().text(), text);
                let nobody = refused(&unknown.clone().password(password));
                assert_eq!(nobody.to_string(), wrong.to_string(), "{auth}");
            }
            // A message that holds no password is none of anybody.
            for (body, sqlstate) in [
                (&b""[..], "08P01"),
                (b"without an end", "08P01"),
                (b"a NUL\0inside\0", "08P01"),
            ] {
                for target in [&target, &unknown] {
                    let answer = answer(target, body);
                    assert_eq!(answer.to_string(), format!("E({sqlstate}) end"), "{auth}");
                }
            }
            Client::log_in(&target);
        }
    }
}

#[test]
fn an_empty_password_is_never_right() {
    let role = shared().role();
    for auth in ASKING {
        let pooler = Pooler::start(&role.config().set("auth_type", auth));
        for user in [&*role.name, "nobody"] {
            let target = role.through(&pooler).user(user).password("");
            let answer = refused(&target);
            assert_eq!(answer.error().sqlstate(), "28P01", "{auth}");
        }
    }
}

#[test]
fn any_takes_no_name_from_clients() {
    let role = shared().role();
    let config = Config::new()
        .set("auth_type", "any")
        .set("pool_mode", "transaction")
        .set("max_db_connections", 1)
        .database("app", "host", "127.0.0.1")
        .database("app", "port", shared().port())
        .database("app", "dbname", "postgres")
        .database("app", "user", &role.name)
        .database("app", "password", &role.password);
    let pooler = Pooler::start(&config);
    for user in ["nobody", "somebody", &role.name] {
        let mut client = Client::log_in(&role.through(&pooler).user(user));
        assert_eq!(client.value("select current_user"), role.name);
    }
    // Names that clients make up make no pools.
    assert_eq!(shared().pids(&role).len(), 1);
    let nowhere = refused(&role.through(&pooler).database("nowhere"));
    assert_eq!(nowhere.error().sqlstate(), "3D000");
}

#[test]
fn peer_asks_the_operating_system() {
    let (role, os_user) = (shared().role(), os_user());
    let config = role
        .config()
        .set("auth_type", "peer")
        .database("app", "user", &role.name)
        .database("app", "password", &role.password)
        .user(&os_user, "password", "");
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let pooler = Pooler::start(&config.set("unix_socket_dir", &path));
    let own = role.through(&pooler).host(&path).user(&os_user);
    let mut client = Client::log_in(&own);
    assert_eq!(client.value("select current_user"), role.name);
    for (target, user) in [
        (own.clone().user(&role.name), &*role.name),
        (own.clone().user("nobody"), "nobody"),
        (own.host("127.0.0.1"), &os_user),
    ] {
        let answer = refused(&target);
        let error = answer.error();
        assert_eq!(error.sqlstate(), "28000");
        let text = format!("Peer authentication failed for user \"{user}\"");
        assert_eq!(error.text(), text);
    }
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_certificate_is_missed_where_there_is_no_tls() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "cert"));
    for user in [&*role.name, "nobody"] {
        let answer = refused(&role.through(&pooler).user(user));
        let error = answer.error();
        assert_eq!(error.sqlstate(), "28000");
        assert_eq!(
            error.text(),
            "connection requires a valid client certificate"
        );
    }
}

/// CVE-2015-4054: a password before the startup packet crashed PgBouncer.
#[test]
fn cve_2015_4054_a_password_before_the_startup_packet() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "plain"));
    for batch in [
        Batch::new().message(b'p', b"hush\0"),
        Batch::new().query("select 1"),
    ] {
        let mut client = Client::connect(&role.through(&pooler)).unwrap();
        client.send(batch.bytes());
        assert_eq!(client.until_end().to_string(), "E(08P01) end");
    }
    Client::log_in(&role.through(&pooler));
}

/// CVE-2012-4575 and CVE-2026-6664: what a stranger says is bounded, whatever length it claims.
#[test]
fn cve_2026_6664_lengths_in_sasl_messages() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "scram-sha-256"));
    for length in [-1_i32, 0, 1, 3, 4, 100, i32::MAX, i32::MIN] {
        let body = [b"SCRAM-SHA-256\0".as_slice(), &length.to_be_bytes(), b"n,,"].concat();
        let answer = answer(&role.through(&pooler), &body);
        let text = answer.to_string();
        assert!(
            matches!(&*text, "E(08P01) end" | "E(28P01) end"),
            "{length}: {text}"
        );
    }
    Client::log_in(&role.through(&pooler));
}

/// Pgpool-II, CVE-2025-46801: servers that are open already vouch for nobody.
#[test]
fn cve_2025_46801_a_warm_server_vouches_for_nobody() {
    let role = shared().role();
    for auth in ASKING {
        let pooler = Pooler::start(&role.config().set("auth_type", auth));
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select 1"), "1");
        let wrong = refused(&role.through(&pooler).password("wrong"));
        assert_eq!(wrong.error().sqlstate(), "28P01", "{auth}");
        assert_eq!(client.value("select 1"), "1");
    }
}
