//! Who waits for whose locks in PostgreSQL, as the probes saw it last.
//!
//! The probes write here once per look. The workers read it in their sweep, to tell a client whose
//! statement waits for a lock from one whose statement is slow, and so do those who name the
//! culprit: the error of a refused client, the log and the live document. Nothing on a query's way
//! reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;

/// What one look at a PostgreSQL found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Locks {
    /// When the look began.
    pub(crate) at: Time,
    /// Our servers whose statement waited for a lock, with the position in `roots` of whom it
    /// waited for, where that is known.
    pub(crate) blocked: HashMap<ServerId, Option<usize>>,
    /// Of those how many had waited for a moment only, by pool.
    pub(crate) crowded: BTreeMap<PoolId, u32>,
    /// Those who held the locks and waited for none, the one that most waited for first.
    pub(crate) roots: Vec<Root>,
}

impl Locks {
    /// Those who held the locks at `postgres`.
    pub(crate) fn sightings<'a>(
        &'a self,
        postgres: &'a Arc<str>,
    ) -> impl Iterator<Item = Sighting<'a>> {
        (0..self.roots.len()).map(move |root| self.sighting(postgres, root))
    }

    fn sighting<'a>(&'a self, postgres: &'a Arc<str>, root: usize) -> Sighting<'a> {
        Sighting {
            postgres,
            at: self.at,
            root: &self.roots[root],
        }
    }
}

/// Who was seen to hold locks, where and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting<'a> {
    pub(crate) postgres: &'a Arc<str>,
    pub(crate) at: Time,
    pub(crate) root: &'a Root,
}

/// Somebody who holds locks that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// PostgreSQL's process; `None` for a prepared transaction.
    pub(crate) pid: Option<u32>,
    pub(crate) session: LockOwner,
    /// Sessions that wait for its locks, also those behind others that do.
    pub(crate) sessions: u32,
    /// How long the statement that has waited for longest has run.
    pub(crate) longest: Duration,
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LockOwner {
    /// One of our servers.
    Ours(ServerId),
    /// One that does not come through here.
    Stranger(Stranger),
    /// It was gone when it was asked about.
    Gone,
    /// None: a transaction that was prepared (`PREPARE TRANSACTION`).
    Prepared,
}

/// A session that is not ours. Texts are empty where PostgreSQL hides them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application: String,
    /// As PostgreSQL says it, or what kind of process it is.
    pub(crate) state: String,
    /// How long it is in that state.
    pub(crate) since: Option<Duration>,
    /// Its last statement, without literals.
    pub(crate) text: String,
}

/// The last looks at all PostgreSQLs where somebody waits for a lock.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    by_server: BTreeMap<Arc<str>, Arc<Locks>>,
}

impl Looks {
    /// Nobody waits for a lock.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_server.is_empty()
    }

    /// Whether a server's statement, which has run since `began`, waits for a lock. One that began
    /// after the look is another than that which was seen.
    pub(crate) fn is_blocked(&self, server: ServerId, began: Time) -> bool {
        let mut looks = self.by_server.values();
        looks.any(|locks| began < locks.at && locks.blocked.contains_key(&server))
    }

    /// Sessions that wait for locks that a client got with the server that it has had since `since`.
    pub(crate) fn behind(&self, server: ServerId, since: Time) -> u32 {
        let looks = self.by_server.values().filter(|locks| since < locks.at);
        let roots = looks.flat_map(|locks| &locks.roots);
        let own = roots.filter(|root| root.session == LockOwner::Ours(server));
        own.map(|root| root.sessions).sum()
    }

    /// Whose locks most of the servers wait for of which this is true.
    pub(crate) fn main_root(&self, is_of: impl Fn(ServerId) -> bool) -> Option<Sighting<'_>> {
        let mut counts: BTreeMap<(&Arc<str>, usize), u32> = BTreeMap::new();
        for (name, locks) in &self.by_server {
            for (&server, root) in &locks.blocked {
                if let Some(root) = root
                    && is_of(server)
                {
                    *counts.entry((name, *root)).or_default() += 1;
                }
            }
        }
        let most = counts.into_iter().max_by_key(|&(_, count)| count);
        most.map(|((name, root), _)| self.by_server[name].sighting(name, root))
    }

    /// All who hold locks that others wait for.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = Sighting<'_>> {
        let looks = self.by_server.iter();
        looks.flat_map(|(name, locks)| locks.sightings(name))
    }
}

/// Where the looks are to be found.
#[derive(Debug, Default)]
pub(crate) struct LockBoard {
    looks: Mutex<Arc<Looks>>,
}

impl LockBoard {
    /// The looks as of now.
    pub(crate) fn looks(&self) -> Arc<Looks> {
        self.looks.lock().expect("no panic under the lock").clone()
    }

    /// What the latest look at a PostgreSQL found; `None` if nobody looks any more.
    pub(crate) fn set(&self, server: &Arc<str>, locks: Option<Locks>) {
        let locks = locks.filter(|locks| !locks.blocked.is_empty());
        let mut looks = self.looks.lock().expect("no panic under the lock");
        if locks.is_none() && !looks.by_server.contains_key(server) {
            return;
        }
        let mut by_server = looks.by_server.clone();
        match locks {
            Some(locks) => by_server.insert(server.clone(), Arc::new(locks)),
            None => by_server.remove(server),
        };
        *looks = Arc::new(Looks { by_server });
    }
}

#[cfg(test)]
pub(crate) mod tests;
