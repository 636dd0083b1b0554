//! What a driver asks of the shell around it.
//!
//! [`Platform`] names the types that a shell brings, [`Shell`] what it does. Calls of a shell do not
//! wait: they lock for one decision, or are one system call.

use std::io;
use std::sync::Arc;

use super::{Client, Policy};
use crate::budget::{Budget, Permit, PoolId};
use crate::id::{ClientId, ServerId};
use crate::pool::{CloseReason, Refusal};
use crate::server::{Home, Server};
use crate::session::Overdue;
use crate::stock::Stock;
use crate::stream::Stream;
use crate::upstream::OwnError;
use pgweir_wire::encode::{ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

/// The types that a shell brings.
pub trait Platform: Sized {
    /// The stream to a client.
    type ClientStream: Stream;
    /// The stream to PostgreSQL.
    type ServerStream: Stream;
    /// A pool that several drivers share.
    type Pool: SharedPool<ServerStream = Self::ServerStream>;
    /// What the shell keeps with a client; the driver only carries it.
    type Account;
    /// Where cancel requests for a server go.
    type CancelTarget;
    /// Who asked for a cancel request. Dropping it is the answer.
    type Ticket;
}

/// A pool behind its lock.
pub trait SharedPool: Clone {
    /// The stream to PostgreSQL.
    type ServerStream;

    /// Its number.
    fn id(&self) -> PoolId;

    /// Has the pool decide, under its lock.
    fn with<T>(&self, decide: impl FnOnce(&mut Stock<Self::ServerStream>) -> T) -> T;

    /// The rules for its clients, as of the last reload.
    fn policy(&self) -> Arc<Policy>;
}

/// What all drivers of a process share, and what only a shell can do.
pub trait Shell {
    /// Its types.
    type Platform: Platform;

    /// The pool of this number.
    fn pool(&self, id: PoolId) -> PoolOf<Self>;

    /// The pools whose servers are in this database of the PostgreSQL that the client uses.
    fn pools_of_database(
        &self,
        client: &Client<Self::Platform>,
        database: &[u8],
    ) -> Vec<PoolOf<Self>>;

    /// Has the budget decide, under its lock. `decide` may lock a pool; whoever holds a pool's lock
    /// never asks the budget.
    fn budget<T>(&self, decide: impl FnOnce(&mut Budget) -> T) -> T;

    /// Hears events of a client's stream, edge-triggered, for the client in this slot of `home`'s
    /// worker.
    ///
    /// # Errors
    /// The system refuses.
    fn watch_client(&self, stream: &mut ClientStreamOf<Self>, home: Home) -> io::Result<()>;

    /// Hears no more events of a client's stream.
    ///
    /// # Errors
    /// The system refuses.
    fn unwatch_client(&self, stream: &mut ClientStreamOf<Self>, home: Home) -> io::Result<()>;

    /// Hears events of a server's stream, edge-triggered.
    ///
    /// # Errors
    /// The system refuses.
    fn watch_server(&self, stream: &mut ServerStreamOf<Self>, home: Home) -> io::Result<()>;

    /// Hears no more events of a server's stream.
    ///
    /// # Errors
    /// The system refuses.
    fn unwatch_server(&self, stream: &mut ServerStreamOf<Self>, home: Home) -> io::Result<()>;

    /// Where cancel requests for the server behind `stream` go; `None` if PostgreSQL sent no key.
    fn cancel_target(
        &self,
        stream: &ServerStreamOf<Self>,
    ) -> Option<<Self::Platform as Platform>::CancelTarget>;

    /// Closes a server that its pool has forgotten; gives back the permit it was opened under.
    fn close(
        &self,
        server: Box<Server<ServerStreamOf<Self>>>,
        reason: Option<CloseReason>,
    ) -> Permit;

    /// A server ended while nobody held it.
    fn parked_ended(&self, pool: &PoolOf<Self>, server: ServerId);

    /// PostgreSQL refused the query that was to clean a server, which is closed.
    fn cleaning_failed(&self, pool: &PoolOf<Self>, error: &OwnError);

    /// The client lives in a worker's table from now on, under this name.
    fn settled(&self, client: &Client<Self::Platform>, name: ClientId);

    /// The client is about to be told this number of its server's process, by which it will cancel.
    fn told(&self, client: &Client<Self::Platform>, process: u32);

    /// A client that was let in is gone; its pool knows.
    fn left(&self, client: &Client<Self::Platform>, end: &crate::session::End);

    /// What a client reads as its last message, and the place to count and log it.
    fn farewell(&self, client: &Client<Self::Platform>, why: Farewell) -> LastWords;

    /// A server goes back to its pool, clean: the last look at it before others may have it.
    fn checked_in(&self, pool: &PoolOf<Self>, server: &Server<ServerStreamOf<Self>>);

    /// A server leaves its client, or has worked for it for a while: the place to look into what
    /// was found out about statements.
    fn observe(&self, client: &Client<Self::Platform>, server: &mut Server<ServerStreamOf<Self>>);
}

/// Why the driver ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The pool did not give it a server.
    Refused(Refusal),
    /// It has passed a limit.
    Overdue(Overdue),
    /// The server that it keeps is of an old configuration.
    Retired,
    /// The pooler shuts down.
    Shutdown,
    /// An administrator ends it.
    Administrator,
    /// It kept bytes for longer than a suspension waits.
    Suspension,
    /// The events of its server cannot be heard.
    Unwatched,
}

/// The last message to a client, as PostgreSQL's FATAL errors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    /// Code that drivers act on.
    pub sqlstate: SqlState,
    /// What happened, lower case, without a full stop.
    pub message: String,
    /// More of it, in sentences.
    pub detail: Option<String>,
    /// The next step, in sentences.
    pub hint: Option<String>,
    /// What the log calls the reason, where that is not the message.
    pub logged_as: Option<&'static str>,
}

impl LastWords {
    /// Without detail and hint.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            logged_as: None,
        }
    }

    /// With this detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With this hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Called this in the log.
    #[must_use]
    pub fn logged_as(mut self, reason: &'static str) -> Self {
        self.logged_as = Some(reason);
        self
    }

    /// Why the session ended, for the log.
    pub fn reason(&self) -> &str {
        self.logged_as.unwrap_or(&self.message)
    }

    /// As fields of an error message.
    pub fn fields(&self) -> ErrorFields<'_> {
        ErrorFields {
            severity: Severity::Fatal,
            sqlstate: self.sqlstate,
            message: &self.message,
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
        }
    }
}

/// The pools of a shell.
pub type PoolOf<S> = <<S as Shell>::Platform as Platform>::Pool;
/// The client streams of a shell.
pub type ClientStreamOf<S> = <<S as Shell>::Platform as Platform>::ClientStream;
/// The server streams of a shell.
pub type ServerStreamOf<S> = <<S as Shell>::Platform as Platform>::ServerStream;
