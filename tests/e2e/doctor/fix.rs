//! `pgweir doctor fix`: what is proposed, done, written down and taken back, and what never is.

use std::path::Path;
use std::time::Duration;

use pgweir_e2e::{Batch, Client, Pooler, Target, pgweir};
use serde_json::Value;

use super::Patient;
use super::consoles::{client, config, console};

/// Exit code and what was printed.
fn fix(target: &Target, folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = pgweir()
        .args(["doctor", "fix"])
        .args(arguments)
        .env("DATABASE_URL", target.url())
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!text.contains("hush"), "{text}");
    (output.status.code(), text)
}

/// What the audit file says of these.
fn audit(folder: &Path, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("pgweir-doctor.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn settings_are_proposed_set_read_back_and_taken_back() {
    let patient = Patient::with(&[("tcp_keepalives_idle", "0")]);
    let folder = tempfile::tempdir().unwrap();
    let setting =
        "SELECT coalesce((SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting), '')";
    patient.sql("ALTER ROLE app SET statement_timeout = 0; ALTER ROLE app RESET idle_in_transaction_session_timeout");
    let before = patient.sql(setting);
    let idle = "SELECT setting FROM pg_file_settings WHERE name = 'tcp_keepalives_idle' ORDER BY seqno DESC LIMIT 1";

    let (exit, text) = fix(&patient.superuser(), folder.path(), &[]);
    assert_eq!(exit, Some(1), "{text}");
    for word in [
        "ALTER ROLE app SET statement_timeout = '30s';",
        "ALTER SYSTEM SET tcp_keepalives_idle = '60';",
        "Nothing was done",
    ] {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
    assert_eq!(patient.sql(setting), before);
    assert!(!folder.path().join("pgweir-doctor.jsonl").exists());

    let (exit, text) = fix(&patient.superuser(), folder.path(), &["--yes"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("no findings"), "{text}");
    let after = patient.sql(setting);
    assert!(after.contains("statement_timeout=30s"), "{after}");
    assert!(
        after.contains("idle_in_transaction_session_timeout=60s"),
        "{after}"
    );
    assert_eq!(patient.sql(idle), "60");
    assert_eq!(
        audit(folder.path(), "intended").len(),
        audit(folder.path(), "result").len()
    );

    let (exit, text) = fix(&patient.superuser(), folder.path(), &["--undo"]);
    assert_eq!(exit, Some(1), "{text}");
    assert!(
        text.contains("ALTER ROLE app SET statement_timeout = '0';"),
        "{text}"
    );
    let (exit, text) = fix(&patient.superuser(), folder.path(), &["--undo", "--yes"]);
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(patient.sql(setting), before);
    assert_eq!(patient.sql(idle), "0");
    // What was taken back is not taken back again.
    let (exit, text) = fix(&patient.superuser(), folder.path(), &["--undo", "--yes"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("can be taken back"), "{text}");
}

#[test]
fn only_the_session_that_is_idle_in_a_transaction_is_ended() {
    let patient = Patient::new();
    let folder = tempfile::tempdir().unwrap();
    let mut leaky = Client::log_in(&patient.app());
    leaky
        .query("BEGIN; UPDATE orders SET note = 'x' WHERE id = 1")
        .success();
    let mut warm = Client::log_in(&patient.app());
    warm.query("SELECT 1").success();
    let mut dump = Client::log_in_with(&patient.superuser(), &[("application_name", "pg_dump")]);
    dump.query("BEGIN; SELECT * FROM orders").success();
    let mut busy = Client::log_in(&patient.app());
    busy.send(Batch::new().query("SELECT pg_sleep(30)").bytes());
    std::thread::sleep(Duration::from_millis(400));
    let ages = [
        "--after",
        "idle-in-transaction=200ms",
        "--after",
        "long-queries=200ms",
    ];

    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &[&ages[..], &["--yes"]].concat(),
    );
    assert_eq!(exit, Some(0), "{text}");
    assert!(
        text.contains("done, and in effect") && text.contains("cannot be taken back"),
        "{text}"
    );
    assert_eq!(leaky.query("SELECT 1").error().sqlstate(), "57P01");
    warm.query("SELECT 1").success();
    dump.query("COMMIT").success();
    assert_eq!(audit(folder.path(), "intended").len(), 1);
    // What somebody may wait for is cancelled only when it is named, and keeps its session.
    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &[&["long-queries"], &ages[2..], &["--yes"]].concat(),
    );
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(busy.until_ready().error().sqlstate(), "57014");
    busy.query("SELECT 1").success();
}

#[test]
fn what_takes_a_restart_or_is_masked_or_refused_is_not_called_mended() {
    let patient = Patient::with(&[("max_connections", "13")]);
    let folder = tempfile::tempdir().unwrap();
    let _clients: Vec<_> = (0..8).map(|_| Client::log_in(&patient.app())).collect();
    // Not by itself.
    let (exit, text) = fix(&patient.superuser(), folder.path(), &[]);
    assert_eq!(exit, Some(0), "{text}");
    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &["connections", "--yes"],
    );
    assert_eq!(exit, Some(5), "{text}");
    assert!(text.contains("restart required"), "{text}");
    assert_eq!(patient.sql("SHOW max_connections"), "13");
    assert!(
        patient
            .round(&["--check", "pending-restart"])
            .said("pending-restart")
            .contains("max_connections")
    );
    let (exit, text) = fix(&patient.superuser(), folder.path(), &["--undo", "--yes"]);
    assert_eq!(exit, Some(0), "{text}");
    patient.sql("SELECT pg_reload_conf()");

    patient.sql("ALTER ROLE app RESET statement_timeout");
    let (exit, text) = fix(
        &patient.app(),
        folder.path(),
        &["missing-timeouts", "--yes"],
    );
    // A role may set its own limits.
    assert_eq!(exit, Some(0), "{text}");
    patient.sql(
        "CREATE ROLE other LOGIN PASSWORD 'hush-other'; ALTER ROLE app RESET statement_timeout",
    );
    let other = patient.superuser().user("other").password("hush-other");
    let (exit, text) = fix(&other, folder.path(), &["missing-timeouts", "--yes"]);
    assert_eq!(exit, Some(5), "{text}");
    assert!(text.contains("42501"), "{text}");

    let blocked = folder.path().join("no/such/folder.jsonl");
    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &[
            "missing-timeouts",
            "--yes",
            "--audit",
            blocked.to_str().unwrap(),
        ],
    );
    assert_eq!(exit, Some(2), "{text}");
    assert!(text.contains("nothing was done"), "{text}");
    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &["missing-timeouts", "--apply"],
    );
    assert_eq!(exit, Some(2), "{text}");
}

#[test]
fn pools_are_mended_through_their_console() {
    let patient = Patient::new();
    let folder = tempfile::tempdir().unwrap();
    let pooler = Pooler::start(&config(&patient).set("query_wait_timeout", 120));
    let mut admin = Client::log_in(&console(pooler.port()));
    admin.query("PAUSE app").success();
    let url = console(pooler.port()).url();
    let arguments = ["--console", &url, "--yes"];
    let (exit, text) = fix(&patient.superuser(), folder.path(), &arguments);
    assert_eq!(exit, Some(0), "{text}");
    assert!(
        text.contains("RESUME app") && text.contains("SET query_wait_timeout = 10"),
        "{text}"
    );
    client(&patient, &pooler).query("SELECT 1").success();
    let shown = |admin: &mut Client| {
        let rows = admin.query("SHOW CONFIG").success().rows();
        let row = rows.into_iter().find(|row| row[0] == "query_wait_timeout");
        row.unwrap()[1].clone()
    };
    assert_eq!(shown(&mut admin), "10");
    let (exit, text) = fix(
        &patient.superuser(),
        folder.path(),
        &[&arguments[..], &["--undo"]].concat(),
    );
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(shown(&mut admin), "120");
}
