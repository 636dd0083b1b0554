//! A session with a server: moving bytes both ways until nothing holds the server any more.

use std::io::{Read, Write};

use pgweir_wire::backend::TxStatus;

use super::{End, Need, READS_MAX, Session, Stage};
use crate::pool::Place;
use crate::recovery::Recovery;
use crate::relay::{Frontend, Hold};
use crate::server::{self, Returning, Server};
use crate::time::Time;
use crate::upstream::Backend;

/// A server while the client holds it.
#[derive(Debug)]
pub(super) struct Lease<S> {
    pub(super) server: Box<Server<S>>,
    pub(super) place: Place,
    /// When the client got the server.
    pub(super) attached: Time,
    /// Answers to check and prelude are outstanding that the client's bytes wait for.
    pub(super) awaiting: bool,
    /// The server is checked, so an error is the server's and not the client's.
    pub(super) checking: bool,
    /// When the transaction began.
    pub(super) began: Time,
    /// When the query that is answered next was sent, or the one before it was answered.
    pub(super) query_began: Time,
    /// When the client or the server last did something.
    pub(super) active: Time,
}

impl<C: Read + Write, S: Read + Write> Session<C, S> {
    pub(super) fn pump_leased(&mut self, now: Time, scratch: &mut [u8]) -> Need<S> {
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
    pub(super) fn pump_server(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
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
    pub(super) fn finish_prelude(&mut self, now: Time) -> Result<(), Need<S>> {
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
        Err(self.refuse_settings(error))
    }

    /// One read of the client, written to the server; whether there may be another.
    pub(super) fn pump_client(&mut self, now: Time, scratch: &mut [u8]) -> Result<bool, Need<S>> {
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
    pub(super) fn forward(&mut self, now: Time, bytes: &[u8]) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        lease.active = now;
        let upstream = &mut lease.server.upstream;
        let is_answered = !upstream.replies.owes_client();
        let begins = is_answered && !upstream.replies.is_unsynced();
        let in_transaction = upstream.status != TxStatus::Idle;
        if is_answered {
            lease.query_began = now;
            upstream.trace.resume(now);
        }
        if begins {
            upstream.trace.begin();
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
    pub(super) fn release(&mut self, now: Time) -> Option<Need<S>> {
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
        let lease = take_lease(&mut self.stage, Stage::Idle);
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
