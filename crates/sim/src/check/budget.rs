//! Budget: what is bounded together stays within its bound, and nobody is forgotten.
//!
//! * A connection is permitted exactly when both groups of the pool have room; so a group never
//!   exceeds its limit, except by what was open before the limit was lowered.
//! * The pool that was denied first is told first of room that it can use, once per denial. One
//!   that was told in vain keeps its place; one that got a connection goes to the end.
//! * A pool that was denied is told of room as soon as there is some.
//! * The rivals of a pool are the other pools of its full groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_pool::budget::{Budget, Group, PoolId};

/// The observer of a budget.
#[derive(Debug, Default)]
pub(crate) struct BudgetWatch {
    limits: BTreeMap<Group, u32>,
    groups: BTreeMap<PoolId, [Group; 2]>,
    /// Connections in use by each pool.
    used: BTreeMap<PoolId, u32>,
    /// When each pool was first denied since it got a connection, in turns.
    denied_since: BTreeMap<PoolId, u64>,
    /// Pools that are denied and were not told of room since.
    denied: Vec<PoolId>,
    turns: u64,
}

impl BudgetWatch {
    pub(crate) fn joined(&mut self, pool: PoolId, database: Arc<str>, user: Arc<str>) {
        let groups = [Group::Database(database), Group::User(user)];
        self.groups.insert(pool, groups);
        self.used.insert(pool, 0);
    }

    pub(crate) fn limit_set(&mut self, group: Group, limit: Option<u32>) {
        match limit {
            Some(limit) => self.limits.insert(group, limit),
            None => self.limits.remove(&group),
        };
    }

    /// A pool asked for a connection.
    pub(crate) fn asked(&mut self, pool: PoolId, permitted: bool) {
        let room = self.has_room(pool);
        assert_eq!(permitted, room, "budget: {pool:?} asked");
        self.turns += 1;
        if permitted {
            *self.used.get_mut(&pool).expect("joined") += 1;
            self.denied_since.remove(&pool);
            if self.denied.contains(&pool) {
                self.denied_since.insert(pool, self.turns);
            }
        } else {
            self.denied_since.entry(pool).or_insert(self.turns);
            if !self.denied.contains(&pool) {
                self.denied.push(pool);
            }
        }
        self.denied.sort_by_key(|pool| self.denied_since[pool]);
    }

    /// A pool gave a connection back.
    pub(crate) fn released(&mut self, pool: PoolId) {
        *self.used.get_mut(&pool).expect("joined") -= 1;
    }

    /// The budget was asked which pool to tell of room.
    pub(crate) fn fed(&mut self, fed: Option<PoolId>) {
        let first = self.denied.iter().position(|&pool| self.has_room(pool));
        let expected = first.map(|at| self.denied.remove(at));
        assert_eq!(fed, expected, "budget: the pool denied first is told first");
    }

    /// Between any two events.
    pub(crate) fn settled(&self, budget: &Budget, denied: impl Iterator<Item = (PoolId, bool)>) {
        for (pool, denied) in denied {
            let remembered = self.denied.contains(&pool);
            assert!(
                !denied || remembered,
                "budget: {pool:?} is denied and forgotten"
            );
        }
        let fed = self.denied.iter().find(|&&pool| self.has_room(pool));
        assert_eq!(fed, None, "budget: room is left and someone was not told");
        assert!(
            budget.hungry().eq(self.denied.iter().copied()),
            "budget: who is hungry"
        );
        for (&pool, groups) in &self.groups {
            for group in groups {
                assert_eq!(budget.used(group), self.used_by(group), "budget: {group:?}");
            }
            let rivals: Vec<_> = self
                .groups
                .iter()
                .filter(|&(&other, theirs)| {
                    let shared = |g: &&Group| theirs.contains(g) && self.is_full(g);
                    other != pool && groups.iter().any(|g| shared(&g))
                })
                .map(|(&other, _)| other)
                .collect();
            assert_eq!(budget.rivals(pool), rivals, "budget: rivals of {pool:?}");
        }
    }

    fn has_room(&self, pool: PoolId) -> bool {
        !self.groups[&pool].iter().any(|group| self.is_full(group))
    }

    fn is_full(&self, group: &Group) -> bool {
        let limit = self.limits.get(group);
        limit.is_some_and(|&limit| self.used_by(group) >= limit)
    }

    fn used_by(&self, group: &Group) -> u32 {
        let members = self.groups.iter().filter(|(_, g)| g.contains(group));
        members.map(|(pool, _)| self.used[pool]).sum()
    }
}
