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
/// It may come back in the middle of a query, if the future of that query was dropped, or after a
/// `BEGIN` that was sent as a query. Then it is checked in the background, for at most five seconds, and
/// closed if it is not clean.
pub struct Connection {
    session: Session<'static>,
    /// `None` when it is on its way back.
    lease: Option<Lease>,
}

/// What queries run on: a [`Connection`] or a [`Transaction`]. `&mut Session` is an
/// [`sqlx::Executor`] that times queries; it derefs to [`PgConnection`], whose use is
/// not timed.
pub struct Session<'c> {
    pub(super) raw: Raw<'c>,
    pub(super) shared: Arc<Shared>,
    pub(super) state: QueryState,
}

/// What a session is on.
pub(super) enum Raw<'c> {
    Pooled(PoolConnection<Postgres>),
    Transaction(sqlx::Transaction<'c, Postgres>),
    /// It was taken out to be closed or given back.
    Gone,
}

/// What a session knows between queries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueryState {
    /// A query was begun and has not ended.
    pub(super) in_flight: bool,
    /// A transaction may be open that SQLx does not know about.
    pub(super) begun: bool,
    /// A query was given up; the server may continue it forever.
    pub(super) given_up: bool,
}

impl QueryState {
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
            // ROLLBACK TO continues the transaction.
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
            state: QueryState::default(),
        }
    }

    /// A transaction on this connection, or a savepoint inside a transaction. Dropping it rolls it
    /// back.
    ///
    /// # Errors
    /// PostgreSQL's.
    ///
    /// # Cancel safety
    /// The connection is checked before anyone else gets it.
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

    /// Takes the connection out of the pool, which may open another one for it.
    pub fn detach(mut self) -> PgConnection {
        self.take().detach()
    }

    /// Closes the connection instead of giving it back.
    ///
    /// # Errors
    /// Those of the last message; it is closed nevertheless.
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
        let QueryState {
            in_flight,
            begun,
            given_up,
        } = self.session.state;
        if given_up {
            self.session.shared.meter.discarded.add();
            connection.close_on_drop();
        } else if in_flight || begun {
            let (lease, shared) = (self.lease.take(), Arc::clone(&self.session.shared));
            // Without a runtime, SQLx cannot take it back either.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(check(connection, lease, shared));
            }
        }
    }
}

/// Gives a connection back if it is ready for a query outside of any transaction; otherwise closes it.
async fn check(
    mut connection: PoolConnection<Postgres>,
    _lease: Option<Lease>,
    shared: Arc<Shared>,
) {
    // In a simple query outside of a transaction the two times are the same; in a transaction that began
    // earlier they differ. In a failed transaction the query is an error.
    let question =
        connection.fetch_one("SELECT pg_catalog.now() = pg_catalog.statement_timestamp()");
    let answer = tokio::time::timeout(CHECK_TIMEOUT, question).await;
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
    // The last message may be lost: the socket is closed either way.
    let _ = tokio::time::timeout(CHECK_TIMEOUT, connection.close()).await;
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

const GONE: &str = "only the end of a session takes its connection out";
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_that_are_begun_by_hand_are_noticed() {
        let begun = |statements: &[&str]| {
            let mut state = QueryState::default();
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
