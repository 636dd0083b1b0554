//! State of a session that keeps its server in transaction mode: it is seen, bounded, and rejected where the pool says so.

use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, Transcript, eventually, shared, throughout};
use serde_json::Value;

/// What keeps a server, the metric's reason, and what ends that.
const KEEPS: [(&str, &str, &str); 5] = [
    (
        "create temp table t (a int)",
        "temporary_object",
        "drop table t",
    ),
    (
        "select pg_advisory_lock(7)",
        "advisory_lock",
        "select pg_advisory_unlock(7)",
    ),
    ("listen a", "listen", "unlisten a"),
    (
        "declare c cursor with hold for select 7",
        "cursor_with_hold",
        "close c",
    ),
    (
        "prepare p as select 7",
        "prepared_statement",
        "deallocate p",
    ),
];

fn config(role: &Role) -> Config {
    role.config()
        .set("default_pool_size", 1)
        .set("http_listen", "127.0.0.1:0")
        .set("probe_interval", 0)
}

fn document(pooler: &Pooler) -> Value {
    let (status, body) = pooler.request("GET", "/api/v1/live", None);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("a document")
}

/// The metric is this, sooner or later.
#[track_caller]
fn shows(pooler: &Pooler, metric: &str, labels: &[&str], value: f64) {
    eventually(metric, || {
        (pooler.scrape().sum(metric, labels) == Some(value)).then_some(())
    });
}

#[track_caller]
fn is_error(answer: &Transcript, severity: &str, sqlstate: &str) {
    let error = answer.error();
    assert_eq!(
        (&*error.field(b'S'), &*error.sqlstate()),
        (severity, sqlstate),
        "{error:?}"
    );
}

#[test]
fn what_keeps_a_server_is_counted_by_reason() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let mut client = Client::log_in(&role.through(&pooler));
    for (keeps, reason, ends) in KEEPS {
        let label = format!("reason=\"{reason}\"");
        client.query(keeps).success();
        shows(&pooler, "pgweir_pool_pinned_servers", &[&label], 1.0);
        shows(&pooler, "pgweir_pool_pins_total", &[&label], 1.0);
        eventually("its time is counted while it lasts", || {
            let seconds = pooler
                .scrape()
                .sum("pgweir_pool_pins_seconds_total", &[&label])?;
            (seconds >= 0.15).then_some(())
        });
        client.query(ends).success();
        shows(&pooler, "pgweir_pool_pinned_servers", &[&label], 0.0);
    }
    // In session mode that is what was asked for.
    let pooler = Pooler::start(&config(&role).set("pool_mode", "session"));
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("listen a").success();
    throughout(Duration::from_millis(300), "nothing is pinned", || {
        let scrape = pooler.scrape();
        scrape.sum("pgweir_pool_pinned_servers", &[]).is_none()
    });
}

#[test]
fn who_keeps_a_server_is_named_when_others_wait() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let mut owner = Client::log_in_with(&target, &[("application_name", "till")]);
    owner.query("select pg_advisory_lock(4711)").success();
    owner.query("select 'something else'").success();
    let mut waiter = Client::log_in(&target);
    let wait = Batch::new().query("select 1");
    waiter.send(wait.bytes());
    pooler.has_logged(
        "clients wait while a session keeps its server, pinned for ",
        1,
    );
    let log = pooler.log();
    let line = log
        .lines()
        .find(|line| line.contains("clients wait while"))
        .expect("just seen");
    for part in [
        "application_name=\"till\"",
        "statement=\"select pg_advisory_lock($1)\"",
        "reason=\"advisory_lock\"",
        "waiting=1",
        "address=",
        "advisory lock. Use pg_advisory_xact_lock",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    shows(&pooler, "pgweir_pool_waiters_behind_pins", &[], 1.0);
    eventually("the document names it", || {
        let document = document(&pooler);
        let holder = document["holders"].as_array()?.first()?.clone();
        (holder["waitersBehind"] == 1).then_some(())?;
        assert_eq!(holder["pin"], "advisory lock", "{holder}");
        assert_eq!(holder["pinText"], "select pg_advisory_lock($1)");
        assert_eq!(holder["lastText"], "select $1");
        assert_eq!(holder["applicationName"], "till");
        assert!(holder["address"].is_string());
        assert!(holder["pinMs"].as_f64()? > 0.0);
        Some(())
    });
    // Once a minute is enough.
    throughout(Duration::from_millis(400), "it is told of once", || {
        pooler.logged("clients wait while a session keeps its server") == 1
    });
    owner.query("select pg_advisory_unlock(4711)").success();
    waiter.until_ready().success();
}

#[test]
fn pin_timeout_ends_a_session_that_pauses() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("pin_timeout", 0.5));
    let target = role.through(&pooler);
    let mut client = Client::log_in_with(&target, &[("application_name", "till")]);
    let start = Instant::now();
    client.query("create temp table lost (a int)").success();
    // In a transaction it is let be.
    client.query("begin").success();
    client.query("select pg_sleep(0.8)").success();
    client.query("commit").success();
    let answer = client.until_end();
    assert!(
        start.elapsed() >= Duration::from_millis(1300),
        "{:?}",
        start.elapsed()
    );
    is_error(&answer, "FATAL", "57P05");
    let error = answer.error();
    assert!(
        error
            .text()
            .contains("pin_timeout (0.5 s): temporary object"),
        "{error:?}"
    );
    assert!(error.field(b'H').contains("ON COMMIT DROP"), "{error:?}");
    pooler.has_logged(
        "pin_timeout ends a session that kept its server, pinned for ",
        1,
    );
    let log = pooler.log();
    let line = log.lines().find(|line| line.contains("pin_timeout ends"));
    let line = line.expect("just seen");
    assert!(
        line.contains("statement=\"create temp table lost(a int)\""),
        "{line}"
    );
    assert!(line.contains("application_name=\"till\""), "{line}");
    // Others have the server, and nothing of the table.
    let mut next = Client::log_in(&target);
    let tables = "select count(*) from pg_class where relname = 'lost'";
    assert_eq!(next.value(tables), "0");
    // A client without such state may be idle.
    throughout(Duration::from_millis(900), "it goes on", || {
        next.value("select 1") == "1"
    });
}

#[test]
fn pin_timeout_is_of_a_user_and_not_of_session_mode() {
    let role = shared().role();
    let config = config(&role)
        .set("pool_mode", "session")
        .set("pin_timeout", 0.2);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("listen a").success();
    throughout(Duration::from_millis(900), "it goes on", || {
        client.value("select count(*) from pg_listening_channels()") == "1"
    });
}

#[test]
fn what_would_keep_a_server_is_rejected_before_it_runs() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("session_state", "reject"));
    let target = role.through(&pooler);
    let (mut client, mut other) = (Client::log_in(&target), Client::log_in(&target));
    for (keeps, reason, ends) in KEEPS {
        let answer = client.query(keeps);
        is_error(&answer, "ERROR", "0A000");
        let error = answer.error();
        assert!(
            error.text().contains("session_state = \"reject\""),
            "{error:?}"
        );
        assert!(!error.field(b'H').is_empty(), "{error:?}");
        let label = format!("reason=\"{reason}\"");
        shows(&pooler, "pgweir_pool_pins_rejected_total", &[&label], 1.0);
        // In the extended protocol, under a name and without, and nothing behind it runs.
        let batch = Batch::new().run(keeps, &[]).run("select 8", &[]).sync();
        let answer = client.ask(&batch);
        is_error(&answer, "ERROR", "0A000");
        let batch = Batch::new().parse("named", keeps).sync();
        is_error(&client.ask(&batch), "ERROR", "0A000");
        // Several statements in one text are one, of which nothing runs.
        let answer = client.query(&format!("select 9; {keeps}"));
        is_error(&answer, "ERROR", "0A000");
        // An open transaction has failed then, and says so as PostgreSQL does.
        client.query("begin").success();
        is_error(&client.query(keeps), "ERROR", "0A000");
        is_error(&client.query("select 1"), "ERROR", "25P02");
        is_error(&client.query(keeps), "ERROR", "25P02");
        client.query("rollback").success();
        assert_eq!(client.value("select 1"), "1", "{keeps}");
        assert_eq!(other.value("select 2"), "2", "the server goes round");
        // What gives up is let through, if only to say that there is nothing.
        if reason == "listen" || reason == "advisory_lock" {
            client.query(ends).success();
        }
    }
    assert_eq!(
        client.value("select count(*) from pg_listening_channels()"),
        "0"
    );
    shows(&pooler, "pgweir_pool_pinned_servers", &[], 0.0);
}

#[test]
fn what_keeps_no_server_is_not_rejected() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("session_state", "reject"));
    let target = role.through(&pooler);
    let (mut client, mut other) = (Client::log_in(&target), Client::log_in(&target));
    client
        .query("set work_mem = '7MB'; set app.tenant = '7'; set role none")
        .success();
    client.query("begin").success();
    client
        .query("create temp table t (a int) on commit drop; insert into t values (7)")
        .success();
    client.query("select pg_advisory_xact_lock(7)").success();
    client
        .query("declare c cursor for select a from t")
        .success();
    assert_eq!(client.value("fetch 1 c"), "7");
    client.query("commit").success();
    let reset = "select pg_advisory_unlock_all(); close all; unlisten *; reset all";
    client.query(reset).success();
    client.query("set work_mem = '7MB'").success();
    let batch = Batch::new().parse("mine", "select 7").sync();
    client.ask(&batch).success();
    other.query("discard all").success();
    let batch = Batch::new().bind("", "mine", &[]).execute("", 0).sync();
    client.ask(&batch).success();
    assert_eq!(client.value("show work_mem"), "7MB");
    assert_eq!(other.value("select 2"), "2", "the server goes round");
}

#[test]
fn what_a_text_does_not_show_ends_the_session_behind_its_transaction() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("session_state", "reject"));
    let target = role.through(&pooler);
    let hidden = "do $$ begin create temp table lost (a int); end $$";
    for in_transaction in [false, true] {
        let mut client = Client::log_in(&target);
        let answer = if in_transaction {
            client.query("begin").success();
            client.query(hidden).success();
            client.query("insert into lost values (7)").success();
            client.query("commit").success();
            client.until_end()
        } else {
            client.query(hidden).success();
            client.until_end()
        };
        is_error(&answer, "FATAL", "0A000");
        let error = answer.error();
        assert!(error.text().contains("temporary object"), "{error:?}");
        assert!(error.field(b'H').contains("ON COMMIT DROP"), "{error:?}");
    }
    let mut next = Client::log_in(&target);
    let tables = "select count(*) from pg_class where relname = 'lost'";
    assert_eq!(next.value(tables), "0");
    // Rolled back, it left nothing.
    next.query("begin").success();
    next.query(hidden).success();
    next.query("rollback").success();
    assert_eq!(next.value(tables), "0");
}

#[test]
fn a_paused_pooler_says_so() {
    use pgweir_e2e::Signal;

    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("select 1").success();
    assert_eq!(document(&pooler)["paused"], false);
    pooler.signal(Signal::USR1);
    shows(&pooler, "pgweir_paused", &[], 1.0);
    shows(&pooler, "pgbouncer_databases_paused", &[], 1.0);
    client.send(Batch::new().query("select 2").bytes());
    eventually("the document has an alarm", || {
        let document = document(&pooler);
        assert_eq!(document["paused"], true);
        let alarm = document["alarms"].as_array()?.first()?["what"].clone();
        (alarm == "pgweir is paused: 1 client waits").then_some(())
    });
    pooler.signal(Signal::USR2);
    client.until_ready().success();
    shows(&pooler, "pgweir_paused", &[], 0.0);
}
