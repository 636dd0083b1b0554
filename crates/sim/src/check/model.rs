//! What an omniscient observer knows about one pool, in the simplest form: it is told what
//! happened and what the pool did, and decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{Action, Bounds, Condition, Failure, Grant, Place, VACANT, VACATE_PAUSE};
use pgweir_pool::time::Time;

use super::input::{Answer, Input};

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Opening,
    /// `turn` grows with each server that becomes idle.
    Idle {
        since: Time,
        home: WorkerId,
        turn: u64,
    },
    Held(ClientId),
    /// Returned, and not fit for use.
    Dirty,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) state: State,
    opened: Time,
    jitter_permille: u32,
    pub(crate) used: bool,
    pub(crate) retired: bool,
}

/// A client in the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    pub(crate) client: ClientId,
    pub(crate) home: WorkerId,
    pub(crate) since: Time,
    /// Grows with each checkout.
    turn: u64,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) now: Time,
    pub(crate) bounds: Bounds,
    pub(crate) servers: BTreeMap<ServerId, Server>,
    /// Oldest first.
    pub(crate) queue: Vec<Waiter>,
    /// When each client last asked for a server, in which turn, and the place it was given.
    pub(crate) asked: BTreeMap<ClientId, (Time, u64, Place)>,
    pub(crate) clients: u32,
    /// Someone waits for the first server to tell its parameters.
    pub(crate) warm: bool,
    pub(crate) denied: bool,
    /// Until when no login is tried, because one failed.
    pub(crate) retry_at: Option<Time>,
    /// What that one said of the next.
    failure: Failure,
    /// A connection was promised to another pool and not given yet.
    pub(crate) promised: bool,
    /// When its database was wanted last, and whether that is not seen to yet.
    vacated: Option<Time>,
    vacate_again: bool,
    /// Nothing is opened or given out.
    pub(crate) paused: bool,
    turns: u64,
}

impl Model {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            now: Time(0),
            bounds,
            servers: BTreeMap::new(),
            queue: Vec::new(),
            asked: BTreeMap::new(),
            clients: 0,
            warm: false,
            denied: false,
            retry_at: None,
            failure: Failure::Passing,
            promised: false,
            vacated: None,
            vacate_again: false,
            paused: false,
            turns: 0,
        }
    }

    /// Takes in what happened.
    pub(crate) fn input(&mut self, input: &Input, answer: Answer) {
        self.turns += 1;
        match *input {
            Input::Checkout { client, home } => {
                if let Some(place) = answer.place() {
                    self.asked.insert(client, (self.now, self.turns, place));
                    self.enqueue(client, home);
                }
            }
            Input::Requeue { client, home, .. } => {
                if answer.place().is_some() {
                    self.enqueue(client, home);
                }
            }
            Input::Leave { client, .. } => self.queue.retain(|w| w.client != client),
            Input::Opened {
                server,
                home,
                jitter_permille,
            } => {
                let state = self.idle_state(home);
                let now = self.now;
                let server = self.server(server);
                server.state = state;
                server.opened = now;
                server.jitter_permille = jitter_permille;
                if !server.retired {
                    self.retry_at = None;
                }
                self.warm = false;
            }
            Input::Failed(id, failure) => {
                let server = self.servers.remove(&id).expect("a login that was begun");
                if self.paused {
                    return;
                }
                if !server.retired {
                    self.retry_at = Some(self.now + self.bounds.login_retry);
                    self.failure = failure;
                }
                self.warm = false;
            }
            Input::Denied(id) => {
                self.servers.remove(&id);
                self.denied = true;
            }
            Input::BudgetFreed => self.denied = false,
            Input::Checkin {
                server,
                home,
                condition,
            } => {
                let state = match condition {
                    Condition::Clean => self.idle_state(home),
                    Condition::Dirty => State::Dirty,
                };
                self.server(server).state = state;
            }
            Input::Lost(id) => {
                self.servers.remove(&id);
                self.promised = false;
            }
            Input::ClientIn => self.clients += 1,
            Input::ClientOut => self.clients -= 1,
            Input::Warm => self.warm |= answer.is_true() && self.open() == 0,
            Input::Tick if self.vacate_again => self.vacate(),
            Input::Tick => {}
            Input::Vacate => self.vacate(),
            Input::Pause => self.paused = true,
            Input::Resume => {
                if self.paused {
                    self.retry_at = None;
                }
                self.paused = false;
            }
            Input::SetBounds(ref bounds) => self.bounds = bounds.clone(),
            Input::Retire => {
                for server in self.servers.values_mut() {
                    server.retired = true;
                }
                self.retry_at = None;
            }
            Input::Surrender => {
                self.promised |= answer.is_true() && self.idle().next().is_none();
            }
        }
    }

    fn vacate(&mut self) {
        self.vacate_again = self.is_within(VACATE_PAUSE);
        if self.vacate_again {
            return;
        }
        self.vacated = Some(self.now);
        for server in self.servers.values_mut() {
            server.retired = true;
        }
    }

    /// Whether its database was wanted less than `time` ago.
    fn is_within(&self, time: Duration) -> bool {
        self.vacated.is_some_and(|at| self.now < at + time)
    }

    /// Takes in what the pool did.
    pub(crate) fn action(&mut self, action: &Action) {
        match *action {
            Action::Open(id) => {
                let server = Server {
                    state: State::Opening,
                    opened: self.now,
                    jitter_permille: 0,
                    used: false,
                    retired: false,
                };
                self.servers.insert(id, server);
            }
            Action::Close(id, _) => {
                self.servers.remove(&id);
                self.promised = false;
            }
            Action::Grant(Grant { client, server, .. }) => {
                self.queue.retain(|w| w.client != client);
                let server = self.server(server);
                server.state = State::Held(client);
                server.used = true;
            }
            Action::Refuse(client, ..) => self.queue.retain(|w| w.client != client),
        }
    }

    /// Open and opening servers.
    pub(crate) fn total(&self) -> usize {
        self.servers.len()
    }

    pub(crate) fn opening(&self) -> usize {
        let opening = |s: &&Server| s.state == State::Opening;
        self.servers.values().filter(opening).count()
    }

    /// Servers that are logged in.
    pub(crate) fn open(&self) -> usize {
        self.total() - self.opening()
    }

    /// Idle servers: which, since when, where, and in which turn they became so.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (ServerId, Time, WorkerId, u64)> + '_ {
        self.servers.iter().filter_map(|(&id, s)| match s.state {
            State::Idle { since, home, turn } => Some((id, since, home, turn)),
            State::Opening | State::Held(_) | State::Dirty => None,
        })
    }

    pub(crate) fn waiter(&self, client: ClientId) -> Option<&Waiter> {
        self.queue.iter().find(|w| w.client == client)
    }

    /// The waiter that came first among those of one worker.
    pub(crate) fn oldest_at(&self, home: WorkerId) -> Option<&Waiter> {
        self.queue.iter().find(|w| w.home == home)
    }

    /// Whether the server's life is over.
    pub(crate) fn is_expired(&self, server: &Server) -> bool {
        let life = self.bounds.lifetime;
        if life.is_zero() {
            return server.used;
        }
        server.opened + (life - life / 1000 * server.jitter_permille) <= self.now
    }

    /// Whether the pause after a failed login is not over.
    pub(crate) fn is_retry_pause(&self) -> bool {
        self.retry_at.is_some_and(|at| self.now < at)
    }

    /// Whether a client that comes has nothing to wait for, because logins fail.
    pub(crate) fn is_login_failing(&self) -> bool {
        let is_of_use = |server: &Server| !server.retired;
        !self.paused
            && self.is_retry_pause()
            && self.failure == Failure::Final
            && !self.servers.values().any(is_of_use)
    }

    /// Servers that stay open although nobody uses them.
    pub(crate) fn kept(&self) -> usize {
        if self.clients == 0 && !self.bounds.keeps_min_unused {
            return 0;
        }
        self.bounds.size_min as usize
    }

    /// Servers that may be open now, with the reserve if the oldest waiter has waited for it.
    pub(crate) fn limit(&self) -> usize {
        let reserve_due = self
            .queue
            .first()
            .is_some_and(|w| w.since + self.bounds.reserve_after <= self.now);
        let reserve = if reserve_due {
            self.bounds.reserve_max
        } else {
            0
        };
        self.bounds.size_max as usize + reserve as usize
    }

    /// Whether there is someone or something to open one more server for.
    pub(crate) fn needs_server(&self) -> bool {
        self.queue.len() > self.opening()
            || (self.total() < self.kept() && !self.is_within(VACANT))
            || (self.warm && self.total() == 0)
    }

    fn enqueue(&mut self, client: ClientId, home: WorkerId) {
        let (since, turn, _) = self.asked[&client];
        let waiter = Waiter {
            client,
            home,
            since,
            turn,
        };
        let at = self.queue.partition_point(|w| w.turn < turn);
        self.queue.insert(at, waiter);
    }

    fn idle_state(&self, home: WorkerId) -> State {
        State::Idle {
            since: self.now,
            home,
            turn: self.turns,
        }
    }

    fn server(&mut self, id: ServerId) -> &mut Server {
        self.servers.get_mut(&id).expect("a server that is open")
    }
}
