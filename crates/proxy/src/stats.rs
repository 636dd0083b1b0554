//! The line of statistics in the log.

use std::sync::Arc;
use std::time::Instant;

use pgweir_pool::histogram::Histogram;
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

    /// Logs rates since the line before, and gives them back.
    pub(crate) fn log(&mut self) -> String {
        let mut sum = self.registry.forgotten();
        for pool in self.registry.pools() {
            sum.add(&pool.figures().2);
        }
        let seconds = self.since.elapsed().as_secs_f64();
        let rate = |new: u64, old: u64| ((new - old) as f64 / seconds).round();
        let mean = |new: &Histogram, old: &Histogram| {
            let many = new.count() - old.count();
            (new.sum_us() - old.sum_us()).checked_div(many).unwrap_or(0)
        };
        let parses = |totals: &Totals| {
            let sent = totals.parses.saturating_sub(totals.known);
            sent + totals.put_in_front
        };
        let last = &self.last;
        let line = format!(
            "{} xacts/s, {} queries/s, {} client parses/s, {} server parses/s, {} binds/s, in {} B/s, \
             out {} B/s, xact {} us, query {} us, wait {} us",
            rate(sum.transactions, last.transactions),
            rate(sum.queries, last.queries),
            rate(sum.parses, last.parses),
            rate(parses(&sum), parses(last)),
            rate(sum.binds, last.binds),
            rate(sum.received_bytes, last.received_bytes),
            rate(sum.sent_bytes, last.sent_bytes),
            mean(&sum.transaction_times, &last.transaction_times),
            mean(&sum.query_times, &last.query_times),
            mean(&sum.wait_times, &last.wait_times),
        );
        info!("stats: {line}");
        self.last = sum;
        self.since = Instant::now();
        line
    }
}
