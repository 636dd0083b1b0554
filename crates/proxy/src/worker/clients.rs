//! The clients of a worker: their sessions, and what these need.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::Token;
use mio::event::Event;
use pgweir_pool::id::ClientId;
use pgweir_pool::pool::{Condition, Place, Refusal};
use pgweir_pool::session::{End, Need, Session};
use pgweir_pool::time::Time;
use pgweir_pool::waits::Cause;
use pgweir_wire::sqlstate::SqlState;
use tracing::{info, warn};

use super::Worker;
use super::endings::{end_with, rests};
use crate::effects::{ClientRef, Effect, Grant};
use crate::insight::Author;
use crate::link::{Link, Server};
use crate::outbox::{Message, Outbox};
use crate::pool_handle::{PoolHandle, Settings};
use crate::socket::Socket;
use crate::texts::{self, ClientError};

/// A client that has logged in.
pub(crate) struct Client {
    pub(crate) session: Session<Socket, Link>,
    pub(crate) pool: Arc<PoolHandle>,
    /// As of the last reload.
    pub(crate) settings: Arc<Settings>,
    /// Its number for cancel requests.
    pub(crate) pid: u32,
    /// `None` over a unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// When it got the server with which it was told of as a leak.
    pub(crate) leak_since: Option<Time>,
}

impl Client {
    pub(super) fn author(&self) -> Author {
        let application = self.session.relay.parameters.value("application_name");
        Author::new(&self.pool, self.pid, application)
    }
}

impl Worker {
    /// A client comes to live here.
    pub(super) fn adopt(&mut self, mut client: Box<Client>) {
        let (slot, generation) = self.clients.reserve();
        let own = &self.registry.workers[self.id.index()];
        own.clients.fetch_add(1, Ordering::Relaxed);
        let name = ClientRef {
            worker: self.id.0 as u8,
            generation,
            slot,
        };
        self.registry.client_moved(client.pid, name);
        let token = Token((slot as usize) << 1);
        let registered = client.session.client.register(self.poll.registry(), token);
        let need = match registered {
            Err(error) => {
                warn!(%error, "client socket cannot be watched");
                client.session.end(End::ClientGone, None)
            }
            Ok(()) if self.draining => end_with(&mut client, &texts::shutting_down()),
            Ok(()) => client.session.pump(self.now, &mut self.scratch),
        };
        self.drive(slot, client, need);
    }

    /// The client's stream became ready.
    pub(super) fn client_ready(&mut self, slot: u32, event: &Event) {
        let Some(mut client) = self.clients.take(slot) else {
            return;
        };
        let hung_up = event.is_read_closed() || event.is_error();
        client.session.ready(event.is_readable(), hung_up);
        let need = match client.session.place() {
            Some(place) if hung_up => {
                self.leave_queue(&client.pool, place);
                client.session.end(End::ClientGone, None)
            }
            _ => client.session.pump(self.now, &mut self.scratch),
        };
        self.drive(slot, client, need);
    }

    /// Something happened for the client, or it is its turn again.
    pub(super) fn pump_client(&mut self, slot: u32) {
        if let Some(mut client) = self.clients.take(slot) {
            let need = client.session.pump(self.now, &mut self.scratch);
            self.drive(slot, client, need);
        }
    }

    /// Sees to what a session needs until it needs nothing, then puts the client back.
    pub(super) fn drive(&mut self, slot: u32, mut client: Box<Client>, mut need: Need<Link>) {
        loop {
            need = match need {
                Need::Nothing | Need::Turn if self.draining && rests(&client) => {
                    end_with(&mut client, &texts::shutting_down())
                }
                Need::Nothing => break,
                Need::Turn => {
                    self.turns.insert(slot);
                    break;
                }
                Need::Checkout if self.draining => end_with(&mut client, &texts::shutting_down()),
                Need::Checkout => match self.check_out(slot, &mut client) {
                    Some(grant) => self.attach(slot, &mut client, grant),
                    None => break,
                },
                Need::Checkin(mut server) => {
                    self.look_into(&client, &mut server);
                    self.check_in(&client.pool.clone(), server, Condition::Clean);
                    if self.draining && rests(&client) {
                        end_with(&mut client, &texts::shutting_down())
                    } else if self.moves_away(&client) {
                        self.send_away(slot, client);
                        return;
                    } else {
                        client.session.pump(self.now, &mut self.scratch)
                    }
                }
                Need::Return(mut returning) => {
                    self.look_into(&client, &mut returning.server);
                    self.take_back(&client.pool.clone(), returning);
                    client.session.pump(self.now, &mut self.scratch)
                }
                Need::Lost(mut server, None) => {
                    self.look_into(&client, &mut server);
                    self.lose(&client.pool.clone(), server);
                    client.session.pump(self.now, &mut self.scratch)
                }
                Need::Lost(server, Some(place)) => {
                    match self.lose_and_requeue(slot, &client, server, place) {
                        Some(grant) => self.attach(slot, &mut client, grant),
                        None => break,
                    }
                }
                Need::Finish(end) => {
                    self.finish(slot, &client, &end);
                    return;
                }
            };
        }
        if let Some(server) = client.session.due_cancel() {
            self.send_cancel(server, None);
        }
        self.clients.put(slot, client);
    }

    /// Asks the pool for a server: granted at once, or the client waits.
    fn check_out(&mut self, slot: u32, client: &mut Client) -> Option<Grant> {
        let (id, home, now) = (self.name(slot).id(), self.id, self.now);
        let place = client.pool.decide(now, &mut self.effects, |shared| {
            shared.core.checkout(now, id, home)
        });
        client.session.wait(place);
        self.own_grant(id, &client.pool)
    }

    /// A server died under a client that had sent it nothing: back to the same place.
    fn lose_and_requeue(
        &mut self,
        slot: u32,
        client: &Client,
        server: Box<Server>,
        place: Place,
    ) -> Option<Grant> {
        self.let_go(&server);
        let (client_id, home, now) = (self.name(slot).id(), self.id, self.now);
        client.pool.decide(now, &mut self.effects, |shared| {
            shared.core.lost(now, server.id);
            shared.core.requeue(now, client_id, home, place);
        });
        let grant = self.own_grant(client_id, &client.pool);
        self.registry.close(server, &mut self.outbox);
        grant
    }

    /// Takes what was found out about the client's statements.
    fn look_into(&self, client: &Client, server: &mut Server) {
        let trace = &mut server.upstream.observer.trace;
        self.registry
            .insight
            .take(&client.pool, server.id, trace, || client.author());
    }

    /// Takes the grant for `client` out of the effects, and has the others carried out.
    fn own_grant(&mut self, client: ClientId, pool: &Arc<PoolHandle>) -> Option<Grant> {
        let is_own = |effect: &Effect| matches!(effect, Effect::Grant(g) if g.client == client);
        let own = self
            .effects
            .iter()
            .position(is_own)
            .map(|at| self.effects.remove(at));
        if !self.effects.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            self.registry
                .carry_out(pool, &mut effects, &mut self.outbox);
            self.effects = effects;
        }
        match own {
            Some(Effect::Grant(grant)) => Some(grant),
            _ => None,
        }
    }

    fn attach(&mut self, slot: u32, client: &mut Client, grant: Grant) -> Need<Link> {
        let Grant {
            mut server,
            place,
            check,
            ..
        } = grant;
        if let Err(error) = self.move_in(&mut server, &client.pool, slot) {
            warn!(%error, "server socket cannot be watched");
            self.lose(&client.pool.clone(), server);
            let error = ClientError::new(
                SqlState::INTERNAL_ERROR,
                "a server connection could not be watched",
            );
            return end_with(client, &error);
        }
        let check = check.then_some(client.settings.config.server_check_query.as_str());
        client
            .session
            .attach(self.now, server, place, check, &mut self.scratch)
    }

    /// A server was granted by another thread, or by another client of this one.
    pub(super) fn granted(&mut self, pool: &Arc<PoolHandle>, grant: Grant) {
        let name = ClientRef::from(grant.client);
        let waits = self.is(name)
            && self
                .clients
                .get(name.slot)
                .is_some_and(|c| c.session.place() == Some(grant.place));
        if !waits {
            // The client went away while the server was on its way to it. What the server said
            // meanwhile brought an event that found nobody; its end shows behind that.
            let mut server = grant.server;
            let is_alive = (0..2).all(|_| {
                server.look_again();
                server.drain(&mut self.scratch)
            });
            if is_alive && server.is_reusable() {
                self.check_in(pool, server, Condition::Clean);
            } else {
                self.lose(pool, server);
            }
            return;
        }
        let mut client = self.clients.take(name.slot).expect("looked at above");
        let need = self.attach(name.slot, &mut client, grant);
        self.drive(name.slot, client, need);
    }

    /// The pool refused the client a server.
    pub(super) fn refused(&mut self, client: ClientId, refusal: Refusal) {
        let name = ClientRef::from(client);
        if !self.is(name) {
            return;
        }
        let Some(mut client) = self.clients.take(name.slot) else {
            return;
        };
        let (id, home) = (name.id(), self.id);
        let is_refused = client.session.place().is_some_and(|place| {
            // If it is queued, the refusal was of an earlier wait, which was cancelled meanwhile.
            self.registry
                .decide(&client.pool, &mut self.outbox, |shared, now| {
                    let is_queued = shared.core.leave(now, home, place);
                    if is_queued {
                        shared.core.requeue(now, id, home, place);
                    }
                    !is_queued
                })
        });
        if !is_refused {
            self.clients.put(name.slot, client);
            return;
        }
        let login_error = client
            .pool
            .login_error
            .lock()
            .expect("no panic under the lock")
            .clone();
        let counts = client.pool.counts();
        let cause = client.pool.cause(self.now);
        let blocker = match cause {
            Cause::Locks => self.registry.blocker_of(&client.pool),
            _ => None,
        };
        let error = texts::refusal(
            refusal,
            &client.settings.config,
            counts,
            cause,
            blocker.map(|blocker| blocker.sentence_for(&client.pool)),
            login_error.as_ref(),
        );
        self.note_error(&client, &error);
        let need = end_with(&mut client, &error);
        self.drive(name.slot, client, need);
    }

    /// Pools have new settings.
    pub(super) fn reloaded(&mut self) {
        for client in self.clients.iter_mut() {
            client.settings = client.pool.settings();
            client.session.thresholds = client.settings.thresholds;
        }
    }

    fn finish(&mut self, slot: u32, client: &Client, end: &End) {
        // Its socket leaves the epoll set when it is closed.
        self.clients.free(slot);
        let own = &self.registry.workers[self.id.index()];
        own.clients.fetch_sub(1, Ordering::Relaxed);
        let config = self.registry.config();
        if config.log.disconnections {
            info!(
                database = &*client.pool.database,
                user = &*client.pool.user,
                client = client.pid,
                reason = ?end,
                "client disconnected"
            );
        }
        // The driver has noted its own.
        let sqlstate = end.fault().map(|fault| fault.sqlstate());
        if let Some(sqlstate) = sqlstate {
            self.registry.errors.count(sqlstate);
        }
        let is_error = match end {
            End::Violation(_)
            | End::ServerBroken(_)
            | End::ServerGone { .. }
            | End::Settings(_) => true,
            End::Transaction | End::Ended | End::Terminated | End::ClientGone => false,
        };
        if is_error && config.log.pooler_errors {
            warn!(
                database = &*client.pool.database,
                user = &*client.pool.user,
                client = client.pid,
                reason = ?end,
                "session ended"
            );
        }
        self.registry
            .client_out(&client.pool, client.pid, &mut self.outbox);
    }

    /// Whether the client, which is idle, should live on another worker from now on.
    fn moves_away(&mut self, client: &Client) -> bool {
        match &mut self.leaving {
            Some((_, quota)) if *quota > 0 && client.session.is_idle() => {
                *quota -= 1;
                true
            }
            _ => false,
        }
    }

    fn send_away(&mut self, slot: u32, mut client: Box<Client>) {
        let (to, _) = self.leaving.expect("decided just now");
        if let Err(error) = client.session.client.deregister(self.poll.registry()) {
            warn!(%error, "client socket cannot be moved");
        }
        // What was there before the move brings no event after it.
        client.session.look_again();
        self.clients.free(slot);
        let own = &self.registry.workers[self.id.index()];
        own.clients.fetch_sub(1, Ordering::Relaxed);
        self.outbox
            .send(&self.registry.workers, to, Message::Adopt(client));
    }

    pub(super) fn leave_queue(&mut self, pool: &Arc<PoolHandle>, place: Place) {
        let home = self.id;
        let outbox: &mut Outbox = &mut self.outbox;
        // If it was granted a server in this moment, `granted` finds nobody and gives it back.
        self.registry.decide(pool, outbox, |shared, now| {
            shared.core.leave(now, home, place)
        });
    }

    /// Gives a server back to its pool.
    pub(super) fn check_in(
        &mut self,
        pool: &Arc<PoolHandle>,
        mut server: Box<Server>,
        mut condition: Condition,
    ) {
        if self.park_entry(&mut server, pool).is_err() {
            condition = Condition::Dirty;
        }
        let (home, now) = (self.id, self.now);
        pool.decide(now, &mut self.effects, |shared| {
            shared.check_in(now, server, home, condition);
        });
        let mut effects = std::mem::take(&mut self.effects);
        self.registry
            .carry_out(pool, &mut effects, &mut self.outbox);
        self.effects = effects;
    }

    /// Notes an error that the client is sent.
    pub(super) fn note_error(&self, client: &Client, error: &ClientError) {
        self.registry.errors.count(error.sqlstate);
        if self.registry.config().log.pooler_errors {
            warn!(
                database = &*client.pool.database,
                user = &*client.pool.user,
                client = client.pid,
                sqlstate = %error.sqlstate,
                "pooler error: {}",
                error.message
            );
        }
    }

    fn name(&self, slot: u32) -> ClientRef {
        ClientRef {
            worker: self.id.0 as u8,
            generation: self.clients.generation(slot).expect("a slot in use"),
            slot,
        }
    }

    /// Whether `name` is still the client it was.
    pub(super) fn is(&self, name: ClientRef) -> bool {
        let generation = self.clients.generation(name.slot);
        generation.is_some_and(|g| {
            ClientRef {
                generation: g,
                ..name
            }
            .id()
                == name.id()
        })
    }
}
