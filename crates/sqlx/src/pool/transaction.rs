//! A transaction.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::Pool;
use super::connection::{Raw, Session};
use crate::holders::{Lease, Place};
use crate::sqlx;
use crate::version;

/// A transaction or a savepoint. Queries run on `&mut *transaction`; dropping it rolls it back.
pub struct Transaction<'c> {
    session: Session<'c>,
    /// `None` inside a connection or transaction that has one.
    _lease: Option<Lease>,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(session: Session<'c>, lease: Option<Lease>) -> Self {
        Self {
            session,
            _lease: lease,
        }
    }

    /// Commits it.
    ///
    /// # Errors
    /// PostgreSQL's; nothing is committed then.
    ///
    /// # Cancel safety
    /// Whether it is committed is not known.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        match mem::replace(&mut self.session.raw, Raw::Gone) {
            Raw::Transaction(transaction) => transaction.commit().await,
            Raw::Pooled(_) | Raw::Gone => unreachable!("{ONE}"),
        }
    }

    /// Rolls it back at once; a drop does it later.
    ///
    /// # Errors
    /// PostgreSQL's, or those of a broken connection.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        match mem::replace(&mut self.session.raw, Raw::Gone) {
            Raw::Transaction(transaction) => transaction.rollback().await,
            Raw::Pooled(_) | Raw::Gone => unreachable!("{ONE}"),
        }
    }
}

/// A transaction on a connection of the pool.
pub(super) async fn begin(
    pool: Pool,
    place: Place,
    statement: Option<String>,
) -> Result<Transaction<'static>, sqlx::Error> {
    let (connection, lease) = pool.take(place).await?;
    let statement = statement.map(version::begin);
    let begun = async move {
        let transaction = sqlx::Transaction::begin(connection, statement).await;
        (transaction, lease)
    };
    let (transaction, lease) = Finished(Some(Box::pin(begun))).await;
    let session = Session::new(Raw::Transaction(transaction?), pool.shared());
    Ok(Transaction::new(session, Some(lease)))
}

/// A future that runs to its end even if it is dropped; its value is dropped then.
///
/// SQLx learns from the answer to `BEGIN` that it is in a transaction. Dropped before the answer, it
/// would hand out the connection again with the transaction open.
struct Finished<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Future for Finished<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let future = self.0.as_mut().expect("it is not polled after its end");
        let output = future.as_mut().poll(context);
        if output.is_ready() {
            self.0 = None;
        }
        output
    }
}

impl<T: Send + 'static> Drop for Finished<T> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { drop(future.await) });
        }
    }
}

impl<'c> Deref for Transaction<'c> {
    type Target = Session<'c>;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.session
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

const ONE: &str = "a transaction's session is on a transaction until it ends";
