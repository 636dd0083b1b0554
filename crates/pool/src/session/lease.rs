//! A session with a server: moving bytes both ways until nothing holds the server any more.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::sqlstate::SqlState;

use super::backlog::Backlog;
use super::{End, Fault, Need, Pinned, READS_MAX, Session, Stage};
use crate::observer::{RunningSince, Trip};
use crate::pool::Place;
use crate::recovery::Recovery;
use crate::relay::{Attach, FromClient, Hold};
use crate::server::{self, Returning, Server};
use crate::stream::Stream;
use crate::time::Time;
use crate::upstream::check::Check;
use crate::upstream::{FromServer, Refusal, Upstream, encode_stale};

/// A server while the client holds it.
#[derive(Debug)]
pub(super) struct Lease<S> {
    pub(super) server: Box<Server<S>>,
    pub(super) place: Place,
    joining: Joining,
    /// When the client got the server.
    pub(super) attached: Time,
    /// Since when its query and its transaction run.
    pub(super) running: RunningSince,
    /// When the client or the server last did something.
    pub(super) active: Time,
    /// Since when the server owes the answer to what the pooler asked behind a transaction.
    pub(super) asked: Option<Time>,
    /// What state of the session keeps the server, if one does.
    pub(super) pinned: Option<Pinned>,
    /// The server has said something since.
    heard: bool,
    /// The client has sent it something.
    used: bool,
}

/// What the client's bytes wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joining {
    /// The answer to the check. An error is the server's.
    Check,
    /// The answers to check and prelude. An error of the last is the client's if that was about its settings.
    CheckAndSettings,
    /// The end of settings that another client left. One that cannot be taken back is not this
    /// client's fault: the server is lost.
    TakeBack,
    /// The answer to the prelude. An error is the fault of the client's settings.
    Settings,
    /// Nothing.
    Done,
}

impl<S> Lease<S> {
    pub(super) fn new(server: Box<Server<S>>, place: Place, joining: Joining, now: Time) -> Self {
        Self {
            server,
            place,
            joining,
            attached: now,
            running: RunningSince {
                query: now,
                transaction: now,
            },
            active: now,
            asked: None,
            pinned: None,
            heard: false,
            used: false,
        }
    }

    /// Counts the time until `now` for which state of the session kept the server.
    #[inline]
    pub(super) fn count_pin(&mut self, now: Time) {
        if let Some(pinned) = &mut self.pinned {
            pinned.count(&mut self.server.upstream.observer, now);
        }
    }

    /// Whether the server owes the pooler an answer since the client got it: that of the check, or
    /// of the settings.
    pub(super) fn is_unheard(&self) -> bool {
        self.is_joining() || (!self.heard && self.server.upstream.replies.next_is_own())
    }

    /// Whether the client's bytes still wait, so that it has sent the server nothing.
    pub(super) fn is_joining(&self) -> bool {
        match self.joining {
            Joining::Check | Joining::CheckAndSettings | Joining::TakeBack | Joining::Settings => {
                true
            }
            Joining::Done => false,
        }
    }

    /// The client sends something: what that continues.
    fn resume(&mut self, now: Time) -> Trip {
        self.active = now;
        let upstream = &mut self.server.upstream;
        if upstream.replies.owes_client() {
            return Trip::GoesOn;
        }
        self.running.query = now;
        upstream.observer.resumed(now);
        if upstream.replies.is_unsynced() {
            return Trip::GoesOn;
        }
        let in_transaction = upstream.status != TxStatus::Idle;
        if !in_transaction {
            self.running.transaction = now;
        }
        upstream.observer.trip_begins();
        Trip::Begins { in_transaction }
    }
}

impl<C: Stream, S: Stream> Session<C, S> {
    pub(super) fn pump_leased(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
        let mut turns = 0;
        leased(&mut self.stage).count_pin(now);
        loop {
            if self.first_words.is_some()
                && let Some(need) = self.greet()
            {
                return need;
            }
            let server_read = match self.pump_server(now, scratch) {
                Ok(read) => read,
                Err(need) => return need,
            };
            let lease = leased(&mut self.stage);
            let server = &mut *lease.server;
            // A cancel request that comes late must not hit the question.
            if !server.cancels.are_under_way() {
                self.relay.inquire(&mut server.upstream, &mut server.unsent);
            }
            let is_asking = server.upstream.state.is_asking();
            lease.asked = is_asking.then(|| lease.asked.unwrap_or(now));
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
    pub(super) fn pump_server(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
        match server::flush(&mut self.client, &mut self.unsent) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(_) => return Err(self.end(End::ClientGone, None)),
        }
        let lease = leased(&mut self.stage);
        if !lease.server.may_read() {
            return Ok(false);
        }
        let len = match lease.server.fill(scratch) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(false),
            Err(_) => return Err(self.server_gone()),
        };
        lease.active = now;
        lease.heard = true;
        let before = lease.server.upstream.observer.ended_before();
        self.deliver(&mut scratch[..len])?;
        let lease = leased(&mut self.stage);
        let observer = &mut lease.server.upstream.observer;
        observer.read(now, before, &mut lease.running);
        self.finish_joining(now)?;
        Ok(true)
    }

    /// Sends the client what is its own of what the server said, and holds what is not understood.
    fn deliver(&mut self, bytes: &mut [u8]) -> Result<(), Need<S>> {
        let server = &mut *leased(&mut self.stage).server;
        let mut at = 0;
        let end = loop {
            // Before it is greeted nothing is for the client.
            let client = self.first_words.is_none().then_some(&mut self.relay.client);
            match server.upstream.receive(client, &mut bytes[at..]) {
                FromServer::Forward(run) => {
                    let forwarded = &bytes[at..at + run];
                    at += run;
                    server.upstream.observer.delivered(run);
                    if server::send(&mut self.client, &mut self.unsent, forwarded).is_err() {
                        server.held = bytes[at..].to_vec();
                        return Err(self.end(End::ClientGone, None));
                    }
                }
                FromServer::Refused(run, refusal) => {
                    at += run;
                    let mut error = Vec::new();
                    match refusal {
                        Refusal::Rejected(pin) => {
                            Fault::Rejected(pin).encode(self.wording, &mut error);
                        }
                        Refusal::Stale => encode_stale(&mut error),
                    }
                    server.upstream.observer.delivered(error.len());
                    if server::send(&mut self.client, &mut self.unsent, &error).is_err() {
                        server.held = bytes[at..].to_vec();
                        return Err(self.end(End::ClientGone, None));
                    }
                }
                FromServer::Swallow(run) => {
                    at += run;
                    // The session ends or waits for another server; what follows is not for it.
                    if server.upstream.own_error.is_some() {
                        break FromServer::Incomplete;
                    }
                }
                end => break end,
            }
        };
        server.held = bytes[at..].to_vec();
        if server.upstream.take_failed_check(&mut server.unsent) {
            let mut again = std::mem::take(&mut self.kept);
            again.append(self.backlog.bytes());
            self.backlog = Backlog::new(again, true);
        }
        match end {
            FromServer::Incomplete => Ok(()),
            FromServer::Transaction => Err(self.refuse_transaction()),
            FromServer::Broken(broken) => Err(self.server_broken(broken)),
            FromServer::Forward(_) | FromServer::Swallow(_) | FromServer::Refused(..) => {
                unreachable!("handled above")
            }
        }
    }

    /// Sees whether check and prelude were answered, and how.
    fn finish_joining(&mut self, now: Time) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        let upstream = &lease.server.upstream;
        let Some(error) = upstream.own_error.clone() else {
            if !lease.is_joining() || !upstream.replies.is_empty() {
                return Ok(());
            }
            if lease.joining == Joining::TakeBack {
                let server = &mut *lease.server;
                let prelude = self.relay.attach(&mut server.upstream, &mut server.unsent);
                lease.joining = match prelude {
                    Attach::TakeBack => Joining::TakeBack,
                    Attach::AwaitPrelude => Joining::Settings,
                    Attach::Ready => Joining::Done,
                };
            } else {
                lease.joining = Joining::Done;
                self.relay.prelude_accepted();
            }
            lease.running.transaction = now;
            return Ok(());
        };
        // Nobody else cancels the pooler's queries, so a limit did that another client left.
        let is_hit = lease.is_joining() && error.sqlstate == Some(SqlState::QUERY_CANCELED);
        let is_servers = match lease.joining {
            Joining::Check | Joining::TakeBack => true,
            Joining::CheckAndSettings | Joining::Settings => {
                !error.is_last || !upstream.was_sent_parameters()
            }
            Joining::Done => false,
        };
        if is_servers || is_hit || upstream.dying {
            return Err(self.server_gone());
        }
        Err(self.refuse_settings(error))
    }

    /// One read of the client, written to the server; whether there may be another.
    pub(super) fn pump_client(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
        let lease = leased(&mut self.stage);
        let is_held_back = self.relay.is_held_back(&lease.server.upstream);
        let is_open = !lease.is_joining() && !is_held_back;
        // What is held goes out in one write with what is unsent, if it goes out at all.
        if !is_open || !self.backlog.is_unseen() {
            match lease.server.flush() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(_) => return Err(self.server_gone()),
            }
        }
        if !is_open {
            return Ok(false);
        }
        if self.parting.is_some() {
            return self.part(now).map(|()| false);
        }
        // A cancel request is under way for a query that has ended. It must not hit the next one,
        // not even in the same transaction; repeated cancels must not hold the server.
        if lease.server.cancels.are_under_way()
            && self.relay.hold(&lease.server.upstream) != Hold::Busy
        {
            return Ok(false);
        }
        let held = self.backlog.len();
        match self.input(scratch) {
            Ok(Some(len)) => self
                .forward_in_time(now, held, &scratch[..len])
                .map(|()| true),
            Ok(None) => Ok(false),
            Err(_) => Err(self.end(End::ClientGone, None)),
        }
    }

    /// As [`Session::forward`], for bytes of which `held` were held before. Those that complete no
    /// message leave its time running: one now and then would keep the server for ever.
    fn forward_in_time(&mut self, now: Time, held: usize, bytes: &[u8]) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        let before = (lease.running, lease.active);
        let is_within = self.relay.is_within(bytes.len());
        self.forward(now, bytes)?;
        let is_nothing = self.holds_all(held, bytes.len());
        let lease = leased(&mut self.stage);
        lease.used |= !is_nothing;
        // The first bytes of a message that a server was taken for are news to this server.
        if is_within || (is_nothing && lease.used) {
            (lease.running, lease.active) = before;
        }
        let wanted = &mut lease.server.upstream.wanted_databases;
        if wanted.is_empty() {
            return Ok(());
        }
        Err(Need::Vacate(std::mem::take(wanted)))
    }

    /// Sends as much of `bytes` to the server as the protocol allows, and holds the rest.
    pub(super) fn forward(&mut self, now: Time, bytes: &[u8]) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        let trip = lease.resume(now);
        let server = &mut *lease.server;
        let (mut from, mut at) = (0, 0);
        let mut kept_from = is_asked(&server.upstream).then_some(0);
        let end = loop {
            let upstream = Some(&mut server.upstream);
            match self.relay.receive(upstream, &bytes[at..]) {
                FromClient::Forward(run) => at += run,
                FromClient::Drop(run) => {
                    // Only the rest of a message whose front was dropped; nothing was sent before.
                    assert_eq!(at, 0, "a message is not dropped behind forwarded ones");
                    return self.forward(now, &bytes[run..]);
                }
                FromClient::Spliced(taken) => {
                    // In the same write.
                    server.unsent.extend_from_slice(&bytes[from..at]);
                    server.unsent.append(&mut server.upstream.spliced);
                    if is_asked(&server.upstream) {
                        kept_from.get_or_insert(at);
                    }
                    at += taken;
                    from = at;
                }
                end => break end,
            }
        };
        self.kept = match kept_from {
            Some(from) => {
                let mut kept = std::mem::take(&mut self.kept);
                kept.extend_from_slice(&bytes[from..at]);
                kept
            }
            None => Vec::new(),
        };
        let observer = &mut server.upstream.observer;
        observer.sent(now, trip, &bytes[..at], &mut self.repeats);
        let sent = server.send(&bytes[from..at]);
        let unseen = end == FromClient::Full || !self.later.is_empty();
        let mut rest = bytes[at..].to_vec();
        rest.append(&mut self.later);
        self.backlog = Backlog::new(rest, unseen);
        match end {
            _ if sent.is_err() => Err(self.server_gone()),
            FromClient::Terminate => self.part(now),
            FromClient::Violation(violation) => Err(self.violated(violation)),
            FromClient::Incomplete | FromClient::Full => Ok(()),
            FromClient::Forward(_)
            | FromClient::Drop(_)
            | FromClient::Spliced(_)
            | FromClient::Answer(..)
            | FromClient::Checkout => {
                unreachable!("handled, or only without a server")
            }
        }
    }

    /// The client said goodbye. PostgreSQL reads that behind everything else, so the client gets the
    /// answers before it goes, as far as they come without more from it.
    fn part(&mut self, now: Time) -> Result<(), Need<S>> {
        if !leased(&mut self.stage)
            .server
            .upstream
            .replies
            .will_be_ready()
        {
            return Err(self.end(End::Terminated, None));
        }
        self.parting.get_or_insert(now);
        Ok(())
    }

    /// Gives the server back if nothing holds it.
    pub(super) fn release(&mut self, now: Time) -> Option<Need<S>> {
        let lease = leased(&mut self.stage);
        // What the server was taken for may still be held back: after a check and a prelude, none
        // of it was sent yet.
        let wanted = lease.is_joining() || self.backlog.is_unseen() || self.first_words.is_some();
        let hold = self.relay.hold(&lease.server.upstream);
        let observer = &mut lease.server.upstream.observer;
        Pinned::note(&mut lease.pinned, hold, observer, now);
        if let Hold::Pinned(pin) = hold
            && self.relay.ends_for(pin)
        {
            if let Some(pins) = lease.server.upstream.observer.work.pins(pin) {
                pins.rejected += 1;
            }
            return Some(self.refuse_pin(pin));
        }
        let is_free = hold == Hold::Free;
        if wanted || !is_free || !lease.server.is_quiet() {
            return None;
        }
        if lease.server.upstream.prepared.has_stands() {
            let server = &mut *lease.server;
            server.upstream.close_stands(&mut server.unsent);
            return match server.flush() {
                Ok(_) => None,
                Err(_) => Some(self.server_gone()),
            };
        }
        if lease.server.upstream.audit.is_due() && !self.reset_always {
            let server = &mut *lease.server;
            self.relay.audit(&mut server.upstream, &mut server.unsent);
            return match server.flush() {
                Ok(_) => None,
                Err(_) => Some(self.server_gone()),
            };
        }
        let mut lease = take_lease(&mut self.stage, Stage::Idle);
        if lease.server.upstream.audit.is_tainted() {
            // It may be anybody's, so nobody gets it.
            return Some(Need::Lost(lease.server, None));
        }
        if lease.used {
            self.idle_since = now;
        }
        if lease.server.has_hung_up() || lease.server.cancels.are_in_doubt() {
            // No event would tell the pool of its end, and a cancel request would hit the next client's
            // query. This client has all its answers and need not know.
            return Some(Need::Lost(lease.server, None));
        }
        if lease.server.upstream.must_be_taken_back() {
            let recovery = Recovery::new(false, self.reset_always);
            return Some(Need::Return(Returning::new(lease.server, recovery)));
        }
        if self.reset_always {
            let returning = Returning::new(lease.server, Recovery::reset());
            return Some(Need::Return(returning));
        }
        Some(Need::Checkin(lease.server))
    }
}

/// Whether what the client sends may have to be sent again.
fn is_asked(upstream: &Upstream) -> bool {
    matches!(upstream.prepared.check, Check::Asked { .. })
}

pub(super) fn leased<S>(stage: &mut Stage<S>) -> &mut Lease<S> {
    match stage {
        Stage::Leased(lease) => lease,
        Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => {
            unreachable!("called with a server only")
        }
    }
}

/// Ends the lease: the session goes on in `next`.
pub(super) fn take_lease<S>(stage: &mut Stage<S>, next: Stage<S>) -> Lease<S> {
    match std::mem::replace(stage, next) {
        Stage::Leased(lease) => lease,
        Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => {
            unreachable!("called with a server only")
        }
    }
}
