//! How sessions end, and what the client is told.

use pgweir_wire::encode::{self, ErrorFields};

use super::lease::{leased, take_lease};
use super::{End, Fault, Need, Session, Stage};
use crate::pin::Pin;
use crate::recovery::Recovery;
use crate::relay::{Mode, Violation};
use crate::server::{self, Returning, Server};
use crate::stream::Stream;
use crate::upstream::{Broken, OwnError};

impl<C: Stream, S: Stream> Session<C, S> {
    /// The client's stream ended or failed, or the driver ends the session; with `error` as its
    /// last message. A waiter must have left the queue before.
    pub fn end(&mut self, why: End, error: Option<&ErrorFields<'_>>) -> Need<S> {
        if let Stage::Over(end) = &self.stage {
            return Need::Finish(end.clone());
        }
        if let Some(error) = error {
            let mut out = Vec::new();
            encode::error(&mut out, error);
            self.last_words(&out);
        }
        match std::mem::replace(&mut self.stage, Stage::Over(why.clone())) {
            Stage::Leased(lease) if self.relay.mode() == Mode::Replication => {
                Need::Lost(self.dismiss(lease.server), None)
            }
            Stage::Leased(lease) => {
                let needs_reset = self.relay.mode() == Mode::Session || self.reset_always;
                let recovery = Recovery::new(self.relay.is_torn(), needs_reset);
                Need::Return(Returning::new(lease.server, recovery))
            }
            Stage::Idle | Stage::Waiting(_) | Stage::Over(_) => Need::Finish(why),
        }
    }

    /// Takes leave of a server that serves nobody else, in whatever it is: a stream of replication ends
    /// where the client stopped reading it.
    fn dismiss(&self, mut server: Box<Server<S>>) -> Box<Server<S>> {
        if !self.relay.is_torn() && !server.is_reusable() {
            let mut goodbye = Vec::new();
            encode::terminate(&mut goodbye);
            // A courtesy: PostgreSQL notices the closed socket as well.
            let _ = server.send(&goodbye);
        }
        server
    }

    /// The server is given up as if its stream had ended.
    ///
    /// # Panics
    /// Without a server.
    pub fn give_server_up(&mut self) -> Need<S> {
        self.server_gone()
    }

    /// The server's stream ended or failed. A client that had sent it nothing waits for another.
    pub(super) fn server_gone(&mut self) -> Need<S> {
        let lease = leased(&mut self.stage);
        let place = lease.is_joining().then_some(lease.place);
        let told = place.is_none() && self.tell(Fault::ServerGone);
        let next = place.map_or(Stage::Over(End::ServerGone { told }), Stage::Waiting);
        Need::Lost(take_lease(&mut self.stage, next).server, place)
    }

    pub(super) fn server_broken(&mut self, broken: Broken) -> Need<S> {
        self.tell(Fault::ServerBroken);
        let over = Stage::Over(End::ServerBroken(broken));
        Need::Lost(take_lease(&mut self.stage, over).server, None)
    }

    /// PostgreSQL refused the client's settings. The server has its former ones, and serves others. Where a query
    /// of the client's followed at once it has met settings that are not the client's: that server is lost.
    pub(super) fn refuse_settings(&mut self, error: OwnError) -> Need<S> {
        let over = Stage::Over(End::Settings(error.clone()));
        let lease = take_lease(&mut self.stage, over);
        self.tell(Fault::Settings(&error));
        if !lease.is_joining() {
            return Need::Lost(lease.server, None);
        }
        let mut server = lease.server;
        server.upstream.parameters_refused();
        Need::Return(Returning::new(
            server,
            Recovery::new(false, self.reset_always),
        ))
    }

    pub(super) fn refuse_transaction(&mut self) -> Need<S> {
        self.tell(Fault::Transaction);
        self.end(End::Transaction, None)
    }

    /// The session holds what its pool does not allow.
    pub(super) fn refuse_pin(&mut self, pin: Pin) -> Need<S> {
        self.tell(Fault::Pinned(pin));
        self.end(End::Pinned(pin), None)
    }

    pub(super) fn violated(&mut self, violation: Violation) -> Need<S> {
        self.tell(Fault::Violation(violation));
        self.end(End::Violation(violation), None)
    }

    /// Tells the client of what the session ends with; whether it was sent.
    fn tell(&mut self, fault: Fault<'_>) -> bool {
        let mut out = Vec::new();
        fault.encode(self.wording, &mut out);
        self.last_words(&out)
    }

    /// Sends an error and expects no more. Whether it was sent: a client that cannot take it goes
    /// without.
    fn last_words(&mut self, error: &[u8]) -> bool {
        if let Stage::Leased(lease) = &self.stage {
            let upstream = &lease.server.upstream;
            // The client would read the error as the rest of a row.
            if upstream.is_explained || upstream.is_torn() {
                return false;
            }
        }
        let sent = server::send(&mut self.client, &mut self.unsent, error);
        if sent.is_err() {
            self.unsent = Vec::new();
        }
        sent.is_ok()
    }
}
