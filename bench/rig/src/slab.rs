//! Connections under small numbers that are used again.

/// Values by number; a removed value's number goes to the next one inserted.
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The number that the next insertion gets.
    pub(crate) fn next_id(&self) -> usize {
        self.free.last().copied().unwrap_or(self.entries.len())
    }

    pub(crate) fn insert(&mut self, value: T) -> usize {
        let id = self.next_id();
        if self.free.pop().is_some() {
            self.entries[id] = Some(value);
        } else {
            self.entries.push(Some(value));
        }
        id
    }

    pub(crate) fn remove(&mut self, id: usize) -> Option<T> {
        let value = self.entries.get_mut(id)?.take()?;
        self.free.push(id);
        Some(value)
    }

    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.entries.get_mut(id)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut slab = Slab::new();
        assert_eq!(
            (slab.insert('a'), slab.insert('b'), slab.next_id()),
            (0, 1, 2)
        );
        assert_eq!(
            (slab.remove(0), slab.remove(0), slab.next_id()),
            (Some('a'), None, 0)
        );
        assert_eq!(
            (slab.insert('c'), slab.get_mut(0).copied(), slab.next_id()),
            (0, Some('c'), 2)
        );
    }
}
