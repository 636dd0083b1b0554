//! Names of the things a pool speaks of.

use std::fmt;

/// A client session, as the driver knows it. The pool only compares and returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientId(pub u64);

/// A server connection; never reused within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

/// A data-plane thread, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

impl WorkerId {
    /// Position in a list with one entry per worker.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which client a [`ClientId`] means: its worker, its slot there, and which use of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRef {
    /// The worker it lives at.
    pub worker: u8,
    /// Use of the slot, counted modulo 2^24.
    pub generation: u32,
    /// Its slot in the worker's table.
    pub slot: u32,
}

/// Uses of a slot that can be told apart.
pub const GENERATION_MASK: u32 = 0x00ff_ffff;

impl ClientRef {
    /// Its number.
    pub fn id(self) -> ClientId {
        let generation = u64::from(self.generation & GENERATION_MASK);
        ClientId(u64::from(self.worker) << 56 | generation << 32 | u64::from(self.slot))
    }

    /// The worker it lives at.
    pub fn home(self) -> WorkerId {
        WorkerId(u16::from(self.worker))
    }
}

impl From<ClientId> for ClientRef {
    fn from(id: ClientId) -> Self {
        Self {
            worker: (id.0 >> 56) as u8,
            generation: (id.0 >> 32) as u32 & GENERATION_MASK,
            slot: id.0 as u32,
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientRef, GENERATION_MASK};

    #[test]
    fn a_client_is_named_and_found_again() {
        for (worker, generation, slot) in [(0, 0, 0), (255, GENERATION_MASK, u32::MAX), (3, 7, 9)] {
            let client = ClientRef {
                worker,
                generation,
                slot,
            };
            assert_eq!(ClientRef::from(client.id()), client);
        }
    }
}
