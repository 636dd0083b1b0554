//! Messages that name a prepared statement, on their way to a server that other clients use too.
//!
//! A client's name is replaced by the pooler's for the same statement. What the server lacks is parsed in
//! front of the message that wants it, and a Parse of what it has becomes a Close of a statement that does not
//! exist, which is answered at the same place. Header and name are new; the rest of a message is not
//! touched.

use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::frame::{self, HEADER_LEN, Header};
use pgweir_wire::{encode, frontend};

use super::{FromClient, Mode, Relay, Violation};
use crate::notable::is_notable;
use crate::passing::Passing;
use crate::prepared::{
    ClientStatement, Entry, Identity, SHARED_MAX, push_close, push_name, push_parse,
    starts_like_ours,
};
use crate::replies::{OwnClose, OwnParse, Reply};
use crate::text::Text;
use crate::upstream::Upstream;
use crate::upstream::check::{Check, KEPT_MAX};

/// The rest of a Parse of no text and no types.
pub(super) const NOTHING: &[u8] = b"\0\0\0";

/// A message that is there at least in part.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) header: Header,
    /// What there is of its body.
    pub(super) body: &'a [u8],
    /// Bytes in front of it that are not forwarded yet.
    pub(super) before: usize,
}

impl Message<'_> {
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.body.len() == self.header.body_len as usize
    }
}

impl Relay {
    /// Whether the client goes from server to server.
    #[inline]
    pub(super) fn moves(&self) -> bool {
        matches!(self.mode, Mode::Transaction | Mode::Statement)
    }

    /// Whether statements with names are shared with other clients.
    #[inline]
    pub(super) fn shares(&self) -> bool {
        self.moves() && self.statements_max > 0
    }

    /// Whether statements with names can be spoken of now.
    pub(super) fn may_name(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<(), FromClient> {
        if server.prepared.in_doubt && server.is_done() {
            server.prepared.in_doubt = false;
        }
        let is_in_doubt = server.prepared.in_doubt && server.replies.will_be_ready();
        let is_open = server.replies.owes_names() || is_in_doubt;
        if is_open && server.replies.is_certain() {
            self.awaits_answers = true;
            return Err(FromClient::Full);
        }
        if message.before > 0 {
            // What is put in front of this message comes behind those.
            return Err(FromClient::Forward(message.before));
        }
        Ok(())
    }

    /// A Parse of a statement with a name. `Ok` if it goes on as it is.
    pub(super) fn map_parse(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        (name, text): (&[u8], Text<'_>),
    ) -> Result<(), FromClient> {
        self.may_name(server, message)?;
        if self.client.statements.get(name).is_some() && !server.prepared.in_doubt {
            may_put_in_front(server)?;
            // PostgreSQL says that it is there, after it has read the text.
            if server.prepared.has_stand(name) {
                return Ok(());
            }
            server.send_stand(name, NOTHING, OwnParse::Stand);
            return Err(FromClient::Spliced(0));
        }
        let is_long = message.header.body_len as usize > SHARED_MAX;
        if is_long || server.prepared.statement(name).is_some() || server.replies.is_lost() {
            return Ok(());
        }
        if !message.is_whole() {
            return Err(FromClient::Incomplete);
        }
        let parsed = &message.body[name.len() + 1..];
        if !is_well_formed(parsed) {
            // Which PostgreSQL sees before it does anything.
            return Ok(());
        }
        if self.client.statements.is_full() {
            return Err(FromClient::Violation(Violation::TooManyStatements));
        }
        let (observer, parameters) = (&mut server.observer, &self.client.parameters);
        let statement = observer.parse_sent(name, text, parameters);
        let reading = parameters.reading();
        let identity = Identity::new(&reading, parsed);
        let len = HEADER_LEN + message.body.len();
        let entry = match self.known(server, identity) {
            Some((entry, number)) => {
                server.observer.known();
                server.describe(number, Some(name));
                server.replies.sent(Reply::Known(name.into()));
                push_close(&mut server.spliced, None);
                let room = KEPT_MAX - len;
                server.prepared.check = Check::Asked { room };
                entry
            }
            None => {
                let is_harmless = server.state.is_harmless(text.hash);
                let entry = identity.entry(statement, !is_harmless && is_notable(text.sql));
                let number = self.add(server, entry.clone());
                server.replies.sent(Reply::Mapped(name.into(), number));
                push_parse(
                    &mut server.spliced,
                    |out| push_name(out, Some(number)),
                    parsed,
                );
                server.describe(number, Some(name));
                entry
            }
        };
        let described = None;
        let statement = ClientStatement { entry, described };
        self.client.statements.insert(name, statement);
        Err(FromClient::Spliced(len))
    }

    /// The entry of a statement and its number, if the server has it for certain and nothing would make its Parse
    /// fail. Whether it is still what a Parse would give is found out in front of all else that the batch does: amid
    /// a transaction it would fail that.
    fn known(&self, server: &mut Upstream, identity: Identity<'_>) -> Option<(Arc<Entry>, u32)> {
        let begins = server.status == TxStatus::Idle
            && !server.replies.owes_client()
            && !server.replies.is_unsynced();
        if !begins || server.prepared.in_doubt || !server.replies.is_certain() {
            return None;
        }
        let slot = server.prepared.shared.want(identity)?;
        Some((slot.entry.clone(), slot.number))
    }

    /// A Close of a statement with a name. `Ok` if it goes on as it is.
    pub(super) fn map_close(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        name: &[u8],
    ) -> Result<(), FromClient> {
        self.may_name(server, message)?;
        let reply = if let Some(closed) = self.client.statements.remove(name) {
            Reply::Forgotten(Box::new(closed))
        } else if starts_like_ours(name) || server.prepared.has_stand(name) {
            Reply::Close(None)
        } else {
            return Ok(());
        };
        server.replies.sent(reply);
        push_close(&mut server.spliced, None);
        Err(FromClient::Spliced(HEADER_LEN + 1 + name.len() + 1))
    }

    /// A Bind or Describe of a statement. `Ok` if it goes on as it is.
    #[inline]
    pub(super) fn map(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        name: &[u8],
    ) -> Result<(), FromClient> {
        if server.replies.is_skipping() {
            Ok(())
        } else if name.is_empty() {
            self.map_unnamed(server, message)
        } else if self.shares() {
            self.map_use(server, message, name)
        } else {
            Ok(())
        }
    }

    /// A Bind or Describe of a statement with a name. `Ok` if it goes on as it is.
    fn map_use(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        name: &[u8],
    ) -> Result<(), FromClient> {
        self.may_name(server, message)?;
        let portal = match message.header.kind {
            frontend::BIND => {
                frame::c_string(message.body).map_or(0, |(portal, _)| portal.len() + 1)
            }
            _ => 1,
        };
        let Some(statement) = self.client.statements.get(name) else {
            if server.prepared.has_stand(name) {
                may_put_in_front(server)?;
                server.close_stand(name);
                return Err(FromClient::Spliced(0));
            }
            if starts_like_ours(name) && server.prepared.statement(name).is_none() {
                note_use(server, message.header.kind, message.body, Fingerprint::NONE);
                return Err(self.splice(server, message, (portal, name.len()), None));
            }
            return Ok(());
        };
        let statement = statement.clone();
        let number = self.number_of(server, message, name, &statement)?;
        let entry = statement.entry;
        if entry.is_notable {
            self.heed_effects(server, entry.text(), true);
        }
        if message.header.kind == frontend::BIND {
            self.look_at_known(server, || {
                (Text::of_prepared(entry.text()), entry.statement)
            });
        }
        note_use(server, message.header.kind, message.body, entry.statement);
        Err(self.splice(server, message, (portal, name.len()), Some(number)))
    }

    /// A Bind or Describe of the unnamed statement: it is the client's own, or none. `Ok` if it goes on as it is.
    #[inline]
    fn map_unnamed(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<(), FromClient> {
        if server.prepared.unnamed_is_of_batch() {
            return Ok(());
        }
        self.map_earlier_unnamed(server, message)
    }

    fn map_earlier_unnamed(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<(), FromClient> {
        if server.replies.will_be_ready() && server.replies.is_certain() {
            // What became of its Parse is not known before.
            self.awaits_answers = true;
            return Err(FromClient::Full);
        }
        if !server.prepared.unnamed_is_foreign() {
            return Ok(());
        }
        if message.before > 0 {
            return Err(FromClient::Forward(message.before));
        }
        may_put_in_front(server)?;
        match self.client.statements.unnamed() {
            Some(body) => {
                let text = Text::of_parse(body);
                server.observer.unnamed_again(text, &self.client.parameters);
                push_parse(&mut server.spliced, |out| out.push(0), body);
                server.replies.sent(Reply::OwnParse(OwnParse::Unnamed));
                let is_notable = !server.state.is_harmless(text.hash) && is_notable(text.sql);
                if is_notable || server.audit.is_noting() || server.audit.has_suspects() {
                    let sql = text.sql.to_vec();
                    if is_notable {
                        self.heed_effects(server, &sql, true);
                    }
                    self.look_at_known(server, || (Text::of_prepared(&sql), Fingerprint::NONE));
                }
            }
            None => {
                encode::close_statement(&mut server.spliced, "");
                server.replies.sent(Reply::OwnClose(OwnClose::Unnamed));
            }
        }
        server.prepared.unnamed_is_clients_now();
        Err(FromClient::Spliced(0))
    }

    /// Replaces in a message the name at this place of its body, of this length. Header and name are new, and the
    /// rest of the body follows as if it were the rest of a message that came in pieces.
    fn splice(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        (at, len): (usize, usize),
        number: Option<u32>,
    ) -> FromClient {
        let Message { header, body, .. } = message;
        let out = &mut server.spliced;
        let start = out.len();
        out.push(header.kind);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&body[..at]);
        push_name(out, number);
        let rest = header.body_len as usize - (at + len + 1);
        let length = (out.len() - start - 1 + rest) as u32;
        out[start + 1..start + HEADER_LEN].copy_from_slice(&length.to_be_bytes());
        self.passing = Passing::after(true, rest);
        FromClient::Spliced(HEADER_LEN + at + len + 1)
    }
}

/// Notes a Bind or Describe that does not go on as it came.
fn note_use(server: &mut Upstream, kind: u8, body: &[u8], statement: Fingerprint) {
    if kind == frontend::BIND {
        if body.first() == Some(&0) {
            server.prepared.unnamed_bind_sent(false);
        }
        server.observer.shared_bind_sent(statement);
        server.replies.sent(Reply::Bind);
    } else {
        server.replies.sent(Reply::Describe);
    }
}

/// Whether an answer to a message of the pooler can be kept from the client.
pub(super) fn may_put_in_front(server: &Upstream) -> Result<(), FromClient> {
    if server.replies.is_lost() {
        return Err(FromClient::Violation(Violation::Unreachable));
    }
    Ok(())
}

/// Whether this is what follows the name in a Parse: a text, and as many types as it says.
fn is_well_formed(parsed: &[u8]) -> bool {
    let types = frame::c_string(parsed).and_then(|(_, rest)| rest.split_first_chunk());
    types.is_some_and(|(count, types)| types.len() == 4 * usize::from(u16::from_be_bytes(*count)))
}
