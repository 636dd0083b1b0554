//! A client's session: bytes in, bytes out, and the need for a server in between.
//!
//! [`Session::pump`] is called when a stream became ready and does all that can be done without
//! waiting: it reads a stream into a scratch buffer of the caller, lets [`Relay`] and `Upstream`
//! decide, and writes on what was read. What it cannot do itself it returns as a [`Need`]; the
//! driver sees to that and calls again until nothing is needed. Streams are anything that reads
//! and writes without blocking, so a simulator drives the same code as the sockets do.
//!
//! A session that is idle owns no buffer. One whose peer does not read keeps at most one scratch
//! buffer for it, and stops reading the other side.

use std::io::{self, Read, Write};
use std::time::Duration;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sql::fingerprint::Fingerprint;
use pgweir_wire::sqlstate::SqlState;

use crate::id::ServerId;
use crate::pool::Place;
use crate::recovery::Recovery;
use crate::relay::{Attach, Frontend, Hold, Mode, Relay, Violation};
use crate::repeats::Repeats;
use crate::server::{self, Returning, Server};
use crate::time::Time;
use crate::trace::Thresholds;
use crate::upstream::{Backend, Broken, OwnError};

/// Reads of one stream in one call of [`Session::pump`], after which others get their turn.
const READS_MAX: usize = 8;

/// What the session cannot do by itself.
#[derive(Debug)]
pub enum Need<S> {
    /// Nothing until a stream is ready.
    Nothing,
    /// Others should have their turn; call again soon without an event.
    Turn,
    /// A server: call `attach`, or `wait` and later `attach`.
    Checkout,
    /// The server goes back to its pool.
    Checkin(Box<Server<S>>),
    /// The server goes back to its pool when it has been cleaned.
    Return(Returning<S>),
    /// The server is lost. With a place, the client had sent it nothing yet and waits for another
    /// in that place.
    Lost(Box<Server<S>>, Option<Place>),
    /// The session is over.
    Finish(End),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client said goodbye.
    Terminated,
    /// The client's stream ended or failed.
    ClientGone,
    /// The client broke the protocol.
    Violation(Violation),
    /// The server's stream ended or failed while the client held it.
    ServerGone,
    /// The server broke the protocol.
    ServerBroken(Broken),
    /// The client's settings were refused by PostgreSQL.
    Settings(OwnError),
    /// The client opened a transaction where none is allowed.
    Transaction,
    /// The driver ended it: a timeout, a refusal, a shutdown.
    Ended,
}

/// Times that a session may take, `Duration::MAX` for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A query, from its first byte to its last answer.
    pub query: Duration,
    /// A pause of the client inside a transaction.
    pub idle_in_transaction: Duration,
    /// A transaction.
    pub transaction: Duration,
    /// A pause of the client outside a transaction.
    pub idle: Duration,
}

/// Which of the [`Limits`] was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// `query`.
    Query,
    /// `idle_in_transaction`.
    IdleInTransaction,
    /// `transaction`.
    Transaction,
    /// `idle`.
    Idle,
}

#[derive(Debug)]
struct Lease<S> {
    server: Box<Server<S>>,
    place: Place,
    /// When the client got the server.
    attached: Time,
    /// Answers to check and prelude are outstanding that the client's bytes wait for.
    awaiting: bool,
    /// The server is checked, so an error is the server's and not the client's.
    checking: bool,
    /// When the transaction began.
    began: Time,
    /// When the query that is answered next was sent, or the one before it was answered.
    query_began: Time,
    /// When the client or the server last did something.
    active: Time,
}

#[derive(Debug)]
enum Stage<S> {
    /// No server, none needed.
    Idle,
    /// In the queue of the pool.
    Waiting(Place),
    Leased(Lease<S>),
    /// A need to finish was or will be returned.
    Over(End),
}

/// One client's session. See the module's description.
#[derive(Debug)]
pub struct Session<C, S> {
    /// The stream to the client.
    pub client: C,
    /// The client may have something to read. Set by readiness events, cleared by a short read.
    pub readable: bool,
    /// The client has closed its side. What came before is still read, and no event follows it.
    pub hung_up: bool,
    /// What the session is doing to its messages.
    pub relay: Relay,
    stage: Stage<S>,
    /// Bytes of the client that are not understood yet or wait for a server.
    held: Vec<u8>,
    /// What is held was not shown to the relay since something changed for it.
    unseen: bool,
    /// Bytes for the client that its socket did not take yet.
    unsent: Vec<u8>,
    /// A cancel request is put off.
    cancelling: bool,
    /// Since when nothing was done outside a lease.
    idle_since: Time,
    /// What runs on servers after each use, if it always does.
    reset_always: bool,
    /// From when on its statements are slow; `None` follows none.
    pub thresholds: Option<Thresholds>,
    repeats: Repeats,
}

/// What a client does with the server that it holds.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// The server.
    pub server: ServerId,
    /// What holds the server to the client.
    pub hold: Hold,
    /// When the client got the server.
    pub since: Time,
    /// Since the client or the server last did something.
    pub quiet: Duration,
    /// Since the query that runs was sent.
    pub running: Duration,
    /// The statement that was executed last.
    pub statement: Fingerprint,
}

impl<C: Read + Write, S: Read + Write> Session<C, S> {
    /// A session that begins at `now`, after login. `reset_always` has servers reset after each
    /// transaction.
    pub fn new(client: C, relay: Relay, reset_always: bool, now: Time) -> Self {
        Self {
            client,
            readable: true,
            hung_up: false,
            relay,
            stage: Stage::Idle,
            held: Vec::new(),
            unseen: false,
            unsent: Vec::new(),
            cancelling: false,
            idle_since: now,
            reset_always,
            thresholds: None,
            repeats: Repeats::default(),
        }
    }

    /// With bytes that the client sent before it was handed over.
    pub fn with_input(mut self, bytes: Vec<u8>) -> Self {
        self.unseen = !bytes.is_empty();
        self.held = bytes;
        self
    }

    /// Does what can be done now. `scratch` is larger than any message that must be understood.
    pub fn pump(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
        match &self.stage {
            Stage::Idle => self.pump_idle(now, scratch),
            Stage::Waiting(_) => Need::Nothing,
            Stage::Leased(_) => self.pump_leased(now, scratch),
            Stage::Over(end) => Need::Finish(end.clone()),
        }
    }

    /// The client is in the queue of its pool.
    pub fn wait(&mut self, place: Place) {
        assert!(
            matches!(self.stage, Stage::Idle),
            "only an idle session waits"
        );
        self.stage = Stage::Waiting(place);
    }

    /// The client got a server: joins it and sends what the client was waiting with, settings and
    /// query in one write. With `check`, that query has to succeed first.
    pub fn attach(
        &mut self,
        now: Time,
        mut server: Box<Server<S>>,
        place: Place,
        check: Option<&str>,
        scratch: &mut [u8],
    ) -> Need<S> {
        assert!(
            matches!(self.stage, Stage::Idle | Stage::Waiting(_)),
            "one server at a time"
        );
        assert!(
            server.is_grantable(),
            "a server in use, or not clean, was granted"
        );
        if let Some(sql) = check {
            server.upstream.send_own(sql, &mut server.unsent);
        }
        let prelude = self.relay.attach(&mut server.upstream, &mut server.unsent);
        let trace = &mut server.upstream.trace;
        trace.attach(self.thresholds, now - place.since);
        self.stage = Stage::Leased(Lease {
            server,
            place,
            attached: now,
            awaiting: check.is_some() || prelude == Attach::AwaitPrelude,
            checking: check.is_some(),
            began: now,
            query_began: now,
            active: now,
        });
        match self.pump_client(now, scratch) {
            Ok(_) => self.pump_leased(now, scratch),
            Err(need) => need,
        }
    }

    /// The client's stream ended or failed, or the driver ends the session; with `error` as its
    /// last message. A waiter must have left the queue before.
    pub fn end(&mut self, why: End, error: Option<&ErrorFields<'_>>) -> Need<S> {
        if let Stage::Over(end) = &self.stage {
            return Need::Finish(end.clone());
        }
        if let Some(error) = error {
            self.last_words(error);
        }
        match std::mem::replace(&mut self.stage, Stage::Over(why.clone())) {
            Stage::Leased(lease) => {
                let needs_reset = self.relay.mode() == Mode::Session || self.reset_always;
                let recovery = Recovery::new(self.relay.is_torn(), needs_reset);
                Need::Return(Returning::new(lease.server, recovery))
            }
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => Need::Finish(why),
        }
    }

    /// The wait is cancelled at the client's wish; it has left the queue.
    pub fn cancel_wait(&mut self, now: Time) {
        assert!(
            self.place().is_some(),
            "only a waiting session is cancelled"
        );
        self.relay.cancel_wait();
        self.unseen = true;
        self.stage = Stage::Idle;
        self.idle_since = now;
    }

    /// The client wants its query cancelled, and does not wait for a server: the server to send a
    /// cancel request to, whose `cancels` count it until it has arrived. `None` if no query runs,
    /// or if [`Session::due_cancel`] will say when.
    pub fn cancel(&mut self) -> Option<&mut Server<S>> {
        self.cancelling = true;
        self.due_cancel()
    }

    /// As [`Session::cancel`], for a request that had to be put off; asked after each `pump` and
    /// `attach`. It must not hit the pooler's own queries: a client's query behind them would meet
    /// settings that are not its client's.
    pub fn due_cancel(&mut self) -> Option<&mut Server<S>> {
        if !self.cancelling {
            return None;
        }
        match &mut self.stage {
            Stage::Waiting(_) => None,
            Stage::Leased(lease) if lease.server.upstream.replies.next_is_own() => None,
            Stage::Leased(lease) => {
                self.cancelling = false;
                let is_busy = self.relay.hold(&lease.server.upstream) == Hold::Busy;
                is_busy.then_some(&mut lease.server)
            }
            Stage::Idle | Stage::Over(_) => {
                self.cancelling = false;
                None
            }
        }
    }

    /// Which limit the session has passed.
    pub fn overdue(&self, now: Time, limits: &Limits) -> Option<Overdue> {
        match &self.stage {
            Stage::Idle => (now - self.idle_since >= limits.idle).then_some(Overdue::Idle),
            Stage::Waiting(_) | Stage::Over(_) => None,
            Stage::Leased(lease) => {
                let hold = self.relay.hold(&lease.server.upstream);
                let quiet = now - lease.active;
                match hold {
                    Hold::Busy if now - lease.query_began >= limits.query => Some(Overdue::Query),
                    Hold::InTransaction if quiet >= limits.idle_in_transaction => {
                        Some(Overdue::IdleInTransaction)
                    }
                    Hold::Pinned(_) if quiet >= limits.idle => Some(Overdue::Idle),
                    Hold::Busy | Hold::InTransaction if now - lease.began >= limits.transaction => {
                        Some(Overdue::Transaction)
                    }
                    Hold::Busy | Hold::InTransaction | Hold::Pinned(_) | Hold::Free => None,
                }
            }
        }
    }

    /// The server that the client holds.
    pub fn server(&mut self) -> Option<&mut Server<S>> {
        match &mut self.stage {
            Stage::Leased(lease) => Some(&mut lease.server),
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => None,
        }
    }

    /// The place in the queue, while the client waits.
    pub fn place(&self) -> Option<Place> {
        match self.stage {
            Stage::Waiting(place) => Some(place),
            Stage::Idle | Stage::Leased(_) | Stage::Over(_) => None,
        }
    }

    /// What holds the server to the client; `None` without a server.
    pub fn hold(&self) -> Option<Hold> {
        match &self.stage {
            Stage::Leased(lease) => Some(self.relay.hold(&lease.server.upstream)),
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => None,
        }
    }

    /// What the client does with its server; `None` without a server.
    pub fn holding(&self, now: Time) -> Option<Holding> {
        match &self.stage {
            Stage::Leased(lease) => Some(Holding {
                server: lease.server.id,
                hold: self.relay.hold(&lease.server.upstream),
                since: lease.attached,
                quiet: now - lease.active,
                running: now - lease.query_began,
                statement: lease.server.upstream.trace.last,
            }),
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => None,
        }
    }

    /// Bytes that are kept: of the client's, and for the client.
    pub fn buffered(&self) -> (usize, usize) {
        (self.held.len(), self.unsent.len())
    }

    /// Whether the client has neither a server nor the need for one.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    fn pump_idle(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
        for _ in 0..READS_MAX {
            match server::flush(&mut self.client, &mut self.unsent) {
                Ok(true) => {}
                Ok(false) => return Need::Nothing,
                Err(_) => return self.end(End::ClientGone, None),
            }
            let len = match self.input(scratch) {
                Ok(Some(len)) => len,
                Ok(None) => return Need::Nothing,
                Err(_) => return self.end(End::ClientGone, None),
            };
            self.idle_since = now;
            let need = self.walk_detached(&scratch[..len]);
            if !matches!(need, Need::Nothing) {
                return need;
            }
        }
        Need::Turn
    }

    /// Moves into `scratch` what there is of the client's to look at: what was held and is worth
    /// another look, or else what was held and what comes now. `None` when there is nothing.
    fn input(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        if self.unseen && !self.held.is_empty() {
            self.unseen = false;
            let held = std::mem::take(&mut self.held);
            scratch[..held.len()].copy_from_slice(&held);
            return Ok(Some(held.len()));
        }
        if !self.readable {
            return Ok(None);
        }
        let readiness = (&mut self.readable, self.hung_up);
        server::fill(&mut self.client, &mut self.held, readiness, scratch)
    }

    /// Consumes `bytes` without a server, as far as that goes.
    fn walk_detached(&mut self, bytes: &[u8]) -> Need<S> {
        let mut at = 0;
        let mut out = Vec::new();
        let end = loop {
            match self.relay.receive(None, &bytes[at..]) {
                Frontend::Drop(len) => at += len,
                Frontend::Answer(len, answer) => {
                    at += len;
                    answer.encode(&mut out);
                }
                Frontend::Incomplete => break None,
                Frontend::Checkout => break Some(Need::Checkout),
                Frontend::Terminate => return self.end(End::Terminated, None),
                Frontend::Violation(violation) => return self.violated(violation),
                Frontend::Forward(_) | Frontend::Full | Frontend::DropUnnamed => {
                    unreachable!("nothing is forwarded without a server")
                }
            }
        };
        self.held = bytes[at..].to_vec();
        self.unseen = matches!(end, Some(Need::Checkout));
        if server::send(&mut self.client, &mut self.unsent, &out).is_err() {
            return self.end(End::ClientGone, None);
        }
        end.unwrap_or(Need::Nothing)
    }

    fn pump_leased(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
        let mut turns = 0;
        loop {
            let server_read = match self.pump_server(now, scratch) {
                Ok(read) => read,
                Err(need) => return need,
            };
            if let Some(need) = self.release(now) {
                return need;
            }
            let client_read = match self.pump_client(now, scratch) {
                Ok(read) => read,
                Err(need) => return need,
            };
            if !server_read && !client_read {
                return Need::Nothing;
            }
            turns += 1;
            if turns == READS_MAX {
                return Need::Turn;
            }
        }
    }

    /// One read of the server, written to the client; whether there may be another.
    fn pump_server(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
        match server::flush(&mut self.client, &mut self.unsent) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(_) => return Err(self.end(End::ClientGone, None)),
        }
        let lease = leased(&mut self.stage);
        if !lease.server.readable {
            return Ok(false);
        }
        let len = match lease.server.fill(scratch) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(false),
            Err(_) => return Err(self.server_gone()),
        };
        lease.active = now;
        let mut at = 0;
        let work = &lease.server.upstream.work;
        let before = (work.queries, work.transactions);
        loop {
            let upstream = &mut lease.server.upstream;
            match upstream.receive(Some(&mut self.relay.parameters), &scratch[at..len]) {
                Backend::Forward(run) => {
                    let bytes = &scratch[at..at + run];
                    at += run;
                    upstream.work.sent_bytes += run as u64;
                    if server::send(&mut self.client, &mut self.unsent, bytes).is_err() {
                        lease.server.held = scratch[at..len].to_vec();
                        return Err(self.end(End::ClientGone, None));
                    }
                }
                Backend::Swallow(run) => {
                    at += run;
                    // The session ends or waits for another server; what follows is not for it.
                    if upstream.own_error.is_some() {
                        break;
                    }
                }
                Backend::Incomplete => break,
                Backend::Transaction => {
                    lease.server.held = scratch[at..len].to_vec();
                    return Err(self.refuse_transaction());
                }
                Backend::Broken(broken) => return Err(self.server_broken(broken)),
            }
        }
        lease.server.held = scratch[at..len].to_vec();
        lease.note_times(now, before);
        lease.server.upstream.trace.read(now);
        self.finish_prelude(now)?;
        Ok(true)
    }

    /// Sees whether check and prelude were answered, and how.
    fn finish_prelude(&mut self, now: Time) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        let Some(error) = lease.server.upstream.own_error.clone() else {
            if lease.awaiting && lease.server.upstream.replies.is_empty() {
                lease.awaiting = false;
                lease.checking = false;
                lease.began = now;
                self.relay.prelude_accepted();
            }
            return Ok(());
        };
        if lease.checking || lease.server.upstream.dying {
            lease.awaiting |= lease.checking;
            return Err(self.server_gone());
        }
        // Settings that are not the client's must never meet a query of the client's, and this
        // server has neither its own nor the client's: it is not recovered but lost.
        let Stage::Leased(lease) =
            std::mem::replace(&mut self.stage, Stage::Over(End::Settings(error.clone())))
        else {
            unreachable!("matched above");
        };
        self.last_words(&ErrorFields {
            severity: Severity::Fatal,
            sqlstate: error.sqlstate.unwrap_or(SqlState::INTERNAL_ERROR),
            message: &error.message,
            detail: Some("PostgreSQL refused the settings of this session."),
            hint: Some("Correct the parameters that the client sends when it connects."),
        });
        Err(Need::Lost(lease.server, None))
    }

    /// One read of the client, written to the server; whether there may be another.
    fn pump_client(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
        let lease = leased(&mut self.stage);
        let is_full = lease.server.upstream.replies.is_full();
        // What is held goes out in one write with what is unsent, if it goes out at all.
        let blocked = lease.awaiting || is_full || !self.unseen;
        match if blocked {
            lease.server.flush()
        } else {
            Ok(true)
        } {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(_) => return Err(self.server_gone()),
        }
        if lease.awaiting || is_full {
            return Ok(false);
        }
        // A cancel request is under way for a query that has ended. It must not hit the next one,
        // of the same transaction neither, and who keeps cancelling must not keep the server.
        if lease.server.cancels > 0 && self.relay.hold(&lease.server.upstream) != Hold::Busy {
            return Ok(false);
        }
        match self.input(scratch) {
            Ok(Some(len)) => self.forward(now, &scratch[..len]).map(|()| true),
            Ok(None) => Ok(false),
            Err(_) => Err(self.end(End::ClientGone, None)),
        }
    }

    /// Sends as much of `bytes` to the server as the protocol allows, and holds the rest.
    fn forward(&mut self, now: Time, bytes: &[u8]) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        lease.active = now;
        let upstream = &mut lease.server.upstream;
        let begins = upstream.replies.is_settled();
        let in_transaction = upstream.status != TxStatus::Idle;
        if begins {
            lease.query_began = now;
            upstream.trace.begin(now);
            if !in_transaction {
                lease.began = now;
            }
        }
        let (mut from, mut at) = (0, 0);
        let end = loop {
            match self
                .relay
                .receive(Some(&mut lease.server.upstream), &bytes[at..])
            {
                Frontend::Forward(run) => at += run,
                Frontend::Drop(run) => {
                    // Only the rest of a message whose front was dropped; nothing was sent before.
                    assert_eq!(at, 0, "a message is not dropped behind forwarded ones");
                    return self.forward(now, &bytes[run..]);
                }
                Frontend::DropUnnamed => {
                    // An empty query does, in the same write.
                    let server = &mut *lease.server;
                    server.unsent.extend_from_slice(&bytes[from..at]);
                    server.upstream.send_own("", &mut server.unsent);
                    from = at;
                }
                end => break end,
            }
        };
        let upstream = &mut lease.server.upstream;
        upstream.work.received_bytes += at as u64;
        if begins
            && let Some(statement) = upstream.trace.opening()
            && let Some(times) = self.repeats.note(now, statement, in_transaction)
        {
            upstream.trace.repeated(statement, times, &bytes[..at]);
        }
        let sent = lease.server.send(&bytes[from..at]);
        self.held = bytes[at..].to_vec();
        self.unseen = end == Frontend::Full;
        match end {
            _ if sent.is_err() => Err(self.server_gone()),
            Frontend::Terminate => Err(self.end(End::Terminated, None)),
            Frontend::Violation(violation) => Err(self.violated(violation)),
            Frontend::Incomplete | Frontend::Full => Ok(()),
            Frontend::Forward(_)
            | Frontend::Drop(_)
            | Frontend::DropUnnamed
            | Frontend::Answer(..)
            | Frontend::Checkout => {
                unreachable!("handled, or only without a server")
            }
        }
    }

    /// Gives the server back if nothing holds it.
    fn release(&mut self, now: Time) -> Option<Need<S>> {
        let lease = leased(&mut self.stage);
        // What the server was taken for may still be held back: after a check and a prelude, none
        // of it was sent yet.
        let wanted = lease.awaiting || (self.unseen && !self.held.is_empty());
        if wanted
            || self.relay.hold(&lease.server.upstream) != Hold::Free
            || !lease.server.is_reusable()
        {
            return None;
        }
        let Stage::Leased(lease) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            unreachable!("matched above");
        };
        self.idle_since = now;
        if lease.server.hung_up {
            // No event would tell the pool. The client has all its answers and need not know.
            return Some(Need::Lost(lease.server, None));
        }
        if self.reset_always {
            return Some(Need::Return(Returning::new(
                lease.server,
                Recovery::new(false, true),
            )));
        }
        Some(Need::Checkin(lease.server))
    }

    /// The server's stream ended or failed. A client that had sent it nothing waits for another.
    fn server_gone(&mut self) -> Need<S> {
        let lease = leased(&mut self.stage);
        let place = lease.awaiting.then_some(lease.place);
        if place.is_none() {
            self.last_words(&ErrorFields {
                severity: Severity::Fatal,
                sqlstate: SqlState::CONNECTION_FAILURE,
                message: "server closed the connection unexpectedly",
                detail: Some("The query may or may not have been executed."),
                hint: Some("See PostgreSQL's log for the reason, and connect again."),
            });
        }
        let next = place.map_or(Stage::Over(End::ServerGone), Stage::Waiting);
        let Stage::Leased(lease) = std::mem::replace(&mut self.stage, next) else {
            unreachable!("called with a server only");
        };
        Need::Lost(lease.server, place)
    }

    fn server_broken(&mut self, broken: Broken) -> Need<S> {
        self.last_words(&ErrorFields {
            severity: Severity::Fatal,
            sqlstate: SqlState::PROTOCOL_VIOLATION,
            message: "the server sent a message that answers nothing; its connection was closed",
            detail: None,
            hint: Some("See the pooler's log for the message."),
        });
        let Stage::Leased(lease) =
            std::mem::replace(&mut self.stage, Stage::Over(End::ServerBroken(broken)))
        else {
            unreachable!("called with a server only");
        };
        Need::Lost(lease.server, None)
    }

    fn refuse_transaction(&mut self) -> Need<S> {
        self.end(
            End::Transaction,
            Some(&ErrorFields {
                severity: Severity::Fatal,
                sqlstate: SqlState::FEATURE_NOT_SUPPORTED,
                message: "transaction blocks not allowed in statement pooling mode",
                detail: None,
                hint: Some("Use a pool with pool_mode = \"transaction\"."),
            }),
        )
    }

    fn violated(&mut self, violation: Violation) -> Need<S> {
        let message = violation.client_message();
        self.end(
            End::Violation(violation),
            Some(&ErrorFields {
                severity: Severity::Fatal,
                sqlstate: violation.sqlstate(),
                message: &message,
                detail: None,
                hint: None,
            }),
        )
    }

    /// Sends an error and expects no more. A client that cannot take it goes without.
    fn last_words(&mut self, error: &ErrorFields<'_>) {
        if let Stage::Leased(lease) = &self.stage {
            let upstream = &lease.server.upstream;
            // The server said why it goes, and the client has read that, unless it was said to a
            // query of the pooler.
            let is_explained = upstream.dying && upstream.own_error.is_none();
            // The client would read the error as the rest of a row.
            if is_explained || upstream.is_torn() {
                return;
            }
        }
        let mut out = Vec::new();
        encode::error(&mut out, error);
        if server::send(&mut self.client, &mut self.unsent, &out).is_err() {
            self.unsent = Vec::new();
        }
    }
}

impl<S> Lease<S> {
    /// Notes how long the queries and transactions took that ended in one read, whose counts
    /// before it were these. Of those that ended together each took an equal share.
    fn note_times(&mut self, now: Time, (queries, transactions): (u64, u64)) {
        let work = &mut self.server.upstream.work;
        let ended = work.queries - queries;
        if ended > 0 {
            work.query_times.record(now - self.query_began, ended);
            self.query_began = now;
        }
        let ended = work.transactions - transactions;
        if ended > 0 {
            work.transaction_times.record(now - self.began, ended);
            self.began = now;
        }
    }
}

fn leased<S>(stage: &mut Stage<S>) -> &mut Lease<S> {
    match stage {
        Stage::Leased(lease) => lease,
        Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => {
            unreachable!("called with a server only")
        }
    }
}

#[cfg(test)]
mod tests;
