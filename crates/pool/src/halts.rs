//! What an administrator has stopped: everything, or single databases.
//!
//! Databases are known by the names that clients say, whether they have pools or not, so that a pool made
//! later begins as it should. Nothing here acts: the shell asks after each change which pools are paused,
//! and tells them.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Names of databases that are remembered at most. Only an administrator adds to them.
const NAMES_MAX: usize = 10_000;

/// How everything was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// No server is given out.
    Pause,
    /// Nothing moves.
    Suspend,
}

/// Why an order to stop or to go on has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Everything is paused or suspended already.
    StoppedAlready,
    /// Everything goes on already.
    NotStopped,
    /// The database is not paused.
    NotPaused,
    /// While a database is paused its clients cannot be served until their buffers are empty.
    DatabasesPaused,
    /// Too many databases are stopped.
    TooMany,
}

/// What is stopped.
#[derive(Debug, Default)]
pub struct Halts {
    everything: Option<Stop>,
    paused: BTreeSet<Arc<str>>,
    disabled: BTreeSet<Arc<str>>,
}

impl Halts {
    /// Pauses everything.
    ///
    /// # Errors
    /// It is stopped already.
    pub fn pause(&mut self) -> Result<(), Unfit> {
        self.must_run()?;
        self.everything = Some(Stop::Pause);
        Ok(())
    }

    /// Suspends everything.
    ///
    /// # Errors
    /// It is stopped already, or databases are paused.
    pub fn suspend(&mut self) -> Result<(), Unfit> {
        self.must_run()?;
        if !self.paused.is_empty() {
            return Err(Unfit::DatabasesPaused);
        }
        self.everything = Some(Stop::Suspend);
        Ok(())
    }

    /// Ends a stop of everything, and says which it was. Databases that were paused by name stay so.
    ///
    /// # Errors
    /// Nothing is stopped.
    pub fn resume(&mut self) -> Result<Stop, Unfit> {
        self.everything.take().ok_or(Unfit::NotStopped)
    }

    /// Pauses a database.
    ///
    /// # Errors
    /// Everything is stopped, or too many databases are.
    pub fn pause_database(&mut self, name: &str) -> Result<(), Unfit> {
        self.must_run()?;
        insert(&mut self.paused, name)
    }

    /// Ends the pause of a database.
    ///
    /// # Errors
    /// It is not paused by name.
    pub fn resume_database(&mut self, name: &str) -> Result<(), Unfit> {
        let was_paused = self.paused.remove(name);
        was_paused.then_some(()).ok_or(Unfit::NotPaused)
    }

    /// Has new clients of a database refused.
    ///
    /// # Errors
    /// Too many databases are stopped.
    pub fn disable(&mut self, name: &str) -> Result<(), Unfit> {
        insert(&mut self.disabled, name)
    }

    /// Lets new clients of a database in again.
    pub fn enable(&mut self, name: &str) {
        self.disabled.remove(name);
    }

    /// How everything is stopped.
    pub fn everything(&self) -> Option<Stop> {
        self.everything
    }

    /// Whether the pools of a database give out no server.
    pub fn is_paused(&self, name: &str) -> bool {
        self.everything == Some(Stop::Pause) || self.paused.contains(name)
    }

    /// Whether new clients of a database are refused.
    pub fn is_disabled(&self, name: &str) -> bool {
        self.disabled.contains(name)
    }

    /// Whether an order named this database before.
    pub fn knows(&self, name: &str) -> bool {
        self.paused.contains(name) || self.disabled.contains(name)
    }

    fn must_run(&self) -> Result<(), Unfit> {
        match self.everything {
            Some(_) => Err(Unfit::StoppedAlready),
            None => Ok(()),
        }
    }
}

fn insert(names: &mut BTreeSet<Arc<str>>, name: &str) -> Result<(), Unfit> {
    if names.contains(name) {
        return Ok(());
    }
    if names.len() >= NAMES_MAX {
        return Err(Unfit::TooMany);
    }
    names.insert(name.into());
    Ok(())
}

#[cfg(test)]
mod tests;
