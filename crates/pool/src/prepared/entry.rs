//! What a prepared statement is, whatever it is called.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;

/// A statement that clients and servers share.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    hash: u64,
    reading: Box<[u8]>,
    body: Box<[u8]>,
    /// By which it is counted.
    pub statement: Fingerprint,
    /// What it may do has to be noted whenever it runs.
    pub(crate) is_notable: bool,
}

/// What makes two statements the same: the text and the types of its parameters, and the settings by
/// which PostgreSQL reads a text.
///
/// Whole texts are compared, so that nobody can make one pass for another; the hash only makes that rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    hash: u64,
    reading: &'a [u8],
    body: &'a [u8],
}

impl<'a> Identity<'a> {
    /// `body` is that of the Parse behind the name, `reading` from
    /// [`Parameters::reading`](crate::parameters::Parameters::reading).
    pub fn new(reading: &'a [u8], body: &'a [u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        (reading, body).hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            reading,
            body,
        }
    }

    /// An entry for it.
    pub(crate) fn entry(&self, statement: Fingerprint, is_notable: bool) -> Arc<Entry> {
        Arc::new(Entry {
            is_notable,
            hash: self.hash,
            reading: self.reading.into(),
            body: self.body.into(),
            statement,
        })
    }

    /// An entry for the same text with the types of its parameters spelled out, as a Parse has them.
    pub(crate) fn typed(entry: &Entry, types: &[u8]) -> Arc<Entry> {
        let text = entry.text();
        let body = [text, b"\0", types].concat();
        Identity::new(&entry.reading, &body).entry(entry.statement, entry.is_notable)
    }

    /// By which entries are sorted.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl Entry {
    /// What it is.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            hash: self.hash,
            reading: &self.reading,
            body: &self.body,
        }
    }

    /// The body of its Parse behind the name.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Its text.
    pub(crate) fn text(&self) -> &[u8] {
        let end = self.body.iter().position(|&byte| byte == 0);
        &self.body[..end.unwrap_or(self.body.len())]
    }

    /// The settings it is read by.
    pub fn reading(&self) -> &[u8] {
        &self.reading
    }

    /// Bytes that its text and settings take.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.reading.len()
    }
}
