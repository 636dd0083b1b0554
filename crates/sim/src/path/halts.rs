//! What an administrator stops: pools that are paused, servers that are opened anew, workers that are
//! suspended.

use std::collections::BTreeMap;

use pgweir_pool::driver::{Driver, SharedPool};
use pgweir_pool::id::WorkerId;
use pgweir_pool::time::Time;

use super::World;
use super::check::still;
use super::shell::{Plant, PoolCell};

/// Bytes that had moved at each session's streams when it was seen to be still.
pub(super) type Stills = BTreeMap<u64, u64>;

impl World {
    /// An administrator stops something, or lets it go on.
    pub(super) fn halt(&mut self) {
        let mut rng = self.rng.aside();
        let pools = self.workers.plant.pools.len() as u64;
        let at = usize::try_from(rng.below(pools)).expect("few pools");
        let pool = self.workers.plant.pools[at].clone();
        match rng.below(6) {
            0..=2 if is_paused(&pool) => self.resume_pool(&pool),
            0..=2 => self.pause_pool(&pool),
            3 => {
                self.log.count("reconnect");
                self.decide(&pool, |core, now| core.retire(now));
            }
            _ if self.workers.stills.is_none() => self.suspend(),
            4 => {
                self.log.count("suspension: end");
                self.each_worker(Driver::end_moving);
            }
            _ => self.resume(),
        }
    }

    /// Everything goes on.
    pub(super) fn go_on(&mut self) {
        self.resume();
        for pool in self.workers.plant.pools.clone() {
            if is_paused(&pool) {
                self.resume_pool(&pool);
            }
        }
    }

    fn pause_pool(&mut self, pool: &PoolCell) {
        self.log.count("pause");
        self.decide(pool, |core, now| core.pause(now));
    }

    fn resume_pool(&mut self, pool: &PoolCell) {
        self.log.count("resume");
        self.decide(pool, |core, now| core.resume(now));
    }

    fn suspend(&mut self) {
        // A pooler that shuts down takes no such order.
        if self.log.outcome.tally.of("drain") == 0 {
            self.log.count("suspend");
            self.workers.stills = Some(Stills::new());
            self.each_worker(Driver::suspend);
        }
    }

    pub(super) fn resume(&mut self) {
        if self.workers.stills.take().is_some() {
            self.each_worker(Driver::resume);
        }
    }

    fn decide(&mut self, pool: &PoolCell, decide: impl FnOnce(&mut pgweir_pool::pool::Pool, Time)) {
        self.errand(|outbox, plant, now| {
            outbox.decide(plant, pool, now, |stock| decide(&mut stock.core, now));
        });
    }

    fn each_worker(&mut self, order: impl Fn(&mut Driver<Plant>, Time)) {
        for at in 0..self.options.workers {
            self.input(WorkerId(at), &order);
        }
    }

    /// While everything is suspended, sessions that are still stay so.
    pub(super) fn check_still(&mut self) {
        let Some(stills) = &mut self.workers.stills else {
            return;
        };
        let mut seen = Stills::new();
        for driver in &mut self.workers.drivers {
            for client in driver.clients_mut() {
                if client.session.is_still() {
                    let moved = self.net.moved(client.session.client.id);
                    seen.insert(client.account, moved);
                }
            }
        }
        for (client, moved) in &seen {
            still::rests(*client, stills.get(client).copied(), *moved);
        }
        *stills = seen;
    }

    /// Paused pools give nothing out.
    pub(super) fn check_paused(&self) {
        for pool in &self.workers.plant.pools {
            pool.with(|stock| still::pauses(&stock.core, stock.parked.len()));
        }
    }
}

fn is_paused(pool: &PoolCell) -> bool {
    pool.with(|stock| stock.core.is_paused())
}
