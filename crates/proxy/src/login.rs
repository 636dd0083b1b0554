//! Logging a client in: from its first byte to the ReadyForQuery that hands it to a worker.
//!
//! Before it has proven who it is, a peer makes us hold one packet, at most [`PACKET_MAX`] bytes
//! of it, and gets no answer that tells whether a user or database exists.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::parameters::{Parameters, is_valid_name};
use pgweir_pool::pool::{Counts, Refusal};
use pgweir_pool::session::FirstWords;
use pgweir_pool::spelling::spelled;
use pgweir_wire::auth::{md5, scram};
use pgweir_wire::encode;
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{self, FirstPacket, MINOR_NEWEST, PACKET_MAX, Startup};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tracing::debug;

use crate::clients::CancelKey;
use crate::pool_handle::{Greeting, PoolHandle, Welcome};
use crate::registry::{Registry, random_u32};
use crate::replication::startup_parameters;
use crate::slots::{Slots, Stranger};
use crate::texts::ClientError;
use crate::verifiers::{Question, Verifiers};
use crate::wire_io::{Inbound, ReadError};
use pgweir_config::{AuthType, Config, Database, Secret, User};

/// Answer to a request for encryption that is not spoken here.
const NO_ENCRYPTION: &[u8] = b"N";

/// Time a login waits for the defaults of a pool without servers to be seen again. It may be long
/// before another connection is free, and the client might not even want one.
const RENEWAL_MAX: Duration = Duration::from_secs(1);

/// Bytes that hold most greetings: some fifteen settings and the key.
const GREETING_USUAL: usize = 768;

/// A client that has proven who it is.
pub(crate) struct LoggedIn {
    pub(crate) admission: Admission,
    pub(crate) parameters: Arc<Parameters>,
    /// It was not told that it may begin: it has to have a server first, or one has to accept its settings.
    pub(crate) first_words: Option<FirstWords>,
    /// What the client sent without waiting for the end of its login.
    pub(crate) rest: Vec<u8>,
}

/// A client that was let in. It counts against the limits until it is dropped, which a login does
/// that fails or takes too long, or until a worker answers for it.
pub(crate) struct Admission {
    registry: Arc<Registry>,
    pub(crate) pool: Arc<PoolHandle>,
    pub(crate) key: CancelKey,
    handed_over: bool,
}

impl Admission {
    /// Counts a client in that speaks protocol 3.`minor`.
    ///
    /// # Errors
    /// A limit on clients is reached.
    fn new(
        registry: &Arc<Registry>,
        pool: Arc<PoolHandle>,
        minor: u16,
    ) -> Result<Self, ClientError> {
        let key = registry.client_in(&pool, minor)?;
        registry.tell(&pool, |stock, now| {
            stock.totals.client_logins += 1;
            stock.core.client_in(now);
        });
        Ok(Self {
            registry: registry.clone(),
            pool,
            key,
            handed_over: false,
        })
    }

    /// From here on a worker counts the client out.
    pub(crate) fn hand_over(mut self) -> (Arc<PoolHandle>, CancelKey) {
        self.handed_over = true;
        (self.pool.clone(), self.key)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.handed_over {
            self.registry
                .tell(&self.pool, |stock, now| stock.core.client_out(now));
            self.registry.client_out(&self.pool, self.key.pid);
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

/// Why a login ended otherwise.
#[derive(Debug)]
pub(crate) enum LoginEnd {
    /// The client is told, and goes.
    Refused(ClientError),
    /// The stream ended or failed.
    Gone(io::Error),
    /// It was a cancel request.
    Cancelled,
}

impl From<io::Error> for LoginEnd {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<ClientError> for LoginEnd {
    fn from(error: ClientError) -> Self {
        Self::Refused(error)
    }
}

impl From<ReadError> for LoginEnd {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Gone(error),
            ReadError::TooLong { kind, length } => violation(format!(
                "invalid length {length} in message of type \"{}\" during login",
                kind.escape_ascii()
            ))
            .into(),
        }
    }
}

/// What logins share.
pub(crate) struct Door {
    pub(crate) registry: Arc<Registry>,
    pub(crate) slots: Arc<Slots>,
    verifiers: Verifiers,
}

/// A proof that was accepted.
struct Proven {
    user: Arc<User>,
    /// What the client is told of it, in the same write as the greeting.
    reply: Vec<u8>,
    /// The key that logs servers in as this user, and the server key of its verifier.
    passed: Option<(scram::ClientKey, [u8; 32])>,
}

impl Door {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        let strangers = usize::try_from(registry.shares().strangers).expect("at most 1024");
        Self {
            registry,
            slots: Arc::new(Slots::new(strangers)),
            verifiers: Verifiers::new(),
        }
    }

    /// Logs a client in. On refusal the client was not told yet. It is a stranger until it has proven
    /// who it is.
    ///
    /// # Errors
    /// The client is refused, or its stream ended.
    pub(crate) async fn log_in(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        stranger: &Stranger,
    ) -> Result<LoggedIn, LoginEnd> {
        let mut inbound = Inbound::new(PACKET_MAX);
        let config = self.registry.config();
        let startup = self.first_packet(stream, &mut inbound, stranger).await?;
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
        let outcome = self
            .authenticate(
                stream,
                &mut inbound,
                &config,
                &startup.user,
                (out, stranger),
            )
            .await;
        if matches!(&outcome, Err(LoginEnd::Refused(error)) if is_failure(error)) {
            attempts.failed(&config.login_limits, stranger.address());
        }
        let proven = outcome?;
        let database = find_database(&config, &startup.database)?;
        let pool = self
            .registry
            .pool(database, &startup.database, &proven.user.name)?;
        if proven.passed.is_some() {
            pool.keys.lock().expect("no panic under the lock").passed = proven.passed;
        }
        let replication = startup_parameters(&config, &startup);
        let is_replication = replication.is_some();
        let pool = match replication {
            Some(parameters) => self.registry.pool_for_replication(&pool, parameters)?,
            None => pool,
        };
        let welcome = self.welcome(&pool, stranger).await?;
        let admission = Admission::new(&self.registry, pool, minor)?;
        // From here on the limits on clients count it.
        stranger.leave();
        let (parameters, is_known) = if is_replication {
            // The server was opened with what the client asked for.
            (welcome.parameters.clone(), true)
        } else {
            let (wanted, is_known) = wanted(&config, &startup, &welcome, &admission.pool)?;
            (admission.pool.shared_parameters(wanted), is_known)
        };
        let mut first_words = Some(first_words(&admission, &welcome, proven.reply));
        let may_begin = is_known && !admission.pool.settings().mode.keeps_server();
        if may_begin && let Some(words) = first_words.take() {
            stream.write_all(&words.encode(&parameters)).await?;
        }
        Ok(LoggedIn {
            admission,
            parameters,
            first_words,
            rest: inbound.into_rest(),
        })
    }

    /// Reads up to the startup packet, declining encryption and passing cancel requests on.
    async fn first_packet(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        inbound: &mut Inbound,
        stranger: &Stranger,
    ) -> Result<Startup, LoginEnd> {
        let (mut asked_ssl, mut asked_gss) = (false, false);
        loop {
            let parsed = startup::parse(inbound.bytes())
                .map_err(|error| ClientError::new(error.sqlstate(), error.client_message()))?;
            let Some((packet, len)) = parsed else {
                inbound.more(stream).await?;
                continue;
            };
            inbound.consume(len);
            stranger.heard();
            let asked = match packet {
                FirstPacket::Startup(startup) => return Ok(startup),
                FirstPacket::Cancel { pid, key } => {
                    // As PostgreSQL does, we close when the request has taken effect: the client's
                    // next query is not hit by it. The sender is dropped, never used.
                    let taken_effect = self.registry.cancel(pid, &key);
                    if let Some(_place) = stranger.cancels() {
                        let _ = taken_effect.await;
                    }
                    return Err(LoginEnd::Cancelled);
                }
                FirstPacket::Ssl => &mut asked_ssl,
                FirstPacket::GssEnc => &mut asked_gss,
            };
            // What follows a request for encryption in the clear was not meant to be in the clear.
            if std::mem::replace(asked, true) || !inbound.bytes().is_empty() {
                return Err(violation("received unencrypted data after SSL request").into());
            }
            stream.write_all(NO_ENCRYPTION).await?;
        }
    }

    /// Has the client prove that it is `user`. `out` goes before the first request.
    async fn authenticate(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        inbound: &mut Inbound,
        config: &Arc<Config>,
        user: &str,
        (mut out, stranger): (Vec<u8>, &Stranger),
    ) -> Result<Proven, LoginEnd> {
        let known = config.users.get(user);
        if config.auth_type == AuthType::Trust {
            let user = known.ok_or_else(|| {
                ClientError::new(
                    SqlState::INVALID_AUTHORIZATION,
                    format!("no such user: {user}"),
                )
            })?;
            return Ok(Proven {
                user: user.clone(),
                reply: out,
                passed: None,
            });
        }
        let mut reply = Vec::with_capacity(GREETING_USUAL);
        let passed = match self.verifiers.question(config, user) {
            Question::Scram(verifier) => {
                let exchange = self.by_scram(stream, inbound, user, verifier, (out, stranger));
                let (keys, last) = exchange.await?;
                encode::authentication_sasl_final(&mut reply, &last);
                Some(keys)
            }
            Question::Md5(verifier) => {
                let salt = random_u32().to_be_bytes();
                encode::authentication_md5(&mut out, salt);
                stream.write_all(&out).await?;
                let body = password_message(stream, inbound).await?;
                let response = frontend::password(&body)
                    .ok_or_else(|| violation("malformed password message"))?;
                if !verifier.is_some_and(|verifier| md5::check(&verifier, salt, response)) {
                    return Err(wrong_password(user).into());
                }
                None
            }
        };
        match known {
            Some(user) => Ok(Proven {
                user: user.clone(),
                reply,
                passed: passed.filter(|_| matches!(user.secret, Some(Secret::Scram(_)))),
            }),
            None => Err(wrong_password(user).into()),
        }
    }

    /// The keys that the client's proof reveals, and the last message of the exchange.
    async fn by_scram(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        inbound: &mut Inbound,
        user: &str,
        verifier: Arc<scram::Verifier>,
        (mut out, stranger): (Vec<u8>, &Stranger),
    ) -> Result<((scram::ClientKey, [u8; 32]), Vec<u8>), LoginEnd> {
        let failed = |error: scram::ScramError| {
            debug!(?error, "SCRAM with a client failed");
            LoginEnd::Refused(wrong_password(user))
        };
        encode::authentication_sasl(&mut out, &[scram::MECHANISM]);
        stream.write_all(&out).await?;
        let body = password_message(stream, inbound).await?;
        let (mechanism, data) =
            frontend::sasl_initial(&body).ok_or_else(|| violation("malformed SASL message"))?;
        stranger.heard();
        if mechanism != scram::MECHANISM.as_bytes() {
            return Err(
                violation("client selected an invalid SASL authentication mechanism").into(),
            );
        }
        let mut random = [0; 18];
        getrandom::fill(&mut random).expect("the system gives random numbers");
        let server_key = verifier.server_key;
        let (reply, last) = scram::server::First::new(verifier)
            .on_client_first(data.unwrap_or_default(), &scram::nonce(&random))
            .map_err(failed)?;
        let mut out = Vec::new();
        encode::authentication_sasl_continue(&mut out, &reply);
        stream.write_all(&out).await?;

        let body = password_message(stream, inbound).await?;
        let (reply, client_key) = last.on_client_final(&body).map_err(failed)?;
        Ok(((client_key, server_key), reply))
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
        if !has_no_server(&pool.counts()) {
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
                    Greeting::Known(_) | Greeting::Unknown => continue,
                }
            } else {
                let error = pool.login_error.lock().expect("no panic under the lock");
                error.clone().unwrap_or_else(|| {
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
fn first_words(admission: &Admission, welcome: &Welcome, mut before: Vec<u8>) -> FirstWords {
    encode::authentication_ok(&mut before);
    FirstWords {
        before,
        reported: welcome.reported.clone(),
        pid: admission.key.pid,
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

fn find_database(config: &Config, name: &str) -> Result<Arc<Database>, ClientError> {
    let found = config
        .databases
        .get(name)
        .or(config.fallback_database.as_ref());
    found.cloned().ok_or_else(|| {
        ClientError::new(
            SqlState::INVALID_CATALOG_NAME,
            format!("no such database: {name}"),
        )
        .hint("Add it to [databases] in the pooler's configuration, or correct the name.")
    })
}

async fn password_message(
    stream: &mut (impl AsyncRead + Unpin),
    inbound: &mut Inbound,
) -> Result<Vec<u8>, LoginEnd> {
    match inbound.message(stream).await? {
        (frontend::PASSWORD, body) => Ok(body),
        (kind, _) => Err(violation(format!(
            "expected a password, got message of type \"{}\"",
            kind.escape_ascii()
        ))
        .into()),
    }
}

fn wrong_password(user: &str) -> ClientError {
    ClientError::new(
        SqlState::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}

/// Whether somebody may have tried a password or a name.
fn is_failure(error: &ClientError) -> bool {
    let codes = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION];
    codes.contains(&error.sqlstate)
}

fn violation(message: impl Into<String>) -> ClientError {
    ClientError::new(SqlState::PROTOCOL_VIOLATION, message)
}

/// Why PostgreSQL let nobody in last, if that is about who logs in where: a role that may not log in, a
/// password that changed, a database that is gone.
fn final_word(pool: &PoolHandle) -> Option<ClientError> {
    let codes = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION,
        SqlState::INVALID_CATALOG_NAME,
    ];
    let error = pool.login_error.lock().expect("no panic under the lock");
    error
        .clone()
        .filter(|error| codes.contains(&error.sqlstate))
}

fn has_no_server(counts: &Counts) -> bool {
    counts.active + counts.idle == 0
}
