//! `currval` and `lastval`, which answer with a number that the session took last: never with that of another
//! client of the same server.
//!
//! The numbers of others are discarded when a client joins, before it can take its own, if it is known to read
//! them, or may turn out to. Where a read comes unforeseen, they are discarded before it: then a number that the
//! client took earlier is gone as well, and PostgreSQL says that there is none (55000).

use pgweir_sql::effects::Kinds;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::frontend;

use super::look::{Look, calls_reader};
use super::mapped::Message;
use super::{FromClient, Relay, Violation};
use crate::upstream::Upstream;

/// In so many of its first leases a client's server forgets the numbers of others, whatever it is known of the
/// client: it costs little beside its login, and most clients that ever read a number do so early.
const FIRST_LEASES: u64 = 16;

impl Relay {
    /// The client joins a server: lets it forget the numbers of others, if this one may read them.
    pub(super) fn forget_others_numbers(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        self.leases += 1;
        server.sequences.joined(self.leases);
        let may_read =
            self.reads_sequences || server.sequences.are_read() || self.leases <= FIRST_LEASES;
        if self.moves() && may_read && server.sequences.are_foreign() {
            server.discard_sequences(out);
        }
    }

    /// A message is about to go to a server that may remember the numbers of others. If it reads them, they are
    /// discarded first.
    ///
    /// # Errors
    /// Something has to be done before the message is forwarded.
    #[cold]
    pub(super) fn precede_read(
        &mut self,
        server: &mut Upstream,
        look: Look,
        message: Message<'_>,
    ) -> Result<(), FromClient> {
        let is_skipped = server.replies.is_skipping();
        if !self.moves() || is_skipped || !self.reads_number(server, look, message) {
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

    fn reads_number(&self, server: &Upstream, look: Look, message: Message<'_>) -> bool {
        let reads = |kinds: Kinds| kinds.any(Kinds::SEQUENCE_READ);
        match look {
            Look::Nothing => false,
            Look::Query(_) | Look::Parse(_) => {
                let text = match look {
                    Look::Parse(_) => frontend::parse_text(message.body),
                    _ => None,
                };
                let text = text.unwrap_or(message.body);
                let effects = self.effects(server, text, message.is_whole());
                let executes = effects.kinds.any(Kinds::PREPARED);
                let executed = || self.lasting.as_ref().map(|lasting| lasting.any().kinds);
                reads(effects.kinds) || executes && executed().is_some_and(reads)
            }
            Look::Bind => {
                let Some(name) = frontend::bind_statement(message.body) else {
                    // It does not go to the server yet.
                    return false;
                };
                let lasting = self.lasting.as_ref();
                let effects = lasting.and_then(|lasting| lasting.of(name));
                effects.is_some_and(|effects| reads(effects.kinds))
            }
            Look::Call => calls_reader(message.body),
        }
    }
}

#[cfg(test)]
mod tests;
