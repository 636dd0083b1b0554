//! Texts that would keep the server, where its pool does not allow that (`session_state = "reject"`).
//!
//! Such a message is sent as another one of its kind that PostgreSQL refuses when it reads it, and the error gets
//! the pooler's words on its way. So what is skipped behind it, whether a transaction has failed, and what
//! is answered in a transaction that had failed before, are PostgreSQL's own doing, and nothing of the text runs.

use pgweir_sql::effects::Kinds;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::kept::kept;
use pgweir_wire::frame::HEADER_LEN;
use pgweir_wire::{encode, frontend};

use super::mapped::Message;
use super::{FromClient, NAME_MAX, Relay};
use crate::pin::Pin;
use crate::prepared::{SHARED_MAX, significant};
use crate::replies::Reply;
use crate::text::Text;
use crate::upstream::{Refusal, Upstream, refused};

impl Relay {
    /// Whether what keeps servers is rejected.
    pub fn reject(&mut self, rejects: bool) {
        self.rejects = rejects;
    }

    /// Whether what keeps servers between transactions is rejected: not in session mode.
    #[inline]
    pub(crate) fn rejects(&self) -> bool {
        self.rejects && self.moves()
    }

    /// Whether what its session holds ends a client that keeps its server for this reason. Of prepared statements of
    /// the protocol, and of what is not certain, nothing is rejected.
    pub(crate) fn ends_for(&self, pin: Pin) -> bool {
        self.rejects()
            && match pin {
                Pin::TemporaryObject
                | Pin::AdvisoryLock
                | Pin::Listen
                | Pin::HeldCursor
                | Pin::Library
                | Pin::SessionFunction
                | Pin::UnnamedSetting => true,
                Pin::Session | Pin::Replication | Pin::PreparedStatement | Pin::Uncertain => false,
            }
    }

    /// Sends another message in place of one whose text would keep the server. `None` if it does not show that: the
    /// answer to what is asked behind its transaction does.
    #[cold]
    pub(super) fn rejected(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Option<FromClient> {
        let Message { header, body, .. } = message;
        let is_query = match header.kind {
            frontend::QUERY => true,
            frontend::PARSE => false,
            _ => return None,
        };
        // What is skipped may be anything, and nothing can be put in its place where COPY would read it.
        if server.replies.is_skipping() || server.replies.is_lost() {
            return None;
        }
        if !message.is_whole() {
            let is_short = header.body_len as usize <= SHARED_MAX;
            return is_short.then_some(FromClient::Incomplete);
        }
        let (name, text) = if is_query {
            (&b""[..], Text::of_query(body))
        } else {
            let name = frontend::parse_name(body).filter(|name| name.len() <= NAME_MAX)?;
            (name, Text::of_parse(&body[name.len() + 1..]))
        };
        let pin = shown(server, text)?;
        if message.before > 0 {
            return Some(FromClient::Forward(message.before));
        }
        if let Some(pins) = server.observer.work.pins(pin) {
            pins.rejected += 1;
        }
        server.rejects = true;
        let sql = refused(Refusal::Rejected(pin));
        let reply = if is_query {
            encode::query(&mut server.spliced, &sql);
            server.prepared.query_sent(None);
            self.client.statements.unnamed_dropped();
            Reply::Query(server.observer.query_sent(text, &server.parameters))
        } else {
            // Under the client's own name: PostgreSQL forgets the unnamed statement, and no other.
            encode::parse(&mut server.spliced, name, &sql);
            if name.is_empty() {
                self.client.statements.unnamed_dropped();
                server.prepared.unnamed_sent(false, None);
                Reply::Parse(None)
            } else {
                Reply::Parse(Some((significant(name).into(), Fingerprint::NONE)))
            }
        };
        server.replies.sent(reply);
        Some(FromClient::Spliced(HEADER_LEN + body.len()))
    }
}

/// What a text shows that it would leave.
fn shown(server: &Upstream, text: Text<'_>) -> Option<Pin> {
    if server.state.is_harmless(text.hash) {
        return None;
    }
    let conforming = server.parameters.value("standard_conforming_strings") != Some("off");
    let kinds = kept(text.sql, conforming);
    match Pin::of(kinds) {
        None if kinds.any(Kinds::PREPARED) => Some(Pin::PreparedStatement),
        pin => pin,
    }
}
