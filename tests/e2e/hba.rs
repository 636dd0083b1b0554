//! Rules of who comes in from where (`auth_type = "hba"`).

use std::fs;
use std::path::Path;

use pgweir_e2e::{Client, Config, Pooler, Role, Target, eventually, shared};

/// A configuration with these rules and maps, in a folder that goes with the test.
fn config(role: &Role, folder: &Path, rules: &str, maps: &str) -> Config {
    let (hba, ident) = (folder.join("pg_hba.conf"), folder.join("pg_ident.conf"));
    fs::write(&hba, rules).unwrap();
    fs::write(&ident, maps).unwrap();
    role.config()
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string())
        .set("auth_ident_file", &ident.display().to_string())
        .set("unix_socket_dir", &folder.display().to_string())
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap()
}

/// What a client gets that is not let in: its SQLSTATE and the sentence.
fn refusal(target: &Target, parameters: &[(&str, &str)]) -> (String, String) {
    let answer = Client::try_log_in(target, parameters).expect_err("nobody lets this in");
    let error = answer.error();
    (error.sqlstate(), error.text())
}

#[test]
fn rules_decide_in_postgresqls_words() {
    let (role, folder) = (shared().role(), folder());
    let name = &*role.name;
    let rules = format!(
        "host app {name} 127.0.0.1/32 scram-sha-256\n\
         host rejected all all reject\n\
         host replication all samehost reject\n\
         hostssl all all all trust\n"
    );
    let pooler = Pooler::start(&config(&role, folder.path(), &rules, ""));
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    assert_eq!(client.value("select current_user"), role.name);
    let of = |message: &str| ("28000".to_owned(), message.to_owned());
    for (target, parameters, message) in [
        (
            target.clone().database("rejected"),
            &[][..],
            format!(
                "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"{name}\", \
                 database \"rejected\", no encryption"
            ),
        ),
        (
            target.clone().user("nobody"),
            &[],
            "no pg_hba.conf entry for host \"127.0.0.1\", user \"nobody\", database \"app\", \
             no encryption"
                .to_owned(),
        ),
        (
            target.clone().host(&folder.path().display().to_string()),
            &[],
            format!(
                "no pg_hba.conf entry for host \"[local]\", user \"{name}\", database \"app\", \
                 no encryption"
            ),
        ),
        (
            target.clone(),
            &[("replication", "true")],
            format!(
                "pg_hba.conf rejects replication connection for host \"127.0.0.1\", user \
                 \"{name}\", no encryption"
            ),
        ),
    ] {
        assert_eq!(refusal(&target, parameters), of(&message));
    }
    let wrong = refusal(&target.password("wrong"), &[]);
    assert_eq!(wrong.0, "28P01");
}

#[test]
fn each_rule_asks_in_its_own_way() {
    let (role, folder) = (shared().role(), folder());
    let os_user = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let os_user = String::from_utf8(os_user.stdout).unwrap();
    let maps = format!("staff {} {}\n", os_user.trim(), role.name);
    let rules = "local all all peer map=staff\n\
                 host clear all all password\nhost hashed all all md5\nhost open all all trust\n";
    let mut config = config(&role, folder.path(), rules, &maps);
    for database in ["clear", "hashed", "open"] {
        config = config
            .database(database, "host", "127.0.0.1")
            .database(database, "port", shared().port())
            .database(database, "dbname", "postgres");
    }
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler).password("wrong");
    Client::log_in(&target.clone().database("open"));
    for database in ["clear", "hashed"] {
        let target = target.clone().database(database);
        assert_eq!(refusal(&target, &[]).0, "28P01", "{database}");
        Client::log_in(&target.password(&role.password));
    }
    let local = target.host(&folder.path().display().to_string());
    Client::log_in(&local);
    let (sqlstate, message) = refusal(&local.user("nobody"), &[]);
    assert_eq!(
        (&*sqlstate, &*message),
        ("28000", "Peer authentication failed for user \"nobody\"")
    );
}

#[test]
fn a_reload_takes_new_rules_and_none_with_mistakes() {
    let (role, folder) = (shared().role(), folder());
    let first = config(&role, folder.path(), "host all all all trust\n", "");
    let pooler = Pooler::start(&first);
    let target = role.through(&pooler);
    Client::log_in(&target);
    let broken = "host all all all reject\nhost all +admins all trust\nhost all all nowhere md5\n";
    pooler.reload(&config(&role, folder.path(), broken, ""));
    pooler.has_said("pg_hba.conf:2: is about the members of a role");
    pooler.has_said("pg_hba.conf:3: has \"nowhere\" for an address");
    Client::log_in(&target);
    pooler.reload(&config(
        &role,
        folder.path(),
        "host all all all reject\n",
        "",
    ));
    eventually("the rule holds", || {
        Client::try_log_in(&target, &[]).is_err().then_some(())
    });
}

#[test]
fn members_of_roles_have_rules_of_their_own() {
    let (bob, ann, root, folder) = (shared().role(), shared().role(), shared().role(), folder());
    let (group, inner, banned) = (
        format!("{}_group", bob.name),
        format!("{}_inner", bob.name),
        format!("{}_banned", bob.name),
    );
    shared().sql(&format!(
        "create role {group}; create role {inner} in role {group}; create role {banned}; \
         grant {inner} to {}; alter role {} superuser; alter role {} noinherit",
        bob.name, root.name, bob.name
    ));
    let rules = format!(
        "host app +{banned} all reject\n\
         host app +{group} all scram-sha-256\n\
         host lost +{group} all trust\n\
         host samerole all all scram-sha-256\n"
    );
    // Whoever logs in may ask who is a member of what.
    let mut config = config(&ann, folder.path(), &rules, "")
        .user(&bob.name, "password", &bob.password)
        .user(&root.name, "password", &root.password)
        .set("auth_cache_ttl", 0)
        .set("login_failures_per_minute", 0);
    for name in ["app", &inner] {
        config = config
            .database(name, "host", "127.0.0.1")
            .database(name, "port", shared().port())
            .database(name, "dbname", "postgres")
            .database(name, "auth_user", &ann.name);
    }
    let config =
        config
            .database("lost", "host", "127.0.0.1")
            .database("lost", "port", shared().port());
    let pooler = Pooler::start(&config);
    let target = bob.through(&pooler);
    let mut client = Client::log_in(&target);
    assert_eq!(client.value("select current_user"), bob.name);
    Client::log_in(&target.clone().database(&inner));
    // A superuser is a member of what it was made a member of, and a name that is nobody's of nothing.
    for (user, password) in [
        (&*ann.name, &*ann.password),
        (&*root.name, &*root.password),
        ("nobody", "x"),
        ("x' or true --", "x"),
    ] {
        let target = target.clone().user(user).password(password);
        let (sqlstate, message) = refusal(&target, &[]);
        assert_eq!(sqlstate, "28000", "{user}");
        assert!(
            message.starts_with("no pg_hba.conf entry for host"),
            "{message}"
        );
        assert_eq!(refusal(&target.database(&inner), &[]).0, "28000");
    }
    shared().sql(&format!("grant {banned} to {}", bob.name));
    let (_, message) = refusal(&target, &[]);
    assert!(
        message.starts_with("pg_hba.conf rejects connection"),
        "{message}"
    );
    shared().sql(&format!(
        "revoke {banned} from {0}; revoke {inner} from {0}",
        bob.name
    ));
    let (_, message) = refusal(&target, &[]);
    assert!(message.starts_with("no pg_hba.conf entry"), "{message}");
    // Where nobody can be asked, nobody comes in, whatever the rule says.
    let (sqlstate, message) = refusal(&target.clone().database("lost"), &[]);
    assert_eq!(sqlstate, "57P03");
    assert_eq!(message, "PostgreSQL cannot be asked for this user");
    pooler.has_said("nobody is asked for them; set auth_user");
}

#[test]
fn a_rejected_role_stays_out_while_postgresql_cannot_be_asked() {
    let (bob, folder) = (shared().role(), folder());
    let rules = format!(
        "host app +{} all reject\nhost all all all trust\n",
        bob.name
    );
    let pooler = Pooler::start(
        &config(&bob, folder.path(), &rules, "")
            .set("auth_user", &bob.name)
            .set("auth_dbname", "elsewhere")
            .database("elsewhere", "host", "127.0.0.1")
            .database("elsewhere", "port", pgweir_e2e::free_port()),
    );
    let (sqlstate, _) = refusal(&bob.through(&pooler), &[]);
    assert_eq!(sqlstate, "57P03");
    pooler.has_said("the question for members of a role failed");
}
