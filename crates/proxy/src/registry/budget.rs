//! The limits that span pools: which pool gets a connection of the budget, and which has to give one up
//! for it.
//!
//! The budget's lock is taken before a pool's, and no two pools' at once.

use std::sync::{Arc, MutexGuard};

use pgweir_pool::budget::{Budget, Group, Permit};
use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;
use pgweir_pool::waits::Load;

use super::{Order, Registry};
use crate::outbox::Outbox;
use crate::pool_handle::PoolHandle;
use pgweir_config::Config;

impl Registry {
    /// Gives a connection back to the budget, and tells the pools that there is room for now.
    pub(crate) fn release(&self, permit: Permit, outbox: &mut Outbox) {
        self.budget().release(permit);
        self.feed(outbox);
    }

    /// Tells the pools that wait for the budget that there is room.
    pub(super) fn feed(&self, outbox: &mut Outbox) {
        loop {
            let fed = self.budget().next_fed();
            let Some(pool) = fed.map(|id| self.pool_by_id(id)) else {
                return;
            };
            self.decide(&pool, outbox, |shared, now| shared.core.budget_freed(now));
        }
    }

    pub(super) fn set_user_limits(&self, config: &Config) {
        let mut budget = self.budget();
        for user in config.users.values() {
            let max = user.max_user_connections.map(|max| max.get());
            budget.set_limit(Group::User(user.name.as_str().into()), max);
        }
    }

    /// Asks the budget for a connection; denied, another pool has to give one up.
    pub(super) fn open(&self, pool: &Arc<PoolHandle>, id: ServerId, outbox: &mut Outbox) {
        let mut effects = Vec::new();
        let rivals = {
            let mut budget = self.budget();
            if let Some(permit) = budget.acquire(pool.id) {
                self.order(Order::Open(pool.clone(), id, permit));
                return;
            }
            // Under the budget's lock, so that nobody feeds the pool before it knows that it is
            // hungry. No pool's lock is ever held when the budget's is taken.
            let now = self.clock.now();
            let full = budget.full(pool.id).cloned();
            pool.decide(now, &mut effects, |shared| {
                shared.full = full;
                shared.core.denied(now, id);
            });
            budget.rivals(pool.id)
        };
        self.carry_out(pool, &mut effects, outbox);
        // Only for somebody who waits, or two pools would swap a server for ever.
        let needed = pool.counts().waiting > 0 || pool.greeting.receiver_count() > 0;
        let idlest = rivals
            .into_iter()
            .map(|id| self.pool_by_id(id))
            .filter_map(|rival| rival.longest_idle().map(|since| (since, rival)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, rival)) = idlest.filter(|_| needed) {
            self.decide(&rival, outbox, |shared, now| {
                shared.core.surrender(now);
            });
        }
    }

    /// Lets a pool that has waited for the budget longer than another pool's clients wait for a
    /// server have one of that pool's, and so keeps a busy pool from starving the others.
    pub(super) fn feed_hungry(&self, outbox: &mut Outbox) {
        let now = self.clock.now();
        let (hungry, rivals): (Vec<_>, Vec<_>) = {
            let budget = self.budget();
            budget
                .hungry()
                .map(|pool| (pool, budget.rivals(pool)))
                .unzip()
        };
        for (pool, rivals) in hungry.into_iter().zip(rivals) {
            let pool = self.pool_by_id(pool);
            let counts = pool.counts();
            let is_empty = counts.active + counts.idle + counts.opening == 0;
            let since = match counts.waiting_since {
                Some(since) => since,
                // Clients that log in to a pool without a server are in no queue, and one server
                // is enough for all of them.
                None if is_empty && pool.greeting.receiver_count() > 0 => Time::default(),
                None => continue,
            };
            let rivals: Vec<_> = rivals.into_iter().map(|id| self.pool_by_id(id)).collect();
            let loads = rivals.iter().map(|rival| rival.load(now));
            pool.kept_by(loads.fold(Load::default(), Load::with));
            let rival = rivals
                .into_iter()
                .filter(|rival| {
                    let counts = rival.counts();
                    counts.active + counts.idle > 0
                        && counts.waiting_since.is_none_or(|s| since < s)
                })
                .max_by_key(|rival| rival.counts().active + rival.counts().idle);
            if let Some(rival) = rival {
                self.decide(&rival, outbox, |shared, now| {
                    shared.core.surrender(now);
                });
            }
        }
    }

    pub(super) fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().expect("no panic under the lock")
    }
}
