//! The control plane: it opens servers, reloads, brings cancel requests to PostgreSQL and shuts down.

use std::sync::Arc;

use pgweir_pool::driver::{Draining, Message, SharedPool};
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pool::Failure;
use pgweir_pool::server::{Delivery, Home, Server};
use pgweir_pool::upstream::Upstream;

use super::check::isolation;
use super::postgres::Backend;
use super::settings::Settings;
use super::shell::Link;
use super::{Event, Owner, World};
use crate::swarm::Spread;

impl World {
    /// The pooler shuts down.
    pub(super) fn drain(&mut self) {
        self.log.count("drain");
        let draining = match self.rng.aside().one_in(3) {
            true => Draining::Waiters,
            false => Draining::Clients,
        };
        // A pooler that shuts down is not suspended any more.
        self.resume();
        for at in 0..self.options.workers {
            self.errand(|outbox, _, _| outbox.send(WorkerId(at), Message::Drain(draining)));
        }
    }

    /// The configuration of a pool changes.
    pub(super) fn reload(&mut self) {
        self.log.count("reload");
        let pool = self.any_pool();
        let (bounds, policy) = self.options.redraw(&mut self.rng);
        let retire = self.rng.one_in(3);
        let workers = self.options.workers;
        pool.set_policy(policy.clone());
        pool.may_refuse_after(bounds.wait_max);
        self.errand(|outbox, plant, now| {
            outbox.reconfigure(plant, &pool, now, (bounds, &policy, retire));
            for at in 0..workers {
                outbox.send(WorkerId(at), Message::Reloaded);
            }
        });
    }

    /// The login of a server ends.
    pub(super) fn login_end(&mut self, id: ServerId) {
        let (pool, permit) = self.workers.permits.remove(&id).expect("it was permitted");
        if self.faulty && self.rng.happens(self.options.faults.login_fails) {
            self.log.count("login fails");
            let is_full = self.rng.one_in(2);
            // By its number, and not drawn, so that seeds go on meaning what they meant.
            let failure = match id.0 % 2 {
                0 => Failure::Final,
                _ => Failure::Passing,
            };
            return self.errand(|outbox, plant, now| {
                outbox.failed(plant, &pool, now, id, (permit, is_full, failure));
            });
        }
        let (near, far) = self.net.pair(self.options.server_capacity);
        self.owners.insert(near.id, Owner::Worker);
        self.owners.insert(far.id, Owner::Backend(id));
        let mut startup = Vec::new();
        let mut parameters = self.workers.defaults.clone();
        if self.rng.happens(self.options.faults.strangers) {
            let (name, value) = ("TimeZone", "Europe/Berlin");
            startup.push((name.to_owned(), value.to_owned()));
            Arc::make_mut(&mut parameters).set(name, value);
        }
        let settings = Settings::new(&startup).expect("defaults are right");
        let at_once = self.options.faults.reports_at_once;
        let mut backend = Backend::new(id.to_string(), far, settings, at_once);
        backend.rejects = self.options.rejects;
        backend.process = Some(isolation::process(id));
        let own_slow = self.rng.duration(self.options.faults.own_slow);
        backend.own_slow = u64::try_from(own_slow.as_micros()).expect("short");
        backend.mute = self.faulty && self.rng.happens(self.options.faults.mute);
        backend.dazed = self.faulty && self.rng.happens(self.options.faults.daze);
        self.workers.plant.backends.borrow_mut().insert(id, backend);
        let end = near.in_pieces(self.options.in_pieces);
        let link = Link { end, permit };
        let mut upstream = Upstream::new(parameters);
        upstream.pid = Some(isolation::process(id));
        let server = Box::new(Server::new(id, link, upstream));
        let jitter = u32::try_from(self.rng.below(200)).expect("small");
        let home = (self.any_worker(), jitter);
        self.errand(|outbox, plant, now| outbox.opened(plant, &pool, now, server, home));
    }

    /// A cancel request has reached PostgreSQL, or was lost on the way.
    pub(super) fn cancel_arrives(&mut self, server: ServerId, home: Home) {
        self.log
            .line(self.now, format_args!("cancel arrives at {server}"));
        for pool in &self.workers.plant.pools {
            let is_parked = pool.with(|stock| stock.parked.contains_key(&server));
            assert!(
                !is_parked,
                "rest: a cancel arrives at a server that nobody holds"
            );
        }
        let mut delivery = Delivery::Over;
        if self.rng.happens(self.options.faults.cancel_late) {
            self.log.count("cancel: in doubt");
            delivery = Delivery::InDoubt;
            let mut backends = self.workers.plant.backends.borrow_mut();
            let meant = backends.get_mut(&server).expect("it was opened").doubted();
            drop(backends);
            let late = self.rng.duration(LATE);
            self.schedule(late, Event::CancelLate(server, meant));
        } else if !self.rng.happens(self.options.faults.cancel_lost) {
            let mut backends = self.workers.plant.backends.borrow_mut();
            backends.get_mut(&server).expect("it was opened").cancel();
            drop(backends);
            self.run_backend(server);
        }
        self.errand(|outbox, _, _| {
            outbox.send(
                home.worker,
                Message::CancelDone(server, home.slot, delivery),
            );
        });
    }

    /// A cancel request that PostgreSQL did not confirm has arrived after all.
    pub(super) fn cancel_late(&mut self, server: ServerId, meant: Option<u64>) {
        let mut backends = self.workers.plant.backends.borrow_mut();
        let Some(backend) = backends.get_mut(&server).filter(|it| it.end.is_some()) else {
            return;
        };
        // A query of the holder's that is still on its way is hit as well, in the end.
        let running = backend.guest.filter(|_| backend.task.is_some());
        isolation::arrives_late(meant.or(backend.first_guest), backend.holder.or(running));
        backend.cancel();
        drop(backends);
        self.run_backend(server);
    }
}

/// How long a cancel request that was not confirmed is on its way.
const LATE: Spread = Spread {
    least_us: 10,
    most_us: 50_000,
};
