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
    /// A simple query where none is taken (`disable_pqexec`).
    SimpleQuery,
    /// A message that is longer than `max_packet_size`.
    TooLong {
        /// Bytes that are taken.
        max: u32,
    },
    /// A statement would have to be parsed, or settings set again, before the client goes on, on a server of which
    /// it is not known any more what it answers: the client sent what a COPY does not expect.
    Unreachable,
    /// The last number of a sequence would be read behind unfinished messages, on a server whose last number may be
    /// another client's.
    UnknownNumber,
    /// More prepared statements than one client may have
    /// ([`CLIENT_STATEMENTS_MAX`](crate::prepared::CLIENT_STATEMENTS_MAX)).
    TooManyStatements,
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
            Self::TooManyStatements | Self::TooLong { .. } => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::UnknownNumber => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::SimpleQuery
            | Self::Unreachable
            | Self::UnknownMessage { .. }
            | Self::BadLength { .. }
            | Self::BadName { .. } => SqlState::PROTOCOL_VIOLATION,
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
