use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::waits::Cause;
use serde_json::{Value, json};

use super::{BlockerKind, SlowLevel};
use super::{Findings, HolderState, Live, LiveMode, LivePostgres, LiveWaiter, Severity, SightWord};
use crate::pools::columns;
use crate::postgres::{Activity, Origin, PostgresSnapshot, Privilege, Seen, SessionState, Sight};
use crate::recorder::Recorder;
use crate::snapshot::tests::quiet;

/// The document of a bad day, as an older pooler would send it: without alarms.
pub(crate) fn sample() -> Live {
    serde_json::from_str(include_str!("../../testdata/live.json")).unwrap()
}

/// A document with nothing to be alarmed of.
pub(crate) fn calm() -> Live {
    let mut live = sample();
    for pool in &mut live.pools {
        (
            pool.stats.waiting,
            pool.stats.oldest_wait_ms,
            pool.queued_ms,
        ) = (0, None, None);
    }
    live.blockers = Some(Vec::new());
    live.holders = Some(Vec::new());
    live
}

#[test]
fn the_document_has_what_a_view_needs() {
    let mut snapshot = quiet();
    let pool = &mut snapshot.pools[0];
    pool.reserve_max = 3;
    pool.totals.queries = 4;
    pool.totals.query_times.record_many_us(2_000, 4);
    let document = Recorder::default().document(&snapshot, Findings::default());
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
    totals.query_times.record_us(1);
    totals.wait_times.record_us(1);
    let document = Recorder::default().document(&snapshot, Findings::default());
    assert_eq!(document.columns, columns());
    let figures = document.pools[0].figures(&document.columns);
    for (figure, column) in figures.iter().zip(&document.columns) {
        assert!(figure.is_some(), "{}", column.field);
    }
    assert!(sample().columns.is_empty());
    assert_eq!(sample().completed().columns, columns());
}

#[test]
fn what_an_older_pooler_leaves_out_is_added_and_what_came_is_kept() {
    let completed = sample().completed();
    assert_eq!(
        completed.alarms.as_ref().unwrap()[0].key,
        "waiting shop/web"
    );
    let mut judged = completed;
    judged.alarms = Some(Vec::new());
    assert_eq!(judged.clone().completed(), judged);
}

#[test]
fn a_word_of_a_newer_version_is_unknown_and_no_error() {
    let text = r#"{"pools": [{"database": "a", "user": "b", "mode": "novel"}], "more": {},
        "holders": [{"state": "novel", "novel": 7}], "slow": [{"level": "novel"}],
        "blockers": [{"kind": "novel"}], "postgres": [{"sight": "novel"}],
        "events": [{"severity": "novel"}], "columns": [{"field": "x", "unit": "novel"}]}"#;
    let live: Live = serde_json::from_str(text).unwrap();
    assert_eq!(live.pools[0].stats.mode, Some(LiveMode::Unknown));
    assert_eq!(live.holders.unwrap()[0].state, HolderState::Unknown);
    assert_eq!(live.slow.unwrap()[0].level, SlowLevel::Unknown);
    assert_eq!(live.blockers.unwrap()[0].kind, BlockerKind::Unknown);
    assert_eq!(live.postgres.unwrap()[0].sight, SightWord::Unknown);
    assert_eq!(live.events.unwrap()[0].severity, Severity::Unknown);
}

#[test]
fn words_are_those_of_json() {
    let json = |value: Value| value.as_str().unwrap().to_owned();
    for sight in SightWord::ALL {
        assert_eq!(json(json!(sight)), sight.word());
    }
    for mode in [
        LiveMode::Session,
        LiveMode::Transaction,
        LiveMode::Statement,
    ] {
        assert_eq!(json(json!(mode)), mode.word());
    }
    for severity in [Severity::Info, Severity::Warning, Severity::Error] {
        assert_eq!(json(json!(severity)), severity.word());
    }
    for level in [SlowLevel::Slow, SlowLevel::VerySlow] {
        assert_eq!(json(json!(level)), level.words());
    }
    for state in [
        HolderState::Active,
        HolderState::WaitingForLock,
        HolderState::IdleInTransaction,
        HolderState::IdlePinned,
    ] {
        assert_eq!(json(json!(state)), state.words());
    }
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
    let live = Recorder::default().document(&snapshot, findings);
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
    let live = recorder.document(&snapshot, Findings::default());
    assert_eq!(live.pools[0].queued_ms, Some(30_000.0));
    assert_eq!(live.alarms.unwrap()[0].key, "waiting app/bob");
    snapshot.pools[0].totals.refusals_timeout = 2;
    recorder.observe(&snapshot);
    let live = recorder.document(&snapshot, Findings::default());
    assert_eq!(
        live.alarms.unwrap()[0].what,
        "app/bob: 2 clients were refused"
    );
}

fn shown(sight: Sight) -> Value {
    let postgres = PostgresSnapshot {
        server: "db:5432".into(),
        cores: Some(8),
        sight,
    };
    serde_json::to_value(LivePostgres::of(&postgres)).unwrap()
}

fn seen(privilege: Privilege) -> Sight {
    let sessions = [
        ((Origin::Pools, SessionState::Active), 4),
        ((Origin::Pools, SessionState::Idle), 2),
        ((Origin::Elsewhere, SessionState::Active), 1),
    ];
    Sight::Seen(Arc::new(Seen {
        activity: Activity {
            privilege,
            max_connections: 100,
            superuser_reserved: 3,
            reserved: 2,
            sessions: BTreeMap::from(sessions),
            oldest_transaction: BTreeMap::new(),
            waits: BTreeMap::new(),
            blocked: BTreeMap::new(),
        },
        averages: Vec::new(),
    }))
}

#[test]
fn what_a_postgresql_does_is_shown_as_far_as_it_is_seen() {
    let full = shown(seen(Privilege::Full));
    let expected = json!({
        "server": "db:5432", "sight": "full", "cores": 8, "maxConnections": 100,
        "reserved": 5, "ours": 6, "elsewhere": 1, "activeSessions": 5, "waitEvents": [],
    });
    assert_eq!(full, expected);
    let reduced = shown(seen(Privilege::Reduced));
    assert_eq!(reduced["ours"], 6);
    assert_eq!(
        reduced.get("activeSessions"),
        Some(&Value::Null),
        "hidden, not none"
    );
    let away = json!({ "server": "db:5432", "sight": "away", "cores": 8 });
    assert_eq!(shown(Sight::Away), away);
    let read: LivePostgres = serde_json::from_value(away).unwrap();
    assert_eq!(read.sessions, None);
}
