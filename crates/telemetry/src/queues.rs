//! How long the queue of each pool has been long: from one look to the next, whether anybody
//! watches or not, so that a view that was opened a moment ago knows as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::pools::PoolSnapshot;
use crate::snapshot::Snapshot;

/// More waiters than this are a queue; fewer are what a pooler is for.
pub(crate) const QUEUE_MIN: u32 = 5;

/// Since when each pool has a queue, at every look.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// Times since the start of the process, by database and user.
    since: BTreeMap<(Arc<str>, Arc<str>), Duration>,
}

impl Queues {
    /// Takes a look. To be called once per second or so.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.since);
        for pool in snapshot.pools.iter().filter(|pool| is_queue(pool)) {
            let name = (pool.database.clone(), pool.user.clone());
            let since = before.remove(&name).unwrap_or(snapshot.uptime);
            self.since.insert(name, since);
        }
    }

    /// How long a pool of this snapshot has had more than [`QUEUE_MIN`] waiters at every look;
    /// `None` if it has not as many now.
    pub(crate) fn age(&self, snapshot: &Snapshot, pool: &PoolSnapshot) -> Option<Duration> {
        let name = (pool.database.clone(), pool.user.clone());
        let since = self.since.get(&name).copied().unwrap_or(snapshot.uptime);
        is_queue(pool).then(|| snapshot.uptime.saturating_sub(since))
    }
}

fn is_queue(pool: &PoolSnapshot) -> bool {
    pool.counts.waiting > QUEUE_MIN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Queues;
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::{pool, quiet};

    #[test]
    fn a_queue_is_as_old_as_the_looks_that_all_saw_it() {
        let mut queues = Queues::default();
        let mut snapshot = quiet();
        let mut age = |waiting| {
            snapshot.uptime += Duration::from_secs(1);
            snapshot.pools[0].counts.waiting = waiting;
            let unseen = queues.age(&snapshot, &snapshot.pools[0]);
            queues.observe(&snapshot);
            let seen = queues.age(&snapshot, &snapshot.pools[0]);
            assert_eq!(unseen, seen, "whether or not it was looked at just before");
            seen.map(|age| age.as_secs())
        };
        assert_eq!(age(5), None);
        assert_eq!([6, 99, 7].map(&mut age), [Some(0), Some(1), Some(2)]);
        assert_eq!(age(5), None, "it is over");
        assert_eq!([6, 6].map(&mut age), [Some(0), Some(1)]);
    }

    #[test]
    fn pools_are_told_apart_and_those_that_are_gone_forgotten() {
        let mut snapshot = quiet();
        snapshot.add_pool(pool("app", "eve"));
        let mut queues = Queues::default();
        snapshot.pools[0].counts.waiting = 6;
        queues.observe(&snapshot);
        snapshot.uptime += Duration::from_secs(3);
        snapshot.pools[1].counts.waiting = 6;
        queues.observe(&snapshot);
        let ages = |queues: &Queues, snapshot: &Snapshot| {
            let pools = snapshot.pools.iter();
            let ages = pools.map(|pool| queues.age(snapshot, pool).map(|age| age.as_secs()));
            ages.collect::<Vec<_>>()
        };
        assert_eq!(ages(&queues, &snapshot), [Some(3), Some(0)]);
        snapshot.pools.truncate(1);
        queues.observe(&snapshot);
        assert_eq!(queues.since.len(), 1);
    }
}
