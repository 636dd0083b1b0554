//! Who waits for a server, and for how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::insight::Author;
use crate::pool_handle::PoolHandle;

/// Waiters that are shown per worker: those that have waited longest.
pub(crate) const WAITERS_MAX: usize = 20;

/// A client that waits for a server.
#[derive(Clone)]
pub(crate) struct Waiter {
    pub(crate) pool: Arc<PoolHandle>,
    pub(crate) author: Author,
    /// `None` over a unix socket.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) waited: Duration,
}
