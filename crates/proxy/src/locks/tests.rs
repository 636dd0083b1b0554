use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pool::Action;
use pgweir_pool::relay::Hold;
use pgweir_pool::session::Holding;
use pgweir_pool::time::Time;
use pgweir_sql::fingerprint::Fingerprint;

use super::blocker::LockHolder;
use super::{LockBoard, LockOwner, Locks, Root, Sighting, Stranger};
use crate::insight::Locking;
use crate::world::world;

fn root(session: LockOwner, sessions: u32) -> Root {
    Root {
        pid: (session != LockOwner::Prepared).then_some(42),
        session,
        sessions,
        longest: Duration::from_secs(2),
    }
}

fn locks(at: u64, blocked: &[(u64, Option<usize>)], roots: &[Root]) -> Locks {
    let blocked = blocked.iter().map(|&(id, root)| (ServerId(id), root));
    Locks {
        at: Time(at),
        crowded: BTreeMap::new(),
        blocked: blocked.collect(),
        roots: roots.to_vec(),
    }
}

fn stranger(user: &str) -> LockOwner {
    LockOwner::Stranger(Stranger {
        database: "bank".to_owned(),
        user: user.to_owned(),
        application: "psql".to_owned(),
        state: "idle in transaction".to_owned(),
        since: Some(Duration::from_millis(12_900)),
        text: "update t set n = $1".to_owned(),
    })
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
fn a_client_waits_for_locks_or_holds_them_as_its_server_was_seen_to() {
    let board = LockBoard::default();
    let now = Time(10_000_000);
    let locking = |board: &LockBoard, server, hold, held_ms: u64, running_ms| {
        let holding = Holding {
            server: ServerId(server),
            hold,
            since: Time(now.0 - 1_000 * held_ms),
            quiet: Duration::ZERO,
            running: Duration::from_millis(running_ms),
            statement: Fingerprint::default(),
        };
        Locking::of(&board.looks(), now, &holding)
    };
    assert_eq!(locking(&board, 1, Hold::Busy, 900, 900), Locking::Free);
    let holder = root(LockOwner::Ours(ServerId(9)), 3);
    let look = locks(9_500_000, &[(1, Some(0)), (2, None)], &[holder]);
    board.set(&"a:1".into(), Some(look));
    for (server, hold, held_ms, running_ms, expected) in [
        (1, Hold::Busy, 900, 501, Locking::Waits),
        (2, Hold::Busy, 900, 900, Locking::Waits),
        (1, Hold::Busy, 900, 499, Locking::Free),
        (1, Hold::InTransaction, 900, 900, Locking::Free),
        (9, Hold::InTransaction, 900, 0, Locking::Blocks(3)),
        (9, Hold::Busy, 900, 0, Locking::Blocks(3)),
        (9, Hold::InTransaction, 499, 0, Locking::Free),
        (5, Hold::Busy, 900, 900, Locking::Free),
    ] {
        let found = locking(&board, server, hold, held_ms, running_ms);
        assert_eq!(found, expected, "{server} {hold:?} {held_ms} {running_ms}");
    }
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

#[test]
fn who_holds_locks_is_named_and_statements_are_shown_to_their_own_user() {
    let world = world("");
    let registry = &world.registry;
    let name = |session| {
        let seen = Sighting {
            postgres: &"db:5432".into(),
            at: Time(5),
            root: &root(session, 2),
        };
        registry.blocker(seen)
    };
    let bobs = name(stranger("bob"));
    let told = "The locks are held by a session of bank/bob that does not come through the pooler \
                (application_name psql, server process 42), idle in transaction for 12 s; \
                its last statement: update t set n = $1.";
    assert_eq!(bobs.sentence(), told);
    assert_eq!(bobs.sentence_for(&world.pool), told);
    let carols = name(stranger("carol"));
    assert!(carols.sentence().contains("update t"));
    let told = carols.sentence_for(&world.pool);
    assert!(told.ends_with("idle in transaction for 12 s."), "{told}");
    for (session, told) in [
        (
            LockOwner::Prepared,
            "The locks are held by a prepared transaction (see pg_prepared_xacts).",
        ),
        (
            LockOwner::Gone,
            "The locks are held by a process that does not serve the pooler (server process 42).",
        ),
        (
            // The number of the pool is in the upper bits.
            LockOwner::Ours(ServerId(5)),
            "The locks are held by clients of app/bob, each for a moment (server process 42).",
        ),
    ] {
        assert_eq!(name(session).sentence(), told);
    }
}

#[test]
fn a_free_server_holds_locks_if_it_was_free_when_that_was_seen() {
    let world = world("");
    let registry = &world.registry;
    let action = world.pool.with(|stock| {
        stock.core.warm(Time(1));
        stock.core.poll_action()
    });
    let Some(Action::Open(server)) = action else {
        panic!("{action:?}");
    };
    let opened = Time(10);
    world
        .pool
        .with(|stock| stock.core.opened(opened, server, WorkerId(0), 0));
    let kind = |at| {
        let seen = Sighting {
            postgres: &"db:5432".into(),
            at: Time(at),
            root: &root(LockOwner::Ours(server), 2),
        };
        registry.blocker(seen).kind
    };
    assert_eq!(kind(11), LockHolder::Server);
    assert_eq!(kind(10), LockHolder::Clients, "some client had it then");
}

#[test]
fn all_who_hold_locks_are_listed_the_worst_first() {
    let world = world("");
    let registry = &world.registry;
    let look = |sessions| {
        Some(locks(
            0,
            &[(1, Some(0))],
            &[root(LockOwner::Gone, sessions)],
        ))
    };
    registry.locks.set(&"a:1".into(), look(2));
    registry.locks.set(&"b:1".into(), look(7));
    let all = registry.blockers();
    let told: Vec<_> = all
        .iter()
        .map(|one| (&*one.postgres, one.sessions))
        .collect();
    assert_eq!(told, [("b:1", 7), ("a:1", 2)]);
    let of_pool = registry.blocker_of(&world.pool).unwrap();
    assert_eq!(of_pool.sessions, 7);
}
