//! From the sessions that wait for locks to those at the ends of the chains, who hold them.
//!
//! Of those that wait for one row, PostgreSQL has the first wait for the transaction that holds it
//! and the others for the first; so who is to blame is found by asking about the blockers that are
//! blocked themselves. `pg_blocking_pids` takes PostgreSQL's whole lock manager for a moment,
//! so it is asked about sessions that wait for a lock only, about ours first, and about at most
//! [`ASKED_MAX`] in one look.
//!
//! Source: PostgreSQL documentation, "System Information Functions" (`pg_blocking_pids`: also who
//! is ahead in the queue for the lock blocks, and 0 is a prepared transaction).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;
use pgweir_sql::normalise::normalise;
use pgweir_wire::backend;

use crate::insight::NOTED_AFTER;
use crate::locks::{LockOwner, Locks, Root, Stranger};
use crate::pool_handle::pool_of;

/// Sessions asked about in one look. Each costs PostgreSQL some microseconds under the locks of
/// its lock manager: a millisecond per second at most, and nothing while nobody waits for a lock.
const ASKED_MAX: usize = 64;

/// Sessions asked about at once. Few, so that what an answer says decides about whom to ask next.
const BATCH: usize = 16;

/// Sessions at the ends of chains that are told of, each in a line of the log at most.
const ROOTS_MAX: usize = 10;

/// Bytes of a statement that are kept, without its literals.
const TEXT_MAX: usize = 1024;

/// Characters of a name that are kept.
const NAME_MAX: usize = 64;

/// How `pg_blocking_pids` calls a prepared transaction.
const PREPARED: u32 = 0;

/// Who blocks whom, as far as it was asked.
#[derive(Debug)]
pub(super) struct Chains {
    /// Sessions that wait for a lock, and how long their statements have run.
    blocked: BTreeMap<u32, Duration>,
    /// About whom to ask, the next first. Some may be in it twice.
    next: VecDeque<u32>,
    asked: BTreeSet<u32>,
    /// Whom each session waits for.
    blockers: BTreeMap<u32, Vec<u32>>,
}

/// The ends of the chains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Those who hold locks, and how many sessions wait for them, the most first.
    roots: Vec<(u32, u32)>,
    /// Whose locks a session waits for: of several the one that most wait for.
    of: BTreeMap<u32, u32>,
    /// Sessions that had got their locks when they were asked about.
    released: BTreeSet<u32>,
}

impl Chains {
    /// For sessions that wait for a lock, each running its statement for so long.
    pub(super) fn new(blocked: &BTreeMap<u32, Duration>, is_ours: impl Fn(u32) -> bool) -> Self {
        let mut ours: Vec<u32> = blocked
            .keys()
            .copied()
            .filter(|&pid| is_ours(pid))
            .collect();
        // Who waits for longest is at the head of a queue as a rule, next to the end of the chain.
        ours.sort_by_key(|pid| std::cmp::Reverse(blocked[pid]));
        Self {
            blocked: blocked.clone(),
            next: ours.into(),
            asked: BTreeSet::new(),
            blockers: BTreeMap::new(),
        }
    }

    /// What to ask next; `None` when all is known, or enough was asked.
    pub(super) fn question(&mut self) -> Option<String> {
        let mut batch = Vec::new();
        while batch.len() < BATCH && self.asked.len() < ASKED_MAX {
            let Some(pid) = self.next.pop_front() else {
                break;
            };
            if self.asked.insert(pid) {
                batch.push(pid.to_string());
            }
        }
        if batch.is_empty() {
            return None;
        }
        Some(format!(
            "SELECT pid, pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ',') \
             FROM pg_catalog.unnest('{{{}}}'::pg_catalog.int4[]) AS pid",
            batch.join(",")
        ))
    }

    /// Takes the answer, the bodies of its rows; `None` if it is not one.
    pub(super) fn answer(&mut self, rows: &[Vec<u8>]) -> Option<()> {
        for row in rows {
            let row = backend::data_row(row)?;
            let [Some(pid), Some(blockers)] = row[..] else {
                return None;
            };
            let pid = str::from_utf8(pid).ok()?.parse().ok()?;
            let blockers = str::from_utf8(blockers).ok()?.split(',');
            let blockers = blockers.filter(|pid| !pid.is_empty());
            let blockers: Vec<u32> = blockers.map(str::parse).collect::<Result<_, _>>().ok()?;
            let known = blockers.iter().filter(|pid| self.blocked.contains_key(pid));
            let mut open: Vec<u32> = known.copied().collect();
            open.retain(|pid| !self.asked.contains(pid));
            // The one that waits for longest comes to the front, for the end is behind it.
            open.sort_by_key(|pid| self.blocked[pid]);
            open.into_iter().for_each(|pid| self.next.push_front(pid));
            self.blockers.insert(pid, blockers);
        }
        Some(())
    }

    /// Follows the chains to their ends.
    pub(super) fn ends(&self) -> Ends {
        let is_blocked = |(_, blockers): &(&u32, &Vec<u32>)| !blockers.is_empty();
        let asked = self.blockers.iter();
        let of: BTreeMap<u32, BTreeSet<u32>> = asked
            .filter(is_blocked)
            .map(|(&pid, _)| (pid, self.ends_of(pid)))
            .collect();
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for root in of.values().flatten() {
            *counts.entry(*root).or_default() += 1;
        }
        let mut roots: Vec<(u32, u32)> = counts.iter().map(|(&pid, &count)| (pid, count)).collect();
        roots.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        roots.truncate(ROOTS_MAX);
        let main = |ends: &BTreeSet<u32>| {
            let known = roots.iter().find(|(pid, _)| ends.contains(pid));
            known.map(|&(pid, _)| pid)
        };
        let released = self.blockers.iter();
        Ends {
            of: of
                .iter()
                .filter_map(|(&pid, ends)| Some((pid, main(ends)?)))
                .collect(),
            released: released
                .filter(|(_, blockers)| blockers.is_empty())
                .map(|(&pid, _)| pid)
                .collect(),
            roots,
        }
    }

    /// Who is at the ends of the chains that begin at a session. There is nobody at the end of a
    /// circle, which PostgreSQL breaks (`deadlock_timeout`), nor of one that was not followed.
    fn ends_of(&self, pid: u32) -> BTreeSet<u32> {
        let mut ends = BTreeSet::new();
        let mut visited = BTreeSet::from([pid]);
        let mut open = vec![pid];
        while let Some(pid) = open.pop() {
            for &blocker in self.blockers.get(&pid).into_iter().flatten() {
                if !visited.insert(blocker) {
                    continue;
                }
                let is_released = self.blockers.get(&blocker).is_some_and(Vec::is_empty);
                if is_released || !self.blocked.contains_key(&blocker) {
                    ends.insert(blocker);
                } else {
                    open.push(blocker);
                }
            }
        }
        ends
    }
}

impl Ends {
    /// What to ask about those who are not ours; `None` if all are.
    pub(super) fn question(&self, ours: &HashMap<u32, ServerId>) -> Option<String> {
        let strangers = self.roots.iter().map(|(pid, _)| pid);
        let strangers: Vec<String> = strangers
            .filter(|&pid| *pid != PREPARED && !ours.contains_key(pid))
            .map(u32::to_string)
            .collect();
        if strangers.is_empty() {
            return None;
        }
        Some(format!(
            "SELECT pid, datname, usename, application_name, coalesce(state, backend_type), \
             (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - \
             CASE state WHEN 'active' THEN query_start ELSE state_change END) \
             * 1000000)::pg_catalog.int8, \
             CASE WHEN state IS NOT NULL THEN query END \
             FROM pg_catalog.pg_stat_activity \
             WHERE pid = ANY ('{{{}}}'::pg_catalog.int4[])",
            strangers.join(",")
        ))
    }

    /// What was seen at `at`: `rows` answer the question. `None` if they do not. `blocked` are the
    /// sessions that waited for a lock.
    pub(super) fn locks(
        &self,
        at: Time,
        blocked: &BTreeMap<u32, Duration>,
        ours: &HashMap<u32, ServerId>,
        rows: &[Vec<u8>],
    ) -> Option<Locks> {
        let mut strangers: BTreeMap<u32, Stranger> = BTreeMap::new();
        for row in rows {
            let (pid, stranger) = stranger(row)?;
            strangers.insert(pid, stranger);
        }
        let roots = self.roots.iter().map(|&(pid, sessions)| Root {
            pid: (pid != PREPARED).then_some(pid),
            session: match (ours.get(&pid), strangers.remove(&pid)) {
                _ if pid == PREPARED => LockOwner::Prepared,
                (Some(&server), _) => LockOwner::Ours(server),
                (None, Some(stranger)) => LockOwner::Stranger(stranger),
                (None, None) => LockOwner::Gone,
            },
            sessions,
            longest: self.longest(pid, blocked),
        });
        let waiting = blocked.keys().filter(|pid| !self.released.contains(pid));
        let waiting = waiting.filter_map(|pid| {
            let root = self.of.get(pid);
            let root = root.and_then(|of| self.roots.iter().position(|(pid, _)| pid == of));
            Some((*ours.get(pid)?, root))
        });
        Some(Locks {
            at,
            crowded: crowded(blocked, ours),
            blocked: waiting.collect(),
            roots: roots.collect(),
        })
    }

    /// How long the statement that has run for longest waits for the locks of `root`, or has run.
    fn longest(&self, root: u32, blocked: &BTreeMap<u32, Duration>) -> Duration {
        let behind = self.of.iter().filter(|(_, of)| **of == root);
        let times = behind.filter_map(|(pid, _)| blocked.get(pid).copied());
        times.max().unwrap_or_default()
    }
}

/// Servers whose statement has just begun to wait, by pool: where many write to one row, each
/// waits for moments, and no statement is ever seen twice.
fn crowded(
    blocked: &BTreeMap<u32, Duration>,
    ours: &HashMap<u32, ServerId>,
) -> BTreeMap<PoolId, u32> {
    let mut crowded = BTreeMap::new();
    for (pid, time) in blocked {
        if let Some(&server) = ours.get(pid)
            && *time < NOTED_AFTER
        {
            *crowded.entry(pool_of(server)).or_default() += 1;
        }
    }
    crowded
}

/// Reads one row of the answer to [`Ends::question`].
fn stranger(row: &[u8]) -> Option<(u32, Stranger)> {
    // What other databases hold need not be UTF-8.
    let text =
        |column: Option<&[u8]>| String::from_utf8_lossy(column.unwrap_or_default()).into_owned();
    let name = |column| text(column).chars().take(NAME_MAX).collect();
    let row = backend::data_row(row)?;
    let [
        Some(pid),
        database,
        user,
        application,
        state,
        since_us,
        query,
    ] = row[..]
    else {
        return None;
    };
    let since: Option<i64> = match since_us {
        Some(since) => Some(str::from_utf8(since).ok()?.parse().ok()?),
        None => None,
    };
    let stranger = Stranger {
        database: name(database),
        user: name(user),
        application: name(application),
        state: name(state),
        // The clock of PostgreSQL's machine may have been set back.
        since: since.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0))),
        text: normalise(query.unwrap_or_default(), true, TEXT_MAX),
    };
    Some((str::from_utf8(pid).ok()?.parse().ok()?, stranger))
}

#[cfg(test)]
mod tests;
