//! The statements that one server has for all clients, by numbers.

use std::sync::Arc;

use pgweir_wire::{encode, frontend};

use super::{Description, Entry, Identity};

/// What the pooler's names of statements begin with; a number follows. Alone it is the name of none.
const PREFIX: &[u8] = b"pgweir_";

/// A statement that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    hash: u64,
    pub(crate) entry: Arc<Entry>,
    /// Behind [`PREFIX`] its name.
    pub(crate) number: u32,
    /// What PostgreSQL said of it when it was parsed, once that is known.
    pub(crate) described: Option<Arc<Description>>,
    /// When it was wanted last, in wishes.
    used: u64,
    /// Its plan may not fit the tables any more: it is parsed anew when it is wanted.
    stale: bool,
}

/// What the server has, as far as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct ServerStatements {
    /// By the hashes of their identities.
    slots: Vec<Slot>,
    /// The number that was given last.
    last: u32,
    wishes: u64,
}

impl ServerStatements {
    /// What the server has of a statement, which is wanted now.
    pub(crate) fn want(&mut self, identity: Identity<'_>) -> Option<&Slot> {
        let at = self.find(identity).filter(|&at| !self.slots[at].stale)?;
        self.wishes += 1;
        let slot = &mut self.slots[at];
        slot.used = self.wishes;
        Some(slot)
    }

    /// Tables have changed: what is there is parsed anew when it is wanted.
    pub(crate) fn grow_stale(&mut self) {
        for slot in &mut self.slots {
            slot.stale = true;
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A statement is parsed: its number. None may be there for it.
    pub(crate) fn add(&mut self, entry: Arc<Entry>) -> u32 {
        self.last += 1;
        self.wishes += 1;
        let slot = Slot {
            hash: entry.identity().hash(),
            entry,
            number: self.last,
            described: None,
            used: self.wishes,
            stale: false,
        };
        self.put(slot);
        self.last
    }

    /// PostgreSQL described a statement.
    pub(crate) fn described(&mut self, number: u32, description: Option<Arc<Description>>) {
        let slot = self.slots.iter_mut().find(|slot| slot.number == number);
        if let Some(slot) = slot {
            slot.described = description;
        }
    }

    /// The statement is there after all.
    pub(crate) fn put(&mut self, slot: Slot) {
        let at = self.first(slot.hash);
        self.slots.insert(at, slot);
    }

    /// Takes out the one that was not wanted for longest, while there are `max` or more.
    pub(crate) fn evict(&mut self, max: usize) -> Option<Slot> {
        if self.slots.len() < max {
            return None;
        }
        let oldest = self.slots.iter().min_by_key(|slot| slot.used)?.number;
        self.remove(oldest)
    }

    /// Takes out what the server has of a statement.
    pub(crate) fn take(&mut self, identity: Identity<'_>) -> Option<Slot> {
        let number = self.slots[self.find(identity)?].number;
        self.remove(number)
    }

    /// The statement of this number is not there.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Slot> {
        let at = self.slots.iter().position(|slot| slot.number == number)?;
        Some(self.slots.remove(at))
    }

    /// All are gone but those that `stays` says.
    pub(crate) fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        self.slots.retain(|slot| stays(slot.number));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn first(&self, hash: u64) -> usize {
        let less = |slot: &Slot| slot.hash < hash;
        self.slots.partition_point(less)
    }

    fn find(&self, identity: Identity<'_>) -> Option<usize> {
        let hash = identity.hash();
        let first = self.first(hash);
        let same = |slot: &&Slot| slot.hash == hash;
        let mut alike = self.slots[first..].iter().take_while(same);
        let at = alike.position(|slot| slot.entry.identity() == identity)?;
        Some(first + at)
    }
}

/// Appends the pooler's name of the statement with this number, which is not zero, or of none, with its
/// zero byte.
pub(crate) fn push_name(out: &mut Vec<u8>, number: Option<u32>) {
    out.extend_from_slice(PREFIX);
    if let Some(number) = number {
        let at = out.len();
        let mut rest = number;
        while rest > 0 {
            out.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        out[at..].reverse();
    }
    out.push(0);
}

/// Appends a Parse; `name` appends its name, and `rest` is what follows that in its body.
pub(crate) fn push_parse(out: &mut Vec<u8>, name: impl FnOnce(&mut Vec<u8>), rest: &[u8]) {
    encode::message(out, frontend::PARSE, |out| {
        name(out);
        out.extend_from_slice(rest);
    });
}

/// Appends a Close of the statement with this number, or of none.
pub(crate) fn push_close(out: &mut Vec<u8>, number: Option<u32>) {
    encode::message(out, frontend::CLOSE, |out| {
        out.push(frontend::TARGET_STATEMENT);
        push_name(out, number);
    });
}

/// Whether an error speaks of a statement by one of the pooler's names.
pub(crate) fn mentions_ours(error: &[u8]) -> bool {
    let is_ours = |quoted: &[u8]| match quoted.strip_prefix(b"\"") {
        Some(name) => starts_like_ours(name) && matches!(name.last(), Some(b'1'..=b'9')),
        None => false,
    };
    error.windows(1 + PREFIX.len() + 1).any(is_ours)
}

/// Whether a client calls a statement as the pooler would.
pub(crate) fn starts_like_ours(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}
