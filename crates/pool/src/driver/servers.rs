//! The servers that live with a driver: idle ones whose events it hears, held ones whose events it
//! passes on, and those on their way back to their pool.

use std::io;
use std::time::Duration;

use super::outbox::Message;
use super::shell::{Platform, PoolOf, ServerStreamOf, SharedPool, Shell};
use super::{Driver, Readiness};
use crate::id::ServerId;
use crate::pool::Condition;
use crate::recovery::Next;
use crate::server::{Delivery, Returning, Server};
use crate::time::Time;

/// Time a server has to become usable again after its client left. A rollback of a large
/// transaction takes PostgreSQL no time, the end of a cancelled query rarely a second; a new
/// connection costs less than a longer wait.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// A server that lives here.
pub(super) struct Resident<P: Platform> {
    id: ServerId,
    pool: P::Pool,
    doing: Doing<P::ServerStream>,
    /// What an event said while the server was on its way to a client. No other event may follow.
    unheard: Option<Readiness>,
}

enum Doing<S> {
    /// Nobody holds it, or somebody here is just about to.
    Parked,
    /// The client in this slot holds it.
    Leased(u32),
    /// It is being cleaned until this time.
    Returning(Box<Returning<S>>, Time),
}

impl<P: Platform> Resident<P> {
    fn new(id: ServerId, pool: P::Pool, doing: Doing<P::ServerStream>) -> Self {
        Self {
            id,
            pool,
            doing,
            unheard: None,
        }
    }

    /// The server, if it is on its way back to its pool.
    pub(super) fn returning(&self) -> Option<&Server<P::ServerStream>> {
        match &self.doing {
            Doing::Returning(returning, _) => Some(&returning.server),
            Doing::Parked | Doing::Leased(_) => None,
        }
    }
}

impl<S: Shell> Driver<S> {
    /// A server's stream became ready.
    pub(super) fn server_ready(&mut self, slot: u32, readiness: Readiness) {
        let Some(resident) = self.servers.get_mut(slot) else {
            return;
        };
        let Readiness { readable, hung_up } = readiness;
        match &mut resident.doing {
            Doing::Leased(client) => {
                let client = *client;
                if let Some(holder) = self.clients.get_mut(client)
                    && let Some(server) = holder.session.server()
                {
                    server.ready(readable, hung_up);
                }
                self.pump_client(client);
            }
            Doing::Returning(returning, _) => {
                returning.server.ready(readable, hung_up);
                self.pump_returning(slot);
            }
            Doing::Parked if readable || hung_up => {
                let (pool, id) = (resident.pool.clone(), resident.id);
                if !self.drain_parked(&pool, id, hung_up)
                    && let Some(resident) = self.servers.get_mut(slot)
                {
                    let hung_up = hung_up || resident.unheard.is_some_and(|it| it.hung_up);
                    resident.unheard = Some(Readiness { readable, hung_up });
                }
            }
            Doing::Parked => {}
        }
    }

    /// Lets a server live here, held by the client in `client`.
    ///
    /// # Errors
    /// Its events cannot be heard.
    pub(super) fn move_in(
        &mut self,
        server: &mut Server<ServerStreamOf<S>>,
        pool: &PoolOf<S>,
        client: u32,
    ) -> io::Result<()> {
        match server.home.filter(|home| home.worker == self.here) {
            Some(home) => {
                let resident = self.resident(home.slot, server.id);
                resident.doing = Doing::Leased(client);
                if let Some(Readiness { readable, hung_up }) = resident.unheard.take() {
                    server.ready(readable, hung_up);
                }
                Ok(())
            }
            None => self.settle_in(server, pool, Doing::Leased(client)),
        }
    }

    /// The server goes back to its pool, and is heard while nobody holds it.
    ///
    /// # Errors
    /// Its events cannot be heard.
    pub(super) fn park(
        &mut self,
        server: &mut Server<ServerStreamOf<S>>,
        pool: &PoolOf<S>,
    ) -> io::Result<()> {
        match server.home {
            Some(home) if home.worker == self.here => {
                let resident = self.resident(home.slot, server.id);
                resident.doing = Doing::Parked;
                resident.unheard = None;
                Ok(())
            }
            // It was on its way to a client that is gone.
            Some(_) => Ok(()),
            None => self.settle_in(server, pool, Doing::Parked),
        }
    }

    /// A server that logged in is heard here while nobody holds it.
    pub(super) fn watch_parked(&mut self, pool: &PoolOf<S>, id: ServerId) {
        let now = self.now;
        // Out of the stock for a moment only, but nobody may be granted it meanwhile: under the
        // lock it is found, given a slot and heard.
        let (slot, _) = self.servers.reserve();
        let home = self.home(slot);
        let shell = &*self.shell;
        let (is_heard, lost) = self.outbox.decide(shell, pool, now, |stock| {
            let parked = stock.parked.get_mut(&id);
            let Some(server) = parked.filter(|server| server.home.is_none()) else {
                return (false, None);
            };
            if shell.watch_server(&mut server.stream, home).is_ok() {
                server.home = Some(home);
                return (true, None);
            }
            (false, stock.lost_parked(now, id))
        });
        if is_heard {
            let (pool, doing) = (pool.clone(), Doing::Parked);
            self.servers.put(slot, Resident::new(id, pool, doing));
        } else {
            self.servers.free(slot);
        }
        if let Some(server) = lost {
            self.outbox.close(&*self.shell, now, server, None);
        }
    }

    /// A server that lived here is closed, or lives elsewhere. That is said once, and its slot is
    /// nobody else's before it was.
    pub(super) fn forget_server(&mut self, id: ServerId, slot: u32) {
        let doing = &self.resident(slot, id).doing;
        assert!(matches!(doing, Doing::Parked), "nobody holds what is gone");
        self.servers.take(slot);
        self.servers.free(slot);
    }

    /// A server that a client held is gone.
    pub(super) fn lose(&mut self, pool: &PoolOf<S>, mut server: Box<Server<ServerStreamOf<S>>>) {
        self.let_go(&server);
        let now = self.now;
        self.outbox.decide(&*self.shell, pool, now, |stock| {
            stock.lost(now, &mut server)
        });
        self.outbox.close(&*self.shell, now, server, None);
    }

    /// A server whose client left is cleaned before it goes back.
    pub(super) fn take_back(&mut self, pool: &PoolOf<S>, returning: Returning<ServerStreamOf<S>>) {
        let home = returning.server.home.expect("a held server lives here");
        let until = self.now + RECOVERY_MAX;
        let resident = self.resident(home.slot, returning.server.id);
        assert_eq!(resident.pool.id(), pool.id());
        resident.doing = Doing::Returning(Box::new(returning), until);
        self.returning.push(home.slot);
        self.pump_returning(home.slot);
    }

    /// No client holds the server any more; its slot is freed when it is closed.
    pub(super) fn let_go(&mut self, server: &Server<ServerStreamOf<S>>) {
        if let Some(home) = server.home.filter(|home| home.worker == self.here) {
            self.resident(home.slot, server.id).doing = Doing::Parked;
        }
    }

    /// Gives up on servers whose time is over.
    pub(super) fn sweep_returning(&mut self) {
        for slot in self.returning.clone() {
            self.pump_returning(slot);
        }
    }

    /// What became of a cancel request for a server that lives here.
    pub(super) fn cancel_done(&mut self, id: ServerId, slot: u32, delivery: Delivery) {
        let Some(resident) = self.servers.get_mut(slot).filter(|entry| entry.id == id) else {
            return;
        };
        match &mut resident.doing {
            Doing::Leased(client) => {
                let client = *client;
                if let Some(holder) = self.clients.get_mut(client) {
                    let server = holder.session.server().expect("it holds this server");
                    server.cancels.ended(delivery);
                }
                self.pump_client(client);
            }
            Doing::Returning(returning, _) => {
                returning.server.cancels.ended(delivery);
                self.pump_returning(slot);
            }
            // It was lost meanwhile: a server does not go back with a cancel under way.
            Doing::Parked => {}
        }
    }

    /// Takes a server over from wherever its events were heard.
    fn settle_in(
        &mut self,
        server: &mut Server<ServerStreamOf<S>>,
        pool: &PoolOf<S>,
        doing: Doing<ServerStreamOf<S>>,
    ) -> io::Result<()> {
        if let Some(earlier) = server.home.take() {
            // Even if it cannot be taken out there: then it is closed, and its slot is free.
            let message = Message::Unhome(server.id, earlier.slot);
            self.outbox.send(earlier.worker, message);
            self.shell.unwatch_server(&mut server.stream, earlier)?;
        }
        let (slot, _) = self.servers.reserve();
        let (id, pool) = (server.id, pool.clone());
        self.servers.put(slot, Resident::new(id, pool, doing));
        let home = self.home(slot);
        server.home = Some(home);
        self.shell.watch_server(&mut server.stream, home)
    }

    /// Something came from a server that nobody holds: a change of settings, or its end. False if it
    /// is on its way to a client.
    fn drain_parked(&mut self, pool: &PoolOf<S>, id: ServerId, hung_up: bool) -> bool {
        let now = self.now;
        let scratch = &mut self.scratch;
        // The read is under the pool's lock, so that nobody is granted the server meanwhile; it
        // does not block, and a server that is idle rarely says anything.
        let (is_parked, lost) = self.outbox.decide(&*self.shell, pool, now, |stock| {
            let is_parked = stock.parked.contains_key(&id);
            (is_parked, stock.drain(now, id, hung_up, scratch))
        });
        if let Some(server) = lost {
            self.shell.parked_ended(pool, id);
            self.outbox.close(&*self.shell, now, server, None);
        }
        is_parked
    }

    fn pump_returning(&mut self, slot: u32) {
        let Some(mut resident) = self.servers.take(slot) else {
            return;
        };
        let Doing::Returning(mut returning, until) = resident.doing else {
            return self.servers.put(slot, resident);
        };
        let policy = resident.pool.policy();
        let next = returning.pump(&policy.reset_query, &mut self.scratch);
        let finished = match next {
            Next::Wait if self.now < until => None,
            Next::Cancel => {
                self.order_cancel(&mut returning.server, None);
                None
            }
            Next::Clean => Some(Condition::Clean),
            Next::Wait | Next::Hopeless => Some(Condition::Dirty),
        };
        let Some(condition) = finished else {
            resident.doing = Doing::Returning(returning, until);
            return self.servers.put(slot, resident);
        };
        self.returning.retain(|&s| s != slot);
        resident.doing = Doing::Parked;
        let pool = resident.pool.clone();
        if let Some(error) = &returning.server.upstream.own_error {
            self.shell.cleaning_failed(&pool, error);
        }
        self.servers.put(slot, resident);
        self.check_in(&pool, returning.server, condition);
    }

    /// The entry of a server that lives in `slot`.
    fn resident(&mut self, slot: u32, id: ServerId) -> &mut Resident<S::Platform> {
        let resident = self.servers.get_mut(slot);
        let resident = resident.expect("a server lives in its slot");
        assert_eq!(resident.id, id, "a slot belongs to one server");
        resident
    }
}
