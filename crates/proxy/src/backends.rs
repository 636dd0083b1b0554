//! Which of PostgreSQL's processes serve us, so that what PostgreSQL tells of its sessions can be
//! told apart into ours and those from elsewhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgweir_pool::id::ServerId;

use crate::dial::Peer;
use crate::link::CancelTarget;

/// The processes behind all servers that are logged in. Locked when a server is opened or closed,
/// and once per look of a probe.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    by_server: Mutex<BTreeMap<ServerId, Arc<CancelTarget>>>,
    /// When the last one was closed.
    closed: Mutex<Option<Instant>>,
}

/// Time that PostgreSQL may need to end a process whose connection was closed; until then it counts under
/// its limits.
const LINGER_MAX: Duration = Duration::from_secs(1);

impl Backends {
    /// A server logged in. One that PostgreSQL sent no key for cannot be told from others.
    pub(crate) fn add(&self, id: ServerId, process: Option<Arc<CancelTarget>>) {
        if let Some(process) = process {
            let mut by_server = self.by_server.lock().expect("no panic under the lock");
            by_server.insert(id, process);
        }
    }

    /// A server is closed.
    pub(crate) fn remove(&self, id: ServerId) {
        let mut by_server = self.by_server.lock().expect("no panic under the lock");
        by_server.remove(&id);
        *self.closed.lock().expect("no panic under the lock") = Some(Instant::now());
    }

    /// Whether PostgreSQL may still count one that is closed.
    pub(crate) fn may_linger(&self) -> bool {
        let closed = self.closed.lock().expect("no panic under the lock");
        closed.is_some_and(|at| at.elapsed() < LINGER_MAX)
    }

    /// The processes of all servers but these.
    pub(crate) fn except(&self, idle: &HashSet<ServerId>) -> Vec<Arc<CancelTarget>> {
        let by_server = self.by_server.lock().expect("no panic under the lock");
        let busy = by_server.iter().filter(|(id, _)| !idle.contains(id));
        busy.map(|(_, process)| process.clone()).collect()
    }

    /// Our servers at an address, by the numbers of their processes.
    pub(crate) fn processes(&self, address: &Peer) -> HashMap<u32, ServerId> {
        let by_server = self.by_server.lock().expect("no panic under the lock");
        by_server
            .iter()
            .filter(|(_, process)| process.server.address == *address)
            .map(|(&server, process)| (process.pid, server))
            .collect()
    }
}
