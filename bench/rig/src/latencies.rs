//! Durations counted in buckets whose width grows with the value.
//!
//! A run has millions of transactions, so each costs one increment and no allocation. A bucket is
//! at most 1/64 of its value wide; the largest duration is kept exactly.

use std::time::Duration;

/// Buckets per power of two: a quantile is at most 1/64 too high.
const STEPS: usize = 64;
const STEPS_LOG2: usize = STEPS.ilog2() as usize;
/// Values below `STEPS` have a bucket each; then `STEPS` for each further bit of a `u64`.
const BUCKETS: usize = STEPS * (1 + u64::BITS as usize - STEPS_LOG2);

/// A histogram of durations, in nanoseconds.
pub(crate) struct Latencies {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max: 0,
        }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The duration that `share` (0 to 1) of all were at most as long as; zero when none was counted.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_bound(index).min(self.max));
            }
        }
        Duration::ZERO
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let shift = nanos.ilog2() as usize - STEPS_LOG2;
    STEPS * shift + (nanos >> shift) as usize
}

/// The largest value that falls into the bucket.
fn upper_bound(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    let step = (index - STEPS * shift) as u64;
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_narrow_enough() {
        let mut value = 1_u64;
        while value < u64::MAX / 3 {
            for nanos in [value - 1, value, value + 1] {
                let upper = upper_bound(bucket(nanos));
                assert!(upper >= nanos, "{nanos}");
                assert!(upper - nanos <= nanos / STEPS as u64, "{nanos}");
            }
            value += value / 3 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(upper_bound(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_follow_the_order_of_the_values() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile(0.99), Duration::ZERO);
        for micros in 1..=1000 {
            latencies.record(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 500), (0.99, 990), (0.999, 999)] {
            let got = latencies.quantile(share).as_micros() as u64;
            assert!(
                (micros..=micros + micros / 50).contains(&got),
                "{share}: {got}"
            );
        }
        assert_eq!(latencies.quantile(1.0), latencies.max());
        assert_eq!(latencies.max(), Duration::from_millis(1));
    }
}
