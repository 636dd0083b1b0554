//! Closing a pool.

use std::fmt;
use std::time::{Duration, Instant};

use super::Pool;
use crate::holders::{Holder, by_place};
use crate::meter::seconds;

/// Not all connections came back in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillHeld {
    /// How long the close waited.
    pub waited: Duration,
    /// Who holds a connection, the longest first. Empty if connections are on their way back but the
    /// server has not ended their last statements.
    pub holders: Vec<Holder>,
    /// Connections that are open.
    pub open: u32,
}

impl fmt::Display for StillHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            waited,
            holders,
            open,
        } = self;
        write!(
            f,
            "{open} connections are still open {:.1} s after the pool was closed, held by {}",
            waited.as_secs_f64(),
            by_place(holders)
        )
    }
}

impl std::error::Error for StillHeld {}

impl Pool {
    /// Closes the pool and waits until all connections are back and closed, for at most `timeout`.
    /// Callers that wait for a connection get `PoolClosed` at once, and so do later ones.
    /// Connections that come back after the timeout are closed then.
    ///
    /// A timeout below the grace period of the service (30 s in Kubernetes) leaves time to report who
    /// still holds a connection. It is logged, too.
    ///
    /// # Errors
    /// Connections are still held; the error lists the holders.
    ///
    /// # Cancel safety
    /// The pool stays closed; the call can be repeated.
    pub async fn close_with_timeout(&self, timeout: Duration) -> Result<(), StillHeld> {
        let start = Instant::now();
        if tokio::time::timeout(timeout, self.inner.sqlx.close())
            .await
            .is_ok()
        {
            tracing::info!(seconds = seconds(start.elapsed()), "pool closed");
            return Ok(());
        }
        let left = StillHeld {
            waited: start.elapsed(),
            holders: self.holders(),
            open: self.inner.sqlx.size(),
        };
        tracing::error!("{left}");
        Err(left)
    }
}
