//! What the pooler logs in to PostgreSQL with, where that is not in its configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pgweir_e2e::{Client, Config, Fake, Pooler, Role, pgweir, shared};
use pgweir_wire::encode;
use tempfile::TempDir;

/// The role's configuration with a password for clients that is no use at PostgreSQL, and a failed
/// login to PostgreSQL that is not tried again within the test.
fn without_password(role: &Role) -> Config {
    let config = role.config().without_user_setting(&role.name, "password");
    config.user(&role.name, "max_user_connections", 10)
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir()
        .unwrap()
}

/// Gives the role another password, and ends what was logged in with the old one.
fn change_password(role: &Role, password: &str) {
    shared().sql(&format!(
        "alter role {0} password '{password}'; \
         select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{0}'",
        role.name
    ));
}

#[test]
fn a_new_password_in_the_file_serves_without_a_reload() {
    let role = shared().role();
    let folder = folder();
    let file = folder.path().join("secret");
    write(&file, &format!("{}\n", role.password));
    let path = file.display().to_string();
    let pooler = Pooler::start(&without_password(&role).user(&role.name, "password_file", &path));
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select current_user"), role.name);
    write(&file, "rotated\n");
    change_password(&role, "rotated");
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select current_user"), role.name);
    assert_eq!(pooler.logged("server login failed"), 0, "{}", pooler.log());
}

#[test]
fn a_passfile_is_used_as_libpq_uses_it() {
    let role = shared().role();
    let folder = folder();
    let file = folder.path().join("pgpass");
    let password = role.password.replace(':', "\\:");
    let line = |port: u16| format!("127.0.0.1:{port}:postgres:{}:{password}\n", role.name);
    write(
        &file,
        &format!("# both\n{}{}", line(1), line(shared().port())),
    );
    let path = file.display().to_string();
    let config = without_password(&role).set("passfile", &path);
    {
        let pooler = Pooler::start(&config);
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select current_user"), role.name);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let pooler = Pooler::start(&config);
    let answer = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    assert_eq!(answer.error().sqlstate(), "28000", "{answer:?}");
    pooler.has_said("is ignored: others than its owner may use it; chmod 0600 it");
}

/// A command that prints what is in `token`, and leaves a line in `runs` for each time.
fn command(folder: &TempDir) -> [String; 3] {
    let folder = folder.path().display();
    let script = format!("echo $PGUSER >> {folder}/runs; cat {folder}/token");
    ["/bin/sh".to_owned(), "-c".to_owned(), script]
}

#[test]
fn a_command_makes_the_password_and_runs_again_when_it_is_refused() {
    let role = shared().role();
    let folder = folder();
    let token = folder.path().join("token");
    write(&token, &format!("{}\n", role.password));
    let pooler = Pooler::start(
        &without_password(&role)
            .user(&role.name, "password_command", command(&folder))
            .user(&role.name, "password_command_ttl", 3600),
    );
    let mut client = Client::log_in(&role.through(&pooler));
    let mut other = Client::log_in(&role.through(&pooler));
    client.query("begin").success();
    assert_eq!(other.value("select current_user"), role.name);
    let runs = || fs::read_to_string(folder.path().join("runs")).unwrap();
    assert_eq!(runs(), format!("{}\n", role.name));
    write(&token, "rotated\n");
    change_password(&role, "rotated");
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select current_user"), role.name);
    assert_eq!(runs().lines().count(), 2);
}

#[test]
fn cve_2023_22332_no_secret_is_shown_in_log_errors_or_check() {
    let role = shared().role();
    let folder = folder();
    write(&folder.path().join("token"), "hush-printed\nhush-printed\n");
    let [shell, c, script] = command(&folder);
    let argv = [shell, c, format!("{script}; echo hush-argument >&2")];
    let config = without_password(&role)
        .set("auth_type", "scram-sha-256")
        .set("log_level", "trace")
        .user(&role.name, "password", "hush-client")
        .user(&role.name, "password_command", argv);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler).password("hush-client");
    let answer = Client::try_log_in(&target, &[]).unwrap_err();
    let text = answer.error().text();
    assert!(
        text.contains("the pooler cannot get its password for PostgreSQL"),
        "{text}"
    );
    pooler.has_said("password_command /bin/sh: printed something else than one line of text");
    let file = pooler.folder().join("pgweir.toml");
    for format in [&[][..], &["--json"]] {
        let mut check = pgweir();
        check.arg("check").arg(&file).args(format);
        let output = check.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(shown.contains("password_command"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
    for shown in [pooler.log(), format!("{answer:?}")] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn pgx_require_auth_a_server_that_asks_for_the_password_itself_gets_nothing() {
    let got_some = Arc::new(AtomicBool::new(false));
    let got = got_some.clone();
    let fake = Fake::start(move |peer, _| {
        if !peer.startup() {
            return;
        }
        let mut out = Vec::new();
        encode::authentication_cleartext(&mut out);
        if peer.send(&out) && peer.receive().is_some() {
            got.store(true, Ordering::SeqCst);
        }
    });
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("server_require_auth", "scram-sha-256")
            .database("app", "port", fake.port()),
    );
    let answer = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    assert_eq!(answer.error().sqlstate(), "08006");
    pooler.has_said("asks for the password in clear text, and only scram-sha-256 is answered");
    assert!(!got_some.load(Ordering::SeqCst));
    assert!(!pooler.log().contains("hush"));
}
