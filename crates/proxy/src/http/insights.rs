//! The sections of the live document that tell of statements, holders, waits and PostgreSQL.

use std::collections::BTreeMap;

use pgweir_pool::budget::PoolId;
use pgweir_pool::relay::Hold;
use pgweir_pool::statements::Statement;
use pgweir_pool::trace::Slowness;
use pgweir_pool::waits::Cause;
use pgweir_sql::fingerprint::Fingerprint;
use serde::Serialize;

use super::body::millis;
use super::postgres::condition;
use super::timestamp::rfc3339;
use crate::insight::{Author, Holder, RepeatedStatement, SlowStatement, Waiter};
use crate::locks::Blocker;
use crate::probe::{Origin, PostgresSnapshot, Privilege, Seen, Sight, State};
use crate::registry::Registry;
use crate::snapshot::{PoolSnapshot, Snapshot};
use crate::texts;

/// Statements and findings of each kind that are shown.
const SHOWN_MAX: usize = 50;

/// Times are milliseconds. Texts are without literals.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Insights {
    statements: Vec<TopStatement>,
    slow: Vec<Slow>,
    n_plus_one: Vec<NPlusOne>,
    holders: Vec<Holding>,
    waiters: Vec<Waiting>,
    waits: Vec<WaitCause>,
    blockers: Vec<Blocking>,
    postgres: Vec<Postgres>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TopStatement {
    fingerprint: String,
    text: String,
    database: String,
    user: String,
    calls: u64,
    errors: u64,
    rows: u64,
    bytes: u64,
    total_ms: f64,
    mean_ms: f64,
    p99_ms: Option<f64>,
    max_ms: f64,
}

/// Whose statement it was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct By {
    database: String,
    user: String,
    client: String,
    application_name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Slow {
    at: String,
    level: &'static str,
    #[serde(flatten)]
    by: By,
    text: String,
    fingerprint: String,
    wait_ms: f64,
    server_ms: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NPlusOne {
    at: String,
    #[serde(flatten)]
    by: By,
    text: String,
    fingerprint: String,
    times: u32,
    found: u64,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holding {
    #[serde(flatten)]
    by: By,
    address: Option<String>,
    state: &'static str,
    /// How long it has the server.
    held_ms: f64,
    /// How long it has been in that state.
    since_ms: f64,
    pin: Option<String>,
    last_text: Option<String>,
    server_pid: Option<u32>,
    waiters_behind: u32,
    /// Sessions that wait for locks it holds, as a probe saw it last.
    lock_waiters: u32,
    leak: bool,
}

/// A client that waits for a server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    #[serde(flatten)]
    by: By,
    address: Option<String>,
    waited_ms: f64,
    /// What keeps the servers of its pool from it.
    cause: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitCause {
    cause: &'static str,
    /// Clients that wait for it now.
    waiting: u32,
    /// Waits that have ended.
    total: u64,
    total_ms: f64,
    /// Who is to blame, where that is known.
    who: Option<String>,
    hint: &'static str,
}

/// Somebody who holds locks that others wait for. Texts are empty where they are hidden.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blocking {
    /// The PostgreSQL where that is.
    server: String,
    kind: &'static str,
    /// The number of a client of ours.
    client: Option<String>,
    database: String,
    user: String,
    application_name: String,
    state: String,
    /// How long it has been in that state.
    since_ms: Option<f64>,
    last_text: Option<String>,
    server_pid: Option<u32>,
    /// Sessions that wait for its locks, also those behind others that do.
    lock_waiters: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Postgres {
    server: String,
    /// How much is seen of it, as in the metrics.
    sight: &'static str,
    cores: Option<u32>,
    #[serde(flatten)]
    sessions: Option<Sessions>,
}

/// What a PostgreSQL says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    max_connections: u32,
    /// Connections that ordinary users cannot have.
    reserved: u32,
    ours: u32,
    elsewhere: u32,
    /// `None` where what other users' sessions do is hidden from the probe.
    active_sessions: Option<u32>,
    /// Averages of the last minute.
    wait_events: Vec<WaitEvent>,
}

#[derive(Debug, Serialize)]
struct WaitEvent {
    event: String,
    sessions: f64,
}

impl Insights {
    /// Looks at what was found out.
    pub(super) fn take(registry: &Registry, snapshot: &Snapshot) -> Self {
        let insight = &registry.insight;
        let names: Vec<_> = registry.pools();
        let of = |pool: PoolId| {
            let pool = &names[pool.0 as usize];
            (pool.database.to_string(), pool.user.to_string())
        };
        let statements = insight.top(SHOWN_MAX).into_iter();
        let slow = insight.slow().into_iter();
        let repeated = insight.repeated().into_iter();
        let holders = insight.holders().into_iter();
        let blockers = registry.blockers();
        Self {
            statements: statements
                .filter(|((pool, _), _)| (pool.0 as usize) < names.len())
                .map(|((pool, id), statement)| TopStatement::of(of(pool), id, statement))
                .collect(),
            slow: slow.take(SHOWN_MAX).map(Slow::of).collect(),
            n_plus_one: repeated.take(SHOWN_MAX).map(NPlusOne::of).collect(),
            holders: holders
                .take(SHOWN_MAX)
                .map(|(holder, text)| Holding::of(holder, text))
                .collect(),
            waiters: insight
                .waiters()
                .into_iter()
                .take(SHOWN_MAX)
                .map(|waiter| Waiting::of(waiter, &snapshot.pools))
                .collect(),
            waits: waits(&snapshot.pools, &blockers),
            blockers: blockers
                .into_iter()
                .take(SHOWN_MAX)
                .map(Blocking::of)
                .collect(),
            postgres: snapshot.postgres.iter().map(Postgres::of).collect(),
        }
    }
}

impl TopStatement {
    fn of((database, user): (String, String), id: Fingerprint, statement: Statement) -> Self {
        let times = &statement.times;
        let total_ms = times.sum_us() as f64 / 1e3;
        Self {
            fingerprint: id.to_string(),
            database,
            user,
            calls: statement.calls,
            errors: statement.errors,
            rows: statement.rows,
            bytes: statement.bytes,
            total_ms,
            mean_ms: total_ms / times.count().max(1) as f64,
            p99_ms: times.quantile(0.99).map(millis),
            max_ms: millis(statement.longest),
            text: statement.text,
        }
    }
}

impl By {
    fn of(author: Author) -> Self {
        Self {
            database: author.database.to_string(),
            user: author.user.to_string(),
            client: author.client.to_string(),
            application_name: author.application,
        }
    }
}

impl Waiting {
    fn of(waiter: Waiter, pools: &[PoolSnapshot]) -> Self {
        let pool = pools
            .iter()
            .find(|pool| pool.database == waiter.pool.database && pool.user == waiter.pool.user);
        Self {
            by: By::of(waiter.author),
            address: waiter.address.map(|address| address.to_string()),
            waited_ms: millis(waiter.waited),
            cause: pool.and_then(|pool| pool.cause).map(Cause::name),
        }
    }
}

impl Slow {
    fn of(slow: SlowStatement) -> Self {
        Self {
            at: rfc3339(slow.at),
            level: match slow.slowness {
                Slowness::Slow => "slow",
                Slowness::VerySlow => "very slow",
            },
            by: By::of(slow.author),
            text: slow.text,
            fingerprint: slow.statement.to_string(),
            wait_ms: millis(slow.waited),
            server_ms: millis(slow.took),
        }
    }
}

impl NPlusOne {
    fn of(repeated: RepeatedStatement) -> Self {
        let tags = repeated.tags.into_iter();
        Self {
            at: rfc3339(repeated.at),
            by: By::of(repeated.author),
            text: repeated.text,
            fingerprint: repeated.statement.to_string(),
            times: repeated.times,
            found: repeated.found,
            tags: tags.map(|tag| (tag.key, tag.value)).collect(),
        }
    }
}

impl Holding {
    fn of(holder: Holder, text: String) -> Self {
        let since = match holder.hold {
            Hold::Busy => holder.running,
            Hold::InTransaction | Hold::Pinned(_) | Hold::Free => holder.quiet,
        };
        Self {
            state: holder.state(),
            address: holder.address.map(|address| address.to_string()),
            held_ms: millis(holder.held),
            since_ms: millis(since),
            pin: match holder.hold {
                Hold::Pinned(pin) => Some(pin.to_string()),
                Hold::Busy | Hold::InTransaction | Hold::Free => None,
            },
            last_text: (!text.is_empty()).then_some(text),
            server_pid: holder.server_pid,
            waiters_behind: holder.pool.counts().waiting,
            lock_waiters: holder.locking.behind(),
            leak: holder.is_leak,
            by: By::of(holder.author),
        }
    }
}

impl Blocking {
    fn of(blocker: Blocker) -> Self {
        Self {
            server: blocker.postgres.to_string(),
            kind: blocker.kind.name(),
            client: blocker.client().map(|number| number.to_string()),
            database: blocker.database,
            user: blocker.user,
            application_name: blocker.application,
            state: blocker.state,
            since_ms: blocker.since.map(millis),
            last_text: (!blocker.text.is_empty()).then_some(blocker.text),
            server_pid: blocker.pid,
            lock_waiters: blocker.sessions,
        }
    }
}

impl Postgres {
    fn of(postgres: &PostgresSnapshot) -> Self {
        Self {
            server: postgres.server.to_string(),
            sight: condition(postgres),
            cores: postgres.cores,
            sessions: match &postgres.sight {
                Sight::Seen(seen) => Some(Sessions::of(seen)),
                Sight::Off | Sight::NoUser | Sight::Away => None,
            },
        }
    }
}

impl Sessions {
    fn of(seen: &Seen) -> Self {
        let Seen { activity, averages } = seen;
        let sessions = |is: fn(Origin, State) -> bool| -> u32 {
            let sessions = activity.sessions.iter();
            let counted = sessions.filter(|&(&(origin, state), _)| is(origin, state));
            counted.map(|(_, count)| count).sum()
        };
        let wait_events = averages.iter().map(|(wait, sessions)| WaitEvent {
            event: format!("{}: {}", wait.kind, wait.event),
            sessions: *sessions,
        });
        Self {
            max_connections: activity.max_connections,
            reserved: activity.superuser_reserved + activity.reserved,
            ours: sessions(|origin, _| origin == Origin::Pools),
            elsewhere: sessions(|origin, _| origin == Origin::Elsewhere),
            active_sessions: match activity.privilege {
                Privilege::Full => Some(sessions(|_, state| state == State::Active)),
                Privilege::Reduced => None,
            },
            wait_events: wait_events.collect(),
        }
    }
}

/// The causes there are or were, that with the most time first. `blockers` are those who hold locks
/// that others wait for, the worst first.
fn waits(pools: &[PoolSnapshot], blockers: &[Blocker]) -> Vec<WaitCause> {
    let mut causes: Vec<WaitCause> = Cause::ALL
        .into_iter()
        .map(|cause| {
            let waited = pools.iter().map(|pool| pool.totals.waits[cause as usize]);
            let waiting = pools.iter().filter(|pool| pool.cause == Some(cause));
            let (total, us) = waited.fold((0, 0), |(total, us), waited| {
                (total + waited.count, us + waited.us)
            });
            WaitCause {
                cause: cause.name(),
                waiting: waiting.map(|pool| pool.counts.waiting).sum(),
                total,
                total_ms: us as f64 / 1e3,
                who: match cause {
                    Cause::Locks => blockers.first().map(Blocker::sentence),
                    _ => None,
                },
                hint: texts::remedy(cause),
            }
        })
        .filter(|cause| cause.waiting > 0 || cause.total > 0)
        .collect();
    causes.sort_by(|a, b| (b.waiting.cmp(&a.waiting)).then(b.total_ms.total_cmp(&a.total_ms)));
    causes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::Postgres;
    use crate::probe::{Activity, Origin, PostgresSnapshot, Privilege, Seen, Sight, State};

    fn shown(sight: Sight) -> Value {
        let postgres = PostgresSnapshot {
            server: "db:5432".into(),
            cores: Some(8),
            sight,
        };
        serde_json::to_value(Postgres::of(&postgres)).unwrap()
    }

    fn seen(privilege: Privilege) -> Sight {
        let sessions = [
            ((Origin::Pools, State::Active), 4),
            ((Origin::Pools, State::Idle), 2),
            ((Origin::Elsewhere, State::Active), 1),
        ];
        Sight::Seen(Arc::new(Seen {
            activity: Activity {
                privilege,
                max_connections: 100,
                superuser_reserved: 3,
                reserved: 2,
                sessions: BTreeMap::from(sessions),
                oldest_transaction: BTreeMap::new(),
                waits: BTreeMap::new(),
                blocked: BTreeMap::new(),
            },
            averages: Vec::new(),
        }))
    }

    #[test]
    fn what_a_postgresql_does_is_shown_as_far_as_it_is_seen() {
        let full = shown(seen(Privilege::Full));
        let expected = json!({
            "server": "db:5432", "sight": "full", "cores": 8, "maxConnections": 100,
            "reserved": 5, "ours": 6, "elsewhere": 1, "activeSessions": 5, "waitEvents": [],
        });
        assert_eq!(full, expected);
        let reduced = shown(seen(Privilege::Reduced));
        assert_eq!(reduced["ours"], 6);
        assert_eq!(reduced["activeSessions"], Value::Null, "hidden, not none");
        let away = json!({ "server": "db:5432", "sight": "away", "cores": 8 });
        assert_eq!(shown(Sight::Away), away);
    }
}
