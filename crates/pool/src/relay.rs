//! One client's session over changing servers.
//!
//! [`Relay::receive`] walks what came from the client and says what to do with the front of it:
//! forward it, get a server first, answer it, drop it. The bytes stay where they are; a message of
//! any size passes in pieces.

mod attached;
mod detached;
mod heed;
mod mapped;
mod name;
mod numbers;
mod reject;
mod violation;
mod wanted;

use std::sync::Arc;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::frame::Header;
use pgweir_wire::frontend;

use crate::parameters::Parameters;
use crate::passing::Passing;
use crate::pin::Pin;
use crate::prepared::{ClientState, ClientStatements};
use crate::upstream::{Transactions, Upstream};
use heed::Lasting;
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
    /// Never: the server was opened for this client alone, with the settings that it connects with, and is
    /// closed behind it. It may take replication commands only, so the pooler sends it nothing of its own.
    Replication,
}

impl Mode {
    /// Whether a client has the same server as long as it is connected.
    pub fn keeps_server(self) -> bool {
        match self {
            Self::Session | Self::Replication => true,
            Self::Transaction | Self::Statement => false,
        }
    }
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
    /// So many bytes were consumed, and what goes to the server in their place is in
    /// `Upstream::spliced`.
    Spliced(usize),
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
    /// Nothing is open, and the pooler asks what is left.
    Asking,
    /// Nothing is open, but the server stays.
    Pinned(Pin),
    /// Nothing: the server goes back.
    Free,
}

/// The client's side of a session. Small, for there may be ten thousand of them.
#[derive(Debug)]
pub struct Relay {
    /// What the client believes its session has.
    pub client: ClientState,
    /// Named statements that a server keeps for all clients, at most
    /// (`max_prepared_statements`). With 0 each client's are its own, and keep its server.
    statements_max: u32,
    /// The number that it was told at its login, unless that is its server's process.
    pub told: Option<u32>,
    /// Those settings it connected with, to which it can return.
    began: Arc<Parameters>,
    /// Statements it has prepared that may leave something behind. It has none, as a rule.
    lasting: Option<Box<Lasting>>,
    /// One of so many of its leases is audited (`session_audit_interval`); none with 0.
    pub audit_interval: u32,
    /// How often it got a server.
    leases: u64,
    /// It has sent a text that may read the last number of a sequence.
    reads_sequences: bool,
    /// The next message waits for answers, on which it depends what is done with it.
    awaits_answers: bool,
    /// It waits for what PostgreSQL says of a statement.
    awaits_description: bool,
    /// The number of the statement that was parsed for the next message.
    parsed_for: Option<u32>,
    mode: Mode,
    /// What would keep a server between transactions is rejected.
    rejects: bool,
    /// Simple queries are taken.
    takes_queries: bool,
    /// Longest message that is taken, with its header.
    message_max: u32,
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
            told: None,
            began: parameters.clone(),
            lasting: None,
            audit_interval: 0,
            leases: 0,
            reads_sequences: false,
            client: ClientState {
                parameters,
                statements: ClientStatements::default(),
            },
            statements_max: 0,
            awaits_answers: false,
            awaits_description: false,
            parsed_for: None,
            mode,
            rejects: false,
            takes_queries: true,
            message_max: u32::MAX,
            proven: false,
            refusing: Refusing::No,
            passing: Passing::Nothing,
        }
    }

    /// Walks `bytes`, with the client's server if it has one.
    pub fn receive(&mut self, server: Option<&mut Upstream>, bytes: &[u8]) -> FromClient {
        match (self.passing.take(bytes.len()), server) {
            (Some((0, _)), _) => FromClient::Incomplete,
            // What follows is forwarded with it, if there is more and nothing is in the way.
            (Some((len, true)), Some(server)) if self.passing == Passing::Nothing => {
                self.receive_attached(server, bytes, len)
            }
            (Some((len, true)), Some(_)) => FromClient::Forward(len),
            (Some((len, _)), _) => FromClient::Drop(len),
            (None, Some(server)) => self.receive_attached(server, bytes, 0),
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

    /// So many named statements may a server keep for all clients (`max_prepared_statements`). With 0 each client's
    /// are its own, and keep its server; but what a client shares already, it goes on to share.
    pub fn share(&mut self, statements_max: u32) {
        if statements_max > 0 || self.client.statements.is_empty() {
            self.statements_max = statements_max;
        }
    }

    /// Simple queries are taken or not, and no message that is longer than `message_max` with its header.
    pub fn take_only(&mut self, takes_queries: bool, message_max: u32) {
        self.takes_queries = takes_queries;
        self.message_max = message_max;
    }

    /// Why a message is not taken at all.
    #[inline]
    fn unwanted(&self, header: Header) -> Option<Violation> {
        if header.message_len() > self.message_max as usize {
            let max = self.message_max;
            return Some(Violation::TooLong { max });
        }
        (header.kind == frontend::QUERY && !self.takes_queries).then_some(Violation::SimpleQuery)
    }

    /// When the client's servers go back.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Joins a server: appends to `out` what makes its settings the client's.
    pub fn attach(&mut self, server: &mut Upstream, out: &mut Vec<u8>) -> Attach {
        server.transactions = match self.mode {
            Mode::Session | Mode::Transaction | Mode::Replication => Transactions::Allowed,
            Mode::Statement => Transactions::SingleStatement,
        };
        server.rejects = false;
        server.told = self.told;
        self.parsed_for = None;
        server.prepared.client_changed();
        server.wanted_databases.clear();
        server.state.client_changed(self.moves());
        server.joins();
        if self.mode == Mode::Replication {
            self.client.parameters = server.parameters.clone();
            self.began = server.defaults.clone();
        }
        let audited = if self.moves() { self.audit_interval } else { 0 };
        server.audit.joined(audited);
        self.forget_others_numbers(server, out);
        if Arc::ptr_eq(&self.client.parameters, &server.parameters) {
            self.proven = true;
            return Attach::Ready;
        }
        if let Some(sql) = server.parameters.sql_to_take_back(&self.client.parameters) {
            server.send_own(&sql, out);
            Arc::make_mut(&mut server.parameters).taken_back(&self.client.parameters);
            return Attach::TakeBack;
        }
        let Some(sql) = server.parameters.sql_to_become(&self.client.parameters) else {
            // Equal in content: share one copy, so that the next comparison is a pointer's. The
            // client's, which clients alike share from their login on; each server has its own.
            server.parameters = self.client.parameters.clone();
            self.proven = true;
            return Attach::Ready;
        };
        server.send_own(&sql, out);
        server.parameters_sent(self.client.parameters.clone());
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
        self.client.parameters = server.parameters.clone();
        self.proven = true;
        std::mem::replace(&mut self.began, self.client.parameters.clone())
    }

    /// Whether what the client sends next waits for answers of the server.
    #[inline]
    pub fn is_held_back(&mut self, server: &Upstream) -> bool {
        if self.awaits_answers {
            let is_open = server.replies.owes_names() || server.replies.will_be_ready();
            // Of a server that is not certain the answers may never be told apart; it serves nobody else.
            self.awaits_answers = is_open && server.replies.is_certain();
        }
        if self.awaits_description {
            let is_open = server.replies.owes_description();
            self.awaits_description = is_open && server.replies.is_certain();
        }
        self.awaits_answers
            || self.awaits_description
            || server.replies.is_full()
            || self.awaits_reset(server)
    }

    /// What holds `server` to this client.
    #[inline]
    pub fn hold(&self, server: &Upstream) -> Hold {
        if self.is_torn() {
            return Hold::Busy;
        }
        if server.replies.is_streaming() {
            return Hold::Pinned(Pin::Replication);
        }
        if !server.replies.is_settled() {
            let asks = server.is_asking() && server.status == TxStatus::Idle;
            return if asks { Hold::Asking } else { Hold::Busy };
        }
        if server.status != TxStatus::Idle {
            return Hold::InTransaction;
        }
        match self.mode {
            Mode::Session => return Hold::Pinned(Pin::Session),
            Mode::Replication => return Hold::Pinned(Pin::Replication),
            Mode::Transaction | Mode::Statement => {}
        }
        if server.has_statements() {
            return Hold::Pinned(Pin::PreparedStatement);
        }
        if let Some(pin) = server.state.pin() {
            return Hold::Pinned(pin);
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
