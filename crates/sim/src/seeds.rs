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
pub const REGRESSIONS: &[Regression] = &[
    Regression {
        level: Level::Pool,
        seed: 639,
        showed: "a pool that always wanted one server more took back each connection that it had given \
             up for a rival, because both were told of the room and lost their places",
    },
    Regression {
        level: Level::Path,
        seed: 224,
        showed: "An idle server of which half a notice had come was granted, and an assertion stopped the pooler.",
    },
    Regression {
        level: Level::Path,
        seed: 20,
        showed: "A FATAL error cut short after its header was not taken for the server's goodbye.",
    },
    Regression {
        level: Level::Path,
        seed: 427,
        showed: "A long notice amid the pooler's own query was taken for a broken server.",
    },
    Regression {
        level: Level::Path,
        seed: 14,
        showed: "An error of the pooler was sent in the middle of a row, and read as the rest of it.",
    },
    Regression {
        level: Level::Path,
        seed: 8,
        showed: "A cancel request hit the settings before a query, and the query ran with another client's.",
    },
    Regression {
        level: Level::Path,
        seed: 1,
        showed: "A client was told twice that its session ends.",
    },
    Regression {
        level: Level::Path,
        seed: 202,
        showed: "A Sync amid a failed COPY was answered, and the server was returned with an answer under way.",
    },
    Regression {
        level: Level::Path,
        seed: 3767,
        showed: "A notice began behind the refusal of the settings, and the last error came in the middle of it.",
    },
];
