//! What the console's tables are rendered from, looked up when somebody asks.

use std::time::SystemTime;

use pgweir_config::GlobalSetting;
use pgweir_console::DATABASE;
use pgweir_console::facts::{Connection, Console, Facts, Memory, Needs, Peer, Setting, Side};
use pgweir_telemetry::findings::Findings;
use tokio::sync::oneshot;

use super::Behind;
use crate::connections::{self, ListRequest, Moment, Wanted};
use crate::link::Server;
use crate::mailbox::{Letter, WorkerHandle};
use crate::platform::Client;
use crate::pool_handle::PoolHandle;
use crate::registry::Registry;
use crate::shown;
use crate::snapshot::{self, Extent};
use crate::worker::SCRATCH_LEN;

/// Findings of each kind that are shown, where the page has fewer.
const FINDINGS_MAX: usize = 1000;

/// Finds what a table needs.
pub(super) async fn gather(behind: &Behind<'_>, needs: Needs) -> Facts {
    let registry = behind.registry;
    let config = registry.config();
    let open = registry.consoles.open();
    let wanted = Wanted {
        clients: matches!(needs, Needs::Clients | Needs::Connections),
        servers: matches!(needs, Needs::Servers | Needs::Connections),
    };
    let is_list = wanted.clients || wanted.servers;
    // Whoever lists connections needs nothing of their pools.
    let extent = if is_list { Extent::Page } else { Extent::Whole };
    Facts {
        snapshot: snapshot::take(registry, extent),
        findings: match needs {
            Needs::Findings => shown::findings(registry, FINDINGS_MAX),
            _ => Findings::default(),
        },
        settings: match needs {
            Needs::Settings => config.globals.iter().map(setting).collect(),
            _ => Vec::new(),
        },
        connections: if is_list {
            list(registry, wanted).await
        } else {
            Vec::new()
        },
        peers: peers(registry),
        averages: registry.consoles.averages(),
        console: Console {
            port: config.listen.port,
            sessions: u32::try_from(open.len()).expect("a few"),
            sessions_max: config.max_db_client_connections.map(|max| max.get()),
            commands: registry.consoles.commands(),
            logins: u32::try_from(behind.slots.count()).expect("a few thousand"),
            memory: Memory {
                client: size_of::<Client>(),
                server: size_of::<Server>(),
                pool: size_of::<PoolHandle>(),
                buffer: SCRATCH_LEN,
            },
        },
    }
}

fn setting(setting: &GlobalSetting) -> Setting {
    Setting {
        name: setting.name,
        value: setting.value.clone(),
        default: setting.default.clone(),
        changeable: setting.changeable,
    }
}

/// The processes that share the address, and what is on its way to them.
fn peers(registry: &Registry) -> Vec<Peer> {
    let config = registry.config();
    let peers = config.peers.iter().map(|(id, peer)| {
        let counts = registry.peers.counts(*id);
        Peer {
            id: *id,
            host: peer.host.clone(),
            port: peer.port,
            pool_size: peer.pool_size.map(|size| size.get()),
            waiting: counts.waiting,
            connecting: counts.connecting,
            active: counts.active,
        }
    });
    peers.collect()
}

/// Lists connections: those of each worker, those that nobody holds, and the console's own.
async fn list(registry: &Registry, wanted: Wanted) -> Vec<Connection> {
    let mut list = Vec::new();
    for worker in &registry.workers {
        of_worker(worker, wanted, &mut list).await;
    }
    let now = Moment {
        time: registry.clock.now(),
        wall: SystemTime::now(),
    };
    if wanted.servers {
        for pool in registry.pools() {
            connections::parked(&pool, now, &mut list);
        }
    }
    if wanted.clients {
        list.extend(consoles(registry));
    }
    list
}

/// The connections that live at a worker, a piece at a time. One that moves meanwhile may be missing, or be there
/// twice.
async fn of_worker(worker: &WorkerHandle, wanted: Wanted, list: &mut Vec<Connection>) {
    let mut next = Some(0);
    while let Some(from) = next {
        let (answer, answered) = oneshot::channel();
        worker.post(Letter::List(ListRequest {
            from,
            wanted,
            answer,
        }));
        let Ok(listed) = answered.await else {
            // The worker has stopped.
            return;
        };
        list.extend(listed.connections);
        next = listed.next;
    }
}

/// The sessions of the console, which are clients, too.
fn consoles(registry: &Registry) -> Vec<Connection> {
    let open = registry.consoles.open().into_iter();
    let shown = open.map(|(pid, session)| Connection {
        side: Side::Client,
        user: session.user.as_str().into(),
        database: DATABASE.into(),
        replication: "none",
        state: "active",
        address: session.address,
        // It is not asked for, of a stream that may be of any kind.
        local: None,
        connected: session.since,
        requested: session.asked(),
        waited: None,
        close_needed: false,
        id: pid,
        pointer: pid.into(),
        link: None,
        process: 0,
        tls: session.tls.clone(),
        application: session.application.clone(),
        statements: 0,
        unsent: 0,
    });
    shown.collect()
}
