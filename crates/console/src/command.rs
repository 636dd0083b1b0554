//! What a text of an administrator, or of its driver, asks for.

use crate::order::Order;
use crate::query::Query;
use crate::table::Table;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A table of what there is.
    Show(Query),
    /// `SHOW HELP`, or `SHOW` alone: the commands, as a notice.
    Help,
    /// A change.
    Order(Order),
    /// A setting of the session, which the console takes and has no use for: drivers set some when they connect.
    SetSession,
    /// One row that is always the same: drivers ask for some when they connect.
    Fixed(Fixed),
    /// `BEGIN` and what ends it. The console has no transactions; what a driver thinks of one is kept for it.
    Transaction(Block),
    /// What tidies a session up that holds nothing: `RESET`, `DISCARD`, `DEALLOCATE` and the like.
    Tidy(Tidy),
    /// Nothing: spaces, comments, a semicolon.
    Empty,
}

/// A command about transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// One begins.
    Begin,
    /// One ends.
    Commit,
    /// One ends as if it had never been.
    Rollback,
    /// What followed a savepoint is taken back.
    RollbackTo,
    /// A savepoint is set.
    Savepoint,
    /// A savepoint is given up.
    Release,
}

/// What a session is relieved of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tidy {
    /// Settings.
    Reset,
    /// Everything.
    DiscardAll,
    /// Plans, sequences or temporary tables.
    Discard(&'static str),
    /// One prepared statement.
    Deallocate(String),
    /// All of them.
    DeallocateAll,
    /// Cursors.
    Close,
    /// Channels.
    Unlisten,
}

/// A question with one answer, in one row of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The column's name.
    pub name: String,
    /// What stands in it.
    pub answer: Answer,
}

/// What a question is answered with that is not about the pooler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A number that was asked for: whether anybody is there.
    Number(i32),
    /// A setting of the session, or another text.
    Text(&'static str),
    /// What PostgreSQL would be; programs look at its first number.
    ServerVersion,
    /// `version()`.
    Version,
    /// The database that the session is connected to.
    Database,
    /// The user that the session is of.
    User,
    /// The session's own number.
    Pid,
    /// False.
    No,
    /// No row.
    Nothing,
}

/// Who is at the other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May do everything (`admin_users`).
    Admin,
    /// May look at everything but descriptors and secrets (`stats_users`).
    Stats,
}

impl Command {
    /// Whether `role` may give it.
    pub fn is_allowed(&self, role: Role) -> bool {
        match (role, self) {
            (Role::Admin, _) => true,
            (Role::Stats, Self::Order(_)) => false,
            (Role::Stats, Self::Show(query)) => query.table != Table::Fds,
            (
                Role::Stats,
                Self::Help
                | Self::SetSession
                | Self::Fixed(_)
                | Self::Transaction(_)
                | Self::Tidy(_)
                | Self::Empty,
            ) => true,
        }
    }
}
