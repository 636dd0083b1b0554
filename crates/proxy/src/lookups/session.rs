//! The connection over which users are looked up: logs in as servers do, with nothing of any client, and asks
//! in the extended protocol, so that a name is a value whatever it is.

use std::fmt;

use pgweir_config::{AuthSource, Tcp};
use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::encode;

use super::Place;
use crate::connect::{ConnectError, Opening};
use crate::dial::{Dialled, Way};
use crate::pool_handle::Keys;
use crate::tls::servers::Connectors;
use crate::vault::{self, Vault};
use crate::wire_io::{Inbound, ReadError, send};

/// Largest message taken. A row has a name and a verifier, below a kilobyte.
const MESSAGE_MAX: usize = 32 * 1024;

/// Messages taken of one answer: notices and settings that a query may bring are few.
const MESSAGES_MAX: usize = 1000;

/// What PostgreSQL shows of it in `pg_stat_activity`.
const APPLICATION_NAME: &str = "pgweir auth_query";

/// Why nothing was said.
#[derive(Debug)]
pub(super) enum Failure {
    /// PostgreSQL cannot be reached or does not let us in.
    Login(ConnectError),
    /// It did not answer in time.
    Timeout,
    /// The connection broke.
    Broken(ReadError),
    /// It refused the query.
    Refused(String),
    /// The answer is no name with a secret, for the reason said here.
    Unreadable(&'static str),
    /// It failed a moment ago, which was told then.
    Again,
}

impl Failure {
    /// Whether the connection may have been closed before the question was asked.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    /// Whether the connection is of no use any more.
    pub(super) fn ends_session(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Unreadable(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => write!(f, "{error}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Broken(ReadError::Io(error)) => write!(f, "the connection broke: {error}"),
            Self::Broken(ReadError::TooLong { length, .. }) => {
                write!(f, "a message of length {length}")
            }
            Self::Refused(message) => f.write_str(message),
            Self::Unreadable(why) => f.write_str(why),
            Self::Again => f.write_str("it failed a moment ago"),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Broken(error)
    }
}

/// A row: the name and the secret; `None` is NULL.
pub(super) type Row = (Option<String>, Option<String>);

/// A connection that is logged in, and between two questions.
pub(super) struct Session {
    stream: Dialled,
    inbound: Inbound,
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached or does not let us in.
    pub(super) async fn open(
        place: &Place,
        source: &AuthSource,
        keys: &mut Keys,
        (tcp, connectors, vault): (&Tcp, &Connectors, &Vault),
    ) -> Result<Self, Failure> {
        let mut parameters = vec![
            ("application_name".to_owned(), APPLICATION_NAME.to_owned()),
            ("client_encoding".to_owned(), "UTF8".to_owned()),
        ];
        if source.is_default_query {
            parameters.push(("search_path".to_owned(), "pg_catalog".to_owned()));
        }
        let opening = Opening {
            way: Way {
                server: &source.server,
                tls: &source.tls,
                tcp,
                connectors,
            },
            place: vault::Place {
                server: &source.server,
                database: &place.database,
                user: &place.user,
                retry: super::RETRY_PAUSE,
            },
            parameters: &parameters,
            connect_query: None,
            auth: source.server_auth,
            limit: None,
        };
        let entering = opening.once((&source.password, vault), keys);
        let (stream, ..) = entering.await.map_err(Failure::Login)?;
        Ok(Self {
            stream,
            inbound: Inbound::new(MESSAGE_MAX),
        })
    }

    /// Asks with these values. The rows there are, two at most.
    ///
    /// # Errors
    /// PostgreSQL refused, or the answer is of no use, or the connection broke; in that case the session is
    /// of no use, too.
    ///
    /// # Cancel safety
    /// None: a session that was dropped while it asked has to be closed.
    pub(super) async fn ask(&mut self, query: &str, values: &[&[u8]]) -> Result<Vec<Row>, Failure> {
        let mut out = Vec::new();
        encode::parse(&mut out, "", query);
        encode::bind_text(&mut out, values);
        encode::execute(&mut out, "");
        encode::sync(&mut out);
        send(&mut self.stream, &out).await.map_err(ReadError::Io)?;
        let (mut rows, mut failure) = (Vec::new(), None);
        for _ in 0..MESSAGES_MAX {
            match self.inbound.message(&mut self.stream).await? {
                // More than one is one too many, however many there are.
                (backend::DATA_ROW, _) if rows.len() > 1 => {}
                (backend::DATA_ROW, body) => match row(&body) {
                    Some(row) => rows.push(row),
                    None => failure = Some(Failure::Unreadable("a row is not a name and a secret")),
                },
                (backend::READY_FOR_QUERY, _) => return failure.map_or(Ok(rows), Err),
                (backend::ERROR_RESPONSE, body) => {
                    let error = ErrorView::parse(&body);
                    failure = Some(Failure::Refused(error.message().into_owned()));
                }
                _ => {}
            }
        }
        let endless = std::io::Error::other("the answer has no end");
        Err(ReadError::Io(endless).into())
    }
}

/// The first two values of a row.
fn row(body: &[u8]) -> Option<Row> {
    let values = backend::data_row(body)?;
    let [name, secret, ..] = values[..] else {
        return None;
    };
    let text = |value: Option<&[u8]>| match value {
        Some(bytes) => String::from_utf8(bytes.to_vec()).ok().map(Some),
        None => Some(None),
    };
    Some((text(name)?, text(secret)?))
}
