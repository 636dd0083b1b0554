//! What happened lately, as a person would note it: told from what changed between snapshots.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::queues::QUEUE_MIN;
use super::timestamp::rfc3339;
use crate::snapshot::{PoolSnapshot, Snapshot};

/// Events kept.
const EVENTS_MAX: usize = 100;

/// Quiet after which a queue, or a series of refusals, is over. Under load both come and go between
/// looks; each time would be an event too many.
const QUIET: Duration = Duration::from_secs(10);

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Good to know, or good news.
    Info,
    /// Clients are slowed.
    Warning,
    /// Clients see errors, or will.
    Error,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Event {
    at: String,
    severity: Severity,
    text: String,
}

/// The newest events, and what is needed to tell the next.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The oldest first; at most [`EVENTS_MAX`].
    kept: VecDeque<Event>,
    /// `None` before the first look.
    ready: Option<bool>,
    draining: bool,
    pools: BTreeMap<(Arc<str>, Arc<str>), Known>,
}

/// How many clients were refused, by the reason.
#[derive(Debug, Clone, Copy, Default)]
struct Refusals {
    queue_full: u64,
    timeout: u64,
    login_failing: u64,
}

impl Refusals {
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
struct Known {
    login_failing: bool,
    /// The queue that goes on: the most that waited at once, and the last look that saw one.
    queue: Option<(u32, Duration)>,
    refused: Refusals,
    /// The series of refusals that goes on: how many there were before it, and the last look that
    /// saw one.
    refusing: Option<(u64, Duration)>,
}

impl Events {
    /// Notes what has changed since the look before.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) {
        let ready = snapshot.readiness.is_ready();
        let draining = snapshot.readiness.draining;
        if draining && !self.draining {
            self.note(
                snapshot.taken_at,
                Severity::Warning,
                "shutting down".to_owned(),
            );
        } else if self.ready == Some(true) && !ready {
            let text = "not ready: no PostgreSQL can be reached";
            self.note(snapshot.taken_at, Severity::Error, text.to_owned());
        } else if self.ready == Some(false) && ready {
            self.note(snapshot.taken_at, Severity::Info, "ready again".to_owned());
        }
        self.ready = Some(ready);
        self.draining = draining;
        for pool in &snapshot.pools {
            let name = (pool.database.clone(), pool.user.clone());
            // Taken out and put back, for notes need all of `self`.
            let mut known = self.pools.remove(&name).unwrap_or_default();
            for (severity, text) in known.change(pool, snapshot.uptime) {
                let text = format!("{}/{}: {text}", pool.database, pool.user);
                self.note(snapshot.taken_at, severity, text);
            }
            self.pools.insert(name, known);
        }
    }

    /// The events, the newest first.
    pub(super) fn newest_first(&self) -> Vec<&Event> {
        self.kept.iter().rev().collect()
    }

    /// Something happened at `at`.
    pub(super) fn note(&mut self, at: SystemTime, severity: Severity, text: String) {
        self.kept.push_back(Event {
            at: rfc3339(at),
            severity,
            text,
        });
        if self.kept.len() > EVENTS_MAX {
            self.kept.pop_front();
        }
    }
}

impl Known {
    /// Takes over what the pool is like; gives what that means.
    fn change(&mut self, pool: &PoolSnapshot, now: Duration) -> Vec<(Severity, String)> {
        let mut news = Vec::new();
        if pool.login_failing && !self.login_failing {
            let text = "logins to PostgreSQL fail; the log has the reason";
            news.push((Severity::Error, text.to_owned()));
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
        let refused = Refusals::of(pool);
        let before = std::mem::replace(&mut self.refused, refused);
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
    use crate::http::tests::world;
    use crate::snapshot::Snapshot;

    struct Course {
        events: Events,
        snapshot: Snapshot,
    }

    impl Course {
        fn start() -> Self {
            let mut course = Self {
                events: Events::default(),
                snapshot: Snapshot::take(&world("").registry),
            };
            course.look();
            course
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
        let mut course = Course::start();
        assert_eq!(course.news(), []);
    }

    #[test]
    fn failing_logins_begin_and_end_once() {
        let mut course = Course::start();
        course.snapshot.pools[0].login_failing = true;
        course.snapshot.readiness.failing = 1;
        let failed = "app/bob: logins to PostgreSQL fail; the log has the reason";
        let cut_off = "not ready: no PostgreSQL can be reached";
        let expected = texts(&[(Severity::Error, cut_off), (Severity::Error, failed)]);
        assert_eq!(course.news(), expected);
        assert_eq!(course.news(), []);
        course.snapshot.pools[0].login_failing = false;
        course.snapshot.readiness.failing = 0;
        let again = "app/bob: logins to PostgreSQL succeed again";
        let expected = texts(&[(Severity::Info, "ready again"), (Severity::Info, again)]);
        assert_eq!(course.news(), expected);
    }

    #[test]
    fn a_queue_is_told_of_when_it_is_long_and_when_it_is_over() {
        let mut course = Course::start();
        let mut told = |waiting| {
            course.snapshot.pools[0].counts.waiting = waiting;
            course.news()
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
        let mut course = Course::start();
        course.snapshot.pools[0].totals.refusals_timeout = 2;
        let first = "app/bob: clients are refused: they got no server in time";
        assert_eq!(course.news(), texts(&[(Severity::Error, first)]));
        course.snapshot.pools[0].totals.refusals_queue_full = 5;
        assert_eq!(course.news(), []);
        for _ in 0..9 {
            assert_eq!(course.news(), []);
        }
        let last = "app/bob: refusals are over; 7 clients were refused";
        assert_eq!(course.news(), texts(&[(Severity::Info, last)]));
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
            let mut course = Course::start();
            grow(&mut course.snapshot.pools[0].totals);
            let text = format!("app/bob: clients are refused: {reason}");
            assert_eq!(course.news(), texts(&[(Severity::Error, &text)]));
        }
    }

    #[test]
    fn a_shutdown_is_told_of_and_is_no_loss_of_postgresql() {
        let mut course = Course::start();
        course.snapshot.readiness.draining = true;
        assert_eq!(
            course.news(),
            texts(&[(Severity::Warning, "shutting down")])
        );
        assert_eq!(course.news(), []);
    }

    #[test]
    fn no_more_than_the_newest_are_kept() {
        let mut course = Course::start();
        for round in 0..EVENTS_MAX {
            course.snapshot.pools[0].login_failing = round % 2 == 0;
            course.look();
        }
        course.snapshot.pools[0].counts.waiting = 99;
        course.look();
        let newest = course.events.newest_first();
        assert_eq!(newest.len(), EVENTS_MAX);
        assert_eq!(newest[0].text, "app/bob: 99 clients wait for a server");
    }
}
