//! What a run leaves behind: a fingerprint of everything that happened, and how often what did.

use std::collections::BTreeMap;
use std::fmt;

use pgweir_pool::time::Time;

/// How often each kind of thing happened, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// How many were counted.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds what another run counted.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.0 {
            writeln!(f, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}

/// The result of one seed. Two runs of one seed have equal outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What happened how often.
    pub tally: Tally,
    /// A hash over every event in its order.
    pub trace: u64,
}

/// Collects the outcome while a run goes on.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) outcome: Outcome,
    /// Print each event, to read a failing run.
    pub(crate) print: bool,
}

impl Log {
    /// Takes one number into the fingerprint (FNV-1a over words).
    pub(crate) fn mix(&mut self, word: u64) {
        self.outcome.trace = (self.outcome.trace ^ word).wrapping_mul(0x0000_0100_0000_01B3);
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.outcome.tally.count(name);
    }

    /// Prints one event where that was asked for.
    pub(crate) fn line(&self, now: Time, line: fmt::Arguments<'_>) {
        if self.print {
            println!("{:>12.3} ms  {line}", now.0 as f64 / 1000.0);
        }
    }
}
