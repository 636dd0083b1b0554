//! Slow statements: one entry and one line for a statement of an application, however often it is
//! slow, so that one does not hide the others.

use std::time::{Duration, SystemTime};

use pgweir_pool::trace::Slowness;
use pgweir_sql::fingerprint::Fingerprint;
use tracing::warn;

use super::ring::Ring;
use super::{Author, millis};

/// How often a statement that goes on to be slow is told of in the log.
const AGAIN: Duration = Duration::from_secs(10);

/// A statement that was slow, and the like of it before.
#[derive(Debug, Clone)]
pub(crate) struct SlowStatement {
    /// When last.
    pub(crate) at: SystemTime,
    /// Of the slowest.
    pub(crate) slowness: Slowness,
    /// Whose it was last.
    pub(crate) author: Author,
    pub(crate) statement: Fingerprint,
    /// Without literals.
    pub(crate) text: String,
    /// The last one.
    pub(crate) waited: Duration,
    /// The last one.
    pub(crate) took: Duration,
    /// The slowest.
    pub(crate) worst: Duration,
    /// How many were slow.
    pub(crate) times: u64,
    told: Told,
}

/// What the log was told of a statement.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: SystemTime,
    slowness: Slowness,
    /// How many had no line since.
    untold: u64,
}

impl SlowStatement {
    pub(super) fn new(
        author: Author,
        statement: Fingerprint,
        text: String,
        slowness: Slowness,
        (waited, took): (Duration, Duration),
    ) -> Self {
        Self {
            at: SystemTime::now(),
            slowness,
            author,
            statement,
            text,
            waited,
            took,
            worst: took,
            times: 1,
            told: Told {
                at: SystemTime::UNIX_EPOCH,
                slowness: Slowness::Slow,
                untold: 0,
            },
        }
    }

    /// Keeps it, and writes a line where one is due: the first, one every ten seconds, and the first
    /// that is very slow.
    pub(super) fn tell(mut self, ring: &mut Ring<Self>) {
        let level = self.slowness;
        if let Some(before) = ring.take(|other| self.is_like(other)) {
            self.worst = self.worst.max(before.worst);
            self.slowness = self.slowness.max(before.slowness);
            self.times += before.times;
            self.told = before.told;
        }
        let since = self.at.duration_since(self.told.at);
        let is_due = since.is_ok_and(|since| since >= AGAIN) || level > self.told.slowness;
        if is_due && ring.line(self.at).is_some() {
            self.warn(level);
            self.told = Told {
                at: self.at,
                slowness: level,
                untold: 0,
            };
        } else {
            self.told.untold += 1;
        }
        ring.push(self);
    }

    fn is_like(&self, other: &Self) -> bool {
        self.statement == other.statement && self.author.is_like(&other.author)
    }

    fn warn(&self, level: Slowness) {
        let name = match level {
            Slowness::Slow => "Slow Query Detected",
            Slowness::VerySlow => "Very Slow Query",
        };
        warn!(
            database = &*self.author.database,
            user = &*self.author.user,
            client = self.author.client,
            application_name = self.author.application,
            fingerprint = %self.statement,
            wait_ms = millis(self.waited),
            untold = self.told.untold,
            "{name}: {} took {}ms",
            self.text,
            self.took.as_millis(),
        );
    }
}

#[cfg(test)]
mod tests;
