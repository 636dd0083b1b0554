//! How many servers may be open together over several pools.
//!
//! `max_db_connections` bounds the pools of one database, `max_user_connections` those of one
//! user; a pool belongs to one group of each kind. A pool asks before it opens a server and says
//! when one is closed; in between, nothing here is touched, so the budget is not on a query's way.
//!
//! [`rival_with_idle`] and [`rival_served_before`] choose the pool that gives a server up to one that
//! was denied. What they need to know of the pools is passed in as a [`Standing`], so that no two
//! pools have to be locked at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::time::Time;

/// A pool, as its registry numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u32);

/// What is bounded together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// All pools of a database, by the name clients use.
    Database(Arc<str>),
    /// All pools of a user.
    User(Arc<str>),
}

/// A permitted connection. Returned with [`Budget::release`] when the connection is closed.
#[must_use = "a permit that is dropped is a connection lost to the budget"]
#[derive(Debug)]
pub struct Permit {
    pool: PoolId,
}

#[derive(Debug, Default)]
struct Usage {
    limit: Option<u32>,
    used: u32,
    pools: Vec<PoolId>,
}

impl Usage {
    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.used >= limit)
    }
}

/// Limits over groups of pools, and the pools that wait for room in them.
#[derive(Debug, Default)]
pub struct Budget {
    groups: BTreeMap<Group, Usage>,
    /// The groups of each pool, and its permits.
    pools: BTreeMap<PoolId, ([Group; 2], u32)>,
    /// Pools that were denied, by their place. At most one entry per pool.
    hungry: VecDeque<PoolId>,
    /// Each pool's place in the queue, from a denial until it gets a connection. Being told of
    /// room does not end it: someone else may take the room first, and the pool with the oldest
    /// claim could be told in vain again and again.
    places: BTreeMap<PoolId, u64>,
    next_place: u64,
}

impl Budget {
    /// Registers a pool of `database` and `user`.
    ///
    /// # Panics
    /// If the pool is registered already.
    pub fn join(&mut self, pool: PoolId, database: Arc<str>, user: Arc<str>) {
        let groups = [Group::Database(database), Group::User(user)];
        for group in &groups {
            self.groups
                .entry(group.clone())
                .or_default()
                .pools
                .push(pool);
        }
        let earlier = self.pools.insert(pool, (groups, 0));
        assert!(earlier.is_none(), "a pool joins once");
    }

    /// Forgets a pool, and the limit of a database that has no other. False while the pool has
    /// permits: then it stays.
    ///
    /// # Panics
    /// If the pool has not joined.
    pub fn leave(&mut self, pool: PoolId) -> bool {
        let (groups, permits) = &self.pools[&pool];
        if *permits > 0 {
            return false;
        }
        for group in groups {
            let usage = self.groups.get_mut(group).expect("joined group");
            usage.pools.retain(|&p| p != pool);
            if usage.pools.is_empty() && matches!(group, Group::Database(_)) {
                self.groups.remove(group);
            }
        }
        self.pools.remove(&pool);
        self.places.remove(&pool);
        self.hungry.retain(|&p| p != pool);
        true
    }

    /// Sets how many servers `group` may have; `None` is no bound. A lower limit closes nothing by
    /// itself: it takes effect as servers are closed.
    pub fn set_limit(&mut self, group: Group, limit: Option<u32>) {
        self.groups.entry(group).or_default().limit = limit;
    }

    /// Asks for one more connection. `None` puts the pool among the hungry.
    ///
    /// # Panics
    /// If the pool has not joined.
    pub fn acquire(&mut self, pool: PoolId) -> Option<Permit> {
        let (groups, permits) = self.pools.get_mut(&pool).expect("the pool has joined");
        if groups.iter().any(|g| self.groups[g].is_full()) {
            self.enqueue(pool);
            return None;
        }
        for group in groups {
            self.groups.get_mut(group).expect("joined group").used += 1;
        }
        *permits += 1;
        self.places.remove(&pool);
        if let Some(at) = self.hungry.iter().position(|&p| p == pool) {
            // It got one and wants more, behind those that got none.
            self.hungry.remove(at);
            self.enqueue(pool);
        }
        Some(Permit { pool })
    }

    /// What keeps `pool` from one more connection; nothing if it has left.
    pub fn full(&self, pool: PoolId) -> Option<&Group> {
        let (groups, _) = self.pools.get(&pool)?;
        groups.iter().find(|g| self.groups[*g].is_full())
    }

    /// Gives a connection back.
    pub fn release(&mut self, permit: Permit) {
        let (groups, permits) = self.pools.get_mut(&permit.pool).expect("has a permit");
        assert!(*permits > 0, "a connection is given back once");
        *permits -= 1;
        for group in groups.iter() {
            let usage = self.groups.get_mut(group).expect("joined group");
            assert!(usage.used > 0, "a connection is given back once");
            usage.used -= 1;
        }
    }

    /// Takes the longest hungry pool that has room by now; it may ask again.
    pub fn next_fed(&mut self) -> Option<PoolId> {
        let at = self.hungry.iter().position(|p| {
            let (groups, _) = &self.pools[p];
            !groups.iter().any(|g| self.groups[g].is_full())
        })?;
        self.hungry.remove(at)
    }

    /// The pools that wait for room, longest first.
    pub fn hungry(&self) -> impl Iterator<Item = PoolId> + '_ {
        self.hungry.iter().copied()
    }

    /// The other pools of those groups of `pool` that are full: where a connection would have to
    /// come from. None if it has left.
    pub fn rivals(&self, pool: PoolId) -> Vec<PoolId> {
        let groups = self.pools.get(&pool).map(|(groups, _)| groups);
        let full = groups
            .into_iter()
            .flatten()
            .map(|g| &self.groups[g])
            .filter(|u| u.is_full());
        let mut rivals: Vec<_> = full
            .flat_map(|u| &u.pools)
            .copied()
            .filter(|&p| p != pool)
            .collect();
        rivals.sort_unstable();
        rivals.dedup();
        rivals
    }

    /// Connections in use by `group`.
    pub fn used(&self, group: &Group) -> u32 {
        self.groups.get(group).map_or(0, |usage| usage.used)
    }

    fn enqueue(&mut self, pool: PoolId) {
        if self.hungry.contains(&pool) {
            return;
        }
        let next = self.next_place;
        let place = *self.places.entry(pool).or_insert(next);
        self.next_place += 1;
        let at = self.hungry.partition_point(|p| self.places[p] < place);
        self.hungry.insert(at, pool);
    }
}

/// What decides between pools that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when someone wants a server that the pool does not have.
    pub wanted_since: Option<Time>,
    /// Servers that have logged in.
    pub servers: u32,
    /// Since when its longest unused server is idle.
    pub longest_idle: Option<Time>,
}

/// A pool was denied: the rival whose server is unused for longest gives it up. Only for a pool
/// where someone waits, or two pools that keep a minimum open would swap a server for ever.
pub fn rival_with_idle<P>(
    denied: Standing,
    rivals: impl IntoIterator<Item = (P, Standing)>,
) -> Option<P> {
    denied.wanted_since?;
    let idle = rivals
        .into_iter()
        .filter_map(|(rival, standing)| Some((standing.longest_idle?, rival)));
    idle.min_by_key(|(since, _)| *since).map(|(_, rival)| rival)
}

/// A pool stays hungry: of the rivals whose clients all came later than the pool's, the largest
/// gives a server up, in use or not. So a busy pool cannot starve the others.
pub fn rival_served_before<P>(
    hungry: Standing,
    rivals: impl IntoIterator<Item = (P, Standing)>,
) -> Option<P> {
    let since = hungry.wanted_since?;
    let later = rivals.into_iter().filter(|(_, standing)| {
        standing.servers > 0 && standing.wanted_since.is_none_or(|theirs| since < theirs)
    });
    later
        .max_by_key(|(_, standing)| standing.servers)
        .map(|(rival, _)| rival)
}

#[cfg(test)]
mod tests;
