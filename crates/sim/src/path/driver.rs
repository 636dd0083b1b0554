//! What the proxy's driver does around the production code: it owns sessions, parked and returning
//! servers and the pool, brings events to them, and sees to their needs.
//!
//! Events come in by way of `clients` and `servers`; what they lead to, needs of sessions and actions
//! of the pool, is carried out here.

mod clients;
mod servers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::pool::{Action, Pool, Refusal};
use pgweir_pool::server::{Returning, Server};
use pgweir_pool::session::{End as Ending, Fault, Need, Overdue, Sentences, Session};
use pgweir_pool::time::Time;
use pgweir_wire::encode::{ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use super::check::bounded;
use super::client::WAIT_CANCELED;
use super::options::Options;
use super::settings::REPORTED;
use super::stream::End;
use super::{Event, World};

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
                    client_of.session.look_again();
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
        Ending::ServerGone { .. } => "end: server gone",
        Ending::ServerBroken(_) => "end: server broken",
        Ending::Settings(_) => "end: settings",
        Ending::Transaction => "end: transaction",
        Ending::Ended => "end: ended",
    }
}
