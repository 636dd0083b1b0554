//! The servers that live with a worker: idle ones it watches, held ones whose events it passes
//! on, and those on their way back to their pool.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Token;
use mio::event::Event;
use pgweir_pool::id::ServerId;
use pgweir_pool::pool::Condition;
use pgweir_pool::recovery::Next;
use pgweir_pool::server::Returning;
use pgweir_pool::time::Time;
use tracing::{debug, info};

use super::Worker;
use crate::link::{Home, Link, Server};
use crate::outbox::Message;
use crate::pool_handle::PoolHandle;
use crate::registry::Order;

/// Time a server has to become usable again after its client left. A rollback of a large
/// transaction takes PostgreSQL no time, the end of a cancelled query rarely a second; a new
/// connection costs less than a longer wait.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// A server that lives here.
pub(super) struct Entry {
    id: ServerId,
    pool: Arc<PoolHandle>,
    state: State,
}

enum State {
    /// Nobody holds it, or somebody here is just about to.
    Parked,
    /// The client in this slot holds it.
    Leased(u32),
    /// It is being cleaned until this time.
    Returning(Box<Returning<Link>>, Time),
}

impl Worker {
    /// A server's stream became ready.
    pub(super) fn server_ready(&mut self, slot: u32, event: &Event) {
        let Some(entry) = self.servers.get_mut(slot) else {
            return;
        };
        let hung_up = event.is_read_closed() || event.is_error();
        let readable = event.is_readable() || hung_up;
        match &mut entry.state {
            State::Leased(client) => {
                let client = *client;
                if let Some(holder) = self.clients.get_mut(client)
                    && let Some(server) = holder.session.server()
                {
                    server.ready(readable, hung_up);
                }
                self.pump_client(client);
            }
            State::Returning(returning, _) => {
                returning.server.ready(readable, hung_up);
                self.pump_returning(slot);
            }
            State::Parked if readable => {
                let (pool, id) = (entry.pool.clone(), entry.id);
                self.drain_parked(&pool, id, hung_up);
            }
            State::Parked => {}
        }
    }

    /// Lets a server live here, held by the client in `client`.
    ///
    /// # Errors
    /// Its socket cannot be watched.
    pub(super) fn move_in(
        &mut self,
        server: &mut Server,
        pool: &Arc<PoolHandle>,
        client: u32,
    ) -> io::Result<()> {
        if let Some(home) = server.stream.home.filter(|home| home.worker == self.id) {
            let entry = self
                .servers
                .get_mut(home.slot)
                .expect("a server lives in its slot");
            assert_eq!(entry.id, server.id, "a slot belongs to one server");
            entry.state = State::Leased(client);
            return Ok(());
        }
        self.settle_in(server, pool, State::Leased(client))
    }

    /// Takes a server's socket over from wherever it was watched.
    fn settle_in(
        &mut self,
        server: &mut Server,
        pool: &Arc<PoolHandle>,
        state: State,
    ) -> io::Result<()> {
        if let Some(home) = server.stream.home.take() {
            let earlier = &self.registry.workers[home.worker.index()];
            server.stream.socket.deregister(&earlier.registry)?;
            let message = Message::Unhome(server.id, home.slot);
            self.outbox
                .send(&self.registry.workers, home.worker, message);
        }
        let (slot, _) = self.servers.reserve();
        let id = server.id;
        let pool = pool.clone();
        self.servers.put(slot, Entry { id, pool, state });
        server.stream.home = Some(Home {
            worker: self.id,
            slot,
        });
        let token = Token((slot as usize) << 1 | 1);
        server.stream.socket.register(self.poll.registry(), token)
    }

    /// The server goes back to its pool, and is watched while nobody holds it.
    ///
    /// # Errors
    /// Its socket cannot be watched.
    pub(super) fn park_entry(
        &mut self,
        server: &mut Server,
        pool: &Arc<PoolHandle>,
    ) -> io::Result<()> {
        match server.stream.home {
            Some(home) if home.worker == self.id => {
                let entry = self
                    .servers
                    .get_mut(home.slot)
                    .expect("a server lives in its slot");
                assert_eq!(entry.id, server.id, "a slot belongs to one server");
                entry.state = State::Parked;
                Ok(())
            }
            // It was on its way to a client that is gone.
            Some(_) => Ok(()),
            None => self.settle_in(server, pool, State::Parked),
        }
    }

    /// A server that logged in is watched here while nobody holds it.
    pub(super) fn watch_parked(&mut self, pool: &Arc<PoolHandle>, id: ServerId) {
        let (now, mut effects) = (self.now, Vec::new());
        let lost = pool.decide(now, &mut effects, |shared| {
            let server = shared
                .parked
                .get_mut(&id)
                .filter(|s| s.stream.home.is_none())?;
            match self.settle_in(server, pool, State::Parked) {
                Ok(()) => None,
                Err(_) => {
                    shared.core.lost(now, id);
                    shared.parked.remove(&id)
                }
            }
        });
        self.registry
            .carry_out(pool, &mut effects, &mut self.outbox);
        if let Some(server) = lost {
            self.registry.close(server, &mut self.outbox);
        }
    }

    /// A server that lived here is closed, or lives elsewhere.
    pub(super) fn forget_server(&mut self, id: ServerId, slot: u32) {
        if self.servers.get(slot).is_some_and(|entry| entry.id == id) {
            self.servers.take(slot);
            self.servers.free(slot);
            self.returning.retain(|&s| s != slot);
        }
    }

    /// Something came from a server that nobody holds: a change of settings, or its end.
    fn drain_parked(&mut self, pool: &Arc<PoolHandle>, id: ServerId, hung_up: bool) {
        let (now, mut effects) = (self.now, Vec::new());
        let scratch = &mut self.scratch;
        // The read is under the pool's lock, so that nobody is granted the server meanwhile; it
        // does not block, and a server that is idle rarely says anything.
        let lost = pool.decide(now, &mut effects, |shared| {
            let server = shared.parked.get_mut(&id)?;
            server.ready(true, hung_up);
            if server.drain(scratch) {
                return None;
            }
            shared.core.lost(now, id);
            shared.parked.remove(&id)
        });
        self.registry
            .carry_out(pool, &mut effects, &mut self.outbox);
        if let Some(server) = lost {
            info!(database = &*pool.database, user = &*pool.user, server = %id, "idle server connection ended");
            self.registry.close(server, &mut self.outbox);
        }
    }

    /// A server that a client held is gone.
    pub(super) fn lose(&mut self, pool: &Arc<PoolHandle>, mut server: Box<Server>) {
        self.let_go(&server);
        self.registry.decide(pool, &mut self.outbox, |shared, now| {
            shared.totals.take(&mut server.upstream.observer.work);
            shared.core.lost(now, server.id);
        });
        self.registry.close(server, &mut self.outbox);
    }

    /// A server whose client left is cleaned before it goes back.
    pub(super) fn take_back(&mut self, pool: &Arc<PoolHandle>, returning: Returning<Link>) {
        let home = returning
            .server
            .stream
            .home
            .expect("a held server lives somewhere");
        let entry = self
            .servers
            .get_mut(home.slot)
            .expect("a server lives in its slot");
        assert_eq!((entry.id, entry.pool.id), (returning.server.id, pool.id));
        entry.state = State::Returning(Box::new(returning), self.now + RECOVERY_MAX);
        self.returning.push(home.slot);
        self.pump_returning(home.slot);
    }

    /// No client holds the server any more; its entry goes when it is closed.
    pub(super) fn let_go(&mut self, server: &Server) {
        let home = server.stream.home.filter(|home| home.worker == self.id);
        if let Some(entry) = home.and_then(|home| self.servers.get_mut(home.slot)) {
            assert_eq!(entry.id, server.id, "a slot belongs to one server");
            entry.state = State::Parked;
        }
    }

    fn pump_returning(&mut self, slot: u32) {
        let Some(mut entry) = self.servers.take(slot) else {
            return;
        };
        let State::Returning(mut returning, until) = entry.state else {
            self.servers.put(slot, entry);
            return;
        };
        let settings = entry.pool.settings();
        let next = returning.pump(&settings.config.server_reset_query, &mut self.scratch);
        let finished = match next {
            Next::Wait if self.now < until => None,
            Next::Cancel => {
                if let Some(target) = returning.server.stream.cancel.clone() {
                    let home = returning.server.stream.home.expect("it lives here");
                    returning.server.cancels += 1;
                    let id = returning.server.id;
                    self.registry.order(Order::Cancel(target, id, home, None));
                }
                None
            }
            Next::Clean => Some(Condition::Clean),
            Next::Wait | Next::Hopeless => Some(Condition::Dirty),
        };
        let Some(condition) = finished else {
            entry.state = State::Returning(returning, until);
            self.servers.put(slot, entry);
            return;
        };
        debug!(server = %entry.id, ?condition, "server returned after its client left");
        self.returning.retain(|&s| s != slot);
        entry.state = State::Parked;
        let pool = entry.pool.clone();
        self.servers.put(slot, entry);
        self.check_in(&pool, returning.server, condition);
    }

    /// Gives up on servers whose time is over.
    pub(super) fn sweep_returning(&mut self) {
        for slot in self.returning.clone() {
            self.pump_returning(slot);
        }
    }

    /// A cancel request for a server that lives here has arrived, or never will.
    pub(super) fn cancel_done(&mut self, id: ServerId, slot: u32) {
        let Some(entry) = self.servers.get_mut(slot).filter(|entry| entry.id == id) else {
            return;
        };
        match &mut entry.state {
            State::Leased(client) => {
                let client = *client;
                if let Some(holder) = self.clients.get_mut(client) {
                    let server = holder.session.server().expect("it holds this server");
                    server.cancels -= 1;
                }
                self.pump_client(client);
            }
            State::Returning(returning, _) => {
                returning.server.cancels -= 1;
                self.pump_returning(slot);
            }
            // It was lost meanwhile: a server does not go back with a cancel under way.
            State::Parked => {}
        }
    }
}
