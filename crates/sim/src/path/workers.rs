//! The workers: drivers that take events, messages and turns one at a time, in any order that threads
//! could bring about.
//!
//! * A worker looks at its clock when it wakes, so what it takes for the present is past.
//! * Messages from one thread to another keep their order and take any time; those of different
//!   threads overtake each other.
//! * A worker may hold an event of a stream that another has taken over or closed since.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::budget::Permit;
use pgweir_pool::driver::{
    Client, Draining, Driver, Farewell, Message, Order, Outbox, Peer, Readiness, SharedPool,
};
use pgweir_pool::id::{ClientId, ClientRef, ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::relay::Relay;
use pgweir_pool::session::{End as Ending, FirstWords, Session};
use pgweir_pool::time::Time;

use super::check::{bounded, isolation, punctual, queue};
use super::halts::Stills;
use super::inspect::Cleaned;
use super::names::{ending_name, farewell_name, wording};
use super::options::Options;
use super::settings::REPORTED;
use super::shell::{InMemory, Note, Plant, PoolCell};
use super::stream::{End, EndId};
use super::{Event, World};
use crate::names::close_name;
use crate::swarm::Spread;

/// A thread that sends messages: a worker, or one of the control plane, behind all of them.
pub(super) type Sender = usize;

/// Drivers and what is between them.
pub(super) struct Workers {
    pub(super) plant: Arc<Plant>,
    pub(super) drivers: Vec<Driver<Plant>>,
    /// When each worker woke last.
    woken: Vec<Time>,
    /// The worker that handles something else than an event at this moment.
    handles: Option<WorkerId>,
    pub(super) mail: BTreeMap<(Sender, usize), VecDeque<Message<InMemory>>>,
    /// Under which name each client was last known, to whoever wants to cancel what it does or end
    /// it. A client that has left may still be meant.
    pub(super) names: BTreeMap<u64, ClientId>,
    /// Permits of servers that log in.
    pub(super) permits: BTreeMap<ServerId, (PoolCell, Permit)>,
    /// Events that workers have fetched, of streams that they do not hear any more.
    pub(super) fetched: Vec<(WorkerId, Peer, Readiness)>,
    /// Drivers or pools were told something since they were inspected.
    pub(super) touched: bool,
    /// Workers that were told of the shutdown.
    pub(super) draining: Vec<Option<Draining>>,
    /// What is still while all workers are suspended.
    pub(super) stills: Option<Stills>,
    /// How many more clients may leave each worker for another before its next sweep.
    relief: Vec<u32>,
    /// Since when servers are cleaned.
    pub(super) cleaned: Cleaned,
    /// Settings that servers log in with; one copy, as the proxy keeps it.
    pub(super) defaults: Arc<Parameters>,
}

impl Workers {
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "drivers share their shell by Arc; here all of them run on one thread"
    )]
    pub(super) fn new(plant: Plant, options: &Options) -> Self {
        let mut defaults = Parameters::default();
        for (name, value) in REPORTED {
            defaults.set(name, value);
        }
        let plant = Arc::new(plant);
        let driver = |at| Driver::new(WorkerId(at), plant.clone(), options.scratch);
        Self {
            drivers: (0..options.workers).map(driver).collect(),
            plant,
            woken: vec![Time::default(); usize::from(options.workers)],
            handles: None,
            mail: BTreeMap::new(),
            names: BTreeMap::new(),
            permits: BTreeMap::new(),
            fetched: Vec::new(),
            touched: false,
            draining: vec![None; usize::from(options.workers)],
            stills: None,
            relief: vec![0; usize::from(options.workers)],
            cleaned: Cleaned::new(),
            defaults: Arc::new(defaults),
        }
    }

    /// Whether nobody is served, nothing cleaned and nothing said.
    pub(super) fn is_quiet(&self) -> bool {
        let is_quiet = |driver: &Driver<_>| driver.is_resting() && !driver.has_turns();
        self.mail.values().all(VecDeque::is_empty) && self.drivers.iter().all(is_quiet)
    }

    /// Who is served, for a trace.
    pub(super) fn busy(&mut self) -> Vec<String> {
        let drivers = self.drivers.iter_mut();
        let clients = drivers.flat_map(|driver| {
            driver
                .clients_mut()
                .map(|client| format!("session of c{}: {:?}", client.account, client.session))
                .collect::<Vec<_>>()
        });
        clients.collect()
    }

    fn control(&self) -> Sender {
        self.drivers.len()
    }
}

/// What ends the login of a client: it sees the settings.
fn first_words(client: u64) -> FirstWords {
    let reported = REPORTED.map(|(name, value)| (name.to_owned(), value.to_owned()));
    FirstWords {
        before: Vec::new(),
        reported: Arc::new(reported.into()),
        pid: isolation::own_number(client),
        keeps_number: false,
        secret: vec![0; 4],
    }
}

impl World {
    /// A client has logged in.
    pub(super) fn accept(&mut self, client: u64, mut end: End, startup: &[(String, String)]) {
        let mut parameters = self.workers.defaults.clone();
        for (name, value) in startup {
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let mut relay = Relay::new(self.options.mode, parameters);
        relay.told = Some(isolation::own_number(client));
        // The login may have read more than its part.
        let mut input = vec![0; self.rng.between(1, 2_000) as usize];
        let len = end.read(&mut input).unwrap_or(0);
        input.truncate(len);
        let pool = self.any_pool();
        let policy = pool.policy();
        let mut session = Session::new(end, relay, wording, self.now).with_input(input);
        let is_unknown = !startup.is_empty() && client.is_multiple_of(2);
        if is_unknown || self.options.mode.keeps_server() {
            session = session.greeted_later(first_words(client));
            let client = self.clients.get_mut(&client).expect("it has arrived");
            client.ungreeted = true;
        }
        let adopted = Box::new(Client {
            session,
            pool: pool.clone(),
            policy,
            account: client,
        });
        let worker = self.any_worker();
        self.errand(|outbox, plant, now| {
            outbox.decide(plant, &pool, now, |stock| stock.core.client_in(now));
            outbox.send(worker, Message::Adopt(adopted));
        });
    }

    /// An end of a worker's stream became ready.
    pub(super) fn stream_ready(&mut self, end: EndId, readiness: Readiness) {
        let heard = self.workers.plant.heard.borrow().get(&end).copied();
        // Without a worker it is not in any epoll set, and is ready when it comes into one.
        if let Some((worker, peer)) = heard {
            let waiter = self.waiter(worker, end).filter(|_| readiness.hung_up);
            self.event(worker, peer, readiness);
            if let Some(waiter) = waiter {
                queue::hangs_up(waiter, self.waiter(worker, end));
            }
        }
    }

    /// The client of the stream `end`, if it waits for a server.
    fn waiter(&mut self, worker: WorkerId, end: EndId) -> Option<u64> {
        let mut clients = self.workers.drivers[worker.index()].clients_mut();
        let client = clients.find(|client| client.session.client.id == end)?;
        client.session.place().map(|_| client.account)
    }

    /// The next message from one thread to another arrives.
    pub(super) fn deliver_mail(&mut self, from: Sender, to: usize) {
        let mail = self.workers.mail.get_mut(&(from, to));
        let message = mail.and_then(VecDeque::pop_front).expect("it was sent");
        if let Message::Cancel(name, asks) = message {
            let client = self.workers.drivers[to].client(name);
            isolation::means(asks, client.map(|client| client.account));
            if client.is_some_and(|client| client.session.place().is_some()) {
                self.log.count("cancel: waiter");
                self.skipped.insert(asks);
            }
        }
        if let Message::Drain(draining) = message {
            self.workers.draining[to] = Some(draining);
        }
        let worker = WorkerId(u16::try_from(to).expect("few workers"));
        self.input(worker, |driver, now| driver.message(now, message));
    }

    pub(super) fn take_turns(&mut self, worker: WorkerId) {
        self.input(worker, |driver, now| driver.take_turns(now));
    }

    pub(super) fn sweep_worker(&mut self, worker: WorkerId) {
        let moves = self.rng.happens(self.options.faults.move_client);
        let relief = moves.then(|| (self.any_worker(), 1));
        let relief = relief.filter(|&(to, _)| to != worker);
        self.workers.relief[worker.index()] = relief.map_or(0, |(_, quota)| quota);
        self.input(worker, |driver, now| driver.sweep(now, relief));
        if self.workers.stills.is_none() {
            self.check_swept(worker, self.workers.woken[worker.index()]);
        }
        self.schedule(self.options.sweep, Event::Sweep(worker));
    }

    pub(super) fn sweep_pools(&mut self) {
        let pools = self.workers.plant.pools.clone();
        self.errand(|outbox, plant, now| outbox.sweep(plant, now, pools));
        self.schedule(self.options.sweep, Event::SweepPools);
    }

    /// A client wants its query cancelled.
    pub(super) fn cancel(&mut self, client: u64) {
        if let Some(&name) = self.workers.names.get(&client) {
            let home = ClientRef::from(name).home();
            // Whoever reads cancel requests is not the thread that opens servers and sweeps pools.
            let reader = self.workers.control() + 1;
            self.carry_out(reader, Order::Send(home, Message::Cancel(name, client)));
        }
    }

    /// An administrator ends a session.
    pub(super) fn kill(&mut self, client: u64) {
        if let Some(&name) = self.workers.names.get(&client) {
            self.log.count("kill");
            let home = ClientRef::from(name).home();
            let named = self.workers.drivers[home.index()].client(name);
            isolation::means(client, named.map(|client| client.account));
            self.input(home, |driver, now| {
                driver.end(now, name, Farewell::Administrator);
            });
        }
    }

    pub(super) fn any_worker(&mut self) -> WorkerId {
        let at = self.rng.below(u64::from(self.options.workers));
        WorkerId(u16::try_from(at).expect("few workers"))
    }

    pub(super) fn any_pool(&mut self) -> PoolCell {
        let pools = &self.workers.plant.pools;
        let at = self.rng.below(pools.len() as u64);
        pools[usize::try_from(at).expect("few pools")].clone()
    }

    /// A worker takes an event.
    pub(super) fn event(&mut self, worker: WorkerId, peer: Peer, readiness: Readiness) {
        self.wake(worker, |driver, now| driver.ready(now, peer, readiness));
    }

    /// A worker takes something that comes after all events.
    pub(super) fn input(&mut self, worker: WorkerId, input: impl FnOnce(&mut Driver<Plant>, Time)) {
        self.take_fetched(worker);
        self.workers.handles = Some(worker);
        self.wake(worker, input);
        self.workers.handles = None;
    }

    fn wake(&mut self, worker: WorkerId, input: impl FnOnce(&mut Driver<Plant>, Time)) {
        self.workers.touched = true;
        let at = worker.index();
        let lag = self.rng.duration(self.options.lag);
        let now = Time(self.now.0.saturating_sub(lag.as_micros() as u64));
        let now = now.max(self.workers.woken[at]);
        self.workers.woken[at] = now;
        let deaf = self.faulty && self.rng.happens(self.options.faults.deaf);
        self.workers.plant.deaf.set(deaf);
        input(&mut self.workers.drivers[at], now);
        self.workers.plant.deaf.set(false);
        self.tell_holders();
        while let Some(order) = self.workers.drivers[at].poll_order() {
            self.carry_out(at, order);
        }
        if self.workers.drivers[at].has_turns() {
            // What it has to do first: the rest of the events that it has fetched.
            let rest = self.rng.duration(self.options.round);
            self.schedule(rest, Event::Turns(worker));
        }
        self.take_notes();
    }

    /// The control plane does something.
    pub(super) fn errand(&mut self, errand: impl FnOnce(&mut Outbox<InMemory>, &Plant, Time)) {
        self.workers.touched = true;
        let mut outbox = Outbox::new(None);
        let plant = self.workers.plant.clone();
        errand(&mut outbox, &plant, self.now);
        let control = self.workers.control();
        while let Some(order) = outbox.poll_order() {
            self.carry_out(control, order);
        }
        self.take_notes();
    }

    fn carry_out(&mut self, from: Sender, order: Order<InMemory>) {
        match order {
            Order::Send(to, message) => {
                self.cross(&message);
                if matches!(message, Message::Adopt(_)) && from < self.workers.control() {
                    self.log.count("move");
                    bounded::moves(&mut self.workers.relief[from]);
                }
                let to = to.index();
                let mail = self.workers.mail.entry((from, to)).or_default();
                mail.push_back(message);
                // Which of a thread's messages an event is for does not matter: the oldest.
                let delay = self.rng.duration(self.options.mail);
                self.schedule(delay, Event::Mail(from, to));
            }
            Order::Open(pool, id, permit) => {
                self.log.count("open");
                self.workers.permits.insert(id, (pool, permit));
                let delay = self.rng.duration(self.options.login);
                self.schedule(delay, Event::LoginEnd(id));
            }
            Order::Cancel {
                server,
                home,
                ticket,
                ..
            } => {
                self.log.count("cancel: server");
                if let Some(client) = ticket {
                    self.log.count("cancel: client");
                    let holder = self.workers.plant.backends.borrow()[&server].holder;
                    isolation::cancels(client, holder);
                }
                let slow = self.rng.one_in(4);
                let delay = self.rng.duration(Spread {
                    least_us: 10,
                    most_us: if slow { 50_000 } else { 1_000 },
                });
                self.schedule(
                    delay,
                    Event::CancelArrives(server, (home.worker, home.slot)),
                );
            }
        }
    }

    /// Sees to what drivers reported.
    fn take_notes(&mut self) {
        loop {
            let notes = self.workers.plant.notes();
            if notes.is_empty() {
                break;
            }
            for note in notes {
                self.log.line(self.now, format_args!("    {note:?}"));
                self.take_note(note);
            }
        }
        self.tell_holders();
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Settled(client, name) => {
                self.workers.names.insert(client, name);
            }
            Note::Left(client, end) => {
                self.log.count(ending_name(&end));
                let is_broken = matches!(end, Ending::ServerBroken(_));
                assert!(!is_broken, "transparent: c{client} ends with {end:?}");
                let is_refused = matches!(end, Ending::Settings(_));
                assert!(
                    !is_refused || self.refused.contains(&client),
                    "transparent: c{client} had no wrong settings, but ends with {end:?}"
                );
            }
            Note::Farewell(why) => {
                self.log.count(farewell_name(why));
                let is_told = self.workers.draining.iter().any(Option::is_some);
                punctual::shuts_down(why == Farewell::Shutdown, is_told);
            }
            Note::Closed(reason) => self.log.count(reason.map_or("close: lost", close_name)),
            Note::ParkedEnded => self.log.count("parked server lost"),
            Note::CheckedIn => self.log.count("checkin"),
            Note::Unheard(worker, peer) => {
                // A worker that handles messages has no event left.
                let is_possible = self.workers.handles != Some(worker);
                if is_possible && self.rng.happens(self.options.faults.stale_event) {
                    self.fetch(worker, peer);
                }
            }
        }
    }

    /// Tells backends whose queries may come.
    fn tell_holders(&mut self) {
        let mut backends = self.workers.plant.backends.borrow_mut();
        let faulty = self.faulty;
        let keeps = self.options.mode.keeps_server();
        let processes = self.workers.plant.processes.borrow();
        for driver in &mut self.workers.drivers {
            for client in driver.clients_mut() {
                let account = client.account;
                let is_greeted = client.session.is_greeted();
                let Some(server) = client.session.server() else {
                    continue;
                };
                let told = self.clients.get(&account).and_then(|client| client.number);
                let noted = processes.get(&account).copied();
                let kept = (keeps && is_greeted).then_some(server.id);
                isolation::is_numbered(account, (told, noted), kept);
                let backend = backends.get_mut(&server.id).expect("it was opened");
                let is_new = backend.holder.replace(account) != Some(account);
                if is_new && faulty && self.rng.happens(self.options.faults.cancel_early) {
                    let at = self.now + Duration::from_micros(1);
                    self.early_cancels.push((at, account));
                }
            }
        }
    }
}
