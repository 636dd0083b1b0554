//! Clients queued for a server: one queue in meaning, one list per worker in memory.
//!
//! Each list is sorted by [`Place`], so the oldest waiter of all is at one of the fronts, and a
//! waiter that leaves is found by bisection.

use std::collections::VecDeque;

use crate::id::{ClientId, WorkerId};
use crate::time::Time;

/// A waiter's place in the queue. Kept by the client, to leave or to come back to the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    ticket: u64,
    /// When the client began to wait.
    pub since: Time,
}

/// A client in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) client: ClientId,
    pub(crate) home: WorkerId,
    pub(crate) place: Place,
}

#[derive(Debug)]
pub(crate) struct Waiters {
    by_home: Vec<VecDeque<Waiter>>,
    count: usize,
    tickets: u64,
}

impl Waiters {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            by_home: (0..workers).map(|_| VecDeque::new()).collect(),
            count: 0,
            tickets: 0,
        }
    }

    /// A place behind everyone who is or was in the queue.
    pub(crate) fn next_place(&mut self, now: Time) -> Place {
        self.tickets += 1;
        Place {
            ticket: self.tickets,
            since: now,
        }
    }

    pub(crate) fn insert(&mut self, waiter: Waiter) {
        let queue = &mut self.by_home[waiter.home.index()];
        let at = queue.partition_point(|w| w.place < waiter.place);
        queue.insert(at, waiter);
        self.count += 1;
    }

    /// Takes the waiter at `place` out; false if it is not there.
    pub(crate) fn remove(&mut self, home: WorkerId, place: Place) -> bool {
        let queue = &mut self.by_home[home.index()];
        let at = queue.partition_point(|w| w.place < place);
        if queue.get(at).is_none_or(|w| w.place != place) {
            return false;
        }
        queue.remove(at);
        self.count -= 1;
        true
    }

    /// The waiter that came first, wherever it is.
    pub(crate) fn oldest(&self) -> Option<Waiter> {
        self.by_home
            .iter()
            .filter_map(|queue| queue.front().copied())
            .min_by_key(|w| w.place)
    }

    /// The waiter that came first among those of one worker.
    pub(crate) fn oldest_at(&self, home: WorkerId) -> Option<Waiter> {
        self.by_home[home.index()].front().copied()
    }

    /// Takes the waiter that came first out of the queue.
    pub(crate) fn pop_oldest(&mut self) -> Option<Waiter> {
        let oldest = self.oldest()?;
        self.remove(oldest.home, oldest.place);
        Some(oldest)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}
