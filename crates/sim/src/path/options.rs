//! What one seed allows.

use std::time::Duration;

use pgweir_pool::budget::{Budget, Group, PoolId};
use pgweir_pool::driver::Policy;
use pgweir_pool::id::ServerId;
use pgweir_pool::pool::Bounds;
use pgweir_pool::relay::Mode;
use pgweir_pool::session::Limits;
use pgweir_pool::stock::Stock;
use pgweir_pool::trace::Thresholds;
use pgweir_pool::upstream::UNDERSTOOD_MAX;

use super::shell::Plant;
use super::stream::Net;
use crate::rng::Rng;
use crate::swarm::{Chance, Spread};

/// Options of one run.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) clients: u64,
    pub(super) workers: u16,
    /// Pools that share a budget.
    pub(super) pools: Vec<(Bounds, Limits)>,
    /// What the pools may open together.
    pub(super) budget: Option<u32>,
    /// When clients come.
    pub(super) arrivals: Spread,
    /// How far behind a worker's clock may be.
    pub(super) lag: Spread,
    /// How long a message takes from one thread to another.
    pub(super) mail: Spread,
    /// How long a worker takes for the events that it has fetched.
    pub(super) round: Spread,
    /// When the pooler begins to shut down.
    pub(super) drain_after: Option<Duration>,
    pub(super) mode: Mode,
    pub(super) reset_always: bool,
    pub(super) statements_max: u32,
    /// What would keep a server is rejected.
    pub(super) rejects: bool,
    /// Every lease is audited, and functions leave something unseen.
    pub(super) audits: bool,
    /// Empty for none.
    pub(super) reset_query: &'static str,
    /// Servers idle for so long are checked before use.
    pub(super) check_after: Duration,
    /// Bytes of a worker's buffer.
    pub(super) scratch: usize,
    /// Streams hand on in pieces what arrives at once, as those that decrypt do.
    pub(super) in_pieces: bool,
    /// Bytes that a stream holds.
    pub(super) client_capacity: usize,
    pub(super) server_capacity: usize,
    pub(super) latency: Spread,
    /// How often the driver looks at clocks.
    pub(super) sweep: Duration,
    pub(super) login: Spread,
    pub(super) work: Work,
    pub(super) faults: Faults,
}

/// What clients do, each with its probability.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Requests of one client, about.
    pub(super) units: u64,
    pub(super) pipelines: Chance,
    pub(super) extended: Chance,
    pub(super) several: Chance,
    pub(super) fails: Chance,
    pub(super) transaction: Chance,
    pub(super) copy: Chance,
    pub(super) sets: Chance,
    pub(super) resets: Chance,
    /// Takes something for the session, or gives it up.
    pub(super) holds: Chance,
    pub(super) named: Chance,
    pub(super) flush: Chance,
    pub(super) limited: Chance,
    pub(super) defers: Chance,
    pub(super) odd: Chance,
    /// Of each COPY message: a Sync or Flush before it.
    pub(super) copy_noise: Chance,
    pub(super) big: Chance,
    pub(super) slow: Chance,
    pub(super) pauses: Chance,
    pub(super) startup: Chance,
    pub(super) wrong_startup: Chance,
    pub(super) slow_reader: Chance,
    pub(super) abrupt: Chance,
    pub(super) cut: Chance,
    pub(super) violates: Chance,
    /// Of each change of settings: one of who the session is.
    pub(super) roles: Chance,
    /// Takes numbers of a sequence and reads the last.
    pub(super) numbers: Chance,
}

/// What goes wrong, each with its probability.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    /// Of each delivery.
    pub(super) split: Chance,
    /// Each time something may happen.
    pub(super) cancel: Chance,
    /// Of each grant: a cancel at the first possible moment.
    pub(super) cancel_early: Chance,
    /// Of each cancel request: it does not reach PostgreSQL.
    pub(super) cancel_lost: Chance,
    pub(super) server_ends: Chance,
    pub(super) server_breaks: Chance,
    pub(super) chat: Chance,
    pub(super) login_fails: Chance,
    /// Sessions are ended by the operator.
    pub(super) kill: Chance,
    /// Servers log in with other settings than the first.
    pub(super) strangers: Chance,
    /// Of each sweep: an idle client moves to another worker.
    pub(super) move_client: Chance,
    /// Of each stream that leaves a worker: an event of it was fetched before.
    pub(super) stale_event: Chance,
    /// Of each answer to a waiter that is under way: something happens that it does not know of.
    pub(super) crossing: Chance,
    /// Of each login: the server takes very long to be cleaned.
    pub(super) daze: Chance,
    /// Of each thing a worker wakes for: the system does not let it hear a server, or give it up.
    pub(super) deaf: Chance,
    pub(super) reload: Chance,
    /// Each time something may happen: tables change.
    pub(super) alters: Chance,
    /// Each time something may happen: an administrator stops something.
    pub(super) halts: Chance,
    /// Of each cancel request: PostgreSQL does not confirm it, and it arrives later.
    pub(super) cancel_late: Chance,
    /// Of each login: the server answers nothing that the pooler asks, for long.
    pub(super) mute: Chance,
    /// What the pooler asks takes up to so long.
    pub(super) own_slow: Spread,
    /// PostgreSQL before 14.
    pub(super) reports_at_once: bool,
}

impl Options {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let pools = (0..rng.between(1, 3)).map(|_| (bounds(rng), limits(rng)));
        let pools: Vec<_> = pools.collect();
        let mode = match rng.below(5) {
            0 => Mode::Session,
            1 => Mode::Statement,
            _ => Mode::Transaction,
        };
        // Long ones, for a slot to be used again in.
        let round_max = if rng.one_in(4) { 5_000 } else { 300 };
        let mail_max = if rng.one_in(3) { 20_000 } else { 3_000 };
        let understood = usize::try_from(UNDERSTOOD_MAX).expect("fits");
        let mut options = Self {
            clients: rng.between(1, 10),
            workers: u16::try_from(rng.between(1, 3)).expect("small"),
            mode,
            pools,
            budget: rng
                .one_in(2)
                .then(|| u32::try_from(rng.between(1, 4)).expect("small")),
            lag: Spread::draw(rng, 1, 1_000),
            arrivals: Spread {
                least_us: 1,
                most_us: if rng.one_in(3) { 20_000 } else { 200_000 },
            },
            mail: Spread::draw(rng, 1, mail_max),
            round: Spread::draw(rng, 1, round_max),
            drain_after: rng
                .one_in(16)
                .then(|| Duration::from_millis(rng.between(1, 400))),
            reset_always: mode != Mode::Session && rng.one_in(6),
            statements_max: rng.pick(&[0, 1, 2, 3, 200]).expect("some"),
            reset_query: if rng.one_in(5) { "" } else { "DISCARD ALL" },
            check_after: pick_duration(rng, 4, 100, 100_000),
            scratch: understood + rng.between(1024, 20 * 1024) as usize,
            client_capacity: capacity(rng),
            server_capacity: capacity(rng),
            latency: Spread::draw(rng, 1, 3_000),
            sweep: Duration::from_millis(rng.between(5, 100)),
            login: Spread::draw(rng, 100, 30_000),
            rejects: mode != Mode::Session && rng.aside().one_in(5),
            audits: Rng::new(rng.clone().next()).one_in(4),
            in_pieces: Rng::new(rng.clone().next()).one_in(8),
            work: Work::draw(rng),
            faults: Faults::draw(rng),
        };
        if options.rejects {
            // Functions leave something unseen, and nothing can be put in the place of what a COPY may read.
            options.audits = false;
            options.work.copy = Chance::NEVER;
            options.work.odd = Chance::NEVER;
            options.work.holds = Chance::draw(&mut rng.aside(), 500);
        }
        if options.faults.alters != Chance::NEVER {
            options.work.named = Chance::draw(&mut rng.aside(), 900);
        }
        options
    }

    /// The shared part of the pooler.
    pub(super) fn plant(&self, net: Net) -> Plant {
        let mut budget = Budget::default();
        budget.set_limit(Group::Database("d".into()), self.budget);
        for at in 0..self.pools.len() {
            let id = PoolId(u32::try_from(at).expect("few pools"));
            budget.join(id, "d".into(), format!("u{at}").into());
        }
        let mut plant = Plant::new(net, budget);
        for (at, (bounds, limits)) in self.pools.iter().enumerate() {
            // Names of different pools differ, so that a trace is easier to read.
            let first = ServerId(100_000 * at as u64);
            let workers = usize::from(self.workers);
            let stock = Stock::new(bounds.clone(), self.check_after, workers, first);
            plant.add_pool(stock, self.policy(*limits), bounds.wait_max);
        }
        plant
    }

    /// Other settings for a pool.
    pub(super) fn redraw(&self, rng: &mut Rng) -> (Bounds, Policy) {
        (bounds(rng), self.policy(limits(rng)))
    }

    fn policy(&self, limits: Limits) -> Policy {
        Policy {
            limits,
            thresholds: Some(Thresholds {
                slow: Duration::from_millis(100),
                very_slow: Duration::from_secs(1),
            }),
            check_query: "SELECT 1".to_owned(),
            check_delay: self.check_after,
            reset_query: self.reset_query.to_owned(),
            reset_always: self.reset_always,
            statements_max: self.statements_max,
            rejects_state: self.rejects,
            audit_interval: u32::from(self.audits),
            takes_queries: true,
            message_max: u32::MAX,
            wait_notice: None,
            closes_fast: self.reset_always,
        }
    }
}

impl Work {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            units: rng.between(2, 20),
            pipelines: Chance::draw(rng, 900),
            extended: Chance::draw(rng, 900),
            several: Chance::draw(rng, 500),
            fails: Chance::draw(rng, 300),
            transaction: Chance::draw(rng, 400),
            copy: Chance::draw(rng, 400),
            sets: Chance::draw(rng, 400),
            resets: Chance::draw(rng, 100),
            holds: Chance::draw(rng, 200),
            named: Chance::draw(rng, 300),
            flush: Chance::draw(rng, 300),
            limited: Chance::draw(rng, 300),
            defers: Chance::draw(rng, 100),
            odd: Chance::draw(rng, 200),
            copy_noise: Chance::draw(rng, 200),
            big: Chance::draw(rng, 100),
            slow: Chance::draw(rng, 300),
            pauses: Chance::draw(rng, 500),
            startup: Chance::draw(rng, 500),
            wrong_startup: Chance::draw(rng, 100),
            slow_reader: Chance::draw(rng, 500),
            abrupt: Chance::draw(rng, 300),
            cut: Chance::draw(rng, 300),
            violates: Chance::draw(rng, 100),
            roles: Chance::draw(rng, 500),
            numbers: numbers(rng),
        }
    }
}

impl Faults {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            split: Chance::draw(rng, 900),
            cancel: Chance::draw(rng, 500),
            cancel_early: Chance::draw(rng, 300),
            cancel_lost: Chance::draw(rng, 300),
            server_ends: Chance::draw(rng, 60),
            server_breaks: Chance::draw(rng, 60),
            chat: Chance::draw(rng, 300),
            login_fails: Chance::draw(rng, 200),
            kill: Chance::draw(rng, 60),
            strangers: Chance::draw(rng, 500),
            move_client: Chance::draw(rng, 900),
            stale_event: Chance::draw(rng, 900),
            crossing: Chance::draw(rng, 600),
            daze: if rng.one_in(12) {
                Chance::draw(rng, 300)
            } else {
                Chance::NEVER
            },
            deaf: Chance::draw(rng, 20),
            reload: Chance::draw(rng, 100),
            alters: alters(rng),
            halts: halts(rng),
            cancel_late: Chance::draw(rng, 500),
            mute: if rng.one_in(12) {
                Chance::draw(rng, 200)
            } else {
                Chance::NEVER
            },
            own_slow: Spread::draw(rng, 1, 5_000),
            reports_at_once: rng.one_in(3),
        }
    }
}

/// In a quarter of all seeds.
fn halts(rng: &mut Rng) -> Chance {
    let mut own = rng.aside();
    own.next();
    if own.one_in(4) {
        Chance {
            permille: u16::try_from(own.between(50, 400)).expect("in thousandths"),
        }
    } else {
        Chance::NEVER
    }
}

fn bounds(rng: &mut Rng) -> Bounds {
    let size_max = u32::try_from(rng.between(1, 3)).expect("small");
    Bounds {
        size_max,
        size_min: u32::try_from(rng.below(u64::from(size_max) + 1)).expect("small"),
        keeps_min_unused: false,
        reserve_max: u32::from(rng.one_in(4)),
        reserve_after: Duration::from_millis(rng.between(1, 200)),
        waiters_max: if rng.one_in(8) { 2 } else { 1000 },
        wait_max: pick_duration(rng, 4, 10_000, 500_000),
        idle_max: pick_duration(rng, 3, 10_000, 500_000),
        lifetime: pick_duration(rng, 3, 10_000, 500_000),
        login_retry: Duration::from_millis(rng.between(1, 50)),
        round_robin: rng.aside().one_in(4),
    }
}

fn limits(rng: &mut Rng) -> Limits {
    Limits {
        query: pick_duration(rng, 6, 2_000, 500_000),
        idle_in_transaction: pick_duration(rng, 6, 2_000, 500_000),
        transaction: pick_duration(rng, 6, 2_000, 500_000),
        idle: pick_duration(rng, 6, 2_000, 500_000),
        pin: pick_duration(&mut rng.aside(), 3, 1_000, 50_000),
    }
}

/// Apart from all other choices, which are as if there were none of this.
fn numbers(rng: &Rng) -> Chance {
    let mut own = Rng::new(rng.clone().next());
    if own.one_in(4) {
        Chance::draw(&mut own, 600)
    } else {
        Chance::NEVER
    }
}

/// Apart from all other choices.
fn alters(rng: &Rng) -> Chance {
    let mut own = rng.aside();
    if own.one_in(3) {
        Chance::draw(&mut own, 900)
    } else {
        Chance::NEVER
    }
}

/// Once in `one_in` seeds a duration in that range of microseconds, else for ever.
fn pick_duration(rng: &mut Rng, one_in: u64, least_us: u64, most_us: u64) -> Duration {
    if !rng.one_in(one_in) {
        return Duration::MAX;
    }
    rng.duration(Spread { least_us, most_us })
}

fn capacity(rng: &mut Rng) -> usize {
    let doublings = rng.between(9, 17);
    1 << doublings
}
