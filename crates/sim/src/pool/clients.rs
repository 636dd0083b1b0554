//! Clients: they log in, run transactions, lose patience, and leave.

use std::time::Duration;

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{Checkout, Condition, Place};

use super::options::{BACK_OFF, CHECK};
use super::{Event, Phase, World};
use crate::check::{Answer, Input};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not connected.
    Away,
    /// Logged in, and not greeted before a server told its parameters.
    Greeting,
    /// Between two transactions.
    Ready,
    /// Asked for a server.
    Waiting,
    /// Has a server.
    Holding(ServerId),
}

#[derive(Debug)]
pub(super) struct Client {
    pool: usize,
    home: WorkerId,
    state: State,
    /// The place of the last checkout.
    place: Option<Place>,
    /// It was refused, so its next pause is longer.
    back_off: bool,
    /// Counts changes of state, so that an event knows whether it came too late.
    turn: u32,
}

impl Client {
    pub(super) fn new(pool: usize, home: WorkerId) -> Self {
        Self {
            pool,
            home,
            state: State::Away,
            place: None,
            back_off: false,
            turn: 0,
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.state == State::Away
    }
}

impl World {
    pub(super) fn arrive(&mut self, id: ClientId) {
        if self.phase == Phase::Drain {
            return;
        }
        let at = self.client(id).pool;
        self.client(id).state = State::Greeting;
        self.tell(at, Input::ClientIn);
        if self.sites[at].parameters_known {
            self.greet(id);
            return;
        }
        // Before the pool is asked: its answer may be a login that ends at once.
        let now = self.now;
        self.sites[at].greeting.push((id, now));
        if !self.tell(at, Input::Warm).is_true() {
            self.sites[at].greeting.retain(|&(client, _)| client != id);
            self.turn_away(id);
        }
    }

    /// A client is not greeted, because logins fail.
    pub(super) fn turn_away(&mut self, id: ClientId) {
        self.client(id).back_off = true;
        self.log_out(id);
    }

    /// A client may begin its work.
    pub(super) fn greet(&mut self, id: ClientId) {
        self.become_ready(id);
    }

    pub(super) fn ask(&mut self, id: ClientId) {
        if self.client(id).state != State::Ready || self.phase == Phase::Drain {
            return;
        }
        if self.rng.happens(self.options.change_worker) {
            let home = self.worker();
            self.client(id).home = home;
        }
        let client = self.client(id);
        let (at, home) = (client.pool, client.home);
        client.state = State::Waiting;
        client.turn += 1;
        let turn = client.turn;
        let checkout = Input::Checkout { client: id, home };
        let answer = self.tell(at, checkout);
        if let Answer::Checkout(Checkout::Refused(_)) = answer {
            return self.refused(id);
        }
        let place = answer.place();
        self.client(id).place = place;
        if self.rng.happens(self.options.hang_up) {
            let delay = self.rng.duration(self.options.patience);
            self.schedule(delay, Event::HangUp(id, turn));
        }
    }

    /// A client that waits goes away. It may have got its server in this moment: then the pool
    /// says that it was not queued, and the session goes on.
    pub(super) fn hang_up(&mut self, id: ClientId, turn: u32) {
        let waits = self.client(id).turn == turn;
        let late = self.rng.happens(self.options.leave_late);
        let client = self.client(id);
        let Some(place) = client.place.filter(|_| waits || late) else {
            return;
        };
        let (at, home) = (client.pool, client.home);
        if client.state == State::Waiting && !waits {
            // In a later transaction by now, with another place.
            return;
        }
        let leave = Input::Leave {
            client: id,
            home,
            place,
        };
        if self.tell(at, leave).is_true() {
            self.finish(id);
        }
    }

    pub(super) fn granted(&mut self, id: ClientId, server: ServerId, place: Place) {
        let faulty = self.phase == Phase::Faults;
        let client = self.client(id);
        client.state = State::Holding(server);
        client.place = Some(place);
        client.turn += 1;
        let turn = client.turn;
        if faulty && self.rng.happens(self.options.dead) {
            let delay = self.rng.duration(CHECK);
            self.schedule(delay, Event::Dead(id, turn));
        } else {
            let delay = self.rng.duration(self.options.hold);
            self.schedule(delay, Event::Return(id, turn));
        }
    }

    /// A client that is refused takes a break, or most of a run would be refusals.
    pub(super) fn refused(&mut self, id: ClientId) {
        self.client(id).back_off = true;
        self.finish(id);
    }

    pub(super) fn give_back(&mut self, id: ClientId, turn: u32) {
        let Some((at, server)) = self.holding(id, turn) else {
            return;
        };
        let faulty = self.phase == Phase::Faults;
        if faulty && self.rng.happens(self.options.lost_in_use) {
            self.tell(at, Input::Lost(server));
            self.gone(at, server);
        } else {
            let dirty = faulty && self.rng.happens(self.options.dirty);
            let checkin = Input::Checkin {
                server,
                home: self.client(id).home,
                condition: if dirty {
                    Condition::Dirty
                } else {
                    Condition::Clean
                },
            };
            self.tell(at, checkin);
        }
        self.finish(id);
    }

    /// No byte of the client's went to the server: the client waits on, in its old place.
    pub(super) fn find_dead(&mut self, id: ClientId, turn: u32) {
        let Some((at, server)) = self.holding(id, turn) else {
            return;
        };
        self.tell(at, Input::Lost(server));
        self.gone(at, server);
        let client = self.client(id);
        client.state = State::Waiting;
        client.turn += 1;
        let (turn, home) = (client.turn, client.home);
        let place = client.place.expect("a grant names the place");
        let requeue = Input::Requeue {
            client: id,
            home,
            place,
        };
        let answer = self.tell(at, requeue);
        if let Answer::Checkout(Checkout::Refused(_)) = answer {
            return self.refused(id);
        }
        if self.rng.happens(self.options.hang_up) {
            let delay = self.rng.duration(self.options.patience);
            self.schedule(delay, Event::HangUp(id, turn));
        }
    }

    pub(super) fn log_out(&mut self, id: ClientId) {
        let client = self.client(id);
        let at = client.pool;
        client.state = State::Away;
        client.turn += 1;
        self.tell(at, Input::ClientOut);
        let pause = self.pause(id);
        self.schedule(pause, Event::Arrive(id));
    }

    /// The last phase begins: who is idle leaves, the others when they are done.
    pub(super) fn send_home(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].state == State::Ready {
                self.log_out(ClientId(at as u64));
            }
        }
    }

    /// A transaction is over, one way or the other.
    fn finish(&mut self, id: ClientId) {
        if self.phase == Phase::Drain || self.rng.happens(self.options.log_out) {
            self.log_out(id);
        } else {
            self.become_ready(id);
        }
    }

    fn become_ready(&mut self, id: ClientId) {
        if self.phase == Phase::Drain {
            self.log_out(id);
            return;
        }
        let client = self.client(id);
        client.state = State::Ready;
        client.turn += 1;
        let pause = self.pause(id);
        self.schedule(pause, Event::Ask(id));
    }

    fn pause(&mut self, id: ClientId) -> Duration {
        let think = self.rng.duration(self.options.think);
        if std::mem::take(&mut self.client(id).back_off) {
            return think + self.rng.duration(BACK_OFF);
        }
        think
    }

    /// The pool and the server of a client that holds one since `turn`.
    fn holding(&mut self, id: ClientId, turn: u32) -> Option<(usize, ServerId)> {
        let client = self.client(id);
        let State::Holding(server) = client.state else {
            return None;
        };
        (client.turn == turn).then_some((client.pool, server))
    }

    fn client(&mut self, ClientId(at): ClientId) -> &mut Client {
        &mut self.clients[usize::try_from(at).expect("clients are numbered from zero")]
    }
}
