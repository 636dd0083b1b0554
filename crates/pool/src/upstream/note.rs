//! What a server's messages do to its session.

use std::borrow::Cow;
use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::{self, ErrorView, TxStatus};

use super::check::{Check, tells_of_misfit, tells_of_stale_statement};
use super::{Broken, OwnError, Upstream};
use crate::parameters::Parameters;
use crate::prepared::{ClientState, ClientStatements, significant};
use crate::replies::{BySql, OwnClose, OwnParse, Received, Reply};
use crate::reported;

/// Settings of one server. PostgreSQL reports some fifteen, and a client asks for at most 64 more.
pub(super) const SETTINGS_MAX: usize = 256;

/// What is to be done about a message that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Nothing.
    Nothing,
    /// It stands for ParseComplete.
    IsParse,
}

impl Upstream {
    /// Follows what a message does to the session, of which `before` bytes were walked since the
    /// observer was told. Its body is there if the message is understood.
    #[inline]
    pub(super) fn note(
        &mut self,
        (kind, body): (u8, Option<&[u8]>),
        before: usize,
        mut client: Option<&mut ClientState>,
    ) -> Result<Noted, Broken> {
        let is_own = self.replies.next_is_own();
        if kind == backend::COMMAND_COMPLETE
            && let Some(tag @ [b'A' | b'D' | b'P', ..]) = body
        {
            // What the pooler drops is none of the client's.
            let client = client.as_deref_mut().filter(|_| !is_own);
            self.note_by_sql(tag, client);
        }
        let fails_check = client.is_some() && self.fails_check(kind, body);
        let is_hidden = fails_check || kind == backend::ERROR_RESPONSE && self.replies.hides(kind);
        let is_bound = kind == backend::ERROR_RESPONSE && self.replies.next_is_bound();
        let is_described = kind == backend::PARAMETER_DESCRIPTION && self.replies.next_describes();
        let received = self.replies.received(kind).map_err(Broken::OutOfStep)?;
        if kind == backend::ERROR_RESPONSE {
            let tells = |body| {
                !self.prepared.shared.is_empty()
                    && (tells_of_stale_statement(body) || is_bound && tells_of_misfit(body))
            };
            if body.is_some_and(tells) {
                self.tables_changed();
            }
            while let Some(skipped) = self.replies.take_skipped() {
                self.undo(skipped, client.as_deref_mut());
            }
            self.prepared.check = if fails_check {
                let is_ended = self.replies.disown_batch();
                Check::Failed { is_ended }
            } else {
                Check::Nothing
            };
            if is_hidden {
                return Ok(Noted::Nothing);
            }
        }
        match (received, kind) {
            (Received::Ready(query), _) => {
                let status = body.and_then(backend::ready_status);
                self.status = status.ok_or(Broken::Malformed { kind })?;
                if is_own {
                    self.restoring = false;
                    self.own_ended(client);
                } else {
                    self.state.ready();
                    self.observer.ready(query, self.status, before);
                }
            }
            (Received::Executed(statement), backend::ERROR_RESPONSE) => {
                self.observer.error_seen(client.is_some());
                self.observer.executed(statement, before, true);
            }
            (Received::Executed(statement), _) => {
                if kind == backend::COMMAND_COMPLETE {
                    self.completed(body.unwrap_or_default(), is_own);
                }
                // What is suspended has run as far as it did.
                self.state.completed(b"");
                self.observer.executed(statement, before, false);
            }
            (Received::Known, _) => return Ok(Noted::IsParse),
            (Received::Prepared(name, statement), _) => {
                self.prepared.named_parsed(&name, statement);
            }
            (Received::Closed(name), _) => self.prepared.closed(&name),
            (Received::Asynchronous, backend::PARAMETER_STATUS) => {
                self.reported(body, client)
                    .ok_or(Broken::Malformed { kind })?;
            }
            (Received::Described(number, name), _) => {
                self.described((number, name), (kind, body), client);
            }
            (Received::Part, backend::PARAMETER_DESCRIPTION) if is_described => {
                self.prepared.types = body.map(Into::into);
            }
            (Received::Part, backend::COMMAND_COMPLETE) => {
                self.completed(body.unwrap_or_default(), is_own);
            }
            (Received::Part, backend::ERROR_RESPONSE) if is_own => {
                self.own_failed(body.unwrap_or_default());
            }
            (Received::Part, backend::DATA_ROW) if is_own => {
                self.state.row(body.unwrap_or_default());
            }
            (Received::Part | Received::Asynchronous, backend::ERROR_RESPONSE) => {
                self.observer.error_seen(client.is_some());
                self.observer.query_failed();
            }
            (Received::Part | Received::Answered | Received::Asynchronous, _) => {}
        }
        Ok(Noted::Nothing)
    }

    /// A command completed that may do something to statements with names, as `ALTER`, `DEALLOCATE`,
    /// `DISCARD` and `PREPARE` do.
    fn note_by_sql(&mut self, tag: &[u8], client: Option<&mut ClientState>) {
        match tag {
            b"PREPARE\0" => match self.replies.done_by_sql() {
                Some(BySql::Prepare(name)) => {
                    self.prepared.named_parsed(&name, Fingerprint::NONE);
                }
                Some(BySql::Deallocate(_)) | None => self.prepared.prepared_unseen(),
            },
            b"DEALLOCATE\0" => {
                if let Some(BySql::Deallocate(name)) = self.replies.done_by_sql() {
                    self.prepared.deallocated(&name);
                    if let Some(client) = client {
                        client.statements.remove(&name);
                    }
                }
            }
            b"DEALLOCATE ALL\0" | b"DISCARD ALL\0" => self.all_closed(client),
            _ if tag.starts_with(b"ALTER ") && !self.prepared.shared.is_empty() => {
                self.tables_changed();
            }
            _ => {}
        }
    }

    /// All statements with names are gone, but those that were sent since.
    fn all_closed(&mut self, client: Option<&mut ClientState>) {
        let replies = &self.replies;
        self.prepared.all_closed(|number| {
            replies.unanswered().any(|reply| match reply {
                Reply::Mapped(_, sent) | Reply::OwnParse(OwnParse::Number(sent)) => *sent == number,
                _ => false,
            })
        });
        for reply in replies.unanswered() {
            if let Reply::OwnParse(OwnParse::Stand(name) | OwnParse::Try(name)) = reply {
                self.prepared.stand_sent(name);
            }
        }
        if let Some(client) = client {
            client.statements.retain(|name| {
                replies.unanswered().any(|reply| match reply {
                    Reply::Mapped(sent, _) | Reply::Known(sent) => significant(sent) == name,
                    _ => false,
                })
            });
        }
    }

    /// The server skips what was noted when it was sent.
    #[cold]
    fn undo(&mut self, skipped: Reply, client: Option<&mut ClientState>) {
        let mut nobodys = ClientStatements::default();
        let statements = client.map_or(&mut nobodys, |client| &mut client.statements);
        match skipped {
            Reply::Mapped(name, number) => {
                self.prepared.shared.remove(number);
                statements.remove(&name);
            }
            Reply::Known(name) => drop(statements.remove(&name)),
            Reply::Forgotten(closed) => statements.insert(&closed.0, closed.1),
            Reply::OwnParse(OwnParse::Number(number)) => {
                self.prepared.shared.remove(number);
            }
            Reply::OwnParse(OwnParse::Stand(name) | OwnParse::Try(name)) => {
                self.prepared.stood_down(&name);
            }
            Reply::OwnClose(OwnClose::Evicted(slot)) => self.prepared.shared.put(*slot),
            Reply::OwnClose(OwnClose::Stand(name)) => self.prepared.stand_sent(&name),
            // What was sent since decides about the unnamed statement, if anything was.
            _ if self.replies.unanswered().any(Reply::is_of_unnamed) => {}
            Reply::Parse(None) | Reply::Query(_) => {
                self.prepared.unnamed_lost();
                statements.unnamed_dropped();
            }
            Reply::OwnParse(OwnParse::Unnamed) | Reply::OwnClose(OwnClose::Unnamed) => {
                self.prepared.unnamed_lost();
            }
            _ => {}
        }
    }

    /// PostgreSQL refused a query of the pooler.
    fn own_failed(&mut self, body: &[u8]) {
        // Amid a transaction it has failed that.
        let is_harmless = !self.dying && self.status == TxStatus::Idle;
        if self.state.refused() && is_harmless {
            return;
        }
        let error = ErrorView::parse(body);
        // The first one decides.
        self.own_error.get_or_insert_with(|| OwnError {
            sqlstate: error.sqlstate(),
            message: error.message().into_owned(),
            is_last: self.replies.owns() == 1,
        });
    }

    fn completed(&mut self, tag: &[u8], is_own: bool) {
        if !is_own {
            self.observer.completed(tag);
            self.state.completed(tag);
        }
        match tag {
            // Of most settings PostgreSQL does not report what became of them.
            b"SET\0" | b"RESET\0" if !self.state.asks() => self.forget_unreported(),
            b"DISCARD SEQUENCES\0" => self.sequences.discarded(),
            b"DISCARD ALL\0" => {
                self.sequences.discarded();
                if is_own {
                    self.sequences.forgotten();
                    self.audit.discarded();
                }
                self.state.discarded(is_own);
                self.parameters = self.defaults.clone();
                self.limit_is_foreign = false;
            }
            _ => {}
        }
    }

    /// Settings that PostgreSQL does not report may no longer be what they were set to for a client.
    fn forget_unreported(&mut self) {
        if self.parameters.knows_more_than(&self.defaults) {
            Arc::make_mut(&mut self.parameters).forget_beyond(&self.defaults);
        }
    }

    /// A setting changed: for the session, and so for the client that holds it. While nobody does,
    /// it is the server's default that changed. `None` if the report cannot be understood, or there
    /// are more settings than PostgreSQL has.
    fn reported(&mut self, body: Option<&[u8]>, client: Option<&mut ClientState>) -> Option<()> {
        let (name, value) = body.and_then(|body| setting(body, &self.parameters))?;
        // A name that is none of PostgreSQL's own is passed on and not followed.
        let Some(name) = name else {
            return Some(());
        };
        let known = self.parameters.value(name);
        if known.is_none() && self.parameters.len() >= SETTINGS_MAX {
            return None;
        }
        if known != Some(&*value) {
            Arc::make_mut(&mut self.parameters).set(name, &value);
        }
        match client {
            Some(ClientState {
                parameters: client, ..
            }) => {
                if client.value(name) != Some(&*value) {
                    Arc::make_mut(client).set(name, &value);
                }
                if **client == *self.parameters {
                    *client = self.parameters.clone();
                }
            }
            None if self.replies.is_empty() => {
                Arc::make_mut(&mut self.defaults).set(name, &value);
            }
            None => {}
        }
        Some(())
    }
}

/// Name and value in a ParameterStatus of a session with these settings; no name if it is not ASCII.
pub(super) fn setting<'a>(
    body: &'a [u8],
    settings: &Parameters,
) -> Option<(Option<&'a str>, Cow<'a, str>)> {
    let (name, value) = backend::parameter_status(body)?;
    let name = str::from_utf8(name).ok().filter(|name| name.is_ascii());
    let value = if value.is_ascii() {
        str::from_utf8(value).ok()?.into()
    } else {
        reported::kept(value, settings.value("client_encoding"))
    };
    Some((name, value))
}
