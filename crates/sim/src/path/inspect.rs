//! What is looked at after every event, and when all is over: drivers and pools from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_pool::budget::Group;
use pgweir_pool::driver::{Draining, Driver, Message, SharedPool};
use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::Place;
use pgweir_pool::time::Time;

use super::World;
use super::check::{bounded, heard, over, punctual, queue, reject};

impl World {
    /// Between two events.
    pub(super) fn inspect(&mut self) {
        if !std::mem::take(&mut self.workers.touched) {
            return;
        }
        self.check_sessions();
        self.check_parked();
        self.check_queues();
        self.check_still();
        self.check_paused();
    }

    fn check_sessions(&mut self) {
        let scratch = self.options.scratch;
        let mut cleaned = BTreeMap::new();
        let told = self.told_of_rules();
        let drivers = self.workers.drivers.iter_mut();
        for ((driver, told), draining) in drivers.zip(told).zip(&self.workers.draining) {
            for client in driver.clients_mut() {
                let (held, unsent) = client.session.buffered();
                bounded::session(held, unsent, scratch);
                if self.options.rejects {
                    reject::holds(client.account, client.session.hold());
                }
                let waits = client.session.place().is_some();
                match draining {
                    Some(Draining::Clients) => {
                        let hold = client.session.hold();
                        punctual::leaves(client.account, waits, hold, unsent);
                    }
                    Some(Draining::Waiters) => punctual::has_no_wait(client.account, waits),
                    None => {}
                }
                if told {
                    let is_current = Arc::ptr_eq(&client.policy, &client.pool.policy());
                    punctual::heeds(client.account, is_current);
                }
                let due = client.session.due_cancel().is_some();
                punctual::cancels(client.account, due);
                if let Some(server) = client.session.server() {
                    let missed = self.net.is_missed(server.stream.end.id);
                    heard::busy(server.id, missed, server.may_read());
                }
            }
            for server in driver.returning() {
                let (held, unsent) = server.buffered();
                bounded::server(held, unsent, scratch);
                let missed = self.net.is_missed(server.stream.end.id);
                heard::busy(server.id, missed, server.may_read());
                let since = self.workers.cleaned.get(&server.id).copied();
                let since = since.unwrap_or(self.now);
                punctual::cleans(server.id, self.now - since, self.options.sweep);
                cleaned.insert(server.id, since);
            }
        }
        self.workers.cleaned = cleaned;
    }

    /// Which workers know that pools have new rules: no message that says so is on its way.
    fn told_of_rules(&self) -> Vec<bool> {
        let mail = &self.workers.mail;
        let is_told = |at| {
            let mut there = mail.iter().filter(|(way, _)| way.1 == at);
            !there.any(|(_, queue)| queue.iter().any(|it| matches!(it, Message::Reloaded)))
        };
        (0..self.workers.drivers.len()).map(is_told).collect()
    }

    /// Nobody waits for an event that will not come: what a parked server has said, or its end, is
    /// read, or an event of it is due.
    fn check_parked(&self) {
        let scratch = self.options.scratch;
        for pool in &self.workers.plant.pools {
            pool.with(|stock| {
                for server in stock.parked.values() {
                    let (held, unsent) = server.buffered();
                    bounded::server(held, unsent, scratch);
                    let missed = server.home.is_some() && self.net.is_missed(server.stream.end.id);
                    heard::parked(server.id, missed);
                }
            });
        }
    }

    /// Compares the queues of the pools with those who believe that they wait.
    fn check_queues(&mut self) {
        if self.workers.drivers.iter().any(Driver::has_turns) {
            // Somebody may have been answered by a message that its driver has not looked at.
            return;
        }
        let mut waiting = [0; 3];
        let answered = self.answered();
        let names = &self.workers.names;
        for driver in &mut self.workers.drivers {
            for client in driver.clients_mut() {
                let Some(place) = client.session.place() else {
                    continue;
                };
                let name = names[&client.account];
                if !answered.contains(&(name, place)) {
                    waiting[client.pool.id().0 as usize] += 1;
                }
            }
        }
        for (pool, waiting) in self.workers.plant.pools.iter().zip(waiting) {
            let counts = pool.with(|stock| stock.core.counts());
            queue::holds(pool.id(), counts, waiting);
        }
    }

    /// Who is told that its wait is over by a message under way.
    fn answered(&self) -> Vec<(ClientId, Place)> {
        let mail = self.workers.mail.values().flatten();
        let answers = mail.filter_map(|message| match message {
            Message::Grant(_, granted) => Some((granted.client, granted.place)),
            Message::Refuse(client, place, _) => Some((*client, *place)),
            _ => None,
        });
        answers.collect()
    }

    /// A worker was swept at `now`, as its clock says.
    pub(super) fn check_swept(&mut self, worker: WorkerId, now: Time) {
        for client in self.workers.drivers[worker.index()].clients_mut() {
            let overdue = client.session.overdue(now, &client.policy.limits);
            punctual::ends(client.account, overdue);
            punctual::joins(client.account, client.session.is_stuck(now));
        }
    }

    /// Everybody has left.
    pub(super) fn check_over(&self) {
        let mut kept = 0;
        let mut heard = 0;
        let mut failures = 0;
        for pool in &self.workers.plant.pools {
            pool.with(|stock| {
                let (counts, clients) = (stock.core.counts(), stock.core.clients());
                over::pool(pool.id(), counts, clients, stock.parked.len());
                let statements = stock.parked.values().map(|s| s.upstream.statements());
                over::statements(stock.totals.statements, statements.sum());
                failures += stock.totals.server_login_failures;
                kept += counts.idle + counts.opening;
                heard += stock.parked.values().filter(|s| s.home.is_some()).count();
            });
        }
        over::failures(failures, self.log.outcome.tally.of("login fails"));
        let residents = self.workers.drivers.iter().map(Driver::servers_count).sum();
        over::tables(heard, residents, self.workers.plant.heard.borrow().len());
        over::budget(kept, self.workers.plant.used(&Group::Database("d".into())));
    }
}

/// Since when servers are cleaned.
pub(super) type Cleaned = BTreeMap<ServerId, Time>;
