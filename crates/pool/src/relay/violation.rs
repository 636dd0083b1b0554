//! How a client can break the protocol, and what it may read of that.

use pgweir_wire::frame;
use pgweir_wire::sqlstate::SqlState;

use super::NAME_MAX;

/// How a client broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A message type that PostgreSQL does not know, or not after login.
    UnknownMessage {
        /// The type byte.
        kind: u8,
    },
    /// An impossible length field.
    BadLength {
        /// Type of the message.
        kind: u8,
        /// The length field.
        length: u32,
    },
    /// In the middle of a batch, an unnamed statement is meant that this client did not parse on
    /// this server.
    ForeignStatement,
    /// A statement name longer than [`NAME_MAX`], or none where one must be.
    BadName {
        /// Type of the message.
        kind: u8,
    },
}

impl Violation {
    /// Its code.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::ForeignStatement => SqlState::INVALID_STATEMENT_NAME,
            Self::UnknownMessage { .. } | Self::BadLength { .. } | Self::BadName { .. } => {
                SqlState::PROTOCOL_VIOLATION
            }
        }
    }

    /// What the client may read of it.
    pub fn client_message(&self) -> String {
        match *self {
            Self::UnknownMessage { kind } => {
                format!("invalid frontend message type {kind} after login")
            }
            Self::BadLength { kind, length } => format!(
                "invalid length {length} in message of type \"{}\"",
                kind.escape_ascii()
            ),
            Self::ForeignStatement => "unnamed prepared statement does not exist".to_owned(),
            Self::BadName { kind } => format!(
                "statement name of message type \"{}\" is missing or longer than {NAME_MAX} bytes",
                kind.escape_ascii()
            ),
        }
    }
}

impl From<frame::BadLength> for Violation {
    fn from(bad: frame::BadLength) -> Self {
        Self::BadLength {
            kind: bad.kind,
            length: bad.length,
        }
    }
}
