//! Opening a server connection: connect, log in, learn its settings.

use std::io;
use std::sync::Arc;

use pgweir_pool::budget::Permit;
use pgweir_pool::id::ServerId;
use pgweir_pool::parameters::Parameters;
use pgweir_pool::upstream::Upstream;
use pgweir_pool::waits::Cause;
use pgweir_wire::auth::{md5, scram};
use pgweir_wire::backend::{self, AuthRequest, ErrorView, TxStatus};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::link::{CancelAddress, CancelTarget, Link, Server};
use crate::pool_handle::{Keys, PoolHandle, Welcome};
use crate::socket::{self, Socket};
use crate::texts::{ClientError, seconds};
use crate::wire_io::{Inbound, ReadError};
use pgweir_config::{Secret, ServerAddress, Tcp};

/// Largest message taken from PostgreSQL before it is ready; an error with its fields is the
/// largest of them, and PostgreSQL bounds its own at less than this.
const MESSAGE_MAX: usize = 32 * 1024;

/// Messages between startup and ready; PostgreSQL sends about twenty.
const MESSAGES_MAX: usize = 1000;

/// Why a server could not be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// Nobody answers at the address.
    Unreachable(io::Error),
    /// It took longer than `server_connect_timeout`.
    Timeout(std::time::Duration),
    /// The connection broke during login.
    Broken(ReadError),
    /// PostgreSQL refused the login, or the connect query.
    Refused {
        sqlstate: Option<SqlState>,
        message: String,
    },
    /// PostgreSQL wants a proof that we cannot give.
    NoSecret(&'static str),
    /// SCRAM failed on PostgreSQL's side of it.
    Scram(scram::ScramError),
    /// PostgreSQL sent what has no place in a login.
    Protocol(&'static str),
}

impl ConnectError {
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
            Self::Refused { sqlstate, message } => ClientError::new(
                sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE),
                format!("server login has been failing: {message}"),
            )
            .detail("This is PostgreSQL's answer to the pooler's login (server_login_retry).")
            .hint(match sqlstate {
                Some(SqlState::TOO_MANY_CONNECTIONS) => Cause::PostgresFull.hint(),
                _ => Cause::LoginFailing.hint(),
            }),
            Self::NoSecret(what) => ClientError::new(
                SqlState::INVALID_AUTHORIZATION,
                format!("the pooler has no {what} to log in to PostgreSQL with"),
            )
            .hint("Give the user a password in the pooler's configuration that fits PostgreSQL's."),
            Self::Broken(_) | Self::Scram(_) | Self::Protocol(_) => ClientError::new(
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
            Self::Broken(ReadError::Io(error)) => {
                write!(f, "connection broke during login: {error}")
            }
            Self::Broken(ReadError::TooLong { kind, length }) => {
                let kind = kind.escape_ascii();
                write!(f, "message \"{kind}\" of length {length} during login")
            }
            Self::Refused { sqlstate, message } => match sqlstate {
                Some(sqlstate) => write!(f, "{message} ({sqlstate})"),
                None => f.write_str(message),
            },
            Self::NoSecret(what) => {
                write!(f, "PostgreSQL asks for a proof, and there is no {what}")
            }
            Self::Scram(error) => write!(f, "SCRAM with PostgreSQL failed: {error:?}"),
            Self::Protocol(what) => write!(f, "PostgreSQL sent {what} during login"),
        }
    }
}

impl From<ReadError> for ConnectError {
    fn from(error: ReadError) -> Self {
        Self::Broken(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Broken(ReadError::Io(error))
    }
}

/// How the pooler logs in, for a pool or for its own eyes.
pub(crate) struct Login<'a> {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) secret: Option<&'a Secret>,
    pub(crate) keys: &'a mut Keys,
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) connect_query: Option<&'a str>,
}

/// What a login brought.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    welcome: Welcome,
    key: Option<(u32, Vec<u8>)>,
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
    tcp: &Tcp,
) -> Result<(Box<Server>, Arc<Welcome>), (Permit, ConnectError)> {
    let settings = pool.settings();
    let limit = settings.config.server_connect_timeout;
    let database = &settings.database;
    let mut keys = pool.keys.lock().expect("no panic under the lock").clone();
    let user = database
        .forced_user
        .clone()
        .unwrap_or_else(|| pool.user.to_string());
    let attempt = async {
        let login = Login {
            user,
            database: database
                .dbname
                .clone()
                .unwrap_or_else(|| pool.database.to_string()),
            secret: database.password.as_ref().or(secret),
            keys: &mut keys,
            parameters: &database.startup_parameters,
            connect_query: database.connect_query.as_deref(),
        };
        match &database.server {
            ServerAddress::Tcp { host, port } => {
                let mut stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(ConnectError::Unreachable)?;
                socket::tune((&stream).into(), tcp)?;
                let logged_in = log_in(&mut stream, login).await?;
                // A name may stand for several servers, and a key is known to one of them.
                let peer = CancelAddress::Tcp(stream.peer_addr()?);
                Ok((Socket::from(stream.into_std()?), peer, logged_in))
            }
            ServerAddress::Unix(path) => {
                let mut stream = UnixStream::connect(path)
                    .await
                    .map_err(ConnectError::Unreachable)?;
                let logged_in = log_in(&mut stream, login).await?;
                let peer = CancelAddress::Unix(path.clone());
                Ok((Socket::from(stream.into_std()?), peer, logged_in))
            }
        }
    };
    let outcome = match limit {
        None => attempt.await,
        Some(limit) => tokio::time::timeout(limit, attempt)
            .await
            .unwrap_or(Err(ConnectError::Timeout(limit))),
    };
    let (socket, address, logged_in) = match outcome {
        Ok(opened) => opened,
        Err(error) => return Err((permit, error)),
    };
    pool.keys.lock().expect("no panic under the lock").derived = keys.derived;
    let welcome = Arc::new(logged_in.welcome);
    let link = Link {
        socket,
        home: None,
        permit,
        cancel: logged_in
            .key
            .map(|(pid, key)| Arc::new(CancelTarget { address, pid, key })),
    };
    let upstream = Upstream::new(welcome.parameters.clone());
    Ok((Box::new(Server::new(id, link, upstream)), welcome))
}

/// Logs in over a connected stream, up to where the first query may be sent.
///
/// # Errors
/// PostgreSQL does not let us in, or breaks the protocol.
pub(crate) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Login<'_>,
) -> Result<LoggedIn, ConnectError> {
    let mut out = Vec::new();
    let mut parameters = vec![
        ("user", login.user.as_str()),
        ("database", login.database.as_str()),
    ];
    parameters.extend(
        login
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    startup::encode_startup(&mut out, &parameters);
    stream.write_all(&out).await?;
    let mut inbound = Inbound::new(MESSAGE_MAX);
    authenticate(stream, &mut inbound, &login.user, login.secret, login.keys).await?;
    let mut logged_in = settle(stream, &mut inbound).await?;
    if let Some(sql) = login.connect_query {
        let mut out = Vec::new();
        encode::query(&mut out, sql);
        stream.write_all(&out).await?;
        // What the query sets is what a fresh server has.
        let changes = settle(stream, &mut inbound).await?.welcome.reported;
        logged_in.welcome.change(changes);
    }
    if !inbound.bytes().is_empty() {
        return Err(ConnectError::Protocol("bytes after it was ready"));
    }
    Ok(logged_in)
}

async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    inbound: &mut Inbound,
    user: &str,
    secret: Option<&Secret>,
    keys: &mut Keys,
) -> Result<(), ConnectError> {
    loop {
        let body = match inbound.message(stream).await? {
            (backend::AUTHENTICATION, body) => body,
            (backend::ERROR_RESPONSE, body) => return Err(refused(&body)),
            (backend::NOTICE_RESPONSE | backend::NEGOTIATE_PROTOCOL_VERSION, _) => continue,
            _ => return Err(ConnectError::Protocol("an unexpected message")),
        };
        let request = AuthRequest::parse(&body)
            .ok_or(ConnectError::Protocol("a malformed authentication request"))?;
        let mut out = Vec::new();
        match request {
            AuthRequest::Ok => return Ok(()),
            AuthRequest::CleartextPassword => match secret {
                Some(Secret::Plain(password)) => encode::password(&mut out, password.as_bytes()),
                _ => return Err(ConnectError::NoSecret("plain password")),
            },
            AuthRequest::Md5 { salt } => {
                let verifier = match secret {
                    Some(Secret::Plain(password)) => md5::verifier(user, password),
                    Some(Secret::Md5(verifier)) => verifier.clone(),
                    _ => return Err(ConnectError::NoSecret("plain or md5 password")),
                };
                encode::password(&mut out, md5::response(&verifier, salt).as_bytes());
            }
            AuthRequest::Sasl { mechanisms } => {
                if !mechanisms.contains(&scram::MECHANISM) {
                    return Err(ConnectError::Protocol(
                        "only SASL mechanisms that are not known",
                    ));
                }
                prove_by_scram(stream, inbound, secret, keys).await?;
                continue;
            }
            AuthRequest::SaslContinue(_) | AuthRequest::SaslFinal(_) => {
                return Err(ConnectError::Protocol("SASL out of order"));
            }
            AuthRequest::Unsupported(_) => {
                return Err(ConnectError::Protocol(
                    "an authentication request that is not known",
                ));
            }
        }
        stream.write_all(&out).await?;
    }
}

async fn prove_by_scram(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    inbound: &mut Inbound,
    secret: Option<&Secret>,
    keys: &mut Keys,
) -> Result<(), ConnectError> {
    let credentials = match (secret, &keys.derived, &keys.passed) {
        (Some(Secret::Plain(password)), Some(cache), _) => scram::client::Credentials::Cached {
            password: password.clone(),
            cache: cache.clone(),
        },
        (Some(Secret::Plain(password)), None, _) => {
            scram::client::Credentials::Password(password.clone())
        }
        (_, _, Some((client_key, server_key))) => scram::client::Credentials::Keys {
            client_key: client_key.clone(),
            server_key: *server_key,
        },
        _ => {
            return Err(ConnectError::NoSecret(
                "password, nor a key of a client's SCRAM login,",
            ));
        }
    };
    let mut random = [0; 18];
    getrandom::fill(&mut random).expect("the system gives random numbers");
    let (data, first) = scram::client::First::new(credentials, &scram::nonce(&random));
    let mut out = Vec::new();
    encode::sasl_initial_response(&mut out, scram::MECHANISM, &data);
    stream.write_all(&out).await?;

    let body = sasl_message(stream, inbound).await?;
    let Some(AuthRequest::SaslContinue(data)) = AuthRequest::parse(&body) else {
        return Err(ConnectError::Protocol("SASL out of order"));
    };
    let (data, last) = first.on_server_first(data).map_err(ConnectError::Scram)?;
    let mut out = Vec::new();
    encode::sasl_response(&mut out, &data);
    stream.write_all(&out).await?;

    let body = sasl_message(stream, inbound).await?;
    let Some(AuthRequest::SaslFinal(data)) = AuthRequest::parse(&body) else {
        return Err(ConnectError::Protocol("SASL out of order"));
    };
    let derived = matches!(secret, Some(Secret::Plain(_))).then(|| last.derived());
    last.on_server_final(data).map_err(ConnectError::Scram)?;
    keys.derived = derived;
    Ok(())
}

async fn sasl_message(
    stream: &mut (impl AsyncRead + Unpin),
    inbound: &mut Inbound,
) -> Result<Vec<u8>, ConnectError> {
    loop {
        match inbound.message(stream).await? {
            (backend::AUTHENTICATION, body) => return Ok(body),
            (backend::ERROR_RESPONSE, body) => return Err(refused(&body)),
            (backend::NOTICE_RESPONSE, _) => {}
            _ => return Err(ConnectError::Protocol("an unexpected message")),
        }
    }
}

/// Reads up to ReadyForQuery.
async fn settle(
    stream: &mut (impl AsyncRead + Unpin),
    inbound: &mut Inbound,
) -> Result<LoggedIn, ConnectError> {
    let mut reported = Vec::new();
    let mut parameters = Parameters::default();
    let mut key = None;
    for _ in 0..MESSAGES_MAX {
        match inbound.message(stream).await? {
            (backend::PARAMETER_STATUS, body) => {
                let (name, value) = backend::parameter_status(&body)
                    .ok_or(ConnectError::Protocol("a malformed setting"))?;
                let name = String::from_utf8_lossy(name).into_owned();
                let value = String::from_utf8_lossy(value).into_owned();
                parameters.set(&name, &value);
                reported.push((name, value));
            }
            (backend::BACKEND_KEY_DATA, body) => {
                key = backend::key_data(&body).map(|(pid, key)| (pid, key.to_vec()));
            }
            (backend::READY_FOR_QUERY, body) => {
                if backend::ready_status(&body) != Some(TxStatus::Idle) {
                    return Err(ConnectError::Protocol("an open transaction"));
                }
                return Ok(LoggedIn {
                    welcome: Welcome {
                        reported,
                        parameters: Arc::new(parameters),
                    },
                    key,
                });
            }
            (backend::ERROR_RESPONSE, body) => return Err(refused(&body)),
            _ => {}
        }
    }
    Err(ConnectError::Protocol("too many messages"))
}

fn refused(body: &[u8]) -> ConnectError {
    let error = ErrorView::parse(body);
    ConnectError::Refused {
        sqlstate: error.sqlstate(),
        message: error.message().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, LoggedIn, Login, log_in};
    use crate::pool_handle::Keys;
    use pgweir_wire::backend::TxStatus;
    use pgweir_wire::encode;

    /// A login with a connect query at a server that lets everyone in. It reports a setting, and
    /// another value of it for the query; this is its status after that.
    async fn connect(status: TxStatus) -> Result<LoggedIn, ConnectError> {
        let mut said = Vec::new();
        encode::authentication_ok(&mut said);
        encode::parameter_status(&mut said, "TimeZone", "UTC");
        encode::ready_for_query(&mut said, TxStatus::Idle);
        encode::parameter_status(&mut said, "TimeZone", "Asia/Tokyo");
        encode::ready_for_query(&mut said, status);
        let login = Login {
            user: "u".to_owned(),
            database: "d".to_owned(),
            secret: None,
            keys: &mut Keys::default(),
            parameters: &[],
            connect_query: Some("set timezone to 'Asia/Tokyo'"),
        };
        log_in(&mut tokio::io::join(&said[..], Vec::new()), login).await
    }

    #[tokio::test]
    async fn a_fresh_server_has_what_the_connect_query_set() {
        let welcome = connect(TxStatus::Idle).await.unwrap().welcome;
        let tokyo = ("TimeZone".to_owned(), "Asia/Tokyo".to_owned());
        assert_eq!(welcome.reported, [tokyo]);
        assert_eq!(welcome.parameters.value("timezone"), Some("Asia/Tokyo"));
    }

    #[tokio::test]
    async fn a_connect_query_that_leaves_a_transaction_open_fails() {
        let outcome = connect(TxStatus::InTransaction).await;
        assert!(matches!(outcome, Err(ConnectError::Protocol(_))));
    }
}
