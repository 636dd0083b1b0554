//! Metrics of what PostgreSQL tells of itself. docs/metrics.md explains each of them.

use super::exposition::{Column, Exposition, Kind, Value};
use crate::probe::{Activity, Origin, PostgresSnapshot, Privilege, Seen, Sight, State};
use crate::snapshot::Snapshot;

/// Writes what the probes saw. Of a PostgreSQL that does not answer nothing is said but that.
pub(super) fn write(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "What the probe of a PostgreSQL is: full, reduced, away, no_user, off.";
    let mut family = out.family(Kind::Gauge, "pgweir_postgres_probe", help);
    for postgres in &snapshot.postgres {
        let condition = condition(postgres);
        for state in CONDITIONS {
            let labels = [("server", &*postgres.server), ("state", state)];
            family.sample(&labels, state == condition);
        }
    }
    let help = "Cores of its machine, where server_cores says.";
    let mut family = out.family(Kind::Gauge, "pgweir_postgres_cores", help);
    for postgres in &snapshot.postgres {
        if let Some(cores) = postgres.cores {
            family.sample(&[("server", &postgres.server)], cores);
        }
    }
    limits(snapshot, out);
    sessions(snapshot, out);
}

fn limits(snapshot: &Snapshot, out: &mut Exposition) {
    let limits: [Column<Activity, u32>; 2] = [
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
        let mut family = out.family(Kind::Gauge, name, help);
        for (server, seen) in seen(snapshot) {
            family.sample(&[("server", server)], value(&seen.activity));
        }
    }
}

fn sessions(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Sessions of clients, ours and from elsewhere, by state; without the probe's.";
    let mut family = out.family(Kind::Gauge, "pgweir_postgres_sessions", help);
    for (server, seen) in seen(snapshot) {
        for origin in Origin::ALL {
            for state in State::ALL {
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
    let mut family = out.family(Kind::Gauge, "pgweir_postgres_active_sessions", help);
    for (server, seen) in seen(snapshot) {
        for (wait, average) in &seen.averages {
            let labels = [
                ("server", server),
                ("wait_event_type", &wait.kind),
                ("wait_event", &wait.event),
            ];
            family.sample(&labels, Value::Real(*average));
        }
    }
    let help = "Age of the oldest open transaction.";
    let name = "pgweir_postgres_oldest_transaction_seconds";
    let mut family = out.family(Kind::Gauge, name, help);
    for (server, seen) in seen(snapshot) {
        for origin in Origin::ALL {
            let age = seen.activity.oldest_transaction.get(&origin);
            let labels = [("server", server), ("origin", origin.as_str())];
            family.sample(&labels, age.copied().unwrap_or_default());
        }
    }
}

fn seen(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &Seen)> {
    snapshot
        .postgres
        .iter()
        .filter_map(|postgres| match &postgres.sight {
            Sight::Seen(seen) => Some((&*postgres.server, &**seen)),
            Sight::Off | Sight::NoUser | Sight::Away => None,
        })
}

/// The word for how much is seen of it: one of [`CONDITIONS`].
pub(super) fn condition(postgres: &PostgresSnapshot) -> &'static str {
    match &postgres.sight {
        Sight::Off => "off",
        Sight::NoUser => "no_user",
        Sight::Away => "away",
        Sight::Seen(seen) => match seen.activity.privilege {
            Privilege::Full => "full",
            Privilege::Reduced => "reduced",
        },
    }
}

const CONDITIONS: [&str; 5] = ["full", "reduced", "away", "no_user", "off"];

#[cfg(test)]
mod tests;
