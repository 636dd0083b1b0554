//! What crosses a message or an event that is under way, and makes it speak of the past.

use std::time::Duration;

use pgweir_pool::driver::{Message, Peer, Readiness};
use pgweir_pool::id::{ClientId, ServerId, WorkerId};

use super::check::isolation;
use super::shell::InMemory;
use super::{Event, World};
use crate::swarm::Spread;

impl World {
    /// A waiter is told something: meanwhile it may cancel its wait or be ended, and the server that
    /// it gets may say something or end.
    pub(super) fn cross(&mut self, message: &Message<InMemory>) {
        let (name, server) = match message {
            Message::Grant(_, granted) => (granted.client, Some(granted.server.id)),
            Message::Refuse(client, _, _) => (*client, None),
            _ => return,
        };
        if !self.faulty || !self.rng.happens(self.options.faults.crossing) {
            return;
        }
        let Some(client) = self.client_of(name) else {
            return;
        };
        self.log.count("crossing");
        let soon = Spread {
            least_us: 1,
            most_us: self.options.mail.most_us,
        };
        let (cancels, ends) = (self.rng.one_in(2), self.rng.one_in(8));
        let at = self.rng.duration(soon);
        if ends {
            self.schedule(at, Event::Kill(client));
        } else if cancels {
            // Twice as many arrive in time if they are sent at once.
            self.schedule(Duration::from_micros(1), Event::Cancel(client));
        }
        let says = self.rng.one_in(2);
        let at = self.rng.duration(soon);
        if let Some(server) = server.filter(|_| says) {
            self.schedule(at, Event::Say(server));
        }
    }

    /// A server says something, or ends, or does both.
    pub(super) fn say(&mut self, server: ServerId) {
        let (ends, what) = (self.rng.one_in(4), self.rng.next());
        let mut backends = self.workers.plant.backends.borrow_mut();
        let backend = backends.get_mut(&server).expect("it was opened");
        if ends {
            self.log.count("server ends");
            backend.terminate();
        } else {
            self.log.count("server chats");
            backend.chat(what);
        }
        drop(backends);
        self.run_backend(server);
        if !ends && (what >> 32).is_multiple_of(3) {
            self.log.count("server breaks");
            let mut backends = self.workers.plant.backends.borrow_mut();
            backends.get_mut(&server).expect("it was opened").end = None;
        }
    }

    /// A worker has fetched an event of a stream that is not heard there any more.
    pub(super) fn fetch(&mut self, worker: WorkerId, peer: Peer) {
        self.log.count("stale event");
        let readiness = Readiness {
            readable: true,
            hung_up: self.rng.one_in(2),
        };
        self.workers.fetched.push((worker, peer, readiness));
        let rest = self.rng.duration(self.options.round);
        self.schedule(rest, Event::Fetched(worker));
    }

    /// A worker takes the events that it has fetched and not looked at.
    pub(super) fn take_fetched(&mut self, worker: WorkerId) {
        while let Some(at) = self.workers.fetched.iter().position(|it| it.0 == worker) {
            let (_, peer, readiness) = self.workers.fetched.remove(at);
            let heard = self.workers.plant.heard.borrow();
            let is_taken = heard.values().any(|&it| it == (worker, peer));
            drop(heard);
            isolation::stale(is_taken);
            self.event(worker, peer, readiness);
        }
    }

    fn client_of(&self, name: ClientId) -> Option<u64> {
        let mut names = self.workers.names.iter();
        names.find(|it| *it.1 == name).map(|(&client, _)| client)
    }
}
