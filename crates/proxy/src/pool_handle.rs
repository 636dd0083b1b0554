//! One pool with its lock: the pure state machine with the servers that nobody holds, and what logins
//! need to know.
//!
//! The lock is held for one decision at a time, twice per transaction, and never across I/O.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use pgweir_pool::budget::PoolId;
use pgweir_pool::driver::{Policy, WaitNotice};
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::parameters::Parameters;
use pgweir_pool::pool::{self, Counts};
use pgweir_pool::relay::Mode;
use pgweir_pool::reported::kept;
use pgweir_pool::session::Limits;
use pgweir_pool::stock::Stock;
use pgweir_pool::time::Time;
use pgweir_pool::trace::Thresholds;
use pgweir_pool::waits::{Cause, Held};
use pgweir_pool::work::Totals;
use pgweir_wire::auth::scram::ClientKey;
use pgweir_wire::auth::scram::client::KeyCache;
use pgweir_wire::sqlstate::SqlState;
use tokio::sync::watch;

use crate::ailing::Ailing;
use crate::link::{Link, Server};
use crate::replication;
use crate::texts::{self, ClientError};
use pgweir_config::{Database, PoolConfig, PoolMode, Secret, ServerAddress, SessionState, TlsMode};

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
    /// Every setting the server reported, spelled as it did; values as [`kept`].
    pub(crate) reported: Arc<Vec<(String, String)>>,
    /// Those that a session can change.
    pub(crate) parameters: Arc<Parameters>,
}

impl Welcome {
    /// The first number of the server's version.
    pub(crate) fn version(&self) -> Option<u32> {
        let reported = &mut self.reported.iter();
        let (_, version) = reported.find(|(name, _)| name == "server_version")?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }

    /// Settings that were reported, or changed after they were reported first.
    pub(crate) fn change(&mut self, reported: Vec<(String, Vec<u8>)>) {
        let parameters = Arc::make_mut(&mut self.parameters);
        let news = reported.iter().find(|(name, _)| name == "client_encoding");
        let encoding = match news {
            Some((_, value)) => Some(kept(value, None).into_owned()),
            None => parameters.value("client_encoding").map(str::to_owned),
        };
        for (name, value) in reported {
            let value = kept(&value, encoding.as_deref()).into_owned();
            parameters.set(&name, &value);
            let reported = Arc::make_mut(&mut self.reported);
            match reported.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => reported.push((name, value)),
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

/// What earlier logins taught: keys by which servers are logged in without a password, and what not to
/// ask for.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    /// Derived from the password at an earlier login.
    pub(crate) derived: Option<KeyCache>,
    /// Taken from a client's login, with the server key of the stored verifier.
    pub(crate) passed: Option<(ClientKey, [u8; 32])>,
    /// Found by `auth_query`, where the configuration has none.
    pub(crate) found: Option<Secret>,
    /// The server speaks protocol 3.0 and lets nobody in who asks for a newer one.
    pub(crate) refuse_newer: bool,
}

/// Settings of a pool in the form the data plane uses.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) database: Arc<Database>,
    pub(crate) config: PoolConfig,
    pub(crate) policy: Arc<Policy>,
    pub(crate) mode: Mode,
}

/// What makes a pool that of one replication connection.
pub(crate) struct Replication {
    /// The ordinary pool of the same database and user, until this one is forgotten.
    base: Mutex<Option<Arc<PoolHandle>>>,
    /// Startup parameters beside user and database, `replication` among them.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Replication {
    /// The ordinary pool of the same database and user; `None` once this one is forgotten.
    pub(crate) fn base(&self) -> Option<Arc<PoolHandle>> {
        self.base.lock().expect("no panic under the lock").clone()
    }

    /// The pool is forgotten: it keeps the ordinary one no longer.
    pub(crate) fn part(&self) -> Option<Arc<PoolHandle>> {
        self.base.lock().expect("no panic under the lock").take()
    }
}

/// A pool, shared by all workers and the control plane.
pub(crate) struct PoolHandle {
    pub(crate) id: PoolId,
    /// Name of the database as clients say it.
    pub(crate) database: Arc<str>,
    /// User as whom clients log in.
    pub(crate) user: Arc<str>,
    /// `None` for the pool that ordinary clients share.
    pub(crate) replication: Option<Replication>,
    pub(crate) greeting: watch::Sender<Greeting>,
    pub(crate) keys: Arc<Mutex<Keys>>,
    /// The last failed login, until one succeeds or PostgreSQL is seen to be back.
    login_error: Mutex<Option<FailedLogin>>,
    /// Settings that clients asked for lately, so that clients alike share one copy.
    recent: Mutex<VecDeque<Arc<Parameters>>>,
    /// Connections that were begun, for whose turn it is of several hosts.
    turns: AtomicUsize,
    /// Hosts that gave way to the next one.
    pub(crate) ailing: Ailing,
    settings: RwLock<Arc<Settings>>,
    stock: Mutex<Stock<Link>>,
    /// Cancel requests for its servers that are on their way to PostgreSQL.
    pub(crate) cancels: AtomicU32,
    /// Since when it was seen without clients.
    unused: Mutex<Option<Time>>,
}

/// Whether servers are spoken to in another TLS than before: those that were opened may be less safe.
fn is_encrypted_otherwise(old: &Database, new: &Database) -> bool {
    let has_none = |database: &Database| database.tls.tls.mode == TlsMode::Disable;
    old.tls != new.tls && !(has_none(old) && has_none(new))
}

/// How long a failed login tells of PostgreSQL at least: twice the usual `server_login_retry`, after
/// which whoever waits has tried again.
const FAILURE_IS_NEWS: Duration = Duration::from_secs(30);

/// A login that failed.
struct FailedLogin {
    error: ClientError,
    at: Time,
}

impl FailedLogin {
    /// Whether nobody answered, or PostgreSQL was starting or stopping.
    fn is_absence(&self) -> bool {
        let absent = [SqlState::CANNOT_CONNECT_NOW, SqlState::CONNECTION_FAILURE];
        absent.contains(&self.error.sqlstate)
    }
}

impl PoolHandle {
    /// The name of the first server of the first pool with a number.
    pub(crate) fn first_server(id: PoolId) -> ServerId {
        ServerId(u64::from(id.0) << SERVER_ID_BITS)
    }

    /// Whether its servers are in this database of this PostgreSQL.
    pub(crate) fn is_in(&self, server: &ServerAddress, database: &[u8]) -> bool {
        let own = &self.settings().database;
        let name = own.dbname.as_deref().unwrap_or(&self.database);
        // A replication connection has its server for itself.
        self.replication.is_none() && own.server == *server && name.as_bytes() == database
    }

    /// A pool with this number, whose servers are numbered from `first`.
    pub(crate) fn new(
        (id, first): (PoolId, ServerId),
        (database, user): (Arc<str>, Arc<str>),
        settings: Settings,
        workers: usize,
    ) -> Self {
        assert_eq!(pool_of(first), id, "its servers tell their pool");
        let config = bounds((&settings.config, &settings.database));
        let stock = Stock::new(config, settings.policy.check_delay, workers, first);
        Self {
            id,
            database,
            user,
            replication: None,
            greeting: watch::Sender::default(),
            keys: Arc::default(),
            login_error: Mutex::default(),
            recent: Mutex::default(),
            turns: AtomicUsize::new(0),
            ailing: Ailing::default(),
            settings: RwLock::new(Arc::new(settings)),
            stock: Mutex::new(stock),
            cancels: AtomicU32::new(0),
            unused: Mutex::default(),
        }
    }

    /// The pool of one replication connection, with the same names and keys as its ordinary one.
    pub(crate) fn for_replication(
        number: (PoolId, ServerId),
        settings: Settings,
        workers: usize,
        (base, parameters): (Arc<Self>, Vec<(String, String)>),
    ) -> Self {
        let (names, keys) = (
            (base.database.clone(), base.user.clone()),
            base.keys.clone(),
        );
        let replication = Some(Replication {
            base: Mutex::new(Some(base)),
            parameters,
        });
        Self {
            keys,
            replication,
            ..Self::new(number, names, settings, workers)
        }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .expect("no panic under the lock")
            .clone()
    }

    /// Has the pool decide, under its lock.
    pub(crate) fn with<T>(&self, decide: impl FnOnce(&mut Stock<Link>) -> T) -> T {
        decide(&mut self.stock.lock().expect("no panic under the lock"))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.with(|stock| stock.core.counts())
    }

    /// Whether this is a server of this pool.
    pub(crate) fn owns(&self, server: ServerId) -> bool {
        pool_of(server) == self.id
    }

    /// Since when a server is held by nobody; `None` if somebody holds it.
    pub(crate) fn idle_from(&self, server: ServerId) -> Option<Time> {
        self.with(|stock| stock.core.idle_from(server))
    }

    /// Clients, counts and totals of one moment.
    pub(crate) fn figures(&self) -> (u32, Counts, Totals) {
        self.with(|stock| {
            let core = &stock.core;
            (core.clients(), core.counts(), stock.totals.clone())
        })
    }

    /// Notes what became of a login to PostgreSQL; gives whether the one before had failed.
    pub(crate) fn logged_in(&self, outcome: Result<(), (ClientError, Time)>) -> bool {
        let failed = outcome.err().map(|(error, at)| FailedLogin { error, at });
        let mut last = self.login_error.lock().expect("no panic under the lock");
        std::mem::replace(&mut *last, failed).is_some()
    }

    /// PostgreSQL has let somebody in who came after `since`: that it could not be reached before that is
    /// no longer so. What it refused this pool's user stands.
    pub(crate) fn postgres_is_back(&self, since: Time) {
        let mut last = self.login_error.lock().expect("no panic under the lock");
        last.take_if(|failed| failed.is_absence() && failed.at <= since);
    }

    /// What clients are told of the last login to PostgreSQL, if it failed.
    pub(crate) fn login_error(&self) -> Option<ClientError> {
        let last = self.login_error.lock().expect("no panic under the lock");
        last.as_ref().map(|failed| failed.error.clone())
    }

    /// Whether the last login to PostgreSQL failed.
    pub(crate) fn is_login_failing(&self) -> bool {
        self.login_error().is_some()
    }

    /// Why logins fail now, in sentences that a client may know. A failure after which nobody has tried
    /// again, because nobody needs a server, is soon no news of PostgreSQL.
    pub(crate) fn login_failure(&self, now: Time) -> Option<String> {
        let last = self.login_error.lock().expect("no panic under the lock");
        let retry = self.settings().config.server_login_retry;
        let news = FAILURE_IS_NEWS.max(2 * retry);
        let failed = last.as_ref().filter(|failed| now.since(failed.at) < news)?;
        let error = &failed.error;
        Some(match &error.detail {
            Some(detail) => format!("{}. {detail}", error.message),
            None => format!("{}.", error.message),
        })
    }

    /// Has a pool that was just made begin as a paused one.
    pub(crate) fn begin_paused(&self, now: Time) {
        self.with(|stock| stock.core.pause(now));
    }

    /// Whether no server is given out.
    pub(crate) fn is_paused(&self) -> bool {
        self.with(|stock| stock.core.is_paused())
    }

    /// Whether it has more servers, with those that log in, than its size.
    pub(crate) fn is_beyond_size(&self) -> bool {
        let size = self.settings().config.pool_size;
        let counts = self.counts();
        let servers = counts.active + counts.idle + counts.opening;
        size.is_some_and(|size| servers > size.get())
    }

    /// Whether a server has ever logged in.
    pub(crate) fn is_confirmed(&self) -> bool {
        matches!(*self.greeting.borrow(), Greeting::Known(_))
    }

    /// Whether it has clients, or servers.
    pub(crate) fn is_used(&self) -> bool {
        self.with(|stock| stock.core.clients() > 0) || self.has_servers()
    }

    /// Whether servers are open or being opened.
    pub(crate) fn has_servers(&self) -> bool {
        let counts = self.counts();
        counts.active + counts.idle + counts.opening > 0
    }

    /// Whether clients have brought nothing that logs servers in.
    pub(crate) fn is_without_keys(&self) -> bool {
        let keys = self.keys.lock().expect("no panic under the lock");
        keys.passed.is_none() && keys.found.is_none()
    }

    /// Since when it was seen, at each look, to have no clients and to open no server for them.
    pub(crate) fn unused_since(&self, now: Time) -> Option<Time> {
        let (clients, counts) = self.with(|stock| (stock.core.clients(), stock.core.counts()));
        let mut unused = self.unused.lock().expect("no panic under the lock");
        if clients > 0 || counts.active + counts.opening > 0 {
            *unused = None;
        } else {
            unused.get_or_insert(now);
        }
        *unused
    }

    /// Counts work of a server that stays with its client.
    pub(crate) fn count(&self, server: &mut Server) {
        self.with(|stock| stock.count(server));
    }

    /// What clients of one worker do with the servers they hold.
    pub(crate) fn holding(&self, worker: WorkerId, held: Held) {
        self.with(|stock| stock.holding(worker, held));
    }

    /// Of so many servers the statement had just begun to wait for a lock when a probe looked; that
    /// is worth something until `until`.
    pub(crate) fn contended(&self, servers: u32, until: Time) {
        self.with(|stock| stock.contended(servers, until));
    }

    /// Why a client that needs a server has to wait, if none is free.
    pub(crate) fn cause(&self, now: Time) -> Cause {
        self.with(|stock| stock.cause(now))
    }

    /// What clients do with the servers they hold.
    pub(crate) fn held(&self) -> Held {
        self.with(|stock| stock.held())
    }

    /// Takes over reloaded settings; whether servers must be opened anew for them. The stock is
    /// told by the caller.
    pub(crate) fn reconfigure(&self, settings: Settings) -> bool {
        let old = self.settings();
        // What clients left on servers that nobody cleaned would meet those who rely on it.
        let promises_more = settings.config.resets_always() && !old.config.resets_always();
        let moved = {
            let (old, new) = (&old.database, &settings.database);
            old.server != new.server
                || old.other_servers != new.other_servers
                || old.dbname != new.dbname
                || old.forced_user != new.forced_user
                || old.password != new.password
                || old.password_source != new.password_source
                || old.server_auth != new.server_auth
                || is_encrypted_otherwise(old, new)
                || old.connect_query != new.connect_query
                || old.startup_parameters != new.startup_parameters
        };
        *self.settings.write().expect("no panic under the lock") = Arc::new(settings);
        if moved && self.replication.is_none() {
            *self.keys.lock().expect("no panic under the lock") = Keys::default();
        }
        moved || promises_more
    }

    /// The hosts of `database` in the order in which the next connection is tried with them.
    pub(crate) fn servers_in_turn<'a>(&self, database: &'a Database) -> Vec<&'a ServerAddress> {
        let servers = std::iter::once(&database.server).chain(&database.other_servers);
        let mut servers: Vec<_> = servers.collect();
        if database.balances_hosts {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed) % servers.len();
            servers.rotate_left(turn);
        }
        servers
    }

    /// How PostgreSQL spells the value of a setting that a server of this pool has accepted.
    pub(crate) fn spelling(&self, name: &str, value: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        self.with(|stock| stock.known.spelling(&name, value).map(str::to_owned))
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
}

impl Settings {
    /// Those of the pool that ordinary clients share.
    pub(crate) fn new(database: Arc<Database>, user: &str) -> Self {
        let config = database.pool_config(user).clone();
        let mode = match config.pool_mode {
            PoolMode::Session => Mode::Session,
            PoolMode::Transaction => Mode::Transaction,
            PoolMode::Statement => Mode::Statement,
        };
        Self::build(database, config, mode)
    }

    /// Those of the pool of a replication connection.
    pub(crate) fn for_replication(database: Arc<Database>, user: &str) -> Self {
        let config = replication::adapt(database.pool_config(user).clone());
        Self::build(database, config, Mode::Replication)
    }

    fn build(database: Arc<Database>, config: PoolConfig, mode: Mode) -> Self {
        let bound = |time: Option<Duration>| time.unwrap_or(Duration::MAX);
        Self {
            policy: Arc::new(Policy {
                limits: Limits {
                    query: bound(config.query_timeout),
                    idle_in_transaction: bound(config.idle_transaction_timeout),
                    transaction: bound(config.transaction_timeout),
                    idle: bound(config.client_idle_timeout),
                    pin: bound(config.pin_timeout),
                },
                thresholds: config.track_statements.then(|| Thresholds {
                    slow: bound(config.slow_query_time),
                    very_slow: bound(config.very_slow_query_time),
                }),
                check_query: config.server_check_query.clone(),
                check_delay: bound(config.server_check_delay),
                reset_query: config.server_reset_query.clone(),
                reset_always: config.resets_always(),
                statements_max: config.max_prepared_statements,
                rejects_state: config.session_state == SessionState::Reject,
                audit_interval: config.session_audit_interval,
                takes_queries: !config.disable_pqexec,
                closes_fast: config.server_fast_close && mode == Mode::Session,
                message_max: config.max_packet_size,
                wait_notice: config.query_wait_notify.map(|after| WaitNotice {
                    after,
                    message: texts::wait_notice(),
                }),
            }),
            mode,
            config,
            database,
        }
    }
}

/// The bounds of a pool. Whoever comes, a database that has one user has one pool, which can be made ready for them.
pub(crate) fn bounds((config, database): (&PoolConfig, &Database)) -> pool::Bounds {
    pool::Bounds {
        size_max: config.pool_size.map_or(u32::MAX, std::num::NonZeroU32::get),
        size_min: config.min_pool_size,
        keeps_min_unused: database.forced_user.is_some(),
        reserve_max: config.reserve_pool_size,
        reserve_after: config.reserve_pool_timeout,
        waiters_max: config
            .max_waiting_clients
            .map_or(usize::MAX, |n| n.get() as usize),
        wait_max: config.query_wait_timeout.unwrap_or(Duration::MAX),
        idle_max: config.server_idle_timeout.unwrap_or(Duration::MAX),
        lifetime: config.server_lifetime,
        login_retry: config.server_login_retry,
        round_robin: config.server_round_robin,
    }
}
