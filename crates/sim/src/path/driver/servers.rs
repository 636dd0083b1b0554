//! What happens to a server: it logs in, its stream becomes ready, a cancel request reaches it, it is
//! cleaned and parked.

use std::sync::Arc;

use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pool::Condition;
use pgweir_pool::recovery::Next;
use pgweir_pool::server::Server;
use pgweir_pool::upstream::Upstream;

use crate::path::check::rest;
use crate::path::postgres::Backend;
use crate::path::settings::Settings;
use crate::path::stream::{End, Readiness};
use crate::path::{Event, Owner, World, one_in};
use crate::swarm::Spread;

impl World {
    pub(in crate::path) fn server_ready(&mut self, id: ServerId, readiness: Readiness) {
        if let Some(client) = self.pooler.holders.get(&id).copied() {
            if let Some(server) = self.session(client).server() {
                server.ready(readiness.readable, readiness.closed);
            }
            self.pump(client);
        } else if let Some(recovering) = self.pooler.returning.get_mut(&id) {
            recovering
                .returning
                .server
                .ready(readiness.readable, readiness.closed);
            self.pump_returning(id);
        } else if let Some((server, _)) = self.pooler.parked.get_mut(&id) {
            server.ready(readiness.readable, readiness.closed);
            if !server.drain(&mut self.pooler.scratch) {
                self.log.count("parked server lost");
                self.pooler.parked.remove(&id);
                self.pooler.pool.lost(self.now, id);
                self.carry_out();
            }
        }
    }

    pub(in crate::path) fn cancel_arrives(&mut self, id: ServerId) {
        self.log
            .line(self.now, format_args!("cancel arrives at {id}"));
        if !self.rng.happens(self.options.faults.cancel_lost) {
            let backend = self.backends.get_mut(&id).expect("it was opened");
            backend.cancel();
            self.run_backend(id);
        }
        if let Some(client) = self.pooler.holders.get(&id).copied() {
            let server = self.session(client).server();
            server.expect("the holder has it").cancels -= 1;
            self.pump(client);
        } else if let Some(recovering) = self.pooler.returning.get_mut(&id) {
            recovering.returning.server.cancels -= 1;
            self.pump_returning(id);
        } else {
            let is_parked = self.pooler.parked.contains_key(&id);
            assert!(!is_parked, "a cancel arrives at a server that nobody holds");
        }
    }

    pub(in crate::path) fn login_end(&mut self, id: ServerId) {
        let now = self.now;
        if self.faulty && self.rng.happens(self.options.faults.login_fails) {
            self.log.count("login fails");
            self.pooler.pool.failed(now, id);
            return self.carry_out();
        }
        let (near, far) = self.net.pair(self.options.server_capacity);
        self.owners.insert(near.id, Owner::Server(id));
        self.owners.insert(far.id, Owner::Backend(id));
        let mut startup = Vec::new();
        let mut parameters = self.pooler.defaults.clone();
        if self.rng.happens(self.options.faults.strangers) {
            let (name, value) = ("TimeZone", "Europe/Berlin");
            startup.push((name.to_owned(), value.to_owned()));
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let settings = Settings::new(&startup).expect("defaults are right");
        let at_once = self.options.faults.reports_at_once;
        let mut backend = Backend::new(id.to_string(), far, settings, at_once);
        let own_slow = self.rng.duration(self.options.faults.own_slow);
        backend.own_slow = u64::try_from(own_slow.as_micros()).expect("short");
        self.backends.insert(id, backend);
        let upstream = Upstream::new(parameters);
        let server = Box::new(Server::new(id, near, upstream));
        let home = self.worker();
        self.pooler.parked.insert(id, (server, home));
        let jitter = u32::try_from(self.rng.below(200)).expect("small");
        self.pooler.pool.opened(now, id, home, jitter);
        self.carry_out();
    }

    /// A clean server waits for its next client.
    pub(super) fn park(&mut self, server: Box<Server<End>>, home: WorkerId) {
        let id = server.id;
        let backend = self.backends.get_mut(&id).expect("it was opened");
        backend.holder = None;
        let far = backend.end.as_ref().map(|end| end.id);
        let unseen = far.map(|far| self.net.unread(far)).unwrap_or_default();
        let unread = self.net.unread(server.stream.id);
        rest::returned(backend, &unread, &unseen);
        self.pooler.holders.remove(&id);
        self.pooler.parked.insert(id, (server, home));
        self.pooler
            .pool
            .checkin(self.now, id, home, Condition::Clean);
    }

    pub(super) fn pump_returning(&mut self, id: ServerId) {
        let pooler = &mut self.pooler;
        let recovering = pooler.returning.get_mut(&id).expect("it is returning");
        let next = recovering
            .returning
            .pump(self.options.reset_query, &mut pooler.scratch);
        self.log
            .line(self.now, format_args!("    {id} returning: {next:?}"));
        match next {
            Next::Wait => {}
            Next::Cancel => {
                recovering.returning.server.cancels += 1;
                self.send_cancel(id);
            }
            Next::Clean => {
                let recovering = pooler.returning.remove(&id).expect("looked at above");
                self.log.count("recovery: clean");
                self.park(recovering.returning.server, recovering.home);
            }
            Next::Hopeless => {
                let recovering = pooler.returning.remove(&id).expect("looked at above");
                self.log.count("recovery: hopeless");
                let home = recovering.home;
                let condition = Condition::Dirty;
                drop(recovering);
                self.pooler.pool.checkin(self.now, id, home, condition);
            }
        }
        self.carry_out();
    }

    pub(super) fn send_cancel(&mut self, id: ServerId) {
        let slow = self.rng.happens(one_in(4));
        let spread = Spread {
            least_us: 10,
            most_us: if slow { 50_000 } else { 1_000 },
        };
        let delay = self.rng.duration(spread);
        self.schedule(delay, Event::CancelArrives(id));
    }
}
