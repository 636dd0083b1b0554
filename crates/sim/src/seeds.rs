//! Seeds in which a rule does not hold once a guard is missing. They run before any others.
//!
//! Those of level `pool` failed when they were found. Those of level `path` are the first to fail, from 0 on,
//! with one guard removed from the driver or the budget, as `tests/races.py` does it: in its order, one for
//! each of its races, found with this list empty. Worlds are drawn from a seed by code that changes; then
//! a seed shows something else, and its race needs another.

use crate::level::Level;

/// A seed and what it showed.
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    /// What was simulated.
    pub level: Level,
    /// The seed.
    pub seed: u64,
    /// What was wrong when it failed, or is wrong without the guard, in one sentence.
    pub showed: &'static str,
}

/// All of them.
pub const REGRESSIONS: &[Regression] = &[
    Regression {
        level: Level::Pool,
        seed: 639,
        showed: "a pool that always wanted one server more took back each connection that it had given \
             up for a rival, because both were told of the room and lost their places",
    },
    Regression {
        level: Level::Pool,
        seed: 5176,
        showed: "a pool that was told of room asked for it late, after the one that \
             had given it up; the checker took one that was served between two sweeps for starving",
    },
    Regression {
        level: Level::Path,
        seed: 4,
        showed: "a grant of a wait that was cancelled was taken for the next one's, and the queue kept the place of that for nobody",
    },
    Regression {
        level: Level::Path,
        seed: 794,
        showed: "a refusal that was under way when its wait was cancelled ended the wait behind it",
    },
    Regression {
        level: Level::Path,
        seed: 16,
        showed: "the name of a client that had left led to the next one in its slot",
    },
    Regression {
        level: Level::Path,
        seed: 656,
        showed: "a server said something on its way to a client that had left, and it lay in its pool unread",
    },
    Regression {
        level: Level::Path,
        seed: 6581,
        showed: "a server said something and broke on its way to a client that had left, and its pool did not see the end behind the words",
    },
    Regression {
        level: Level::Path,
        seed: 827,
        showed: "a server said something on its way to a client, whose session waited for an event that had been",
    },
    Regression {
        level: Level::Path,
        seed: 757,
        showed: "a cancel request that arrived was counted for the next server in its slot, which never went back",
    },
    Regression {
        level: Level::Path,
        seed: 1,
        showed: "a server went back to its pool before a cancel request for it had arrived",
    },
    Regression {
        level: Level::Path,
        seed: 2,
        showed: "a server that was granted while it waited to be taken home was heard by two workers",
    },
    Regression {
        level: Level::Path,
        seed: 0,
        showed: "a server that moved was heard by the worker it left, too",
    },
    Regression {
        level: Level::Path,
        seed: 4,
        showed: "a cancel request that was put off while the pooler's own query ran was forgotten",
    },
    Regression {
        level: Level::Path,
        seed: 4609,
        showed: "a slot was used again within one round of events, and an event of the stream before was taken for the new one's",
    },
    Regression {
        level: Level::Path,
        seed: 9,
        showed: "a client that hung up while it waited left its place to nobody",
    },
    Regression {
        level: Level::Path,
        seed: 8,
        showed: "a wait that was cancelled went on in the queue",
    },
    Regression {
        level: Level::Path,
        seed: 1,
        showed: "a server that was lost kept its connection of the budget",
    },
    Regression {
        level: Level::Path,
        seed: 2,
        showed: "a pool that the budget had denied was not told of room, and its clients waited for ever",
    },
    Regression {
        level: Level::Path,
        seed: 23,
        showed: "a busy pool kept all connections of the budget from one whose clients waited for longer",
    },
    Regression {
        level: Level::Path,
        seed: 175,
        showed: "a server that could not be taken out of a worker's events kept its slot there",
    },
    Regression {
        level: Level::Path,
        seed: 10,
        showed: "a session that had passed a limit went on",
    },
    Regression {
        level: Level::Path,
        seed: 27,
        showed: "a cancel request that PostgreSQL did not confirm arrived at the next client's query",
    },
    Regression {
        level: Level::Path,
        seed: 673,
        showed: "a client waited for a server that did not answer the pooler",
    },
    Regression {
        level: Level::Path,
        seed: 69,
        showed: "a role that one client took met the query of another",
    },
    Regression {
        level: Level::Path,
        seed: 94,
        showed: "a server that never came to its end was cleaned for as long as it liked",
    },
    Regression {
        level: Level::Path,
        seed: 9277,
        showed: "behind messages that COPY does not expect, a RESET went to the server's default, not the client's",
    },
    Regression {
        level: Level::Path,
        seed: 24462,
        showed: "a client was not told why its first server went before its login had ended",
    },
];
