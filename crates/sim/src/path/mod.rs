//! Level 2: the whole data path. Fake clients and a fake PostgreSQL speak real bytes over streams
//! in memory, with the production code between them.
//!
//! In the first phase everything may happen that the seed's options allow. Then the faults stop,
//! and everyone has to get to the end. At last each client's answers are compared with those that
//! the same program gets without a pooler.
//!
//! * `stream`: streams that are ready as sockets are.
//! * `postgres`, `work`, `sql`, `settings`, `held`: the backend.
//! * `program`, `client`, `direct`: the clients, with and without a pooler.
//! * `shell`, `workers`, `control`: what the proxy does around the drivers, on one thread, as any number of
//!   threads could.
//! * `halts`: what an administrator stops.
//! * `tables`: what changes behind everybody's back.
//! * `crossings`: what makes a message speak of the past while it is under way.
//! * `check`, `inspect`: the rules, and what they are fed with after each event and at the end.

mod check;
mod client;
mod control;
mod crossings;
mod direct;
mod halts;
mod held;
mod inspect;
mod names;
mod options;
mod postgres;
mod program;
mod settings;
mod shell;
mod sql;
mod stream;
mod tables;
mod work;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::server::Home;
use pgweir_pool::time::Time;

use crate::log::{Log, Outcome};
use crate::rng::Rng;
use crate::swarm::Spread;
use check::live::{LIVE_MAX, everyone_is_done};
use check::transparent::{self, Course};
use client::Client;
use options::Options;
pub(crate) use postgres::put;
use postgres::{Env, Forgotten, Interrupts, Journal};
use program::Program;
use stream::{EndId, Net, Wake};
use tables::{Met, Tables};
use workers::{Sender, Workers};

/// How long something may go wrong.
const FAULTS_MAX: Duration = Duration::from_millis(300);

/// Bound on the events of a run; what needs more goes round in circles.
const EVENTS_MAX: u64 = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client connects.
    Arrive(u64),
    Deliver(EndId),
    Ready(EndId),
    /// A client goes on after a pause.
    Client(u64),
    /// A backend goes on after slow work.
    Backend(ServerId),
    /// Sessions of a worker asked for another turn.
    Turns(WorkerId),
    /// A message arrives, from a thread at a worker.
    Mail(Sender, usize),
    LoginEnd(ServerId),
    Cancel(u64),
    /// An administrator ends a client's session.
    Kill(u64),
    /// A server says something.
    Say(ServerId),
    /// A worker takes events that it has fetched.
    Fetched(WorkerId),
    /// The server, and where it lives.
    CancelArrives(ServerId, (WorkerId, u32)),
    /// The server, and whose query came last when it was in doubt.
    CancelLate(ServerId, Option<u64>),
    Disturb,
    Sweep(WorkerId),
    SweepPools,
    Drain,
}

/// Who is told what happens at an end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Client(u64),
    /// Whoever hears it: a session's stream, or a server's.
    Worker,
    Backend(ServerId),
}

struct World {
    now: Time,
    rng: Rng,
    options: Options,
    faulty: bool,
    calendar: BinaryHeap<Reverse<(Time, u64, Event)>>,
    scheduled: u64,
    net: Net,
    owners: BTreeMap<EndId, Owner>,
    clients: BTreeMap<u64, Client>,
    arrived: u64,
    interrupts: Interrupts,
    forgotten: Forgotten,
    journal: Journal,
    /// How often tables have changed.
    tables: Tables,
    refused: BTreeSet<u64>,
    /// Clients whose wait was cancelled, so that a query of theirs never came to a server.
    skipped: BTreeSet<u64>,
    /// Cancels at the first possible moment.
    early_cancels: Vec<(Time, u64)>,
    workers: Workers,
    log: Log,
}

/// Runs one seed to its end; with `print`, each event is printed.
///
/// # Panics
/// If a rule does not hold.
pub fn run(seed: u64, print: bool) -> Outcome {
    let mut world = World::new(seed, print);
    world.play();
    world.compare();
    world.log.outcome
}

impl World {
    fn new(seed: u64, print: bool) -> Self {
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng);
        let net = Net::default();
        let plant = options.plant(net.clone());
        let mut world = Self {
            now: Time(1),
            faulty: true,
            calendar: BinaryHeap::new(),
            scheduled: 0,
            net,
            owners: BTreeMap::new(),
            clients: BTreeMap::new(),
            arrived: 0,
            interrupts: Interrupts::new(),
            forgotten: Forgotten::new(),
            journal: Journal::new(),
            tables: 0,
            refused: BTreeSet::new(),
            skipped: BTreeSet::new(),
            early_cancels: Vec::new(),
            workers: Workers::new(plant, &options),
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
        for client in 0..world.options.clients {
            let pause = world.rng.duration(world.options.arrivals);
            world.schedule(pause, Event::Arrive(client));
        }
        world.schedule(Duration::from_micros(1), Event::Disturb);
        for at in 0..world.options.workers {
            let first = world.rng.duration(Spread {
                least_us: 1,
                most_us: 50_000,
            });
            world.schedule(first, Event::Sweep(WorkerId(at)));
        }
        world.schedule(world.options.sweep, Event::SweepPools);
        if let Some(after) = world.options.drain_after {
            world.schedule(after, Event::Drain);
        }
        world
    }

    fn play(&mut self) {
        let mut events = 0;
        while let Some(Reverse((at, _, event))) = self.calendar.pop() {
            self.now = at;
            self.log.mix(at.0);
            let is_routine = matches!(event, Event::Sweep(_) | Event::SweepPools | Event::Disturb);
            if self.log.print && !is_routine {
                self.log.line(at, format_args!("{event:?}"));
            }
            self.faulty &= at.since(Time(0)) < FAULTS_MAX;
            self.step(event);
            self.post();
            self.inspect();
            if self.is_over() {
                break;
            }
            events += 1;
            let late = at.since(Time(0)) > FAULTS_MAX + LIVE_MAX || events > EVENTS_MAX;
            if late {
                everyone_is_done(&self.stuck());
            }
        }
        everyone_is_done(&self.stuck());
        self.check_over();
        self.log.mix(self.rng.next());
    }

    fn step(&mut self, event: Event) {
        for pool in &self.workers.plant.pools {
            pool.tick(self.now);
        }
        match event {
            Event::Arrive(client) => self.arrive(client),
            Event::Deliver(end) => {
                let split = self.options.faults.split;
                self.net.deliver(end, &mut self.rng, split);
            }
            Event::Ready(end) => self.ready(end),
            Event::Client(client) => self.run_client(client),
            Event::Backend(server) => self.run_backend(server),
            Event::Turns(worker) => self.take_turns(worker),
            Event::Mail(from, to) => self.deliver_mail(from, to),
            Event::LoginEnd(server) => self.login_end(server),
            Event::Cancel(client) => self.cancel(client),
            Event::Kill(client) => self.kill(client),
            Event::Say(server) => self.say(server),
            Event::Fetched(worker) => self.take_fetched(worker),
            Event::CancelArrives(server, (worker, slot)) => {
                self.cancel_arrives(server, Home { worker, slot });
            }
            Event::CancelLate(server, meant) => self.cancel_late(server, meant),
            Event::Disturb => self.disturb(),
            Event::Sweep(worker) => self.sweep_worker(worker),
            Event::SweepPools => self.sweep_pools(),
            Event::Drain => self.drain(),
        }
    }

    fn arrive(&mut self, client: u64) {
        self.log.count("client");
        let program = Program::draw(&mut self.rng, &self.options, client);
        self.log.line(
            self.now,
            format_args!("c{client} arrives: {:?}", program.startup),
        );
        if program.refused {
            self.refused.insert(client);
        }
        let (near, far) = self.net.pair(self.options.client_capacity);
        self.owners.insert(near.id, Owner::Client(client));
        self.owners.insert(far.id, Owner::Worker);
        let startup = program.startup.clone();
        self.clients.insert(client, Client::new(program, near));
        self.arrived += 1;
        let early = self.rng.one_in(2);
        if early {
            self.run_client(client);
            self.post_now(far.id ^ 1);
        }
        let far = far.in_pieces(self.options.in_pieces);
        self.accept(client, far, &startup);
        self.run_client(client);
    }

    fn ready(&mut self, end: EndId) {
        let readiness = self.net.handle(end);
        let owner = self.owners[&end];
        self.log
            .line(self.now, format_args!("    {owner:?} {readiness:?}"));
        match owner {
            Owner::Client(client) => self.run_client(client),
            Owner::Backend(server) => self.run_backend(server),
            Owner::Worker => self.stream_ready(end, readiness),
        }
    }

    fn run_client(&mut self, client: u64) {
        let now = self.now;
        let client_of = self.clients.get_mut(&client).expect("it has arrived");
        client_of.tables = self.tables;
        if let Some(at) = client_of.run(now, false) {
            self.schedule(at - now, Event::Client(client));
        }
    }

    fn run_backend(&mut self, server: ServerId) {
        let mut backends = self.workers.plant.backends.borrow_mut();
        let backend = backends.get_mut(&server).expect("it was opened");
        let mut env = Env {
            now: self.now,
            interrupts: &mut self.interrupts,
            forgotten: &mut self.forgotten,
            replays: false,
            journal: &mut self.journal,
            tables: self.tables,
            met: None,
            refused: &self.refused,
        };
        let resumes = backend.run(&mut env);
        drop(backends);
        if let Some(at) = resumes {
            self.schedule(at - self.now, Event::Backend(server));
        }
    }

    /// Delivers at once.
    fn post_now(&mut self, end: EndId) {
        let split = self.options.faults.split;
        self.net.deliver(end, &mut self.rng, split);
    }

    /// Schedules what the streams have under way.
    fn post(&mut self) {
        for (at, client) in std::mem::take(&mut self.early_cancels) {
            self.schedule(at - self.now, Event::Cancel(client));
        }
        for wake in self.net.wakes() {
            match wake {
                Wake::Deliver(end) => {
                    let latency = self.rng.duration(self.options.latency);
                    self.schedule(latency, Event::Deliver(end));
                }
                Wake::Ready(end) => self.schedule(Duration::from_micros(1), Event::Ready(end)),
            }
        }
    }

    fn disturb(&mut self) {
        if !self.faulty {
            return self.go_on();
        }
        let faults = self.options.faults.clone();
        let clients: Vec<_> = self.clients.keys().copied().collect();
        let servers = self.living();
        if self.rng.happens(faults.cancel)
            && let Some(client) = self.rng.pick(&clients)
        {
            self.cancel(client);
        }
        if self.rng.happens(faults.kill)
            && let Some(client) = self.rng.pick(&clients)
        {
            self.kill(client);
        }
        if let Some(server) = self.rng.pick(&servers) {
            let end = self.rng.happens(faults.server_ends);
            let broken = self.rng.happens(faults.server_breaks);
            let chats = self.rng.happens(faults.chat);
            let what = self.rng.next();
            let mut backends = self.workers.plant.backends.borrow_mut();
            let backend = backends.get_mut(&server).expect("just picked");
            if end {
                self.log.count("server ends");
                self.log.line(self.now, format_args!("{server} ends"));
                backend.terminate();
            } else if broken {
                self.log.count("server breaks");
                self.log.line(self.now, format_args!("{server} breaks"));
                match backend.end.take() {
                    Some(end) if what.is_multiple_of(2) => self.net.abort(end),
                    end => drop(end),
                }
            } else if chats {
                self.log.count("server chats");
                backend.chat(what);
            }
            drop(backends);
            self.run_backend(server);
        }
        if self.rng.happens(faults.reload) {
            self.reload();
        }
        if self.rng.aside().happens(faults.halts) {
            self.halt();
        }
        if self.rng.aside().happens(faults.alters) {
            self.alter();
        }
        let pause = Spread {
            least_us: 50,
            most_us: 20_000,
        };
        let pause = self.rng.duration(pause);
        self.schedule(pause, Event::Disturb);
    }

    /// Somebody changes tables, unless a transaction may use them.
    fn alter(&mut self) {
        let backends = self.workers.plant.backends.borrow();
        if backends.values().all(|backend| !backend.uses_tables()) {
            self.tables += 1;
            self.log.count("tables change");
            let tables = self.tables;
            self.log
                .line(self.now, format_args!("tables change: {tables}"));
        }
    }

    fn is_over(&self) -> bool {
        self.arrived == self.options.clients
            && self.clients.values().all(|client| client.end.is_none())
            && self.workers.is_quiet()
    }

    fn living(&self) -> Vec<ServerId> {
        let backends = self.workers.plant.backends.borrow();
        let living = backends.iter().filter(|(_, b)| b.end.is_some());
        living.map(|(&id, _)| id).collect()
    }

    fn stuck(&mut self) -> Vec<String> {
        if self.is_over() {
            return Vec::new();
        }
        let clients = self.clients.iter().filter(|(_, c)| c.end.is_some());
        let clients = clients.map(|(id, client)| format!("c{id}: {}", client.waits_for()));
        let mut stuck: Vec<_> = clients.collect();
        stuck.extend(self.workers.busy());
        let backends = self.workers.plant.backends.borrow();
        let at_work = backends.values().filter(|b| b.task.is_some());
        stuck.extend(at_work.map(|b| format!("{b:?}")));
        stuck
    }

    /// Every client once more, without a pooler.
    fn compare(&mut self) {
        for client in self.clients.values() {
            for answer in &client.answers {
                self.log
                    .mix(u64::from(answer.kind) << 32 | answer.text.len() as u64);
            }
            if client.program.refused {
                let served = client.answers.iter().any(|answer| answer.kind == b'D');
                assert!(!served, "hygiene: a client with wrong settings was served");
                continue;
            }
            let program = client.program.clone();
            let at_once = self.options.faults.reports_at_once;
            let (interrupts, forgotten) = (&mut self.interrupts, &mut self.forgotten);
            let met = Met::new(&client.spans, transparent::postgresqls(&client.answers));
            let past = (interrupts, forgotten, &met);
            let (direct, journal) = direct::run(program, past, (at_once, self.options.rejects));
            if !self.skipped.contains(&client.program.client) {
                check::hygiene::met(client.program.client, &self.journal, &journal);
            }
            transparent::farewell(client, self.options.client_capacity);
            match transparent::compare(client, &direct) {
                Course::Whole => self.log.count("compared to the end"),
                Course::Broken => self.log.count("compared in part"),
            }
        }
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        let at = self.now + delay;
        self.calendar.push(Reverse((at, self.scheduled, event)));
    }
}
