//! Why a login ended without a session.

use std::io;

use pgweir_wire::sqlstate::SqlState;

use crate::texts::ClientError;
use crate::wire_io::ReadError;

/// Why a login ended otherwise.
#[derive(Debug)]
pub(crate) enum LoginEnd {
    /// The client is told, and goes.
    Refused(ClientError),
    /// The client asked where tokens are issued, and was told. Now it goes, with an error to end its login, and may
    /// come back with a token.
    Discovered(ClientError),
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

/// The client broke the protocol.
pub(crate) fn violation(message: impl Into<String>) -> ClientError {
    ClientError::new(SqlState::PROTOCOL_VIOLATION, message)
}
