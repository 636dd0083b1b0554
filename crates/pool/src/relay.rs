//! One client's session over changing servers.
//!
//! [`Relay::receive`] walks what came from the client and says what to do with the front of it:
//! forward it, get a server first, answer it, drop it. The bytes stay where they are; a message of
//! any size passes in pieces.

mod name;
mod violation;

use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;

use crate::parameters::Parameters;
use crate::pin::Pin;
use crate::replies::Reply;
use crate::upstream::Upstream;
pub use name::NAME_MAX;
use name::{BoundSeen, NameSeen, bound_name, closed_name, statement_name};
pub use violation::Violation;

/// When a server goes back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When the client leaves.
    Session,
    /// When a transaction ends.
    Transaction,
    /// After each query; a transaction of several statements is refused.
    Statement,
}

/// What to do with the front of the bytes that came from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Frontend {
    /// Send so many bytes to the server. There may be more to do with the rest.
    Forward(usize),
    /// Drop so many bytes.
    Drop(usize),
    /// Drop so many bytes and send this to the client.
    Answer(usize, Answer),
    /// The front needs a server; nothing was consumed.
    Checkout,
    /// The front means the unnamed statement, and the server's was left by another client:
    /// it must be dropped first. Nothing was consumed.
    DropUnnamed,
    /// The front cannot be understood without more bytes.
    Incomplete,
    /// So much is outstanding that the client is not read until the server has answered.
    Full,
    /// The client says goodbye.
    Terminate,
    /// The client broke the protocol; its session ends with an error.
    Violation(Violation),
}

/// What the pooler answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// ReadyForQuery: a Sync of a client that has nothing outstanding.
    Ready,
    /// The error of a cancelled wait.
    Canceled,
    /// The error of a cancelled wait, then ReadyForQuery.
    CanceledReady,
}

impl Answer {
    /// Appends the messages to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        if self != Self::Ready {
            encode::error(
                out,
                &encode::ErrorFields {
                    severity: encode::Severity::Error,
                    sqlstate: SqlState::QUERY_CANCELED,
                    message: "canceling statement due to user request",
                    detail: Some("It was still waiting for a server connection."),
                    hint: None,
                },
            );
        }
        if self != Self::Canceled {
            encode::ready_for_query(out, TxStatus::Idle);
        }
    }
}

/// How a server joined a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// The client's bytes may follow at once.
    Ready,
    /// The client's bytes wait until the settings before them are known to be valid.
    AwaitPrelude,
}

/// What holds a server to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Answers are outstanding, or a message is half sent.
    Busy,
    /// A transaction is open.
    InTransaction,
    /// Nothing is open, but the server stays.
    Pinned(Pin),
    /// Nothing: the server goes back.
    Free,
}

/// The client's side of a session. Small, for there may be ten thousand of them.
#[derive(Debug)]
pub struct Relay {
    /// Settings the client believes its session has.
    pub parameters: Arc<Parameters>,
    mode: Mode,
    /// The settings were accepted by a server before, so a query may follow them unseen.
    proven: bool,
    /// Answers of a cancelled wait that are still owed.
    refusing: Refusing,
    /// Body bytes of the current message that are still to come, and what is done with them.
    part: u32,
    part_forwarded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusing {
    No,
    /// The wait was cancelled; what the next message is decides how that is answered.
    Next,
    /// An error was sent; the rest of the batch is dropped up to its Sync.
    Batch,
}

impl Relay {
    /// A client that has logged in with these settings.
    pub fn new(mode: Mode, parameters: Arc<Parameters>) -> Self {
        Self {
            parameters,
            mode,
            proven: false,
            refusing: Refusing::No,
            part: 0,
            part_forwarded: false,
        }
    }

    /// Walks `bytes`, with the client's server if it has one.
    pub fn receive(&mut self, server: Option<&mut Upstream>, bytes: &[u8]) -> Frontend {
        if self.part > 0 {
            let there = bytes.len().min(self.part as usize);
            self.part -= there as u32;
            return match (there, self.part_forwarded && server.is_some()) {
                (0, _) => Frontend::Incomplete,
                (_, true) => Frontend::Forward(there),
                (_, false) => Frontend::Drop(there),
            };
        }
        match server {
            Some(server) => self.receive_attached(server, bytes),
            None => self.receive_detached(bytes),
        }
    }

    /// The client's wait for a server was cancelled: the query it waits with is answered with an
    /// error, and the session goes on.
    pub fn cancel_wait(&mut self) {
        self.refusing = Refusing::Next;
    }

    /// Whether a message is forwarded in part, so that the server waits for the rest of it.
    pub fn is_torn(&self) -> bool {
        self.part > 0 && self.part_forwarded
    }

    /// When the client's servers go back.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Joins a server: appends to `out` what makes its settings the client's.
    pub fn attach(&mut self, server: &mut Upstream, out: &mut Vec<u8>) -> Attach {
        server.statement_mode = self.mode == Mode::Statement;
        server.unnamed_is_own = false;
        if Arc::ptr_eq(&self.parameters, &server.parameters) {
            self.proven = true;
            return Attach::Ready;
        }
        let Some(sql) = server.parameters.sql_to_become(&self.parameters) else {
            // Equal in content: share one copy, so that the next comparison is a pointer's. The
            // client's, which clients alike share from their login on; each server has its own.
            server.parameters = self.parameters.clone();
            self.proven = true;
            return Attach::Ready;
        };
        server.send_own(&sql, out);
        server.parameters = self.parameters.clone();
        if self.proven {
            return Attach::Ready;
        }
        Attach::AwaitPrelude
    }

    /// The settings of [`Relay::attach`] were accepted.
    pub fn prelude_accepted(&mut self) {
        self.proven = true;
    }

    /// What holds `server` to this client.
    #[inline]
    pub fn hold(&self, server: &Upstream) -> Hold {
        if !server.replies.is_settled() || self.is_torn() {
            return Hold::Busy;
        }
        if server.status != TxStatus::Idle {
            return Hold::InTransaction;
        }
        if self.mode == Mode::Session {
            return Hold::Pinned(Pin::Session);
        }
        if server.has_statements() {
            return Hold::Pinned(Pin::PreparedStatement);
        }
        if !server.replies.is_certain() {
            return Hold::Pinned(Pin::Uncertain);
        }
        if server.is_at_rest() {
            Hold::Free
        } else {
            Hold::Busy
        }
    }

    fn receive_attached(&mut self, server: &mut Upstream, bytes: &[u8]) -> Frontend {
        let mut len = 0;
        let end = loop {
            let rest = &bytes[len..];
            let header = match frame::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break Frontend::Incomplete,
                Err(bad) => break Frontend::Violation(bad.into()),
            };
            if server.replies.is_full() {
                break Frontend::Full;
            }
            let body = &rest[HEADER_LEN..rest.len().min(header.message_len())];
            let whole = body.len() == header.body_len as usize;
            let reply = match header.kind {
                frontend::QUERY | frontend::FUNCTION_CALL => {
                    // A simple query drops the unnamed statement.
                    server.unbound = false;
                    server.unnamed_is_own = true;
                    let Upstream {
                        trace, parameters, ..
                    } = server;
                    Some(Reply::Query(match header.kind {
                        frontend::QUERY => trace.query(body, parameters),
                        _ => Fingerprint::NONE,
                    }))
                }
                frontend::BIND => match bound_name(body, whole) {
                    BoundSeen::Name([]) if !server.unnamed_is_own => break foreign(server),
                    BoundSeen::Name(name) => {
                        server.work.binds += 1;
                        let prepared = server.prepared(name);
                        server.trace.bind(name, prepared);
                        Some(Reply::Bind)
                    }
                    BoundSeen::Incomplete => break Frontend::Incomplete,
                    BoundSeen::Bad => break bad_name(header.kind),
                },
                frontend::EXECUTE => Some(Reply::Execute(server.trace.execute())),
                frontend::DESCRIBE => match body {
                    [] | [_] if !whole => break Frontend::Incomplete,
                    [frontend::TARGET_STATEMENT, 0] if !server.unnamed_is_own => {
                        break foreign(server);
                    }
                    _ => Some(Reply::Describe),
                },
                frontend::SYNC => Some(Reply::Sync),
                frontend::PARSE => match statement_name(frontend::parse_name(body), body, whole) {
                    NameSeen::Name(name) => {
                        server.work.parses += 1;
                        server.unnamed_is_own |= name.is_none();
                        let Upstream {
                            trace, parameters, ..
                        } = server;
                        let statement =
                            trace.parse(name.as_deref().unwrap_or_default(), body, parameters);
                        Some(Reply::Parse(name.map(|name| (name, statement))))
                    }
                    NameSeen::Incomplete => break Frontend::Incomplete,
                    NameSeen::Bad => break bad_name(header.kind),
                },
                frontend::CLOSE => match statement_name(closed_name(body), body, whole) {
                    NameSeen::Name(name) => Some(Reply::Close(name)),
                    NameSeen::Incomplete => break Frontend::Incomplete,
                    NameSeen::Bad => break bad_name(header.kind),
                },
                frontend::COPY_DONE | frontend::COPY_FAIL => Some(Reply::CopyEnd),
                frontend::FLUSH | frontend::COPY_DATA => None,
                frontend::TERMINATE => break Frontend::Terminate,
                kind => break Frontend::Violation(Violation::UnknownMessage { kind }),
            };
            if let Some(reply) = reply {
                server.replies.sent(reply);
            }
            len += HEADER_LEN + body.len();
            self.part = header.body_len - body.len() as u32;
            self.part_forwarded = true;
            if self.part > 0 {
                break Frontend::Incomplete;
            }
        };
        if len > 0 { Frontend::Forward(len) } else { end }
    }

    fn receive_detached(&mut self, bytes: &[u8]) -> Frontend {
        let header = match frame::header(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Frontend::Incomplete,
            Err(bad) => return Frontend::Violation(bad.into()),
        };
        match (header.kind, self.refusing) {
            (frontend::SYNC, Refusing::No | Refusing::Batch) => {
                self.refusing = Refusing::No;
                Frontend::Answer(self.skip(header, bytes), Answer::Ready)
            }
            (frontend::SYNC | frontend::QUERY | frontend::FUNCTION_CALL, Refusing::Next) => {
                self.refusing = Refusing::No;
                Frontend::Answer(self.skip(header, bytes), Answer::CanceledReady)
            }
            (
                frontend::PARSE
                | frontend::BIND
                | frontend::DESCRIBE
                | frontend::EXECUTE
                | frontend::CLOSE,
                Refusing::Next,
            ) => {
                self.refusing = Refusing::Batch;
                Frontend::Answer(self.skip(header, bytes), Answer::Canceled)
            }
            (
                frontend::QUERY
                | frontend::FUNCTION_CALL
                | frontend::PARSE
                | frontend::BIND
                | frontend::DESCRIBE
                | frontend::EXECUTE
                | frontend::CLOSE,
                Refusing::Batch,
            ) => Frontend::Drop(self.skip(header, bytes)),
            (
                frontend::QUERY
                | frontend::FUNCTION_CALL
                | frontend::PARSE
                | frontend::BIND
                | frontend::DESCRIBE
                | frontend::EXECUTE
                | frontend::CLOSE,
                Refusing::No,
            ) => Frontend::Checkout,
            // PostgreSQL ignores what is left of a COPY that failed; so must we, for the server
            // that failed it is somebody else's by then.
            (
                frontend::FLUSH | frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL,
                _,
            ) => Frontend::Drop(self.skip(header, bytes)),
            (frontend::TERMINATE, _) => Frontend::Terminate,
            (kind, _) => Frontend::Violation(Violation::UnknownMessage { kind }),
        }
    }

    /// Consumes a message without a server, what is there of it now and the rest as it comes.
    fn skip(&mut self, header: frame::Header, bytes: &[u8]) -> usize {
        let there = bytes.len().min(header.message_len());
        self.part = (header.message_len() - there) as u32;
        self.part_forwarded = false;
        there
    }
}

/// The client means an unnamed statement that it did not parse on this server. To PostgreSQL the
/// one that another client left there is as good.
fn foreign(server: &Upstream) -> Frontend {
    if server.replies.is_settled() {
        Frontend::DropUnnamed
    } else {
        Frontend::Violation(Violation::ForeignStatement)
    }
}

fn bad_name(kind: u8) -> Frontend {
    Frontend::Violation(Violation::BadName { kind })
}

#[cfg(test)]
mod tests;
