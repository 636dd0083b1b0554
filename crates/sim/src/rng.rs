//! Random numbers from a seed (splitmix64). Good enough to explore with, and the same everywhere.

use crate::swarm::{Chance, Spread};
use std::time::Duration;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers beside those to come, which stay as they are: for what is drawn in addition, so that seeds show
    /// what they showed.
    pub(crate) fn aside(&self) -> Self {
        Self(self.0 ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True once in `n`.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// True with the given probability.
    pub(crate) fn happens(&mut self, chance: Chance) -> bool {
        self.below(1000) < u64::from(chance.permille)
    }

    /// One of `items`; `None` if there are none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        let at = usize::try_from(self.below(items.len() as u64)).expect("an index fits");
        Some(items[at])
    }

    /// A duration of the spread: each doubling from the shortest on is as likely as any other, so
    /// that short and long ones meet in one run.
    pub(crate) fn duration(&mut self, spread: Spread) -> Duration {
        let least = spread.least_us.max(1);
        let doublings = (spread.most_us / least).max(1).ilog2();
        let base = least << self.between(0, u64::from(doublings));
        Duration::from_micros((base + self.below(base)).min(spread.most_us))
    }
}
