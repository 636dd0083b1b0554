//! One client's session over changing servers.
//!
//! [`Relay::receive`] walks what came from the client and says what to do with the front of it:
//! forward it, get a server first, answer it, drop it. The bytes stay where they are; a message of
//! any size passes in pieces.

mod attached;
mod detached;
mod name;
mod violation;

use std::sync::Arc;

use pgweir_wire::backend::TxStatus;

use crate::parameters::Parameters;
use crate::passing::Passing;
use crate::pin::Pin;
use crate::upstream::{Transactions, Upstream};
pub use name::NAME_MAX;
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
pub enum FromClient {
    /// Send so many bytes to the server. There may be more to do with the rest.
    Forward(usize),
    /// Drop so many bytes.
    Drop(usize),
    /// Drop so many bytes and send this to the client.
    Answer(usize, OwnAnswer),
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
pub enum OwnAnswer {
    /// ReadyForQuery: a Sync of a client that has nothing outstanding.
    Ready,
    /// The error of a cancelled wait.
    Canceled,
    /// The error of a cancelled wait, then ReadyForQuery.
    CanceledReady,
}

/// How a server joined a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// The client's bytes may follow at once.
    Ready,
    /// The client's bytes wait until the settings before them are known to be valid.
    AwaitPrelude,
    /// The client's bytes wait until the settings of another are taken back. Then attach again.
    TakeBack,
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
    /// Those it connected with, to which it can return.
    began: Arc<Parameters>,
    /// Settings that a text under way takes back to those.
    resets: Vec<Arc<str>>,
    mode: Mode,
    /// The settings were accepted by a server before, so a query may follow them unseen.
    proven: bool,
    /// Answers of a cancelled wait that are still owed.
    refusing: Refusing,
    passing: Passing,
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
            began: parameters.clone(),
            resets: Vec::new(),
            parameters,
            mode,
            proven: false,
            refusing: Refusing::No,
            passing: Passing::Nothing,
        }
    }

    /// Walks `bytes`, with the client's server if it has one.
    pub fn receive(&mut self, server: Option<&mut Upstream>, bytes: &[u8]) -> FromClient {
        match (self.passing.take(bytes.len()), server) {
            (Some((0, _)), _) => FromClient::Incomplete,
            (Some((len, true)), Some(_)) => FromClient::Forward(len),
            (Some((len, _)), _) => FromClient::Drop(len),
            (None, Some(server)) => self.receive_attached(server, bytes),
            (None, None) => self.receive_detached(bytes),
        }
    }

    /// The client's wait for a server was cancelled: the query it waits with is answered with an
    /// error, and the session goes on.
    pub fn cancel_wait(&mut self) {
        self.refusing = Refusing::Next;
    }

    /// Whether a message is forwarded in part, so that the server waits for the rest of it.
    pub fn is_torn(&self) -> bool {
        self.passing.is_torn()
    }

    /// Whether so many bytes only go on with a message, and do not complete it.
    pub(crate) fn is_within(&self, len: usize) -> bool {
        self.passing.is_within(len)
    }

    /// When the client's servers go back.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Joins a server: appends to `out` what makes its settings the client's.
    pub fn attach(&mut self, server: &mut Upstream, out: &mut Vec<u8>) -> Attach {
        server.transactions = match self.mode {
            Mode::Session | Mode::Transaction => Transactions::Allowed,
            Mode::Statement => Transactions::SingleStatement,
        };
        server.prepared.client_changed();
        if Arc::ptr_eq(&self.parameters, &server.parameters) {
            self.proven = true;
            return Attach::Ready;
        }
        if let Some(sql) = server.parameters.sql_to_take_back(&self.parameters) {
            server.send_own(&sql, out);
            Arc::make_mut(&mut server.parameters).taken_back(&self.parameters);
            return Attach::TakeBack;
        }
        let Some(sql) = server.parameters.sql_to_become(&self.parameters) else {
            // Equal in content: share one copy, so that the next comparison is a pointer's. The
            // client's, which clients alike share from their login on; each server has its own.
            server.parameters = self.parameters.clone();
            self.proven = true;
            return Attach::Ready;
        };
        server.send_own(&sql, out);
        server.parameters_sent(self.parameters.clone());
        // A limit that another left may hit it, and what follows it would meet wrong settings.
        if self.proven && !server.limit_is_foreign {
            return Attach::Ready;
        }
        Attach::AwaitPrelude
    }

    /// The settings of [`Relay::attach`] were accepted.
    pub fn prelude_accepted(&mut self) {
        self.proven = true;
    }

    /// The client is greeted now that `server` has its settings: they are what it connected with, as the server spells
    /// them. Gives them as the client wrote them.
    pub(crate) fn greeted(&mut self, server: &Upstream) -> Arc<Parameters> {
        self.parameters = server.parameters.clone();
        self.proven = true;
        std::mem::replace(&mut self.began, self.parameters.clone())
    }

    /// Whether the client's next message waits for the end of a text that takes settings back.
    #[inline]
    pub fn awaits_reset(&self, server: &Upstream) -> bool {
        !self.resets.is_empty() && !server.replies.is_unsynced()
    }

    /// Where a text took settings back, appends to `out` what makes them those that the client
    /// connected with.
    #[inline]
    pub fn restore(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        if !self.resets.is_empty() && server.replies.is_settled() {
            self.restore_now(server, out);
        }
    }

    #[cold]
    fn restore_now(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        let resets = std::mem::take(&mut self.resets);
        if !server.has_reset() {
            return;
        }
        let own = Arc::make_mut(&mut self.parameters);
        for name in resets {
            if let Some(value) = self.began.value(&name) {
                own.set(&name, value);
            }
        }
        if *own == *self.began {
            self.parameters = self.began.clone();
        }
        if let Some(sql) = server.parameters.sql_to_become(&self.parameters) {
            server.send_restoring(&sql, out);
            server.parameters = self.parameters.clone();
        }
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
}

#[cfg(test)]
mod tests;
