//! Which of PostgreSQL's processes serve us, so that what PostgreSQL tells of its sessions can be
//! told apart into ours and those from elsewhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use pgweir_pool::id::ServerId;

use crate::dial::Peer;
use crate::link::CancelTarget;

/// The processes behind all servers that are logged in. Locked when a server is opened or closed,
/// and once per look of a probe.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    by_server: Mutex<BTreeMap<ServerId, Arc<CancelTarget>>>,
}

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
