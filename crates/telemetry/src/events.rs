//! What happened lately, as a person would note it: told from what changed between snapshots.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::live::LiveEvent;
use crate::pools::PoolSnapshot;
use crate::queues::QUEUE_MIN;
use crate::snapshot::Snapshot;
use crate::terms::Severity;
use crate::timestamp::rfc3339;

/// Events kept.
const EVENTS_MAX: usize = 100;

/// Quiet after which a queue, or a series of refusals, is over. Under load both come and go between
/// looks; each time would be an event too many.
const QUIET: Duration = Duration::from_secs(10);

/// The newest events, and what is needed to tell the next.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The oldest first; at most [`EVENTS_MAX`].
    kept: VecDeque<LiveEvent>,
    /// `None` before the first look.
    ready: Option<bool>,
    draining: bool,
    paused: bool,
    pools: BTreeMap<(Arc<str>, Arc<str>), PoolMemory>,
}

/// How many clients were refused, by the reason.
#[derive(Debug, Clone, Copy, Default)]
struct Reasons {
    queue_full: u64,
    timeout: u64,
    login_failing: u64,
}

impl Reasons {
    fn of(pool: &PoolSnapshot) -> Self {
        let totals = &pool.totals;
        Self {
            queue_full: totals.refusals_queue_full,
            timeout: totals.refusals_timeout,
            login_failing: totals.refusals_login_failing,
        }
    }

    fn sum(self) -> u64 {
        self.queue_full + self.timeout + self.login_failing
    }

    /// Why there are more than `before`.
    fn reasons(self, before: Self) -> String {
        let reasons = [
            (self.queue_full > before.queue_full, "the queue is full"),
            (self.timeout > before.timeout, "they got no server in time"),
            (
                self.login_failing > before.login_failing,
                "logins to PostgreSQL fail",
            ),
        ];
        let grown = reasons.iter().filter(|(grows, _)| *grows);
        let texts: Vec<&str> = grown.map(|(_, text)| *text).collect();
        texts.join("; ")
    }
}

/// A pool at the look before.
#[derive(Debug, Default)]
struct PoolMemory {
    login_failing: bool,
    /// The queue that goes on: the most that waited at once, and the last look that saw one.
    queue: Option<(u32, Duration)>,
    refused: Reasons,
    /// The series of refusals that goes on: how many there were before it, and the last look that
    /// saw one.
    refusing: Option<(u64, Duration)>,
}

impl Events {
    /// Notes what has changed since the look before.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let ready = snapshot.readiness.is_ready();
        let draining = snapshot.readiness.draining;
        if draining && !self.draining {
            self.note(
                snapshot.taken_at,
                Severity::Warning,
                "shutting down".to_owned(),
            );
        } else if self.ready == Some(true) && !ready {
            let mut pools = snapshot.pools.iter();
            let reason = pools.find_map(|pool| pool.login_failure.as_deref());
            let text = match reason {
                Some(reason) => format!("not ready: no PostgreSQL can be reached: {reason}"),
                None => "not ready: no PostgreSQL can be reached".to_owned(),
            };
            self.note(snapshot.taken_at, Severity::Error, text);
        } else if self.ready == Some(false) && ready {
            self.note(snapshot.taken_at, Severity::Info, "ready again".to_owned());
        }
        if snapshot.paused != self.paused {
            let (severity, text) = match snapshot.paused {
                true => (Severity::Warning, "paused: no pool may have a server"),
                false => (Severity::Info, "resumed"),
            };
            self.note(snapshot.taken_at, severity, text.to_owned());
        }
        self.paused = snapshot.paused;
        self.ready = Some(ready);
        self.draining = draining;
        // Pools that are gone stay behind.
        let mut before = std::mem::take(&mut self.pools);
        for pool in &snapshot.pools {
            let name = (pool.database.clone(), pool.user.clone());
            let mut known = before.remove(&name).unwrap_or_default();
            for (severity, text) in known.change(pool, snapshot.uptime) {
                let text = format!("{}/{}: {text}", pool.database, pool.user);
                self.note(snapshot.taken_at, severity, text);
            }
            self.pools.insert(name, known);
        }
    }

    /// The events, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<LiveEvent> {
        self.kept.iter().rev().cloned().collect()
    }

    /// Something happened at `at`.
    pub(crate) fn note(&mut self, at: SystemTime, severity: Severity, text: String) {
        self.kept.push_back(LiveEvent {
            at: rfc3339(at),
            severity,
            text,
        });
        if self.kept.len() > EVENTS_MAX {
            self.kept.pop_front();
        }
    }
}

impl PoolMemory {
    /// Takes over what the pool is like; gives what that means.
    fn change(&mut self, pool: &PoolSnapshot, now: Duration) -> Vec<(Severity, String)> {
        let mut news = Vec::new();
        if pool.login_failing && !self.login_failing {
            let text = match &pool.login_failure {
                Some(reason) => format!("logins to PostgreSQL fail: {reason}"),
                None => "logins to PostgreSQL fail".to_owned(),
            };
            news.push((Severity::Error, text));
        } else if self.login_failing && !pool.login_failing {
            news.push((
                Severity::Info,
                "logins to PostgreSQL succeed again".to_owned(),
            ));
        }
        self.login_failing = pool.login_failing;
        news.extend(self.change_queue(pool.counts.waiting, now));
        news.extend(self.change_refusals(pool, now));
        news
    }

    /// A queue is told of when it begins, and summed up when it is over.
    fn change_queue(&mut self, waiting: u32, now: Duration) -> Option<(Severity, String)> {
        if waiting > QUEUE_MIN {
            let begins = self.queue.is_none();
            let most = self.queue.map_or(0, |(most, _)| most).max(waiting);
            self.queue = Some((most, now));
            let text = format!("{waiting} clients wait for a server");
            return begins.then_some((Severity::Warning, text));
        }
        let (most, last) = self.queue?;
        if now.saturating_sub(last) < QUIET {
            return None;
        }
        self.queue = None;
        let text = format!("the queue is over; {most} clients waited at most");
        Some((Severity::Info, text))
    }

    /// A series of refusals is told of when it begins, and summed up when it is over.
    fn change_refusals(
        &mut self,
        pool: &PoolSnapshot,
        now: Duration,
    ) -> Option<(Severity, String)> {
        let refused = Reasons::of(pool);
        let mut before = std::mem::replace(&mut self.refused, refused);
        if refused.sum() < before.sum() {
            // Another pool of that name, which began to count anew.
            before = Reasons::default();
            self.refusing = None;
        }
        if refused.sum() > before.sum() {
            let begins = self.refusing.is_none();
            let start = self.refusing.map_or(before.sum(), |(start, _)| start);
            self.refusing = Some((start, now));
            let text = format!("clients are refused: {}", refused.reasons(before));
            return begins.then_some((Severity::Error, text));
        }
        let (start, last) = self.refusing?;
        if now.saturating_sub(last) < QUIET {
            return None;
        }
        self.refusing = None;
        let count = refused.sum() - start;
        let noun = if count == 1 {
            "client was"
        } else {
            "clients were"
        };
        Some((
            Severity::Info,
            format!("refusals are over; {count} {noun} refused"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pgweir_pool::work::Totals;

    use super::{EVENTS_MAX, Events, Severity};
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::quiet;

    struct Looks {
        events: Events,
        snapshot: Snapshot,
    }

    impl Looks {
        fn start() -> Self {
            let mut looks = Self {
                events: Events::default(),
                snapshot: quiet(),
            };
            looks.look();
            looks
        }

        fn look(&mut self) {
            self.snapshot.uptime += Duration::from_secs(1);
            self.events.observe(&self.snapshot);
        }

        /// What is new since the last call, the oldest first.
        fn news(&mut self) -> Vec<(Severity, String)> {
            self.look();
            let kept = std::mem::take(&mut self.events.kept);
            kept.into_iter()
                .map(|event| (event.severity, event.text))
                .collect()
        }
    }

    fn texts(news: &[(Severity, &str)]) -> Vec<(Severity, String)> {
        news.iter()
            .map(|(severity, text)| (*severity, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_quiet_pooler_has_nothing_to_tell() {
        let mut looks = Looks::start();
        assert_eq!(looks.news(), []);
    }

    #[test]
    fn failing_logins_begin_and_end_once() {
        let mut looks = Looks::start();
        looks.snapshot.pools[0].login_failing = true;
        looks.snapshot.pools[0].login_failure = Some("Connecting failed.".to_owned());
        looks.snapshot.readiness.failing = 1;
        let failed = "app/bob: logins to PostgreSQL fail: Connecting failed.";
        let cut_off = "not ready: no PostgreSQL can be reached: Connecting failed.";
        let expected = texts(&[(Severity::Error, cut_off), (Severity::Error, failed)]);
        assert_eq!(looks.news(), expected);
        assert_eq!(looks.news(), []);
        looks.snapshot.pools[0].login_failing = false;
        looks.snapshot.readiness.failing = 0;
        let again = "app/bob: logins to PostgreSQL succeed again";
        let expected = texts(&[(Severity::Info, "ready again"), (Severity::Info, again)]);
        assert_eq!(looks.news(), expected);
    }

    #[test]
    fn a_queue_is_told_of_when_it_is_long_and_when_it_is_over() {
        let mut looks = Looks::start();
        let mut told = |waiting| {
            looks.snapshot.pools[0].counts.waiting = waiting;
            looks.news()
        };
        assert_eq!(told(5), []);
        let long = "app/bob: 6 clients wait for a server";
        assert_eq!(told(6), texts(&[(Severity::Warning, long)]));
        for waiting in [0, 9, 0, 0, 7] {
            assert_eq!(told(waiting), [], "still the same queue");
        }
        for _ in 0..9 {
            assert_eq!(told(3), []);
        }
        let over = "app/bob: the queue is over; 9 clients waited at most";
        assert_eq!(told(0), texts(&[(Severity::Info, over)]));
    }

    #[test]
    fn refusals_are_told_of_at_first_and_summed_up_at_last() {
        let mut looks = Looks::start();
        looks.snapshot.pools[0].totals.refusals_timeout = 2;
        let first = "app/bob: clients are refused: they got no server in time";
        assert_eq!(looks.news(), texts(&[(Severity::Error, first)]));
        looks.snapshot.pools[0].totals.refusals_queue_full = 5;
        assert_eq!(looks.news(), []);
        for _ in 0..9 {
            assert_eq!(looks.news(), []);
        }
        let last = "app/bob: refusals are over; 7 clients were refused";
        assert_eq!(looks.news(), texts(&[(Severity::Info, last)]));
    }

    #[test]
    fn refusals_are_told_of_with_their_reason() {
        type Grow = fn(&mut Totals);
        let cases: [(Grow, &str); 4] = [
            (
                |totals| totals.refusals_queue_full += 1,
                "the queue is full",
            ),
            (
                |totals| totals.refusals_timeout += 1,
                "they got no server in time",
            ),
            (
                |totals| totals.refusals_login_failing += 1,
                "logins to PostgreSQL fail",
            ),
            (
                |totals| {
                    totals.refusals_queue_full += 1;
                    totals.refusals_timeout += 3;
                },
                "the queue is full; they got no server in time",
            ),
        ];
        for (grow, reason) in cases {
            let mut looks = Looks::start();
            grow(&mut looks.snapshot.pools[0].totals);
            let text = format!("app/bob: clients are refused: {reason}");
            assert_eq!(looks.news(), texts(&[(Severity::Error, &text)]));
        }
    }

    #[test]
    fn a_shutdown_is_told_of_and_is_no_loss_of_postgresql() {
        let mut looks = Looks::start();
        looks.snapshot.readiness.draining = true;
        assert_eq!(looks.news(), texts(&[(Severity::Warning, "shutting down")]));
        assert_eq!(looks.news(), []);
    }

    #[test]
    fn a_pause_is_told_of_when_it_begins_and_ends() {
        let mut looks = Looks::start();
        looks.snapshot.paused = true;
        let paused = (Severity::Warning, "paused: no pool may have a server");
        assert_eq!(looks.news(), texts(&[paused]));
        assert_eq!(looks.news(), []);
        looks.snapshot.paused = false;
        assert_eq!(looks.news(), texts(&[(Severity::Info, "resumed")]));
    }

    #[test]
    fn no_more_than_the_newest_are_kept() {
        let mut looks = Looks::start();
        for round in 0..EVENTS_MAX {
            looks.snapshot.pools[0].login_failing = round % 2 == 0;
            looks.look();
        }
        looks.snapshot.pools[0].counts.waiting = 99;
        looks.look();
        let newest = looks.events.newest_first();
        assert_eq!(newest.len(), EVENTS_MAX);
        assert_eq!(newest[0].text, "app/bob: 99 clients wait for a server");
    }
}
