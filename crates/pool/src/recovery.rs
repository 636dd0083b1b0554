//! Making a server usable again after its client is gone.
//!
//! The client may have left in the middle of anything. What is outstanding is cancelled and
//! drained, an open batch or transaction rolled back, a session reset; then the
//! server may serve somebody else. Where that is not possible, or fails, the server is closed. The
//! driver bounds the time.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use crate::replies::Reply;
use crate::upstream::Upstream;

/// What a recovery needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send what was appended, if anything, and call again when the server has answered.
    Wait,
    /// As `Wait`; a query is running that nobody waits for: send a cancel request for it.
    Cancel,
    /// The server may serve somebody else.
    Clean,
    /// The server must be closed.
    Hopeless,
}

/// Takes back all that a session may hold and that can be taken back.
const DISCARD_ALL: &str = "DISCARD ALL";

/// A server on its way back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    stage: Cleaning,
    /// The session may differ from a fresh one, so the reset query is due.
    needs_reset: bool,
    /// The client left in the middle of a message, of which the server waits for the rest.
    torn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cleaning {
    Draining,
    /// A cancel request was asked for. One is enough: a second could hit our own ROLLBACK.
    Cancelled,
    RolledBack,
    Discarded,
    TakenBack,
    Reset,
}

impl Recovery {
    /// A recovery of a server whose client left; `torn` if it left with a message half forwarded,
    /// `needs_reset` if its session may differ from a fresh one.
    pub fn new(torn: bool, needs_reset: bool) -> Self {
        Self {
            stage: Cleaning::Draining,
            needs_reset,
            torn,
        }
    }

    /// A recovery of a server whose client owes it nothing, only to reset its session.
    pub fn reset() -> Self {
        Self::new(false, true)
    }

    /// Decides the next step from the server's state, appending to `out` what must be sent.
    /// `reset_query` is the pool's; empty means that there is none.
    pub fn advance(&mut self, server: &mut Upstream, reset_query: &str, out: &mut Vec<u8>) -> Next {
        if self.torn || !server.replies.is_certain() || server.own_error.is_some() {
            return Next::Hopeless;
        }
        let copies = server.replies.is_copying();
        if copies {
            encode::copy_fail(out, "client disconnected");
            server.replies.sent(Reply::CopyEnd(1));
        }
        if copies || server.replies.has_failed() {
            // What fails takes its transaction with it.
            encode::sync(out);
            server.replies.sent(Reply::Sync);
        } else if server.replies.is_unsynced() {
            // A Sync would commit what the client never committed. If the batch fails before this is read,
            // it is skipped with the rest.
            server.send_own("ROLLBACK", out);
        }
        if !server.replies.is_settled() || server.is_mid_message() {
            if self.stage == Cleaning::Draining && !server.replies.next_is_own() {
                self.stage = Cleaning::Cancelled;
                return Next::Cancel;
            }
            return Next::Wait;
        }
        if server.status != TxStatus::Idle {
            if self.stage >= Cleaning::RolledBack {
                return Next::Hopeless;
            }
            self.stage = Cleaning::RolledBack;
            server.send_own("ROLLBACK", out);
            return Next::Wait;
        }
        if server.close_stands(out) {
            return Next::Wait;
        }
        if server.state.cannot_be_cleaned() {
            return Next::Hopeless;
        }
        if server.state.is_dirty() || server.audit.is_due() {
            if self.stage >= Cleaning::Discarded {
                return Next::Hopeless;
            }
            self.stage = Cleaning::Discarded;
            server.send_own(DISCARD_ALL, out);
            return Next::Wait;
        }
        if self.stage == Cleaning::Discarded && reset_query == DISCARD_ALL {
            self.needs_reset = false;
        }
        if self.stage < Cleaning::TakenBack
            && let Some(sql) = server.take_back()
        {
            self.stage = Cleaning::TakenBack;
            server.send_own(&sql, out);
            return Next::Wait;
        }
        let reset_is_due = self.needs_reset || server.has_statements();
        if reset_is_due && self.stage < Cleaning::Reset && !reset_query.is_empty() {
            self.stage = Cleaning::Reset;
            server.send_own(reset_query, out);
            return Next::Wait;
        }
        if server.has_statements() {
            return Next::Hopeless;
        }
        Next::Clean
    }
}

#[cfg(test)]
mod tests;
