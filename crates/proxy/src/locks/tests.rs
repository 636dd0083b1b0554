use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;

use super::{LockBoard, LockOwner, Locks, Root};

pub(crate) fn root(session: LockOwner, sessions: u32) -> Root {
    Root {
        pid: (session != LockOwner::Prepared).then_some(42),
        session,
        sessions,
        longest: Duration::from_secs(2),
    }
}

pub(crate) fn locks(at: u64, blocked: &[(u64, Option<usize>)], roots: &[Root]) -> Locks {
    let blocked = blocked.iter().map(|&(id, root)| (ServerId(id), root));
    Locks {
        at: Time(at),
        crowded: BTreeMap::new(),
        blocked: blocked.collect(),
        roots: roots.to_vec(),
    }
}

#[test]
fn a_statement_waits_if_it_is_the_one_that_was_seen() {
    let board = LockBoard::default();
    let (one, other): (Arc<str>, Arc<str>) = ("a:1".into(), "b:1".into());
    assert!(board.looks().is_empty());
    let held = root(LockOwner::Ours(ServerId(9)), 3);
    board.set(&one, Some(locks(1_000, &[(1, Some(0))], &[held])));
    board.set(&other, Some(locks(2_000, &[(5, None)], &[])));
    let looks = board.looks();
    assert!(looks.is_blocked(ServerId(1), Time(999)));
    assert!(
        !looks.is_blocked(ServerId(1), Time(1_000)),
        "it began later"
    );
    assert!(looks.is_blocked(ServerId(5), Time(1_500)));
    assert!(!looks.is_blocked(ServerId(9), Time(0)));
    assert_eq!(
        [1, 5, 9].map(|id| looks.behind(ServerId(id), Time(999))),
        [0, 0, 3]
    );
    let later = looks.behind(ServerId(9), Time(1_000));
    assert_eq!(later, 0, "another client has the server by now");
    board.set(&one, Some(locks(3_000, &[], &[])));
    board.set(&other, None);
    assert!(board.looks().is_empty(), "nobody waits any more");
    assert!(!looks.is_empty(), "what was taken stays as it was");
}

#[test]
fn the_one_to_blame_is_whom_most_of_the_pools_servers_wait_for() {
    let board = LockBoard::default();
    let roots = [
        root(LockOwner::Gone, 9),
        root(LockOwner::Ours(ServerId(3)), 2),
    ];
    let blocked = [
        (1, Some(0)),
        (2, Some(1)),
        (4, Some(1)),
        (5, None),
        (70, Some(0)),
    ];
    board.set(&"a:1".into(), Some(locks(0, &blocked, &roots)));
    let looks = board.looks();
    let main = |is_of: fn(ServerId) -> bool| looks.main_root(is_of).map(|seen| seen.root.clone());
    assert_eq!(main(|server| server.0 < 10), Some(roots[1].clone()));
    assert_eq!(main(|server| server.0 == 70), Some(roots[0].clone()));
    assert_eq!(main(|server| server.0 == 5), None, "not known");
    assert_eq!(main(|server| server.0 > 70), None);
}
