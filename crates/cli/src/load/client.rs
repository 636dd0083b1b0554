//! One client: logs in with SCRAM and asks, one question after the other.
//!
//! It holds one answer's message at a time and refuses messages larger than [`MESSAGE_MAX`]: its
//! own questions have small answers.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use pgweir_wire::auth::scram;
use pgweir_wire::backend::{self, ErrorView, TxStatus};
use pgweir_wire::login::{Handshake, Identity, LoginError, Method, Methods, Secrets, Turn};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::{encode, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where clients connect, and as whom.
pub(crate) struct Target {
    address: SocketAddr,
    /// Shared, with the keys of the password: hashing it takes milliseconds, and a thousand
    /// clients log in with it.
    identity: RefCell<Identity>,
}

impl Target {
    pub(crate) fn new(
        address: impl Into<SocketAddr>,
        database: &str,
        user: &str,
        password: &str,
    ) -> Self {
        Self {
            address: address.into(),
            identity: RefCell::new(Identity {
                user: user.to_owned(),
                database: database.to_owned(),
                parameters: vec![("application_name".to_owned(), "pgweir load".to_owned())],
                secrets: Secrets {
                    password: Some(password.to_owned()),
                    ..Secrets::default()
                },
                accepted: Methods::from_weakest(Method::Scram),
                binding: None,
                requires_binding: false,
                minor: 0,
            }),
        }
    }
}

impl Target {
    /// The same place, for clients that call themselves so.
    pub(crate) fn named(self, application: &str) -> Self {
        let name = ("application_name".to_owned(), application.to_owned());
        self.identity.borrow_mut().parameters = vec![name];
        self
    }
}

/// Why a client could not log in or has no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The other side said no, and closed the connection if `fatal`.
    Refused {
        sqlstate: Option<SqlState>,
        message: String,
    },
    /// The connection could not be made or broke.
    Io(io::Error),
    /// The other side let nobody in by SCRAM, or did not speak the protocol while it did.
    Login(LoginError),
    /// The other side did not speak the protocol.
    Protocol(&'static str),
    /// Nothing came in time.
    Timeout,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { sqlstate, message } => {
                let code = sqlstate.as_ref().map_or("no SQLSTATE", SqlState::as_str);
                write!(f, "{message} ({code})")
            }
            Self::Io(error) => error.fmt(f),
            Self::Login(error) => write!(f, "login failed: {error}"),
            Self::Protocol(what) => write!(f, "not PostgreSQL's protocol: {what}"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<LoginError> for ClientError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused { sqlstate, message } => Self::Refused { sqlstate, message },
            LoginError::NoSecret { .. }
            | LoginError::Unbound
            | LoginError::NotAccepted { .. }
            | LoginError::Scram(_)
            | LoginError::Protocol(_) => Self::Login(error),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a question brought.
#[derive(Debug)]
pub(crate) struct Answer {
    /// First column of the first row, if there was one and it is not NULL.
    pub(crate) value: Option<String>,
    /// Where the session stands.
    pub(crate) status: TxStatus,
    /// The error that came in place of a result.
    pub(crate) error: Option<ClientError>,
}

/// A logged-in client.
pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    /// End of the message that was read last.
    consumed: usize,
    output: Vec<u8>,
}

impl Client {
    /// Connects and logs in, within [`LOGIN_TIMEOUT`].
    pub(crate) async fn connect(target: &Target) -> Result<Self, ClientError> {
        timeout(LOGIN_TIMEOUT, Self::log_in(target))
            .await
            .map_err(|_| ClientError::Timeout)?
    }

    /// Asks by the simple protocol.
    pub(crate) async fn simple(&mut self, sql: &str) -> Result<Answer, ClientError> {
        encode::query(&mut self.output, sql);
        self.ask().await
    }

    /// Asks by the extended protocol, with the unnamed statement.
    pub(crate) async fn extended(&mut self, sql: &str) -> Result<Answer, ClientError> {
        encode::parse(&mut self.output, "", sql);
        encode::bind(&mut self.output, "", "");
        encode::execute(&mut self.output, "");
        encode::sync(&mut self.output);
        self.ask().await
    }

    /// Asks by the simple protocol; an error in place of a result is an error here too.
    pub(crate) async fn value(&mut self, sql: &str) -> Result<Option<String>, ClientError> {
        let answer = self.simple(sql).await?;
        match answer.error {
            Some(error) => Err(error),
            None => Ok(answer.value),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        encode::terminate(&mut self.output);
        // The connection ends either way; a goodbye that does not arrive changes nothing.
        let _ = self.flush().await;
    }

    async fn log_in(target: &Target) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            input: Vec::new(),
            consumed: 0,
            output: Vec::new(),
        };
        let mut random = [0; 18];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let nonce = scram::nonce(&random);
        let mut login = Handshake::start(&target.identity.borrow(), nonce, &mut client.output);
        loop {
            client.flush().await?;
            let (kind, body) = client.message().await?;
            let identity = &mut target.identity.borrow_mut();
            let body = &client.input[body];
            match login.on_message(kind, body, identity, &mut client.output)? {
                Turn::Wait(next) => login = next,
                Turn::Ready(_) => return Ok(client),
            }
        }
    }

    /// Sends what is in `output` and reads up to ReadyForQuery.
    async fn ask(&mut self) -> Result<Answer, ClientError> {
        self.flush().await?;
        let mut value = None;
        let mut error = None;
        loop {
            let (kind, body) = match self.message().await {
                Ok(message) => message,
                // After a fatal error the end of the connection says nothing further.
                Err(broken) => return Err(error.unwrap_or(broken)),
            };
            let body = &self.input[body];
            match kind {
                b'D' if value.is_none() => value = first_column(body),
                b'E' => error = Some(refusal(body)),
                b'Z' => {
                    let status = backend::ready_status(body)
                        .ok_or(ClientError::Protocol("a broken ReadyForQuery"))?;
                    return Ok(Answer {
                        value,
                        status,
                        error,
                    });
                }
                _ => {}
            }
        }
    }

    /// Waits for a whole message; gives its type and where in `input` its body is.
    async fn message(&mut self) -> Result<(u8, Range<usize>), ClientError> {
        loop {
            let header = frame::header(&self.input[self.consumed..])
                .map_err(|_| ClientError::Protocol("an impossible message length"))?;
            if let Some(header) = header {
                if header.message_len() > MESSAGE_MAX {
                    return Err(ClientError::Protocol("a message too long for this client"));
                }
                let end = self.consumed + header.message_len();
                if end <= self.input.len() {
                    let start = self.consumed + frame::HEADER_LEN;
                    self.consumed = end;
                    return Ok((header.kind, start..end));
                }
            }
            self.input.drain(..self.consumed);
            self.consumed = 0;
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ClientError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = self.stream.write_all(&self.output).await;
        self.output.clear();
        match written {
            Ok(()) => Ok(()),
            Err(broken) => Err(self.last_words().await.unwrap_or(ClientError::Io(broken))),
        }
    }

    /// The error that the other side sent before it closed the connection, if it did.
    async fn last_words(&mut self) -> Option<ClientError> {
        loop {
            let (kind, body) = self.message().await.ok()?;
            if kind == b'E' {
                return Some(refusal(&self.input[body]));
            }
        }
    }
}

fn refusal(body: &[u8]) -> ClientError {
    let view = ErrorView::parse(body);
    ClientError::Refused {
        sqlstate: view.sqlstate(),
        message: view.message().into_owned(),
    }
}

/// First column in the body of a DataRow: a count of columns, then each with its length, which is
/// -1 for NULL.
fn first_column(body: &[u8]) -> Option<String> {
    let (columns, rest) = body.split_first_chunk()?;
    if u16::from_be_bytes(*columns) == 0 {
        return None;
    }
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(i32::from_be_bytes(*len)).ok()?;
    String::from_utf8(rest.get(..len)?.to_owned()).ok()
}

/// Largest message taken from the other side.
const MESSAGE_MAX: usize = 64 * 1024;

/// Connect and login together. A thousand logins at a busy server take their time.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_text_or_absent() {
        let row = |bytes: &[u8]| first_column(bytes);
        assert_eq!(row(b"\0\x02\0\0\0\x0242\0\0\0\x01x").as_deref(), Some("42"));
        assert_eq!(row(b"\0\x01\0\0\0\0").as_deref(), Some(""));
        assert_eq!(row(b"\0\x01\xff\xff\xff\xff"), None);
        assert_eq!(row(b"\0\0"), None);
        assert_eq!(row(b"\0\x01\0\0\0\x09short"), None);
        assert_eq!(row(b""), None);
    }
}
