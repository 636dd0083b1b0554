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
    /// There are temporary objects.
    TemporaryObject,
    /// The session holds advisory locks.
    AdvisoryLock,
    /// The session listens.
    Listen,
    /// A cursor outlives its transaction.
    HeldCursor,
    /// A library was loaded into the session.
    Library,
    /// A function keeps something for the session.
    SessionFunction,
    /// A custom setting was set whose name the text does not tell.
    UnnamedSetting,
    /// What the server owes, or what its session holds, cannot be known for certain, so nobody else
    /// may have it.
    Uncertain,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Replication => "replication",
            Self::PreparedStatement => "prepared statement",
            Self::TemporaryObject => "temporary object",
            Self::AdvisoryLock => "advisory lock",
            Self::Listen => "listen",
            Self::HeldCursor => "cursor with hold",
            Self::Library => "loaded library",
            Self::SessionFunction => "function that keeps something for its session",
            Self::UnnamedSetting => "setting without a name in the text",
            Self::Uncertain => "uncertain state",
        })
    }
}
