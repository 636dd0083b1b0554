use super::{Budget, Group, PoolId};

fn budget() -> Budget {
    let mut budget = Budget::default();
    budget.join(PoolId(0), "app".into(), "ann".into());
    budget.join(PoolId(1), "app".into(), "bob".into());
    budget.join(PoolId(2), "log".into(), "ann".into());
    budget
}

#[test]
fn pools_of_a_database_share_its_limit() {
    let mut budget = budget();
    budget.set_limit(Group::Database("app".into()), Some(2));
    let first = budget.acquire(PoolId(0)).expect("room for two");
    let _second = budget.acquire(PoolId(1)).expect("room for two");
    assert!(budget.acquire(PoolId(0)).is_none());
    assert!(budget.acquire(PoolId(2)).is_some(), "another database");
    budget.release(first);
    assert_eq!(budget.next_fed(), Some(PoolId(0)));
    assert!(budget.acquire(PoolId(0)).is_some());
}

#[test]
fn both_groups_of_a_pool_need_room() {
    let mut budget = budget();
    budget.set_limit(Group::User("ann".into()), Some(1));
    let _ann = budget.acquire(PoolId(2)).expect("room for one");
    assert!(budget.acquire(PoolId(0)).is_none());
    assert_eq!(
        budget.used(&Group::Database("app".into())),
        0,
        "a refusal takes nothing"
    );
    assert_eq!(
        budget.rivals(PoolId(0)),
        [PoolId(2)],
        "only where it is full"
    );
}

#[test]
fn the_longest_hungry_is_fed_first_and_once() {
    let mut budget = budget();
    budget.set_limit(Group::Database("app".into()), Some(1));
    let held = budget.acquire(PoolId(0)).expect("room for one");
    assert!(budget.acquire(PoolId(1)).is_none());
    assert!(budget.acquire(PoolId(0)).is_none());
    assert!(budget.acquire(PoolId(1)).is_none());
    assert_eq!(budget.hungry().collect::<Vec<_>>(), [PoolId(1), PoolId(0)]);
    assert_eq!(budget.next_fed(), None, "no room yet");
    budget.release(held);
    assert_eq!(budget.next_fed(), Some(PoolId(1)));
}

#[test]
fn a_lowered_limit_takes_effect_as_servers_close() {
    let mut budget = budget();
    let a = budget.acquire(PoolId(0)).expect("no limit");
    let b = budget.acquire(PoolId(1)).expect("no limit");
    budget.set_limit(Group::Database("app".into()), Some(1));
    budget.release(a);
    assert!(budget.acquire(PoolId(0)).is_none());
    budget.release(b);
    assert!(budget.acquire(PoolId(0)).is_some());
}

#[test]
fn a_pool_that_is_told_in_vain_keeps_its_place() {
    let mut budget = budget();
    budget.set_limit(Group::Database("app".into()), Some(1));
    let held = budget.acquire(PoolId(0)).expect("room for one");
    assert!(budget.acquire(PoolId(0)).is_none(), "it wants two");
    assert!(budget.acquire(PoolId(1)).is_none());
    budget.release(held);
    assert_eq!(budget.next_fed(), Some(PoolId(0)));
    assert_eq!(budget.next_fed(), Some(PoolId(1)), "the room is not taken");
    let held = budget.acquire(PoolId(0)).expect("it was first");
    assert!(budget.acquire(PoolId(0)).is_none(), "it wants two");
    assert!(budget.acquire(PoolId(1)).is_none(), "told in vain");
    budget.release(held);
    assert_eq!(budget.next_fed(), Some(PoolId(1)));
}

#[test]
fn a_pool_that_gets_one_while_hungry_waits_behind_those_that_got_none() {
    let mut budget = budget();
    budget.set_limit(Group::Database("app".into()), Some(1));
    let held = budget.acquire(PoolId(0)).expect("room for one");
    assert!(budget.acquire(PoolId(0)).is_none(), "it wants two");
    assert!(budget.acquire(PoolId(1)).is_none());
    budget.release(held);
    assert!(budget.acquire(PoolId(0)).is_some(), "before anyone is told");
    assert_eq!(budget.hungry().collect::<Vec<_>>(), [PoolId(1), PoolId(0)]);
}

#[test]
fn a_pool_leaves_when_it_has_no_connection() {
    let mut budget = budget();
    budget.set_limit(Group::Database("log".into()), Some(1));
    let held = budget.acquire(PoolId(2)).expect("room for one");
    assert!(budget.acquire(PoolId(2)).is_none());
    assert!(!budget.leave(PoolId(2)), "it has one");
    budget.release(held);
    assert!(budget.leave(PoolId(2)));
    assert_eq!(budget.next_fed(), None, "it is not hungry any more");
    assert_eq!(
        (budget.full(PoolId(2)), budget.rivals(PoolId(2))),
        (None, vec![])
    );
    budget.set_limit(Group::User("ann".into()), Some(0));
    assert!(budget.rivals(PoolId(0)).is_empty(), "nobody's rival");
    budget.set_limit(Group::User("ann".into()), None);
    budget.join(PoolId(2), "log".into(), "ann".into());
    let _one = budget
        .acquire(PoolId(2))
        .expect("the limit has left as well");
    assert!(budget.acquire(PoolId(2)).is_some());
}
