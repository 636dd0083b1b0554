//! The connections that live at a worker, a piece at a time.

use std::time::SystemTime;

use super::Worker;
use crate::connections::{self, ListRequest, Listed, Moment, PIECE};
use crate::pool_handle::pool_of;

impl Worker {
    /// Answers with the clients from a place on and the servers that they hold; behind the last one come the
    /// servers that are being cleaned.
    pub(super) fn list(&mut self, request: ListRequest) {
        let now = Moment {
            time: self.now,
            wall: SystemTime::now(),
        };
        let mut connections = Vec::new();
        let mut next = None;
        let clients = self.driver.clients_from(request.from);
        for (at, (place, client)) in clients.enumerate() {
            if at == PIECE {
                next = Some(place);
                break;
            }
            connections::list(client, request.wanted, now, &mut connections);
        }
        if next.is_none() && request.wanted.servers {
            for server in self.driver.returning() {
                let pool = self.registry.pool_by_id(pool_of(server.id));
                let listed = connections::server(server, &pool, "tested", now.wall);
                connections.push(listed);
            }
        }
        // Who asked may have gone.
        let _ = request.answer.send(Listed { connections, next });
    }
}
