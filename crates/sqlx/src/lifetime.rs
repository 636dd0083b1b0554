//! The age at which a connection ends.
//!
//! SQLx ends all connections at the same age, so replicas that started together reconnect together,
//! again and again. Here each connection's lifetime is shorter by a random share. SQLx gives its hooks
//! the age of a connection and nothing that identifies it, so that share is computed from the moment
//! it was opened. Nothing is stored.
//!
//! A connection that is past its own lifetime is closed when it comes back, which costs no request
//! anything. One that lies idle is closed by SQLx at the full lifetime, or when it is asked for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// The lifetimes of a pool's connections.
#[derive(Debug)]
pub(crate) struct Lifetimes {
    max: Duration,
    jitter: f64,
    seed: u64,
    start: Instant,
}

impl Lifetimes {
    /// Lifetimes between `max * (1 - jitter)` and `max`, different in each process.
    pub(crate) fn new(max: Duration, jitter: f64, start: Instant) -> Self {
        Self {
            max,
            jitter,
            seed: RandomState::new().build_hasher().finish(),
            start,
        }
    }

    /// The lifetime of a connection that was opened at `opened`.
    pub(crate) fn of(&self, opened: Instant) -> Duration {
        // The age is measured a moment before this runs, so the moment of opening comes out a few
        // microseconds differently each time. Where that crosses the edge of a millisecond, the
        // connection has two lifetimes, both within the bounds.
        let opened_ms = opened.saturating_duration_since(self.start).as_millis();
        let random = mixed(self.seed ^ opened_ms as u64);
        // A float holds 53 bits.
        let part = (random >> 11) as f64 / (1_u64 << 53) as f64;
        self.max.mul_f64(1.0 - self.jitter * part)
    }

    /// Whether a connection of this age has come to its own end.
    pub(crate) fn is_over(&self, age: Duration, now: Instant) -> bool {
        now.checked_sub(age)
            .is_none_or(|opened| age >= self.of(opened))
    }

    /// Whether a connection of this age must not be handed out.
    pub(crate) fn is_beyond(&self, age: Duration) -> bool {
        age >= self.max
    }
}

/// SplitMix64's finalizer: close inputs give unrelated outputs.
fn mixed(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_spread_over_the_whole_jitter_and_never_longer() {
        let start = Instant::now();
        let lifetimes = Lifetimes::new(Duration::from_secs(1800), 0.1, start);
        let all: Vec<f64> = (0..1000)
            .map(|ms| {
                lifetimes
                    .of(start + Duration::from_millis(ms))
                    .as_secs_f64()
            })
            .collect();
        assert!(all.iter().all(|s| (1620.0..=1800.0).contains(s)));
        for tenth in 0..10 {
            let low = 1620.0 + 18.0 * f64::from(tenth);
            let count = all.iter().filter(|&&s| s >= low && s < low + 18.0).count();
            assert!((60..=140).contains(&count), "{count} of 1000 from {low} s");
        }
    }

    #[test]
    fn a_connection_ends_once_and_stays_ended() {
        let start = Instant::now();
        let lifetimes = Lifetimes::new(Duration::from_secs(10), 0.5, start);
        let opened = start + Duration::from_millis(77);
        let end = lifetimes.of(opened);
        let over = |age| lifetimes.is_over(age, opened + age);
        assert!(!over(end - Duration::from_micros(500)));
        assert!(over(end + Duration::from_micros(500)));
        assert!(over(Duration::from_secs(10)));
        assert!(!lifetimes.is_beyond(end.min(Duration::from_secs(9))));
        assert!(lifetimes.is_beyond(Duration::from_secs(10)));
    }

    #[test]
    fn without_jitter_all_end_at_the_bound() {
        let start = Instant::now();
        let lifetimes = Lifetimes::new(Duration::from_secs(10), 0.0, start);
        assert_eq!(lifetimes.of(start), Duration::from_secs(10));
    }
}
