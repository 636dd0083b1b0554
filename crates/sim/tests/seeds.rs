//! The rules hold for every seed tried, and the seeds try everything.

use std::thread;

use pgweir_sim::Tally;
use pgweir_sim::level::Level;
use pgweir_sim::replay::{self, Then};
use pgweir_sim::seeds::REGRESSIONS;

/// Seeds per level, unless `PGWEIR_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

/// Every so many seeds one is run twice and compared.
const TWICE_EVERY: u64 = 16;

/// What must have happened at level 1, or the seeds show less than they seem to.
const POOL_EVENTS: [&str; 31] = [
    "budget freed",
    "checkin clean",
    "checkin dirty",
    "checkout",
    "client in",
    "client out",
    "close: dirty",
    "close: evicted",
    "close: idle",
    "close: lifetime",
    "close: over limit",
    "close: retired",
    "denied",
    "failed",
    "fed",
    "grant",
    "grant: home first",
    "grant: moved",
    "leave",
    "leave: too late",
    "lost",
    "open",
    "open: reserve",
    "opened",
    "refuse: login failing",
    "refuse: queue full",
    "refuse: timeout",
    "requeue",
    "retire",
    "surrender",
    "warm",
];

/// What must have happened at level 2.
const PATH_EVENTS: [&str; 34] = [
    "cancel: client",
    "cancel: in doubt",
    "cancel: server",
    "cancel: waiter",
    "checkin",
    "client",
    "close: dirty",
    "close: evicted",
    "close: idle",
    "close: lifetime",
    "close: lost",
    "close: retired",
    "compared in part",
    "compared to the end",
    "crossing",
    "end: administrator",
    "end: client gone",
    "end: ended",
    "end: server gone",
    "end: settings",
    "end: terminated",
    "end: transaction",
    "end: violation",
    "login fails",
    "move",
    "open",
    "parked server lost",
    "refuse: login failing",
    "refuse: queue full",
    "reload",
    "server breaks",
    "server chats",
    "server ends",
    "stale event",
];

#[test]
fn seeds_that_failed_once_hold() {
    replay::announce(Then::Unwind);
    for regression in REGRESSIONS {
        regression.level.run(regression.seed, false);
    }
}

#[test]
fn the_pool_keeps_its_rules_and_every_event_happens() {
    let tally = run_seeds(Level::Pool);
    for name in POOL_EVENTS {
        let least = seeds() / 100;
        assert!(tally.of(name) >= least, "{name}: {} times", tally.of(name));
    }
}

#[test]
fn clients_are_served_as_by_postgresql_itself() {
    let tally = run_seeds(Level::Path);
    for name in PATH_EVENTS {
        let least = seeds() / 100;
        assert!(tally.of(name) >= least, "{name}: {} times", tally.of(name));
    }
}

/// Runs all seeds of a level, on as many threads as there are cores.
fn run_seeds(level: Level) -> Tally {
    replay::announce(Then::Unwind);
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let part = |first: u64| {
        let mut tally = Tally::default();
        for seed in (first..seeds()).step_by(threads as usize) {
            let outcome = if seed % TWICE_EVERY == 0 {
                level.run_twice(seed)
            } else {
                level.run(seed, false)
            };
            tally.merge(&outcome.tally);
        }
        tally
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|n| scope.spawn(move || part(n))).collect();
        let mut tally = Tally::default();
        for part in parts {
            tally.merge(&part.join().expect("a rule does not hold, see above"));
        }
        tally
    })
}

fn seeds() -> u64 {
    match std::env::var("PGWEIR_SIM_SEEDS") {
        Ok(seeds) => seeds.parse().expect("PGWEIR_SIM_SEEDS is a number"),
        Err(_) => SEEDS,
    }
}
