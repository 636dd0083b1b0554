//! The JSON that health and statistics are shown as.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pools::PoolStats;
use crate::snapshot::Snapshot;
use crate::timestamp::rfc3339;

/// Databases whose pools are described one by one in `poolInfo`.
const DESCRIBED_MAX: usize = 20;

/// What every answer is wrapped in.
#[derive(Debug, Serialize)]
pub struct Answer<T> {
    success: bool,
    data: T,
}

impl<T> Answer<T> {
    /// An answer, and whether it is the one that was hoped for.
    pub fn new(success: bool, data: T) -> Self {
        Self { success, data }
    }
}

/// Open to everybody: no name of a database or a user is in it.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    healthy: bool,
    version: String,
    uptime_seconds: u64,
    timestamp: String,
}

impl Health {
    /// The health of a pooler.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            healthy: snapshot.readiness.is_ready(),
            version: snapshot.version.to_owned(),
            uptime_seconds: snapshot.uptime.as_secs(),
            timestamp: rfc3339(snapshot.taken_at),
        }
    }
}

/// The statistics of the whole, and then of each pool.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    healthy: bool,
    total_queries: u64,
    /// Errors of PostgreSQL and of the pooler that clients were sent.
    total_errors: u64,
    /// The limits, as the log of a start has them.
    #[schema(example = "Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s")]
    pool_info: String,
    timestamp: String,
    clients: u32,
    clients_limit: u32,
    pools: Vec<PoolStats>,
}

impl Stats {
    /// The statistics of a pooler since its start.
    pub fn of(snapshot: &Snapshot) -> Self {
        let sum = snapshot.sum().totals;
        let own_errors: u64 = snapshot.errors.iter().map(|(_, count)| count).sum();
        Self {
            healthy: snapshot.readiness.is_ready(),
            total_queries: sum.queries,
            total_errors: sum.errors + own_errors,
            pool_info: describe(snapshot),
            timestamp: rfc3339(snapshot.taken_at),
            clients: snapshot.clients,
            clients_limit: snapshot.clients_max,
            pools: snapshot.pools.iter().map(PoolStats::of).collect(),
        }
    }
}

/// The limits in one line, as the log of a start has them; per database where they differ.
fn describe(snapshot: &Snapshot) -> String {
    let databases = &snapshot.databases;
    let mut texts = databases.iter().map(|database| &database.limits);
    if let Some(first) = texts.next()
        && texts.all(|text| text == first)
    {
        return first.clone();
    }
    let described: Vec<String> = databases
        .iter()
        .take(DESCRIBED_MAX)
        .map(|database| format!("{}: {}", database.name, database.limits))
        .collect();
    let more = if databases.len() > DESCRIBED_MAX {
        "; ..."
    } else {
        ""
    };
    format!("{}{more}", described.join("; "))
}

#[cfg(test)]
mod tests {
    use super::{DESCRIBED_MAX, Stats};
    use crate::snapshot::tests::quiet;

    #[test]
    fn limits_are_said_once_where_they_are_the_same_and_per_database_where_not() {
        let mut snapshot = quiet();
        let app = snapshot.databases[0].clone();
        snapshot.databases.push(app.clone());
        assert_eq!(Stats::of(&snapshot).pool_info, app.limits);
        snapshot.databases[1].name = "ledger".to_owned();
        snapshot.databases[1].limits = "Limit: off".to_owned();
        let both = format!("app: {}; ledger: Limit: off", app.limits);
        assert_eq!(Stats::of(&snapshot).pool_info, both);
        for _ in 0..DESCRIBED_MAX {
            snapshot.databases.push(app.clone());
        }
        assert!(Stats::of(&snapshot).pool_info.ends_with("; ..."));
    }

    #[test]
    fn errors_are_those_of_postgresql_and_of_the_pooler() {
        let mut snapshot = quiet();
        snapshot.pools[0].totals.errors = 1;
        snapshot.errors = vec![("53300".to_owned(), 1), ("57P03".to_owned(), 3)];
        assert_eq!(Stats::of(&snapshot).total_errors, 5);
    }
}
