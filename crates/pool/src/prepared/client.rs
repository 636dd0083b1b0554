//! What one client believes its session has.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Description, Entry, StatementName, significant};
use crate::parameters::Parameters;

/// Named statements that one client may have at a time.
pub const CLIENT_STATEMENTS_MAX: usize = 4096;

/// Settings and prepared statements that a client believes its session has. They go with it from
/// server to server.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Its settings.
    pub parameters: Arc<Parameters>,
    /// Its prepared statements.
    pub statements: ClientStatements,
}

/// A prepared statement of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientStatement {
    /// What it is.
    pub entry: Arc<Entry>,
    /// What PostgreSQL said of it when the client prepared it, once that is known.
    pub described: Option<Arc<Description>>,
}

/// The prepared statements of one client, by its own names.
#[derive(Debug, Default)]
pub struct ClientStatements {
    named: BTreeMap<StatementName, ClientStatement>,
    unnamed: Unnamed,
}

/// The unnamed statement: the body of its Parse behind the name, in a buffer that is kept.
#[derive(Debug, Default)]
struct Unnamed {
    body: Vec<u8>,
    is_there: bool,
}

impl ClientStatements {
    /// The statement of this name.
    pub fn get(&self, name: &[u8]) -> Option<&ClientStatement> {
        self.named.get(significant(name))
    }

    /// As [`Self::get`], to learn more of it.
    pub(crate) fn get_mut(&mut self, name: &[u8]) -> Option<&mut ClientStatement> {
        self.named.get_mut(significant(name))
    }

    /// How many there are with names.
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether there are none with names.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.named.len() >= CLIENT_STATEMENTS_MAX
    }

    /// Gives a statement a name.
    pub fn insert(&mut self, name: &[u8], statement: ClientStatement) {
        self.named.insert(significant(name).into(), statement);
    }

    /// Takes a name away.
    pub fn remove(&mut self, name: &[u8]) -> Option<(StatementName, ClientStatement)> {
        self.named.remove_entry(significant(name))
    }

    /// Takes all names away but those that `stays` says.
    pub(crate) fn retain(&mut self, stays: impl Fn(&[u8]) -> bool) {
        self.named.retain(|name, _| stays(name));
    }

    /// The unnamed statement was parsed; `body` is that of its Parse behind the name.
    #[inline]
    pub(crate) fn unnamed_parsed(&mut self, body: &[u8]) {
        let unnamed = &mut self.unnamed;
        unnamed.body.clear();
        unnamed.body.extend_from_slice(body);
        unnamed.is_there = true;
    }

    /// There is no unnamed statement any more.
    #[inline]
    pub(crate) fn unnamed_dropped(&mut self) {
        self.unnamed.is_there = false;
    }

    /// The body of the unnamed statement's Parse behind the name.
    pub(crate) fn unnamed(&self) -> Option<&[u8]> {
        self.unnamed.is_there.then_some(&*self.unnamed.body)
    }
}
