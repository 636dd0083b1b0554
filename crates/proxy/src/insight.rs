//! What the pooler finds out about statements and their clients: which cost the most, which were
//! slow, which are repeated in vain, and who holds servers.

mod holders;
mod ring;
mod slow;
mod tables;
mod waiters;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::repeats::REPEATS_MIN;
use pgweir_pool::statements::{Statement, StatementKey};
use pgweir_pool::trace::{Finding, Trace, Unseen};
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::sqlcommenter::Tag;
use pgweir_telemetry::services::{ServiceClients, ServiceSnapshot, Services};
use tracing::warn;

pub(crate) use holders::{Holder, Holders, Locking, NOTED_AFTER, Noted};

use crate::pool_handle::PoolHandle;
use crate::texts;
use ring::Ring;
pub(crate) use slow::SlowStatement;
use tables::Tables;
pub(crate) use waiters::{WAITERS_MAX, Waiter};

/// Findings of a kind that are kept to be shown; the oldest goes first.
const KEPT: usize = 100;

/// Lines that findings of a kind write into the log in one second; of more, the number is told.
const LINES_PER_SECOND: u32 = 10;

/// How often a statement that goes on to be repeated is told of in the log.
const REPEATED_AGAIN: Duration = Duration::from_secs(60);

/// Characters of an application's name that are kept with a finding.
const APPLICATION_MAX: usize = 64;

/// Whose statement it was.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) database: Arc<str>,
    pub(crate) user: Arc<str>,
    /// The client's number for cancel requests.
    pub(crate) client: u32,
    pub(crate) application: String,
}

/// A statement that a client repeated, a round trip each.
#[derive(Debug, Clone)]
pub(crate) struct RepeatedStatement {
    pub(crate) at: SystemTime,
    pub(crate) author: Author,
    pub(crate) statement: Fingerprint,
    /// Without literals.
    pub(crate) text: String,
    /// At least so often in a row.
    pub(crate) times: u32,
    /// How many clients and transactions did that.
    pub(crate) found: u64,
    /// When the log told of it last.
    told: SystemTime,
    pub(crate) tags: Vec<Tag>,
}

/// Shared by all threads. Each lock is held for a moment, and none while another is.
pub(crate) struct Insight {
    statements: Tables,
    slow: Mutex<Ring<SlowStatement>>,
    repeated: Mutex<Ring<RepeatedStatement>>,
    /// Of what functions left in sessions, only lines are counted.
    unseen: Mutex<Ring<()>>,
    holders: Vec<Mutex<Holders>>,
    waiters: Vec<Mutex<Vec<Waiter>>>,
    /// As each worker counted them.
    counted: Vec<Mutex<Vec<ServiceClients>>>,
    services: Mutex<Services>,
}

impl Insight {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            statements: Tables::new(workers),
            slow: Mutex::new(Ring::new(KEPT, LINES_PER_SECOND)),
            repeated: Mutex::new(Ring::new(KEPT, LINES_PER_SECOND)),
            unseen: Mutex::new(Ring::new(KEPT, LINES_PER_SECOND)),
            holders: (0..workers).map(|_| Mutex::default()).collect(),
            waiters: (0..workers).map(|_| Mutex::default()).collect(),
            counted: (0..workers).map(|_| Mutex::default()).collect(),
            services: Mutex::default(),
        }
    }

    /// Forgets the statements of a pool that is gone.
    pub(crate) fn forget(&self, pool: PoolId) {
        self.statements.forget(pool);
    }

    /// Takes what was collected with a server. `author` is asked only if there is something to
    /// tell of.
    pub(crate) fn take(
        &self,
        pool: &PoolHandle,
        server: ServerId,
        trace: &mut Trace,
        author: impl FnOnce() -> Author,
    ) {
        if !trace.has_news() {
            return;
        }
        self.statements.take(pool.id, server, trace);
        let findings = trace.take_findings();
        if findings.is_empty() {
            return;
        }
        let author = author();
        for finding in findings {
            self.tell(pool.id, &author, finding);
        }
    }

    /// The statements that cost the most.
    pub(crate) fn top(&self, many: usize) -> Vec<(StatementKey, Statement)> {
        self.statements.top(many)
    }

    /// Slow statements, the latest first.
    pub(crate) fn slow(&self) -> Vec<SlowStatement> {
        let slow = self.slow.lock().expect("no panic under the lock");
        slow.latest()
    }

    /// Repeated statements, the latest first.
    pub(crate) fn repeated(&self) -> Vec<RepeatedStatement> {
        let repeated = self.repeated.lock().expect("no panic under the lock");
        repeated.latest()
    }

    /// Says who holds servers at a worker.
    pub(crate) fn set_holders(&self, worker: WorkerId, holders: Holders) {
        *self.holders[worker.index()]
            .lock()
            .expect("no panic under the lock") = holders;
    }

    /// Says who has waited longest for a server at a worker.
    pub(crate) fn set_waiters(&self, worker: WorkerId, waiters: Vec<Waiter>) {
        *self.waiters[worker.index()]
            .lock()
            .expect("no panic under the lock") = waiters;
    }

    /// Says which services use the pools at a worker.
    pub(crate) fn set_services(&self, worker: WorkerId, counted: Vec<ServiceClients>) {
        *self.counted[worker.index()]
            .lock()
            .expect("no panic under the lock") = counted;
    }

    /// Which services use the pools; `pool` says how many servers one may have and how many are free.
    pub(crate) fn services(&self, pool: impl Fn(PoolId) -> (u32, u32)) -> Vec<ServiceSnapshot> {
        let mut all = Vec::new();
        for counted in &self.counted {
            all.extend_from_slice(&counted.lock().expect("no panic under the lock"));
        }
        let mut services = self.services.lock().expect("no panic under the lock");
        services.sum(&all, pool)
    }

    /// Who has waited longest for a server, with that one first.
    pub(crate) fn waiters(&self) -> Vec<Waiter> {
        let mut all: Vec<Waiter> = Vec::new();
        for waiters in &self.waiters {
            all.extend_from_slice(&waiters.lock().expect("no panic under the lock"));
        }
        all.sort_by_key(|waiter| Reverse(waiter.waited));
        all
    }

    /// Who holds servers, and the text of what each executed last: first those whose locks most wait
    /// for, then who is quiet for longest.
    pub(crate) fn holders(&self) -> Vec<(Holder, String)> {
        let mut all: Vec<Holder> = Vec::new();
        for holders in &self.holders {
            let holders = holders.lock().expect("no panic under the lock");
            all.extend(holders.iter().cloned());
        }
        all.sort_by_key(|holder| Reverse((holder.locking.behind(), holder.quiet)));
        all.into_iter()
            .map(|holder| {
                let text = self.text_of(&holder);
                (holder, text)
            })
            .collect()
    }

    /// Who holds this server, and the text of its last statement, if it is held for longer than a
    /// moment.
    pub(crate) fn holder_of(&self, server: ServerId) -> Option<(Holder, String)> {
        let find = |holders: &Mutex<Holders>| {
            let holders = holders.lock().expect("no panic under the lock");
            holders
                .iter()
                .find(|holder| holder.server == server)
                .cloned()
        };
        let holder = self.holders.iter().find_map(find)?;
        let text = self.text_of(&holder);
        Some((holder, text))
    }

    /// Writes a leak into the log.
    pub(crate) fn warn_of_leak(&self, holder: &Holder) {
        holder.warn(&self.text_of(holder));
    }

    /// Text of what a holder executed last; empty where it was not kept.
    fn text_of(&self, holder: &Holder) -> String {
        self.text(holder.pool.id, holder.statement)
    }

    /// Text of a statement, without literals; empty where it was not kept.
    pub(crate) fn text(&self, pool: PoolId, statement: Fingerprint) -> String {
        self.statements.text(pool, statement).unwrap_or_default()
    }

    fn tell(&self, pool: PoolId, author: &Author, finding: Finding) {
        let text = |statement| {
            let text = self.statements.text(pool, statement);
            text.unwrap_or_else(|| "(text not kept)".to_owned())
        };
        match finding {
            Finding::Slow {
                statement,
                slowness,
                waited,
                took,
            } => {
                let text = text(statement);
                let times = (waited, took);
                let slow = SlowStatement::new(author.clone(), statement, text, slowness, times);
                slow.tell(&mut self.slow.lock().expect("no panic under the lock"));
            }
            Finding::Repeated {
                statement,
                times,
                tags,
            } => self.tell_repeated(RepeatedStatement {
                at: SystemTime::now(),
                author: author.clone(),
                statement,
                text: text(statement),
                times,
                found: u64::from(times == REPEATS_MIN),
                told: SystemTime::UNIX_EPOCH,
                tags,
            }),
            Finding::Unseen(unseen) => self.tell_unseen(author, &unseen, text),
        }
    }

    /// Writes what a function left in its session into the log.
    fn tell_unseen(&self, author: &Author, unseen: &Unseen, text: impl Fn(Fingerprint) -> String) {
        let mut lines = self.unseen.lock().expect("no panic under the lock");
        let Some(untold) = lines.line(SystemTime::now()) else {
            return;
        };
        let statements = unseen.statements.iter().map(|known| text(*known));
        warn!(
            database = &*author.database,
            user = &*author.user,
            client = author.client,
            application_name = author.application,
            closed = !unseen.is_clients,
            untold,
            "a session has {} that no text told of; in the lease ran: {}",
            texts::left(unseen),
            statements.collect::<Vec<_>>().join("; "),
        );
    }

    /// One line and one entry per statement and application, however often it happens: a loop that
    /// runs all day must not hide the others.
    fn tell_repeated(&self, mut repeated: RepeatedStatement) {
        let mut ring = self.repeated.lock().expect("no panic under the lock");
        if let Some(before) = ring.take(|other| other.is_like(&repeated)) {
            repeated.times = repeated.times.max(before.times);
            repeated.found += before.found;
            repeated.told = before.told;
            if repeated.tags.is_empty() {
                repeated.tags = before.tags;
            }
        }
        let is_told =
            (repeated.at.duration_since(repeated.told)).is_ok_and(|since| since < REPEATED_AGAIN);
        if !is_told && let Some(untold) = ring.line(repeated.at) {
            repeated.told = repeated.at;
            let tags: Vec<String> = repeated
                .tags
                .iter()
                .map(|tag| format!("{}={}", tag.key, tag.value))
                .collect();
            warn!(
                database = &*repeated.author.database,
                user = &*repeated.author.user,
                client = repeated.author.client,
                application_name = repeated.author.application,
                fingerprint = %repeated.statement,
                tags = tags.join(","),
                untold,
                "N+1 suspected: {} repeated {} times, a round trip each",
                repeated.text,
                repeated.times,
            );
        }
        ring.push(repeated);
    }
}

impl RepeatedStatement {
    fn is_like(&self, other: &Self) -> bool {
        self.statement == other.statement && self.author.is_like(&other.author)
    }
}

impl Author {
    /// Who a client of `pool` is.
    pub(crate) fn new(pool: &PoolHandle, client: u32, application: Option<&str>) -> Self {
        let application = application.unwrap_or_default();
        Self {
            database: pool.database.clone(),
            user: pool.user.clone(),
            client,
            application: application.chars().take(APPLICATION_MAX).collect(),
        }
    }

    /// Whether it is the same application, whatever its clients.
    fn is_like(&self, other: &Self) -> bool {
        self.application == other.application
            && self.database == other.database
            && self.user == other.user
    }
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
