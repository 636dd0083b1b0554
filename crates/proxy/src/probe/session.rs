//! The connection of one probe: logs in as servers do, and asks in the simple protocol.

use std::fmt;
use std::time::Duration;

use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::encode;

use super::target::Target;
use crate::connect::{ConnectError, Opening};
use crate::dial::{Dialled, Peer, Way};
use crate::pool_handle::Keys;
use crate::tls::servers::Connectors;
use crate::vault::{Place, Vault};
use crate::wire_io::{Inbound, ReadError, send};
use pgweir_config::{ServerPassword, Tcp};

/// Rows taken of one answer: more sessions than any PostgreSQL is run with.
const ROWS_MAX: usize = 20_000;

/// Largest message taken; a row of ours has about a hundred bytes.
const MESSAGE_MAX: usize = 32 * 1024;

/// Time for a login where `server_connect_timeout` is off.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);

/// What PostgreSQL shows of the probe in `pg_stat_activity`.
const APPLICATION_NAME: &str = "pgweir probe";

/// Why nothing was seen.
#[derive(Debug)]
pub(crate) enum Failure {
    /// PostgreSQL cannot be reached or does not let us in.
    Login(ConnectError),
    /// It did not answer in time.
    Timeout(Duration),
    /// The connection broke.
    Broken(ReadError),
    /// It refused the query.
    Refused(String),
    /// It answered something else than was asked.
    Unreadable,
}

impl Failure {
    /// No connection was made, or nobody answered there.
    pub(crate) fn is_unreachable(&self) -> bool {
        match self {
            Self::Login(error) => matches!(
                error,
                ConnectError::Unknown(_)
                    | ConnectError::Unreachable(_)
                    | ConnectError::Timeout(_)
                    | ConnectError::Broken(_)
            ),
            Self::Timeout(_) => true,
            Self::Broken(_) | Self::Refused(_) | Self::Unreadable => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => write!(f, "{error}"),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Broken(ReadError::Io(error)) => write!(f, "the connection broke: {error}"),
            Self::Broken(ReadError::TooLong { length, .. }) => {
                write!(f, "a message of length {length}")
            }
            Self::Refused(message) => f.write_str(message),
            Self::Unreadable => f.write_str("an answer that cannot be read"),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Broken(error)
    }
}

/// As whom to log in, and where.
pub(crate) struct ProbeLogin {
    pub(crate) user: String,
    pub(crate) password: ServerPassword,
    /// A client's proof, where there is no password.
    pub(crate) keys: Keys,
    /// Name of the database in PostgreSQL.
    pub(crate) database: String,
}

/// A connection that is logged in.
pub(crate) struct ProbeSession {
    stream: Dialled,
    inbound: Inbound,
    peer: Peer,
}

impl ProbeSession {
    /// Connects and logs in.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached or does not let us in, or takes too long.
    pub(crate) async fn open(
        target: &Target,
        mut entry: ProbeLogin,
        (tcp, connectors, vault): (&Tcp, &Connectors, &Vault),
    ) -> Result<Self, Failure> {
        let opening = Opening {
            way: Way {
                server: &target.address,
                tls: &target.tls,
                tcp,
                connectors,
            },
            place: Place {
                server: &target.address,
                database: &entry.database,
                user: &entry.user,
                retry: target.retry,
            },
            parameters: &[("application_name".to_owned(), APPLICATION_NAME.to_owned())],
            connect_query: None,
            auth: target.auth,
            limit: Some(target.login_timeout.unwrap_or(LOGIN_TIMEOUT)),
        };
        let entering = opening.once((&entry.password, vault), &mut entry.keys);
        let (stream, reached, _) = entering.await.map_err(Failure::Login)?;
        Ok(Self {
            stream,
            inbound: Inbound::new(MESSAGE_MAX),
            peer: reached.address,
        })
    }

    /// The very server that this is a connection with.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Asks, and takes the bodies of all rows.
    ///
    /// # Errors
    /// PostgreSQL refused, or the connection broke; in that case the session is of no use.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let mut out = Vec::new();
        encode::query(&mut out, sql);
        send(&mut self.stream, &out).await.map_err(ReadError::Io)?;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.inbound.message(&mut self.stream).await? {
                (backend::DATA_ROW, _) if rows.len() >= ROWS_MAX => {
                    return Err(Failure::Unreadable);
                }
                (backend::DATA_ROW, body) => rows.push(body),
                (backend::READY_FOR_QUERY, _) => return refused.map_or(Ok(rows), Err),
                (backend::ERROR_RESPONSE, body) => {
                    let error = ErrorView::parse(&body);
                    refused = Some(Failure::Refused(error.message().into_owned()));
                }
                _ => {}
            }
        }
    }
}
