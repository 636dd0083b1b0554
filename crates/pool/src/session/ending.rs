//! How sessions end, and what the client is told.

use std::io::{Read, Write};

use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use super::lease::{leased, take_lease};
use super::{End, Need, Session, Stage};
use crate::recovery::Recovery;
use crate::relay::{Mode, Violation};
use crate::server::{self, Returning};
use crate::upstream::{Broken, OwnError};

impl<C: Read + Write, S: Read + Write> Session<C, S> {
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

    /// The server's stream ended or failed. A client that had sent it nothing waits for another.
    pub(super) fn server_gone(&mut self) -> Need<S> {
        let lease = leased(&mut self.stage);
        let place = lease.awaiting.then_some(lease.place);
        let told = place.is_none()
            && self.last_words(&ErrorFields {
                severity: Severity::Fatal,
                sqlstate: SqlState::CONNECTION_FAILURE,
                message: "server closed the connection unexpectedly",
                detail: Some("The query may or may not have been executed."),
                hint: Some("See PostgreSQL's log for the reason, and connect again."),
            });
        let next = place.map_or(Stage::Over(End::ServerGone { told }), Stage::Waiting);
        Need::Lost(take_lease(&mut self.stage, next).server, place)
    }

    pub(super) fn server_broken(&mut self, broken: Broken) -> Need<S> {
        self.last_words(&ErrorFields {
            severity: Severity::Fatal,
            sqlstate: SqlState::PROTOCOL_VIOLATION,
            message: "the server sent a message that answers nothing; its connection was closed",
            detail: None,
            hint: Some("See the pooler's log for the message."),
        });
        let over = Stage::Over(End::ServerBroken(broken));
        Need::Lost(take_lease(&mut self.stage, over).server, None)
    }

    /// PostgreSQL refused the client's settings.
    pub(super) fn refuse_settings(&mut self, error: OwnError) -> Need<S> {
        let over = Stage::Over(End::Settings(error.clone()));
        let lease = take_lease(&mut self.stage, over);
        self.last_words(&ErrorFields {
            severity: Severity::Fatal,
            sqlstate: error.sqlstate.unwrap_or(SqlState::INTERNAL_ERROR),
            message: &error.message,
            detail: Some("PostgreSQL refused the settings of this session."),
            hint: Some("Correct the parameters that the client sends when it connects."),
        });
        Need::Lost(lease.server, None)
    }

    pub(super) fn refuse_transaction(&mut self) -> Need<S> {
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

    pub(super) fn violated(&mut self, violation: Violation) -> Need<S> {
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

    /// Sends an error and expects no more. Whether it was sent: a client that cannot take it goes
    /// without.
    pub(super) fn last_words(&mut self, error: &ErrorFields<'_>) -> bool {
        if let Stage::Leased(lease) = &self.stage {
            let upstream = &lease.server.upstream;
            // The server said why it goes, and the client has read that, unless it was said to a
            // query of the pooler.
            let is_explained = upstream.dying && upstream.own_error.is_none();
            // The client would read the error as the rest of a row.
            if is_explained || upstream.is_torn() {
                return false;
            }
        }
        let mut out = Vec::new();
        encode::error(&mut out, error);
        let sent = server::send(&mut self.client, &mut self.unsent, &out);
        if sent.is_err() {
            self.unsent = Vec::new();
        }
        sent.is_ok()
    }
}
