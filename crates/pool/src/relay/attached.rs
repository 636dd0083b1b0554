//! A client that has a server: which of its messages the server gets, and what they are answered
//! with.

use pgweir_sql::by_name::{Use, uses_by_name};
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::frame::HEADER_LEN;
use pgweir_wire::frontend;

use super::mapped::{Message, NOTHING, may_put_in_front};
use super::name::{checked_name, closed_name, looked_up_name};
use super::numbers::calls_reader;
use super::{FromClient, Relay, Violation};
use crate::notable::{may_drop_statements, may_set_limit};
use crate::passing::Passing;
use crate::prepared::{SHARED_MAX, significant};
use crate::replies::{BySql, OwnParse, Reply};
use crate::text::Text;
use crate::upstream::Upstream;
use crate::upstream::check::Check;

impl Relay {
    /// Walks `bytes`, of which the first `len` are the end of a message that is forwarded.
    pub(super) fn receive_attached(
        &mut self,
        server: &mut Upstream,
        bytes: &[u8],
        mut len: usize,
    ) -> FromClient {
        let end = loop {
            let rest = &bytes[len..];
            let header = match frontend::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break FromClient::Incomplete,
                Err(bad) => break FromClient::Violation(bad.into()),
            };
            if let Some(violation) = self.unwanted(header) {
                break FromClient::Violation(violation);
            }
            if server.replies.is_full() || self.awaits_reset(server) {
                break FromClient::Full;
            }
            if server.state.blocks()
                && server.replies.is_uncertain_for_good()
                && header.kind != frontend::TERMINATE
            {
                break FromClient::Violation(Violation::Unreachable);
            }
            let message = Message {
                header,
                body: &rest[HEADER_LEN..rest.len().min(header.message_len())],
                before: len,
            };
            if let Check::Asked { room } = server.prepared.check
                && let Err(end) = self.follow_check(server, message, room)
            {
                break end;
            }
            if self.rejects()
                && let Some(end) = self.rejected(server, message)
            {
                break end;
            }
            let sent = self.send(server, message);
            if matches!(sent, Ok(_) | Err(FromClient::Spliced(_))) {
                self.look(server, header.kind, message.body);
            }
            match sent {
                Ok(Some(reply)) => {
                    server.replies.sent(reply);
                    if let Some(done) = server.prepared.take_by_sql() {
                        server.replies.sent_by_sql(done);
                    }
                }
                Ok(None) => {}
                Err(end) => break end,
            }
            len += HEADER_LEN + message.body.len();
            if !message.is_whole() {
                let missing = header.body_len as usize - message.body.len();
                self.passing = Passing::after(true, missing);
                break FromClient::Incomplete;
            }
        };
        if len > 0 {
            FromClient::Forward(len)
        } else {
            end
        }
    }

    /// Notes that a message goes to the server as it is: what it is answered with, if it is.
    ///
    /// # Errors
    /// It does not go there, or otherwise.
    #[inline]
    fn send(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<Option<Reply>, FromClient> {
        let (kind, body, whole) = (message.header.kind, message.body, message.is_whole());
        Ok(Some(match kind {
            frontend::QUERY => {
                let text = await_text(message).map(|()| Text::of_query(body))?;
                let by_sql = self.heed(server, message, text)?;
                if !server.replies.is_skipping() {
                    server.prepared.query_sent(by_sql);
                    self.client.statements.unnamed_dropped();
                }
                let settings = &server.parameters;
                let statement = server.observer.query_sent(text, settings);
                server.audit.ran(text, statement);
                Reply::Query(statement)
            }
            frontend::FUNCTION_CALL => {
                if server.sequences.are_foreign() && calls_reader(body) {
                    self.precede_read(server, message)?;
                }
                server.prepared.batch_ended();
                Reply::Query(Fingerprint::NONE)
            }
            frontend::PARSE => self.send_parse(server, message)?,
            frontend::BIND => {
                let found = frontend::bind_statement(body);
                let name = looked_up_name(kind, found, body, whole)?;
                if server.sequences.are_foreign() && self.binds_reader(name) {
                    self.precede_read(server, message)?;
                }
                self.map(server, message, name)?;
                if body.first() == Some(&0) {
                    server.prepared.unnamed_bind_sent(name.is_empty());
                }
                let confirmed = server.prepared.statement(name);
                server.observer.bind_sent(name, confirmed);
                Reply::Bind
            }
            frontend::DESCRIBE => {
                if body.is_empty() && !whole {
                    return Err(FromClient::Incomplete);
                }
                if body.first() == Some(&frontend::TARGET_STATEMENT)
                    && !server.replies.is_skipping()
                {
                    let name = checked_name(kind, closed_name(body), body, whole)?;
                    self.map(server, message, name)?;
                }
                Reply::Describe
            }
            frontend::EXECUTE => {
                if body.first() == Some(&0) {
                    server.prepared.unnamed_execute_sent();
                }
                Reply::Execute(server.observer.execute_sent())
            }
            frontend::CLOSE => {
                let name = checked_name(kind, closed_name(body), body, whole)?;
                if !name.is_empty() && self.shares() && !server.replies.is_skipping() {
                    self.map_close(server, message, name)?;
                }
                Reply::Close((!name.is_empty()).then(|| name.into()))
            }
            frontend::SYNC => {
                server.prepared.batch_ended();
                Reply::Sync
            }
            frontend::COPY_DONE | frontend::COPY_FAIL => Reply::CopyEnd(1),
            frontend::FLUSH | frontend::COPY_DATA => return Ok(None),
            frontend::TERMINATE => return Err(FromClient::Terminate),
            kind => return Err(FromClient::Violation(Violation::UnknownMessage { kind })),
        }))
    }

    fn send_parse(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
    ) -> Result<Reply, FromClient> {
        let (kind, body, whole) = (message.header.kind, message.body, message.is_whole());
        let name = checked_name(kind, frontend::parse_name(body), body, whole)?;
        let parsed = body.get(name.len() + 1..).unwrap_or_default();
        await_text(message)?;
        let text = Text::of_parse(parsed);
        let is_skipping = server.replies.is_skipping();
        let by_sql = self.heed(server, message, text)?;
        self.look_at_parse(server, name, text, whole);
        if !name.is_empty() && self.shares() && !is_skipping {
            self.map_parse(server, message, (name, text))?;
        }
        let settings = &self.client.parameters;
        let statement = server.observer.parse_sent(name, text, settings);
        server.audit.ran(text, statement);
        if !name.is_empty() {
            return Ok(Reply::Parse(Some((significant(name).into(), statement))));
        }
        if !is_skipping {
            let is_kept = whole && parsed.len() <= SHARED_MAX;
            if is_kept {
                self.client.statements.unnamed_parsed(parsed);
            } else {
                self.client.statements.unnamed_dropped();
            }
            let keeps_server = self.moves() && !is_kept;
            server.prepared.unnamed_sent(keeps_server, by_sql);
        }
        Ok(Reply::Parse(None))
    }

    /// Looks at a text for what it leaves behind, and for what it does to prepared statements by their names,
    /// which is returned. A text that was looked at and does nothing of the kind is known again.
    ///
    /// # Errors
    /// Something has to be done before the message is forwarded.
    #[inline]
    fn heed(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        text: Text<'_>,
    ) -> Result<Option<Vec<BySql>>, FromClient> {
        if message.is_whole() && server.state.is_harmless(text.hash) {
            return Ok(None);
        }
        self.heed_closely(server, message, text)
    }

    #[cold]
    fn heed_closely(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        text: Text<'_>,
    ) -> Result<Option<Vec<BySql>>, FromClient> {
        let whole = message.is_whole();
        if server.sequences.are_foreign() && self.reads_number(server, text, whole) {
            self.precede_read(server, message)?;
        }
        let by_sql = if whole && !server.replies.is_skipping() {
            self.heed_names(server, message, text.sql)?
        } else {
            None
        };
        self.heed_effects(server, text.sql, whole);
        if message.header.kind == frontend::QUERY {
            self.look_at_query(server, text, whole);
        }
        Ok(by_sql)
    }

    /// Notes what a text may do that PostgreSQL does not report. `whole` says that this is all of it.
    pub(super) fn heed_effects(&mut self, server: &mut Upstream, text: &[u8], whole: bool) {
        server.prepared.in_doubt |= may_drop_statements(text);
        server.limit_is_foreign |= !whole || may_set_limit(text);
    }

    /// What a text does to prepared statements by their names. Where SQL looks for one that the server has under
    /// another name, something is put first.
    fn heed_names(
        &mut self,
        server: &mut Upstream,
        message: Message<'_>,
        text: &[u8],
    ) -> Result<Option<Vec<BySql>>, FromClient> {
        let conforming = self.client.parameters.value("standard_conforming_strings") != Some("off");
        let Some(uses) = uses_by_name(text, conforming) else {
            return Ok(None);
        };
        for (what, name) in &uses {
            let Some(statement) = self.client.statements.get(name) else {
                continue;
            };
            if server.prepared.has_stand(name) {
                continue;
            }
            let entry = statement.entry.clone();
            self.may_name(server, message)?;
            may_put_in_front(server)?;
            match (*what, message.header.kind) {
                (Use::Execute, frontend::QUERY) if server.is_done() => {
                    server.send_stand(name, entry.body(), OwnParse::Try);
                    server.send_sync();
                }
                (Use::Execute, frontend::QUERY)
                    if server.replies.will_be_ready() && server.replies.is_certain() =>
                {
                    self.awaits_answers = true;
                    return Err(FromClient::Full);
                }
                (Use::Execute, _) => server.send_stand(name, entry.body(), OwnParse::Stand),
                (Use::Prepare | Use::Deallocate, _) => {
                    server.send_stand(name, NOTHING, OwnParse::Stand);
                }
            }
            return Err(FromClient::Spliced(0));
        }
        if uses.iter().any(|(what, _)| *what == Use::Execute) {
            // Which answers with the tag of what it runs.
            return Ok(None);
        }
        let done = uses.into_iter().filter_map(|(what, name)| match what {
            Use::Prepare => Some(BySql::Prepare(name.into())),
            Use::Deallocate => Some(BySql::Deallocate(name.into())),
            Use::Execute => None,
        });
        let done: Vec<_> = done.collect();
        Ok((!done.is_empty()).then_some(done))
    }
}

/// What a text does cannot be told from a part of it.
///
/// # Errors
/// There is only a part of it, and the rest is worth waiting for.
#[inline]
fn await_text(message: Message<'_>) -> Result<(), FromClient> {
    if !message.is_whole() && message.header.body_len as usize <= SHARED_MAX {
        return Err(FromClient::Incomplete);
    }
    Ok(())
}
