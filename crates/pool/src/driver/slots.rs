//! A table whose entries keep their place, with a count of uses per place.

/// Entries by slot. A slot is reused; its generation tells one use from another.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    /// A free slot and its generation; filled with [`Slots::put`].
    pub(crate) fn reserve(&mut self) -> (u32, u32) {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            return (slot, self.entries[slot as usize].0);
        }
        let slot = u32::try_from(self.entries.len()).expect("fewer than 2^32 connections");
        self.entries.push((0, None));
        (slot, 0)
    }

    /// Puts an entry into a slot that was reserved, or taken from.
    pub(crate) fn put(&mut self, slot: u32, value: T) {
        let entry = &mut self.entries[slot as usize].1;
        assert!(entry.is_none(), "a slot holds one entry");
        *entry = Some(value);
    }

    /// Takes an entry out for a while; its slot stays reserved.
    pub(crate) fn take(&mut self, slot: u32) -> Option<T> {
        self.entries.get_mut(slot as usize)?.1.take()
    }

    /// Frees a slot whose entry was taken.
    pub(crate) fn free(&mut self, slot: u32) {
        let (generation, entry) = &mut self.entries[slot as usize];
        assert!(entry.is_none(), "a slot is empty before it is free");
        *generation = generation.wrapping_add(1);
        self.len -= 1;
        self.free.push(slot);
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.entries.get(slot as usize)?.1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.entries.get_mut(slot as usize)?.1.as_mut()
    }

    pub(crate) fn generation(&self, slot: u32) -> Option<u32> {
        self.entries.get(slot as usize).map(|entry| entry.0)
    }

    /// The slots that hold an entry.
    pub(crate) fn occupied(&self) -> Vec<u32> {
        (0..self.entries.len() as u32)
            .filter(|&slot| self.get(slot).is_some())
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..)
            .zip(&self.entries)
            .filter_map(|(slot, entry)| Some((slot, entry.1.as_ref()?)))
    }

    /// Those from a slot on, with their slots.
    pub(crate) fn iter_mut_from(&mut self, slot: u32) -> impl Iterator<Item = (u32, &mut T)> {
        let entries = self.entries.iter_mut().skip(slot as usize);
        (slot..)
            .zip(entries)
            .filter_map(|(slot, entry)| Some((slot, entry.1.as_mut()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.1.as_mut())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
