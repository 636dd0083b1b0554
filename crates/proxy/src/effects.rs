//! What the decisions of a pool cause outside it.

use pgweir_pool::id::{ClientId, ServerId};
use pgweir_pool::pool::{CloseReason, Place, Refusal};

use crate::link::Server;

/// An action of the pool with what it acts on, taken out under the pool's lock.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The client gets the server.
    Grant(Grant),
    /// The client does not get one.
    Refuse(ClientId, Refusal),
    /// A server is to be opened.
    Open(ServerId),
    /// A server is to be closed.
    Close(Box<Server>, CloseReason),
}

/// A server for a client.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) client: ClientId,
    pub(crate) server: Box<Server>,
    pub(crate) place: Place,
    /// It was idle for so long that it is checked first.
    pub(crate) check: bool,
}

/// Which client a [`ClientId`] means: its worker, its entry there, and which use of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientRef {
    pub(crate) worker: u8,
    pub(crate) generation: u32,
    pub(crate) slot: u32,
}

/// Uses of an entry that can be told apart.
pub(crate) const GENERATION_MASK: u32 = 0x00ff_ffff;

impl ClientRef {
    pub(crate) fn id(self) -> ClientId {
        let generation = u64::from(self.generation & GENERATION_MASK);
        ClientId(u64::from(self.worker) << 56 | generation << 32 | u64::from(self.slot))
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
