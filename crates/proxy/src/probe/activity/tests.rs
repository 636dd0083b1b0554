use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::ServerId;

use pgweir_telemetry::postgres::{Activity, Origin, Privilege, SessionState, Wait};

use super::{Labels, read};

/// The body of a DataRow from columns separated by `|`; `-` is NULL.
pub(in crate::probe) fn row(columns: &str) -> Vec<u8> {
    let columns: Vec<&str> = columns.split('|').collect();
    let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for column in columns {
        if column == "-" {
            body.extend((-1_i32).to_be_bytes());
            continue;
        }
        body.extend(u32::try_from(column.len()).unwrap().to_be_bytes());
        body.extend(column.as_bytes());
    }
    body
}

/// Sessions in `state`, of whomever.
fn in_state(activity: &Activity, state: SessionState) -> u32 {
    activity.count(|_, other| other == state)
}

/// So many sessions of an application.
fn applied(
    database: &str,
    state: SessionState,
    application: &str,
    many: u32,
) -> ((Arc<str>, SessionState, Arc<str>), u32) {
    ((database.into(), state, application.into()), many)
}

fn activity(rows: &[&str]) -> Option<Activity> {
    let rows: Vec<Vec<u8>> = rows.iter().map(|columns| row(columns)).collect();
    read(
        &rows,
        &HashMap::from([1, 2, 3].map(|pid| (pid, ServerId(7)))),
        &mut Labels::default(),
    )
}

#[test]
fn rows_become_facts() {
    let activity = activity(&[
        "100|3|7|t",
        "1|app|web|active|Lock|tuple|2000000|1500000",
        "2|app|web|active|-|-|1000|9",
        "3|app|web|idle|Client|ClientRead|-|9",
        "4|app|web|idle in transaction|Client|ClientRead|60000000|9",
        "5|app|web|idle in transaction (aborted)|Client|ClientRead|5|9",
        "6|app|web|active|Lock|tuple|-|-",
        "7|app|web|fastpath function call|IO|DataFileRead|-7|9",
        "8|-|-|disabled|-|-|-|-",
        "9|app|web|starting|-|-|-|-",
    ])
    .unwrap();
    let lock = Wait {
        kind: "Lock".to_owned(),
        event: "tuple".to_owned(),
    };
    let read = Wait {
        kind: "IO".to_owned(),
        event: "DataFileRead".to_owned(),
    };
    let expected = Activity {
        privilege: Privilege::Full,
        max_connections: 100,
        superuser_reserved: 3,
        reserved: 7,
        sessions: BTreeMap::from([
            ((Origin::Pools, SessionState::Active), 2),
            ((Origin::Pools, SessionState::Idle), 1),
            ((Origin::Elsewhere, SessionState::Active), 2),
            ((Origin::Elsewhere, SessionState::IdleInTransaction), 1),
            (
                (Origin::Elsewhere, SessionState::IdleInFailedTransaction),
                1,
            ),
            ((Origin::Elsewhere, SessionState::Unknown), 2),
        ]),
        applications: BTreeMap::from([
            applied("app", SessionState::Active, "web", 4),
            applied("app", SessionState::Idle, "web", 1),
            applied("app", SessionState::IdleInTransaction, "web", 1),
            applied("app", SessionState::IdleInFailedTransaction, "web", 1),
            applied("app", SessionState::Unknown, "web", 1),
            applied("", SessionState::Unknown, "", 1),
        ]),
        oldest_transaction: BTreeMap::from([
            (Origin::Pools, Duration::from_secs(2)),
            (Origin::Elsewhere, Duration::from_secs(60)),
        ]),
        waits: BTreeMap::from([(lock, 2), (Wait::cpu(), 1), (read, 1)]),
        blocked: BTreeMap::from([(1, Duration::from_millis(1_500)), (6, Duration::ZERO)]),
    };
    assert_eq!(activity, expected);
    assert_eq!(activity.limit(), 90);
    assert_eq!(in_state(&activity, SessionState::Active), 4);
}

#[test]
fn without_the_privilege_sessions_are_counted_and_no_more() {
    let activity = activity(&[
        "10|20|0|f",
        "1|app|web|active|-|-|1|1",
        "9|app|web|-|-|-|-|-",
    ])
    .unwrap();
    assert_eq!(activity.privilege, Privilege::Reduced);
    assert_eq!(in_state(&activity, SessionState::Unknown), 1);
    assert_eq!(in_state(&activity, SessionState::Active), 1);
    assert_eq!(activity.limit(), 0, "more reserved than there are");
}

#[test]
fn what_is_no_answer_is_none() {
    for rows in [
        &[][..],
        &["100|3|0"],
        &["100|3|0|t|x"],
        &["many|3|0|t"],
        &["-|3|0|t"],
        &["100|3|0|t", "1|app|web|active|-|-|-"],
        &["100|3|0|t", "-|app|web|active|-|-|-|-"],
        &["100|3|0|t", "x|app|web|active|-|-|-|-"],
        &["100|3|0|t", "1|app|web|active|-|-|soon|-"],
        &["100|3|0|t", "1|app|web|active|Lock|tuple|-|soon"],
    ] {
        assert_eq!(activity(rows), None, "{rows:?}");
    }
    assert_eq!(
        read(&[vec![0, 4]], &HashMap::new(), &mut Labels::default()),
        None
    );
}
