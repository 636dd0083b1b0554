//! How a client can break the protocol.

use pgweir_wire::frame;
use pgweir_wire::sqlstate::SqlState;

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
    /// A statement name longer than [`NAME_MAX`](super::NAME_MAX), or none where one must be.
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
}

impl From<frame::BadLength> for Violation {
    fn from(bad: frame::BadLength) -> Self {
        Self::BadLength {
            kind: bad.kind,
            length: bad.length,
        }
    }
}
