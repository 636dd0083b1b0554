//! Seeds that once failed. They run before any others.

use crate::level::Level;

/// A seed and what it showed.
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    /// What was simulated.
    pub level: Level,
    /// The seed.
    pub seed: u64,
    /// What was wrong when it failed, in one sentence.
    pub showed: &'static str,
}

/// All of them, oldest first.
pub const REGRESSIONS: &[Regression] = &[];
