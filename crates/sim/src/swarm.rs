//! Swarm testing: each seed turns a random half of the features off.
//!
//! A run in which everything happens hides the bugs that need one thing to happen often and
//! another never.

use crate::rng::Rng;
use std::time::Duration;

/// A probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chance {
    /// In thousandths.
    pub(crate) permille: u16,
}

impl Chance {
    pub(crate) const NEVER: Self = Self { permille: 0 };

    /// Off in half of all seeds, else up to `most_permille`.
    pub(crate) fn draw(rng: &mut Rng, most_permille: u16) -> Self {
        if rng.one_in(2) {
            return Self::NEVER;
        }
        let permille = rng.between(1, u64::from(most_permille));
        Self {
            permille: u16::try_from(permille).expect("at most what was asked for"),
        }
    }
}

/// A range that durations are drawn from, see [`Rng::duration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) least_us: u64,
    pub(crate) most_us: u64,
}

impl Spread {
    /// From `least_us` to some longest duration between the two.
    pub(crate) fn draw(rng: &mut Rng, least_us: u64, most_us: u64) -> Self {
        let whole = Self { least_us, most_us };
        let most = rng.duration(whole);
        Self {
            least_us,
            most_us: u64::try_from(most.as_micros()).expect("drawn from a u64"),
        }
    }

    /// The longest duration of the spread.
    pub(crate) fn most(self) -> Duration {
        Duration::from_micros(self.most_us)
    }
}
