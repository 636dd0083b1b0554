//! One pool with its lock: the pure state machine and the servers that nobody holds.
//!
//! The lock is held for one decision at a time, twice per transaction, and never across I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use pgweir_pool::budget::{Group, PoolId};
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::pool::{self, Action, Condition, Counts, Pool, Refusal};
use pgweir_pool::relay::Mode;
use pgweir_pool::session::Limits;
use pgweir_pool::time::Time;
use pgweir_pool::trace::Thresholds;
use pgweir_pool::waits::{self, Cause, Held, Load};
use pgweir_pool::work::Totals;
use pgweir_wire::auth::scram::ClientKey;
use pgweir_wire::auth::scram::client::KeyCache;
use tokio::sync::watch;

use crate::effects::{Effect, Grant};
use crate::link::Server;
use crate::texts::ClientError;
use pgweir_config::{Database, PoolConfig, PoolMode};

/// Servers that one pool can number: 2^40, more than a thousand a second for thirty years.
const SERVER_ID_BITS: u32 = 40;

/// The pool that a server is of.
pub(crate) fn pool_of(server: ServerId) -> PoolId {
    PoolId(u32::try_from(server.0 >> SERVER_ID_BITS).expect("made of a pool's number"))
}

/// Sets of settings kept to be shared. Applications differ in application_name as a rule.
const RECENT_MAX: usize = 32;

/// What a client is told at login: the settings of a fresh server.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// Every setting the server reported, spelled as it did.
    pub(crate) reported: Vec<(String, String)>,
    /// Those that a session can change.
    pub(crate) parameters: Arc<Parameters>,
}

impl Welcome {
    /// Settings that changed after they were reported first.
    pub(crate) fn change(&mut self, reported: Vec<(String, String)>) {
        let parameters = Arc::make_mut(&mut self.parameters);
        for (name, value) in reported {
            parameters.set(&name, &value);
            match self.reported.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => self.reported.push((name, value)),
            }
        }
    }
}

/// What is known of logging in to PostgreSQL for this pool.
#[derive(Debug, Clone, Default)]
pub(crate) enum Greeting {
    /// No server has logged in yet.
    #[default]
    Unknown,
    /// A server has.
    Known(Arc<Welcome>),
    /// The last attempt failed, and none succeeded before.
    Failed(ClientError),
}

/// Keys by which servers are logged in without a password.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    /// Derived from the password at an earlier login.
    pub(crate) derived: Option<KeyCache>,
    /// Taken from a client's login, with the server key of the stored verifier.
    pub(crate) passed: Option<(ClientKey, [u8; 32])>,
}

/// Settings of a pool in the form the data plane uses.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database: Arc<Database>,
    pub(crate) config: PoolConfig,
    pub(crate) limits: Limits,
    /// From when on statements are slow; `None` where none are followed.
    pub(crate) thresholds: Option<Thresholds>,
    pub(crate) mode: Mode,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) core: Pool,
    /// Idle servers, and those just being handed over.
    pub(crate) parked: BTreeMap<ServerId, Box<Server>>,
    /// Since the start of the process; a server's work is added when it is returned.
    pub(crate) totals: Totals,
    /// What was the budget's reason when it said no last.
    pub(crate) full: Option<Group>,
    /// The last login failed because PostgreSQL had no connection left.
    pub(crate) postgres_full: bool,
    /// What clients do with the servers they hold, by worker, as of its last sweep.
    held: Vec<Held>,
    /// Servers that a probe saw waiting for locks in statements too short to be noted, and until
    /// when that may be taken for the present.
    contended: (u32, Time),
    /// What those do whom a limit of several pools lets have the servers that this pool wants; as
    /// of the last sweep that found it hungry.
    rivals: Load,
    check_delay: Duration,
    wait_max: Duration,
}

/// A pool, shared by all workers and the control plane.
pub(crate) struct PoolHandle {
    pub(crate) id: PoolId,
    /// Name of the database as clients say it.
    pub(crate) database: Arc<str>,
    /// User as whom clients log in.
    pub(crate) user: Arc<str>,
    pub(crate) greeting: watch::Sender<Greeting>,
    pub(crate) keys: Mutex<Keys>,
    /// The last failed login, while the pool has no other word for it.
    pub(crate) login_error: Mutex<Option<ClientError>>,
    /// Settings that clients asked for lately, so that clients alike share one copy.
    recent: Mutex<VecDeque<Arc<Parameters>>>,
    settings: RwLock<Arc<Settings>>,
    shared: Mutex<Shared>,
}

impl PoolHandle {
    pub(crate) fn new(
        id: PoolId,
        database: Arc<str>,
        user: Arc<str>,
        settings: Settings,
        workers: usize,
    ) -> Self {
        let first = ServerId(u64::from(id.0) << SERVER_ID_BITS);
        let shared = Shared {
            core: Pool::new(core_config(&settings.config), workers, first),
            parked: BTreeMap::new(),
            totals: Totals::default(),
            full: None,
            postgres_full: false,
            held: vec![Held::default(); workers],
            contended: (0, Time::default()),
            rivals: Load::default(),
            check_delay: settings.config.server_check_delay.unwrap_or(Duration::MAX),
            wait_max: wait_max(&settings.config),
        };
        Self {
            id,
            database,
            user,
            greeting: watch::Sender::default(),
            keys: Mutex::default(),
            login_error: Mutex::default(),
            recent: Mutex::default(),
            settings: RwLock::new(Arc::new(settings)),
            shared: Mutex::new(shared),
        }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .expect("no panic under the lock")
            .clone()
    }

    /// Lets `decide` tell the pool what happened and moves what the pool wants done, with the
    /// servers it concerns, to `effects`.
    pub(crate) fn decide<T>(
        &self,
        now: Time,
        effects: &mut Vec<Effect>,
        decide: impl FnOnce(&mut Shared) -> T,
    ) -> T {
        let mut shared = self.lock();
        let result = decide(&mut shared);
        while let Some(action) = shared.core.poll_action() {
            effects.push(match action {
                Action::Open(id) => Effect::Open(id),
                Action::Refuse(client, refusal) => {
                    shared.refused(now, refusal);
                    Effect::Refuse(client, refusal)
                }
                Action::Close(id, reason) => Effect::Close(shared.unpark(id), reason),
                Action::Grant {
                    client,
                    server,
                    idle_since,
                    place,
                    is_new,
                } => {
                    shared.waited(now, now - place.since, is_new);
                    Effect::Grant(Grant {
                        client,
                        server: shared.unpark(server),
                        place,
                        check: now - idle_since >= shared.check_delay,
                    })
                }
            });
        }
        result
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().core.counts()
    }

    /// Whether this is a server of this pool.
    pub(crate) fn owns(&self, server: ServerId) -> bool {
        pool_of(server) == self.id
    }

    /// Since when a server is held by nobody; `None` if somebody holds it.
    pub(crate) fn idle_from(&self, server: ServerId) -> Option<Time> {
        self.lock().core.idle_from(server)
    }

    /// Since when the server that was unused for longest is idle.
    pub(crate) fn longest_idle(&self) -> Option<Time> {
        self.lock().core.longest_idle().map(|(since, _)| since)
    }

    /// Clients, counts and totals of one moment.
    pub(crate) fn figures(&self) -> (u32, Counts, Totals) {
        let shared = self.lock();
        let core = &shared.core;
        (core.clients(), core.counts(), shared.totals.clone())
    }

    /// Whether the last login to PostgreSQL failed.
    pub(crate) fn is_login_failing(&self) -> bool {
        let error = self.login_error.lock().expect("no panic under the lock");
        error.is_some()
    }

    /// Counts work of a server that stays with its client.
    pub(crate) fn count(&self, server: &mut Server) {
        self.lock().count(server);
    }

    /// What clients of one worker do with the servers they hold.
    pub(crate) fn holding(&self, worker: WorkerId, held: Held) {
        self.lock().held[worker.index()] = held;
    }

    /// Of so many servers the statement had just begun to wait for a lock when a probe looked; that
    /// is worth something until `until`.
    pub(crate) fn contended(&self, servers: u32, until: Time) {
        self.lock().contended = (servers, until);
    }

    /// What clients do with the servers they hold.
    pub(crate) fn load(&self, now: Time) -> Load {
        self.lock().load(now)
    }

    /// What clients of those pools do that have the servers this one wants.
    pub(crate) fn kept_by(&self, rivals: Load) {
        self.lock().rivals = rivals;
    }

    /// Why a client that needs a server has to wait, if none is free.
    pub(crate) fn cause(&self, now: Time) -> Cause {
        self.lock().cause(now)
    }

    /// What clients do with the servers they hold.
    pub(crate) fn held(&self) -> Held {
        Held::sum(&self.lock().held)
    }

    /// Takes over a reloaded configuration; whether servers must be opened anew for it.
    pub(crate) fn reconfigure(&self, now: Time, settings: Settings, effects: &mut Vec<Effect>) {
        let retire = {
            let old = self.settings();
            let (old, new) = (&old.database, &settings.database);
            old.server != new.server
                || old.dbname != new.dbname
                || old.forced_user != new.forced_user
                || old.password != new.password
                || old.connect_query != new.connect_query
                || old.startup_parameters != new.startup_parameters
        };
        let config = settings.config.clone();
        *self.settings.write().expect("no panic under the lock") = Arc::new(settings);
        if retire {
            *self.keys.lock().expect("no panic under the lock") = Keys::default();
        }
        self.decide(now, effects, |shared| {
            shared.check_delay = config.server_check_delay.unwrap_or(Duration::MAX);
            shared.wait_max = wait_max(&config);
            shared.core.set_config(now, core_config(&config));
            if retire {
                shared.core.retire(now);
            }
        });
    }

    /// One shared copy of these settings.
    pub(crate) fn shared_parameters(&self, wanted: Parameters) -> Arc<Parameters> {
        let mut recent = self.recent.lock().expect("no panic under the lock");
        if let Some(same) = recent.iter().find(|known| ***known == wanted) {
            return same.clone();
        }
        let wanted = Arc::new(wanted);
        recent.push_front(wanted.clone());
        recent.truncate(RECENT_MAX);
        wanted
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no panic under the lock")
    }
}

impl Shared {
    /// A server comes back clean, or as one that cannot be used again.
    pub(crate) fn check_in(
        &mut self,
        now: Time,
        mut server: Box<Server>,
        home: WorkerId,
        condition: Condition,
    ) {
        if condition == Condition::Clean {
            assert!(
                server.is_reusable(),
                "a server in use went back to its pool"
            );
        }
        let id = server.id;
        self.count(&mut server);
        self.parked.insert(id, server);
        self.core.checkin(now, id, home, condition);
    }

    fn count(&mut self, server: &mut Server) {
        self.totals.take(&mut server.upstream.work);
        self.totals.take_found(&mut server.upstream.trace.found);
    }

    /// Counts a client that got a server after `time`.
    fn waited(&mut self, now: Time, time: Duration, is_new: bool) {
        self.totals.wait_times.record(time);
        if !time.is_zero() {
            let cause = if is_new {
                Cause::Opening
            } else {
                self.cause(now)
            };
            self.totals.waited(cause, time);
        }
    }

    /// Counts a client that did not get a server.
    pub(crate) fn refused(&mut self, now: Time, refusal: Refusal) {
        let totals = &mut self.totals;
        let (count, time) = match refusal {
            // It did not wait.
            Refusal::QueueFull => (&mut totals.refusals_queue_full, None),
            Refusal::Timeout => (&mut totals.refusals_timeout, Some(self.wait_max)),
            // How long is not known, and not what matters.
            Refusal::LoginFailing => (&mut totals.refusals_login_failing, Some(Duration::ZERO)),
        };
        *count += 1;
        if let Some(time) = time {
            let cause = self.cause(now);
            self.totals.waited(cause, time);
        }
    }

    /// Why a client waits.
    fn cause(&self, now: Time) -> Cause {
        waits::cause(
            self.core.shortage(now),
            self.load(now),
            self.rivals,
            self.full.as_ref(),
            self.postgres_full,
        )
    }

    fn load(&self, now: Time) -> Load {
        let mut held = Held::sum(&self.held);
        let (contended, until) = self.contended;
        if now < until {
            // Not added: some may have waited for so long since that they are noted.
            held.locked = held.locked.max(contended);
        }
        Load {
            active: self.core.counts().active,
            held,
        }
    }

    fn unpark(&mut self, id: ServerId) -> Box<Server> {
        self.parked
            .remove(&id)
            .expect("the pool names parked servers")
    }
}

impl Settings {
    pub(crate) fn new(database: Arc<Database>, user: &str) -> Self {
        let config = database.pool_config(user).clone();
        let bound = |time: Option<Duration>| time.unwrap_or(Duration::MAX);
        Self {
            limits: Limits {
                query: bound(config.query_timeout),
                idle_in_transaction: bound(config.idle_transaction_timeout),
                transaction: bound(config.transaction_timeout),
                idle: bound(config.client_idle_timeout),
            },
            thresholds: config.track_statements.then(|| Thresholds {
                slow: bound(config.slow_query_time),
                very_slow: bound(config.very_slow_query_time),
            }),
            mode: match config.pool_mode {
                PoolMode::Session => Mode::Session,
                PoolMode::Transaction => Mode::Transaction,
                PoolMode::Statement => Mode::Statement,
            },
            config,
            database,
        }
    }
}

fn wait_max(config: &PoolConfig) -> Duration {
    config.query_wait_timeout.unwrap_or(Duration::MAX)
}

fn core_config(config: &PoolConfig) -> pool::Config {
    pool::Config {
        size_max: config.pool_size.map_or(u32::MAX, std::num::NonZeroU32::get),
        size_min: config.min_pool_size,
        reserve_max: config.reserve_pool_size,
        reserve_after: config.reserve_pool_timeout,
        waiters_max: config
            .max_waiting_clients
            .map_or(usize::MAX, |n| n.get() as usize),
        wait_max: wait_max(config),
        idle_max: config.server_idle_timeout.unwrap_or(Duration::MAX),
        lifetime: config.server_lifetime,
        login_retry: config.server_login_retry,
    }
}
