//! The types with which the pooler's drivers run over sockets.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use pgweir_pool::budget::PoolId;
use pgweir_pool::driver::{Platform, Policy, SharedPool};
use pgweir_pool::pin::Pin;
use pgweir_pool::stock::Stock;
use pgweir_pool::time::Time;
use tokio::sync::oneshot;

use crate::link::{CancelTarget, Link};
use crate::pool_handle::PoolHandle;
use crate::socket::Socket;

/// Drivers over sockets.
pub(crate) enum Sockets {}

impl Platform for Sockets {
    type ClientStream = Socket;
    type ServerStream = Link;
    type Pool = PoolRef;
    type Account = Account;
    type CancelTarget = Arc<CancelTarget>;
    type Ticket = oneshot::Sender<()>;
}

/// A client that has logged in.
pub(crate) type Client = pgweir_pool::driver::Client<Sockets>;

/// What is kept with a client for cancel requests and for whoever looks.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its number for cancel requests.
    pub(crate) pid: u32,
    /// Who it is, which may be another than the user of its pool.
    pub(crate) user: Arc<str>,
    /// `None` over a unix socket.
    pub(crate) address: Option<SocketAddr>,
    /// When it logged in.
    pub(crate) since: Time,
    /// When it got the server for which a leak was reported.
    pub(crate) leak_since: Option<Time>,
    /// What keeps its server, as the log was told last, and when.
    pub(crate) pin_told: Option<(Pin, Time)>,
    /// What it was told when the driver ended it.
    pub(crate) parting: OnceLock<Box<str>>,
}

/// A pool as drivers hold it.
#[derive(Clone)]
pub(crate) struct PoolRef(pub(crate) Arc<PoolHandle>);

impl Deref for PoolRef {
    type Target = Arc<PoolHandle>;

    fn deref(&self) -> &Arc<PoolHandle> {
        &self.0
    }
}

impl SharedPool for PoolRef {
    type ServerStream = Link;

    fn id(&self) -> PoolId {
        self.0.id
    }

    fn with<T>(&self, decide: impl FnOnce(&mut Stock<Link>) -> T) -> T {
        self.0.with(decide)
    }

    fn policy(&self) -> Arc<Policy> {
        self.0.settings().policy.clone()
    }
}
