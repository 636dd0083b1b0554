//! Consoles of pgweir and PgBouncer beside the PostgreSQL behind them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use pgweir_e2e::{Batch, Client, Config, Pooler, Target, eventually, free_port, pgweir};

use super::{Patient, Round, round};

/// A pgweir in front of a patient, with which nothing is wrong.
pub(super) fn config(patient: &Patient) -> Config {
    Config::new()
        .set("pool_mode", "transaction")
        .set("auth_type", "trust")
        .set("query_wait_timeout", 10)
        .set("default_pool_size", 2)
        .set("admin_users", "adm")
        .database("app", "host", "127.0.0.1")
        .database("app", "port", patient.cluster.port())
        .database("app", "dbname", "postgres")
        .user("app", "password", "hush-app")
        .user("adm", "password", "hush-adm")
}

pub(super) fn client(patient: &Patient, pooler: &Pooler) -> Client {
    let mut target = patient.app().database("app");
    target.port = pooler.port();
    Client::log_in(&target)
}

pub(super) fn console(port: u16) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port,
        user: "adm".to_owned(),
        password: "hush-adm".to_owned(),
        database: "pgbouncer".to_owned(),
    }
}

/// The doctor's round of a patient and the console at this port.
fn both(patient: &Patient, port: u16, arguments: &[&str]) -> Round {
    let url = console(port).url();
    patient.round(&[&["--console", &url], arguments].concat())
}

#[test]
fn a_healthy_pooler_has_no_findings_and_clients_that_wait_are_one() {
    let patient = Patient::new();
    let pooler = Pooler::start(&config(&patient));
    let mut clients: Vec<_> = (0..3).map(|_| client(&patient, &pooler)).collect();
    clients[0].query("SELECT 1").success();
    let well = both(&patient, pooler.port(), &[]);
    well.found_nothing();
    assert_eq!(well.those("skipped"), ["slow-statements"]);
    assert_eq!(well.states()["pool-waits"], "ok");
    assert_eq!(well.states()["held-servers"], "ok");

    clients[0].query("BEGIN; SELECT 1").success();
    clients[1].query("BEGIN; SELECT 1").success();
    clients[2].send(Batch::new().query("SELECT 1").bytes());
    let after = [
        "--after",
        "pool-waits=100ms",
        "--after",
        "held-servers=100ms",
    ];
    let round = eventually("the client waits", || {
        let round = both(&patient, pooler.port(), &after);
        (round.states()["pool-waits"] != "ok").then_some(round)
    });
    assert!(
        round
            .said("pool-waits")
            .contains("1 client waits of pool app/app"),
        "{:#}",
        round.report
    );
    assert!(
        round.said("pool-waits").contains("2 are in use"),
        "{:#}",
        round.report
    );
    assert_eq!(
        round.states()["held-servers"],
        "warning",
        "{:#}",
        round.report
    );
    assert!(
        round.said("held-servers").contains("2 have done nothing"),
        "{:#}",
        round.report
    );
    clients[0].query("ROLLBACK").success();
}

#[test]
fn what_a_pooler_is_set_up_to_do_is_found_alone() {
    let patient = Patient::new();
    let pooler = Pooler::start(&config(&patient).set("default_pool_size", 38));
    let sum = both(&patient, pooler.port(), &[]);
    sum.found_only("pool-sum", "critical");
    assert!(
        sum.said("pool-sum").contains("38 of 37 usable slots"),
        "{}",
        sum.said("pool-sum")
    );
    drop(pooler);

    let pooler = Pooler::start(&config(&patient).set("query_wait_timeout", 120));
    both(&patient, pooler.port(), &[]).found_only("pooler-timeouts", "warning");
    drop(pooler);

    let pooler = Pooler::start(&config(&patient));
    Client::log_in(&console(pooler.port()))
        .query("PAUSE app")
        .success();
    let paused = both(&patient, pooler.port(), &[]);
    paused.found_only("paused-databases", "critical");
    assert!(paused.said("paused-databases").contains("RESUME app"));
    // Without PostgreSQL consoles alone are examined.
    let output = pgweir()
        .args([
            "doctor",
            "--json",
            "--console",
            &console(pooler.port()).url(),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("paused-databases") && !text.contains("\"wraparound\""),
        "{text}"
    );
    // One that is not there is named, and nothing of it is called well.
    let silent = both(&patient, free_port(), &[]);
    silent.found_only("consoles", "warning");
    assert_eq!(
        silent.states()["pool-waits"],
        "skipped",
        "{:#}",
        silent.report
    );
}

#[test]
fn clients_are_counted_and_chains_are_seen() {
    let patient = Patient::new();
    let pooler = Pooler::start(&config(&patient).set("max_client_conn", 10));
    let _clients: Vec<_> = (0..8).map(|_| client(&patient, &pooler)).collect();
    let crowded = both(&patient, pooler.port(), &[]);
    crowded.found_only("pooler-clients", "warning");
    drop(pooler);

    let inner = Pooler::start(&config(&patient));
    let outer = Pooler::start(&config(&patient).database("app", "port", inner.port()));
    let (inner, outer) = (console(inner.port()).url(), console(outer.port()).url());
    let round = round(
        &patient.superuser(),
        &["--console", &outer, "--console", &inner],
    );
    round.found_only("pooler-chains", "warning");
}

/// A PgBouncer, ended when it is dropped.
struct Bouncer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Bouncer {
    fn start(patient: &Patient, settings: &str) -> Self {
        let program = [
            "/usr/sbin/pgbouncer",
            "/usr/bin/pgbouncer",
            "/usr/local/bin/pgbouncer",
        ];
        let program = program.into_iter().find(|path| fs::exists(path).unwrap());
        let program =
            program.expect("pgbouncer is installed; on Debian: apt-get install pgbouncer");
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let users = folder.path().join("users");
        fs::write(&users, "\"app\" \"hush-app\"\n\"adm\" \"hush-adm\"\n").unwrap();
        let ini = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\napp = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\nadmin_users = adm\n\
             query_wait_timeout = 10\ndefault_pool_size = 3\n{settings}\n",
            patient.cluster.port(),
            users.display()
        );
        fs::write(&ini, text).unwrap();
        let open = Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(folder.path())
            .status();
        assert!(open.unwrap().success());
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            // PgBouncer refuses to run as root.
            command.uid(65534).gid(65534);
        }
        let child = command
            .arg("-q")
            .arg(&ini)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let bouncer = Self {
            child,
            port,
            _folder: folder,
        };
        eventually("PgBouncer listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        bouncer
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn session_mode_and_lost_prepared_statements_of_pgbouncer_are_found() {
    let patient = Patient::new();
    let bouncer = Bouncer::start(&patient, "pool_mode = session");
    let mut target = patient.app().database("app");
    target.port = bouncer.port;
    let mut idle = Client::log_in(&target);
    idle.query("SELECT 1").success();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let round = both(&patient, bouncer.port, &["--after", "held-servers=100ms"]);
    round.found_only("held-servers", "warning");
    assert!(round.said("held-servers").contains("pool_mode = session"));
    drop(idle);
    drop(bouncer);

    let bouncer = Bouncer::start(&patient, "pool_mode = transaction\n;");
    target.port = bouncer.port;
    let mut client = Client::log_in(&target);
    client.query("SELECT 1").success();
    let before = both(
        &patient,
        bouncer.port,
        &["--check", "pooler-prepared-statements"],
    );
    // 1.21 brought them, switched off; later versions have them on.
    let state = before.states()["pooler-prepared-statements"];
    let shown = Client::log_in(&console(bouncer.port))
        .query("SHOW CONFIG")
        .success()
        .rows();
    let kept = shown
        .iter()
        .find(|row| row[0] == "max_prepared_statements")
        .map(|row| row[1].clone());
    let expected = match kept.as_deref() {
        None | Some("0") => "warning",
        Some(_) => "ok",
    };
    assert_eq!(state, expected, "{:#}", before.report);
}
