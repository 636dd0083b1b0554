use std::time::Duration;

use pgweir_pool::waits::Cause;

use super::Causes;
use crate::snapshot::Snapshot;
use crate::snapshot::tests::quiet;

/// A pool at which somebody looks each second.
struct Looks {
    causes: Causes,
    snapshot: Snapshot,
}

impl Looks {
    fn start() -> Self {
        let mut snapshot = quiet();
        snapshot.pools[0].slow_from = Some(Duration::from_secs(1));
        Self {
            causes: Causes::default(),
            snapshot,
        }
    }

    /// What a view says after a look at which so many wait for this, and queries have ended since the last
    /// that took so many milliseconds each.
    fn look(&mut self, waiting: u32, cause: Cause, ended: &[(u64, u64)]) -> Option<Cause> {
        self.snapshot.uptime += Duration::from_secs(1);
        let pool = &mut self.snapshot.pools[0];
        pool.counts.waiting = waiting;
        pool.cause = (waiting > 0).then_some(cause);
        for &(many, ms) in ended {
            pool.totals.query_times.record_many_us(ms * 1_000, many);
        }
        self.causes.observe(&self.snapshot);
        self.causes.of(&self.snapshot.pools[0])
    }
}

#[test]
fn sixteen_servers_with_statements_of_1200_ms_are_not_busy_with_short_work_at_any_moment() {
    let mut looks = Looks::start();
    // A statement is slow by now in the last sixth of its time, so most looks see none that is.
    let moments = [
        Cause::PoolLimit,
        Cause::SlowStatements,
        Cause::PoolLimit,
        Cause::PoolLimit,
    ];
    // The first look does not know yet, and two others outweigh it.
    looks.look(86, Cause::PoolLimit, &[]);
    looks.look(86, Cause::PoolLimit, &[(13, 1_200), (40, 3)]);
    for cause in moments.into_iter().cycle().take(60) {
        let said = looks.look(86, cause, &[(13, 1_200), (40, 3)]);
        assert_eq!(said, Some(Cause::SlowStatements));
    }
}

#[test]
fn short_work_with_a_slow_statement_now_and_then_is_the_limit_of_the_pool() {
    let mut looks = Looks::start();
    for look in 0..60 {
        let slow = if look % 7 == 0 { 1 } else { 0 };
        let said = looks.look(20, Cause::PoolLimit, &[(3_000, 5), (slow, 1_500)]);
        assert_eq!(said, Some(Cause::PoolLimit));
    }
}

#[test]
fn causes_of_about_the_same_weight_do_not_alternate() {
    let mut looks = Looks::start();
    let first = looks.look(9, Cause::IdleInTransaction, &[]);
    assert_eq!(first, Some(Cause::IdleInTransaction), "the first at once");
    let causes = [
        (10, Cause::Pinned),
        (9, Cause::IdleInTransaction),
        (0, Cause::Pinned),
    ];
    for (waiting, cause) in causes.into_iter().cycle().take(60) {
        let said = looks.look(waiting, cause, &[]);
        let expected = (waiting > 0).then_some(Cause::IdleInTransaction);
        assert_eq!(said, expected);
    }
}

#[test]
fn another_cause_takes_over_within_the_seconds_that_are_weighed() {
    let mut looks = Looks::start();
    for _ in 0..30 {
        looks.look(9, Cause::SlowStatements, &[]);
    }
    let said: Vec<_> = (0..10)
        .map(|_| looks.look(9, Cause::Locks, &[]).unwrap())
        .collect();
    let at = said.iter().position(|cause| *cause == Cause::Locks);
    assert_eq!(at, Some(6), "{said:?}");
    assert!(said[6..].iter().all(|cause| *cause == Cause::Locks));
}

#[test]
fn a_pause_and_a_login_that_fails_are_said_at_once_and_no_longer_than_they_last() {
    let mut looks = Looks::start();
    for fact in [Cause::Paused, Cause::LoginFailing, Cause::PostgresFull] {
        for _ in 0..15 {
            looks.look(9, Cause::PoolLimit, &[]);
        }
        assert_eq!(looks.look(9, fact, &[]), Some(fact));
        let after = looks.look(9, Cause::Opening, &[]);
        assert_eq!(after, Some(Cause::Opening), "after {fact:?}");
    }
}

#[test]
fn a_pool_in_which_nobody_has_waited_lately_is_forgotten() {
    let mut looks = Looks::start();
    looks.look(3, Cause::Pinned, &[]);
    for _ in 0..9 {
        assert_eq!(looks.look(0, Cause::Pinned, &[]), None);
    }
    assert_eq!(looks.causes.pools.len(), 1);
    looks.look(0, Cause::Pinned, &[]);
    assert!(looks.causes.pools.is_empty());
    let said = looks.look(1, Cause::Locks, &[]);
    assert_eq!(said, Some(Cause::Locks), "nothing of before weighs");
}
