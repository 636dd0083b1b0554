use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Answer, CANCELS_MAX, Table};

/// A table with three places and a clock.
struct Run {
    table: Table,
    now: Instant,
    entered: Vec<(u64, oneshot::Receiver<()>)>,
    turns: Vec<(usize, oneshot::Receiver<()>)>,
}

impl Run {
    fn new() -> Self {
        Self::with_places(3)
    }

    fn with_places(places: usize) -> Self {
        Self {
            table: Table::new(places),
            now: Instant::now(),
            entered: Vec::new(),
            turns: Vec::new(),
        }
    }

    /// Whether a stranger from there gets a place.
    fn comes(&mut self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        match self.table.enter(self.now, Some(address)) {
            Answer::Entered(number, ejected) => {
                self.entered.push((number, ejected));
                true
            }
            Answer::Full(until) => {
                assert!(until > self.now, "waiting is of use");
                false
            }
        }
    }

    fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn says_something(&mut self, which: usize) {
        self.table.heard(self.entered[which].0, self.now);
    }

    fn steps_aside(&mut self, which: usize, group: &str) -> bool {
        self.table.step_aside(self.entered[which].0, &group.into())
    }

    fn leaves(&mut self, which: usize) {
        self.table.leave(self.entered[which].0);
    }

    /// Its login begins; whether it may go on at once where two may be under way from an address.
    fn begins(&mut self, which: usize) -> bool {
        let turn = self.table.begin(self.entered[which].0, NonZeroU32::new(2));
        let goes_on = turn.is_none();
        self.turns.extend(turn.map(|turn| (which, turn)));
        goes_on
    }

    /// Whose turn has come since.
    fn turns(&mut self) -> Vec<usize> {
        let come = self
            .turns
            .extract_if(.., |(_, turn)| turn.try_recv().is_ok());
        come.map(|(which, _)| which).collect()
    }

    /// Who had to go, as the how manieth of those who came.
    fn ejected(&mut self) -> Vec<usize> {
        let mut ejected = Vec::new();
        for (at, (_, receiver)) in self.entered.iter_mut().enumerate() {
            if receiver.try_recv().is_ok() {
                ejected.push(at);
            }
        }
        ejected
    }
}

#[test]
fn nobody_makes_room_who_has_just_spoken() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert!(run.comes("10.0.0.1"));
    }
    run.later(999);
    assert!(!run.comes("10.0.0.2"));
    assert!(run.ejected().is_empty());
}

#[test]
fn the_longest_silent_makes_room() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert!(run.comes("10.0.0.1"));
        run.later(400);
    }
    run.says_something(0);
    run.later(400);
    assert!(run.comes("10.0.0.1"));
    assert_eq!(run.ejected(), [1]);
}

#[test]
fn an_address_with_more_places_makes_room_first() {
    let mut run = Run::new();
    for address in ["10.0.0.2", "10.0.0.1", "10.0.0.1"] {
        assert!(run.comes(address));
        run.later(1);
    }
    run.later(2000);
    assert!(run.comes("10.0.0.3"));
    assert_eq!(run.ejected(), [1]);
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let mut run = Run::new();
    for address in ["::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2:1"] {
        assert!(run.comes(address));
        run.later(1);
    }
    run.later(2000);
    assert!(run.comes("10.0.0.2"));
    assert_eq!(run.ejected(), [1]);
}

#[test]
fn a_place_that_is_left_is_free_and_its_owner_is_never_ejected() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert!(run.comes("10.0.0.1"));
    }
    run.leaves(1);
    run.leaves(1);
    assert!(run.comes("10.0.0.1"));
    assert!(!run.comes("10.0.0.1"));
    assert!(run.ejected().is_empty());
    assert_eq!(run.table.by_address.len(), 1);
    for which in 0..4 {
        run.leaves(which);
    }
    assert!(run.table.by_address.is_empty());
}

#[test]
fn a_stranger_counts_where_its_load_balancer_says_it_is() {
    let mut run = Run::new();
    let real = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    for at in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        assert!(run.comes("10.0.0.1"));
        let number = run.entered.last().unwrap().0;
        run.table.moved(number, real(at), run.now);
        run.later(1);
    }
    assert_eq!(run.table.by_address[&real("192.0.2.1")], 2);
    assert!(!run.table.by_address.contains_key(&real("10.0.0.1")));
    run.later(2000);
    assert!(run.comes("10.0.0.1"));
    // Of the two from one address.
    assert_eq!(run.ejected(), [0]);
    for which in 0..4 {
        run.leaves(which);
    }
    assert!(run.table.by_address.is_empty());
    run.table
        .moved(run.entered[0].0, real("192.0.2.1"), run.now);
    assert!(run.table.by_address.is_empty(), "it has left");
}

#[test]
fn cancel_requests_have_places_of_their_own() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert!(run.comes("10.0.0.1"));
    }
    for _ in 0..CANCELS_MAX {
        assert!(run.table.cancel());
    }
    assert!(!run.table.cancel());
}

#[test]
fn logins_beyond_the_limit_of_their_address_take_turns() {
    let mut run = Run::with_places(10);
    let addresses = ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"];
    for address in addresses {
        assert!(run.comes(address));
    }
    let goes_on: Vec<bool> = (0..5).map(|which| run.begins(which)).collect();
    assert_eq!(goes_on, [true, true, false, false, true]);
    // Another address leaving is of no use.
    run.leaves(4);
    assert_eq!(run.turns(), [0; 0]);
    run.leaves(1);
    assert_eq!(run.turns(), [2]);
    // Who gives up while it waits takes nobody's turn.
    run.leaves(3);
    run.leaves(0);
    assert_eq!(run.turns(), [0; 0]);
    assert!(run.comes("10.0.0.1") && run.begins(5));
}

#[test]
fn the_longest_silent_login_of_an_address_makes_room_for_the_next_from_there() {
    let mut run = Run::with_places(10);
    for address in ["10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"] {
        assert!(run.comes(address));
        run.later(1);
    }
    for which in 0..5 {
        run.begins(which);
    }
    let waits = run.entered[3].0;
    let patience = run.table.hurry(waits, run.now);
    assert!(patience > run.now && run.ejected().is_empty());
    run.now = patience;
    run.says_something(2);
    run.table.hurry(waits, run.now);
    assert_eq!((run.ejected(), run.turns()), (vec![1], vec![3]));
    // Both that are under way have said something lately.
    let next = run.table.hurry(run.entered[4].0, run.now);
    assert!(run.ejected().is_empty(), "{next:?}");
}

#[test]
fn without_a_limit_all_go_on() {
    let mut run = Run::new();
    for _ in 0..3 {
        assert!(run.comes("10.0.0.1"));
        let number = run.entered.last().unwrap().0;
        assert!(run.table.begin(number, None).is_none());
    }
}

#[test]
fn who_waits_for_postgresql_takes_no_place_of_others() {
    let mut run = Run::new();
    for address in ["10.0.0.1", "10.0.0.1", "10.0.0.1"] {
        assert!(run.comes(address));
    }
    assert!(!run.comes("10.0.0.2"));
    assert!(run.steps_aside(0, "dead") && run.steps_aside(1, "dead"));
    assert!(!run.steps_aside(2, "dead"), "half of all for one");
    assert!(run.comes("10.0.0.2") && run.comes("10.0.0.3"));
    assert!(!run.comes("10.0.0.4"));
    assert!(run.steps_aside(3, "alive"));
    assert!(
        !run.steps_aside(2, "other"),
        "no more than there are places"
    );
    // Nobody who waits has to go for another, and who comes back has a place at once.
    run.later(5000);
    run.table.step_back(run.entered[0].0, run.now);
    run.table.step_back(run.entered[3].0, run.now);
    run.table.waits_no_more(&"dead".into());
    run.table.waits_no_more(&"alive".into());
    assert!(run.comes("10.0.0.5"));
    assert_eq!(run.ejected(), [2]);
    // One that leaves while it waits leaves for good, and what waits for it counts on.
    run.leaves(1);
    assert!(!run.steps_aside(1, "dead"));
    assert_eq!(run.table.waits.len(), 1);
    run.table.waits_no_more(&"dead".into());
    assert!(run.table.waits.is_empty() && run.table.aside.is_empty());
}
