//! A client that has a server: which of its messages the server gets, and what they are answered
//! with.

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::frame::HEADER_LEN;
use pgweir_wire::frontend;

use super::name::{closed_name, kept_name, looked_up_name};
use super::{FromClient, Relay, Violation};
use crate::passing::Passing;
use crate::replies::Reply;
use crate::resets::{is_plain, mentions, resets};
use crate::upstream::Upstream;

impl Relay {
    pub(super) fn receive_attached(&mut self, server: &mut Upstream, bytes: &[u8]) -> FromClient {
        let mut len = 0;
        let end = loop {
            let rest = &bytes[len..];
            let header = match frontend::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break FromClient::Incomplete,
                Err(bad) => break FromClient::Violation(bad.into()),
            };
            if server.replies.is_full() || self.awaits_reset(server) {
                break FromClient::Full;
            }
            let body = &rest[HEADER_LEN..rest.len().min(header.message_len())];
            let missing = header.body_len as usize - body.len();
            match send(server, header.kind, body, missing == 0) {
                Ok(Some(reply)) => {
                    server.replies.sent(reply);
                    if let Some(names) = server.prepared.take_drops() {
                        server.replies.sent_drops(names);
                    }
                }
                Ok(None) => {}
                Err(end) => break end,
            }
            if matches!(header.kind, frontend::QUERY | frontend::PARSE) {
                self.heed(server, header.kind, (body, missing == 0));
            }
            len += HEADER_LEN + body.len();
            if missing > 0 {
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

    /// Looks at the text of a Query or Parse for what PostgreSQL does not report of it: another role, a limit, and
    /// settings that are taken back to what the session began with. `whole` says that this is all of the body.
    #[inline]
    fn heed(&mut self, server: &mut Upstream, kind: u8, (body, whole): (&[u8], bool)) {
        let text = match kind {
            frontend::PARSE => frontend::parse_text(body).unwrap_or(body),
            _ => body,
        };
        if !whole || !is_plain(text) {
            self.heed_closely(server, text, whole);
        }
    }

    #[cold]
    fn heed_closely(&mut self, server: &mut Upstream, text: &[u8], whole: bool) {
        server.role_is_foreign |= !whole || may_set_role(text);
        server.limit_is_foreign |= !whole || may_set_limit(text);
        if self.resets.is_empty() {
            self.resets = resets(text, &self.began, &server.defaults);
            if !self.resets.is_empty() {
                server.reset_sent();
            }
        }
    }
}

/// Notes that a message goes to the server: what it is answered with, if it is. `body` is what there
/// is of its body; `whole` says that this is all.
///
/// # Errors
/// The message does not go there.
#[inline]
fn send(
    server: &mut Upstream,
    kind: u8,
    body: &[u8],
    whole: bool,
) -> Result<Option<Reply>, FromClient> {
    let observer = &mut server.observer;
    Ok(Some(match kind {
        frontend::QUERY => {
            server.prepared.query_sent(whole.then_some(body));
            Reply::Query(observer.query_sent(body, &server.parameters))
        }
        frontend::FUNCTION_CALL => {
            server.prepared.query_sent(None);
            Reply::Query(Fingerprint::NONE)
        }
        frontend::PARSE => {
            let name = kept_name(kind, frontend::parse_name(body), body, whole)?;
            let bytes = name.as_deref().unwrap_or_default();
            let statement = observer.parse_sent(bytes, body, &server.parameters);
            if name.is_none() {
                server.prepared.unnamed_sent();
                server.prepared.unnamed_text_sent(whole.then_some(body));
            }
            Reply::Parse(name.map(|name| (name, statement)))
        }
        frontend::BIND => {
            let name = looked_up_name(kind, frontend::bind_statement(body), body, whole)?;
            if name.is_empty() {
                check_unnamed(server)?;
            }
            if body.first() == Some(&0) {
                server.prepared.unnamed_bind_sent(name.is_empty());
            }
            let confirmed = server.prepared.statement(name);
            server.observer.bind_sent(name, confirmed);
            Reply::Bind
        }
        frontend::DESCRIBE => match body {
            [] | [_] if !whole => return Err(FromClient::Incomplete),
            [frontend::TARGET_STATEMENT, 0] => {
                check_unnamed(server)?;
                Reply::Describe
            }
            _ => Reply::Describe,
        },
        frontend::EXECUTE => {
            if body.first() == Some(&0) {
                server.prepared.unnamed_execute_sent();
            }
            Reply::Execute(observer.execute_sent())
        }
        frontend::CLOSE => Reply::Close(kept_name(kind, closed_name(body), body, whole)?),
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

/// Sees whether the client may use the unnamed statement. To PostgreSQL the one that another client
/// left there is as good.
fn check_unnamed(server: &Upstream) -> Result<(), FromClient> {
    if !server.prepared.unnamed_is_foreign() {
        return Ok(());
    }
    Err(if server.replies.is_settled() {
        FromClient::DropUnnamed
    } else {
        FromClient::Violation(Violation::ForeignStatement)
    })
}

/// Whether a text may change the session's role: `SET ROLE`, `set_config('role', ...)`.
fn may_set_role(text: &[u8]) -> bool {
    mentions(text, b"role") && mentions(text, b"set")
}

/// Whether a text may limit the time of statements or transactions.
fn may_set_limit(text: &[u8]) -> bool {
    mentions(text, b"timeout") && mentions(text, b"set")
}
