//! The clients of a driver: what their sessions need, and who of them is given a server.

use super::outbox::Message;
use super::shell::{Farewell, Platform, PoolOf, ServerStreamOf, SharedPool, Shell};
use super::{Client, Draining, Driver, NeedOf, Policy, Readiness};
use crate::id::{ClientId, ClientRef};
use crate::pool::{Condition, Place, Refusal};
use crate::server::{Home, Server};
use crate::session::{End, Greeted, Need};
use crate::stock::{Answer, Granted, Stock};

impl<S: Shell> Driver<S> {
    /// A client comes to live here.
    pub(super) fn adopt(&mut self, mut client: Box<Client<S::Platform>>) {
        let (slot, generation) = self.clients.reserve();
        let name = ClientRef {
            worker: self.here.0 as u8,
            generation,
            slot,
        };
        self.shell.settled(&client, name.id());
        // Pools may have had new rules while it was on its way from another worker.
        client.heed();
        let home = self.home(slot);
        let watched = self.shell.watch_client(&mut client.session.client, home);
        let need = match watched {
            Err(_) => client.session.end(End::ClientGone, None),
            Ok(()) if self.draining == Some(Draining::Clients) => {
                self.bid_farewell(&mut client, Farewell::Shutdown)
            }
            Ok(()) => self.pump(&mut client),
        };
        self.drive(slot, client, need);
    }

    /// The client's stream became ready.
    pub(super) fn client_ready(&mut self, slot: u32, readiness: Readiness) {
        let Some(mut client) = self.clients.take(slot) else {
            return;
        };
        let Readiness { readable, hung_up } = readiness;
        client.session.ready(readable, hung_up);
        let need = match client.session.place() {
            Some(place) if hung_up => {
                self.leave_queue(&client.pool, place);
                client.session.end(End::ClientGone, None)
            }
            _ => self.pump(&mut client),
        };
        self.drive(slot, client, need);
    }

    /// Something happened for the client, or it is its turn again.
    pub(super) fn pump_client(&mut self, slot: u32) {
        if let Some(mut client) = self.clients.take(slot) {
            let need = self.pump(&mut client);
            self.drive(slot, client, need);
        }
    }

    /// Sees to what a session needs until it needs nothing, then puts the client back.
    pub(super) fn drive(
        &mut self,
        slot: u32,
        mut client: Box<Client<S::Platform>>,
        mut need: NeedOf<S>,
    ) {
        loop {
            need = match need {
                Need::Nothing | Need::Turn if self.is_to_leave(&client) => {
                    self.bid_farewell(&mut client, Farewell::Shutdown)
                }
                Need::Nothing => break,
                Need::Turn => {
                    self.turns.insert(slot);
                    break;
                }
                Need::Checkout if self.draining.is_some() => {
                    self.bid_farewell(&mut client, Farewell::Shutdown)
                }
                Need::Checkout => match self.check_out(slot, &mut client) {
                    Some(need) => need,
                    None => break,
                },
                Need::Greeted(Greeted { accepted, process }) => {
                    let note = |setting| client.pool.with(|stock| stock.known.note(setting));
                    accepted.into_iter().for_each(note);
                    if let Some(pid) = process {
                        self.shell.told(&client, pid);
                    }
                    self.pump(&mut client)
                }
                Need::Vacate(databases) => {
                    for database in databases {
                        self.vacate(&client, &database);
                    }
                    self.pump(&mut client)
                }
                Need::Checkin(mut server) => {
                    self.shell.observe(&client, &mut server);
                    self.check_in(&client.pool, server, Condition::Clean);
                    if self.is_to_leave(&client) {
                        self.bid_farewell(&mut client, Farewell::Shutdown)
                    } else if self.moves_away() {
                        self.send_away(slot, client);
                        return;
                    } else {
                        self.pump(&mut client)
                    }
                }
                Need::Return(mut returning) => {
                    self.shell.observe(&client, &mut returning.server);
                    self.take_back(&client.pool, returning);
                    self.pump(&mut client)
                }
                Need::Lost(mut server, None) => {
                    self.shell.observe(&client, &mut server);
                    self.lose(&client.pool, server);
                    self.pump(&mut client)
                }
                Need::Lost(server, Some(_)) if self.draining.is_some() => {
                    self.lose(&client.pool, server);
                    self.bid_farewell(&mut client, Farewell::Shutdown)
                }
                Need::Lost(server, Some(place)) => {
                    match self.lose_and_requeue(slot, &mut client, server, place) {
                        Some(need) => need,
                        None => break,
                    }
                }
                Need::Finish(end) => {
                    self.finish(slot, &client, &end);
                    return;
                }
            };
        }
        self.send_due_cancel(&mut client);
        self.clients.put(slot, client);
    }

    /// Asks the pool for a server; `None` when the client has to wait.
    fn check_out(&mut self, slot: u32, client: &mut Client<S::Platform>) -> Option<NeedOf<S>> {
        let (id, home, now) = (self.name(slot).id(), self.here, self.now);
        let answer = self
            .outbox
            .decide(&*self.shell, &client.pool, now, |stock| {
                stock.check_out(now, id, home)
            });
        if let Answer::Waits(place) = answer {
            client.session.wait(place);
        }
        self.answered(slot, client, answer)
    }

    /// A client needs a database for itself: pools give up servers to it that nobody uses.
    fn vacate(&mut self, client: &Client<S::Platform>, database: &[u8]) {
        for pool in self.shell.pools_of_database(client, database) {
            let now = self.now;
            let vacate = |stock: &mut Stock<_>| stock.core.vacate(now);
            self.outbox.decide(&*self.shell, &pool, now, vacate);
        }
    }

    /// A server died under a client that had sent it nothing: back to the same place.
    fn lose_and_requeue(
        &mut self,
        slot: u32,
        client: &mut Client<S::Platform>,
        mut server: Box<Server<ServerStreamOf<S>>>,
        place: Place,
    ) -> Option<NeedOf<S>> {
        self.let_go(&server);
        let (id, home, now) = (self.name(slot).id(), self.here, self.now);
        let answer = self
            .outbox
            .decide(&*self.shell, &client.pool, now, |stock| {
                stock.lost(now, &mut server);
                stock.requeue(now, id, home, place)
            });
        self.outbox.close(&*self.shell, now, server, None);
        self.answered(slot, client, answer)
    }

    fn answered(
        &mut self,
        slot: u32,
        client: &mut Client<S::Platform>,
        answer: Answer<ServerStreamOf<S>>,
    ) -> Option<NeedOf<S>> {
        match answer {
            Answer::Granted(granted) => Some(self.attach(slot, client, granted)),
            Answer::Waits(_) => None,
            Answer::Refused(refusal) => Some(self.bid_farewell(client, Farewell::Refused(refusal))),
        }
    }

    fn attach(
        &mut self,
        slot: u32,
        client: &mut Client<S::Platform>,
        granted: Granted<ServerStreamOf<S>>,
    ) -> NeedOf<S> {
        let Granted {
            mut server,
            place,
            check,
            ..
        } = granted;
        if self.move_in(&mut server, &client.pool, slot).is_err() {
            self.lose(&client.pool, server);
            return self.bid_farewell(client, Farewell::Unwatched);
        }
        let check = check.then_some(client.policy.check_query.as_str());
        client
            .session
            .attach(self.now, server, place, check, &mut self.scratch)
    }

    /// A client that waited was granted a server, as another client or the control plane caused.
    pub(super) fn granted(&mut self, pool: &PoolOf<S>, mut granted: Granted<ServerStreamOf<S>>) {
        let name = ClientRef::from(granted.client);
        let waiting = self.take_client(name);
        match waiting {
            Some(mut client) if client.session.place() == Some(granted.place) => {
                let need = self.attach(name.slot, &mut client, granted);
                return self.drive(name.slot, client, need);
            }
            Some(client) => self.clients.put(name.slot, client),
            None => {}
        }
        // The client went away while the server was on its way to it. What the server said
        // meanwhile brought an event that found nobody; its end shows behind that.
        let server = &mut granted.server;
        let is_alive = (0..2).all(|_| {
            server.look_again();
            server.drain(&mut self.scratch)
        });
        if is_alive && server.is_reusable() {
            self.check_in(pool, granted.server, Condition::Clean);
        } else {
            self.lose(pool, granted.server);
        }
    }

    /// The pool refused a client that waited.
    pub(super) fn refused(&mut self, client: ClientId, place: Place, refusal: Refusal) {
        let name = ClientRef::from(client);
        let Some(mut client) = self.take_client(name) else {
            return;
        };
        if client.session.place() != Some(place) {
            // The refusal was of an earlier wait, which was cancelled meanwhile.
            return self.clients.put(name.slot, client);
        }
        let need = self.bid_farewell(&mut client, Farewell::Refused(refusal));
        self.drive(name.slot, client, need);
    }

    /// Pools have new rules.
    pub(super) fn reloaded(&mut self) {
        for client in self.clients.iter_mut() {
            client.heed();
        }
    }

    fn finish(&mut self, slot: u32, client: &Client<S::Platform>, end: &End) {
        // The system forgets a socket that is closed.
        self.clients.free(slot);
        let now = self.now;
        self.outbox
            .decide(&*self.shell, &client.pool, now, |stock| {
                stock.core.client_out(now);
            });
        self.shell.left(client, end);
    }

    /// Whether the client, which has just given its server back, should live on another worker from
    /// now on.
    fn moves_away(&mut self) -> bool {
        match &mut self.leaving {
            Some((_, quota)) if *quota > 0 && !self.suspended => {
                *quota -= 1;
                true
            }
            _ => false,
        }
    }

    fn send_away(&mut self, slot: u32, mut client: Box<Client<S::Platform>>) {
        let (to, _) = self.leaving.expect("decided just now");
        let home = self.home(slot);
        // If it cannot be taken out here it cannot be heard there, and ends as that.
        // What there is to read then brings an event there, as whatever is watched anew does.
        let _ = self.shell.unwatch_client(&mut client.session.client, home);
        self.clients.free(slot);
        self.turns.remove(&slot);
        self.outbox.send(to, Message::Adopt(client));
    }

    /// If the client was granted a server in this moment, `granted` finds nobody and gives it back.
    pub(super) fn leave_queue(&mut self, pool: &PoolOf<S>, place: Place) {
        let (home, now) = (self.here, self.now);
        self.outbox.decide(&*self.shell, pool, now, |stock| {
            stock.core.leave(now, home, place)
        });
    }

    /// Gives a server back to its pool.
    pub(super) fn check_in(
        &mut self,
        pool: &PoolOf<S>,
        mut server: Box<Server<ServerStreamOf<S>>>,
        mut condition: Condition,
    ) {
        if self.park(&mut server, pool).is_err() {
            condition = Condition::Dirty;
        }
        if condition == Condition::Clean {
            self.shell.checked_in(pool, &server);
        }
        let (home, now) = (self.here, self.now);
        self.outbox.decide(&*self.shell, pool, now, |stock| {
            stock.check_in(now, server, home, condition);
        });
    }

    /// Takes a client out of its slot, if it still lives there.
    pub(super) fn take_client(&mut self, name: ClientRef) -> Option<Box<Client<S::Platform>>> {
        if !self.is(name) {
            return None;
        }
        self.clients.take(name.slot)
    }

    pub(super) fn home(&self, slot: u32) -> Home {
        Home {
            worker: self.here,
            slot,
        }
    }

    fn name(&self, slot: u32) -> ClientRef {
        ClientRef {
            worker: self.here.0 as u8,
            generation: self.clients.generation(slot).expect("a slot in use"),
            slot,
        }
    }

    /// Whether `name` is still the client it was.
    pub(super) fn is(&self, name: ClientRef) -> bool {
        let generation = self.clients.generation(name.slot);
        generation.is_some_and(|generation| ClientRef { generation, ..name }.id() == name.id())
    }
}

impl<P: Platform> Client<P> {
    /// Lives by the rules that its pool has at this moment.
    fn heed(&mut self) {
        self.policy = self.pool.policy();
        self.session.thresholds = self.policy.thresholds;
        self.session.reset_always = self.policy.reset_always;
        self.session.relay.share(self.policy.statements_max);
        self.session.relay.reject(self.policy.rejects_state);
        self.session.relay.audit_interval = self.policy.audit_interval;
        let Policy {
            takes_queries,
            message_max,
            ..
        } = *self.policy;
        self.session.relay.take_only(takes_queries, message_max);
    }
}
