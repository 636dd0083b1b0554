//! What PostgreSQL says of its sessions, from rows into facts.
//!
//! Source: PostgreSQL documentation, "pg_stat_activity" (states, wait events, and what is hidden
//! from users without `pg_read_all_stats`) and "Connection Settings".

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_telemetry::names::Names;
use pgweir_telemetry::postgres::{Activity, Origin, Privilege, SessionState, Wait};
use pgweir_wire::backend;

/// Two statements in one query: a row of settings, then a row per session. Every name is
/// qualified, so that no `search_path` changes what is called. Where the kind of a process is
/// hidden, client backends are told by having both a user and a database, as only walsenders that
/// decode and parallel workers have besides them.
pub(super) const QUERY: &str = "\
SELECT pg_catalog.current_setting('max_connections'), \
pg_catalog.current_setting('superuser_reserved_connections'), \
coalesce(pg_catalog.current_setting('reserved_connections', true), '0'), \
pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'); \
SELECT pid, datname, application_name, state, wait_event_type, wait_event, \
(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start) * 1000000)::pg_catalog.int8, \
(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - query_start) * 1000000)::pg_catalog.int8 \
FROM pg_catalog.pg_stat_activity \
WHERE (backend_type = 'client backend' \
OR backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) \
AND pid <> pg_catalog.pg_backend_pid()";

/// Databases and applications of one PostgreSQL that are told apart. With the five states there are
/// 5 × 51 × 101 series at most if each application is in each database, and as a rule a few hundred.
const DATABASES_MAX: usize = 50;
const APPLICATIONS_MAX: usize = 100;

/// Names that were seen at one PostgreSQL.
pub(super) struct Labels {
    databases: Names,
    applications: Names,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            databases: Names::new(DATABASES_MAX),
            applications: Names::new(APPLICATIONS_MAX),
        }
    }
}

/// The state that PostgreSQL calls so.
fn state(text: Option<&str>) -> SessionState {
    match text {
        Some("active" | "fastpath function call") => SessionState::Active,
        Some("idle") => SessionState::Idle,
        Some("idle in transaction") => SessionState::IdleInTransaction,
        Some("idle in transaction (aborted)") => SessionState::IdleInFailedTransaction,
        // `disabled` (track_activities is off), `starting` (18 and later), NULL.
        _ => SessionState::Unknown,
    }
}

/// Reads the answer to [`QUERY`], the bodies of its rows in order; `None` if it is not one. `ours`
/// are the processes that serve us.
pub(super) fn read(
    rows: &[Vec<u8>],
    ours: &HashMap<u32, ServerId>,
    labels: &mut Labels,
) -> Option<Activity> {
    let (settings, sessions) = rows.split_first()?;
    let settings = columns(settings)?;
    let [max_connections, superuser_reserved, reserved, may_see_all] = settings[..] else {
        return None;
    };
    let mut activity = Activity {
        privilege: match may_see_all? {
            "t" => Privilege::Full,
            _ => Privilege::Reduced,
        },
        max_connections: max_connections?.parse().ok()?,
        superuser_reserved: superuser_reserved?.parse().ok()?,
        reserved: reserved?.parse().ok()?,
        sessions: BTreeMap::new(),
        applications: BTreeMap::new(),
        oldest_transaction: BTreeMap::new(),
        waits: BTreeMap::new(),
        blocked: BTreeMap::new(),
    };
    for session in sessions {
        add(&mut activity, session, ours, labels)?;
    }
    Some(activity)
}

/// Takes one session into account.
fn add(
    activity: &mut Activity,
    row: &[u8],
    ours: &HashMap<u32, ServerId>,
    labels: &mut Labels,
) -> Option<()> {
    let row = columns(row)?;
    let [
        pid,
        database,
        application,
        state,
        kind,
        event,
        age_us,
        running_us,
    ] = row[..]
    else {
        return None;
    };
    let pid = pid?.parse().ok()?;
    let origin = if ours.contains_key(&pid) {
        Origin::Pools
    } else {
        Origin::Elsewhere
    };
    let state = self::state(state);
    *activity.sessions.entry((origin, state)).or_default() += 1;
    let database = labels.databases.label(database.unwrap_or_default());
    let application = labels.applications.label(application.unwrap_or_default());
    let alike = activity.applications.entry((database, state, application));
    *alike.or_default() += 1;
    if state == SessionState::Active {
        if kind == Some("Lock") {
            activity
                .blocked
                .insert(pid, age(running_us)?.unwrap_or_default());
        }
        let wait = match (kind, event) {
            (Some(kind), Some(event)) => Wait {
                kind: kind.to_owned(),
                event: event.to_owned(),
            },
            _ => Wait::cpu(),
        };
        *activity.waits.entry(wait).or_default() += 1;
    }
    if let Some(age) = age(age_us)? {
        let oldest = activity.oldest_transaction.entry(origin).or_default();
        *oldest = age.max(*oldest);
    }
    Some(())
}

/// A time in microseconds; `None` if it is not one.
#[expect(
    clippy::option_option,
    reason = "what is no answer is told from what is NULL"
)]
fn age(column: Option<&str>) -> Option<Option<Duration>> {
    let Some(us) = column else {
        return Some(None);
    };
    let us: i64 = us.parse().ok()?;
    // The clock of PostgreSQL's machine may have been set back.
    Some(Some(Duration::from_micros(u64::try_from(us).unwrap_or(0))))
}

fn columns(row: &[u8]) -> Option<Vec<Option<&str>>> {
    let columns = backend::data_row(row)?.into_iter();
    columns
        .map(|column| column.map(str::from_utf8).transpose().ok())
        .collect()
}

#[cfg(test)]
pub(super) mod tests;
