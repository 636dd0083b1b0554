//! What all threads share: configuration, pools, the budget, the clients, the workers.
//!
//! Here is how a pool is found or made, and how orders reach the thread that carries them out; what
//! concerns clients is in `clients`. What pools and the budget decide is `pgweir_pool`'s.

mod clients;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use pgweir_pool::budget::{Budget, Group, Permit, PoolId};
use pgweir_pool::driver::Order;
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::server::Home;
use pgweir_wire::sqlstate::SqlState;
use tokio::sync::{Notify, oneshot};

use crate::backends::Backends;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::errors::Errors;
use crate::insight::Insight;
use crate::link::CancelTarget;
use crate::locks::LockBoard;
use crate::mailbox::{Mailbox, WorkerHandle};
use crate::platform::Sockets;
use crate::pool_handle::{PoolHandle, Settings};
use crate::probes::Probes;
use crate::texts::ClientError;
use pgweir_config::{Config, Database, Workers};

/// Pools at once. A pool is 5 KiB without servers; only clients that have logged in make one.
const POOLS_MAX: usize = 10_000;

/// What the control plane is asked to do.
pub(crate) enum Errand {
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

/// Errands for the control plane, at most three per connection.
#[derive(Default)]
pub(crate) struct Errands {
    mailbox: Mailbox<Errand>,
    come: Notify,
}

impl Errands {
    fn leave(&self, errand: Errand) {
        if self.mailbox.leave(errand) {
            self.come.notify_one();
        }
    }

    /// Waits until there are some, and takes all.
    ///
    /// # Cancel safety
    /// Nothing is taken when this is dropped early, and the next call does not wait for what came.
    pub(crate) async fn take(&self) -> Vec<Errand> {
        let mut errands = Vec::new();
        loop {
            self.mailbox.take(&mut errands);
            if !errands.is_empty() {
                return errands;
            }
            self.come.notified().await;
        }
    }
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
    pub(crate) errands: Errands,
}

impl Registry {
    pub(crate) fn new(clock: Clock, config: Arc<Config>, workers: Vec<WorkerHandle>) -> Self {
        let user_limits = user_limits(&config);
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
            errands: Errands::default(),
        };
        for (group, limit) in user_limits {
            registry.lock_budget().set_limit(group, limit);
        }
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
        let mut budget = self.lock_budget();
        budget.join(id, key.0.clone(), key.1.clone());
        budget.set_limit(Group::Database(key.0.clone()), max_db_connections);
        pools.by_id.push(pool.clone());
        pools.by_name.insert(key, pool.clone());
        Ok(pool)
    }

    pub(crate) fn leave_errand(&self, errand: Errand) {
        self.errands.leave(errand);
    }

    /// Brings an order to the thread that carries it out.
    pub(crate) fn carry_out(&self, order: Order<Sockets>) {
        match order {
            Order::Send(to, message) => self.workers[to.index()].send(message),
            Order::Open(pool, id, permit) => self.leave_errand(Errand::Open(pool.0, id, permit)),
            Order::Cancel {
                target,
                server,
                home,
                ticket,
            } => self.leave_errand(Errand::Cancel(target, server, home, ticket)),
        }
    }

    /// The worker where a server lives that is opened under this name.
    pub(crate) fn home_for(&self, id: ServerId) -> WorkerId {
        match self.config().workers {
            Workers::Auto => WorkerId(0),
            Workers::Count(_) => {
                let index = id.0 % self.workers.len() as u64;
                self.workers[index as usize].id
            }
        }
    }

    pub(crate) fn lock_budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().expect("no panic under the lock")
    }

    pub(crate) fn pool_by_id(&self, id: PoolId) -> Arc<PoolHandle> {
        self.pools.read().expect("no panic under the lock").by_id[id.0 as usize].clone()
    }

    /// Says goodbye to PostgreSQL on all idle servers, when no worker runs any more.
    pub(crate) fn part(&self) {
        for pool in self.pools() {
            pool.with(|stock| {
                for server in stock.parked.values_mut() {
                    server.say_goodbye();
                }
            });
        }
    }

    /// Takes the place of the configuration.
    pub(crate) fn set_config(&self, config: Arc<Config>) {
        *self.config.write().expect("no panic under the lock") = config;
    }
}

/// The limits of users, as the budget takes them.
pub(crate) fn user_limits(config: &Config) -> Vec<(Group, Option<u32>)> {
    let users = config.users.values();
    users
        .map(|user| {
            let group = Group::User(user.name.as_str().into());
            (group, user.max_user_connections.map(|max| max.get()))
        })
        .collect()
}

/// A random number from the system.
///
/// # Panics
/// If the system has none: no key could be made that cannot be guessed.
pub(crate) fn random_u32() -> u32 {
    getrandom::u32().expect("the system gives random numbers")
}
