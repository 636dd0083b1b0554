//! What keeps the clients of each pool waiting, weighed over the last seconds: what servers do at one
//! moment differs from what they do at the next, and a view that said so would say something else
//! each second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::histogram::Histogram;
use pgweir_pool::waits::Cause;

use crate::pools::PoolSnapshot;
use crate::snapshot::Snapshot;

/// Time over which causes are weighed. With a look per second, ten looks of 12 bytes for each pool.
const WEIGHED: Duration = Duration::from_secs(10);

/// Another cause takes over when it outweighs the present one by so much.
const TAKES_OVER: u64 = 2;

/// The causes of all pools in which clients have waited lately.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    /// By database and user; at most the 201 pools of a snapshot.
    pools: BTreeMap<(Arc<str>, Arc<str>), Weighed>,
}

/// What looks at a pool have said.
#[derive(Debug)]
struct Weighed {
    /// The oldest first.
    votes: VecDeque<Vote>,
    settled: Option<Cause>,
    /// The times of queries that had ended at the last look.
    ended: Histogram,
}

/// What one look said.
#[derive(Debug, Clone, Copy)]
struct Vote {
    at: Duration,
    cause: Cause,
    waiting: u32,
}

impl Causes {
    /// Takes a look. To be called once per second or so.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.pools);
        for pool in &snapshot.pools {
            let name = (pool.database.clone(), pool.user.clone());
            let known = before.remove(&name);
            if known.is_none() && pool.counts.waiting == 0 {
                continue;
            }
            let mut weighed = known.unwrap_or_else(|| Weighed {
                votes: VecDeque::new(),
                settled: None,
                ended: pool.totals.query_times.clone(),
            });
            weighed.observe(pool, snapshot.uptime);
            if !weighed.votes.is_empty() {
                self.pools.insert(name, weighed);
            }
        }
    }

    /// Why the clients of a pool of this snapshot wait, if they do.
    pub(crate) fn of(&self, pool: &PoolSnapshot) -> Option<Cause> {
        let now = pool.cause.filter(|_| pool.counts.waiting > 0)?;
        if is_fact(now) {
            return Some(now);
        }
        let known = self.pools.get(&(pool.database.clone(), pool.user.clone()));
        let settled = known.and_then(|weighed| weighed.settled);
        Some(settled.filter(|cause| !is_fact(*cause)).unwrap_or(now))
    }
}

impl Weighed {
    fn observe(&mut self, pool: &PoolSnapshot, now: Duration) {
        let ended = pool.totals.query_times.since(&self.ended);
        self.ended.clone_from(&pool.totals.query_times);
        self.votes
            .retain(|vote| now.saturating_sub(vote.at) < WEIGHED);
        let Some(cause) = pool.cause.filter(|_| pool.counts.waiting > 0) else {
            return;
        };
        let cause = seen(cause, pool, ended.as_ref());
        if is_fact(cause) || self.settled.is_some_and(is_fact) {
            self.votes.clear();
            self.settled = None;
        }
        self.votes.push_back(Vote {
            at: now,
            cause,
            waiting: pool.counts.waiting,
        });
        self.settle();
    }

    fn settle(&mut self) {
        let weight = |cause: Cause| -> u64 {
            let votes = self.votes.iter().filter(|vote| vote.cause == cause);
            votes.map(|vote| u64::from(vote.waiting)).sum()
        };
        let heaviest = Cause::ALL.into_iter().max_by_key(|cause| weight(*cause));
        let holds = |settled: &Cause| {
            let other = heaviest.map_or(0, weight);
            weight(*settled) > 0 && other < TAKES_OVER * weight(*settled)
        };
        self.settled = self.settled.filter(holds).or(heaviest);
    }
}

/// Whether this is so, whatever was a moment ago.
fn is_fact(cause: Cause) -> bool {
    match cause {
        Cause::LoginFailing | Cause::PostgresFull | Cause::Paused => true,
        Cause::Locks
        | Cause::SlowStatements
        | Cause::IdleInTransaction
        | Cause::Pinned
        | Cause::PoolLimit
        | Cause::DatabaseLimit
        | Cause::UserLimit
        | Cause::Opening => false,
    }
}

/// What a look says. A statement is slow only at the end of its time, so where nothing else explains
/// why all servers are busy, those that have just ended say whether the work is short.
fn seen(cause: Cause, pool: &PoolSnapshot, ended: Option<&Histogram>) -> Cause {
    let is_limit = matches!(
        cause,
        Cause::PoolLimit | Cause::DatabaseLimit | Cause::UserLimit
    );
    let is_slow = pool
        .slow_from
        .zip(ended)
        .is_some_and(|(bound, ended)| is_mostly_slow(ended, bound));
    if is_limit && is_slow {
        Cause::SlowStatements
    } else {
        cause
    }
}

/// Whether at least half of the time went into queries that took `bound` or longer.
fn is_mostly_slow(ended: &Histogram, bound: Duration) -> bool {
    let slow = ended.count() - ended.count_to(bound);
    slow > 0 && ended.sum_to_us(bound) <= ended.sum_us() / 2
}

#[cfg(test)]
mod tests;
