//! What is remembered from one look to the next, and the live document that comes of it.

use std::time::SystemTime;

use crate::causes::Causes;
use crate::events::Events;
use crate::findings::{self, Findings};
use crate::history::{History, Recent};
use crate::live::{ErrorCount, Live, LivePool, LivePostgres, LiveSum, LiveWorker};
use crate::millis;
use crate::pools::{self, PoolSnapshot, PoolStats};
use crate::queues::Queues;
use crate::refusals::Refusals;
use crate::snapshot::{DatabaseSnapshot, Snapshot};
use crate::terms::Severity;
use crate::timestamp::rfc3339;
use crate::window::Window;

/// The past of a pooler, as far as views show it. Takes a look once per second, whether anybody
/// watches or not, so that a view that was opened a moment ago knows as much as any other.
#[derive(Debug, Default)]
pub struct Recorder {
    history: History,
    events: Events,
    queues: Queues,
    causes: Causes,
    refusals: Refusals,
}

impl Recorder {
    /// Takes a look. To be called once per second or so.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        self.history.observe(snapshot);
        self.events.observe(snapshot);
        self.queues.observe(snapshot);
        self.causes.observe(snapshot);
        self.refusals.observe(snapshot);
    }

    /// Something happened at `at` that is no difference between two looks.
    pub fn note(&mut self, at: SystemTime, text: String) {
        self.events.note(at, Severity::Info, text);
    }

    /// The live document as of a snapshot, with the figures of a window.
    pub fn document(&self, snapshot: &Snapshot, findings: Findings, window: Window) -> Live {
        let workers = snapshot.workers.iter().map(|worker| LiveWorker {
            busy: f64::from(worker.busy_permille) / 1000.0,
            clients: worker.clients,
        });
        let errors = snapshot.errors.iter().map(|(sqlstate, count)| ErrorCount {
            sqlstate: sqlstate.clone(),
            count: *count,
        });
        let pools = snapshot.pools.iter();
        let sum = self.history.sum(snapshot, window);
        let causes = |pool: &PoolSnapshot| self.causes.of(pool);
        let waits = findings::waits(&snapshot.pools, causes, &sum.counts, findings.blame);
        let mut waiters = findings.waiters;
        findings::explain(&mut waiters, &snapshot.pools, causes);
        let mut live = Live {
            version: snapshot.version.to_owned(),
            timestamp: rfc3339(snapshot.taken_at),
            uptime_seconds: snapshot.uptime.as_secs(),
            ready: snapshot.readiness.is_ready(),
            draining: snapshot.readiness.draining,
            paused: snapshot.paused,
            suspended: snapshot.suspended,
            paused_databases: stopped(snapshot, |one| one.paused && !snapshot.paused),
            disabled_databases: stopped(snapshot, |one| one.disabled),
            connect: snapshot.connect.clone(),
            clients: snapshot.clients,
            clients_limit: snapshot.clients_max,
            alarms: None,
            headline: None,
            workers: workers.collect(),
            errors: errors.collect(),
            window,
            times_seconds: self.history.span(snapshot, window).as_secs(),
            sum: live_sum(sum),
            columns: pools::columns(),
            pools: pools
                .map(|pool| self.pool(snapshot, pool, window))
                .collect(),
            history: self.history.columns(snapshot),
            statements: Some(findings.statements),
            slow: Some(findings.slow),
            n_plus_one: Some(findings.n_plus_one),
            holders: Some(findings.holders),
            waiters: Some(waiters),
            waits: Some(waits),
            blockers: Some(findings.blockers),
            postgres: Some(snapshot.postgres.iter().map(LivePostgres::of).collect()),
            events: Some(self.events.newest_first()),
        };
        live.judge(&self.refusals.lately(snapshot));
        live
    }

    fn pool(&self, snapshot: &Snapshot, pool: &PoolSnapshot, window: Window) -> LivePool {
        let recent = self.history.recent(snapshot, pool, window);
        let cause = self.causes.of(pool);
        LivePool {
            stats: PoolStats::of_window(pool, &recent.counts, recent.times),
            reserve_limit: pool.reserve_max,
            wait_limit_ms: pool.wait_max.map(millis),
            queued_ms: self.queues.age(snapshot, pool).map(millis),
            cause: cause.map(|cause| cause.name().to_owned()),
            transactions_per_second: recent.transactions_per_second,
            queries_per_second: recent.queries_per_second,
            login_failure: pool.login_failure.clone(),
            trouble: None,
        }
    }
}

/// What all pools did.
fn live_sum(recent: Recent) -> LiveSum {
    let [wait_ms, _, query_ms] = recent.times;
    LiveSum {
        transactions_per_second: recent.transactions_per_second,
        queries_per_second: recent.queries_per_second,
        refused: pools::refused(&recent.counts),
        errors: recent.counts.errors,
        wait_ms,
        query_ms,
    }
}

/// The names of the databases that are stopped in some way.
fn stopped(snapshot: &Snapshot, is_so: impl Fn(&DatabaseSnapshot) -> bool) -> Vec<String> {
    let databases = snapshot.databases.iter();
    databases
        .filter(|one| is_so(one))
        .map(|one| one.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
