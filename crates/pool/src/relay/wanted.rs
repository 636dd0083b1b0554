//! A statement that a client wants, on the server that it has.
//!
//! What the server lacks is parsed in front of the message that wants it. The tables may have changed since the client
//! prepared it, so the message waits until PostgreSQL has described what it parsed. The types of parameters stay what
//! the client was told, and other columns are PostgreSQL's error. A server parses a statement once, so this costs one
//! round trip for each.

use std::sync::Arc;

use super::mapped::{Message, NOTHING, may_put_in_front};
use super::{FromClient, Relay};
use crate::passing::Passing;
use crate::prepared::{
    ClientStatement, Description, Entry, Identity, SHARED_MAX, Slot, push_close, push_name,
    push_parse,
};
use crate::replies::{OwnClose, OwnParse, Reply};
use crate::upstream::check::Check;
use crate::upstream::{Refusal, Upstream, refused};
use pgweir_wire::frame::HEADER_LEN;

impl Relay {
    /// The number of the client's statement, which the server has or gets in front of this message. The client shares
    /// the server's copy from then on.
    ///
    /// # Errors
    /// The message waits for what PostgreSQL says of the statement, or is refused.
    pub(super) fn number_of(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        name: &[u8],
        statement: &ClientStatement,
    ) -> Result<u32, FromClient> {
        if self.awaits_description && server.replies.owes_description() {
            return Err(FromClient::Full);
        }
        let parsed_for = self.parsed_for.take();
        let in_doubt = server.prepared.in_doubt;
        let slot = server.prepared.shared.want(statement.entry.identity());
        let certain = slot.filter(|slot| !in_doubt || parsed_for == Some(slot.number));
        if let Some(slot) = certain {
            let number = slot.number;
            match (&statement.described, &slot.described) {
                (Some(then), Some(now)) if then != now => {
                    if parsed_for == Some(number) {
                        let now = now.clone();
                        self.adapt(server, message, name, (then, &now))?;
                    }
                }
                (Some(_), None) if server.replies.owes_description() => {
                    return Err(self.await_description(server));
                }
                _ => {
                    if !Arc::ptr_eq(&slot.entry, &statement.entry) {
                        let entry = slot.entry.clone();
                        self.holds_entry(name, entry);
                    }
                    return Ok(number);
                }
            }
        }
        self.put_in_front(server, name)
    }

    /// The statement was parsed for this message, and PostgreSQL describes it otherwise than it did `then`.
    ///
    /// # Errors
    /// It has other columns, so PostgreSQL would refuse it.
    fn adapt(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        name: &[u8],
        (then, now): (&Description, &Description),
    ) -> Result<(), FromClient> {
        let statement = self.client.statements.get(name).expect("the client's");
        let typed = Identity::typed(&statement.entry, then.types());
        if then.types() == now.types() || typed == statement.entry {
            return Err(self.refuse_stale(server, message));
        }
        self.holds_entry(name, typed);
        Ok(())
    }

    /// Sends another message in place of one that PostgreSQL would refuse.
    fn refuse_stale(&mut self, server: &mut Upstream, message: Message<'_>) -> FromClient {
        server.rejects = true;
        let named = |out: &mut Vec<u8>| push_name(out, None);
        let parsed = [refused(Refusal::Stale).as_bytes(), NOTHING].concat();
        push_parse(&mut server.spliced, named, &parsed);
        server.replies.sent(Reply::OwnParse(OwnParse::Refused));
        let missing = message.header.body_len as usize - message.body.len();
        self.passing = Passing::after(false, missing);
        FromClient::Spliced(HEADER_LEN + message.body.len())
    }

    /// Parses a statement of the client on a server that lacks it, before the message that wants it. Its number.
    ///
    /// # Errors
    /// The message waits for what PostgreSQL says of it.
    fn put_in_front(&mut self, server: &mut Upstream, name: &[u8]) -> Result<u32, FromClient> {
        may_put_in_front(server)?;
        let reading = self.client.parameters.reading();
        let statement = self.client.statements.get(name).expect("the client's");
        let (mut entry, is_known) = (statement.entry.clone(), statement.described.is_some());
        if entry.reading() != &*reading {
            // PostgreSQL reads it otherwise now.
            let identity = Identity::new(&reading, entry.body());
            entry = identity.entry(entry.statement, entry.is_notable);
            self.holds_entry(name, entry.clone());
            if server.prepared.shared.want(entry.identity()).is_some() {
                return Err(FromClient::Spliced(0));
            }
        }
        let number = self.add(server, entry.clone());
        server.observer.put_in_front();
        let parse = OwnParse::Number(number);
        server.replies.sent(Reply::OwnParse(parse));
        let named = |out: &mut Vec<u8>| push_name(out, Some(number));
        push_parse(&mut server.spliced, named, entry.body());
        server.describe(number, None);
        if is_known {
            self.parsed_for = Some(number);
            return Err(self.await_description(server));
        }
        Ok(number)
    }

    /// Has the message wait for what PostgreSQL says of the statements that it was sent.
    fn await_description(&mut self, server: &mut Upstream) -> FromClient {
        server.flush_answers();
        self.awaits_description = true;
        FromClient::Spliced(0)
    }

    fn holds_entry(&mut self, name: &[u8], entry: Arc<Entry>) {
        let statement = self.client.statements.get_mut(name);
        statement.expect("the client's").entry = entry;
    }

    /// Gives a statement a number on the server, and makes room for it.
    pub(super) fn add(&self, server: &mut Upstream, entry: Arc<Entry>) -> u32 {
        let shared = &mut server.prepared.shared;
        let old = shared.take(entry.identity());
        // More than one where the limit was lowered.
        let most = self.statements_max as usize;
        let evicted: Vec<_> = std::iter::from_fn(|| shared.evict(most)).collect();
        let number = shared.add(entry);
        for _ in &evicted {
            server.observer.evicted();
        }
        for slot in old.into_iter().chain(evicted) {
            close_slot(server, slot);
        }
        number
    }

    /// Whether a message may go on while a Parse in front of it may have to be sent again with all that follows.
    ///
    /// # Errors
    /// It waits until that is known, or has not come as a whole.
    #[cold]
    pub(super) fn follow_check(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        room: usize,
    ) -> Result<(), FromClient> {
        if !server.replies.is_unsynced() {
            // The batch is complete, and what follows it must not overtake it.
            self.awaits_description = true;
            return Err(FromClient::Full);
        }
        let len = message.header.message_len();
        let is_short = message.header.body_len as usize <= SHARED_MAX;
        let Some(room) = room.checked_sub(len).filter(|_| is_short) else {
            return Err(if message.before > 0 {
                FromClient::Forward(message.before)
            } else if self.awaits_description {
                FromClient::Full
            } else {
                self.await_description(server)
            });
        };
        if !message.is_whole() {
            return Err(FromClient::Incomplete);
        }
        server.prepared.check = Check::Asked { room };
        Ok(())
    }
}

/// Closes a statement of the pooler.
fn close_slot(server: &mut Upstream, slot: Slot) {
    push_close(&mut server.spliced, Some(slot.number));
    let evicted = OwnClose::Evicted(Box::new(slot));
    server.replies.sent(Reply::OwnClose(evicted));
}
