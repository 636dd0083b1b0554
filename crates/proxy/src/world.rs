//! A pooler without sockets, for tests.

use std::sync::Arc;

use mio::{Poll, Waker};
use pgweir_pool::id::WorkerId;

use crate::clock::Clock;
use crate::mailbox::WorkerHandle;
use crate::pool_handle::PoolHandle;
use crate::registry::{Errand, Registry};
use crate::worker::WAKE;
use pgweir_config::{self, Source};

/// What tokens are signed with in some of them.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A pooler with one worker that does not run, and one pool.
pub(crate) struct World {
    pub(crate) registry: Arc<Registry>,
    pub(crate) pool: Arc<PoolHandle>,
    /// Keeps the worker's epoll set.
    _poll: Poll,
}

impl World {
    /// Servers that were to be opened since the last call.
    pub(crate) fn opened(&mut self) -> usize {
        let mut count = 0;
        let mut errands = std::pin::pin!(self.registry.errands.take());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(errands) = errands.as_mut().poll(&mut context) {
            let is_open = |errand: &&Errand| matches!(errand, Errand::Open(..));
            count = errands.iter().filter(is_open).count();
        }
        count
    }
}

/// A pooler with these settings.
pub(crate) fn world(settings: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgweir.toml");
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let text = format!(
        "[pgweir]\ndefault_pool_size = 50\nquery_wait_timeout = 20\n\
         server_connect_timeout = 10\n{settings}\n\
         [databases.app]\n[users.bob]\npassword = \"x\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let config = crate::load(&Source::File(path)).unwrap().config;
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let handle = WorkerHandle::new(WorkerId(0), poll.registry().try_clone().unwrap(), waker);
    let database = config.databases["app"].clone();
    let registry = Registry::new(Clock::start(), Arc::new(config), vec![handle]);
    let pool = registry.pool(database, "app", "bob").unwrap();
    World {
        registry: Arc::new(registry),
        pool,
        _poll: poll,
    }
}
