//! `pgweir doctor` beside a PostgreSQL that is well, and beside ones that were made ill.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgweir_cluster::{Cluster, ClusterOptions, Postgres};
use pgweir_e2e::{Client, Target, eventually, pgweir, psql};
use serde_json::Value;

mod consoles;
mod fix;

/// A PostgreSQL with which nothing is wrong.
struct Patient {
    cluster: Cluster,
}

/// What a run of the doctor left.
struct Round {
    exit: Option<i32>,
    report: Value,
}

impl Patient {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let postgres = Postgres::find_or_install(&mut |_| {}).unwrap();
        let well = [
            ("max_connections", "40"),
            ("max_prepared_transactions", "5"),
            ("wal_level", "logical"),
            ("tcp_keepalives_idle", "60"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "6"),
            ("max_slot_wal_keep_size", "1GB"),
        ];
        let settings = well.iter().chain(settings);
        let options = ClusterOptions {
            settings: settings
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            hba: Vec::new(),
        };
        let patient = Self {
            cluster: Cluster::start(&postgres, &options).unwrap(),
        };
        patient.sql(
            "CREATE ROLE app LOGIN PASSWORD 'hush-app'; \
             ALTER ROLE app SET statement_timeout = '30s'; \
             ALTER ROLE app SET idle_in_transaction_session_timeout = '60s'; \
             CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (1), (2); \
             GRANT ALL ON orders TO app",
        );
        // Since PostgreSQL 14.
        if patient
            .sql("SELECT count(*) FROM pg_settings WHERE name = 'client_connection_check_interval'")
            == "1"
        {
            psql(
                &patient.superuser(),
                "ALTER SYSTEM SET client_connection_check_interval = '10s'",
            );
            patient.sql("SELECT pg_reload_conf()");
        }
        patient
    }

    fn superuser(&self) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.cluster.port(),
            user: self.cluster.superuser().to_owned(),
            password: self.cluster.superuser_password().to_owned(),
            database: "postgres".to_owned(),
        }
    }

    fn app(&self) -> Target {
        self.superuser().user("app").password("hush-app")
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> String {
        let output = psql(&self.superuser(), sql);
        assert!(output.success, "{sql}: {output:?}");
        output.out.trim().to_owned()
    }

    fn round(&self, arguments: &[&str]) -> Round {
        round(&self.superuser(), arguments)
    }
}

fn round(target: &Target, arguments: &[&str]) -> Round {
    let output = pgweir()
        .args(["doctor", "--json"])
        .args(arguments)
        .env("DATABASE_URL", target.url())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains(&target.password), "{text}");
    let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/doctor.schema.json")).unwrap();
    conforms(&schema, &report, "");
    Round {
        exit: output.status.code(),
        report,
    }
}

/// Checks a value against the parts of JSON Schema that the schema uses.
#[track_caller]
fn conforms(schema: &Value, value: &Value, path: &str) {
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{path}");
    }
    if let Some(words) = schema.get("enum") {
        assert!(words.as_array().unwrap().contains(value), "{path}: {value}");
    }
    let fits = match schema.get("type").and_then(Value::as_str) {
        None => true,
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{path}: the schema's type {other}"),
    };
    assert!(fits, "{path}: {value}");
    for (at, entry) in value.as_array().into_iter().flatten().enumerate() {
        conforms(&schema["items"], entry, &format!("{path}[{at}]"));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(name);
        let schema = known.unwrap_or(&schema["additionalProperties"]);
        assert!(schema.is_object(), "{path}.{name} is not in the schema");
        conforms(schema, field, &format!("{path}.{name}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            value.get(name.as_str().unwrap()).is_some(),
            "{path}: {name} is missing"
        );
    }
}

impl Round {
    /// The state of each check.
    fn states(&self) -> BTreeMap<&str, &str> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks
            .map(|check| {
                (
                    check["id"].as_str().unwrap(),
                    check["state"].as_str().unwrap(),
                )
            })
            .collect()
    }

    /// The checks in this state.
    fn those(&self, state: &str) -> Vec<&str> {
        let states = self.states();
        states
            .iter()
            .filter(|(_, of)| **of == state)
            .map(|(id, _)| *id)
            .collect()
    }

    fn check(&self, id: &str) -> &Value {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks.into_iter().find(|check| check["id"] == id).unwrap()
    }

    /// Everything that the findings of a check say.
    fn said(&self, id: &str) -> String {
        self.check(id)["findings"].to_string()
    }

    /// No check found anything.
    #[track_caller]
    fn found_nothing(&self) {
        for state in ["critical", "warning"] {
            assert_eq!(self.those(state), Vec::<&str>::new(), "{:#}", self.report);
        }
    }

    /// This check alone found something, in this state.
    #[track_caller]
    fn found_only(&self, id: &str, state: &str) {
        for other in ["warning", "critical"] {
            let expected = if other == state { vec![id] } else { Vec::new() };
            assert_eq!(self.those(other), expected, "{other}: {:#}", self.report);
        }
        let exit = if state == "critical" { 3 } else { 1 };
        assert_eq!(self.exit, Some(exit));
    }
}

#[test]
fn a_healthy_server_has_no_findings_and_one_without_privileges_is_not_called_healthy() {
    let patient = Patient::new();
    let mut app = Client::log_in(&patient.app());
    app.query("BEGIN; SELECT * FROM orders").success();
    let well = patient.round(&[]);
    well.found_nothing();
    // The extension is not there.
    assert_eq!(well.those("skipped"), ["slow-statements"]);
    assert_eq!(well.exit, Some(0));

    patient.sql("CREATE ROLE stranger LOGIN PASSWORD 'hush-stranger'");
    let stranger = round(
        &patient
            .superuser()
            .user("stranger")
            .password("hush-stranger"),
        &[],
    );
    let skipped = stranger.those("skipped");
    for id in [
        "idle-in-transaction",
        "long-transactions",
        "long-queries",
        "configuration-files",
        "masked-settings",
        "memory",
    ] {
        assert!(skipped.contains(&id), "{id}: {:#}", stranger.report);
    }
    assert!(
        stranger.check("long-queries")["needs"]
            .to_string()
            .contains("pg_monitor")
    );
    // Checked together with a role that may see it.
    patient.sql("GRANT pg_monitor TO stranger");
    let monitor = round(
        &patient
            .superuser()
            .user("stranger")
            .password("hush-stranger"),
        &[],
    );
    assert_eq!(monitor.states()["long-queries"], "ok");
    assert_eq!(monitor.states()["idle-in-transaction"], "ok");
}

#[test]
fn a_full_server_is_left_alone_without_reserved_and_examined_with_it() {
    let patient = Patient::with(&[("max_connections", "13")]);
    let mut clients: Vec<_> = (0..7).map(|_| Client::log_in(&patient.app())).collect();
    let round = patient.round(&[]);
    round.found_only("connections", "warning");
    let said = round.said("connections");
    assert!(said.contains("8 of 10 usable slots"), "{said}");
    assert!(said.contains("by role: app 7"), "{said}");

    clients.extend((0..3).map(|_| Client::log_in(&patient.app())));
    // The last slots are for superusers: the first is let in and leaves at once.
    let left = patient.round(&[]);
    assert_eq!(left.exit, Some(4));
    assert!(
        left.said("reachable").contains("--reserved"),
        "{:#}",
        left.report
    );
    let refused = self::round(&patient.app(), &[]);
    assert_eq!(refused.exit, Some(4));
    assert!(
        refused.said("reachable").contains("53300"),
        "{:#}",
        refused.report
    );
    let stayed = patient.round(&["--reserved"]);
    stayed.found_only("connections", "critical");
}

#[test]
fn limits_of_roles_and_superusers_are_found() {
    let patient = Patient::new();
    patient.sql("ALTER ROLE app CONNECTION LIMIT 2");
    let clients = [
        Client::log_in(&patient.app()),
        Client::log_in(&patient.app()),
    ];
    let round = patient.round(&[]);
    round.found_only("role-limits", "critical");
    assert!(
        round
            .said("role-limits")
            .contains("role app has 2 of 2 connections")
    );
    drop(clients);
    patient.sql("ALTER ROLE app CONNECTION LIMIT -1");
    let _supers: Vec<_> = (0..4)
        .map(|_| Client::log_in(&patient.superuser()))
        .collect();
    patient
        .round(&[])
        .found_only("superuser-sessions", "warning");
}

#[test]
fn transactions_that_last_are_found_with_who_waits_for_them() {
    let patient = Patient::new();
    let mut idle = Client::log_in_with(&patient.app(), &[("application_name", "leaky")]);
    idle.query("BEGIN; UPDATE orders SET note = 'a secret' WHERE id = 1")
        .success();
    std::thread::sleep(Duration::from_millis(300));
    let after = ["--after", "idle-in-transaction=200ms"];
    let round = patient.round(&after);
    round.found_only("idle-in-transaction", "warning");
    let said = round.said("idle-in-transaction");
    assert!(
        said.contains("leaky") && said.contains("pg_terminate_backend"),
        "{said}"
    );
    assert!(!said.contains("a secret"), "{said}");

    let mut waiting = Client::log_in(&patient.app());
    waiting.send(
        pgweir_e2e::Batch::new()
            .query("UPDATE orders SET note = 'b' WHERE id = 1")
            .bytes(),
    );
    let round = eventually("it waits", || {
        let round = patient.round(&[after[0], after[1], "--after", "blocking=50ms"]);
        (round.states()["blocking"] != "ok").then_some(round)
    });
    assert_eq!(
        round.states()["idle-in-transaction"],
        "critical",
        "{:#}",
        round.report
    );
    let tree = round.said("blocking");
    assert!(
        tree.contains("leaky") && tree.contains("idle in transaction"),
        "{tree}"
    );
    // Two lines: the blocker, and who waits below it.
    let evidence = round.check("blocking")["findings"][0]["evidence"]
        .as_array()
        .unwrap();
    assert_eq!(evidence.len(), 2, "{tree}");
    assert!(evidence[1].as_str().unwrap().starts_with("  pid"), "{tree}");
    idle.query("ROLLBACK").success();
}

#[test]
fn what_runs_for_long_is_found() {
    let patient = Patient::new();
    let mut busy = Client::log_in(&patient.app());
    busy.send(
        pgweir_e2e::Batch::new()
            .query("BEGIN; SELECT pg_sleep(20)")
            .bytes(),
    );
    std::thread::sleep(Duration::from_millis(400));
    patient
        .round(&["--after", "long-queries=200ms"])
        .found_only("long-queries", "warning");
    let round = patient.round(&["--after", "long-transactions=200ms"]);
    round.found_only("long-transactions", "warning");
    // The command that it names does what it says, and to nobody else.
    let command = round.check("long-transactions")["findings"][0]["commands"][0].clone();
    assert_eq!(patient.sql(command.as_str().unwrap()), "t");
    assert_eq!(busy.until_ready().error().sqlstate(), "57014");
    assert_eq!(patient.sql(command.as_str().unwrap()), "");
}

#[test]
fn what_keeps_wal_and_rows_without_a_session_is_found() {
    let patient = Patient::new();
    patient.sql("BEGIN; INSERT INTO orders VALUES (9); PREPARE TRANSACTION 'lost'");
    std::thread::sleep(Duration::from_millis(200));
    let round = patient.round(&["--after", "prepared-transactions=100ms"]);
    round.found_only("prepared-transactions", "warning");
    assert!(
        round
            .said("prepared-transactions")
            .contains("ROLLBACK PREPARED 'lost'")
    );
    patient.sql("ROLLBACK PREPARED 'lost'");

    patient.sql("SELECT pg_create_physical_replication_slot('gone', true)");
    patient.sql("ALTER SYSTEM SET max_slot_wal_keep_size = -1");
    patient.sql("SELECT pg_reload_conf()");
    let round = eventually("the setting is read", || {
        let round = patient.round(&[]);
        (round.states()["replication-slots"] != "ok").then_some(round)
    });
    round.found_only("replication-slots", "warning");
    assert!(round.said("replication-slots").contains("slot gone"));
}

#[test]
fn settings_that_are_not_in_effect_are_found() {
    let patient = Patient::new();
    patient.sql("ALTER SYSTEM SET max_connections = 200");
    patient.sql("SELECT pg_reload_conf()");
    let round = eventually("the file is read", || {
        let round = patient.round(&[]);
        (round.states()["pending-restart"] != "ok").then_some(round)
    });
    round.found_only("pending-restart", "warning");
    assert!(
        round
            .said("pending-restart")
            .contains("max_connections is 40; 200 waits")
    );
    patient.sql("ALTER SYSTEM RESET max_connections");
    // The second document's block, pasted.
    let conf = patient.cluster.data_dir().join("postgresql.conf");
    let good = std::fs::read_to_string(&conf).unwrap();
    let mut file = OpenOptions::new().append(true).open(&conf).unwrap();
    writeln!(
        file,
        "work_mem = 4MB                    -- Memory per query operation"
    )
    .unwrap();
    let round = patient.round(&["--check", "configuration-files"]);
    round.found_only("configuration-files", "critical");
    assert!(round.said("configuration-files").contains("syntax error"));
    std::fs::write(&conf, good).unwrap();
    // The start has the port on its line.
    patient.sql("ALTER SYSTEM SET port = 7777");
    let round = patient.round(&["--check", "masked-settings"]);
    round.found_only("masked-settings", "warning");
}

#[test]
fn limits_that_are_missing_race_or_end_pooled_sessions_are_found() {
    let patient = Patient::new();
    patient.sql("ALTER ROLE app RESET statement_timeout");
    let round = patient.round(&[]);
    round.found_only("missing-timeouts", "warning");
    assert!(
        round
            .said("missing-timeouts")
            .contains("ALTER ROLE app SET statement_timeout")
    );
    patient.sql(
        "ALTER ROLE app SET statement_timeout = '30s'; ALTER ROLE app SET lock_timeout = '1min'",
    );
    let round = patient.round(&[]);
    round.found_only("timeout-races", "warning");
    assert!(
        round
            .said("timeout-races")
            .contains("lock_timeout 1min is not shorter than statement_timeout 30s")
    );
    patient.sql("ALTER ROLE app RESET lock_timeout");
    if patient.sql("SELECT count(*) FROM pg_settings WHERE name = 'idle_session_timeout'") == "1" {
        patient.sql("ALTER ROLE app IN DATABASE postgres SET idle_session_timeout = '10min'");
        patient
            .round(&[])
            .found_only("idle-session-timeout", "warning");
    }
}

#[test]
fn a_server_that_does_not_notice_or_has_too_little_memory_is_found() {
    let patient = Patient::with(&[("tcp_keepalives_idle", "0")]);
    let round = patient.round(&[]);
    round.found_only("keepalives", "warning");
    assert!(
        round.said("keepalives").contains("2 h 1 min"),
        "{}",
        round.said("keepalives")
    );
    let round = patient.round(&["--check", "memory", "--ram", "200MB"]);
    round.found_only("memory", "critical");
    let round = patient.round(&["--check", "memory", "--ram", "700MB"]);
    round.found_only("memory", "warning");
}

#[test]
fn tables_that_are_read_as_a_whole_are_found() {
    let patient = Patient::new();
    patient.sql("CREATE TABLE big AS SELECT i AS id FROM generate_series(1, 20000) i");
    patient.sql("ANALYZE big");
    let mut client = Client::log_in(&patient.superuser());
    for _ in 0..110 {
        client
            .query("SELECT count(*) FROM big WHERE id = 7")
            .success();
    }
    drop(client);
    let round = eventually("the statistics have arrived", || {
        let round = patient.round(&[]);
        (round.states()["sequential-scans"] != "ok").then_some(round)
    });
    round.found_only("sequential-scans", "warning");
    assert!(round.said("sequential-scans").contains("public.big"));
}

#[test]
fn it_is_quick_beside_many_connections_and_takes_one() {
    let patient = Patient::with(&[("max_connections", "700")]);
    let _clients: Vec<_> = (0..500).map(|_| Client::log_in(&patient.app())).collect();
    let before = Instant::now();
    let round = patient.round(&[]);
    let took = before.elapsed();
    assert_eq!(
        round.those("critical"),
        Vec::<&str>::new(),
        "{:#}",
        round.report
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    let log = std::fs::read_to_string(patient.cluster.log_path()).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn it_cannot_connect_and_says_why_without_the_password() {
    let patient = Patient::new();
    let wrong = round(&patient.app().password("hush-wrong"), &[]);
    assert_eq!(wrong.exit, Some(4));
    assert!(wrong.said("reachable").contains("28P01"));
    let mut nobody = patient.app();
    nobody.port = pgweir_e2e::free_port();
    let silent = round(&nobody, &[]);
    assert_eq!(silent.exit, Some(4));
    let run = |arguments: &[&str]| {
        let output = pgweir().arg("doctor").args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    for (arguments, code, word) in [
        (&[][..], 2, "DATABASE_URL"),
        (&["mysql://u:hush@h/d"], 2, "postgres://"),
        (&["--check", "nothing"], 2, "--list"),
        (&["--list"], 0, "idle-in-transaction"),
        (&["explain", "P2024"], 0, "connection_limit"),
        (
            &["explain", "sorry, too many", "clients already"],
            0,
            "max_connections",
        ),
        (&["explain", "--json", "25P03"], 0, "\"code\": \"25P03\""),
        (&["explain", "all is well"], 1, "not an error that is known"),
        (&["explain"], 2, "TEXT"),
    ] {
        let (exit, text) = run(arguments);
        assert_eq!(exit, Some(code), "{text}");
        assert!(text.contains(word), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn a_closed_pipe_and_an_interrupt_end_it_quietly() {
    let patient = Patient::new();
    let mut child = pgweir()
        .args(["doctor", "--all", &patient.superuser().url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    // A server that is silent: the connection is accepted by the system, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://u:p@{}/d?sslmode=disable",
        silent.local_addr().unwrap()
    );
    let child = pgweir()
        .args(["doctor", "--connect-timeout", "30s", &url])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _accepted = silent.accept().unwrap();
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn reports_for_machines_say_the_same() {
    let patient = Patient::with(&[("tcp_keepalives_idle", "0")]);
    let report = |format: &str| {
        let url = patient.superuser().url();
        let output = pgweir()
            .args(["doctor", "--format", format, &url])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).unwrap()
    };
    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{sarif:#}");
    assert_eq!(results[0]["ruleId"], "keepalives");
    assert_eq!(results[0]["level"], "warning");
    let rule = &sarif["runs"][0]["tool"]["driver"]["rules"]
        [results[0]["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], "keepalives");
    let junit = report("junit");
    assert!(junit.contains("failures=\"1\""), "{junit}");
    assert!(junit.contains("<failure type=\"warning\""), "{junit}");
    assert!(
        junit.contains("<skipped message=\"needs the extension"),
        "{junit}"
    );
    // As XML it is well-formed.
    let parsed = Command::new("python3")
        .args([
            "-c",
            "import sys, xml.dom.minidom as m; m.parseString(sys.argv[1].encode())",
            &junit,
        ])
        .status();
    assert!(parsed.unwrap().success(), "{junit}");
}

#[test]
fn a_watch_tells_what_changes_and_goes_on_while_the_server_is_away() {
    let mut patient = Patient::new();
    let child = pgweir()
        .args([
            "doctor",
            "--watch",
            "--every",
            "100ms",
            "--after",
            "idle-in-transaction=500ms",
        ])
        .arg(patient.superuser().url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let lines = std::thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    });
    // A look that began after this moment is one of ours.
    let begin = patient.sql("SELECT clock_timestamp()");
    eventually("it looks", || {
        let looks = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgweir doctor' AND backend_start > '{begin}'"
        );
        (patient.sql(&looks) != "0").then_some(())
    });
    let mut idle = Client::log_in(&patient.app());
    idle.query("BEGIN; SELECT * FROM orders").success();
    std::thread::sleep(Duration::from_secs(2));
    idle.query("ROLLBACK").success();
    std::thread::sleep(Duration::from_secs(2));
    patient.cluster.stop().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    patient.cluster.restart().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let interrupted = Command::new("kill")
        .args(["-INT", &id.to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    let (exit, text) = lines.join().unwrap();
    assert_eq!(exit, Some(130));
    let changes: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1))
        .collect();
    for (change, expected) in changes.iter().zip([
        "idle-in-transaction: ok -> warning: 1 session",
        "idle-in-transaction: warning -> ok",
        "reachable: ok -> critical",
        "reachable: critical -> ok",
    ]) {
        assert!(change.starts_with(expected), "{expected} in\n{text}");
    }
    assert_eq!(changes.len(), 4, "{text}");
}
