//! What one section of a source gives, by name.

use compact_str::CompactString;

use crate::{Origin, Value};

/// Values of one section by name. A name given twice holds the last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// Where the section starts.
    pub origin: Origin,
    /// The values by the name written, in the order of the names. A vector, for sections are small and
    /// many.
    values: Vec<(CompactString, Given)>,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

impl Section {
    /// An empty section that starts at `origin`.
    pub fn new(origin: Origin) -> Self {
        Self::with_room(origin, 0)
    }

    /// An empty section that starts at `origin`, with room for `count` values.
    pub(crate) fn with_room(origin: Origin, count: usize) -> Self {
        let values = Vec::with_capacity(count);
        Self { origin, values }
    }

    /// What was given under this name.
    pub fn get(&self, name: &str) -> Option<&Given> {
        let at = self.place(name).ok()?;
        Some(&self.values[at].1)
    }

    /// Whether something was given under this name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What was given, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.values
            .iter()
            .map(|(name, given)| (name.as_str(), given))
    }

    /// Adds a value with the section's own origin.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let origin = self.origin.clone();
        self.give(name, value.into(), origin);
    }

    /// Adds a value; an earlier one of the same name gives way.
    pub fn give(&mut self, name: &str, value: Value, origin: Origin) {
        self.put(name.into(), Given { value, origin });
    }

    pub(crate) fn put(&mut self, name: CompactString, given: Given) {
        match self.place(&name) {
            Ok(at) => self.values[at].1 = given,
            Err(at) => self.values.insert(at, (name, given)),
        }
    }

    /// Adds what another source gives; where both speak, the other one counts.
    pub fn overlay(&mut self, over: Self) {
        if self.values.is_empty() {
            self.origin = over.origin;
        }
        for (name, given) in over.values {
            self.put(name, given);
        }
    }

    /// Where the name is, or where it would go: behind the last one, where sorted names are added.
    fn place(&self, name: &str) -> Result<usize, usize> {
        let last = self.values.last();
        if last.is_none_or(|(last, _)| last.as_str() < name) {
            return Err(self.values.len());
        }
        self.values
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}
