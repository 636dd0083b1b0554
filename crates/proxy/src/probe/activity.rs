//! What PostgreSQL says of its sessions, from rows into facts.
//!
//! Source: PostgreSQL documentation, "pg_stat_activity" (states, wait events, and what is hidden
//! from users without `pg_read_all_stats`) and "Connection Settings".

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_wire::backend;

use super::averages::Wait;

/// Two statements in one query: a row of settings, then a row per session. Every name is
/// qualified, so that no `search_path` changes what is called. Where the kind of a process is
/// hidden, client backends are told by having both a user and a database, as only walsenders that
/// decode and parallel workers have besides them.
pub(super) const QUERY: &str = "\
SELECT pg_catalog.current_setting('max_connections'), \
pg_catalog.current_setting('superuser_reserved_connections'), \
coalesce(pg_catalog.current_setting('reserved_connections', true), '0'), \
pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'); \
SELECT pid, state, wait_event_type, wait_event, \
(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start) * 1000000)::pg_catalog.int8, \
(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - query_start) * 1000000)::pg_catalog.int8 \
FROM pg_catalog.pg_stat_activity \
WHERE (backend_type = 'client backend' \
OR backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) \
AND pid <> pg_catalog.pg_backend_pid()";

/// What PostgreSQL does at one moment. The probe's own session is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Activity {
    pub(crate) privilege: Privilege,
    pub(crate) max_connections: u32,
    /// Connections of those that only superusers get (`superuser_reserved_connections`).
    pub(crate) superuser_reserved: u32,
    /// Connections of those that only members of a role get (`reserved_connections`; 16 and later).
    pub(crate) reserved: u32,
    /// Sessions of clients.
    pub(crate) sessions: BTreeMap<(Origin, State), u32>,
    /// Age of the oldest open transaction.
    pub(crate) oldest_transaction: BTreeMap<Origin, Duration>,
    /// Active sessions by what they wait for.
    pub(crate) waits: BTreeMap<Wait, u32>,
    /// The processes of those that wait for a lock, and how long their statements have run.
    pub(crate) blocked: BTreeMap<u32, Duration>,
}

/// How much PostgreSQL lets the probe see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Everything.
    Full,
    /// Of other users' sessions only that they are there.
    Reduced,
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A server of one of our pools.
    Pools,
    /// Somebody else's.
    Elsewhere,
}

impl Origin {
    pub(crate) const ALL: [Self; 2] = [Self::Pools, Self::Elsewhere];

    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What a session is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It runs a query or a function.
    Active,
    /// It waits for a query, outside of a transaction.
    Idle,
    /// It waits for a query inside a transaction.
    IdleInTransaction,
    /// It waits inside a transaction that failed.
    IdleInFailedTransaction,
    /// It is hidden from us, not tracked, or one that we do not know.
    Unknown,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [
        Self::Active,
        Self::Idle,
        Self::IdleInTransaction,
        Self::IdleInFailedTransaction,
        Self::Unknown,
    ];

    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::IdleInFailedTransaction => "idle_in_failed_transaction",
            Self::Unknown => "unknown",
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            Some("active" | "fastpath function call") => Self::Active,
            Some("idle") => Self::Idle,
            Some("idle in transaction") => Self::IdleInTransaction,
            Some("idle in transaction (aborted)") => Self::IdleInFailedTransaction,
            // `disabled` (track_activities is off), `starting` (18 and later), NULL.
            _ => Self::Unknown,
        }
    }
}

impl Activity {
    /// Sessions in `state`, of whomever.
    #[cfg(test)]
    pub(crate) fn in_state(&self, state: State) -> u32 {
        let counts = Origin::ALL.map(|origin| self.sessions.get(&(origin, state)));
        counts.into_iter().flatten().sum()
    }

    /// Sessions that users without a claim to reserved connections can have.
    pub(crate) fn limit(&self) -> u32 {
        let reserved = u64::from(self.superuser_reserved) + u64::from(self.reserved);
        let left = u64::from(self.max_connections).saturating_sub(reserved);
        u32::try_from(left).expect("at most max_connections")
    }
}

/// Reads the answer to [`QUERY`], the bodies of its rows in order; `None` if it is not one. `ours`
/// are the processes that serve us.
pub(super) fn read(rows: &[Vec<u8>], ours: &HashMap<u32, ServerId>) -> Option<Activity> {
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
        oldest_transaction: BTreeMap::new(),
        waits: BTreeMap::new(),
        blocked: BTreeMap::new(),
    };
    for session in sessions {
        activity.add(session, ours)?;
    }
    Some(activity)
}

impl Activity {
    fn add(&mut self, row: &[u8], ours: &HashMap<u32, ServerId>) -> Option<()> {
        let row = columns(row)?;
        let [pid, state, kind, event, age_us, running_us] = row[..] else {
            return None;
        };
        let pid = pid?.parse().ok()?;
        let origin = if ours.contains_key(&pid) {
            Origin::Pools
        } else {
            Origin::Elsewhere
        };
        let state = State::read(state);
        *self.sessions.entry((origin, state)).or_default() += 1;
        if state == State::Active {
            if kind == Some("Lock") {
                self.blocked
                    .insert(pid, age(running_us)?.unwrap_or_default());
            }
            let wait = match (kind, event) {
                (Some(kind), Some(event)) => Wait {
                    kind: kind.to_owned(),
                    event: event.to_owned(),
                },
                _ => Wait::cpu(),
            };
            *self.waits.entry(wait).or_default() += 1;
        }
        if let Some(age) = age(age_us)? {
            let oldest = self.oldest_transaction.entry(origin).or_default();
            *oldest = age.max(*oldest);
        }
        Some(())
    }
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
