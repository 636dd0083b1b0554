//! Why a server stays with a client although no transaction is open.

use std::fmt;

/// The reason of a lease that outlives a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The pool is in session mode.
    Session,
    /// The server was opened for this client alone, for replication.
    Replication,
    /// The client has named prepared statements on this server.
    PreparedStatement,
    /// What the server owes cannot be known for certain, so nobody else may have it.
    Uncertain,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Replication => "replication",
            Self::PreparedStatement => "prepared statement",
            Self::Uncertain => "uncertain state",
        })
    }
}
