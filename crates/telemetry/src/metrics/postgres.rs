//! Metrics of what PostgreSQL tells of itself. docs/metrics.md explains each of them.

use crate::exposition::Exposition;
use crate::live::SightWord;
use crate::postgres::{Activity, Origin, Seen, SessionState, Sight};
use crate::sample::{MetricKind, Reading, SampleValue};
use crate::snapshot::Snapshot;

/// Writes what the probes saw. Of a PostgreSQL that does not answer nothing is said but that.
pub(super) fn write(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "What the probe of a PostgreSQL is: full, reduced, away, no_user, off.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_postgres_probe", help);
    for postgres in &snapshot.postgres {
        let seen = SightWord::of(&postgres.sight);
        for sight in SightWord::ALL {
            let labels = [("server", &*postgres.server), ("state", sight.word())];
            family.sample(&labels, sight == seen);
        }
    }
    let help = "Cores of its machine, where server_cores says.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_postgres_cores", help);
    for postgres in &snapshot.postgres {
        if let Some(cores) = postgres.cores {
            family.sample(&[("server", &postgres.server)], cores);
        }
    }
    limits(snapshot, out);
    sessions(snapshot, out);
}

fn limits(snapshot: &Snapshot, out: &mut Exposition) {
    let limits: [Reading<Activity, u32>; 2] = [
        (
            "pgweir_postgres_max_connections",
            "Its max_connections.",
            |activity| activity.max_connections,
        ),
        (
            "pgweir_postgres_sessions_limit",
            "Sessions that ordinary users can have: max_connections without the reserved ones.",
            Activity::limit,
        ),
    ];
    for (name, help, value) in limits {
        let mut family = out.family(MetricKind::Gauge, name, help);
        for (server, seen) in seen(snapshot) {
            family.sample(&[("server", server)], value(&seen.activity));
        }
    }
}

fn sessions(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Sessions of clients, ours and from elsewhere, by state; without the probe's.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_postgres_sessions", help);
    for (server, seen) in seen(snapshot) {
        for origin in Origin::ALL {
            for state in SessionState::ALL {
                let count = seen.activity.sessions.get(&(origin, state));
                let labels = [
                    ("server", server),
                    ("origin", origin.as_str()),
                    ("state", state.as_str()),
                ];
                family.sample(&labels, count.copied().unwrap_or(0));
            }
        }
    }
    let help = "Active sessions on average over a minute, by what they wait for.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_postgres_active_sessions", help);
    for (server, seen) in seen(snapshot) {
        for (wait, average) in &seen.averages {
            let labels = [
                ("server", server),
                ("wait_event_type", &wait.kind),
                ("wait_event", &wait.event),
            ];
            family.sample(&labels, SampleValue::Real(*average));
        }
    }
    let help = "Age of the oldest open transaction.";
    let name = "pgweir_postgres_oldest_transaction_seconds";
    let mut family = out.family(MetricKind::Gauge, name, help);
    for (server, seen) in seen(snapshot) {
        for origin in Origin::ALL {
            let age = seen.activity.oldest_transaction.get(&origin);
            let labels = [("server", server), ("origin", origin.as_str())];
            family.sample(&labels, age.copied().unwrap_or_default());
        }
    }
}

pub(crate) fn seen(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &Seen)> {
    snapshot
        .postgres
        .iter()
        .filter_map(|postgres| match &postgres.sight {
            Sight::Seen(seen) => Some((&*postgres.server, &**seen)),
            Sight::Off | Sight::NoUser | Sight::Away => None,
        })
}

#[cfg(test)]
mod tests;
