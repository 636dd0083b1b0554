//! What happens to a session: its client logs in, its stream becomes ready, its query is cancelled, or
//! an operator ends it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::ClientId;
use pgweir_pool::relay::Relay;
use pgweir_pool::session::{End as Ending, Session};
use pgweir_pool::trace::Thresholds;
use pgweir_wire::sqlstate::SqlState;

use super::{Client, error, wording};
use crate::path::World;
use crate::path::stream::{End, Readiness};

impl World {
    /// A client has logged in.
    pub(in crate::path) fn accept(
        &mut self,
        client: ClientId,
        mut end: End,
        startup: &[(String, String)],
    ) {
        let mut parameters = self.pooler.defaults.clone();
        for (name, value) in startup {
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let relay = Relay::new(self.options.mode, parameters);
        // The login may have read more than its part.
        let mut input = vec![0; self.rng.between(1, 2_000) as usize];
        let len = end.read(&mut input).unwrap_or(0);
        input.truncate(len);
        let session = Session::new(end, relay, wording, self.options.reset_always, self.now);
        let mut session = session.with_input(input);
        session.thresholds = Some(Thresholds {
            slow: Duration::from_millis(100),
            very_slow: Duration::from_secs(1),
        });
        let home = self.worker();
        let client_of = Client { session, home };
        self.pooler.sessions.insert(client, client_of);
        self.pooler.pool.client_in(self.now);
        self.carry_out();
        self.pump(client);
    }

    pub(in crate::path) fn session_ready(&mut self, client: ClientId, readiness: Readiness) {
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        client_of
            .session
            .ready(readiness.readable, readiness.closed);
        match client_of.session.place() {
            Some(place) if readiness.closed => {
                self.log.count("waiter gone");
                let was_queued = self.pooler.pool.leave(self.now, client_of.home, place);
                assert!(was_queued, "a session that waits is in the queue");
                let need = client_of.session.end(Ending::ClientGone, None);
                self.need(client, need);
                self.carry_out();
            }
            _ => self.pump(client),
        }
    }

    pub(in crate::path) fn pump(&mut self, client: ClientId) {
        let now = self.now;
        let pooler = &mut self.pooler;
        if let Some(client_of) = pooler.sessions.get_mut(&client) {
            let need = client_of.session.pump(now, &mut pooler.scratch);
            self.need(client, need);
            self.carry_out();
        }
    }

    /// A client wants its query cancelled.
    pub(in crate::path) fn cancel(&mut self, client: ClientId) {
        let now = self.now;
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        if let Some(place) = client_of.session.place() {
            let was_queued = self.pooler.pool.leave(now, client_of.home, place);
            assert!(was_queued, "a session that waits is in the queue");
            client_of.session.cancel_wait(now);
            self.skipped.insert(client.0);
            self.log.count("cancel: waiter");
            self.carry_out();
            self.pump(client);
        } else if let Some(server) = client_of.session.cancel() {
            server.cancels += 1;
            let id = server.id;
            self.log.count("cancel: server");
            self.send_cancel(id);
        }
    }

    /// Sends a cancel that was put off, if it is due.
    pub(super) fn send_due_cancel(&mut self, client: ClientId) {
        if let Some(server) = self.session(client).due_cancel() {
            server.cancels += 1;
            let id = server.id;
            self.log.count("cancel: put off");
            self.send_cancel(id);
        }
    }

    /// The operator ends a session.
    pub(in crate::path) fn kill(&mut self, client: ClientId) {
        let Some(client_of) = self.pooler.sessions.get_mut(&client) else {
            return;
        };
        self.log.count("kill");
        if let Some(place) = client_of.session.place() {
            let was_queued = self.pooler.pool.leave(self.now, client_of.home, place);
            assert!(was_queued, "a session that waits is in the queue");
        }
        let error = error(SqlState::ADMIN_SHUTDOWN, "the operator ends the session");
        let need = client_of.session.end(Ending::Ended, Some(&error));
        self.need(client, need);
        self.carry_out();
    }
}
