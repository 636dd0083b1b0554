//! What all threads share: configuration, pools, the budget, the clients, the workers.
//!
//! Here is how a pool is found or made, and how what it decides is carried out. What concerns clients
//! is in `clients`, the limits that span pools in `budget`.

mod budget;
mod clients;

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use pgweir_pool::budget::{Budget, Group, Permit, PoolId};
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::time::Time;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use crate::backends::Backends;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::effects::{ClientRef, Effect};
use crate::errors::Errors;
use crate::insight::Insight;
use crate::link::{CancelTarget, Home, Server};
use crate::locks::LockBoard;
use crate::outbox::{Message, Outbox, WorkerHandle};
use crate::pool_handle::{PoolHandle, Settings, Shared};
use crate::probe::Probes;
use crate::texts::ClientError;
use pgweir_config::{Config, Database, Workers};

/// Pools at once. A pool is 5 KiB without servers; only clients that have logged in make one.
const POOLS_MAX: usize = 10_000;

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
