//! Asking one PostgreSQL (`pgweir doctor`): a login as servers have it, then questions one by one.
//!
//! Everything that is asked runs in the simple protocol, so that consoles of poolers answer, too. Nothing
//! is retried: whoever asks decides what a refusal means.

use std::fmt;
use std::time::Duration;

use pgweir_config::{Config, ServerPassword};
use pgweir_wire::backend::{self, ErrorView};
use pgweir_wire::encode;
use pgweir_wire::login::LoginError;
use tokio::time::timeout;

use crate::connect::{ConnectError, Opening};
use crate::dial::{Dialled, Way};
use crate::pool_handle::Keys;
use crate::probes::target;
use crate::tls::servers::Connectors;
use crate::vault::{Place, Vault};
use crate::wire_io::{Inbound, ReadError, send};

/// Rows taken of one answer.
const ROWS_MAX: usize = 50_000;
/// Largest message taken: a row with a statement of 2,000 characters and a list of blockers.
const MESSAGE_MAX: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// The server refused.
    Refused {
        /// Five characters, empty if it gave none.
        sqlstate: String,
        /// Its words.
        message: String,
    },
    /// Nothing came in time.
    Late(Duration),
    /// There is no connection, or no more.
    Broken(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { sqlstate, message } => write!(f, "{message} (SQLSTATE {sqlstate})"),
            Self::Late(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// The rows of the last statement that had any, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// A value for each column; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A connection that asks. Dropping it closes the connection.
pub struct Interview {
    stream: Dialled,
    inbound: Inbound,
}

impl Interview {
    /// Logs in at the only server of a configuration, to a database there, without a password if `password` is
    /// false.
    ///
    /// # Errors
    /// It cannot be reached, or does not let us in.
    ///
    /// # Panics
    /// If the configuration has no database with a user: one made of a URL has.
    ///
    /// # Cancel safety
    /// Dropped, it takes its connection with it.
    pub async fn open(
        config: &Config,
        database: &str,
        password: bool,
        application: &str,
        limit: Duration,
    ) -> Result<Self, Silence> {
        let mut targets = target::all(config).into_iter();
        let target = targets.next().expect("a URL names a server");
        let account = target.account.expect("a URL names a user");
        let password = match password {
            true => account.password,
            false => ServerPassword::None,
        };
        let (connectors, vault, mut keys) =
            (Connectors::default(), Vault::default(), Keys::default());
        let opening = Opening {
            way: Way {
                server: &target.address,
                tls: &target.tls,
                tcp: &config.tcp,
                connectors: &connectors,
            },
            place: Place {
                server: &target.address,
                database,
                user: &account.user,
                retry: target.retry,
            },
            parameters: &[("application_name".to_owned(), application.to_owned())],
            connect_query: None,
            auth: target.auth,
            limit: Some(limit),
        };
        match opening.once((&password, &vault), &mut keys).await {
            Ok((stream, ..)) => Ok(Self {
                stream,
                inbound: Inbound::new(MESSAGE_MAX),
            }),
            Err(ConnectError::Login(LoginError::Refused { sqlstate, message })) => {
                Err(Silence::Refused {
                    sqlstate: sqlstate.map_or(String::new(), |state| state.to_string()),
                    message,
                })
            }
            Err(ConnectError::Timeout(limit)) => Err(Silence::Late(limit)),
            Err(error) => Err(Silence::Broken(error.to_string())),
        }
    }

    /// Asks, and takes the rows of the last statement that returns rows.
    ///
    /// # Errors
    /// The server refused, which leaves the connection usable; or the answer did not come in `limit`, or the
    /// connection broke, and the connection is of no more use.
    pub async fn ask(&mut self, sql: &str, limit: Duration) -> Result<Table, Silence> {
        let answer = timeout(limit, self.answer(sql)).await;
        answer.unwrap_or(Err(Silence::Late(limit)))
    }

    async fn answer(&mut self, sql: &str) -> Result<Table, Silence> {
        let mut out = Vec::new();
        encode::query(&mut out, sql);
        let sent = send(&mut self.stream, &out).await;
        sent.map_err(|error| broken(&ReadError::Io(error)))?;
        let mut table = Table::default();
        let mut refused = None;
        loop {
            let message = self.inbound.message(&mut self.stream).await;
            match message.map_err(|error| broken(&error))? {
                (backend::ROW_DESCRIPTION, body) => {
                    table = Table {
                        columns: columns(&body).ok_or_else(unreadable)?,
                        rows: Vec::new(),
                    };
                }
                (backend::DATA_ROW, body) if table.rows.len() < ROWS_MAX => {
                    table.rows.push(row(&body).ok_or_else(unreadable)?);
                }
                (backend::READY_FOR_QUERY, _) => return refused.map_or(Ok(table), Err),
                (backend::ERROR_RESPONSE, body) => {
                    let error = ErrorView::parse(&body);
                    refused.get_or_insert(Silence::Refused {
                        sqlstate: error
                            .sqlstate()
                            .map_or(String::new(), |state| state.to_string()),
                        message: error.message().into_owned(),
                    });
                }
                _ => {}
            }
        }
    }
}

fn broken(error: &ReadError) -> Silence {
    Silence::Broken(match error {
        ReadError::Io(error) => format!("the connection broke: {error}"),
        ReadError::TooLong { length, .. } => format!("a message of length {length}"),
    })
}

fn unreadable() -> Silence {
    Silence::Broken("an answer that cannot be read".to_owned())
}

/// Names of columns. Protocol: RowDescription has a number of fields, and of each its name, then 18 bytes.
fn columns(body: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut names = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = rest.get(end + 1 + 18..)?;
    }
    Some(names)
}

fn row(body: &[u8]) -> Option<Vec<Option<String>>> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let columns = backend::data_row(body)?.into_iter();
    Some(columns.map(|value| value.map(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::{columns, row};

    #[test]
    fn columns_and_values_are_read_and_torn_ones_are_not() {
        let mut body = vec![0, 2];
        for name in ["pid", "state"] {
            body.extend(name.as_bytes());
            body.extend([0; 19]);
        }
        let expected = vec!["pid".to_owned(), "state".to_owned()];
        assert_eq!(columns(&body), Some(expected));
        for end in 0..body.len() {
            assert_eq!(columns(&body[..end]), None, "{end} bytes");
        }
        let values = [0, 2, 0, 0, 0, 2, b'4', b'2', 255, 255, 255, 255];
        assert_eq!(row(&values), Some(vec![Some("42".to_owned()), None]));
    }
}
