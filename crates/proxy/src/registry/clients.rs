//! The clients of the registry: who is let in and counted, at which worker each of them lives, and how
//! what is meant for one of them gets there.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pgweir_pool::budget::PoolId;
use pgweir_pool::driver::Message;
use pgweir_pool::id::{ClientId, ClientRef, WorkerId};
use tokio::sync::oneshot;

use super::{Errand, Registry};
use crate::admin;
use crate::cancel_key::{CancelKey, CancelSecret, as_made, peer_of};
use crate::clients;
use crate::mailbox::{Letter, WorkerHandle};
use crate::platform::Client;
use crate::pool_handle::PoolHandle;
use crate::texts::ClientError;
use pgweir_config::{Config, Workers};
use pgweir_console::{DATABASE, Role};

/// Busy share up to which `workers = "auto"` gives a worker more clients before it starts to fill
/// the next: a worker at 70 % still batches well and has room for a burst.
const FILL_PERMILLE: u32 = 700;

/// Clients that a user may have.
fn clients_max(config: &Config, user: &str) -> Option<NonZeroU32> {
    match config.users.get(user) {
        Some(user) => user.max_user_client_connections,
        None => config.max_user_client_connections,
    }
}

impl Registry {
    /// Lets a client in that has proven who it is and speaks protocol 3.`minor`, and numbers it. The
    /// pool is told by the caller.
    ///
    /// # Errors
    /// A limit on clients is reached.
    pub(crate) fn client_in(
        &self,
        pool: &Arc<PoolHandle>,
        user: &Arc<str>,
        (minor, number): (u16, u32),
    ) -> Result<CancelKey, ClientError> {
        let config = self.config();
        let settings = pool.settings();
        let max = clients_max(&config, user);
        let mut clients = self.clients.lock().expect("no panic under the lock");
        let key = CancelKey {
            pid: clients.unused_pid(config.peer_id, number)?,
            secret: CancelSecret::random(minor, config.peer_id),
        };
        let shares = self.shares();
        clients.enter(
            (&config, &shares),
            (&pool.database, &settings.database),
            (user, max),
            (key, pool.id),
        )?;
        Ok(key)
    }

    /// A client waits for the first server of its pool.
    ///
    /// # Errors
    /// Too many do.
    pub(crate) fn wait_for_greeting(&self, pool: &PoolHandle) -> Result<(), ClientError> {
        let (config, shares, settings) = (self.config(), self.shares(), pool.settings());
        let mut clients = self.clients.lock().expect("no panic under the lock");
        clients.wait_for_greeting((&config, &shares), (&pool.database, &settings.database))
    }

    /// It does so no more.
    pub(crate) fn greeting_wait_is_over(&self, pool: &PoolHandle) {
        let mut clients = self.clients.lock().expect("no panic under the lock");
        clients.wait_is_over(&pool.database);
    }

    /// A client that was let in is gone, and its pool knows.
    pub(crate) fn client_out(&self, pid: u32) {
        let left = {
            let mut clients = self.clients.lock().expect("no panic under the lock");
            clients.leave(pid);
            clients.total()
        };
        if left == 0 && self.draining.load(Ordering::Acquire) {
            self.leave_errand(Errand::Empty);
        }
    }

    /// How many clients of each user there are.
    pub(crate) fn clients_by_user(&self) -> HashMap<Arc<str>, u32> {
        let clients = self.clients.lock().expect("no panic under the lock");
        clients.by_user().clone()
    }

    /// Lets a session of the console in, which counts as a client of its user and of its database. Administrators come
    /// in however many there are, for they may be about to change that.
    ///
    /// # Errors
    /// A limit on clients is reached.
    pub(crate) fn console_in(
        &self,
        user: &str,
        role: Role,
        sessions: &dyn Fn(Option<&str>) -> u32,
    ) -> Result<(), ClientError> {
        if role == Role::Admin {
            return Ok(());
        }
        let config = self.config();
        let clients = self.clients.lock().expect("no panic under the lock");
        let of_user = clients.by_user().get(user).copied().unwrap_or(0);
        clients::check_limits(
            (DATABASE, config.max_db_client_connections, sessions(None)),
            (
                user,
                clients_max(&config, user),
                of_user + sessions(Some(user)),
            ),
        )
    }

    pub(crate) fn clients_count(&self) -> u32 {
        self.clients
            .lock()
            .expect("no panic under the lock")
            .total()
    }

    /// Whether nobody is logged in, or waits for PostgreSQL to be.
    pub(crate) fn has_no_clients(&self) -> bool {
        let clients = self.clients.lock().expect("no panic under the lock");
        clients.is_empty()
    }

    /// The client lives at a worker under this name.
    pub(crate) fn client_moved(&self, pid: u32, client: ClientId) {
        self.clients
            .lock()
            .expect("no panic under the lock")
            .moved(pid, client);
    }

    /// The client with this number is told that of its server's process.
    pub(crate) fn client_told(&self, pid: u32, process: u32) {
        self.clients
            .lock()
            .expect("no panic under the lock")
            .told(pid, process);
    }

    /// A cancel request came: passed on to the worker of its client if number and secret fit. What
    /// is given back ends when PostgreSQL has it, or when there is nothing to cancel; `None` if they fit nobody here.
    pub(crate) fn cancel(&self, pid: u32, key: &[u8]) -> Option<oneshot::Receiver<()>> {
        if let found @ Some(_) = self.cancel_by(pid, key) {
            return found;
        }
        // Peers count down how often they pass a request on.
        let own = self.config().peer_id?;
        let is_own = peer_of(pid) == own.get();
        is_own.then(|| self.cancel_by(pid, &as_made(key)))?
    }

    fn cancel_by(&self, pid: u32, key: &[u8]) -> Option<oneshot::Receiver<()>> {
        let (pending, ended) = oneshot::channel();
        let client = self
            .clients
            .lock()
            .expect("no panic under the lock")
            .find(pid, key);
        match client {
            Some(client) => {
                let worker = usize::from(ClientRef::from(client).worker);
                self.workers[worker].send(Message::Cancel(client, pending));
            }
            None if self.consoles.cancel(pid, key) => {}
            None => return None,
        }
        Some(ended)
    }

    /// The numbers of the clients of these pools.
    pub(crate) fn clients_of(&self, pools: &[PoolId]) -> Vec<u32> {
        let clients = self.clients.lock().expect("no panic under the lock");
        clients.of(pools)
    }

    /// An administrator does something to the client with this number; `None` if there is none.
    /// What is given back ends without an answer if the client is on its way to a worker.
    pub(crate) fn administer(
        &self,
        pid: u32,
        action: admin::Action,
        by: admin::Administrator,
    ) -> Option<oneshot::Receiver<admin::Outcome>> {
        let (answer, answered) = oneshot::channel();
        let client = {
            let clients = self.clients.lock().expect("no panic under the lock");
            if !clients.has_pid(pid) {
                return None;
            }
            clients.by_pid(pid)
        };
        if let Some(client) = client {
            let worker = usize::from(ClientRef::from(client).worker);
            let request = admin::Request { action, by, answer };
            self.workers[worker].post(Letter::Administer(client, request));
        }
        Some(answered)
    }

    /// The worker for a client that has just logged in.
    pub(crate) fn place(&self) -> WorkerId {
        let load = |w: &&WorkerHandle| (w.clients.load(Ordering::Relaxed), w.busy());
        let least = |workers: &[WorkerHandle]| {
            workers
                .iter()
                .min_by_key(load)
                .expect("at least one worker")
                .id
        };
        match self.config().workers {
            Workers::Count(_) => least(&self.workers),
            Workers::Auto => self
                .workers
                .iter()
                .find(|w| w.busy() < FILL_PERMILLE)
                .map_or_else(|| least(&self.workers), |w| w.id),
        }
    }

    /// Hands a client to a worker.
    pub(crate) fn adopt(&self, worker: WorkerId, client: Box<Client>) {
        self.workers[worker.index()].send(Message::Adopt(client));
    }
}
