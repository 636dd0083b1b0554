use std::time::Duration;

use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pool::Action;
use pgweir_pool::time::Time;

use super::LockHolder;
use crate::locks::tests::{locks, root};
use crate::locks::{LockOwner, Sighting, Stranger};
use crate::world::world;

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
