//! What all threads share: configuration, pools, the budget, the clients, the workers.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use pgweir_pool::budget::{Budget, Group, Permit, PoolId};
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::time::Time;
use pgweir_pool::waits::Load;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use crate::admin;
use crate::backends::Backends;
use crate::clients::{CancelKey, Clients};
use crate::clock::Clock;
use crate::config::{Config, Database, Workers};
use crate::effects::{ClientRef, Effect};
use crate::errors::Errors;
use crate::insight::Insight;
use crate::link::{CancelTarget, Home, Server};
use crate::locks::LockBoard;
use crate::outbox::{Message, Outbox, WorkerHandle};
use crate::pool_handle::{PoolHandle, Settings, Shared};
use crate::probe::Probes;
use crate::texts::ClientError;
use crate::worker::Client;

/// Pools at once. A pool is 5 KiB without servers; only clients that have logged in make one.
const POOLS_MAX: usize = 10_000;

/// Busy share up to which `workers = "auto"` gives a worker more clients before it starts to fill
/// the next: a worker at 70 % still batches well and has room for a burst.
const FILL_PERMILLE: u32 = 700;

/// What the control plane is asked to do.
pub(crate) enum Order {
    /// Open a server.
    Open(Arc<PoolHandle>, ServerId, Permit),
    /// Send a cancel request, then tell the worker where the server lives. The client's request,
    /// if there is one, is pending until the sender is dropped.
    Cancel(
        Arc<CancelTarget>,
        ServerId,
        Home,
        Option<oneshot::Sender<()>>,
    ),
    /// The last client has left while the pooler shuts down.
    Empty,
}

#[derive(Default)]
struct Pools {
    by_name: HashMap<(Arc<str>, Arc<str>), Arc<PoolHandle>>,
    by_id: Vec<Arc<PoolHandle>>,
}

/// Shared by all threads.
pub(crate) struct Registry {
    pub(crate) clock: Clock,
    pub(crate) workers: Vec<WorkerHandle>,
    pub(crate) draining: AtomicBool,
    pub(crate) errors: Errors,
    pub(crate) insight: Insight,
    /// The server processes that serve us.
    pub(crate) backends: Backends,
    /// What each PostgreSQL was seen to do.
    pub(crate) probes: Probes,
    /// Who waits for whose locks there.
    pub(crate) locks: LockBoard,
    config: RwLock<Arc<Config>>,
    pools: RwLock<Pools>,
    budget: Mutex<Budget>,
    clients: Mutex<Clients>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Registry {
    pub(crate) fn new(
        clock: Clock,
        config: Arc<Config>,
        workers: Vec<WorkerHandle>,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Self {
        let registry = Self {
            clock,
            insight: Insight::new(workers.len()),
            workers,
            draining: AtomicBool::new(false),
            errors: Errors::default(),
            backends: Backends::default(),
            probes: Probes::default(),
            locks: LockBoard::default(),
            config: RwLock::new(config.clone()),
            pools: RwLock::default(),
            budget: Mutex::default(),
            clients: Mutex::default(),
            orders,
        };
        registry.set_user_limits(&config);
        registry
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().expect("no panic under the lock").clone()
    }

    /// The pools there are.
    pub(crate) fn pools(&self) -> Vec<Arc<PoolHandle>> {
        self.pools
            .read()
            .expect("no panic under the lock")
            .by_id
            .clone()
    }

    /// The pool of a database and a user, made when it is asked for first.
    ///
    /// # Errors
    /// There are too many pools.
    pub(crate) fn pool(
        &self,
        database: Arc<Database>,
        name: &str,
        user: &str,
    ) -> Result<Arc<PoolHandle>, ClientError> {
        let key: (Arc<str>, Arc<str>) = (name.into(), user.into());
        if let Some(pool) = self
            .pools
            .read()
            .expect("no panic under the lock")
            .by_name
            .get(&key)
        {
            return Ok(pool.clone());
        }
        let mut pools = self.pools.write().expect("no panic under the lock");
        if let Some(pool) = pools.by_name.get(&key) {
            return Ok(pool.clone());
        }
        if pools.by_id.len() >= POOLS_MAX {
            return Err(ClientError::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!("too many pools of a database and a user ({POOLS_MAX})"),
            ));
        }
        let id = PoolId(u32::try_from(pools.by_id.len()).expect("bounded above"));
        let max_db_connections = database.max_db_connections.map(|max| max.get());
        let settings = Settings::new(database, user);
        let pool = PoolHandle::new(
            id,
            key.0.clone(),
            key.1.clone(),
            settings,
            self.workers.len(),
        );
        let pool = Arc::new(pool);
        let mut budget = self.budget();
        budget.join(id, key.0.clone(), key.1.clone());
        budget.set_limit(Group::Database(key.0.clone()), max_db_connections);
        pools.by_id.push(pool.clone());
        pools.by_name.insert(key, pool.clone());
        Ok(pool)
    }

    /// Lets a client in that has proven who it is, and numbers it.
    ///
    /// # Errors
    /// A limit on clients is reached.
    pub(crate) fn client_in(&self, pool: &Arc<PoolHandle>) -> Result<CancelKey, ClientError> {
        let config = self.config();
        let settings = pool.settings();
        let max = config
            .users
            .get(&*pool.user)
            .and_then(|u| u.max_user_client_connections);
        let mut clients = self.clients.lock().expect("no panic under the lock");
        let key = loop {
            let random = getrandom::u64().expect("the system gives random numbers");
            let (pid, secret) = ((random >> 32) as u32, random as u32);
            // Some drivers read the number as signed, and zero means none.
            let pid = pid & 0x7fff_ffff;
            if pid != 0 && !clients.has_pid(pid) {
                break CancelKey { pid, secret };
            }
        };
        clients.enter(
            &config,
            (&pool.database, &settings.database),
            (&pool.user, max),
            key,
        )?;
        drop(clients);
        self.decide(pool, &mut Outbox::default(), |shared, now| {
            shared.totals.client_logins += 1;
            shared.core.client_in(now);
        });
        Ok(key)
    }

    /// A client that was let in is gone.
    pub(crate) fn client_out(&self, pool: &Arc<PoolHandle>, pid: u32, outbox: &mut Outbox) {
        let left = {
            let mut clients = self.clients.lock().expect("no panic under the lock");
            clients.leave(&pool.database, &pool.user, pid);
            clients.total()
        };
        self.decide(pool, outbox, |shared, now| shared.core.client_out(now));
        if left == 0 && self.draining.load(Ordering::Acquire) {
            self.order(Order::Empty);
        }
    }

    pub(crate) fn clients_count(&self) -> u32 {
        self.clients
            .lock()
            .expect("no panic under the lock")
            .total()
    }

    /// The client lives at a worker under this name.
    pub(crate) fn client_moved(&self, pid: u32, client: ClientRef) {
        self.clients
            .lock()
            .expect("no panic under the lock")
            .moved(pid, client.id());
    }

    /// A cancel request came: passed on to the worker of its client if number and secret fit. What
    /// is given back ends when PostgreSQL has it, or when there is nothing to cancel.
    pub(crate) fn cancel(&self, pid: u32, key: &[u8]) -> oneshot::Receiver<()> {
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
            None => debug!(pid, "cancel request for no client"),
        }
        ended
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
            self.workers[worker].send(Message::Administer(client, request));
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

    pub(crate) fn order(&self, order: Order) {
        // The receiver is gone only while the process ends.
        let _ = self.orders.send(order);
    }

    /// Tells a pool what happened and carries out what it decides.
    pub(crate) fn decide<T>(
        &self,
        pool: &Arc<PoolHandle>,
        outbox: &mut Outbox,
        what: impl FnOnce(&mut Shared, Time) -> T,
    ) -> T {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let result = pool.decide(now, &mut effects, |shared| what(shared, now));
        self.carry_out(pool, &mut effects, outbox);
        result
    }

    /// Carries out what `pool` decided.
    pub(crate) fn carry_out(
        &self,
        pool: &Arc<PoolHandle>,
        effects: &mut Vec<Effect>,
        outbox: &mut Outbox,
    ) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Grant(grant) => {
                    let worker = worker_of(ClientRef::from(grant.client));
                    outbox.send(&self.workers, worker, Message::Grant(pool.clone(), grant));
                }
                Effect::Refuse(client, refusal) => {
                    let worker = worker_of(ClientRef::from(client));
                    outbox.send(&self.workers, worker, Message::Refuse(client, refusal));
                }
                Effect::Open(id) => self.open(pool, id, outbox),
                Effect::Close(server, reason) => {
                    debug!(
                        database = &*pool.database,
                        user = &*pool.user,
                        server = %server.id,
                        ?reason,
                        "server connection closed"
                    );
                    self.close(server, outbox);
                }
            }
        }
    }

    /// Closes a server that its pool has forgotten.
    pub(crate) fn close(&self, mut server: Box<Server>, outbox: &mut Outbox) {
        say_goodbye(&mut server);
        let id = server.id;
        self.backends.remove(id);
        if let Some(home) = server.stream.home {
            outbox.send(&self.workers, home.worker, Message::Unhome(id, home.slot));
        }
        self.release(server.stream.permit, outbox);
    }

    /// Gives a connection back to the budget, and tells the pools that there is room for now.
    pub(crate) fn release(&self, permit: Permit, outbox: &mut Outbox) {
        self.budget().release(permit);
        self.feed(outbox);
    }

    /// Tells the pools that wait for the budget that there is room.
    fn feed(&self, outbox: &mut Outbox) {
        loop {
            let fed = self.budget().next_fed();
            let Some(pool) = fed.map(|id| self.pool_by_id(id)) else {
                return;
            };
            self.decide(&pool, outbox, |shared, now| shared.core.budget_freed(now));
        }
    }

    /// A server has logged in, or could not.
    pub(crate) fn opened(&self, pool: &Arc<PoolHandle>, id: ServerId, server: Box<Server>) {
        let mut outbox = Outbox::default();
        self.backends.add(id, server.stream.cancel.clone());
        let worker = self.home_for(id);
        let jitter = random_u32() % 100;
        self.decide(pool, &mut outbox, |shared, now| {
            shared.totals.server_logins += 1;
            shared.parked.insert(id, server);
            shared.core.opened(now, id, worker, jitter);
        });
        // If nobody took it at once, a worker has to watch it.
        self.workers[worker.index()].send(Message::TakeHome(pool.clone(), id));
    }

    /// Sees to what is due, in all pools.
    pub(crate) fn sweep(&self) {
        let mut outbox = Outbox::default();
        for pool in self.pools() {
            self.decide(&pool, &mut outbox, |shared, now| shared.core.tick(now));
        }
        self.feed_hungry(&mut outbox);
    }

    /// Says goodbye to PostgreSQL on all idle servers, when no worker runs any more.
    pub(crate) fn part(&self) {
        for pool in self.pools() {
            pool.decide(self.clock.now(), &mut Vec::new(), |shared| {
                for server in shared.parked.values_mut() {
                    say_goodbye(server);
                }
            });
        }
    }

    /// Takes over a reloaded configuration.
    pub(crate) fn reload(&self, config: Config) {
        let config = Arc::new(config);
        *self.config.write().expect("no panic under the lock") = config.clone();
        self.set_user_limits(&config);
        self.probes.reconfigured();
        let mut outbox = Outbox::default();
        for pool in self.pools() {
            let database = config.databases.get(&*pool.database);
            let Some(database) = database.or(config.fallback_database.as_ref()) else {
                info!(
                    database = &*pool.database,
                    "database removed; its clients stay until they leave"
                );
                continue;
            };
            let group = Group::Database(pool.database.clone());
            let max = database.max_db_connections.map(|max| max.get());
            self.budget().set_limit(group, max);
            let settings = Settings::new(database.clone(), &pool.user);
            let mut effects = Vec::new();
            pool.reconfigure(self.clock.now(), settings, &mut effects);
            self.carry_out(&pool, &mut effects, &mut outbox);
        }
        // A limit may have been raised, or removed.
        self.feed(&mut outbox);
        for worker in &self.workers {
            worker.send(Message::Reloaded);
        }
    }

    fn set_user_limits(&self, config: &Config) {
        let mut budget = self.budget();
        for user in config.users.values() {
            let max = user.max_user_connections.map(|max| max.get());
            budget.set_limit(Group::User(user.name.as_str().into()), max);
        }
    }

    /// Asks the budget for a connection; denied, another pool has to give one up.
    fn open(&self, pool: &Arc<PoolHandle>, id: ServerId, outbox: &mut Outbox) {
        let mut effects = Vec::new();
        let rivals = {
            let mut budget = self.budget();
            if let Some(permit) = budget.acquire(pool.id) {
                self.order(Order::Open(pool.clone(), id, permit));
                return;
            }
            // Under the budget's lock, so that nobody feeds the pool before it knows that it is
            // hungry. No pool's lock is ever held when the budget's is taken.
            let now = self.clock.now();
            let full = budget.full(pool.id).cloned();
            pool.decide(now, &mut effects, |shared| {
                shared.full = full;
                shared.core.denied(now, id);
            });
            budget.rivals(pool.id)
        };
        self.carry_out(pool, &mut effects, outbox);
        // Only for somebody who waits, or two pools would swap a server for ever.
        let needed = pool.counts().waiting > 0 || pool.greeting.receiver_count() > 0;
        let idlest = rivals
            .into_iter()
            .map(|id| self.pool_by_id(id))
            .filter_map(|rival| rival.longest_idle().map(|since| (since, rival)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, rival)) = idlest.filter(|_| needed) {
            self.decide(&rival, outbox, |shared, now| {
                shared.core.surrender(now);
            });
        }
    }

    /// Lets a pool that has waited for the budget longer than another pool's clients wait for a
    /// server have one of that pool's, and so keeps a busy pool from starving the others.
    fn feed_hungry(&self, outbox: &mut Outbox) {
        let now = self.clock.now();
        let (hungry, rivals): (Vec<_>, Vec<_>) = {
            let budget = self.budget();
            budget
                .hungry()
                .map(|pool| (pool, budget.rivals(pool)))
                .unzip()
        };
        for (pool, rivals) in hungry.into_iter().zip(rivals) {
            let pool = self.pool_by_id(pool);
            let counts = pool.counts();
            let is_empty = counts.active + counts.idle + counts.opening == 0;
            let since = match counts.waiting_since {
                Some(since) => since,
                // Clients that log in to a pool without a server are in no queue, and one server
                // is enough for all of them.
                None if is_empty && pool.greeting.receiver_count() > 0 => Time::default(),
                None => continue,
            };
            let rivals: Vec<_> = rivals.into_iter().map(|id| self.pool_by_id(id)).collect();
            let loads = rivals.iter().map(|rival| rival.load(now));
            pool.kept_by(loads.fold(Load::default(), Load::with));
            let rival = rivals
                .into_iter()
                .filter(|rival| {
                    let counts = rival.counts();
                    counts.active + counts.idle > 0
                        && counts.waiting_since.is_none_or(|s| since < s)
                })
                .max_by_key(|rival| rival.counts().active + rival.counts().idle);
            if let Some(rival) = rival {
                self.decide(&rival, outbox, |shared, now| {
                    shared.core.surrender(now);
                });
            }
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().expect("no panic under the lock")
    }

    fn home_for(&self, id: ServerId) -> WorkerId {
        match self.config().workers {
            Workers::Auto => WorkerId(0),
            Workers::Count(_) => {
                let index = id.0 % self.workers.len() as u64;
                self.workers[index as usize].id
            }
        }
    }

    fn pool_by_id(&self, id: PoolId) -> Arc<PoolHandle> {
        self.pools.read().expect("no panic under the lock").by_id[id.0 as usize].clone()
    }
}

/// Tells PostgreSQL that the connection ends, unless it may be in the middle of a message, of which
/// the goodbye would become a part.
fn say_goodbye(server: &mut Server) {
    if server.is_reusable() {
        let mut goodbye = Vec::new();
        encode::terminate(&mut goodbye);
        // A courtesy: PostgreSQL notices the closed socket as well.
        let _ = server.stream.write(&goodbye);
    }
}

fn worker_of(client: ClientRef) -> WorkerId {
    WorkerId(u16::from(client.worker))
}

/// A random number from the system.
///
/// # Panics
/// If the system has none: no key could be made that cannot be guessed.
pub(crate) fn random_u32() -> u32 {
    getrandom::u32().expect("the system gives random numbers")
}
