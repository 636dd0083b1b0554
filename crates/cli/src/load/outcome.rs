//! What a load amounted to.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use pgweir_wire::sqlstate::SqlState;

use super::client::ClientError;
use super::mix::Done;

/// Counts by SQLSTATE, or by a word where there is none (`no connection`, `timeout`).
/// At most one entry per code that a server has, of which there are some hundreds.
pub(crate) type Refusals = BTreeMap<String, u64>;

/// What a load amounted to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Time the clients worked.
    pub(crate) elapsed: Duration,
    /// Transactions that ended well, in that time.
    pub(crate) transactions: u64,
    /// Transactions that ended in any way, also after that time.
    pub(crate) attempts: u64,
    /// Transactions with an answer that belonged to another question.
    pub(crate) mixed: u64,
    /// Transactions that ended with an error.
    pub(crate) errors: Refusals,
    latency_us: Histogram<u64>,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        Self {
            elapsed: Duration::ZERO,
            transactions: 0,
            attempts: 0,
            mixed: 0,
            errors: Refusals::new(),
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
                .expect("the bounds are constants that hdrhistogram takes"),
        }
    }

    /// Adds a transaction; `in_time` if it ended before the clients were to stop.
    pub(crate) fn add(&mut self, done: Result<&Done, &ClientError>, took: Duration, in_time: bool) {
        self.attempts += 1;
        match done {
            Ok(Done::Well) => {
                self.transactions += u64::from(in_time);
                let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.latency_us.saturating_record(us);
            }
            Ok(Done::Mixed) => self.mixed += 1,
            Ok(Done::Error(error)) | Err(error) => count(&mut self.errors, error),
        }
    }

    pub(crate) fn transactions_per_second(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        self.transactions as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in milliseconds that this percentage of the transactions stayed below.
    pub(crate) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency_us.value_at_percentile(percentile) as f64 / 1_000.0
    }
}

/// Counts an error.
pub(crate) fn count(refusals: &mut Refusals, error: &ClientError) {
    let key = match error {
        ClientError::Refused { sqlstate, .. } => {
            sqlstate.as_ref().map_or("no SQLSTATE", SqlState::as_str)
        }
        ClientError::Io(_) => "connection broke",
        ClientError::Login(_) | ClientError::Protocol(_) => "not the protocol",
        ClientError::Timeout => "timeout",
    };
    *refusals.entry(key.to_owned()).or_default() += 1;
}

/// Longer ones count as this long: ten minutes.
const LATENCY_US_MAX: u64 = 600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_of_transactions_that_ended_well() {
        let mut outcome = Outcome::new();
        for ms in 1..=100 {
            outcome.add(Ok(&Done::Well), Duration::from_millis(ms), ms <= 90);
        }
        outcome.add(Ok(&Done::Mixed), Duration::from_secs(9), true);
        outcome.add(Err(&ClientError::Timeout), Duration::from_secs(9), true);
        outcome.elapsed = Duration::from_secs(2);
        assert!((outcome.transactions_per_second() - 45.0).abs() < 1e-9);
        assert!((outcome.latency_ms(50.0) - 50.0).abs() < 0.1);
        assert!((outcome.latency_ms(100.0) - 100.0).abs() < 0.1);
        assert_eq!((outcome.attempts, outcome.mixed), (102, 1));
        assert_eq!(outcome.errors["timeout"], 1);
    }

    #[test]
    fn refusals_are_counted_by_sqlstate() {
        let mut refusals = Refusals::new();
        for sqlstate in [Some(SqlState::TOO_MANY_CONNECTIONS), None] {
            let message = String::new();
            count(&mut refusals, &ClientError::Refused { sqlstate, message });
        }
        assert_eq!(refusals["53300"], 1);
        assert_eq!(refusals["no SQLSTATE"], 1);
    }
}
