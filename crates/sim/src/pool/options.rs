//! What one seed of level 1 is like.

use std::collections::BTreeSet;
use std::time::Duration;

use pgweir_pool::budget::Group;
use pgweir_pool::pool::Bounds;

use crate::rng::Rng;
use crate::swarm::{Chance, Spread};

/// A pool to begin with.
#[derive(Debug, Clone)]
pub(super) struct PoolOptions {
    pub(super) database: &'static str,
    pub(super) user: &'static str,
    pub(super) bounds: Bounds,
}

/// Everything a run is drawn from.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Every moment and every duration is a multiple of this. On a coarse grid much happens at
    /// once, and at the very moment at which it is due.
    pub(super) grid: Duration,
    pub(super) workers: u16,
    pub(super) clients: u64,
    pub(super) pools: Vec<PoolOptions>,
    pub(super) limits: Vec<(Group, Option<u32>)>,

    /// Between two transactions of a client.
    pub(super) think: Spread,
    /// How long a client holds a server.
    pub(super) hold: Spread,
    pub(super) patience: Spread,
    /// A client that waits is impatient.
    pub(super) hang_up: Chance,
    /// A client that has no server to wait for says that it leaves.
    pub(super) leave_late: Chance,
    pub(super) log_out: Chance,
    pub(super) change_worker: Chance,

    /// From the decision to open a server to the request for a permit; zero in half of all seeds.
    pub(super) errand: Spread,
    pub(super) login: Spread,
    pub(super) login_slow: Chance,
    pub(super) login_fails: Chance,
    pub(super) jitter_permille_max: u32,
    /// How long a closed server counts on; zero in half of all seeds.
    pub(super) goodbye: Spread,

    pub(super) dirty: Chance,
    pub(super) lost_in_use: Chance,
    /// A granted server is dead.
    pub(super) dead: Chance,

    pub(super) disturb: Spread,
    pub(super) outage: Chance,
    pub(super) lost_idle: Chance,
    pub(super) retire: Chance,
    pub(super) vacate: Chance,
    pub(super) reconfigure: Chance,
    pub(super) change_limit: Chance,
    pub(super) warm_again: Chance,
    /// A pool is paused, or resumed.
    pub(super) pause: Chance,
}

/// A slow login takes up to so long.
pub(super) const LOGIN_SLOW: Spread = Spread {
    least_us: 10_000,
    most_us: 400_000,
};

/// How long it takes to see that a granted server is dead.
pub(super) const CHECK: Spread = Spread {
    least_us: 20,
    most_us: 5_000,
};

/// The break of a client that was refused.
pub(super) const BACK_OFF: Spread = Spread {
    least_us: 2_000,
    most_us: 100_000,
};

const DATABASES: [&str; 2] = ["app", "log"];
const USERS: [&str; 2] = ["ann", "bob"];

impl Options {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let grid_us = rng.pick(&[1, 1, 100, 1_000, 5_000]).expect("five grids");
        let grid = Duration::from_micros(grid_us);
        let clients = if rng.one_in(4) { 4 } else { 40 };
        let clients = rng.between(1, clients);
        let mut names = BTreeSet::new();
        for _ in 0..rng.between(1, 3) {
            let database = rng.pick(&DATABASES).expect("two databases");
            let user = rng.pick(&USERS).expect("two users");
            names.insert((database, user));
        }
        let pools = names
            .into_iter()
            .map(|(database, user)| PoolOptions {
                database,
                user,
                bounds: bounds(rng, clients, grid),
            })
            .collect();
        let limits = groups().map(|group| (group, limit(rng))).collect();
        Self {
            grid,
            workers: u16::try_from(rng.between(1, 4)).expect("few workers"),
            clients,
            pools,
            limits,
            think: Spread::draw(rng, 100, 200_000),
            hold: Spread::draw(rng, 100, 30_000),
            patience: Spread::draw(rng, 100, 300_000),
            hang_up: Chance::draw(rng, 300),
            leave_late: Chance::draw(rng, 50),
            log_out: Chance::draw(rng, 200),
            change_worker: Chance::draw(rng, 300),
            errand: at_once_or(rng, 2_000),
            login: Spread::draw(rng, 500, 20_000),
            login_slow: Chance::draw(rng, 200),
            login_fails: Chance::draw(rng, 400),
            jitter_permille_max: u32::try_from(rng.below(300)).expect("small"),
            goodbye: at_once_or(rng, 20_000),
            dirty: Chance::draw(rng, 150),
            lost_in_use: Chance::draw(rng, 150),
            dead: Chance::draw(rng, 200),
            disturb: Spread::draw(rng, 1_000, 100_000),
            outage: Chance::draw(rng, 300),
            lost_idle: Chance::draw(rng, 500),
            retire: Chance::draw(rng, 200),
            vacate: Chance::draw(rng, 200),
            reconfigure: Chance::draw(rng, 400),
            change_limit: Chance::draw(rng, 300),
            warm_again: Chance::draw(rng, 300),
            pause: Chance::draw(&mut rng.aside(), 300),
        }
    }
}

fn at_once_or(rng: &mut Rng, most_us: u64) -> Spread {
    Spread {
        least_us: 0,
        most_us: if rng.one_in(2) { 0 } else { most_us },
    }
}

/// Everything that can be bounded together.
fn groups() -> impl Iterator<Item = Group> {
    let databases = DATABASES.map(|name| Group::Database(name.into()));
    let users = USERS.map(|name| Group::User(name.into()));
    databases.into_iter().chain(users)
}

/// One of the groups.
pub(super) fn group(rng: &mut Rng) -> Group {
    let all: Vec<_> = groups().collect();
    let at = rng.below(all.len() as u64);
    all[usize::try_from(at).expect("few groups")].clone()
}

/// The limit of a group: none in half of all cases.
pub(super) fn limit(rng: &mut Rng) -> Option<u32> {
    if rng.one_in(2) {
        return None;
    }
    Some(small(rng, 1, 6))
}

/// A pool's configuration.
pub(super) fn bounds(rng: &mut Rng, clients: u64, grid: Duration) -> Bounds {
    let size_max = match rng.below(10) {
        0 => u32::MAX,
        1 => small(rng, 1, 30),
        _ => small(rng, 1, 6),
    };
    let size_min = if rng.one_in(2) { 0 } else { small(rng, 0, 4) };
    let reserve_max = if rng.one_in(2) { 0 } else { small(rng, 1, 3) };
    let waiters_max = if rng.one_in(2) { clients + 1 } else { 8 };
    let waiters_min = u64::from(!rng.one_in(20));
    let waiters_max = rng.between(waiters_min, waiters_max);
    Bounds {
        size_max,
        size_min: size_min.min(size_max),
        keeps_min_unused: rng.aside().one_in(4),
        reserve_max,
        reserve_after: align(some_duration(rng, 1_000, 300_000), grid),
        waiters_max: usize::try_from(waiters_max).expect("few waiters"),
        wait_max: align(bounded(rng, 20_000, 800_000), grid),
        idle_max: align(bounded(rng, 10_000, 800_000), grid),
        lifetime: align(bounded(rng, 10_000, 2_000_000), grid),
        login_retry: align(some_duration(rng, 1_000, 400_000), grid),
        round_robin: rng.aside().one_in(4),
    }
}

/// The next multiple of `grid`.
pub(super) fn align(duration: Duration, grid: Duration) -> Duration {
    let over = duration.as_micros() % grid.as_micros();
    if over == 0 || duration == Duration::MAX {
        return duration;
    }
    let missing = grid.as_micros() - over;
    duration + Duration::from_micros(u64::try_from(missing).expect("less than a grid"))
}

fn small(rng: &mut Rng, least: u64, most: u64) -> u32 {
    u32::try_from(rng.between(least, most)).expect("a small number")
}

/// Zero now and then.
fn some_duration(rng: &mut Rng, least_us: u64, most_us: u64) -> Duration {
    if rng.one_in(10) {
        return Duration::ZERO;
    }
    rng.duration(Spread { least_us, most_us })
}

/// Zero now and then, and for ever often.
fn bounded(rng: &mut Rng, least_us: u64, most_us: u64) -> Duration {
    if rng.one_in(3) {
        return Duration::MAX;
    }
    some_duration(rng, least_us, most_us)
}
