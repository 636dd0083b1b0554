//! `currval` and `lastval`, which answer with a number that the session took last: never with that of another
//! client of the same server.
//!
//! The numbers of others are discarded when a client joins, before it can take its own, if it is known to read
//! them, or may turn out to. Where a read comes unforeseen, they are discarded before it: then a number that the
//! client took earlier is gone as well, and PostgreSQL says that there is none (55000).

use pgweir_sql::effects::Kinds;
use pgweir_wire::backend::TxStatus;

use super::mapped::Message;
use super::{FromClient, Relay, Violation};
use crate::text::Text;
use crate::upstream::Upstream;
use crate::upstream::sequences::Readers;

/// In so many of its first leases a client's server forgets the numbers of others, as long as it is not known whether
/// clients of its pool read any: most that ever do so do it early.
const FIRST_LEASES: u64 = 16;

/// PostgreSQL's numbers of the functions `currval` and `lastval`, which have never changed.
const READING_FUNCTIONS: [u32; 2] = [1575, 2559];

impl Relay {
    /// The client joins a server: lets it forget the numbers of others, if this one may read them.
    pub(super) fn forget_others_numbers(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        self.leases += 1;
        server.sequences.joined(self.leases);
        let may_read = self.reads_sequences
            || match server.sequences.readers() {
                Readers::Known => true,
                Readers::Possible => self.leases <= FIRST_LEASES,
                Readers::Unlikely => false,
            };
        if self.moves() && may_read && server.sequences.are_foreign() {
            server.discard_sequences(out);
        }
    }

    /// A message that reads numbers is about to go to a server that may remember those of others: they are discarded
    /// first.
    ///
    /// # Errors
    /// Something has to be done before the message is forwarded.
    #[cold]
    pub(super) fn precede_read(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<(), FromClient> {
        if !self.moves() || server.replies.is_skipping() {
            return Ok(());
        }
        if message.before > 0 {
            // What is put in front of this message comes behind those.
            return Err(FromClient::Forward(message.before));
        }
        if server.replies.is_lost() {
            return Err(FromClient::Violation(Violation::Unreachable));
        }
        if server.replies.is_unsynced() {
            return Err(FromClient::Violation(Violation::UnknownNumber));
        }
        if server.replies.owes_client() {
            // It depends on the answers whether the transaction has failed.
            self.awaits_answers = true;
            return Err(FromClient::Full);
        }
        if server.status == TxStatus::Failed {
            // PostgreSQL refuses the message anyway.
            return Ok(());
        }
        let mut out = std::mem::take(&mut server.spliced);
        server.discard_sequences(&mut out);
        server.spliced = out;
        Err(FromClient::Spliced(0))
    }

    /// The client may read the last number of a sequence, if these kinds say so.
    pub(super) fn note_read(&mut self, server: &mut Upstream, kinds: Kinds) {
        if kinds.any(Kinds::SEQUENCE_READ) {
            self.reads_sequences = true;
            server.observer.work.sequence_reads += 1;
        }
    }

    /// Whether a text, of which `whole` says that it is all there, reads the last number of a sequence.
    pub(super) fn reads_number(&self, server: &mut Upstream, text: Text<'_>, whole: bool) -> bool {
        let reads = |kinds: Kinds| kinds.any(Kinds::SEQUENCE_READ);
        let kinds = self.effects(server, text, whole).kinds;
        let executed = || self.lasting.as_ref().map(|lasting| lasting.any().kinds);
        reads(kinds) || kinds.any(Kinds::PREPARED) && executed().is_some_and(reads)
    }

    /// Whether a statement reads it.
    pub(super) fn binds_reader(&self, name: &[u8]) -> bool {
        let lasting = self.lasting.as_ref();
        let effects = lasting.and_then(|lasting| lasting.of(name));
        effects.is_some_and(|effects| effects.kinds.any(Kinds::SEQUENCE_READ))
    }
}

/// Whether a FunctionCall reads the last number of a sequence.
pub(super) fn calls_reader(body: &[u8]) -> bool {
    let called = body.first_chunk().map(|oid| u32::from_be_bytes(*oid));
    // Of one that is not there yet anything may be called.
    called.is_none_or(|oid| READING_FUNCTIONS.contains(&oid))
}

#[cfg(test)]
mod tests;
