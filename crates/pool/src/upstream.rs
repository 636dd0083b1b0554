//! A server connection's session, as far as the pooler must know it.
//!
//! [`Upstream::receive`] walks what came from the server and says what to forward to the client
//! and what to swallow; rows pass by on their five header bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::{self, ErrorView, TxStatus};
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::sqlstate::SqlState;

use crate::parameters::Parameters;
use crate::replies::{Name, OutOfStep, Received, Replies, Reply};
use crate::trace::Trace;
use crate::work::Work;

/// Body of a message that must be seen whole to be understood (ReadyForQuery, ParameterStatus, the
/// pooler's own errors). The longest setting PostgreSQL reports is a search_path; one beyond this
/// is an attack or a bug.
pub const UNDERSTOOD_MAX: u32 = 16 * 1024;

/// Bytes at the front of an error that hold its severity, in any translation and then in English.
const SEVERITY_MAX: usize = 64;

/// Settings of one server. PostgreSQL reports some fifteen, and a client asks for at most 64 more.
const SETTINGS_MAX: usize = 256;

/// Named statements tracked per server; a client that prepares more stays pinned until its session
/// ends. At 90 bytes each this is 360 KiB.
pub const STATEMENTS_MAX: usize = 4096;

/// What to do with the front of the bytes that came from a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Backend {
    /// Send so many bytes to the client. There may be more to do with the rest.
    Forward(usize),
    /// Drop so many bytes.
    Swallow(usize),
    /// The front cannot be understood without more bytes.
    Incomplete,
    /// A transaction was opened where the pool allows none. Nothing was consumed.
    Transaction,
    /// The server is not used further and nothing of the rest reaches the client.
    Broken(Broken),
}

/// How a server broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A message that answers nothing.
    OutOfStep(OutOfStep),
    /// An impossible length field.
    BadLength {
        /// Type of the message.
        kind: u8,
    },
    /// A message to be understood that cannot be, or is too long.
    Malformed {
        /// Type of the message.
        kind: u8,
    },
}

/// An error that PostgreSQL answered to a query of the pooler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnError {
    /// PostgreSQL's code, if it sent one.
    pub sqlstate: Option<SqlState>,
    /// PostgreSQL's text.
    pub message: String,
}

/// The state of one server's session.
#[derive(Debug)]
pub struct Upstream {
    /// Answers outstanding.
    pub replies: Replies,
    /// From the last ReadyForQuery.
    pub status: TxStatus,
    /// Settings the session has.
    pub parameters: Arc<Parameters>,
    /// Settings it had after login, and has again after DISCARD ALL.
    pub defaults: Arc<Parameters>,
    /// A failed query of the pooler.
    pub own_error: Option<OwnError>,
    /// Work that its pool has not counted yet.
    pub work: Work,
    /// What its statements are.
    pub trace: Trace,
    /// Whether a transaction of several statements is refused.
    pub statement_mode: bool,
    /// The server said that it is about to close the connection.
    pub dying: bool,
    statements: BTreeMap<Name, Fingerprint>,
    statements_untracked: bool,
    /// The unnamed statement, if there is one, was parsed by the client that holds the server.
    pub(crate) unnamed_is_own: bool,
    /// The unnamed statement was parsed and not bound since. Drivers that ask for its description
    /// first send a Sync in between, and bind it after that.
    pub(crate) unbound: bool,
    /// Body bytes of the current message that are still to come, and what is done with them.
    part: u32,
    part_forwarded: bool,
    /// Bytes walked so far.
    walked: u64,
}

impl Upstream {
    /// A server that has just logged in with these settings.
    pub fn new(parameters: Arc<Parameters>) -> Self {
        Self {
            replies: Replies::default(),
            status: TxStatus::Idle,
            defaults: parameters.clone(),
            parameters,
            own_error: None,
            work: Work::default(),
            trace: Trace::default(),
            statement_mode: false,
            dying: false,
            statements: BTreeMap::new(),
            statements_untracked: false,
            unnamed_is_own: false,
            unbound: false,
            part: 0,
            part_forwarded: false,
            walked: 0,
        }
    }

    /// Walks `bytes` up to the first change between forwarding and swallowing. `client` is the
    /// settings of the client that holds the server; without one everything is swallowed.
    pub fn receive(&mut self, client: Option<&mut Arc<Parameters>>, bytes: &[u8]) -> Backend {
        let walked = self.walk(client, bytes);
        if let Backend::Forward(len) | Backend::Swallow(len) = walked {
            self.walked += len as u64;
        }
        walked
    }

    fn walk(&mut self, mut client: Option<&mut Arc<Parameters>>, bytes: &[u8]) -> Backend {
        if bytes.is_empty() {
            return Backend::Incomplete;
        }
        let mut run = Run::default();
        if self.part > 0 {
            let there = bytes.len().min(self.part as usize);
            self.part -= there as u32;
            run.extend(self.part_forwarded && client.is_some(), there);
        }
        while self.part == 0 {
            let rest = &bytes[run.len..];
            let header = match frame::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => return run.or(Backend::Incomplete),
                Err(bad) => {
                    return run.or(Backend::Broken(Broken::BadLength { kind: bad.kind }));
                }
            };
            let is_error = header.kind == backend::ERROR_RESPONSE;
            let understood = is_understood(header.kind) || (is_error && self.replies.next_is_own());
            let whole = rest.get(HEADER_LEN..header.message_len());
            if understood && whole.is_none() {
                if header.body_len > UNDERSTOOD_MAX {
                    let kind = header.kind;
                    return run.or(Backend::Broken(Broken::Malformed { kind }));
                }
                return run.or(Backend::Incomplete);
            }
            if is_error && rest.len() < header.message_len().min(HEADER_LEN + SEVERITY_MAX) {
                return run.or(Backend::Incomplete);
            }
            let forward = client.is_some() && self.is_for_client(header.kind, whole, &mut client);
            if !run.accepts(forward) {
                return run.step();
            }
            if self.statement_mode && opens_transaction(header.kind, whole) && forward {
                return run.or(Backend::Transaction);
            }
            if is_error {
                self.dying |= is_fatal(&rest[HEADER_LEN..]);
            }
            let message = (header.kind, whole);
            if let Err(broken) = self.note(message, run.len, client.as_deref_mut()) {
                return run.or(Backend::Broken(broken));
            }
            let there = rest.len().min(header.message_len());
            self.part = (header.message_len() - there) as u32;
            self.part_forwarded = forward;
            run.extend(forward, there);
        }
        run.step()
    }

    /// Whether the server could serve somebody else: nothing is outstanding, no message is half
    /// received, the session is outside a transaction, and all of that is known for certain.
    pub fn is_at_rest(&self) -> bool {
        self.owes_nothing() && self.part == 0
    }

    /// As `is_at_rest`, but a message that nobody asked for may be half received: an idle server
    /// sends notices and changes of settings whenever it likes.
    pub fn owes_nothing(&self) -> bool {
        self.replies.is_settled() && self.replies.is_certain() && self.status == TxStatus::Idle
    }

    /// Whether statements bind the server to the client that prepared them: named ones until they
    /// are closed, the unnamed one until it is bound.
    pub fn has_statements(&self) -> bool {
        self.unbound || self.statements_untracked || !self.statements.is_empty()
    }

    /// Whether the rest of a message is still to come.
    pub fn is_mid_message(&self) -> bool {
        self.part > 0
    }

    /// Whether the client has the front of a message and waits for its rest.
    pub fn is_torn(&self) -> bool {
        self.part > 0 && self.part_forwarded
    }

    /// What the client prepared under this name.
    pub(crate) fn prepared(&self, name: &[u8]) -> Option<Fingerprint> {
        self.statements.get(name).copied()
    }

    /// Sends a query of the pooler: appends it to `out` and swallows its answers.
    pub fn send_own(&mut self, sql: &str, out: &mut Vec<u8>) {
        pgweir_wire::encode::query(out, sql);
        self.replies.sent(Reply::Own);
        // A simple query drops the unnamed statement.
        self.unnamed_is_own = true;
    }

    /// Whether the client shall see a message. Answers to the pooler's own queries it shall not,
    /// except a setting that came out spelled otherwise than the client believes.
    fn is_for_client(
        &self,
        kind: u8,
        body: Option<&[u8]>,
        client: &mut Option<&mut Arc<Parameters>>,
    ) -> bool {
        if !self.replies.next_is_own() {
            return true;
        }
        let (backend::PARAMETER_STATUS, Some(body), Some(client)) = (kind, body, client) else {
            return false;
        };
        setting(body).is_some_and(|(name, value)| {
            let known = client.value(&name) == Some(&*value);
            !known && client.value(&name).is_some()
        })
    }

    /// Follows what a message does to the session, of which `before` bytes were walked since what
    /// is counted in `walked`. Its body is there if the message is understood.
    #[inline]
    fn note(
        &mut self,
        (kind, body): (u8, Option<&[u8]>),
        before: usize,
        client: Option<&mut Arc<Parameters>>,
    ) -> Result<(), Broken> {
        let is_own = self.replies.next_is_own();
        let received = self.replies.received(kind).map_err(Broken::OutOfStep)?;
        match (received, kind) {
            (Received::Ready(query), _) => {
                let status = body.and_then(backend::ready_status);
                self.status = status.ok_or(Broken::Malformed { kind })?;
                if is_own {
                    // A simple query drops the unnamed statement.
                    self.unbound = false;
                    return Ok(());
                }
                self.work.queries += 1;
                self.work.transactions += u64::from(self.status == TxStatus::Idle);
                match query {
                    Some(query) => self.trace.ended(query, self.walked + before as u64, false),
                    None => self.trace.batch_ended(),
                }
            }
            (Received::Executed(statement), _) => {
                let has_failed = kind == backend::ERROR_RESPONSE;
                self.work.errors += u64::from(has_failed && client.is_some());
                if kind == backend::COMMAND_COMPLETE {
                    self.completed(body.unwrap_or_default(), is_own);
                }
                let answered = self.walked + before as u64;
                self.trace.ended(statement, answered, has_failed);
            }
            (Received::Part, backend::PARSE_COMPLETE) => self.unbound = true,
            (Received::Part, backend::BIND_COMPLETE) => self.unbound = false,
            (Received::Prepared(name, statement), _) => self.remember(name, statement),
            (Received::Closed(name), _) => {
                self.statements.remove(&name);
            }
            (Received::Asynchronous, backend::PARAMETER_STATUS) => {
                let (name, value) = body.and_then(setting).ok_or(Broken::Malformed { kind })?;
                let is_known = self.parameters.value(&name).is_some();
                if !is_known && self.parameters.len() >= SETTINGS_MAX {
                    return Err(Broken::Malformed { kind });
                }
                self.reported(&name, &value, client);
            }
            (Received::Part, backend::COMMAND_COMPLETE) => {
                self.completed(body.unwrap_or_default(), is_own);
            }
            (Received::Part, backend::ERROR_RESPONSE) if is_own => {
                let error = ErrorView::parse(body.unwrap_or_default());
                self.own_error = Some(OwnError {
                    sqlstate: error.sqlstate(),
                    message: error.message().into_owned(),
                });
            }
            (Received::Part | Received::Asynchronous, backend::ERROR_RESPONSE) => {
                self.work.errors += u64::from(client.is_some());
                self.trace.query_failed();
            }
            (Received::Part | Received::Asynchronous, _) => {}
        }
        Ok(())
    }

    fn remember(&mut self, name: Name, statement: Fingerprint) {
        if self.statements.len() < STATEMENTS_MAX {
            self.statements.insert(name, statement);
        } else {
            self.statements_untracked = true;
        }
    }

    fn completed(&mut self, tag: &[u8], is_own: bool) {
        if !is_own {
            self.trace.completed(tag);
        }
        match tag {
            // Of most settings PostgreSQL does not report what became of them.
            b"SET\0" | b"RESET\0" => self.forget_unreported(),
            b"DISCARD ALL\0" => {
                self.statements.clear();
                self.statements_untracked = false;
                self.parameters = self.defaults.clone();
            }
            b"DEALLOCATE ALL\0" => {
                self.statements.clear();
                self.statements_untracked = false;
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
    /// it is the server's default that changed.
    fn reported(&mut self, name: &str, value: &str, client: Option<&mut Arc<Parameters>>) {
        let ours = self.parameters.value(name) == Some(value);
        if !ours {
            Arc::make_mut(&mut self.parameters).set(name, value);
        }
        match client {
            Some(client) => {
                if client.value(name) != Some(value) {
                    Arc::make_mut(client).set(name, value);
                }
                if **client == *self.parameters {
                    *client = self.parameters.clone();
                }
            }
            None if self.replies.is_empty() => {
                Arc::make_mut(&mut self.defaults).set(name, value);
            }
            None => {}
        }
    }
}

/// The bytes at the front that have one fate.
#[derive(Default)]
struct Run {
    len: usize,
    forward: Option<bool>,
}

impl Run {
    fn accepts(&self, forward: bool) -> bool {
        self.forward.is_none_or(|f| f == forward)
    }

    fn extend(&mut self, forward: bool, len: usize) {
        self.forward = Some(forward);
        self.len += len;
    }

    fn step(&self) -> Backend {
        match self.forward {
            Some(true) => Backend::Forward(self.len),
            Some(false) => Backend::Swallow(self.len),
            None => Backend::Incomplete,
        }
    }

    /// What was walked so far, or `end` when that is nothing.
    fn or(&self, end: Backend) -> Backend {
        if self.len == 0 { end } else { self.step() }
    }
}

fn is_understood(kind: u8) -> bool {
    matches!(
        kind,
        backend::READY_FOR_QUERY | backend::PARAMETER_STATUS | backend::COMMAND_COMPLETE
    )
}

fn opens_transaction(kind: u8, body: Option<&[u8]>) -> bool {
    kind == backend::READY_FOR_QUERY
        && body
            .and_then(backend::ready_status)
            .is_some_and(|status| status != TxStatus::Idle)
}

/// Whether an ErrorResponse ends the connection. Its severity comes first: `S`, then `V`.
fn is_fatal(body: &[u8]) -> bool {
    let start = &body[..body.len().min(SEVERITY_MAX)];
    start
        .split(|&b| b == 0)
        .take(2)
        .any(|field| matches!(field, b"SFATAL" | b"VFATAL" | b"SPANIC" | b"VPANIC"))
}

fn setting(body: &[u8]) -> Option<(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    let (name, value) = backend::parameter_status(body)?;
    Some((
        String::from_utf8_lossy(name),
        String::from_utf8_lossy(value),
    ))
}

#[cfg(test)]
mod tests;
