//! What each PostgreSQL does, as it tells itself: sessions against its limits, ours and those from
//! elsewhere, and what the active ones wait for.
//!
//! Per host and port of the configuration, one connection asks `pg_stat_activity` once per
//! `probe_interval`. It belongs to no pool and counts against no limit of the pooler: it is one
//! connection beyond them, for it must not wait behind the very clients it is to explain. The
//! probes live on the thread of HTTP, where alone their findings are shown, so they delay no login
//! and no query; without HTTP there are none.
//!
//! While somebody waits for a lock, it also asks who holds it.
//!
//! Deciding is pure and tested without I/O: [`target`](crate::probes::target) (whom to ask, and as whom), [`activity`]
//! (rows into facts), [`averages`] (over the last minute) and [`chains`] (who blocks whom).

mod activity;
mod averages;
mod chains;
mod session;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ServerId;
use pgweir_pool::pool::VACANT;
use pgweir_pool::time::Time;
use pgweir_telemetry::postgres::{Activity, Privilege, Seen};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use averages::Averages;
use chains::Chains;
pub(crate) use session::{Failure, ProbeLogin, ProbeSession};

use crate::halt;
use crate::locks::Locks;
use crate::pool_handle::Keys;
use crate::probes::Known;
use crate::probes::target::{self, Target};
use crate::registry::Registry;
use pgweir_config::{Config, ServerPassword, Tcp};

/// Time for an answer, the query's running time included.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failure; it doubles with each further one, up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long a statement has waited for a lock when the log tells of who holds it. Shorter waits are
/// the ordinary price of writing to the same rows.
const BLAMED_AFTER: Duration = Duration::from_secs(1);

/// How long a look at short waits for locks may be taken for the present, whatever the period.
const CROWDED_MAX: Duration = Duration::from_secs(3);

/// Looks at all PostgreSQLs of the configuration, as it is from time to time. Never returns.
///
/// # Cancel safety
/// Dropped, it takes its connections with it.
pub(crate) async fn run(registry: Arc<Registry>) {
    let mut running: BTreeMap<Arc<str>, Running> = BTreeMap::new();
    let mut told_off = false;
    loop {
        let config = registry.config();
        let is_off = config.probe_interval.is_none();
        if is_off && !told_off {
            info!("PostgreSQL is not probed: probe_interval is 0");
        }
        told_off = is_off;
        let wanted: BTreeMap<Arc<str>, Plan> = config
            .probe_interval
            .into_iter()
            .flat_map(|period| plans(&config, period))
            .map(|plan| (plan.target.name.clone(), plan))
            .collect();
        running.retain(|name, running| {
            let stays = wanted.get(name) == Some(&running.plan);
            if !stays {
                registry.probes.set(name, None);
                registry.locks.set(name, None);
            }
            stays
        });
        for (name, plan) in wanted {
            running
                .entry(name)
                .or_insert_with(|| Running::start(&registry, plan));
        }
        registry.probes.wait_for_config().await;
    }
}

/// How one PostgreSQL is looked at.
#[derive(Clone, PartialEq)]
struct Plan {
    target: Target,
    period: Duration,
    tcp: Tcp,
}

fn plans(config: &Config, period: Duration) -> impl Iterator<Item = Plan> {
    let plan = move |target| Plan {
        target,
        period,
        tcp: config.tcp.clone(),
    };
    target::all(config).into_iter().map(plan)
}

/// A task that follows a plan. It ends when this is dropped.
struct Running {
    plan: Plan,
    task: JoinHandle<()>,
}

impl Running {
    fn start(registry: &Arc<Registry>, plan: Plan) -> Self {
        let watch = Watch {
            registry: registry.clone(),
            plan: plan.clone(),
            averages: Averages::default(),
            labels: activity::Labels::default(),
            told: Told::Nothing,
            user: String::new(),
            crowded: BTreeSet::new(),
            blamed: BTreeSet::new(),
        };
        Self {
            plan,
            task: tokio::spawn(watch.run()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks once.
async fn ask(session: &mut ProbeSession, sql: &str) -> Result<Vec<Vec<u8>>, Failure> {
    timeout(ANSWER_TIMEOUT, session.ask(sql))
        .await
        .unwrap_or(Err(Failure::Timeout(ANSWER_TIMEOUT)))
}

/// Finds out who holds the locks that sessions of ours wait for. What begins with the look `at`
/// is asked for only if there are any.
async fn locks(
    session: &mut ProbeSession,
    at: Time,
    activity: &Activity,
    ours: &HashMap<u32, ServerId>,
) -> Result<Locks, Failure> {
    let mut chains = Chains::new(&activity.blocked, |pid| ours.contains_key(&pid));
    while let Some(question) = chains.question() {
        match ask(session, &question).await {
            Ok(rows) => chains.answer(&rows).ok_or(Failure::Unreadable)?,
            // That somebody waits for a lock is known even where nobody may ask for whose.
            Err(Failure::Refused(_)) => break,
            Err(failure) => return Err(failure),
        }
    }
    let ends = chains.ends();
    let rows = match ends.question(ours) {
        Some(question) => match ask(session, &question).await {
            Ok(rows) => rows,
            Err(Failure::Refused(_)) => Vec::new(),
            Err(failure) => return Err(failure),
        },
        None => Vec::new(),
    };
    let locks = ends.locks(at, &activity.blocked, ours, &rows);
    locks.ok_or(Failure::Unreadable)
}

/// What the log knows of a probe, so that it is told of changes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    NoUser,
    Away,
    Seen(Privilege),
}

/// Looks at one PostgreSQL.
struct Watch {
    registry: Arc<Registry>,
    plan: Plan,
    averages: Averages,
    labels: activity::Labels,
    told: Told,
    /// As whom the session is logged in.
    user: String,
    /// Pools that were told of servers that wait for locks for a moment.
    crowded: BTreeSet<PoolId>,
    /// Processes that the log has told of as holders of locks, while they are.
    blamed: BTreeSet<Option<u32>>,
}

impl Watch {
    async fn run(mut self) {
        let server = self.plan.target.name.clone();
        let mut pause = PAUSE_MIN;
        loop {
            self.wait_for_the_end_of_a_pause().await;
            let Some(login) = self.login() else {
                if self.told != Told::NoUser {
                    info!(
                        server = &*server,
                        "PostgreSQL is not probed until a client has logged in, as no user has a \
                         password here; set probe_user"
                    );
                    self.told = Told::NoUser;
                }
                sleep(PAUSE_MIN).await;
                continue;
            };
            self.user.clone_from(&login.user);
            let database = login.database.clone();
            let mut wanted = self.registry.probes.wanted();
            let probes = &self.registry.probes;
            let mut known = None;
            let ways = (
                &self.plan.tcp,
                &*self.registry.connectors,
                &self.registry.vault,
            );
            let began = self.registry.clock.now();
            let opening = ProbeSession::open(&self.plan.target, login, ways);
            let failure = match opening.await {
                Ok(mut session) => {
                    probes.set(&server, None);
                    let address = self.plan.target.address.clone();
                    let registry = self.registry.clone();
                    registry.postgres_is_back(&address, began);
                    let probes = &registry.probes;
                    let failure = tokio::select! {
                        failure = self.look(&mut session) => failure,
                        () = probes.wait_for_halt(|| halt::is_paused(&registry, &address)) => continue,
                        () = wanted.wait_for(&address, &database) => {
                            drop(session);
                            // As long as PostgreSQL waits for that.
                            sleep(VACANT).await;
                            continue;
                        }
                    };
                    if matches!(self.told, Told::Seen(_)) {
                        pause = PAUSE_MIN;
                    }
                    failure
                }
                Err(failure) => {
                    known = failure.is_unreachable().then_some(Known::Unreachable);
                    failure
                }
            };
            self.registry.probes.set(&server, known);
            self.registry.locks.set(&server, None);
            if self.told != Told::Away {
                warn!(server = &*server, "probe of PostgreSQL failed: {failure}");
                self.told = Told::Away;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.registry.probes.wait_for_retry() => sleep(PAUSE_MIN).await,
            }
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    /// While nothing may use the PostgreSQL, nothing is known of it.
    async fn wait_for_the_end_of_a_pause(&self) {
        let (registry, address) = (&self.registry, &self.plan.target.address);
        if halt::is_paused(registry, address) {
            let server = &self.plan.target.name;
            registry.probes.set(server, None);
            registry.locks.set(server, None);
            let is_over = || !halt::is_paused(registry, address);
            registry.probes.wait_for_halt(is_over).await;
        }
    }

    /// As whom to log in: as the target says, or with the key that a client's login brought.
    fn login(&self) -> Option<ProbeLogin> {
        let target = &self.plan.target;
        if let Some(account) = &target.account {
            return Some(ProbeLogin {
                user: account.user.clone(),
                password: account.password.clone(),
                keys: Keys::default(),
                database: target.database.clone(),
            });
        }
        self.registry.pools().iter().find_map(|pool| {
            let settings = pool.settings();
            let database = &settings.database;
            if database.server != target.address || database.forced_user.is_some() {
                return None;
            }
            let keys = pool.keys.lock().expect("no panic under the lock").clone();
            keys.passed.is_some().then(|| ProbeLogin {
                user: pool.user.to_string(),
                password: ServerPassword::None,
                keys,
                database: database
                    .dbname
                    .clone()
                    .unwrap_or_else(|| pool.database.to_string()),
            })
        })
    }

    /// Looks again and again, until that fails.
    async fn look(&mut self, session: &mut ProbeSession) -> Failure {
        let mut due = interval(self.plan.period);
        // A slow answer must not be followed by a burst of questions.
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let backends = &self.registry.backends;
            // A server that is opened or closed meanwhile was ours at one of the two moments.
            let mut ours = backends.processes(session.peer());
            let at = self.registry.clock.now();
            let rows = match ask(session, activity::QUERY).await {
                Ok(rows) => rows,
                Err(failure) => return failure,
            };
            ours.extend(backends.processes(session.peer()));
            let Some(activity) = activity::read(&rows, &ours, &mut self.labels) else {
                return Failure::Unreadable;
            };
            self.tell(activity.privilege);
            let locks = match locks(session, at, &activity, &ours).await {
                Ok(locks) => locks,
                Err(failure) => return failure,
            };
            self.blame(&locks);
            self.tell_crowded(&locks);
            let server = &self.plan.target.name;
            self.registry.locks.set(server, Some(locks));
            self.averages
                .add(self.registry.clock.now(), activity.waits.clone());
            let seen = Seen {
                averages: self.averages.shown(),
                activity,
            };
            let known = Known::Seen(Arc::new(seen));
            self.registry
                .probes
                .set(&self.plan.target.name, Some(known));
        }
    }

    /// Tells the log of those who hold locks for long, once each.
    fn blame(&mut self, locks: &Locks) {
        let all = locks.sightings(&self.plan.target.name);
        let long = all.filter(|seen| seen.root.longest >= BLAMED_AFTER);
        let mut blamed = BTreeSet::new();
        for seen in long {
            blamed.insert(seen.root.pid);
            if !self.blamed.contains(&seen.root.pid) {
                self.registry.blocker(seen).warn();
            }
        }
        self.blamed = blamed;
    }

    /// Tells the pools how many of their servers wait for locks for a moment.
    fn tell_crowded(&mut self, locks: &Locks) {
        let until = locks.at + (2 * self.plan.period).min(CROWDED_MAX);
        let before = std::mem::take(&mut self.crowded);
        if before.is_empty() && locks.crowded.is_empty() {
            return;
        }
        for pool in self.registry.pools() {
            match locks.crowded.get(&pool.id) {
                Some(&servers) => {
                    pool.contended(servers, until);
                    self.crowded.insert(pool.id);
                }
                None if before.contains(&pool.id) => pool.contended(0, until),
                None => {}
            }
        }
    }

    fn tell(&mut self, privilege: Privilege) {
        let told = std::mem::replace(&mut self.told, Told::Seen(privilege));
        if told == self.told {
            return;
        }
        let server = &*self.plan.target.name;
        let user = &*self.user;
        match privilege {
            Privilege::Full => info!(server, user, "PostgreSQL is probed"),
            Privilege::Reduced => warn!(
                server,
                user,
                "PostgreSQL is probed, but states and waits of other users are hidden; grant \
                 pg_monitor to the user, or set probe_user"
            ),
        }
    }
}
