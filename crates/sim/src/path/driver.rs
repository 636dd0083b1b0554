//! What the proxy's driver does around the production code: it owns sessions, parked and returning
//! servers and the pool, brings events to them, and sees to their needs.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::pool::{Action, Condition, Pool, Refusal};
use pgweir_pool::recovery::Next;
use pgweir_pool::relay::Relay;
use pgweir_pool::server::{Returning, Server};
use pgweir_pool::session::{End as Ending, Need, Overdue, Session};
use pgweir_pool::time::Time;
use pgweir_pool::trace::Thresholds;
use pgweir_pool::upstream::Upstream;
use pgweir_wire::encode::{ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use super::check::{bounded, rest};
use super::options::Options;
use super::postgres::Backend;
use super::settings::{REPORTED, Settings};
use super::stream::{End, Readiness};
use super::{Event, Owner, World, one_in};
use crate::swarm::Spread;

/// How long a server may take to be cleaned.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

const CHECK_QUERY: &str = "SELECT 1";

#[derive(Debug)]
struct Client {
    session: Session<End, End>,
    home: WorkerId,
}

#[derive(Debug)]
struct Recovering {
    returning: Returning<End>,
    home: WorkerId,
    since: Time,
}

#[derive(Debug)]
pub(super) struct Pooler {
    pool: Pool,
    sessions: BTreeMap<ClientId, Client>,
    parked: BTreeMap<ServerId, (Box<Server<End>>, WorkerId)>,
    returning: BTreeMap<ServerId, Recovering>,
    holders: BTreeMap<ServerId, ClientId>,
    /// Needs to be seen to, oldest first.
    needs: VecDeque<(ClientId, Need<End>)>,
    /// Settings that servers log in with; one copy, as the proxy keeps it.
    defaults: Arc<Parameters>,
    scratch: Vec<u8>,
}

impl Pooler {
    pub(super) fn new(options: &Options) -> Self {
        let mut defaults = Parameters::default();
        for (name, value) in REPORTED {
            defaults.set(name, value);
        }
        let workers = usize::from(options.workers);
        Self {
            pool: Pool::new(options.config.clone(), workers, ServerId(0)),
            sessions: BTreeMap::new(),
            parked: BTreeMap::new(),
            returning: BTreeMap::new(),
            holders: BTreeMap::new(),
            needs: VecDeque::new(),
            defaults: Arc::new(defaults),
            scratch: vec![0; options.scratch],
        }
    }

    /// Whether nobody is served and nothing cleaned.
    pub(super) fn is_quiet(&self) -> bool {
        self.sessions.is_empty() && self.returning.is_empty()
    }

    /// Who is served, and what is cleaned, for a trace.
    pub(super) fn busy(&self) -> impl Iterator<Item = String> {
        let sessions = self.sessions.iter();
        let sessions = sessions.map(|(id, client)| format!("session {id}: {:?}", client.session));
        let returning = self.returning.values();
        sessions.chain(returning.map(|recovering| format!("{recovering:?}")))
    }
}

impl World {
    /// A client has logged in.
    pub(super) fn accept(&mut self, client: ClientId, mut end: End, startup: &[(String, String)]) {
        let mut parameters = self.pooler.defaults.clone();
        for (name, value) in startup {
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let relay = Relay::new(self.options.mode, parameters);
        // The login may have read more than its part.
        let mut input = vec![0; self.rng.between(1, 2_000) as usize];
        let len = end.read(&mut input).unwrap_or(0);
        input.truncate(len);
        let session = Session::new(end, relay, self.options.reset_always, self.now);
        let mut session = session.with_input(input);
        session.thresholds = Some(Thresholds {
            slow: Duration::from_millis(100),
            very_slow: Duration::from_secs(1),
        });
        let home = self.worker();
        let client_of = Client { session, home };
        self.pooler.sessions.insert(client, client_of);
        self.pooler.pool.client_in(self.now);
        self.carry_out();
        self.pump(client);
    }

    pub(super) fn session_ready(&mut self, client: ClientId, readiness: Readiness) {
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        client_of.session.readable |= readiness.readable;
        client_of.session.hung_up |= readiness.closed;
        match client_of.session.place() {
            Some(place) if readiness.closed => {
                self.log.count("waiter gone");
                let was_queued = self.pooler.pool.leave(self.now, client_of.home, place);
                assert!(was_queued, "a session that waits is in the queue");
                let need = client_of.session.end(Ending::ClientGone, None);
                self.need(client, need);
                self.carry_out();
            }
            _ => self.pump(client),
        }
    }

    pub(super) fn server_ready(&mut self, id: ServerId, readiness: Readiness) {
        if let Some(client) = self.pooler.holders.get(&id).copied() {
            if let Some(server) = self.session(client).server() {
                server.readable |= readiness.readable;
                server.hung_up |= readiness.closed;
            }
            self.pump(client);
        } else if let Some(recovering) = self.pooler.returning.get_mut(&id) {
            recovering.returning.server.readable |= readiness.readable;
            recovering.returning.server.hung_up |= readiness.closed;
            self.pump_returning(id);
        } else if let Some((server, _)) = self.pooler.parked.get_mut(&id) {
            server.readable |= readiness.readable;
            server.hung_up |= readiness.closed;
            if !server.drain(&mut self.pooler.scratch) {
                self.log.count("parked server lost");
                self.pooler.parked.remove(&id);
                self.pooler.pool.lost(self.now, id);
                self.carry_out();
            }
        }
    }

    pub(super) fn pump(&mut self, client: ClientId) {
        let now = self.now;
        let pooler = &mut self.pooler;
        if let Some(client_of) = pooler.sessions.get_mut(&client) {
            let need = client_of.session.pump(now, &mut pooler.scratch);
            self.need(client, need);
            self.carry_out();
        }
    }

    /// A client wants its query cancelled.
    pub(super) fn cancel(&mut self, client: ClientId) {
        let now = self.now;
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        if let Some(place) = client_of.session.place() {
            let was_queued = self.pooler.pool.leave(now, client_of.home, place);
            assert!(was_queued, "a session that waits is in the queue");
            client_of.session.cancel_wait(now);
            self.skipped.insert(client.0);
            self.log.count("cancel: waiter");
            self.carry_out();
            self.pump(client);
        } else if let Some(server) = client_of.session.cancel() {
            server.cancels += 1;
            let id = server.id;
            self.log.count("cancel: server");
            self.send_cancel(id);
        }
    }

    /// Sends a cancel that was put off, if it is due.
    fn send_due_cancel(&mut self, client: ClientId) {
        if let Some(server) = self.session(client).due_cancel() {
            server.cancels += 1;
            let id = server.id;
            self.log.count("cancel: put off");
            self.send_cancel(id);
        }
    }

    /// The operator ends a session.
    pub(super) fn kill(&mut self, client: ClientId) {
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        self.log.count("kill");
        if let Some(place) = client_of.session.place() {
            let was_queued = self.pooler.pool.leave(self.now, client_of.home, place);
            assert!(was_queued, "a session that waits is in the queue");
        }
        let error = error(SqlState::ADMIN_SHUTDOWN, "the operator ends the session");
        let need = client_of.session.end(Ending::Ended, Some(&error));
        self.need(client, need);
        self.carry_out();
    }

    pub(super) fn cancel_arrives(&mut self, id: ServerId) {
        self.log
            .line(self.now, format_args!("cancel arrives at {id}"));
        if !self.rng.happens(self.options.faults.cancel_lost) {
            let backend = self.backends.get_mut(&id).expect("it was opened");
            backend.cancel();
            self.run_backend(id);
        }
        if let Some(client) = self.pooler.holders.get(&id).copied() {
            let server = self.session(client).server();
            server.expect("the holder has it").cancels -= 1;
            self.pump(client);
        } else if let Some(recovering) = self.pooler.returning.get_mut(&id) {
            recovering.returning.server.cancels -= 1;
            self.pump_returning(id);
        } else {
            let is_parked = self.pooler.parked.contains_key(&id);
            assert!(!is_parked, "a cancel arrives at a server that nobody holds");
        }
    }

    pub(super) fn login_end(&mut self, id: ServerId) {
        let now = self.now;
        if self.faulty && self.rng.happens(self.options.faults.login_fails) {
            self.log.count("login fails");
            self.pooler.pool.failed(now, id);
            return self.carry_out();
        }
        let (near, far) = self.net.pair(self.options.server_capacity);
        self.owners.insert(near.id, Owner::Server(id));
        self.owners.insert(far.id, Owner::Backend(id));
        let mut startup = Vec::new();
        let mut parameters = self.pooler.defaults.clone();
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
        self.backends.insert(id, backend);
        let upstream = Upstream::new(parameters);
        let server = Box::new(Server::new(id, near, upstream));
        let home = self.worker();
        self.pooler.parked.insert(id, (server, home));
        let jitter = u32::try_from(self.rng.below(200)).expect("small");
        self.pooler.pool.opened(now, id, home, jitter);
        self.carry_out();
    }

    pub(super) fn sweep(&mut self) {
        let now = self.now;
        self.pooler.pool.tick(now);
        self.carry_out();
        let clients: Vec<_> = self.pooler.sessions.keys().copied().collect();
        for client in clients {
            let limits = self.options.limits;
            let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
                continue;
            };
            if let Some(overdue) = client_of.session.overdue(now, &limits) {
                self.log.count(name(overdue));
                let error = error(SqlState::QUERY_CANCELED, "took too long");
                let need = client_of.session.end(Ending::Ended, Some(&error));
                self.need(client, need);
                self.carry_out();
            }
        }
        for (id, recovering) in &self.pooler.returning {
            let is_late = now - recovering.since >= RECOVERY_MAX;
            assert!(
                !is_late,
                "live: {id} is not cleaned in time: {recovering:?}"
            );
        }
        self.schedule(self.options.sweep, Event::Sweep);
    }

    pub(super) fn check_bounds(&self) {
        let scratch = self.options.scratch;
        for client in self.pooler.sessions.values() {
            let (held, unsent) = client.session.buffered();
            bounded::session(held, unsent, scratch);
        }
        let parked = self.pooler.parked.values().map(|(server, _)| server);
        let returning = self.pooler.returning.values();
        for server in parked.chain(returning.map(|r| &r.returning.server)) {
            let (held, unsent) = server.buffered();
            bounded::server(held, unsent, scratch);
        }
    }

    fn need(&mut self, client: ClientId, need: Need<End>) {
        self.pooler.needs.push_back((client, need));
    }

    fn session(&mut self, client: ClientId) -> &mut Session<End, End> {
        let client = self.pooler.sessions.get_mut(&client);
        &mut client.expect("a holder is there").session
    }

    /// Sees to all needs and carries out all actions.
    fn carry_out(&mut self) {
        loop {
            if let Some(action) = self.pooler.pool.poll_action() {
                self.log.line(self.now, format_args!("    {action:?}"));
                self.act(action);
            } else if let Some((client, need)) = self.pooler.needs.pop_front() {
                self.see_to(client, need);
            } else {
                break;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open(id) => {
                let delay = self.rng.duration(self.options.login);
                self.schedule(delay, Event::LoginEnd(id));
            }
            Action::Close(id, _) => {
                self.pooler.parked.remove(&id);
            }
            Action::Grant {
                client,
                server,
                idle_since,
                place,
                ..
            } => self.grant(client, server, idle_since, place),
            Action::Refuse(client, refusal) => {
                let (sqlstate, name) = match refusal {
                    Refusal::QueueFull => (SqlState::TOO_MANY_CONNECTIONS, "refuse: queue full"),
                    Refusal::Timeout => (SqlState::CANNOT_CONNECT_NOW, "refuse: timeout"),
                    Refusal::LoginFailing => {
                        (SqlState::CANNOT_CONNECT_NOW, "refuse: login failing")
                    }
                };
                self.log.count(name);
                let error = error(sqlstate, "no server for you");
                let need = self.session(client).end(Ending::Ended, Some(&error));
                self.need(client, need);
            }
        }
    }

    fn grant(
        &mut self,
        client: ClientId,
        id: ServerId,
        idle_since: Time,
        place: pgweir_pool::pool::Place,
    ) {
        let (server, home) = self.pooler.parked.remove(&id).expect("it was idle");
        let client_of = self.pooler.sessions.get_mut(&client).expect("it waits");
        if home != client_of.home {
            self.log.count("grant: moved");
            self.net.register(server.stream.id);
        }
        self.pooler.holders.insert(id, client);
        let backend = self.backends.get_mut(&id).expect("it was opened");
        backend.holder = Some(client.0);
        let check = self.now - idle_since >= self.options.check_after;
        let check = check.then_some(CHECK_QUERY);
        if check.is_some() {
            self.log.count("grant: check");
        }
        let scratch = &mut self.pooler.scratch;
        let need = client_of
            .session
            .attach(self.now, server, place, check, scratch);
        self.need(client, need);
        if self.faulty && self.rng.happens(self.options.faults.cancel_early) {
            self.schedule(Duration::from_micros(1), Event::Cancel(client));
        }
    }

    fn see_to(&mut self, client: ClientId, need: Need<End>) {
        let now = self.now;
        if !matches!(need, Need::Nothing) {
            self.log
                .line(now, format_args!("    {client} needs {need:?}"));
        }
        let home = self.pooler.sessions[&client].home;
        match need {
            Need::Nothing => return self.send_due_cancel(client),
            Need::Turn => return self.schedule(Duration::from_micros(1), Event::Turn(client)),
            Need::Checkout => {
                self.log.count("checkout");
                let place = self.pooler.pool.checkout(now, client, home);
                return self.session(client).wait(place);
            }
            Need::Checkin(server) => {
                self.log.count("checkin");
                self.park(server, home);
                if self.rng.happens(self.options.faults.move_client) {
                    let home = self.worker();
                    let client_of = self.pooler.sessions.get_mut(&client);
                    let client_of = client_of.expect("it was just served");
                    client_of.home = home;
                    client_of.session.readable = true;
                }
            }
            Need::Return(returning) => {
                self.log.count("return");
                let id = returning.server.id;
                self.pooler.holders.remove(&id);
                let recovering = Recovering {
                    returning,
                    home,
                    since: now,
                };
                self.pooler.returning.insert(id, recovering);
                self.pump_returning(id);
            }
            Need::Lost(server, place) => {
                let name = if place.is_some() {
                    "lost: requeued"
                } else {
                    "lost"
                };
                self.log.count(name);
                self.pooler.holders.remove(&server.id);
                self.pooler.pool.lost(now, server.id);
                drop(server);
                if let Some(place) = place {
                    self.pooler.pool.requeue(now, client, home, place);
                    return;
                }
            }
            Need::Finish(end) => {
                self.log.count(ending_name(&end));
                let is_broken = matches!(end, Ending::ServerBroken(_));
                assert!(!is_broken, "transparent: {client} ends with {end:?}");
                let is_refused = matches!(end, Ending::Settings(_));
                assert!(
                    !is_refused || self.refused.contains(&client.0),
                    "transparent: {client} had no wrong settings, but ends with {end:?}"
                );
                self.pooler.sessions.remove(&client);
                self.pooler.pool.client_out(now);
                return;
            }
        }
        let pooler = &mut self.pooler;
        let session = &mut pooler
            .sessions
            .get_mut(&client)
            .expect("still there")
            .session;
        let need = session.pump(now, &mut pooler.scratch);
        self.need(client, need);
    }

    /// A clean server waits for its next client.
    fn park(&mut self, server: Box<Server<End>>, home: WorkerId) {
        let id = server.id;
        let backend = self.backends.get_mut(&id).expect("it was opened");
        backend.holder = None;
        let far = backend.end.as_ref().map(|end| end.id);
        let unseen = far.map(|far| self.net.unread(far)).unwrap_or_default();
        let unread = self.net.unread(server.stream.id);
        rest::returned(backend, &unread, &unseen);
        self.pooler.holders.remove(&id);
        self.pooler.parked.insert(id, (server, home));
        self.pooler
            .pool
            .checkin(self.now, id, home, Condition::Clean);
    }

    fn pump_returning(&mut self, id: ServerId) {
        let pooler = &mut self.pooler;
        let recovering = pooler.returning.get_mut(&id).expect("it is returning");
        let next = recovering
            .returning
            .pump(self.options.reset_query, &mut pooler.scratch);
        self.log
            .line(self.now, format_args!("    {id} returning: {next:?}"));
        match next {
            Next::Wait => {}
            Next::Cancel => {
                recovering.returning.server.cancels += 1;
                self.send_cancel(id);
            }
            Next::Clean => {
                let recovering = pooler.returning.remove(&id).expect("looked at above");
                self.log.count("recovery: clean");
                self.park(recovering.returning.server, recovering.home);
            }
            Next::Hopeless => {
                let recovering = pooler.returning.remove(&id).expect("looked at above");
                self.log.count("recovery: hopeless");
                let home = recovering.home;
                let condition = Condition::Dirty;
                drop(recovering);
                self.pooler.pool.checkin(self.now, id, home, condition);
            }
        }
        self.carry_out();
    }

    fn send_cancel(&mut self, id: ServerId) {
        let slow = self.rng.happens(one_in(4));
        let spread = Spread {
            least_us: 10,
            most_us: if slow { 50_000 } else { 1_000 },
        };
        let delay = self.rng.duration(spread);
        self.schedule(delay, Event::CancelArrives(id));
    }

    fn worker(&mut self) -> WorkerId {
        let at = self.rng.below(u64::from(self.options.workers));
        WorkerId(u16::try_from(at).expect("few workers"))
    }
}

fn error(sqlstate: SqlState, message: &str) -> ErrorFields<'_> {
    ErrorFields {
        severity: Severity::Fatal,
        sqlstate,
        message,
        detail: None,
        hint: None,
    }
}

fn name(overdue: Overdue) -> &'static str {
    match overdue {
        Overdue::Query => "overdue: query",
        Overdue::IdleInTransaction => "overdue: idle in transaction",
        Overdue::Transaction => "overdue: transaction",
        Overdue::Idle => "overdue: idle",
    }
}

fn ending_name(end: &Ending) -> &'static str {
    match end {
        Ending::Terminated => "end: terminated",
        Ending::ClientGone => "end: client gone",
        Ending::Violation(_) => "end: violation",
        Ending::ServerGone => "end: server gone",
        Ending::ServerBroken(_) => "end: server broken",
        Ending::Settings(_) => "end: settings",
        Ending::Transaction => "end: transaction",
        Ending::Ended => "end: ended",
    }
}
