//! What can be simulated.

use crate::log::Outcome;
use crate::{path, pool, replay};

/// A part of the pooler, alone or with the parts below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Pools and their budget, without a byte of protocol.
    Pool,
    /// The whole data path, between fake clients and a fake PostgreSQL.
    Path,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 2] = [Self::Pool, Self::Path];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Path => "path",
        }
    }

    /// Runs one seed to its end; with `print`, each event is printed.
    ///
    /// # Panics
    /// If a rule does not hold.
    pub fn run(self, seed: u64, print: bool) -> Outcome {
        replay::running(self, seed);
        match self {
            Self::Pool => pool::run(seed, print),
            Self::Path => path::run(seed, print),
        }
    }

    /// Runs one seed twice.
    ///
    /// # Panics
    /// If a rule does not hold, or if the two runs differ: then something depends on more than the
    /// seed, and no failure could be repeated.
    pub fn run_twice(self, seed: u64) -> Outcome {
        let first = self.run(seed, false);
        let second = self.run(seed, false);
        assert_eq!(first, second, "deterministic: one seed has one course");
        first
    }
}
