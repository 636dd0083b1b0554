//! Opening a server connection: connect, log in, learn its settings.

use std::io;
use std::sync::Arc;

use pgweir_pool::budget::Permit;
use pgweir_pool::id::ServerId;
use pgweir_pool::upstream::Upstream;
use pgweir_pool::waits::Cause;
use pgweir_telemetry::remedies::remedy;
use pgweir_wire::auth::scram;
use pgweir_wire::login::{
    Breach, Handshake, Identity, LoginError, MESSAGE_MAX, Method, Opened, Secrets, Turn,
};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::MINOR_NEWEST;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tracing::debug;

use crate::dial::{Dialled, Reached, Way};
use crate::link::{CancelTarget, Link, Server};
use crate::pool_handle::{Keys, PoolHandle, Welcome};
use crate::socket::Socket;
use crate::texts::{ClientError, seconds};
use crate::tls::servers::{Connectors, TlsError};
use crate::wire_io::Inbound;
use pgweir_config::{Secret, Tcp};

/// Why a server could not be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// Nobody answers at the address.
    Unreachable(io::Error),
    /// It took longer than `server_connect_timeout`.
    Timeout(std::time::Duration),
    /// The connection cannot be encrypted, and has to be.
    Tls(TlsError),
    /// The connection broke during login.
    Broken(io::Error),
    /// PostgreSQL refused the login or the connect query, or the login failed on its side or ours.
    Login(LoginError),
}

impl ConnectError {
    /// Whether it may be that the server knows no version of the protocol but 3.0: PostgreSQL before 11
    /// says so, and others find no startup packet in what they got.
    fn is_about_version(&self) -> bool {
        match self {
            Self::Login(LoginError::Refused { sqlstate, .. }) => matches!(
                sqlstate,
                Some(SqlState::FEATURE_NOT_SUPPORTED | SqlState::PROTOCOL_VIOLATION)
            ),
            _ => false,
        }
    }

    /// Whether the other way, with TLS or without, may be let in.
    fn is_about_encryption(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Login(LoginError::Refused { sqlstate, .. }) => {
                *sqlstate == Some(SqlState::INVALID_AUTHORIZATION)
            }
            _ => false,
        }
    }

    /// As [`Self::client_error`], for the client for which alone the server was to be opened: what
    /// PostgreSQL says is said to it.
    pub(crate) fn to_its_client(&self) -> ClientError {
        match self {
            Self::Login(LoginError::Refused { sqlstate, message }) => {
                let sqlstate = sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE);
                ClientError::new(sqlstate, message.clone())
            }
            _ => self.client_error(),
        }
    }

    /// What a client may know: no address, no secret.
    pub(crate) fn client_error(&self) -> ClientError {
        match self {
            Self::Unreachable(error) => {
                ClientError::new(SqlState::CANNOT_CONNECT_NOW, "PostgreSQL cannot be reached")
                    .detail(format!("Connecting failed: {error}."))
                    .hint("Retry later; if it lasts, see the pooler's log.")
            }
            Self::Timeout(limit) => ClientError::new(
                SqlState::CANNOT_CONNECT_NOW,
                format!(
                    "PostgreSQL did not log us in within server_connect_timeout ({})",
                    seconds(*limit)
                ),
            )
            .hint("Retry later; if it lasts, see the pooler's log."),
            Self::Login(LoginError::Refused { sqlstate, message }) => ClientError::new(
                sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE),
                format!("server login has been failing: {message}"),
            )
            .detail("This is PostgreSQL's answer to the pooler's login (server_login_retry).")
            .hint(match sqlstate {
                Some(SqlState::TOO_MANY_CONNECTIONS) => remedy(Cause::PostgresFull),
                _ => remedy(Cause::LoginFailing),
            }),
            Self::Tls(error) => ClientError::new(
                SqlState::CONNECTION_FAILURE,
                "the connection to PostgreSQL cannot be encrypted",
            )
            .hint(error.remedy()),
            Self::Login(LoginError::NoSecret { method }) => ClientError::new(
                SqlState::INVALID_AUTHORIZATION,
                format!(
                    "the pooler has no {} to log in to PostgreSQL with",
                    method.needs()
                ),
            )
            .hint("Give the user a password in the pooler's configuration that fits PostgreSQL's."),
            Self::Broken(_)
            | Self::Login(
                LoginError::TooWeak { .. }
                | LoginError::Unbound
                | LoginError::Scram(_)
                | LoginError::Protocol(_),
            ) => ClientError::new(
                SqlState::CONNECTION_FAILURE,
                "the login to PostgreSQL broke off",
            )
            .hint("See the pooler's log for the reason."),
        }
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::Timeout(limit) => {
                write!(
                    f,
                    "no login within server_connect_timeout ({})",
                    seconds(*limit)
                )
            }
            Self::Tls(error) => write!(f, "{error}. {}", error.remedy()),
            Self::Broken(error) => write!(f, "connection broke during login: {error}"),
            Self::Login(error) => error.fmt(f),
        }
    }
}

impl From<LoginError> for ConnectError {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// How the pooler logs in, for a pool or for its own eyes.
pub(crate) struct Login<'a> {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) secret: Option<&'a Secret>,
    /// The minor version of protocol 3 to ask for.
    pub(crate) minor: u16,
    pub(crate) keys: &'a mut Keys,
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) connect_query: Option<&'a str>,
    /// What a proof is bound to, and whether it has to be.
    pub(crate) binding: (Option<Vec<u8>>, bool),
}

/// What a login brought.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    welcome: Welcome,
    key: Option<(u32, Vec<u8>)>,
}

impl LoggedIn {
    fn new(opened: Opened) -> Self {
        let mut welcome = Welcome {
            reported: Arc::default(),
            parameters: Arc::default(),
        };
        welcome.change(opened.reported);
        Self {
            welcome,
            key: opened.cancel_key,
        }
    }
}

/// Opens a server for `pool`. On failure the permit comes back.
///
/// # Errors
/// PostgreSQL cannot be reached, does not let us in, or breaks the protocol.
pub(crate) async fn open(
    pool: &PoolHandle,
    id: ServerId,
    permit: Permit,
    secret: Option<&Secret>,
    (tcp, connectors): (&Tcp, &Connectors),
) -> Result<(Box<Server>, Arc<Welcome>), (Permit, ConnectError)> {
    let settings = pool.settings();
    let limit = settings.config.server_connect_timeout;
    let database = &settings.database;
    let mut keys = pool.keys.lock().expect("no panic under the lock").clone();
    let user = database.forced_user.as_deref().unwrap_or(&pool.user);
    let name = database.dbname.as_deref().unwrap_or(&pool.database);
    let mut parameters = database.startup_parameters.clone();
    if let Some(replication) = &pool.replication {
        parameters.extend_from_slice(&replication.parameters);
    }
    // It may be SQL that a WAL sender does not take.
    let connect_query = database.connect_query.as_deref();
    let connect_query = connect_query.filter(|_| pool.replication.is_none());
    let way = Way {
        server: &database.server,
        tls: &database.tls,
        tcp,
        connectors,
    };
    let attempt = async {
        loop {
            let mut login = Login {
                binding: (None, false),
                user: user.to_owned(),
                database: name.to_owned(),
                secret: database.password.as_ref().or(secret),
                minor: if keys.refuse_newer { 0 } else { MINOR_NEWEST },
                keys: &mut keys,
                parameters: &parameters,
                connect_query,
            };
            match connect(way, &mut login).await {
                Err(error) if !keys.refuse_newer && error.is_about_version() => {
                    keys.refuse_newer = true;
                }
                outcome => return outcome,
            }
        }
    };
    let outcome = match limit {
        None => attempt.await,
        Some(limit) => tokio::time::timeout(limit, attempt)
            .await
            .unwrap_or(Err(ConnectError::Timeout(limit))),
    };
    let (socket, server, logged_in) = match outcome {
        Ok(opened) => opened,
        Err(error) => return Err((permit, error)),
    };
    {
        let mut known = pool.keys.lock().expect("no panic under the lock");
        known.derived = keys.derived;
        known.refuse_newer = keys.refuse_newer;
    }
    let welcome = Arc::new(logged_in.welcome);
    let mut upstream = Upstream::new(welcome.parameters.clone());
    upstream.pid = logged_in.key.as_ref().map(|(pid, _)| *pid);
    let link = Link {
        socket,
        permit,
        cancel: logged_in
            .key
            .map(|(pid, key)| Arc::new(CancelTarget { server, pid, key })),
    };
    Ok((Box::new(Server::new(id, link, upstream)), welcome))
}

/// Connects and logs in.
async fn connect(
    way: Way<'_>,
    login: &mut Login<'_>,
) -> Result<(Socket, Reached, LoggedIn), ConnectError> {
    let (stream, reached, logged_in) = enter(way, login).await?;
    let (stream, connection) = stream.into_parts();
    let socket = Socket::new(stream.into_socket()?, connection);
    Ok((socket, reached, logged_in))
}

/// Connects and logs in, with TLS or without as the settings say. As libpq, what is only preferred is given up
/// where PostgreSQL does not let anybody in that way.
///
/// # Errors
/// PostgreSQL cannot be reached, does not let us in, or breaks the protocol.
pub(crate) async fn enter(
    way: Way<'_>,
    login: &mut Login<'_>,
) -> Result<(Dialled, Reached, LoggedIn), ConnectError> {
    let (&last, others) = way.attempts().split_last().expect("one way at least");
    for &encrypts in others {
        match enter_by(way, encrypts, login).await {
            Err(error) if error.is_about_encryption() => {
                debug!(%error, encrypts, "trying the other way")
            }
            outcome => return outcome,
        }
    }
    enter_by(way, last, login).await
}

async fn enter_by(
    way: Way<'_>,
    encrypts: bool,
    login: &mut Login<'_>,
) -> Result<(Dialled, Reached, LoggedIn), ConnectError> {
    let (mut stream, reached) = way.dial(encrypts).await?;
    login.binding = way.binding(&stream);
    let logged_in = log_in(&mut stream, login).await?;
    Ok((stream, reached, logged_in))
}

/// Logs in over a connected stream, up to where the first query may be sent.
///
/// # Errors
/// PostgreSQL does not let us in, or breaks the protocol.
pub(crate) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: &mut Login<'_>,
) -> Result<LoggedIn, ConnectError> {
    let mut identity = Identity {
        secrets: secrets(login.secret, login.keys),
        user: login.user.clone(),
        database: login.database.clone(),
        parameters: login.parameters.to_vec(),
        weakest: Method::Cleartext,
        binding: login.binding.0.clone(),
        requires_binding: login.binding.1,
        minor: login.minor,
    };
    let mut random = [0; 18];
    getrandom::fill(&mut random).expect("the system gives random numbers");
    let mut out = Vec::new();
    let mut inbound = Inbound::new(MESSAGE_MAX);
    let handshake = Handshake::start(&identity, scram::nonce(&random), &mut out);
    let opened = finish(stream, &mut inbound, handshake, &mut identity, out).await?;
    let mut logged_in = LoggedIn::new(opened);
    if let Some(sql) = login.connect_query {
        let mut out = Vec::new();
        let handshake = Handshake::set_up(sql, &mut out);
        let opened = finish(stream, &mut inbound, handshake, &mut identity, out).await?;
        // What the query sets is what a fresh server has.
        logged_in.welcome.change(opened.reported);
    }
    let got = inbound.bytes().len();
    if got > 0 {
        return Err(LoginError::from(Breach::AfterReady { got }).into());
    }
    login.keys.derived = identity.secrets.cache;
    Ok(logged_in)
}

/// What there is to prove the user with: the configured secret, and keys of earlier logins.
fn secrets(secret: Option<&Secret>, keys: &Keys) -> Secrets {
    let mut secrets = Secrets {
        scram_keys: keys.passed.clone(),
        ..Secrets::default()
    };
    match secret {
        Some(Secret::Plain(password)) => {
            secrets.password = Some(password.clone());
            secrets.cache.clone_from(&keys.derived);
        }
        Some(Secret::Md5(verifier)) => secrets.md5_verifier = Some(verifier.clone()),
        // A verifier proves nothing; the keys that a client's login revealed do.
        Some(Secret::Scram(_)) | None => {}
    }
    secrets
}

/// Sends `out`, then whatever `handshake` answers, until PostgreSQL is ready.
async fn finish(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    inbound: &mut Inbound,
    mut handshake: Handshake,
    identity: &mut Identity,
    mut out: Vec<u8>,
) -> Result<Opened, ConnectError> {
    loop {
        if !out.is_empty() {
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        }
        let (consumed, turn) = handshake.on_bytes(inbound.bytes(), identity, &mut out)?;
        inbound.consume(consumed);
        match turn {
            Turn::Ready(opened) => return Ok(opened),
            Turn::Wait(next) => handshake = next,
        }
        if out.is_empty() {
            inbound.more(stream).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, LoggedIn, Login, log_in};
    use crate::pool_handle::Keys;
    use pgweir_wire::backend::TxStatus;
    use pgweir_wire::encode;
    use pgweir_wire::login::{Breach, LoginError};

    /// A login with a connect query at a server that lets everyone in. It reports a setting, and
    /// another value of it for the query; this is its status after that.
    async fn connect(status: TxStatus) -> Result<LoggedIn, ConnectError> {
        let mut said = Vec::new();
        encode::authentication_ok(&mut said);
        encode::parameter_status(&mut said, "TimeZone", "UTC");
        encode::ready_for_query(&mut said, TxStatus::Idle);
        encode::parameter_status(&mut said, "TimeZone", "Asia/Tokyo");
        encode::ready_for_query(&mut said, status);
        let mut login = Login {
            user: "u".to_owned(),
            database: "d".to_owned(),
            secret: None,
            minor: 0,
            keys: &mut Keys::default(),
            parameters: &[],
            connect_query: Some("set timezone to 'Asia/Tokyo'"),
            binding: (None, false),
        };
        log_in(&mut tokio::io::join(&said[..], Vec::new()), &mut login).await
    }

    #[tokio::test]
    async fn a_fresh_server_has_what_the_connect_query_set() {
        let welcome = connect(TxStatus::Idle).await.unwrap().welcome;
        let tokyo = ("TimeZone".to_owned(), "Asia/Tokyo".to_owned());
        assert_eq!(*welcome.reported, [tokyo]);
        assert_eq!(welcome.parameters.value("timezone"), Some("Asia/Tokyo"));
    }

    #[tokio::test]
    async fn a_connect_query_that_leaves_a_transaction_open_fails() {
        let outcome = connect(TxStatus::InTransaction).await;
        let status = TxStatus::InTransaction;
        assert!(matches!(
            outcome,
            Err(ConnectError::Login(LoginError::Protocol(Breach::OpenTransaction { status: got })))
                if got == status
        ));
    }
}
