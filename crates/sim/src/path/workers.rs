//! The workers: drivers that take events, messages and turns one at a time, in any order that threads
//! could bring about, and the control plane beside them.
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
    Client, Driver, Farewell, Message, Order, Outbox, Peer, Readiness, SharedPool,
};
use pgweir_pool::id::{ClientId, ClientRef, ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::pool::{CloseReason, Refusal};
use pgweir_pool::relay::Relay;
use pgweir_pool::server::{Home, Server};
use pgweir_pool::session::{End as Ending, Fault, Overdue, Sentences, Session};
use pgweir_pool::time::Time;
use pgweir_pool::upstream::Upstream;

use super::check::bounded;
use super::client::WAIT_CANCELED;
use super::options::Options;
use super::postgres::Backend;
use super::settings::{REPORTED, Settings};
use super::shell::{InMemory, Link, Note, Plant, PoolCell};
use super::stream::{End, EndId};
use super::{Event, Owner, World};
use crate::swarm::Spread;

/// A thread that sends messages: a worker, or the control plane behind all of them.
pub(super) type Sender = usize;

/// Drivers and what is between them.
pub(super) struct Workers {
    pub(super) plant: Arc<Plant>,
    drivers: Vec<Driver<Plant>>,
    /// When each worker woke last.
    woken: Vec<Time>,
    /// The worker that handles something else than an event at this moment.
    handles: Option<WorkerId>,
    mail: BTreeMap<(Sender, usize), VecDeque<Message<InMemory>>>,
    /// Under which name each client is known to whoever wants to cancel it.
    names: BTreeMap<u64, ClientId>,
    /// Permits of servers that log in.
    permits: BTreeMap<ServerId, (PoolCell, Permit)>,
    /// Settings that servers log in with; one copy, as the proxy keeps it.
    defaults: Arc<Parameters>,
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
            defaults: Arc::new(defaults),
        }
    }

    /// Whether nobody is served and nothing cleaned.
    pub(super) fn is_quiet(&self) -> bool {
        let in_mail = self.mail.values().flatten();
        let mut adopted = in_mail.filter(|message| matches!(message, Message::Adopt(_)));
        adopted.next().is_none() && self.drivers.iter().all(Driver::is_resting)
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

impl World {
    /// A client has logged in.
    pub(super) fn accept(&mut self, client: u64, mut end: End, startup: &[(String, String)]) {
        let mut parameters = self.workers.defaults.clone();
        for (name, value) in startup {
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let relay = Relay::new(self.options.mode, parameters);
        // The login may have read more than its part.
        let mut input = vec![0; self.rng.between(1, 2_000) as usize];
        let len = end.read(&mut input).unwrap_or(0);
        input.truncate(len);
        let pool = self.any_pool();
        let policy = pool.policy();
        let session = Session::new(end, relay, wording, self.options.reset_always, self.now);
        let mut session = session.with_input(input);
        session.thresholds = policy.thresholds;
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
            self.event(worker, peer, readiness);
        }
    }

    /// The next message from one thread to another arrives.
    pub(super) fn deliver_mail(&mut self, from: Sender, to: usize) {
        let mail = self.workers.mail.get_mut(&(from, to));
        let message = mail.and_then(VecDeque::pop_front).expect("it was sent");
        if let Message::Cancel(name, _) = message {
            let client = self.workers.drivers[to].client(name);
            if let Some(client) = client.filter(|client| client.session.place().is_some()) {
                self.log.count("cancel: waiter");
                self.skipped.insert(client.account);
            }
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
        self.input(worker, |driver, now| driver.sweep(now, relief));
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
            self.errand(|outbox, _, _| outbox.send(home, Message::Cancel(name, client)));
        }
    }

    /// An administrator ends a session.
    pub(super) fn kill(&mut self, client: u64) {
        if let Some(&name) = self.workers.names.get(&client) {
            self.log.count("kill");
            let home = ClientRef::from(name).home();
            self.input(home, |driver, now| {
                driver.end(now, name, Farewell::Administrator);
            });
        }
    }

    /// The pooler shuts down.
    pub(super) fn drain(&mut self) {
        self.log.count("drain");
        for at in 0..self.options.workers {
            self.errand(|outbox, _, _| outbox.send(WorkerId(at), Message::Drain));
        }
    }

    /// The configuration of a pool changes.
    pub(super) fn reload(&mut self) {
        self.log.count("reload");
        let pool = self.any_pool();
        let (bounds, policy) = self.options.redraw(&mut self.rng);
        let retire = self.rng.one_in(3);
        let workers = self.options.workers;
        pool.set_policy(policy.clone());
        pool.may_refuse_after(bounds.wait_max);
        self.errand(|outbox, plant, now| {
            outbox.reconfigure(plant, &pool, now, (bounds, &policy, retire));
            for at in 0..workers {
                outbox.send(WorkerId(at), Message::Reloaded);
            }
        });
    }

    /// The login of a server ends.
    pub(super) fn login_end(&mut self, id: ServerId) {
        let (pool, permit) = self.workers.permits.remove(&id).expect("it was permitted");
        if self.faulty && self.rng.happens(self.options.faults.login_fails) {
            self.log.count("login fails");
            let is_full = self.rng.one_in(2);
            return self.errand(|outbox, plant, now| {
                outbox.failed(plant, &pool, now, id, (permit, is_full));
            });
        }
        let (near, far) = self.net.pair(self.options.server_capacity);
        self.owners.insert(near.id, Owner::Worker);
        self.owners.insert(far.id, Owner::Backend(id));
        let mut startup = Vec::new();
        let mut parameters = self.workers.defaults.clone();
        if self.rng.happens(self.options.faults.strangers) {
            let (name, value) = ("TimeZone", "Europe/Berlin");
            startup.push((name.to_owned(), value.to_owned()));
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let settings = Settings::new(&startup).expect("defaults are right");
        let at_once = self.options.faults.reports_at_once;
        let mut backend = Backend::new(id.to_string(), far, settings, at_once);
        let own_slow = self.rng.duration(self.options.faults.own_slow);
        backend.own_slow = u64::try_from(own_slow.as_micros()).expect("short");
        self.workers.plant.backends.borrow_mut().insert(id, backend);
        let link = Link { end: near, permit };
        let server = Box::new(Server::new(id, link, Upstream::new(parameters)));
        let jitter = u32::try_from(self.rng.below(200)).expect("small");
        let home = (self.any_worker(), jitter);
        self.errand(|outbox, plant, now| outbox.opened(plant, &pool, now, server, home));
    }

    /// A cancel request has reached PostgreSQL, or was lost on the way.
    pub(super) fn cancel_arrives(&mut self, server: ServerId, home: Home) {
        self.log
            .line(self.now, format_args!("cancel arrives at {server}"));
        for pool in &self.workers.plant.pools {
            let is_parked = pool.with(|stock| stock.parked.contains_key(&server));
            assert!(
                !is_parked,
                "rest: a cancel arrives at a server that nobody holds"
            );
        }
        if !self.rng.happens(self.options.faults.cancel_lost) {
            let mut backends = self.workers.plant.backends.borrow_mut();
            backends.get_mut(&server).expect("it was opened").cancel();
            drop(backends);
            self.run_backend(server);
        }
        self.errand(|outbox, _, _| {
            outbox.send(home.worker, Message::CancelDone(server, home.slot));
        });
    }

    pub(super) fn check_bounds(&mut self) {
        let scratch = self.options.scratch;
        for driver in &mut self.workers.drivers {
            for client in driver.clients_mut() {
                let (held, unsent) = client.session.buffered();
                bounded::session(held, unsent, scratch);
            }
            for server in driver.returning() {
                let (held, unsent) = server.buffered();
                bounded::server(held, unsent, scratch);
            }
        }
        for pool in &self.workers.plant.pools {
            pool.with(|stock| {
                for server in stock.parked.values() {
                    let (held, unsent) = server.buffered();
                    bounded::server(held, unsent, scratch);
                }
            });
        }
    }

    /// Nobody waits for an event that will not come: what a parked server has said, or its end, is
    /// read, or an event of it is due.
    pub(super) fn check_heard(&self) {
        for pool in &self.workers.plant.pools {
            pool.with(|stock| {
                for server in stock.parked.values().filter(|server| server.home.is_some()) {
                    let end = server.stream.end.id;
                    let missed = self.net.is_missed(end);
                    assert!(!missed, "heard: {} said something unheard", server.id);
                }
            });
        }
    }

    pub(super) fn any_worker(&mut self) -> WorkerId {
        let at = self.rng.below(u64::from(self.options.workers));
        WorkerId(u16::try_from(at).expect("few workers"))
    }

    fn any_pool(&mut self) -> PoolCell {
        let pools = &self.workers.plant.pools;
        let at = self.rng.below(pools.len() as u64);
        pools[usize::try_from(at).expect("few pools")].clone()
    }

    /// A worker takes an event.
    fn event(&mut self, worker: WorkerId, peer: Peer, readiness: Readiness) {
        self.wake(worker, |driver, now| driver.ready(now, peer, readiness));
    }

    /// A worker takes something that comes after all events.
    fn input(&mut self, worker: WorkerId, input: impl FnOnce(&mut Driver<Plant>, Time)) {
        self.workers.handles = Some(worker);
        self.wake(worker, input);
        self.workers.handles = None;
    }

    fn wake(&mut self, worker: WorkerId, input: impl FnOnce(&mut Driver<Plant>, Time)) {
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
            self.schedule(Duration::from_micros(1), Event::Turns(worker));
        }
        self.take_notes();
    }

    /// The control plane does something.
    fn errand(&mut self, errand: impl FnOnce(&mut Outbox<InMemory>, &Plant, Time)) {
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
                    let holder = self.workers.plant.backends.borrow()[&server].holder;
                    assert_eq!(
                        holder,
                        Some(client),
                        "isolation: another client's query is cancelled"
                    );
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
                self.workers.names.remove(&client);
                let is_broken = matches!(end, Ending::ServerBroken(_));
                assert!(!is_broken, "transparent: c{client} ends with {end:?}");
                let is_refused = matches!(end, Ending::Settings(_));
                assert!(
                    !is_refused || self.refused.contains(&client),
                    "transparent: c{client} had no wrong settings, but ends with {end:?}"
                );
            }
            Note::Farewell(why) => self.log.count(farewell_name(why)),
            Note::Closed(reason) => self.log.count(reason.map_or("close: lost", close_name)),
            Note::ParkedEnded => self.log.count("parked server lost"),
            Note::CheckedIn => self.log.count("checkin"),
            Note::Unheard(worker, peer) => {
                // A worker that handles messages has no event left.
                let is_possible = self.workers.handles != Some(worker);
                if is_possible && self.rng.happens(self.options.faults.stale_event) {
                    self.log.count("stale event");
                    let readiness = Readiness {
                        readable: true,
                        hung_up: self.rng.one_in(2),
                    };
                    self.event(worker, peer, readiness);
                }
            }
        }
    }

    /// Tells backends whose queries may come.
    fn tell_holders(&mut self) {
        let mut backends = self.workers.plant.backends.borrow_mut();
        let faulty = self.faulty;
        for driver in &mut self.workers.drivers {
            for client in driver.clients_mut() {
                let account = client.account;
                let Some(server) = client.session.server() else {
                    continue;
                };
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

/// Faults in plain words. Clients know the one of a cancelled wait by its end.
fn wording(fault: Fault<'_>) -> Sentences<'_> {
    let detail = match fault {
        Fault::WaitCanceled => Some(WAIT_CANCELED),
        Fault::Violation(_)
        | Fault::ServerGone
        | Fault::ServerBroken
        | Fault::Settings(_)
        | Fault::Transaction => None,
    };
    Sentences {
        message: format!("{fault:?}").into(),
        detail,
        hint: None,
    }
}

fn farewell_name(why: Farewell) -> &'static str {
    match why {
        Farewell::Refused(Refusal::QueueFull) => "refuse: queue full",
        Farewell::Refused(Refusal::Timeout) => "refuse: timeout",
        Farewell::Refused(Refusal::LoginFailing) => "refuse: login failing",
        Farewell::Overdue(Overdue::Query) => "overdue: query",
        Farewell::Overdue(Overdue::IdleInTransaction) => "overdue: idle in transaction",
        Farewell::Overdue(Overdue::Transaction) => "overdue: transaction",
        Farewell::Overdue(Overdue::Idle) => "overdue: idle",
        Farewell::Shutdown => "end: shutdown",
        Farewell::Administrator => "end: administrator",
        Farewell::Unwatched => "end: server not heard",
    }
}

fn close_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Idle => "close: idle",
        CloseReason::Lifetime => "close: lifetime",
        CloseReason::OverLimit => "close: over limit",
        CloseReason::Dirty => "close: dirty",
        CloseReason::Retired => "close: retired",
        CloseReason::Evicted => "close: evicted",
    }
}

fn ending_name(end: &Ending) -> &'static str {
    match end {
        Ending::Terminated => "end: terminated",
        Ending::ClientGone => "end: client gone",
        Ending::Violation(_) => "end: violation",
        Ending::ServerGone { .. } => "end: server gone",
        Ending::ServerBroken(_) => "end: server broken",
        Ending::Settings(_) => "end: settings",
        Ending::Transaction => "end: transaction",
        Ending::Ended => "end: ended",
    }
}
