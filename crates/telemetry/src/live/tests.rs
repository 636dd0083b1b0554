use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{BlockerKind, SlowLevel};
use super::{HolderState, Live, LiveMode, LivePostgres, Severity, SightWord};
use crate::pools::columns;
use crate::postgres::{Activity, Origin, PostgresSnapshot, Privilege, Seen, SessionState, Sight};

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
fn what_an_older_pooler_leaves_out_is_added_and_what_came_is_kept() {
    let completed = sample().completed();
    assert!(sample().columns.is_empty());
    assert_eq!(completed.columns, columns());
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
            applications: BTreeMap::new(),
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
