//! Logging a client in: from its first byte to the ReadyForQuery that hands it to a worker.
//!
//! Before it has proven who it is, a peer makes us hold one packet, at most [`PACKET_MAX`] bytes
//! of it, and gets no answer that tells whether a user or database exists.

use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::parameters::{Parameters, is_valid_name};
use pgweir_pool::pool::{Counts, Refusal};
use pgweir_pool::session::FirstWords;
use pgweir_pool::spelling::spelled;
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{self, FirstPacket, MINOR_NEWEST, PACKET_MAX, Startup};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::CommonState;

use crate::authentication::{Authentication, Claim};
use crate::clients::CancelKey;
use crate::login_end::{LoginEnd, violation};
use crate::pool_handle::{Greeting, PoolHandle, Welcome};
use crate::registry::Registry;
use crate::replication::startup_parameters;
use crate::slots::{Slots, Stranger};
use crate::texts::{self, ClientError};
use crate::tls::certificate;
use crate::tls::clients::{Acceptor, Acceptors};
use crate::tls::stream::MaybeTls;
use crate::wire_io::Inbound;
use pgweir_config::access::{Channel, Peer, TlsFacts};
use pgweir_config::{Config, Database};

/// Answers to a request for encryption: what is not spoken here, and what is.
const NO_ENCRYPTION: &[u8] = b"N";
const ENCRYPTION: &[u8] = b"S";

/// The first byte of a TLS handshake that begins without a request for it. No packet of PostgreSQL's begins
/// with it: it would be 350 MB long.
const HANDSHAKE: u8 = 0x16;

/// Time a login waits for the defaults of a pool without servers to be seen again. It may be long
/// before another connection is free, and the client might not even want one.
const RENEWAL_MAX: Duration = Duration::from_secs(1);

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

/// What logins share.
pub(crate) struct Door {
    pub(crate) registry: Arc<Registry>,
    pub(crate) slots: Arc<Slots>,
    authentication: Authentication,
    acceptors: Acceptors,
}

impl Door {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        let strangers = usize::try_from(registry.shares().strangers).expect("at most 1024");
        Self {
            registry,
            slots: Arc::new(Slots::new(strangers)),
            authentication: Authentication::new(),
            acceptors: Acceptors::default(),
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
        stranger: &Stranger,
        mut channel: Channel,
    ) -> Result<LoggedIn, LoginEnd> {
        let mut inbound = Inbound::new(PACKET_MAX);
        let config = self.registry.config();
        // Nobody listens in between on a unix socket.
        let is_local = matches!(channel.peer, Peer::Unix(_));
        let acceptor = self.acceptors.of(&config).filter(|_| !is_local);
        let startup = self
            .first_packet(stream, &mut inbound, (stranger, acceptor.as_ref()))
            .await?;
        channel.tls = stream.connection().map(|tls| {
            let binding = acceptor.and_then(|acceptor| acceptor.binding);
            facts(tls, binding.as_deref())
        });
        if stream.connection().is_none() && config.client_tls.mode.is_required() && !is_local {
            return Err(LoginEnd::Refused(unencrypted(&config)));
        }
        let mut out = Vec::new();
        let minor = startup.minor.min(MINOR_NEWEST);
        if minor < startup.minor || !startup.unknown_protocol_options.is_empty() {
            encode::negotiate_protocol_version(&mut out, minor, &startup.unknown_protocol_options);
        }
        let database = find_database(&config, &startup.database);
        let claim = Claim {
            startup: &startup,
            channel: &channel,
            database: database.map(|database| &**database),
        };
        let peer = (&mut *stream, &mut inbound);
        let proving = self
            .authentication
            .prove(peer, &config, &claim, (out, stranger));
        let proven = Box::pin(proving).await?;
        let database = database.ok_or_else(|| texts::no_such_database(&startup.database))?;
        let pool = self
            .registry
            .pool(database.clone(), &startup.database, &proven.user.name)?;
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
            stream.flush().await?;
        }
        Ok(LoggedIn {
            admission,
            parameters,
            first_words,
            rest: inbound.into_rest(),
        })
    }

    /// Reads up to the startup packet, shaking hands where TLS is wanted and passing cancel requests on.
    async fn first_packet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut MaybeTls<S>,
        inbound: &mut Inbound,
        (stranger, acceptor): (&Stranger, Option<&Acceptor>),
    ) -> Result<Startup, LoginEnd> {
        let (mut asked_ssl, mut asked_gss) = (false, false);
        loop {
            if inbound.bytes().first() == Some(&HANDSHAKE) && !asked_ssl {
                let Some(acceptor) = acceptor else {
                    return Err(violation("TLS is not spoken here").into());
                };
                asked_ssl = true;
                shake_hands(stream, acceptor, inbound.take()).await?;
                // What speaks another protocol must not be answered as if it spoke this one (ALPACA).
                let named = stream.connection().and_then(|tls| tls.alpn_protocol());
                if named.is_none() {
                    let message =
                        "direct TLS connections have to name the protocol (ALPN postgresql)";
                    return Err(violation(message).into());
                }
                stranger.heard();
                continue;
            }
            let parsed = startup::parse(inbound.bytes())
                .map_err(|error| ClientError::new(error.sqlstate(), error.client_message()))?;
            let Some((packet, len)) = parsed else {
                inbound.more(stream).await?;
                continue;
            };
            inbound.consume(len);
            stranger.heard();
            let is_ssl = matches!(packet, FirstPacket::Ssl);
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
            match acceptor.filter(|_| is_ssl) {
                Some(acceptor) => {
                    stream.write_all(ENCRYPTION).await?;
                    shake_hands(stream, acceptor, Vec::new()).await?;
                    stranger.heard();
                }
                None => stream.write_all(NO_ENCRYPTION).await?,
            }
        }
    }

    /// What a fresh server reports today. Where a pool has none left one is opened and asked, for the defaults of
    /// the role may have changed since; if that fails or takes long, what was seen last has to do.
    async fn renewed(
        &self,
        pool: &Arc<PoolHandle>,
        stranger: &Stranger,
        last: Arc<Welcome>,
        mut greeting: tokio::sync::watch::Receiver<Greeting>,
    ) -> Arc<Welcome> {
        if !has_no_server(&pool.counts())
            || !self.registry.tell(pool, |stock, now| stock.core.warm(now))
        {
            return last;
        }
        let Ok(_wait) = GreetingWait::begin(&self.registry, pool) else {
            return last;
        };
        stranger.leave();
        let is_done = tokio::time::timeout(RENEWAL_MAX, greeting.changed()).await;
        if is_done.is_ok() && has_no_server(&pool.counts()) {
            // It failed, for nobody who needs a server yet: the next one may find PostgreSQL back.
            self.registry.tell(pool, |stock, _| stock.core.forgive());
        }
        match &*greeting.borrow() {
            Greeting::Known(welcome) => welcome.clone(),
            Greeting::Unknown | Greeting::Failed(_) => last,
        }
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
            return Ok(self.renewed(pool, stranger, last, greeting).await);
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

/// Encrypts a stream that is in the clear. `first` are bytes of the handshake that were read already.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MaybeTls<S>,
    acceptor: &Acceptor,
    first: Vec<u8>,
) -> Result<(), LoginEnd> {
    let clear = std::mem::replace(stream, MaybeTls::Lost);
    let MaybeTls::Clear(clear) = clear else {
        return Err(violation("the connection is encrypted already").into());
    };
    *stream = acceptor.accept(clear, first).await?;
    Ok(())
}

/// What a handshake told of the client.
fn facts(tls: &CommonState, binding: Option<&[u8]>) -> TlsFacts {
    let own = tls.peer_certificates().and_then(|chain| chain.first());
    TlsFacts {
        certificate: own.and_then(|own| certificate::subject(own)),
        binding: binding.map(<[u8]>::to_vec),
    }
}

/// Who comes in the clear where TLS is required.
fn unencrypted(config: &Config) -> ClientError {
    ClientError::new(SqlState::INVALID_AUTHORIZATION, "this pooler requires TLS")
        .detail(format!(
            "client_tls_sslmode is {}.",
            config.client_tls.mode.name()
        ))
        .hint("Connect with sslmode=require or stricter.")
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

fn find_database<'a>(config: &'a Config, name: &str) -> Option<&'a Arc<Database>> {
    let listed = config.databases.get(name);
    listed.or(config.fallback_database.as_ref())
}

fn has_no_server(counts: &Counts) -> bool {
    counts.active + counts.idle == 0
}
