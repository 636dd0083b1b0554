use std::time::Duration;

use pgweir_pool::waits::Cause;
use serde_json::{Value, json};

use super::Recorder;
use crate::findings::Findings;
use crate::live::{Live, LiveWaiter};
use crate::pools::columns;
use crate::snapshot::tests::quiet;
use crate::window::Window;

#[test]
fn the_document_has_what_a_view_needs() {
    let mut snapshot = quiet();
    let pool = &mut snapshot.pools[0];
    pool.reserve_max = 3;
    pool.totals.queries = 4;
    pool.totals.query_times.record_many_us(2_000, 4);
    let document = Recorder::default().document(&snapshot, Findings::default(), Window::Minute);
    let json = serde_json::to_value(&document).unwrap();
    assert_eq!(json["ready"], true);
    assert_eq!(json["workers"][0]["clients"], 0);
    assert_eq!(json["events"], json!([]));
    assert_eq!(json["history"]["seconds"], json!([]));
    assert_eq!(json["alarms"], json!([]));
    assert_eq!(json["headline"]["isWell"], true);
    let pool = &json["pools"][0];
    for (name, value) in [
        ("database", json!("app")),
        ("user", json!("bob")),
        ("mode", json!("session")),
        ("limit", json!(50)),
        ("reserveLimit", json!(3)),
        ("waitLimitMs", json!(20_000.0)),
        ("queries", json!(4)),
        ("waiting", json!(0)),
        ("oldestWaitMs", Value::Null),
        ("queuedMs", Value::Null),
        ("trouble", Value::Null),
    ] {
        assert_eq!(pool[name], value, "{name}");
    }
    assert_eq!(pool["queryMs"]["mean"], 2.0);
    for section in [
        "statements",
        "slow",
        "nPlusOne",
        "holders",
        "waiters",
        "waits",
        "blockers",
    ] {
        assert_eq!(json[section], json!([]), "{section}");
    }
    let read: Live = serde_json::from_value(json).unwrap();
    assert_eq!(read, document, "what was written is read");
}

#[test]
fn every_column_that_is_listed_is_a_figure_of_the_pool() {
    let mut snapshot = quiet();
    let totals = &mut snapshot.pools[0].totals;
    totals.refusals_timeout = 7;
    totals.query_times.record_us(1);
    let document = Recorder::default().document(&snapshot, Findings::default(), Window::Minute);
    assert_eq!(document.columns, columns());
    let json = serde_json::to_value(&document.pools[0]).unwrap();
    for column in &document.columns {
        let pointer = format!("/{}", column.field.replace('.', "/"));
        let figure = json.pointer(&pointer);
        assert!(
            figure.is_some_and(|at| at.is_number() || at.is_null()),
            "{pointer}"
        );
    }
    let figures = document.pools[0].figures(&document.columns);
    let at = |field| columns().iter().position(|column| column.field == field);
    assert_eq!(figures[at("refused").unwrap()], Some(7.0));
    assert!(figures[at("queryMs.p99").unwrap()].is_some());
    assert_eq!(figures[at("waitMs.p99").unwrap()], None, "nobody waited");
}

#[test]
fn those_who_wait_and_the_causes_are_put_together() {
    let mut snapshot = quiet();
    let pool = &mut snapshot.pools[0];
    pool.cause = Some(Cause::Locks);
    pool.counts.waiting = 3;
    pool.totals.waits[Cause::PoolLimit as usize].count = 2;
    let waiter = |user: &str| LiveWaiter {
        database: "app".to_owned(),
        user: user.to_owned(),
        ..LiveWaiter::default()
    };
    let findings = Findings {
        waiters: vec![waiter("bob"), waiter("eve")],
        blame: Some("It was eve.".to_owned()),
        ..Findings::default()
    };
    let live = Recorder::default().document(&snapshot, findings, Window::Minute);
    let waiters = live.waiters.unwrap();
    assert_eq!(waiters[0].cause.as_deref(), Some("locks"));
    assert_eq!(waiters[1].cause, None, "no such pool");
    let waits = live.waits.unwrap();
    let causes: Vec<_> = waits
        .iter()
        .map(|one| (&*one.cause, one.waiting, one.total, one.who.is_some()))
        .collect();
    assert_eq!(causes, [("locks", 3, 0, true), ("pool_limit", 0, 2, false)]);
}

#[test]
fn who_comes_late_is_told_how_long_the_queue_has_been_long() {
    let (mut recorder, mut snapshot) = (Recorder::default(), quiet());
    snapshot.pools[0].counts.waiting = 6;
    for _ in 0..=30 {
        snapshot.uptime += Duration::from_secs(1);
        recorder.observe(&snapshot);
    }
    let live = recorder.document(&snapshot, Findings::default(), Window::Minute);
    assert_eq!(live.pools[0].queued_ms, Some(30_000.0));
    assert_eq!(live.alarms.unwrap()[0].key, "waiting app/bob");
    snapshot.pools[0].totals.refusals_timeout = 2;
    recorder.observe(&snapshot);
    let live = recorder.document(&snapshot, Findings::default(), Window::Minute);
    assert_eq!(
        live.alarms.unwrap()[0].what,
        "app/bob: 2 clients were refused"
    );
}
