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
pub const REGRESSIONS: &[Regression] = &[Regression {
    level: Level::Pool,
    seed: 639,
    showed: "a pool that always wanted one server more took back each connection that it had given \
             up for a rival, because both were told of the room and lost their places",
}];
