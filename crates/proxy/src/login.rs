//! Logging a client in: from its first byte to the ReadyForQuery that hands it to a worker.
//!
//! Before it has proven who it is, a peer makes us hold one packet, at most [`PACKET_MAX`] bytes
//! of it or [`PROOF_MAX`] of a password, and gets no answer that tells whether a user or database exists.

mod hello;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pgweir_console::Role;
use pgweir_pool::parameters::{Parameters, is_valid_name};
use pgweir_pool::pool::{Counts, Refusal};
use pgweir_pool::session::FirstWords;
use pgweir_pool::spelling::spelled;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{MINOR_NEWEST, PACKET_MAX, Startup};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::authentication::{self, Authentication, Claim, ScramKeys};
use crate::caller::Caller;
use crate::cancel_key::CancelKey;
use crate::console::{self, ConsoleEntry};
use crate::login_end::LoginEnd;
use crate::orders::Orders;
use crate::pool_handle::{Greeting, PoolHandle, Welcome};
use crate::registry::Registry;
use crate::replication::startup_parameters;
use crate::slots::{Slots, Stranger};
use crate::texts::{self, ClientError};
use crate::tls;
use crate::tls::clients::Acceptors;
use crate::tls::stream::MaybeTls;
use crate::wire_io::{Inbound, send};
use pgweir_config::access::Channel;
use pgweir_config::{Config, Database, Secret};

/// Time a login waits for the defaults of a pool without servers to be seen again. It may be long
/// before another connection is free, and the client might not even want one.
const RENEWAL_MAX: Duration = Duration::from_secs(1);

/// Who came in.
pub(crate) enum Entry {
    /// A client of a pool.
    Client(LoggedIn),
    /// Somebody at the admin console.
    Console(ConsoleEntry),
}

/// A client that has proven who it is.
pub(crate) struct LoggedIn {
    pub(crate) admission: Admission,
    pub(crate) parameters: Arc<Parameters>,
    /// It was not told that it may begin: it has to have a server first, or one has to accept its settings.
    pub(crate) first_words: Option<FirstWords>,
    /// What the client sent without waiting for the end of its login.
    pub(crate) rest: Vec<u8>,
}

/// Longest message with a password or a token, a little above what PostgreSQL takes (`PG_MAX_AUTH_TOKEN_LENGTH`, 65,535
/// bytes), as PgBouncer does.
const PROOF_MAX: usize = 64 * 1024 + 8;

/// A client that was let in. It counts against the limits until it is dropped, which a login does
/// that fails or takes too long, or until a worker answers for it.
pub(crate) struct Admission {
    registry: Arc<Registry>,
    pub(crate) pool: Arc<PoolHandle>,
    pub(crate) user: Arc<str>,
    pub(crate) key: CancelKey,
    handed_over: bool,
}

impl Admission {
    /// Counts a client of this user in that speaks protocol 3.`minor`, under its number if no other has that.
    ///
    /// # Errors
    /// A limit on clients is reached.
    fn new(
        registry: &Arc<Registry>,
        pool: Arc<PoolHandle>,
        (user, minor, number): (Arc<str>, u16, u32),
    ) -> Result<Self, ClientError> {
        let key = registry.client_in(&pool, &user, (minor, number))?;
        registry.tell(&pool, |stock, now| {
            stock.totals.client_logins += 1;
            stock.core.client_in(now);
        });
        Ok(Self {
            registry: registry.clone(),
            pool,
            user,
            key,
            handed_over: false,
        })
    }

    /// From here on a worker counts the client out.
    pub(crate) fn hand_over(mut self) -> (Arc<PoolHandle>, Arc<str>, CancelKey) {
        self.handed_over = true;
        (self.pool.clone(), self.user.clone(), self.key)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.handed_over {
            self.registry
                .tell(&self.pool, |stock, now| stock.core.client_out(now));
            self.registry.client_out(self.key.pid);
        }
    }
}

/// A client's wait for the first server of its pool, over when this is dropped.
struct GreetingWait<'a> {
    registry: &'a Registry,
    pool: &'a PoolHandle,
}

impl<'a> GreetingWait<'a> {
    /// # Errors
    /// Too many clients wait for that.
    fn begin(registry: &'a Registry, pool: &'a PoolHandle) -> Result<Self, ClientError> {
        registry.wait_for_greeting(pool)?;
        Ok(Self { registry, pool })
    }
}

impl Drop for GreetingWait<'_> {
    fn drop(&mut self) {
        self.registry.greeting_wait_is_over(self.pool);
    }
}

/// What logins share.
pub(crate) struct Door {
    pub(crate) registry: Arc<Registry>,
    /// Carries out what administrators order.
    pub(crate) orders: Orders,
    pub(crate) slots: Arc<Slots>,
    authentication: Authentication,
    acceptors: Acceptors,
}

impl Door {
    pub(crate) fn new(registry: Arc<Registry>, orders: Orders) -> Self {
        let strangers = usize::try_from(registry.shares().strangers).expect("at most 1024");
        Self {
            slots: Arc::new(Slots::new(strangers)),
            authentication: Authentication::new(registry.lookups.clone()),
            acceptors: Acceptors::default(),
            orders,
            registry,
        }
    }

    /// Logs a client in. On refusal the client was not told yet. It is a stranger until it has proven
    /// who it is.
    ///
    /// # Errors
    /// The client is refused, or its stream ended.
    pub(crate) async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut MaybeTls<S>,
        (stranger, caller): (&Stranger, &mut Caller),
        (mut channel, address): (Channel, Option<SocketAddr>),
    ) -> Result<Entry, LoginEnd> {
        let mut inbound = Inbound::new(PACKET_MAX);
        let config = self.registry.config();
        let mut startup = self
            .hear(stream, &mut inbound, (stranger, &mut channel), &config)
            .await?;
        let encrypts = stream.connection().map(tls::words);
        caller.asks(&startup, (address, encrypts), &config.log);
        if config.application_name_add_host {
            add_host(&mut startup, address);
        }
        let mut out = Vec::new();
        let minor = startup.minor.min(MINOR_NEWEST);
        if minor < startup.minor || !startup.unknown_protocol_options.is_empty() {
            encode::negotiate_protocol_version(&mut out, minor, &startup.unknown_protocol_options);
        }
        let attempts = &self.registry.attempts;
        let delay = attempts.delay(&config.login_limits, stranger.address());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let is_console = console::is_console(&startup.database);
        if is_console && console::is_owner(&startup.user, &channel) {
            let entry = ConsoleEntry::new(startup, Role::Admin, (out, inbound));
            return Ok(Entry::Console(entry));
        }
        if !is_console && self.registry.draining.load(Ordering::Acquire) {
            return Err(texts::shutting_down().into());
        }
        let database = find_database(&config, &startup.database).filter(|_| !is_console);
        let claim = Claim {
            startup: &startup,
            channel: &channel,
            database: database.map(|database| &**database),
            is_console,
        };
        let mut inbound = inbound.with_bound(PROOF_MAX);
        let peer = (&mut *stream, &mut inbound);
        let proving = self
            .authentication
            .prove(peer, &config, &claim, (out, stranger));
        let outcome = Box::pin(proving).await;
        if matches!(&outcome, Err(LoginEnd::Refused(error)) if is_failure(error)) {
            attempts.failed(&config.login_limits, stranger.address());
        }
        let proven = outcome?;
        if is_console {
            let role = console::role(&config, &startup)?;
            let entry = ConsoleEntry::new(startup, role, (proven.reply, inbound));
            return Ok(Entry::Console(entry));
        }
        let database = database.ok_or_else(|| texts::no_such_database(&startup.database))?;
        if self.registry.halts().is_disabled(&startup.database) {
            return Err(texts::disabled(&startup.database).into());
        }
        let pool = self
            .registry
            .pool(database.clone(), &startup.database, &proven.user.name)?;
        // What another user has proven opens no server of this one.
        let is_its_own = *pool.user == proven.user.name;
        let has_brought = is_its_own && self.learn(&pool, proven.passed, proven.found);
        let replication = startup_parameters(&config, &startup);
        let is_replication = replication.is_some();
        let pool = match replication {
            Some(parameters) => self.registry.pool_for_replication(&pool, parameters)?,
            None => pool,
        };
        let user: Arc<str> = proven.user.name.as_str().into();
        let welcome = self.welcome(&pool, stranger).await?;
        if has_brought && pool.is_without_keys() {
            // PostgreSQL has just refused what the client has proven here.
            return Err(authentication::wrong_password(&startup.user).into());
        }
        if self.registry.draining.load(Ordering::Acquire) {
            return Err(texts::shutting_down().into());
        }
        let admission = Admission::new(&self.registry, pool, (user, minor, caller.number))?;
        // From here on the limits on clients count it.
        stranger.leave();
        let (parameters, is_known) = if is_replication {
            // The server was opened with what the client asked for.
            (welcome.parameters.clone(), true)
        } else {
            let (wanted, is_known) = wanted(&config, &startup, &welcome, &admission.pool)?;
            (admission.pool.shared_parameters(wanted), is_known)
        };
        let mut first_words = Some(first_words(&config, &admission, &welcome, proven.reply));
        let may_begin = is_known && !admission.pool.settings().mode.keeps_server();
        if may_begin && let Some(words) = first_words.take() {
            send(stream, &words.encode(&parameters)).await?;
        }
        Ok(Entry::Client(LoggedIn {
            admission,
            parameters,
            first_words,
            rest: inbound.into_rest(),
        }))
    }

    /// Keeps what servers of the pool can be logged in with, if the client has brought anything. Where that is
    /// something else than before, the last failure says nothing about it.
    fn learn(
        &self,
        pool: &Arc<PoolHandle>,
        passed: Option<ScramKeys>,
        found: Option<Secret>,
    ) -> bool {
        if passed.is_none() && found.is_none() {
            return false;
        }
        let is_new = {
            let mut keys = pool.keys.lock().expect("no panic under the lock");
            let is_new = (&keys.passed, &keys.found) != (&passed, &found);
            (keys.passed, keys.found) = (passed, found);
            is_new
        };
        if is_new {
            self.registry.tell(pool, |stock, _| stock.core.forgive());
        }
        true
    }

    /// What a fresh server reports today. Where a pool has none left one is opened and asked, for the defaults of
    /// the role may have changed since; if that fails or takes long, what was seen last has to do.
    ///
    /// # Errors
    /// PostgreSQL does not let the user in, which waiting will not change.
    async fn renewed(
        &self,
        pool: &Arc<PoolHandle>,
        stranger: &Stranger,
        last: Arc<Welcome>,
        mut greeting: tokio::sync::watch::Receiver<Greeting>,
    ) -> Result<Arc<Welcome>, ClientError> {
        // A paused pool has no server, and opens none for that.
        if !has_no_server(&pool.counts()) || pool.is_paused() {
            return Ok(last);
        }
        if !self.registry.tell(pool, |stock, now| stock.core.warm(now)) {
            return final_word(pool).map_or(Ok(last), Err);
        }
        let Ok(_wait) = GreetingWait::begin(&self.registry, pool) else {
            return Ok(last);
        };
        stranger.leave();
        let is_done = tokio::time::timeout(RENEWAL_MAX, greeting.changed()).await;
        if is_done.is_ok() && has_no_server(&pool.counts()) {
            if let Some(error) = final_word(pool) {
                return Err(error);
            }
            // It failed, for nobody who needs a server yet: the next one may find PostgreSQL back.
            self.registry.tell(pool, |stock, _| stock.core.forgive());
        }
        Ok(match &*greeting.borrow() {
            Greeting::Known(welcome) => welcome.clone(),
            Greeting::Unknown | Greeting::Failed(_) => last,
        })
    }

    /// What a fresh server reports, which has to have been seen once. Who waits for that is no stranger
    /// any more.
    async fn welcome(
        &self,
        pool: &Arc<PoolHandle>,
        stranger: &Stranger,
    ) -> Result<Arc<Welcome>, ClientError> {
        let mut greeting = pool.greeting.subscribe();
        let known = match &*greeting.borrow_and_update() {
            Greeting::Known(welcome) => Some(welcome.clone()),
            Greeting::Unknown | Greeting::Failed(_) => None,
        };
        if let Some(last) = known {
            return self.renewed(pool, stranger, last, greeting).await;
        }
        let _wait = GreetingWait::begin(&self.registry, pool)?;
        stranger.leave();
        loop {
            if let Greeting::Known(welcome) = &*greeting.borrow_and_update() {
                return Ok(welcome.clone());
            }
            let opening = self.registry.tell(pool, |stock, now| stock.core.warm(now));
            let error = if opening && greeting.changed().await.is_ok() {
                match &*greeting.borrow() {
                    Greeting::Failed(error) => error.clone(),
                    Greeting::Known(_) | Greeting::Unknown => {
                        if let Some(trouble) = pool.login_error() {
                            stranger.is_held_up_by(trouble);
                        }
                        continue;
                    }
                }
            } else {
                pool.login_error().unwrap_or_else(|| {
                    ClientError::new(SqlState::CANNOT_CONNECT_NOW, "PostgreSQL cannot be reached")
                })
            };
            // The client waited for a server, if only to be greeted.
            self.registry
                .tell(pool, |stock, now| stock.refused(now, Refusal::LoginFailing));
            return Err(error);
        }
    }
}

/// What ends a client's login, behind `before`.
fn first_words(
    config: &Config,
    admission: &Admission,
    welcome: &Welcome,
    mut before: Vec<u8>,
) -> FirstWords {
    encode::authentication_ok(&mut before);
    if let Some(message) = &config.login_notify_message {
        let words = ClientError::new(SqlState::SUCCESSFUL_COMPLETION, message);
        before.extend(texts::notice(&words));
    }
    FirstWords {
        before,
        reported: welcome.reported.clone(),
        pid: admission.key.pid,
        keeps_number: config.peer_id.is_some(),
        secret: admission.key.secret.bytes().to_vec(),
    }
}

/// The settings that the client's session shall have: those of a fresh server, and what it asks
/// for beyond them; and whether it is known that PostgreSQL accepts them.
fn wanted(
    config: &Config,
    startup: &Startup,
    welcome: &Welcome,
    pool: &PoolHandle,
) -> Result<(Parameters, bool), ClientError> {
    let mut is_known = true;
    let mut parameters = Parameters::clone(&welcome.parameters);
    for (name, value) in &startup.parameters {
        if config
            .ignore_startup_parameters
            .contains(&name.to_ascii_lowercase())
        {
            continue;
        }
        if !is_valid_name(name) {
            return Err(ClientError::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unsupported startup parameter: {}", name.escape_debug()),
            )
            .hint("Names of settings have letters, digits, underscores and dots."));
        }
        let value = spelled(name, value, &welcome.parameters, welcome.version())
            .or_else(|| pool.spelling(name, value))
            .unwrap_or_else(|| {
                is_known &= welcome.parameters.value(name) == Some(value);
                value.clone()
            });
        parameters.set(name, &value);
    }
    Ok((parameters, is_known))
}

/// Puts where the client is behind its `application_name`, in PgBouncer's form.
fn add_host(startup: &mut Startup, address: Option<SocketAddr>) {
    const NAME: &str = "application_name";
    let host = address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
    let mut parameters = startup.parameters.iter_mut();
    match parameters.find(|(name, _)| name.eq_ignore_ascii_case(NAME)) {
        Some((_, value)) => *value = format!("{value} - {host}"),
        None => {
            let value = format!("app - {host}");
            startup.parameters.push((NAME.to_owned(), value));
        }
    }
}

fn find_database<'a>(config: &'a Config, name: &str) -> Option<&'a Arc<Database>> {
    let listed = config.databases.get(name);
    listed.or(config.fallback_database.as_ref())
}

/// Whether somebody may have tried a password or a name.
fn is_failure(error: &ClientError) -> bool {
    let codes = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION];
    codes.contains(&error.sqlstate)
}

/// Why PostgreSQL let nobody in last, if that is about who logs in where: a role that may not log in, a
/// password that changed, a database that is gone.
fn final_word(pool: &PoolHandle) -> Option<ClientError> {
    let codes = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION,
        SqlState::INVALID_CATALOG_NAME,
    ];
    pool.login_error()
        .filter(|error| codes.contains(&error.sqlstate))
}

fn has_no_server(counts: &Counts) -> bool {
    counts.active + counts.idle == 0
}
