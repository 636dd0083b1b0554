//! With which codes clients are told that their session has ended.

use super::level::ReadAs;
use super::value::Parsed;

/// Codes of the errors that end a session by a timeout or for a transaction in statement mode (`error_codes`).
///
/// PostgreSQL has codes of classes 25 and 0A for some of these, which drivers take for a mistake in the statement;
/// PgBouncer answers 08P01, which they take for a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCodes {
    /// PostgreSQL's: 25P03, 25P04, 57014, 57P05, 0A000.
    PostgreSql,
    /// PgBouncer's: 08P01.
    PgBouncer,
}

impl ReadAs for ErrorCodes {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Word("postgresql") => Some(Self::PostgreSql),
            Parsed::Word("pgbouncer") => Some(Self::PgBouncer),
            _ => None,
        }
    }
}
