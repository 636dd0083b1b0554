//! The line of statistics in the log.

use std::sync::Arc;
use std::time::Instant;

use pgweir_pool::work::Totals;
use tracing::info;

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
        let mut sum = self.registry.forgotten();
        for pool in self.registry.pools() {
            sum.add(&pool.figures().2);
        }
        let seconds = self.since.elapsed().as_secs_f64();
        let rate = |new: u64, old: u64| ((new - old) as f64 / seconds).round();
        let (waits, waits_before) = (&sum.wait_times, &self.last.wait_times);
        let grants = waits.count() - waits_before.count();
        let wait_us = (waits.sum_us() - waits_before.sum_us())
            .checked_div(grants)
            .unwrap_or(0);
        info!(
            "Stats: {} xacts/s, {} queries/s, {} server assignments/s, wait {} us",
            rate(sum.transactions, self.last.transactions),
            rate(sum.queries, self.last.queries),
            rate(waits.count(), waits_before.count()),
            wait_us,
        );
        self.last = sum;
        self.since = Instant::now();
    }
}
