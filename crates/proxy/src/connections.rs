//! Clients and servers one by one, as the console shows them. They are listed in pieces, so that nobody who is
//! served waits for the whole list.

use std::time::{Duration, SystemTime};

use pgweir_console::facts::{Connection, Side};
use pgweir_pool::time::Time;
use tokio::sync::oneshot;

use crate::link::Server;
use crate::platform::Client;
use crate::pool_handle::PoolHandle;
use crate::replication;

/// Clients in one piece of a list. Each takes about a microsecond.
pub(crate) const PIECE: usize = 256;

/// Servers are told apart from clients by this bit.
const SERVER: u64 = 1 << 63;

/// What is to be listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) clients: bool,
    pub(crate) servers: bool,
}

/// Asks a worker for a piece of the list.
pub(crate) struct ListRequest {
    /// The place that it begins at.
    pub(crate) from: u32,
    pub(crate) wanted: Wanted,
    pub(crate) answer: oneshot::Sender<Listed>,
}

/// A piece of the list.
pub(crate) struct Listed {
    pub(crate) connections: Vec<Connection>,
    /// Where the next piece begins; `None` if this is the last one.
    pub(crate) next: Option<u32>,
}

/// The moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) time: Time,
    pub(crate) wall: SystemTime,
}

impl Moment {
    fn at(self, time: Time) -> SystemTime {
        self.wall.checked_sub(self.time - time).unwrap_or(self.wall)
    }
}

/// Lists a client, and the server that it holds.
pub(crate) fn list(client: &mut Client, wanted: Wanted, now: Moment, out: &mut Vec<Connection>) {
    let busy_since = client.session.busy_since();
    let pool = client.pool.0.clone();
    let pointer = u64::from(client.account.pid);
    let parameters = client.session.relay.client.parameters.clone();
    let application = parameters.value("application_name").unwrap_or_default();
    let server = client.session.server().map(|server| &*server);
    let link = server.map(pointer_of);
    let process = server.and_then(|server| server.upstream.pid).unwrap_or(0);
    if let Some(server) = server.filter(|_| wanted.servers) {
        let listed = self::server(server, &pool, "active", now.at(busy_since));
        out.push(Connection {
            link: Some(pointer),
            application: application.to_owned(),
            close_needed: pool.with(|stock| stock.core.is_retired(server.id)),
            ..listed
        });
    }
    if !wanted.clients {
        return;
    }
    let waits_since = client.session.place().map(|place| place.since);
    let socket = &client.session.client;
    out.push(Connection {
        side: Side::Client,
        user: client.account.user.clone(),
        database: pool.database.clone(),
        replication: replicates(&pool),
        state: match (waits_since, link) {
            (Some(_), _) => "waiting",
            (None, Some(_)) => "active",
            (None, None) => "idle",
        },
        address: client.account.address,
        local: socket.addresses().1,
        connected: now.at(client.account.since),
        requested: now.at(busy_since),
        waited: waits_since.map(|since| now.time - since),
        close_needed: false,
        id: client.account.pid,
        pointer,
        link,
        process,
        tls: socket.tls(),
        application: application.to_owned(),
        statements: count(client.session.relay.client.statements.len()),
        unsent: client.session.buffered().1,
    });
}

/// Lists the servers of a pool that nobody holds.
pub(crate) fn parked(pool: &PoolHandle, now: Moment, out: &mut Vec<Connection>) {
    pool.with(|stock| {
        for server in stock.parked.values() {
            let since = stock.core.idle_from(server.id).unwrap_or(now.time);
            let is_retired = stock.core.is_retired(server.id);
            let listed = self::server(server, pool, "idle", now.at(since));
            out.push(Connection {
                close_needed: is_retired,
                ..listed
            });
        }
    });
}

/// A server, of which the caller knows what it does.
pub(crate) fn server(
    server: &Server,
    pool: &PoolHandle,
    state: &'static str,
    requested: SystemTime,
) -> Connection {
    let (address, local) = server.stream.socket.addresses();
    let process = server.upstream.pid.unwrap_or(0);
    let parameters = &server.upstream.parameters;
    let application = parameters.value("application_name").unwrap_or_default();
    Connection {
        side: Side::Server,
        user: pool.user.clone(),
        database: pool.database.clone(),
        replication: replicates(pool),
        state,
        address,
        local,
        connected: server.stream.since,
        requested,
        waited: None::<Duration>,
        close_needed: false,
        id: process,
        pointer: pointer_of(server),
        link: None,
        process,
        tls: server.stream.socket.tls(),
        application: application.to_owned(),
        statements: u32::try_from(server.upstream.statements()).unwrap_or(u32::MAX),
        unsent: 0,
    }
}

fn pointer_of(server: &Server) -> u64 {
    SERVER | server.id.0
}

fn replicates(pool: &PoolHandle) -> &'static str {
    let replication = pool.replication.as_ref();
    replication.map_or("none", |it| replication::word(&it.parameters))
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
