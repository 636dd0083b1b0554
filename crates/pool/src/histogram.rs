//! Durations, counted in buckets of a fixed layout.
//!
//! The layout is log-linear: four buckets for every power of two of microseconds, so a bucket is at
//! most a quarter of its lower bound wide, from one microsecond to 71 minutes. Recording is an index
//! and an addition; nothing is allocated and nothing is ever rearranged, so histograms of the same
//! thing are merged by adding them up.

use std::time::Duration;

/// Buckets per power of two, as a power of two.
const SPLIT_BITS: u32 = 2;
const SPLIT: u64 = 1 << SPLIT_BITS;

/// Powers of two that are told apart: longer durations than 2^32 µs count as that long.
const OCTAVES: u32 = 32;

/// Buckets: the values below `SPLIT` one by one, then `SPLIT` for each power of two.
pub const BUCKETS: usize = ((OCTAVES - SPLIT_BITS + 1) as usize) << SPLIT_BITS;

const _: () = assert!(index(u32::MAX as u64) == BUCKETS - 1);
const _: () = assert!(lower(BUCKETS) == 1 << OCTAVES);

/// How many durations fell where. 1 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            count: 0,
            sum_us: 0,
        }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("sum_us", &self.sum_us)
            .finish_non_exhaustive()
    }
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        self.record_us(micros(duration));
    }

    /// Counts one duration of so many microseconds.
    #[inline]
    pub fn record_us(&mut self, us: u64) {
        self.record_many_us(us, 1);
    }

    /// Counts `many` durations of so many microseconds each.
    #[inline]
    pub fn record_many_us(&mut self, us: u64, many: u64) {
        self.counts[index(us)] += many;
        self.count += many;
        self.sum_us = self.sum_us.wrapping_add(us.wrapping_mul(many));
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.count += other.count;
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
    }

    /// What was counted after `earlier`; `None` if that is no older state of this histogram.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(&earlier.counts) {
            *count = count.checked_sub(*before)?;
        }
        Some(Self {
            counts,
            count: self.count.checked_sub(earlier.count)?,
            // As it wraps when it is added to.
            sum_us: self.sum_us.wrapping_sub(earlier.sum_us),
        })
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum in microseconds; exact, unlike everything that is told from the buckets. Wraps
    /// after half a million years.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// How many durations were at most `bound`. Exact at bounds of buckets; within a bucket its
    /// durations are taken to be spread evenly. Never falls as `bound` grows.
    pub fn count_to(&self, bound: Duration) -> u64 {
        let bound = micros(bound);
        if bound >= 1 << OCTAVES {
            return self.count;
        }
        let at = index(bound);
        let below: u64 = self.counts[..at].iter().sum();
        // Durations are whole microseconds, so a bucket of width 1 is all at its lower bound.
        let reached = u128::from(bound - lower(at) + 1);
        let width = u128::from(lower(at + 1) - lower(at));
        let share = u128::from(self.counts[at]) * reached / width;
        below + u64::try_from(share).expect("at most the bucket's count")
    }

    /// Sum of the durations that were at most `bound`, in microseconds, as if those of a bucket were all
    /// in its middle. Those in the bucket of `bound` itself are left out.
    pub fn sum_to_us(&self, bound: Duration) -> u64 {
        let bound = micros(bound);
        let buckets = self.counts.iter().enumerate();
        let below = buckets.take_while(|&(at, _)| lower(at + 1) <= bound);
        let sum = below.fold(0_u128, |sum, (at, count)| {
            sum + u128::from(*count) * u128::from(u64::midpoint(lower(at), lower(at + 1) - 1))
        });
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// The duration that the share `q` (0 to 1) of the durations do not exceed, to the width of a
    /// bucket; `None` where nothing was counted.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0);
        let mut below = 0;
        for (at, &count) in self.counts.iter().enumerate() {
            let upto = below + count;
            if count > 0 && upto as f64 >= rank {
                let (low, high) = (lower(at), lower(at + 1) - 1);
                let inside = (rank - below as f64) / count as f64;
                let us = low + ((high - low) as f64 * inside).round() as u64;
                return Some(Duration::from_micros(us));
            }
            below = upto;
        }
        Some(Duration::from_micros(lower(BUCKETS)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The bucket of a duration.
#[inline]
const fn index(us: u64) -> usize {
    if us < SPLIT {
        return us as usize;
    }
    let octave = us.ilog2();
    if octave >= OCTAVES {
        return BUCKETS - 1;
    }
    let part = (us >> (octave - SPLIT_BITS)) & (SPLIT - 1);
    ((octave - SPLIT_BITS + 1) as usize) << SPLIT_BITS | part as usize
}

/// The least duration of a bucket.
const fn lower(bucket: usize) -> u64 {
    let row = (bucket >> SPLIT_BITS) as u32;
    let part = bucket as u64 & (SPLIT - 1);
    if row == 0 {
        return part;
    }
    (SPLIT | part) << (row - 1)
}

#[cfg(test)]
mod tests;
