//! What all threads share: configuration, pools, the budget, the clients, the workers.
//!
//! Here is how orders reach the thread that carries them out; what concerns pools is in `pools`, and
//! what concerns clients in `clients`. What pools and the budget decide is `pgweir_pool`'s.

mod clients;
mod pools;

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use pgweir_pool::budget::{Budget, Group, Permit};
use pgweir_pool::driver::Order;
use pgweir_pool::halts::Halts;
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::server::Home;
use tokio::sync::{Notify, oneshot, watch};

use crate::admin::Task;
use crate::attempts::Attempts;
use crate::backends::Backends;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::consoles::Consoles;
use crate::errors::Errors;
use crate::files::Shares;
use crate::insight::Insight;
use crate::link::CancelTarget;
use crate::locks::LockBoard;
use crate::lookups::Lookups;
use crate::mailbox::{Mailbox, WorkerHandle};
use crate::peers::Peers;
use crate::platform::Sockets;
use crate::pool_handle::PoolHandle;
use crate::probes::Probes;
use crate::tls::servers::Connectors;
use crate::vault::Vault;
use pgweir_config::{Config, Workers};
use pools::Pools;

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
    /// What an administrator ordered.
    Task(Task),
}

/// Errands for the control plane, at most three per connection and one per session of the console.
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

/// Shared by all threads.
pub(crate) struct Registry {
    pub(crate) clock: Clock,
    pub(crate) workers: Vec<WorkerHandle>,
    pub(crate) draining: AtomicBool,
    halts: Arc<Mutex<Halts>>,
    /// Whether everything is paused, for who would ask PostgreSQL something on the pooler's own account.
    pub(crate) pausing: watch::Sender<bool>,
    /// Whether those who want to come in are served.
    door: watch::Sender<bool>,
    /// All pools were swept.
    pub(crate) swept: Notify,
    pub(crate) errors: Errors,
    pub(crate) insight: Insight,
    /// The server processes that serve us.
    pub(crate) backends: Backends,
    /// What each PostgreSQL was seen to do.
    pub(crate) probes: Probes,
    /// Users that PostgreSQL was asked for.
    pub(crate) lookups: Arc<Lookups>,
    /// How PostgreSQL is spoken to in TLS.
    pub(crate) connectors: Arc<Connectors>,
    /// Who waits for whose locks there.
    pub(crate) locks: LockBoard,
    config: RwLock<Arc<Config>>,
    shares: RwLock<Shares>,
    pools: RwLock<Pools>,
    budget: Mutex<Budget>,
    clients: Mutex<Clients>,
    pub(crate) errands: Errands,
    /// Passwords for servers.
    pub(crate) vault: Vault,
    /// Logins of clients, by address.
    pub(crate) attempts: Attempts,
    /// Sessions of the admin console.
    pub(crate) consoles: Consoles,
    /// Cancel requests that are passed on to other processes.
    pub(crate) peers: Peers,
}

impl Registry {
    pub(crate) fn new(clock: Clock, config: Arc<Config>, workers: Vec<WorkerHandle>) -> Self {
        let user_limits = user_limits(&config);
        let shares = Shares::of(&config, workers.len());
        let pausing = watch::Sender::new(false);
        let (connectors, vault) = (Arc::<Connectors>::default(), Vault::default());
        let halts = Arc::<Mutex<Halts>>::default();
        let registry = Self {
            clock,
            insight: Insight::new(workers.len()),
            workers,
            draining: AtomicBool::new(false),
            halts: halts.clone(),
            door: watch::Sender::new(true),
            swept: Notify::new(),
            errors: Errors::default(),
            backends: Backends::default(),
            probes: Probes::default(),
            lookups: Arc::new(Lookups::new(
                connectors.clone(),
                vault.apart(),
                (pausing.subscribe(), halts),
            )),
            pausing,
            connectors,
            locks: LockBoard::default(),
            config: RwLock::new(config.clone()),
            shares: RwLock::new(shares),
            pools: RwLock::default(),
            budget: Mutex::default(),
            clients: Mutex::default(),
            errands: Errands::default(),
            vault,
            attempts: Attempts::default(),
            consoles: Consoles::default(),
            peers: Peers::default(),
        };
        for (group, limit) in user_limits {
            registry.lock_budget().set_limit(group, limit);
        }
        registry
    }

    /// What is stopped. No other lock is taken meanwhile.
    pub(crate) fn halts(&self) -> MutexGuard<'_, Halts> {
        self.halts.lock().expect("no panic under the lock")
    }

    /// Serves those who want to come in, or has them wait.
    pub(crate) fn let_in(&self, are_served: bool) {
        self.door.send_replace(are_served);
    }

    /// Waits until those who want to come in are served.
    pub(crate) async fn may_come_in(&self) {
        // The sender is this registry's.
        let _ = self
            .door
            .subscribe()
            .wait_for(|are_served| *are_served)
            .await;
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().expect("no panic under the lock").clone()
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

    /// The processes of servers that somebody holds, or that are being returned.
    pub(crate) fn busy(&self) -> Vec<Arc<CancelTarget>> {
        let mut idle = HashSet::new();
        for pool in self.pools() {
            pool.with(|stock| idle.extend(stock.parked.keys().copied()));
        }
        self.backends.except(&idle)
    }

    /// Whether PostgreSQL may still count a server that is closed, of this process or of one that it took over from.
    pub(crate) fn servers_may_linger(&self) -> bool {
        self.backends.may_linger() || !self.peers.before().is_empty()
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

    /// What the limit of open files is shared out for.
    pub(crate) fn shares(&self) -> Shares {
        *self.shares.read().expect("no panic under the lock")
    }

    /// Takes the place of the configuration.
    pub(crate) fn set_config(&self, config: Arc<Config>) {
        let shares = Shares::of(&config, self.workers.len());
        shares.warn_if_short(&config);
        *self.shares.write().expect("no panic under the lock") = shares;
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
