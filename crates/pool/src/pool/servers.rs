//! The servers of one pool: what each is doing, and which of the unused ones is taken next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::id::{ServerId, WorkerId};
use crate::time::Time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Opening,
    Idle { since: Time, home: WorkerId },
    Active,
}

#[derive(Debug)]
struct Member {
    usage: Use,
    /// When its login succeeded, or began.
    opened: Time,
    /// Thousandths of its lifetime that it is spared.
    jitter_permille: u32,
    /// Granted at least once.
    used: bool,
    /// Closed as soon as it is not in use.
    retired: bool,
}

/// Servers by what they do. Each method that takes a server panics if there is none of that number,
/// or if it does something else than the method is for: the pool would have lost count.
#[derive(Debug)]
pub(super) struct Servers {
    by_id: BTreeMap<ServerId, Member>,
    /// Per worker, the most recently used last, so that a quiet pool shrinks from the front.
    idle: Vec<VecDeque<ServerId>>,
    idle_count: u32,
    opening_count: u32,
    next_id: u64,
}

impl Servers {
    /// None, for so many workers; the first will have this number.
    pub(super) fn new(workers: usize, first_id: ServerId) -> Self {
        Self {
            by_id: BTreeMap::new(),
            idle: (0..workers).map(|_| VecDeque::new()).collect(),
            idle_count: 0,
            opening_count: 0,
            next_id: first_id.0,
        }
    }

    /// All, those that log in as well.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Those that log in.
    pub(super) fn opening(&self) -> u32 {
        self.opening_count
    }

    /// Those that nobody uses.
    pub(super) fn idle(&self) -> u32 {
        self.idle_count
    }

    /// Those that are used or could be.
    pub(super) fn logged_in(&self) -> u32 {
        let all = u32::try_from(self.by_id.len()).expect("limits are numbers of 32 bits");
        all - self.opening_count
    }

    /// The name of the next one.
    pub(super) fn next(&self) -> ServerId {
        ServerId(self.next_id)
    }

    /// A new one, which logs in from now on.
    pub(super) fn open(&mut self, now: Time) -> ServerId {
        let id = ServerId(self.next_id);
        self.next_id += 1;
        self.opening_count += 1;
        let server = Member {
            usage: Use::Opening,
            opened: now,
            jitter_permille: 0,
            used: false,
            retired: false,
        };
        self.by_id.insert(id, server);
        id
    }

    /// Its login succeeded; it is in use until it is made idle. Says whether it is retired.
    pub(super) fn opened(&mut self, now: Time, id: ServerId, jitter_permille: u32) -> bool {
        let server = self.by_id.get_mut(&id).expect("opened server is known");
        assert_eq!(server.usage, Use::Opening);
        server.opened = now;
        server.jitter_permille = jitter_permille;
        server.usage = Use::Active;
        self.opening_count -= 1;
        server.retired
    }

    /// It will not log in any more. Says whether it was retired.
    pub(super) fn forget_opening(&mut self, id: ServerId) -> bool {
        let server = self.by_id.remove(&id).expect("opening server is known");
        assert_eq!(server.usage, Use::Opening);
        self.opening_count -= 1;
        server.retired
    }

    /// It was in use, and is free at `home` now.
    pub(super) fn make_idle(&mut self, now: Time, id: ServerId, home: WorkerId) {
        let server = self.by_id.get_mut(&id).expect("known server");
        assert_eq!(server.usage, Use::Active);
        server.usage = Use::Idle { since: now, home };
        self.idle[home.index()].push_back(id);
        self.idle_count += 1;
    }

    /// It was free, and is in use now: since when it was free, and whether nobody had it before.
    pub(super) fn make_active(&mut self, id: ServerId) -> (Time, bool) {
        let since = self.idle_since(id);
        self.unlist(id);
        let server = self.by_id.get_mut(&id).expect("idle server is known");
        server.usage = Use::Active;
        (since, !std::mem::replace(&mut server.used, true))
    }

    /// It is gone, having logged in before.
    pub(super) fn remove(&mut self, id: ServerId) {
        match self.by_id[&id].usage {
            Use::Idle { .. } => self.unlist(id),
            Use::Active => {}
            Use::Opening => panic!("a login that breaks failed"),
        }
        self.by_id.remove(&id);
    }

    /// None of those there are is used again.
    pub(super) fn retire(&mut self) {
        for server in self.by_id.values_mut() {
            server.retired = true;
        }
    }

    /// How many are not used again.
    pub(super) fn retired(&self) -> usize {
        self.by_id.values().filter(|server| server.retired).count()
    }

    pub(super) fn is_active(&self, id: ServerId) -> bool {
        self.by_id[&id].usage == Use::Active
    }

    pub(super) fn is_known(&self, id: ServerId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn is_retired(&self, id: ServerId) -> bool {
        self.by_id[&id].retired
    }

    /// Whether it must not be granted any more. A new configuration counts for every server, so
    /// this is not decided when the server is opened.
    pub(super) fn is_over(&self, now: Time, id: ServerId, lifetime: Duration) -> bool {
        let server = &self.by_id[&id];
        if lifetime.is_zero() {
            return server.used;
        }
        server.opened + (lifetime - lifetime / 1000 * server.jitter_permille) <= now
    }

    /// The idle ones.
    pub(super) fn all_idle(&self) -> impl Iterator<Item = ServerId> {
        self.idle.iter().flatten().copied()
    }

    /// Since when an idle one is that.
    pub(super) fn idle_since(&self, id: ServerId) -> Time {
        match self.by_id[&id].usage {
            Use::Idle { since, .. } => since,
            Use::Opening | Use::Active => unreachable!("asked of idle servers only"),
        }
    }

    /// Since when one is idle; `None` if it is not, or not known.
    pub(super) fn idle_from(&self, id: ServerId) -> Option<Time> {
        match self.by_id.get(&id)?.usage {
            Use::Idle { since, .. } => Some(since),
            Use::Opening | Use::Active => None,
        }
    }

    /// Since when the longest unused server is idle, and which it is.
    pub(super) fn longest_idle(&self) -> Option<(Time, ServerId)> {
        self.idle
            .iter()
            .filter_map(|list| list.front())
            .map(|&id| (self.idle_since(id), id))
            .min()
    }

    /// The one that was used last of those that are idle at a worker.
    pub(super) fn last_idle_at(&self, home: WorkerId) -> Option<ServerId> {
        self.idle[home.index()].back().copied()
    }

    /// An idle one, and where it is.
    pub(super) fn any_idle(&self) -> Option<(ServerId, WorkerId)> {
        let id = *self.idle.iter().find_map(|list| list.back())?;
        match self.by_id[&id].usage {
            Use::Idle { home, .. } => Some((id, home)),
            Use::Opening | Use::Active => unreachable!("the idle lists hold idle servers"),
        }
    }

    /// What holds between any two inputs, in debug builds: it takes time with the servers.
    pub(super) fn check(&self) {
        debug_assert_eq!(
            self.idle.iter().map(VecDeque::len).sum::<usize>(),
            self.idle_count as usize
        );
        debug_assert_eq!(
            self.by_id
                .values()
                .filter(|server| server.usage == Use::Opening)
                .count(),
            self.opening_count as usize
        );
    }

    /// Takes an idle server off its list; its usage is the caller's to change.
    fn unlist(&mut self, id: ServerId) {
        let Use::Idle { home, .. } = self.by_id[&id].usage else {
            unreachable!("only idle servers are listed");
        };
        let list = &mut self.idle[home.index()];
        // The one just used is last, and it is the one most often taken.
        let at = list.iter().rposition(|&i| i == id).expect("listed at home");
        list.remove(at);
        self.idle_count -= 1;
    }
}
