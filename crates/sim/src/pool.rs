//! Level 1: pools that share a budget, random clients, and a PostgreSQL that fails now and then.
//!
//! A run has three phases. First everything may happen that the seed's options allow. Then the
//! faults stop and clients go on, which shows whether everyone is served again. At last no client
//! asks any more, and what is queued must end.
//!
//! `driver` keeps the contract that the pooler's real driver keeps, `clients` behave as sessions
//! do, `faults` are what operators and networks do.

mod clients;
mod driver;
mod faults;
mod options;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use pgweir_pool::budget::{Budget, Group, PoolId};
use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::time::Time;

use crate::check::{BudgetWatch, CalmWatch};
use crate::log::{Log, Outcome};
use crate::rng::Rng;
use clients::Client;
use driver::Site;
use options::Options;

/// How often the driver calls `tick` on every pool.
pub const SWEEP: Duration = Duration::from_millis(100);

/// Bounds of the first two phases: virtual time, and events that are not sweeps.
const FAULTS_MAX: (Duration, u64) = (Duration::from_secs(3), 2_000);
const CALM_MAX: (Duration, u64) = (Duration::from_millis(2_500), 1_000);

/// Sweeps at the end, without a client.
const LAST_SWEEPS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Faults,
    Calm,
    /// No client asks for a server any more.
    Drain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client logs in.
    Arrive(ClientId),
    /// A client needs a server.
    Ask(ClientId),
    /// A client that waits loses patience. `u32`: the turn of the client that this is about.
    HangUp(ClientId, u32),
    /// A client is done with its server.
    Return(ClientId, u32),
    /// The server a client was given turns out to be dead.
    Dead(ClientId, u32),
    /// A permit for a server is asked for.
    Open(usize, ServerId),
    /// A login ends.
    LoginEnd(usize, ServerId),
    /// The socket of a closed server is gone.
    Gone(usize, ServerId),
    Disturb,
    Sweep,
}

#[derive(Debug)]
struct World {
    now: Time,
    rng: Rng,
    options: Options,
    phase: Phase,
    phase_since: Time,
    phase_events: u64,
    calendar: BinaryHeap<Reverse<(Time, u64, Event)>>,
    scheduled: u64,
    sites: Vec<Site>,
    budget: Budget,
    budget_watch: BudgetWatch,
    calm_watch: Option<CalmWatch>,
    clients: Vec<Client>,
    /// PostgreSQL refuses every login.
    outage: bool,
    log: Log,
}

/// Runs one seed to its end; with `print`, each event is printed.
///
/// # Panics
/// If a rule does not hold.
pub fn run(seed: u64, print: bool) -> Outcome {
    let mut world = World::new(seed, print);
    world.play();
    world.log.outcome
}

impl World {
    fn new(seed: u64, print: bool) -> Self {
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng);
        let mut world = Self {
            now: Time(0),
            phase: Phase::Faults,
            phase_since: Time(0),
            phase_events: 0,
            calendar: BinaryHeap::new(),
            scheduled: 0,
            sites: Vec::new(),
            budget: Budget::default(),
            budget_watch: BudgetWatch::default(),
            calm_watch: None,
            clients: Vec::new(),
            outage: rng.happens(options.outage),
            log: Log {
                print,
                ..Log::default()
            },
            rng,
            options,
        };
        world
            .log
            .line(world.now, format_args!("{:#?}", world.options));
        world.add_pools();
        world.add_clients();
        let first_sweep = world.rng.below(SWEEP.as_micros() as u64);
        world.schedule(Duration::from_micros(first_sweep), Event::Sweep);
        world.schedule(Duration::ZERO, Event::Disturb);
        world
    }

    fn add_pools(&mut self) {
        for (at, options) in self.options.pools.iter().enumerate() {
            let id = PoolId(u32::try_from(at).expect("few pools"));
            let (database, user) = (options.database, options.user);
            self.budget.join(id, database.into(), user.into());
            self.budget_watch.joined(id, database.into(), user.into());
            let workers = usize::from(self.options.workers);
            self.sites
                .push(Site::new(options.bounds.clone(), workers, at));
        }
        for (group, limit) in self.options.limits.clone() {
            self.limit(group, limit);
        }
    }

    fn add_clients(&mut self) {
        for at in 0..self.options.clients {
            let pool = self.rng.below(self.sites.len() as u64);
            let pool = usize::try_from(pool).expect("few pools");
            let home = self.worker();
            self.clients.push(Client::new(pool, home));
            let pause = self.rng.duration(self.options.think);
            self.schedule(pause, Event::Arrive(ClientId(at)));
        }
    }

    fn limit(&mut self, group: Group, limit: Option<u32>) {
        self.budget.set_limit(group.clone(), limit);
        self.budget_watch.limit_set(group, limit);
        self.feed();
    }

    fn play(&mut self) {
        let mut sweeps_left = LAST_SWEEPS;
        while let Some(Reverse((at, _, event))) = self.calendar.pop() {
            self.now = at;
            self.log.mix(at.0);
            self.step(event);
            self.next_phase();
            let denied = self.sites.iter().enumerate().map(|(at, site)| {
                let id = PoolId(u32::try_from(at).expect("few pools"));
                (id, site.watch.model.denied)
            });
            self.budget_watch.settled(&self.budget, denied);
            let all_out = self.clients.iter().all(Client::is_away);
            if self.phase == Phase::Drain && event == Event::Sweep && all_out {
                sweeps_left -= 1;
            }
            if sweeps_left == 0 {
                break;
            }
        }
        self.log.mix(self.rng.next());
    }

    fn step(&mut self, event: Event) {
        self.phase_events += u64::from(event != Event::Sweep);
        match event {
            Event::Arrive(client) => self.arrive(client),
            Event::Ask(client) => self.ask(client),
            Event::HangUp(client, turn) => self.hang_up(client, turn),
            Event::Return(client, turn) => self.give_back(client, turn),
            Event::Dead(client, turn) => self.find_dead(client, turn),
            Event::Open(site, server) => self.open(site, server),
            Event::LoginEnd(site, server) => self.login_end(site, server),
            Event::Gone(site, server) => self.gone(site, server),
            Event::Disturb => self.disturb(),
            Event::Sweep => self.sweep(),
        }
    }

    fn next_phase(&mut self) {
        let (time_max, events_max) = match self.phase {
            Phase::Faults => FAULTS_MAX,
            Phase::Calm => CALM_MAX,
            Phase::Drain => return,
        };
        if self.now - self.phase_since < time_max && self.phase_events < events_max {
            return;
        }
        self.phase_since = self.now;
        self.phase_events = 0;
        self.phase = match self.phase {
            Phase::Faults => Phase::Calm,
            Phase::Calm | Phase::Drain => Phase::Drain,
        };
        self.log
            .line(self.now, format_args!("phase {:?}", self.phase));
        match self.phase {
            Phase::Faults => unreachable!("the first phase is not entered"),
            Phase::Calm => self.calm_down(),
            Phase::Drain => self.send_home(),
        }
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        let at = self.now + options::align(delay, self.options.grid);
        self.calendar.push(Reverse((at, self.scheduled, event)));
    }

    fn worker(&mut self) -> WorkerId {
        let at = self.rng.below(u64::from(self.options.workers));
        WorkerId(u16::try_from(at).expect("few workers"))
    }
}
