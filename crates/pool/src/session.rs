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

mod backlog;
mod ending;
mod first_words;
mod lease;
mod limits;
mod pinned;
mod wording;

use std::io;
use std::time::Duration;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use crate::id::ServerId;
use crate::inflow::Inflow;
use crate::pin::Pin;
use crate::pool::Place;
use crate::relay::{Attach, FromClient, Hold, OwnAnswer, Relay, Violation};
use crate::repeats::Repeats;
use crate::server::{self, Returning, Server};
use crate::stream::Stream;
use crate::time::Time;
use crate::trace::Thresholds;
use crate::upstream::{Broken, OwnError};
use backlog::Backlog;
pub use first_words::{Accepted, FirstWords, Greeted};
use lease::{Joining, Lease};
pub use limits::{Holding, JOIN_MAX, Limits, Overdue, PARTING_MAX};
pub use pinned::{PIN_PAUSE, Pinned};
pub use wording::{Fault, Sentences, Wording};

/// Reads of one stream in one call of [`Session::pump`], after which others get their turn.
const READS_MAX: usize = 8;

/// Bytes of a client that are read at once while it has no server. Most transactions begin with less;
/// a longer message costs one more read and write, and not its length in memory while it waits.
const DETACHED_READ_MAX: usize = 16 * 1024;

/// What the session cannot do by itself.
#[derive(Debug)]
pub enum Need<S> {
    /// Nothing until a stream is ready.
    Nothing,
    /// Others should have their turn; call again soon without an event.
    Turn,
    /// A server: call `attach`, or `wait` and later `attach`.
    Checkout,
    /// This is noted before the client reads that it may begin; call again.
    Greeted(Greeted),
    /// A statement was sent that needs these databases for itself: idle servers to them are closed, which
    /// PostgreSQL waits for; call again.
    Vacate(Vec<Vec<u8>>),
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
    ServerGone {
        /// The client was told by us, and not by PostgreSQL.
        told: bool,
    },
    /// The server broke the protocol.
    ServerBroken(Broken),
    /// The client's settings were refused by PostgreSQL.
    Settings(OwnError),
    /// The client opened a transaction where none is allowed.
    Transaction,
    /// It held what its pool does not allow (`session_state = "reject"`).
    Pinned(Pin),
    /// The driver ended it: a timeout, a refusal, a shutdown.
    Ended,
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
    /// What the session is doing to its messages.
    pub relay: Relay,
    wording: Wording,
    /// What the client is told when it has a server that accepted its settings.
    first_words: Option<Box<FirstWords>>,
    stage: Stage<S>,
    inflow: Inflow,
    /// Bytes of the client that are not understood yet or wait for a server.
    backlog: Backlog,
    /// Bytes of the client that were sent and may have to be sent again.
    kept: Vec<u8>,
    /// What of the client's bytes follows those that are looked at.
    later: Vec<u8>,
    /// Bytes for the client that its socket did not take yet.
    unsent: Vec<u8>,
    /// A cancel request is put off.
    cancelling: bool,
    /// The client was told that it waits, in this wait.
    told_of_wait: bool,
    /// Since when the client has said goodbye, with answers outstanding. It is not read any more.
    parting: Option<Time>,
    /// Since when nothing was done outside a lease.
    idle_since: Time,
    /// Has servers reset whenever the session gives one up.
    pub reset_always: bool,
    /// From when on its statements are slow; `None` follows none.
    pub thresholds: Option<Thresholds>,
    repeats: Repeats,
}

impl End {
    /// What the client was told by the session itself, if it was.
    pub fn fault(&self) -> Option<Fault<'_>> {
        match self {
            Self::Violation(violation) => Some(Fault::Violation(*violation)),
            Self::ServerGone { told: true } => Some(Fault::ServerGone),
            Self::ServerBroken(_) => Some(Fault::ServerBroken),
            Self::Settings(error) => Some(Fault::Settings(error)),
            Self::Transaction => Some(Fault::Transaction),
            Self::Pinned(pin) => Some(Fault::Pinned(*pin)),
            Self::ServerGone { told: false }
            | Self::Terminated
            | Self::ClientGone
            | Self::Ended => None,
        }
    }
}

impl<C: Stream, S: Stream> Session<C, S> {
    /// A session that begins at `now`, after login, and puts what it has to say into words with
    /// `wording`. The driver that adopts it gives it the rules of its pool.
    pub fn new(client: C, relay: Relay, wording: Wording, now: Time) -> Self {
        Self {
            client,
            relay,
            wording,
            first_words: None,
            stage: Stage::Idle,
            inflow: Inflow::Ready,
            backlog: Backlog::new(Vec::new(), false),
            kept: Vec::new(),
            later: Vec::new(),
            unsent: Vec::new(),
            cancelling: false,
            told_of_wait: false,
            parting: None,
            idle_since: now,
            reset_always: false,
            thresholds: None,
            repeats: Repeats::default(),
        }
    }

    /// With bytes that the client sent before it was handed over.
    pub fn with_input(mut self, bytes: Vec<u8>) -> Self {
        self.backlog = Backlog::new(bytes, true);
        self
    }

    /// The client's stream became ready: there may be something to read, and the client may have
    /// closed its side. What came before that is still read, and no event follows it.
    pub fn ready(&mut self, readable: bool, hung_up: bool) {
        self.inflow.event(readable, hung_up);
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
        self.told_of_wait = false;
    }

    /// Whether the client has waited for so long in its queue and was not told of it. One that is not greeted
    /// has sent no query yet, and nothing may come before its greeting.
    pub(crate) fn waits_untold(&self, now: Time, after: Duration) -> bool {
        let waits = self.place().is_some_and(|place| now - place.since >= after);
        waits && !self.told_of_wait && self.is_greeted()
    }

    /// Tells the client that it waits. Its last answer is complete, because it has no server. False if its stream
    /// failed.
    pub(crate) fn tell_of_wait(&mut self, message: &[u8]) -> bool {
        self.told_of_wait = true;
        server::send(&mut self.client, &mut self.unsent, message).is_ok()
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
        let joining = match prelude {
            Attach::TakeBack => Joining::TakeBack,
            _ if check.is_some() && server.upstream.replies.owns() > 1 => Joining::CheckAndSettings,
            _ if check.is_some() => Joining::Check,
            Attach::AwaitPrelude => Joining::Settings,
            Attach::Ready => Joining::Done,
        };
        let observer = &mut server.upstream.observer;
        observer.joined(self.thresholds, now - place.since);
        self.stage = Stage::Leased(Lease::new(server, place, joining, now));
        if self.first_words.is_some() {
            return self.pump_leased(now, scratch);
        }
        match self.pump_client(now, scratch) {
            Ok(_) => self.pump_leased(now, scratch),
            Err(need) => need,
        }
    }

    /// The wait is cancelled at the client's wish; it has left the queue.
    pub fn cancel_wait(&mut self, now: Time) {
        assert!(
            self.place().is_some(),
            "only a waiting session is cancelled"
        );
        assert!(self.is_greeted(), "a login has no query to refuse");
        self.relay.cancel_wait();
        self.backlog.changed();
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
                // A stream of replication can be cancelled although it holds nobody up.
                let upstream = &lease.server.upstream;
                let is_busy = self.relay.hold(upstream) == Hold::Busy;
                let runs = is_busy || upstream.replies.is_streaming();
                runs.then_some(&mut lease.server)
            }
            Stage::Idle | Stage::Over(_) => {
                self.cancelling = false;
                None
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

    /// Which server the client holds.
    pub fn server_id(&self) -> Option<ServerId> {
        match &self.stage {
            Stage::Leased(lease) => Some(lease.server.id),
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

    /// Bytes that are kept: of the client's, and for the client.
    pub fn buffered(&self) -> (usize, usize) {
        (self.backlog.len(), self.unsent.len())
    }

    /// Whether it keeps no byte of either side, so that it can rest as it is for any time.
    pub fn is_still(&self) -> bool {
        let is_empty = self.buffered() == (0, 0) && self.is_greeted();
        match &self.stage {
            Stage::Idle => is_empty && self.parting.is_none(),
            Stage::Leased(lease) => is_empty && lease.server.buffered() == (0, 0),
            // What is over has to be finished.
            Stage::Waiting(_) | Stage::Over(_) => false,
        }
    }

    /// Whether the client has neither a server nor the need for one.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    fn pump_idle(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
        if self.first_words.is_some() {
            return Need::Checkout;
        }
        for _ in 0..READS_MAX {
            match server::flush(&mut self.client, &mut self.unsent) {
                Ok(true) => {}
                Ok(false) => return Need::Nothing,
                Err(_) => return self.end(End::ClientGone, None),
            }
            if self.parting.is_some() {
                return self.end(End::Terminated, None);
            }
            let held = self.backlog.len();
            // What is read may have to wait for a server, with thousands of others.
            let room = (held + DETACHED_READ_MAX).min(scratch.len());
            let len = match self.input(&mut scratch[..room]) {
                Ok(Some(len)) => len,
                Ok(None) => return Need::Nothing,
                Err(_) => return self.end(End::ClientGone, None),
            };
            let is_within = self.relay.is_within(len);
            let need = self.walk_detached(&scratch[..len]);
            // Bytes that complete no message are no sign of life: one now and then would keep the
            // session for ever.
            if !is_within && !self.holds_all(held, len) {
                self.idle_since = now;
            }
            if !matches!(need, Need::Nothing) {
                return need;
            }
        }
        Need::Turn
    }

    /// Whether a look at `len` bytes, of which the first `held` were held before, brought nothing:
    /// they are held as the front of a message.
    fn holds_all(&self, held: usize, len: usize) -> bool {
        held > 0 && self.backlog.len() == len
    }

    /// Moves into `scratch` what there is of the client's to look at: what was held and is worth
    /// another look, or else what was held and what comes now. `None` when there is nothing.
    fn input(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(mut unseen) = self.backlog.take_unseen() {
            if unseen.len() > scratch.len() {
                // What is sent again may come with as much that waited for it.
                self.later = unseen.split_off(scratch.len());
            }
            scratch[..unseen.len()].copy_from_slice(&unseen);
            return Ok(Some(unseen.len()));
        }
        if !self.inflow.is_ready() {
            return Ok(None);
        }
        let held = self.backlog.bytes();
        server::fill(&mut self.client, held, &mut self.inflow, scratch)
    }

    /// Consumes `bytes` without a server, as far as that goes.
    fn walk_detached(&mut self, bytes: &[u8]) -> Need<S> {
        let mut at = 0;
        let mut out = Vec::new();
        let end = loop {
            match self.relay.receive(None, &bytes[at..]) {
                FromClient::Drop(len) => at += len,
                FromClient::Answer(len, answer) => {
                    at += len;
                    self.answer(answer, &mut out);
                }
                FromClient::Incomplete => break None,
                FromClient::Checkout => break Some(Need::Checkout),
                FromClient::Terminate => return self.end(End::Terminated, None),
                FromClient::Violation(violation) => return self.violated(violation),
                FromClient::Forward(_) | FromClient::Full | FromClient::Spliced(_) => {
                    unreachable!("nothing is forwarded without a server")
                }
            }
        };
        let unseen = matches!(end, Some(Need::Checkout));
        self.backlog = Backlog::new(bytes[at..].to_vec(), unseen);
        if server::send(&mut self.client, &mut self.unsent, &out).is_err() {
            return self.end(End::ClientGone, None);
        }
        end.unwrap_or(Need::Nothing)
    }

    /// Appends what the pooler answers itself.
    fn answer(&self, answer: OwnAnswer, out: &mut Vec<u8>) {
        match answer {
            OwnAnswer::Ready => encode::ready_for_query(out, TxStatus::Idle),
            OwnAnswer::Canceled => Fault::WaitCanceled.encode(self.wording, out),
            OwnAnswer::CanceledReady => {
                Fault::WaitCanceled.encode(self.wording, out);
                encode::ready_for_query(out, TxStatus::Idle);
            }
        }
    }
}

#[cfg(test)]
mod tests;
