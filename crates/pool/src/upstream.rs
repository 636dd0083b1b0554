//! A server connection's session, as far as the pooler must know it.
//!
//! [`Upstream::receive`] walks what came from the server and says what to forward to the client
//! and what to swallow; rows pass by on their five header bytes.

pub(crate) mod audit;
pub(crate) mod check;
mod note;
mod prepared;
mod refusal;
pub(crate) mod sequences;
mod state;

use std::sync::Arc;

use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode;
use pgweir_wire::frame::{self, HEADER_LEN, Header};
use pgweir_wire::sqlstate::SqlState;

use crate::observer::Observer;
use crate::parameters::Parameters;
use crate::passing::Passing;
use crate::prepared::{ClientState, StatementName, push_parse};
use crate::replies::{OutOfStep, OwnClose, OwnParse, Replies, Reply};
use audit::{Audit, Suspects};
use note::{Noted, setting};
use prepared::Prepared;
pub use prepared::STATEMENTS_MAX;
use refusal::refused_for;
pub(crate) use refusal::{Refusal, encode_stale, refused};
use sequences::Sequences;
use state::State;

/// Body of a message that must be seen whole to be understood (ReadyForQuery, ParameterStatus, the
/// pooler's own errors). The longest setting PostgreSQL reports is a search_path; one beyond this
/// is an attack or a bug.
pub const UNDERSTOOD_MAX: u32 = 16 * 1024;

/// Bytes at the front of an error that hold its severity, in any translation and then in English.
const SEVERITY_MAX: usize = 64;

/// What to do with the front of the bytes that came from a server.
#[derive(Debug, PartialEq, Eq)]
pub enum FromServer {
    /// Send so many bytes to the client. There may be more to do with the rest.
    Forward(usize),
    /// Drop so many bytes.
    Swallow(usize),
    /// Drop so many bytes and tell the client this in their place.
    Refused(usize, Refusal),
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
    /// It was the last query of the pooler that was outstanding.
    pub is_last: bool,
}

/// What of a client's transactions the server's pool allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transactions {
    /// Any.
    Allowed,
    /// Those of one statement: a block is refused before the client learns that it was opened.
    SingleStatement,
}

/// The state of one server's session.
#[derive(Debug)]
pub struct Upstream {
    /// PostgreSQL's number of its process, if it told.
    pub pid: Option<u32>,
    /// The number of its session that the client was told, where that is another.
    pub(crate) told: Option<u32>,
    /// Answers outstanding.
    pub replies: Replies,
    /// From the last ReadyForQuery.
    pub status: TxStatus,
    /// Settings the session has.
    pub parameters: Arc<Parameters>,
    /// Settings it had after login, and has again after DISCARD ALL.
    pub defaults: Arc<Parameters>,
    /// Settings that were found fit for a server that is parked. Held, they are changed in a copy only.
    fit: Arc<Parameters>,
    /// Settings it had before it was sent those of a client.
    former: Option<Arc<Parameters>>,
    /// A failed query of the pooler.
    pub own_error: Option<OwnError>,
    /// What is counted and found out.
    pub observer: Observer,
    /// What the client that holds the server may open.
    pub transactions: Transactions,
    /// Databases that the client's statements need for themselves, until the pools are told.
    pub wanted_databases: Vec<Vec<u8>>,
    /// The server said that it is about to close the connection.
    pub dying: bool,
    /// The client was passed on why.
    pub(crate) is_explained: bool,
    /// The session may have another role, which PostgreSQL does not report.
    pub(crate) role_is_foreign: bool,
    /// A client may have limited the time of statements, which PostgreSQL does not report.
    pub(crate) limit_is_foreign: bool,
    /// A message of the client was replaced by one that is refused, whose error stands for another.
    pub(crate) rejects: bool,
    /// The settings that the client connected with are set again: it is told of all of them.
    restoring: bool,
    pub(crate) prepared: Prepared,
    pub(crate) state: State,
    pub(crate) sequences: Sequences,
    pub(crate) audit: Audit,
    /// How often tables had changed when the server was given out last.
    tables_as_of: u64,
    /// What goes to the server in front of what the client sends next, until it is taken.
    pub(crate) spliced: Vec<u8>,
    passing: Passing,
}

impl Upstream {
    /// A server that has just logged in with these settings.
    pub fn new(parameters: Arc<Parameters>) -> Self {
        Self {
            pid: None,
            told: None,
            replies: Replies::default(),
            status: TxStatus::Idle,
            defaults: parameters.clone(),
            fit: parameters.clone(),
            parameters,
            former: None,
            own_error: None,
            observer: Observer::default(),
            transactions: Transactions::Allowed,
            wanted_databases: Vec::new(),
            dying: false,
            is_explained: false,
            role_is_foreign: false,
            limit_is_foreign: false,
            rejects: false,
            restoring: false,
            prepared: Prepared::default(),
            state: State::default(),
            sequences: Sequences::default(),
            audit: Audit::default(),
            tables_as_of: 0,
            spliced: Vec::new(),
            passing: Passing::Nothing,
        }
    }

    /// Walks `bytes` up to the first change between forwarding and swallowing. `client` is what
    /// the client that holds the server believes of its session; without one everything is swallowed.
    /// An answer that stands for another is changed in place.
    pub fn receive(&mut self, client: Option<&mut ClientState>, bytes: &mut [u8]) -> FromServer {
        let walked = self.walk(client, bytes);
        if let FromServer::Forward(len) | FromServer::Swallow(len) | FromServer::Refused(len, _) =
            walked
        {
            self.observer.walked(len);
        }
        walked
    }

    /// Sends a query of the pooler: appends it to `out` and swallows its answers.
    pub fn send_own(&mut self, sql: &str, out: &mut Vec<u8>) {
        encode::query(out, sql);
        self.replies.sent(Reply::Own);
        self.prepared.unnamed_lost();
    }

    /// Parses a statement under a client's own name in front of what the client sends next, for SQL to find;
    /// `rest` is what follows the name in its Parse.
    pub(crate) fn send_stand(
        &mut self,
        name: &[u8],
        rest: &[u8],
        own: fn(StatementName) -> OwnParse,
    ) {
        let named = |out: &mut Vec<u8>| {
            out.extend_from_slice(name);
            out.push(0);
        };
        push_parse(&mut self.spliced, named, rest);
        self.prepared.stand_sent(name);
        self.replies.sent(Reply::OwnParse(own(name.into())));
    }

    /// Closes what stands under a client's own name.
    pub(crate) fn close_stand(&mut self, name: &[u8]) {
        encode::close_statement(&mut self.spliced, name);
        self.prepared.stood_down(name);
        let closed = OwnClose::Stand(name.into());
        self.replies.sent(Reply::OwnClose(closed));
    }

    /// Closes all that stands under a client's own names, in a batch appended to `out`. False if nothing does.
    pub(crate) fn close_stands(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.prepared.has_stands() {
            return false;
        }
        for name in self.prepared.stands() {
            self.close_stand(&name);
        }
        self.send_sync();
        out.append(&mut self.spliced);
        true
    }

    /// The pool was told so often that tables have changed. Statements from before the last time are parsed anew.
    pub(crate) fn tables_as_of(&mut self, changes: u64) {
        if self.tables_as_of != changes {
            self.tables_as_of = changes;
            self.prepared.shared.grow_stale();
        }
    }

    /// Tables have changed, or one of the pooler's statements is not there any more.
    fn tables_changed(&mut self) {
        self.observer.work.reshaped += 1;
        self.prepared.shared.grow_stale();
    }

    /// Ends a batch of the pooler in front of what the client sends next.
    pub(crate) fn send_sync(&mut self) {
        encode::sync(&mut self.spliced);
        self.replies.sent(Reply::OwnSync);
    }

    /// As [`Self::send_own`], to set settings of which the client was told other values.
    pub(crate) fn send_restoring(&mut self, sql: &str, out: &mut Vec<u8>) {
        self.restoring = true;
        self.send_own(sql, out);
    }

    /// The server is given to a client, of a pool with these suspects; with `is_wanted` the lease is audited.
    pub(crate) fn given(&mut self, suspects: &Suspects, is_wanted: bool) {
        if self.audit.given(suspects, is_wanted) {
            self.state.forget_harmless();
        }
    }

    /// Has the session forget its numbers of sequences before what follows.
    pub(crate) fn discard_sequences(&mut self, out: &mut Vec<u8>) {
        self.send_own(sequences::DISCARD, out);
        self.sequences.discarded();
    }

    /// The pooler is about to send what it has to before a client's first query.
    pub(crate) fn joins(&mut self) {
        self.former = None;
    }

    /// Whether settings of the client were sent since it joined.
    pub(crate) fn was_sent_parameters(&self) -> bool {
        self.former.is_some()
    }

    /// Settings of a client were sent.
    pub(crate) fn parameters_sent(&mut self, parameters: Arc<Parameters>) {
        self.former = Some(std::mem::replace(&mut self.parameters, parameters));
    }

    /// They were refused, and nothing followed them. One query set them, so none of them is set and the session is
    /// as before.
    pub(crate) fn parameters_refused(&mut self) {
        let former = self.former.take();
        self.parameters = former.expect("settings were sent");
        self.own_error = None;
    }

    /// Whether everything that the client sent was answered, and no batch of its is open.
    pub(crate) fn is_done(&self) -> bool {
        self.replies.is_settled() || self.is_asking()
    }

    /// Whether all that is outstanding is what the pooler asked behind a transaction.
    pub(crate) fn is_asking(&self) -> bool {
        (self.state.is_asking() || self.restoring)
            && !self.replies.owes_client()
            && !self.replies.is_unsynced()
    }

    /// Whether the session is somebody else than the login, or has a setting that must not meet an
    /// idle server: it is taken back before the server is parked.
    #[inline]
    pub fn must_be_taken_back(&mut self) -> bool {
        self.role_is_foreign || (!Arc::ptr_eq(&self.parameters, &self.fit) && self.is_unfit())
    }

    #[cold]
    fn is_unfit(&mut self) -> bool {
        let is_unfit = self.parameters.must_be_taken_back(&self.defaults);
        if !is_unfit {
            self.fit = self.parameters.clone();
        }
        is_unfit
    }

    /// SQL that takes that back, after which it is as good as taken back: a server that fails to is
    /// lost. What PostgreSQL reports is left for it to report.
    pub(crate) fn take_back(&mut self) -> Option<String> {
        let role = std::mem::take(&mut self.role_is_foreign);
        let sql = self.parameters.sql_to_park(&self.defaults, role)?;
        Arc::make_mut(&mut self.parameters).parked();
        Some(sql)
    }

    /// Whether the server could serve somebody else: nothing is outstanding, no message is half
    /// received, the session is outside a transaction, and all of that is known for certain.
    pub fn is_at_rest(&self) -> bool {
        self.owes_nothing() && !self.is_mid_message()
    }

    /// As `is_at_rest`, but a message that nobody asked for may be half received: an idle server
    /// sends notices and changes of settings whenever it likes.
    pub fn owes_nothing(&self) -> bool {
        self.replies.is_settled() && self.replies.is_certain() && self.status == TxStatus::Idle
    }

    /// Statements that it keeps for all clients.
    pub fn statements(&self) -> u64 {
        self.prepared.shared.len() as u64
    }

    /// Whether statements bind the server to the client that prepared them: those that are not shared until they
    /// are closed, a long unnamed one until it is bound.
    pub fn has_statements(&self) -> bool {
        self.prepared.bind_server()
    }

    /// Whether the rest of a message is still to come.
    pub fn is_mid_message(&self) -> bool {
        self.passing != Passing::Nothing
    }

    /// Whether the client has the front of a message and waits for its rest.
    pub fn is_torn(&self) -> bool {
        self.passing.is_torn()
    }

    fn walk(&mut self, mut client: Option<&mut ClientState>, bytes: &mut [u8]) -> FromServer {
        if bytes.is_empty() {
            return FromServer::Incomplete;
        }
        let mut run = Run::default();
        if let Some((len, forwarded)) = self.passing.take(bytes.len()) {
            run.extend(forwarded && client.is_some(), len);
        }
        while self.passing == Passing::Nothing {
            let rest = &mut bytes[run.len..];
            if let Err(end) = self.walk_message(rest, client.as_deref_mut(), &mut run) {
                return run.or(end);
            }
        }
        run.step()
    }

    /// Adds the message that `bytes` begin with to the run, or says what is in its way.
    #[inline]
    fn walk_message(
        &mut self,
        bytes: &mut [u8],
        client: Option<&mut ClientState>,
        run: &mut Run,
    ) -> Result<(), FromServer> {
        let header = match frame::header(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Err(FromServer::Incomplete),
            Err(bad) => return Err(FromServer::Broken(Broken::BadLength { kind: bad.kind })),
        };
        if header.kind == backend::NOTIFICATION_RESPONSE && client.is_some() {
            self.name_sender(header, &mut bytes[HEADER_LEN..])?;
        }
        let body = self.body(header, bytes)?;
        let forward = client.is_some() && self.is_for_client(header.kind, body, &client);
        if !run.accepts(forward) {
            return Err(run.step());
        }
        if forward && self.is_refused_transaction(header.kind, body) {
            return Err(FromServer::Transaction);
        }
        if header.kind == backend::ERROR_RESPONSE {
            let is_fatal = is_fatal(&bytes[HEADER_LEN..]);
            self.dying |= is_fatal;
            self.is_explained |= is_fatal && forward;
        }
        let refused = match body {
            Some(body) if forward && self.rejects && header.kind == backend::ERROR_RESPONSE => {
                refused_for(body)
            }
            _ => None,
        };
        if refused.is_some() && run.len > 0 {
            return Err(run.step());
        }
        let noted = self.note((header.kind, body), run.len, client);
        if noted.map_err(FromServer::Broken)? == Noted::IsParse {
            bytes[0] = backend::PARSE_COMPLETE;
        }
        if let Some(refusal) = refused {
            return Err(FromServer::Refused(header.message_len(), refusal));
        }
        let available = bytes.len().min(header.message_len());
        self.passing = Passing::after(forward, header.message_len() - available);
        run.extend(forward, available);
        Ok(())
    }

    /// A client knows what it notified itself of by the number that it was told at its login.
    #[cold]
    fn name_sender(&self, header: Header, body: &mut [u8]) -> Result<(), FromServer> {
        if let (Some(pid), Some(told)) = (self.pid, self.told)
            && header.body_len >= 4
        {
            let sender = body.first_chunk_mut().ok_or(FromServer::Incomplete)?;
            if *sender == pid.to_be_bytes() {
                *sender = told.to_be_bytes();
            }
        }
        Ok(())
    }

    /// The body of a message, if all of it is there. Of a message that is to be understood it has
    /// to be, and of an error its severity.
    #[inline]
    fn body<'a>(&self, header: Header, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, FromServer> {
        let kind = header.kind;
        let whole = bytes.get(HEADER_LEN..header.message_len());
        if whole.is_some() {
            return Ok(whole);
        }
        let is_error = kind == backend::ERROR_RESPONSE;
        let is_answer = is_error || kind == backend::DATA_ROW;
        if (is_error && self.rejects && header.body_len <= UNDERSTOOD_MAX)
            || self.is_of_description(kind, header.body_len)
        {
            return Err(FromServer::Incomplete);
        }
        if is_understood(kind) || (is_answer && self.replies.next_is_own()) {
            return Err(if header.body_len > UNDERSTOOD_MAX {
                FromServer::Broken(Broken::Malformed { kind })
            } else {
                FromServer::Incomplete
            });
        }
        if is_error && bytes.len() < HEADER_LEN + SEVERITY_MAX {
            return Err(FromServer::Incomplete);
        }
        Ok(None)
    }

    /// Whether the client shall see a message. Answers to the pooler's own queries it shall not,
    /// except a setting that came out spelled otherwise than the client believes.
    fn is_for_client(
        &self,
        kind: u8,
        body: Option<&[u8]>,
        client: &Option<&mut ClientState>,
    ) -> bool {
        if !self.replies.next_is_own() {
            return !self.replies.hides(kind) && !self.fails_check(kind, body);
        }
        if kind == backend::NOTIFICATION_RESPONSE {
            // It answers nobody's query: the client listens, and a question may be under way. What a server
            // says that has only just joined the client is not for it.
            return self.state.is_dirty() || !self.state.asks();
        }
        let (backend::PARAMETER_STATUS, Some(body), Some(client)) = (kind, body, client) else {
            return false;
        };
        setting(body, &self.parameters).is_some_and(|(name, value)| {
            let known = name.and_then(|name| client.parameters.value(name));
            known.is_some() && (self.restoring || known != Some(&*value))
        })
    }

    fn is_refused_transaction(&self, kind: u8, body: Option<&[u8]>) -> bool {
        match self.transactions {
            Transactions::Allowed => false,
            Transactions::SingleStatement => opens_transaction(kind, body),
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

    fn step(&self) -> FromServer {
        match self.forward {
            Some(true) => FromServer::Forward(self.len),
            Some(false) => FromServer::Swallow(self.len),
            None => FromServer::Incomplete,
        }
    }

    /// What was walked so far, or `end` when that is nothing.
    fn or(&self, end: FromServer) -> FromServer {
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

#[cfg(test)]
mod tests;
