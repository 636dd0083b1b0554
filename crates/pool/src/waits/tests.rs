use super::{Cause, Held, Load, Shortage, cause};
use crate::budget::Group;

#[test]
fn the_cause_is_what_half_of_the_servers_do_or_what_stops_more() {
    let held = |idle_in_transaction, slow, pinned| Held {
        idle_in_transaction,
        slow,
        pinned,
        ..Held::default()
    };
    let (user, database) = (Group::User("u".into()), Group::Database("d".into()));
    let none = held(0, 0, 0);
    for (shortage, active, held, full, postgres_full, expected) in [
        (
            Shortage::Size,
            4,
            held(2, 1, 1),
            None,
            false,
            Cause::IdleInTransaction,
        ),
        (
            Shortage::Size,
            4,
            held(1, 2, 0),
            None,
            false,
            Cause::SlowStatements,
        ),
        (Shortage::Size, 4, held(0, 1, 3), None, false, Cause::Pinned),
        (
            Shortage::Size,
            5,
            held(2, 2, 1),
            None,
            false,
            Cause::PoolLimit,
        ),
        (Shortage::Size, 4, none, None, true, Cause::PoolLimit),
        (
            Shortage::Budget,
            4,
            held(3, 0, 0),
            Some(&user),
            false,
            Cause::IdleInTransaction,
        ),
        (
            Shortage::Budget,
            4,
            none,
            Some(&user),
            false,
            Cause::UserLimit,
        ),
        (
            Shortage::Budget,
            4,
            none,
            Some(&database),
            false,
            Cause::DatabaseLimit,
        ),
        (
            Shortage::Budget,
            0,
            none,
            Some(&database),
            false,
            Cause::DatabaseLimit,
        ),
        (
            Shortage::Login,
            1,
            held(1, 0, 0),
            None,
            false,
            Cause::LoginFailing,
        ),
        (Shortage::Login, 0, none, None, true, Cause::PostgresFull),
        (
            Shortage::Opening,
            1,
            held(1, 0, 0),
            None,
            false,
            Cause::Opening,
        ),
    ] {
        let own = Load { active, held };
        let found = cause(shortage, own, Load::default(), full, postgres_full);
        assert_eq!(found, expected, "{shortage:?} {active} {held:?}");
    }
}

#[test]
fn locks_explain_those_that_wait_for_them_and_who_holds_them() {
    for (active, locked, blocking, idle_in_transaction, slow, expected) in [
        // One sits in its transaction, the others wait for it.
        (20, 19, 1, 1, 0, Cause::Locks),
        // The same in a pool of two, and of three with one that works.
        (2, 1, 1, 1, 0, Cause::Locks),
        (3, 1, 1, 1, 0, Cause::Locks),
        // Who holds the locks is in another pool, or no client of ours.
        (1, 1, 0, 0, 0, Cause::Locks),
        // Here it is the other pool: nobody waits for a lock, one sits idle.
        (1, 0, 1, 1, 0, Cause::IdleInTransaction),
        // A few locks among much else.
        (20, 3, 1, 1, 12, Cause::SlowStatements),
        (20, 3, 1, 11, 0, Cause::IdleInTransaction),
        (20, 3, 1, 1, 0, Cause::PoolLimit),
    ] {
        let held = Held {
            idle_in_transaction,
            slow,
            locked,
            blocking,
            ..Held::default()
        };
        let own = Load { active, held };
        let found = cause(Shortage::Size, own, Load::default(), None, false);
        assert_eq!(found, expected, "{active} {held:?}");
    }
}

#[test]
fn behind_a_limit_of_several_pools_it_is_what_the_others_do() {
    let load = |active, locked, slow| Load {
        active,
        held: Held {
            locked,
            slow,
            ..Held::default()
        },
    };
    let database = Group::Database("d".into());
    for (shortage, own, others, expected) in [
        (Shortage::Budget, load(0, 0, 0), load(9, 8, 0), Cause::Locks),
        (Shortage::Budget, load(2, 2, 0), load(9, 0, 9), Cause::Locks),
        (
            Shortage::Budget,
            load(2, 0, 0),
            load(9, 3, 3),
            Cause::DatabaseLimit,
        ),
        // Its own limit is reached: what others do is nothing to it.
        (
            Shortage::Size,
            load(2, 0, 0),
            load(9, 9, 0),
            Cause::PoolLimit,
        ),
    ] {
        let found = cause(shortage, own, others, Some(&database), false);
        assert_eq!(found, expected, "{shortage:?} {own:?} {others:?}");
    }
}

#[test]
fn causes_are_numbered_as_they_are_listed() {
    for (at, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause as usize, at);
    }
}
