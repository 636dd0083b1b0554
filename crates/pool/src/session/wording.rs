//! What a session has to tell its client itself, and who puts it into words.
//!
//! The core knows what happened and the code that programs decide on. The sentences that people
//! read, with the settings and logs they name, are the caller's.

use std::borrow::Cow;

use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use crate::pin::Pin;
use crate::relay::Violation;
use crate::upstream::OwnError;

/// What went wrong for a client that PostgreSQL does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault<'a> {
    /// The client broke the protocol.
    Violation(Violation),
    /// The server's stream ended or failed.
    ServerGone,
    /// The server broke the protocol.
    ServerBroken,
    /// PostgreSQL refused the client's settings with this error.
    Settings(&'a OwnError),
    /// The client opened a transaction where none is allowed.
    Transaction,
    /// What the client sent would keep its server for this reason, which its pool does not allow. The session goes on.
    Rejected(Pin),
    /// The session holds that, and ends.
    Pinned(Pin),
    /// The client's wait for a server was cancelled, at its own wish.
    WaitCanceled,
}

/// A fault in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentences<'a> {
    /// The code that the client is sent; `None` is the fault's own.
    pub sqlstate: Option<SqlState>,
    /// What happened, in one line.
    pub message: Cow<'a, str>,
    /// More about it.
    pub detail: Option<&'static str>,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

/// Puts faults into words.
pub type Wording = for<'a> fn(Fault<'a>) -> Sentences<'a>;

impl Fault<'_> {
    /// Its code.
    pub fn sqlstate(&self) -> SqlState {
        match self {
            Self::Violation(violation) => violation.sqlstate(),
            Self::ServerGone => SqlState::CONNECTION_FAILURE,
            Self::ServerBroken => SqlState::PROTOCOL_VIOLATION,
            Self::Settings(error) => error.sqlstate.unwrap_or(SqlState::INTERNAL_ERROR),
            Self::Transaction | Self::Rejected(_) | Self::Pinned(_) => {
                SqlState::FEATURE_NOT_SUPPORTED
            }
            Self::WaitCanceled => SqlState::QUERY_CANCELED,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::WaitCanceled | Self::Rejected(_) => Severity::Error,
            Self::Violation(_)
            | Self::ServerGone
            | Self::ServerBroken
            | Self::Settings(_)
            | Self::Transaction
            | Self::Pinned(_) => Severity::Fatal,
        }
    }

    /// Appends the message that tells the client.
    pub(super) fn encode(self, wording: Wording, out: &mut Vec<u8>) {
        let (severity, sqlstate) = (self.severity(), self.sqlstate());
        let sentences = wording(self);
        let fields = ErrorFields {
            severity,
            sqlstate: sentences.sqlstate.unwrap_or(sqlstate),
            message: &sentences.message,
            detail: sentences.detail,
            hint: sentences.hint,
        };
        encode::error(out, &fields);
    }
}
