//! What somebody should know of: statements that are slow, and those that a client repeats.

use std::sync::Arc;
use std::time::Duration;

use pgweir_sql::effects::Kinds;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::sqlcommenter::Tag;

/// From when on a statement is slow. `Duration::MAX` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Worth a line in the log.
    pub slow: Duration,
    /// Worth somebody's attention.
    pub very_slow: Duration,
}

impl Thresholds {
    /// How slow a statement is that `took` so long; `None` if it is not.
    pub(super) fn slowness(&self, took: Duration) -> Option<Slowness> {
        if took >= self.very_slow {
            Some(Slowness::VerySlow)
        } else {
            (took >= self.slow).then_some(Slowness::Slow)
        }
    }
}

/// How slow a statement was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slowness {
    /// As slow as `Thresholds::slow`.
    Slow,
    /// As slow as `Thresholds::very_slow`.
    VerySlow,
}

/// Something that somebody should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A statement was slow.
    Slow {
        /// Which.
        statement: Fingerprint,
        /// How slow.
        slowness: Slowness,
        /// How long the client had waited for the server before its transaction.
        waited: Duration,
        /// How long the server took.
        took: Duration,
    },
    /// A client repeated a statement, a round trip each.
    Repeated {
        /// Which.
        statement: Fingerprint,
        /// How often by now.
        times: u32,
        /// What the application says of itself in a comment of the statement.
        tags: Vec<Tag>,
    },
    /// Something was left in a session that no text told of, as a function may.
    Unseen(Unseen),
}

/// What was left in a session that no text told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Which statements may have left it: those of the lease that was audited, as far as they are known.
    pub statements: Vec<Fingerprint>,
    /// Settings.
    pub settings: Vec<Arc<str>>,
    /// Other things.
    pub held: Kinds,
    /// It is known to have been left in this lease, so that it is the client's. Otherwise the server is closed.
    pub is_clients: bool,
}

/// How many findings there were, also those that were too many to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FindingCounts {
    /// Slow statements.
    pub slow: u64,
    /// Very slow ones, which are not among the slow.
    pub very_slow: u64,
    /// Statements that a client repeated, each counted once.
    pub repeated: u64,
    /// Audits that found settings that no text told of.
    pub unseen_settings: u64,
    /// Audits that found something else in a session that no text told of.
    pub unseen_held: u64,
}

impl FindingCounts {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.slow += other.slow;
        self.very_slow += other.very_slow;
        self.repeated += other.repeated;
        self.unseen_settings += other.unseen_settings;
        self.unseen_held += other.unseen_held;
    }
}
