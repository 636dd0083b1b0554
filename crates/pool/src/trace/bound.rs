//! Which statement the next Execute is of.

use pgweir_sql::fingerprint::{Fingerprint, text_hash};

/// Statements by the names that a client calls them.
#[derive(Debug, Default)]
pub(super) struct BoundStatement {
    /// Statement of the last Parse, and the hash of its name.
    parsed: (u64, Fingerprint),
    /// The unnamed statement.
    unnamed: Fingerprint,
    /// Statement of the last Bind. With several portals at once, those of the others are counted
    /// as this one.
    bound: Fingerprint,
}

impl BoundStatement {
    /// A Parse of the statement `name`.
    pub(super) fn parse(&mut self, name: &[u8], statement: Fingerprint) {
        self.parsed = (text_hash(name), statement);
        if name.is_empty() {
            self.unnamed = statement;
        }
    }

    /// A Bind of the statement `name`, which is `prepared` if that was confirmed.
    pub(super) fn bind(&mut self, name: &[u8], prepared: Option<Fingerprint>) {
        self.bound = if name.is_empty() {
            self.unnamed
        } else {
            // It may be on its way still.
            let (parsed, statement) = self.parsed;
            let earlier = (parsed == text_hash(name)).then_some(statement);
            earlier.or(prepared).unwrap_or(Fingerprint::NONE)
        };
    }

    /// A Bind of a statement, whatever its name.
    pub(super) fn bind_to(&mut self, statement: Fingerprint) {
        self.bound = statement;
    }

    /// The statement of the last Bind.
    pub(super) fn statement(&self) -> Fingerprint {
        self.bound
    }
}
