//! Health and statistics, for HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::pool::Pool;
use crate::sqlx;

/// The wrapper of every answer: `{"success": true, "data": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer<T> {
    /// Whether the request succeeded.
    pub success: bool,
    /// The answer.
    pub data: T,
}

/// The health of a pool, as `{"healthy", "totalQueries", "totalErrors", "poolInfo", "timestamp"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// Whether the database answers.
    pub healthy: bool,
    /// Queries that ended, well or not.
    pub total_queries: u64,
    /// Queries and acquires that failed.
    pub total_errors: u64,
    /// [`crate::PoolSettings::line`] without its heading.
    pub pool_info: String,
    /// Now, in UTC, as `2025-10-30T12:00:00.000Z`.
    pub timestamp: String,
}

/// The health of a pool, and its numbers. It shows places in the code and statements, so protect it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Statistics {
    /// The health.
    #[serde(flatten)]
    pub health: Health,
    /// [`crate::Snapshot::size`].
    pub size: u32,
    /// [`crate::Snapshot::active`].
    pub active: u32,
    /// [`crate::Snapshot::idle`].
    pub idle: u32,
    /// [`crate::Snapshot::waiting`].
    pub waiting: u32,
    /// [`crate::Snapshot::timeouts`].
    pub acquire_timeouts: u64,
    /// [`crate::Snapshot::leaks`].
    pub leaks: u64,
    /// Who holds connections, the longest first; at most 100.
    pub holders: Vec<HolderEntry>,
}

/// A holder in [`Statistics`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HolderEntry {
    /// Where the connection was taken.
    pub place: String,
    /// How long ago, in seconds.
    pub held_seconds: f64,
    /// Whether that counts as a leak.
    pub leaked: bool,
}

impl Health {
    pub(crate) async fn ask(pool: &Pool) -> Self {
        let now = pool.snapshot();
        let line = pool.shared().settings.line();
        Self {
            healthy: answers(pool).await,
            total_queries: now.queries,
            total_errors: now.query_errors + now.timeouts + now.acquire_errors,
            pool_info: line
                .strip_prefix("Connection Pool: ")
                .unwrap_or(&line)
                .to_owned(),
            timestamp: rfc3339(SystemTime::now()),
        }
    }
}

impl Statistics {
    pub(crate) async fn ask(pool: &Pool) -> Self {
        let health = Health::ask(pool).await;
        let now = pool.snapshot();
        let entry = |holder: crate::Holder| HolderEntry {
            place: holder.place.to_string(),
            held_seconds: holder.held_for.as_secs_f64(),
            leaked: holder.leaked,
        };
        Self {
            health,
            size: now.size,
            active: now.active,
            idle: now.idle,
            waiting: now.waiting,
            acquire_timeouts: now.timeouts,
            leaks: now.leaks,
            holders: pool
                .holders()
                .into_iter()
                .take(HOLDERS_MAX)
                .map(entry)
                .collect(),
        }
    }
}

/// Whether the database answered a moment ago, or does now. The queries of a busy pool
/// answer for it, so that load does not look like an outage and a probe does not join the queue.
async fn answers(pool: &Pool) -> bool {
    if pool.is_closed() {
        return false;
    }
    if pool.shared().meter.answered_within(FRESH) {
        return true;
    }
    let probe = sqlx::query("SELECT 1").execute(pool);
    matches!(tokio::time::timeout(PROBE_TIMEOUT, probe).await, Ok(Ok(_)))
}

/// As `2025-10-30T12:00:00.000Z`.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, ms) = (since.as_secs(), since.subsec_millis());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    // A year that begins in March ends with the leap day; 400 years have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

const FRESH: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const HOLDERS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_in_utc() {
        let at =
            |seconds: u64, ms| rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + ms));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(1_761_825_600, 7), "2025-10-30T12:00:00.007Z");
        assert_eq!(at(951_782_399, 999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(951_868_800, 0), "2000-03-01T00:00:00.000Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
