//! A connection that is held, and the session on it.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::transaction::Transaction;
use crate::holders::Lease;
use crate::meter::Shared;
use crate::sqlx::pool::PoolConnection;
use crate::sqlx::{self, Connection as _, Executor, PgConnection, Postgres, Row};

/// A connection of a pool; dropping it gives it back. Queries run on `&mut *connection`.
///
/// If it comes back in the middle of a query, because the future of that query was dropped, or after
/// a `BEGIN` that was sent as a query, it is looked at first: in the background, for five seconds at
/// most, and it is closed if it is not as it was.
pub struct Connection {
    session: Session<'static>,
    /// `None` when it is on its way back.
    lease: Option<Lease>,
}

/// What queries run on: a [`Connection`] or a [`Transaction`]. `&mut Session` is an
/// [`sqlx::Executor`] that times queries; it derefs to [`PgConnection`], for whatever takes that and
/// then is not timed.
pub struct Session<'c> {
    pub(super) raw: Raw<'c>,
    pub(super) shared: Arc<Shared>,
    pub(super) state: State,
}

/// What a session is on.
pub(super) enum Raw<'c> {
    Pooled(PoolConnection<Postgres>),
    Transaction(sqlx::Transaction<'c, Postgres>),
    /// It was taken out, to be ended.
    Gone,
}

/// What is known of a session between queries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// A query was begun and has not ended.
    pub(super) in_flight: bool,
    /// A transaction may be open that SQLx does not know of.
    pub(super) begun: bool,
    /// A query was given up; the server may go on with it for ever.
    pub(super) given_up: bool,
}

impl State {
    /// Notes what a statement does to the transaction.
    pub(super) fn note(&mut self, statement: &str) {
        let word = statement.split_whitespace().next().unwrap_or_default();
        let is = |names: &[&str]| {
            let word = word.trim_end_matches(';');
            names.iter().any(|name| word.eq_ignore_ascii_case(name))
        };
        if is(&["begin", "start"]) {
            self.begun = true;
        } else if is(&["commit", "rollback", "end", "abort"]) {
            // ROLLBACK TO goes on with the transaction.
            self.begun &= statement.to_ascii_lowercase().contains(" to ");
        }
    }
}

impl Raw<'_> {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::Transaction(transaction) => transaction,
            Self::Gone => unreachable!("{GONE}"),
        }
    }
}

impl<'c> Session<'c> {
    pub(super) fn new(raw: Raw<'c>, shared: &Arc<Shared>) -> Self {
        Self {
            raw,
            shared: Arc::clone(shared),
            state: State::default(),
        }
    }

    /// A transaction on this connection, or a savepoint inside a transaction. Dropping it rolls it
    /// back.
    ///
    /// # Errors
    /// PostgreSQL's.
    ///
    /// # Cancel safety
    /// The connection is looked at before anybody else gets it.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        let Self { raw, shared, state } = self;
        state.begun = true;
        let transaction = raw.connection().begin().await;
        state.begun = false;
        let raw = Raw::Transaction(transaction?);
        Ok(Transaction::new(Session::new(raw, shared), None))
    }
}

impl Connection {
    pub(super) fn new(
        connection: PoolConnection<Postgres>,
        lease: Lease,
        shared: &Arc<Shared>,
    ) -> Self {
        Self {
            session: Session::new(Raw::Pooled(connection), shared),
            lease: Some(lease),
        }
    }

    /// Takes the connection out of the pool, which may open another one in its place.
    pub fn detach(mut self) -> PgConnection {
        self.take().detach()
    }

    /// Closes the connection in place of giving it back.
    ///
    /// # Errors
    /// Those of saying goodbye; it is closed nevertheless.
    pub async fn close(mut self) -> Result<(), sqlx::Error> {
        self.take().close().await
    }

    fn take(&mut self) -> PoolConnection<Postgres> {
        match mem::replace(&mut self.session.raw, Raw::Gone) {
            Raw::Pooled(connection) => connection,
            Raw::Transaction(_) | Raw::Gone => unreachable!("{GONE}"),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if matches!(self.session.raw, Raw::Gone) {
            return;
        }
        let mut connection = self.take();
        let State {
            in_flight,
            begun,
            given_up,
        } = self.session.state;
        if given_up {
            self.session.shared.meter.discarded.add();
            connection.close_on_drop();
        } else if in_flight || begun {
            let (lease, shared) = (self.lease.take(), Arc::clone(&self.session.shared));
            // Without a runtime SQLx cannot take it back either.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(look_at(connection, lease, shared));
            }
        }
    }
}

/// Gives a connection back if it is ready for a query and outside of any transaction, and closes it
/// if it is not.
async fn look_at(
    mut connection: PoolConnection<Postgres>,
    _lease: Option<Lease>,
    shared: Arc<Shared>,
) {
    // As a simple query, alone, the two times are the same outside of a transaction, and in one that
    // was begun before they are not. In one that has failed it is an error.
    let question =
        connection.fetch_one("SELECT pg_catalog.now() = pg_catalog.statement_timestamp()");
    let answer = tokio::time::timeout(LOOK_TIMEOUT, question).await;
    let clean = match &answer {
        Ok(Ok(row)) => row.try_get(0).unwrap_or(false),
        Ok(Err(_)) | Err(_) => false,
    };
    if clean {
        return;
    }
    let why = match answer {
        Ok(Ok(_)) => "inside a transaction",
        Ok(Err(_)) => "in a failed transaction, or broken",
        Err(_) => "with a query that does not end",
    };
    tracing::warn!("a connection came back {why}; it is closed");
    shared.meter.discarded.add();
    // A goodbye that does not get through is no loss: the socket is closed either way.
    let _ = tokio::time::timeout(LOOK_TIMEOUT, connection.close()).await;
}

impl Deref for Connection {
    type Target = Session<'static>;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.session
    }
}

impl Deref for Session<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &Self::Target {
        match &self.raw {
            Raw::Pooled(connection) => connection,
            Raw::Transaction(transaction) => transaction,
            Raw::Gone => unreachable!("{GONE}"),
        }
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.raw.connection()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

const GONE: &str = "a session is taken out by what ends it";
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_that_are_begun_by_hand_are_noticed() {
        let begun = |statements: &[&str]| {
            let mut state = State::default();
            for statement in statements {
                state.note(statement);
            }
            state.begun
        };
        assert!(begun(&["BEGIN"]));
        assert!(begun(&["\n begin;"]));
        assert!(begun(&["start transaction isolation level serializable"]));
        assert!(begun(&["BEGIN", "ROLLBACK TO SAVEPOINT a"]));
        assert!(!begun(&["SELECT 1"]));
        assert!(!begun(&["BEGIN", "SELECT 1", "commit"]));
        assert!(!begun(&["BEGIN", "rollback;"]));
    }
}
