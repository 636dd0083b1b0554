//! What a session in the fake PostgreSQL holds beside its settings, with what transactions do to it.

use std::collections::BTreeSet;
use std::fmt;

/// Something that a session may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// A temporary table.
    Table,
    /// An advisory lock of the session.
    Lock,
    /// A cursor with hold.
    Cursor,
    /// A channel that is listened to.
    Channel,
}

pub(super) const THINGS: [Thing; 4] = [Thing::Table, Thing::Lock, Thing::Cursor, Thing::Channel];

impl Thing {
    /// The letter by which the pooler asks for it.
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Table => "t",
            Self::Lock => "a",
            Self::Cursor => "c",
            Self::Channel => "l",
        }
    }

    /// SQL that takes it and does not look like it.
    pub(super) fn unseen(self) -> &'static str {
        match self {
            Self::Table => "select keep_rows()",
            Self::Lock => "select be_alone()",
            Self::Cursor => "select remember_place()",
            Self::Channel => "select subscribe()",
        }
    }

    /// SQL that takes it, and SQL that gives it up.
    pub(super) fn sql(self) -> [&'static str; 2] {
        match self {
            Self::Table => ["create temp table t ()", "drop table t"],
            Self::Lock => ["select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"],
            Self::Cursor => ["declare c cursor with hold for select", "close c"],
            Self::Channel => ["listen c", "unlisten c"],
        }
    }
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    things: BTreeSet<Thing>,
    /// As they were when the transaction began.
    saved: Option<BTreeSet<Thing>>,
}

impl Held {
    pub(super) fn has(&self, thing: Thing) -> bool {
        self.things.contains(&thing)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    pub(super) fn take(&mut self, thing: Thing, takes: bool) {
        if takes {
            self.things.insert(thing);
        } else {
            self.things.remove(&thing);
        }
    }

    pub(super) fn discard(&mut self) {
        self.things.clear();
    }

    pub(super) fn begin(&mut self) {
        self.saved = Some(self.things.clone());
    }

    pub(super) fn commit(&mut self) {
        self.saved = None;
    }

    /// A lock of the session outlives its transaction however that ends.
    pub(super) fn abort(&mut self) {
        let Some(saved) = self.saved.take() else {
            return;
        };
        let has_lock = self.has(Thing::Lock);
        self.things = saved;
        self.take(Thing::Lock, has_lock);
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for thing in &self.things {
            f.write_str(thing.letter())?;
        }
        Ok(())
    }
}
