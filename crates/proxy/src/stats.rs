//! The line of statistics in the log.

use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use crate::pool_handle::Totals;
use crate::registry::Registry;

/// Totals as of the last line, to tell rates from.
pub(crate) struct Stats {
    registry: Arc<Registry>,
    last: Totals,
    since: Instant,
}

impl Stats {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            last: Totals::default(),
            since: Instant::now(),
        }
    }

    /// Logs rates since the line before.
    pub(crate) fn log(&mut self) {
        let mut sum = Totals::default();
        for pool in self.registry.pools() {
            let totals = pool.totals();
            sum.transactions += totals.transactions;
            sum.queries += totals.queries;
            sum.grants += totals.grants;
            sum.wait_us += totals.wait_us;
        }
        let seconds = self.since.elapsed().as_secs_f64();
        let rate = |new: u64, old: u64| ((new - old) as f64 / seconds).round();
        let grants = sum.grants - self.last.grants;
        let wait_us = (sum.wait_us - self.last.wait_us)
            .checked_div(grants)
            .unwrap_or(0);
        info!(
            "Stats: {} xacts/s, {} queries/s, {} server assignments/s, wait {} us",
            rate(sum.transactions, self.last.transactions),
            rate(sum.queries, self.last.queries),
            rate(sum.grants, self.last.grants),
            wait_us,
        );
        self.last = sum;
        self.since = Instant::now();
    }
}
