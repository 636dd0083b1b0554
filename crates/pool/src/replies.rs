//! What a server still has to answer, message by message.
//!
//! Every frontend message that is answered leaves an entry when it is sent; every answer takes one
//! out. A server owes nothing exactly when the queue is empty and the last extended batch was
//! closed by a Sync. Nothing here looks at rows.
//!
//! Source: PostgreSQL documentation, "Message Flow"; the rules of a failed batch and of COPY are
//! those of `PostgresMain` and `CopyGetData`.

mod reply;

use std::collections::VecDeque;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend;

use crate::prepared::StatementName;
pub use reply::{BySql, OwnClose, OwnParse, Reply};

/// Answers outstanding after which a client is not read until some arrive: 64 Ki entries of 32
/// bytes are 2 MiB. The server flushes its answers every 8 KiB, some 400 of the smallest, so
/// waiting for them cannot dead-lock.
pub const OUTSTANDING_MAX: usize = 64 * 1024;

/// Bytes of statement names outstanding after which the same holds. The longest names reach it
/// with 8 Ki messages, whose answers are 40 KiB, so they cannot dead-lock either.
const NAMES_MAX: usize = 8 * 1024 * 1024;

/// What an answer meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Belongs to the oldest outstanding message, or finishes one that needs no notice.
    Part,
    /// A statement was prepared under this name.
    Prepared(StatementName, Fingerprint),
    /// The statement of this name was closed.
    Closed(StatementName),
    /// An Execute has ended, or failed.
    Executed(Fingerprint),
    /// ReadyForQuery, which may be the end of a simple query.
    Ready(Option<Fingerprint>),
    /// Ends a message of which everything was noted when it was sent.
    Answered,
    /// The statement of this number is described, which the client has just prepared under the name.
    Described(u32, Option<StatementName>),
    /// A Parse was answered that the server was not sent as such: CloseComplete is to become ParseComplete.
    Known,
    /// Belongs to no message: notices, notifications, parameter changes, a dying server's error.
    Asynchronous,
}

/// The server answered something that nobody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfStep {
    /// Type of the message that came.
    pub kind: u8,
}

/// Extended messages up to their Sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Batch {
    /// A Sync or a Query has closed what was sent.
    #[default]
    Closed,
    /// Messages were sent that nothing has closed.
    Open,
    /// It failed and its Sync was not sent: the server ignores everything up to it.
    Failed,
}

/// The queue of outstanding answers of one server.
#[derive(Debug, Default)]
pub struct Replies {
    queue: VecDeque<Reply>,
    /// Bytes of the names in it.
    name_bytes: usize,
    /// Entries about statements with names, in batches that were closed and in the one that was not.
    names: (u32, u32),
    /// What the server skips, the oldest first, until it is taken.
    skipped: Vec<Reply>,
    batch: Batch,
    /// The server reads COPY data: it ignores Sync until CopyDone or CopyFail.
    copying: bool,
    /// COPY data goes both ways, in replication, until the query that began it is answered.
    streaming: bool,
    /// Syncs were sent that COPY ignores, if it reads them.
    syncs_in_copy: u32,
    /// A COPY failed and may have left so many Syncs unread, which are then answered. Those answers
    /// come before any other, so with the next other answer it is known how many there were.
    strays: u32,
    /// The oldest message is a query that failed and owes its ReadyForQuery.
    failed_query: bool,
    /// The server was sent what a COPY does not expect; it must not be used again.
    uncertain: bool,
}

impl Replies {
    /// Notes that a message was sent.
    pub fn sent(&mut self, reply: Reply) {
        if self.batch == Batch::Failed && !matches!(reply, Reply::Sync | Reply::OwnSync) {
            // A stray answer would show that the server skips no more.
            self.uncertain |= self.strays > 0 && !matches!(reply, Reply::CopyEnd(_));
            return;
        }
        match reply {
            Reply::Sync if self.copying => {
                self.syncs_in_copy += 1;
                return;
            }
            Reply::Sync | Reply::OwnSync => self.close_batch(),
            Reply::BySql(_) => unreachable!("no message, see sent_by_sql"),
            Reply::Query(_) | Reply::Own => {
                self.close_batch();
                self.uncertain |= self.copying;
            }
            Reply::CopyEnd(_) if self.copying || self.queue.is_empty() => {
                self.copying = false;
                return;
            }
            Reply::CopyEnd(more) => {
                // They are answered with nothing, so they must not fill the queue.
                if let Some(Reply::CopyEnd(ends)) = self.queue.back_mut() {
                    *ends = ends.saturating_add(more);
                    return;
                }
            }
            Reply::Parse(_)
            | Reply::Bind
            | Reply::Describe
            | Reply::Execute(_)
            | Reply::Close(_)
            | Reply::Mapped(..)
            | Reply::Known(_)
            | Reply::Forgotten(_)
            | Reply::OwnParse(_)
            | Reply::OwnDescribe(..)
            | Reply::OwnClose(_) => {
                self.batch = Batch::Open;
                self.uncertain |= self.copying;
            }
        }
        self.push(reply);
    }

    #[inline]
    fn push(&mut self, reply: Reply) {
        if !reply.is_plain() {
            self.name_bytes += reply.name_len();
            self.names.1 += u32::from(reply.is_of_names());
        }
        self.queue.push_back(reply);
    }

    fn close_batch(&mut self) {
        self.batch = Batch::Closed;
        self.names = (self.names.0 + self.names.1, 0);
    }

    /// Notes what the message that was sent last does by SQL when it succeeds.
    pub fn sent_by_sql(&mut self, mut done: Vec<BySql>) {
        let back = self.queue.back();
        let is_owed = matches!(back, Some(Reply::Query(_) | Reply::Execute(_)));
        // What is skipped, or sent into a COPY, does nothing.
        if is_owed && self.batch != Batch::Failed {
            done.reverse();
            self.push(Reply::BySql(done));
        }
    }

    /// The next answer has the tag `PREPARE` or `DEALLOCATE`: what it means, if that is known.
    pub fn done_by_sql(&mut self) -> Option<BySql> {
        match self.queue.get_mut(1) {
            Some(Reply::BySql(all)) => {
                let done = all.pop()?;
                self.name_bytes -= done.len();
                Some(done)
            }
            _ => None,
        }
    }

    /// What the server skipped since, the latest first.
    #[inline]
    pub(crate) fn take_skipped(&mut self) -> Option<Reply> {
        self.skipped.pop()
    }

    /// Whether messages of batches before this one are unanswered that are about statements with names.
    #[inline]
    pub(crate) fn owes_names(&self) -> bool {
        self.names.0 > 0
    }

    /// Whether the server skips everything up to the next Sync.
    pub(crate) fn is_skipping(&self) -> bool {
        self.batch == Batch::Failed
    }

    /// What was sent and is not answered.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &Reply> {
        self.queue.iter()
    }

    /// Notes that a message of type `kind` came from the server.
    ///
    /// # Errors
    /// It is not what the oldest outstanding message is answered with.
    #[inline]
    pub fn received(&mut self, kind: u8) -> Result<Received, OutOfStep> {
        if self.strays > 0 {
            return self.received_after_copy(kind);
        }
        self.received_in_step(kind)
    }

    /// As `received`, when answers to Syncs may come that a failed COPY left unread.
    #[cold]
    fn received_after_copy(&mut self, kind: u8) -> Result<Received, OutOfStep> {
        let is_expected = match self.queue.front() {
            Some(Reply::Sync | Reply::OwnSync) => true,
            Some(Reply::Query(_) | Reply::Own) => self.failed_query,
            _ => false,
        };
        if kind == backend::READY_FOR_QUERY && !is_expected {
            self.strays -= 1;
            if self.batch == Batch::Failed {
                self.batch = Batch::Closed;
            }
            return Ok(Received::Ready(None));
        }
        let strays = std::mem::take(&mut self.strays);
        let received = self.received_in_step(kind);
        if let Ok(Received::Ready(_) | Received::Asynchronous) = received {
            self.strays = strays;
        }
        received
    }

    #[inline]
    fn received_in_step(&mut self, kind: u8) -> Result<Received, OutOfStep> {
        match (kind, self.queue.front()) {
            (
                backend::DATA_ROW | backend::COPY_DATA | backend::COPY_DONE,
                Some(Reply::Query(_) | Reply::Execute(_) | Reply::Own),
            )
            | (
                backend::ROW_DESCRIPTION
                | backend::COMMAND_COMPLETE
                | backend::EMPTY_QUERY_RESPONSE
                | backend::FUNCTION_CALL_RESPONSE,
                Some(Reply::Query(_) | Reply::Own),
            )
            | (backend::PARAMETER_DESCRIPTION, Some(Reply::Describe | Reply::OwnDescribe(..)))
            | (backend::COPY_OUT_RESPONSE, Some(Reply::Query(_) | Reply::Execute(_))) => {
                Ok(Received::Part)
            }
            (
                backend::COMMAND_COMPLETE
                | backend::EMPTY_QUERY_RESPONSE
                | backend::PORTAL_SUSPENDED,
                Some(&Reply::Execute(statement)),
            ) => {
                self.pop();
                Ok(Received::Executed(statement))
            }
            (backend::ROW_DESCRIPTION | backend::NO_DATA, Some(Reply::Describe))
            | (backend::BIND_COMPLETE, Some(Reply::Bind)) => {
                self.pop();
                Ok(Received::Part)
            }
            (backend::ROW_DESCRIPTION | backend::NO_DATA, Some(Reply::OwnDescribe(..))) => {
                Ok(match self.pop() {
                    Some(Reply::OwnDescribe(number, name)) => Received::Described(number, name),
                    _ => Received::Part,
                })
            }
            (backend::PARSE_COMPLETE, Some(Reply::Parse(_))) => Ok(match self.pop() {
                Some(Reply::Parse(Some((name, statement)))) => Received::Prepared(name, statement),
                _ => Received::Part,
            }),
            (backend::PARSE_COMPLETE, Some(Reply::Mapped(..) | Reply::OwnParse(_)))
            | (backend::CLOSE_COMPLETE, Some(Reply::Forgotten(_) | Reply::OwnClose(_))) => {
                self.pop();
                Ok(Received::Answered)
            }
            (backend::CLOSE_COMPLETE, Some(Reply::Known(_))) => {
                self.pop();
                Ok(Received::Known)
            }
            (backend::CLOSE_COMPLETE, Some(Reply::Close(_))) => Ok(match self.pop() {
                Some(Reply::Close(Some(name))) => Received::Closed(name),
                _ => Received::Part,
            }),
            (
                backend::READY_FOR_QUERY,
                Some(Reply::Sync | Reply::Query(_) | Reply::Own | Reply::OwnSync),
            ) => {
                let ended = self.pop();
                self.syncs_in_copy = 0;
                self.failed_query = false;
                self.streaming = false;
                Ok(Received::Ready(match ended {
                    Some(Reply::Query(statement)) => Some(statement),
                    _ => None,
                }))
            }
            (backend::COPY_IN_RESPONSE, Some(Reply::Query(_) | Reply::Execute(_))) => {
                self.copy_began();
                Ok(Received::Part)
            }
            (backend::COPY_BOTH_RESPONSE, Some(Reply::Query(_))) => {
                self.copy_began();
                self.streaming = true;
                Ok(Received::Part)
            }
            (backend::ERROR_RESPONSE, None) => {
                // A dying server's, or of something that should not have come through: then the server
                // skips what comes next.
                self.uncertain = true;
                Ok(Received::Asynchronous)
            }
            (backend::ERROR_RESPONSE, Some(&Reply::Execute(statement))) => {
                self.failed();
                Ok(Received::Executed(statement))
            }
            (backend::ERROR_RESPONSE, Some(_)) => {
                self.failed();
                Ok(Received::Part)
            }
            (
                backend::NOTICE_RESPONSE
                | backend::NOTIFICATION_RESPONSE
                | backend::PARAMETER_STATUS,
                _,
            ) => Ok(Received::Asynchronous),
            // The server is used by nobody else after this, so the client may sort it out.
            _ if self.uncertain => Ok(Received::Part),
            _ => Err(OutOfStep { kind }),
        }
    }

    /// Whether the server owes nothing and ignores nothing.
    pub fn is_settled(&self) -> bool {
        self.queue.is_empty() && !self.is_unsynced()
    }

    /// Whether a message of the client is unanswered. What the pooler sends before a client's first
    /// query, in the same write, is not the client's.
    pub fn owes_client(&self) -> bool {
        // What the client sent is nearly always in front.
        let is_own = |reply: &Reply| {
            matches!(
                reply,
                Reply::Own
                    | Reply::OwnSync
                    | Reply::OwnParse(_)
                    | Reply::OwnDescribe(..)
                    | Reply::OwnClose(_)
            )
        };
        self.queue.iter().any(|reply| !is_own(reply))
    }

    /// Whether a ReadyForQuery will come for a message of the client without another message.
    pub fn will_be_ready(&self) -> bool {
        let mut queue = self.queue.iter();
        !self.copying && queue.any(|reply| matches!(reply, Reply::Sync | Reply::Query(_)))
    }

    /// Whether every message so far was answered; a batch may still be open.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether extended messages wait for their Sync.
    pub fn is_unsynced(&self) -> bool {
        self.batch != Batch::Closed
    }

    /// Whether a batch failed and its Sync was not sent.
    pub fn has_failed(&self) -> bool {
        self.batch == Batch::Failed
    }

    /// Whether the server reads COPY data.
    pub fn is_copying(&self) -> bool {
        self.copying
    }

    /// Whether COPY data goes both ways: a stream of replication, which may last for ever and rest at any
    /// time.
    #[inline]
    pub fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// Whether the next answer is to a query of the pooler.
    #[inline]
    pub fn next_is_own(&self) -> bool {
        matches!(self.queue.front(), Some(Reply::Own | Reply::OwnSync))
    }

    /// Whether a message of type `kind` would be an answer to what the pooler put in front of a client's message.
    #[inline]
    pub(crate) fn hides(&self, kind: u8) -> bool {
        match kind {
            backend::PARSE_COMPLETE => matches!(self.queue.front(), Some(Reply::OwnParse(_))),
            backend::CLOSE_COMPLETE => matches!(self.queue.front(), Some(Reply::OwnClose(_))),
            backend::PARAMETER_DESCRIPTION | backend::ROW_DESCRIPTION | backend::NO_DATA => {
                self.next_describes()
            }
            backend::ERROR_RESPONSE => {
                matches!(self.queue.front(), Some(Reply::OwnParse(OwnParse::Try(_))))
            }
            _ => false,
        }
    }

    /// Whether the next answer is to a Describe of the pooler.
    #[inline]
    pub(crate) fn next_describes(&self) -> bool {
        matches!(self.queue.front(), Some(Reply::OwnDescribe(..)))
    }

    /// Whether the next answer is to a message that looks at a prepared statement.
    pub(crate) fn next_is_bound(&self) -> bool {
        matches!(
            self.queue.front(),
            Some(Reply::Bind | Reply::Describe | Reply::OwnDescribe(..))
        )
    }

    /// Whether a Describe of the pooler is unanswered.
    pub(crate) fn owes_description(&self) -> bool {
        let describes = |reply: &Reply| matches!(reply, Reply::OwnDescribe(..));
        self.queue.iter().any(describes)
    }

    /// What the client sent last and is not answered will be sent again: a ReadyForQuery to it is not the client's. True
    /// if one will come.
    pub(crate) fn disown_batch(&mut self) -> bool {
        match self.queue.back_mut() {
            Some(last) => {
                assert_eq!(
                    *last,
                    Reply::Sync,
                    "nothing follows a batch that may be sent again"
                );
                *last = Reply::OwnSync;
                true
            }
            None => false,
        }
    }

    /// Queries of the pooler that are outstanding.
    pub fn owns(&self) -> usize {
        let is_own = |reply: &&Reply| matches!(reply, Reply::Own);
        self.queue.iter().filter(is_own).count()
    }

    /// Whether so much is outstanding that the client should not be read.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= OUTSTANDING_MAX || self.name_bytes >= NAMES_MAX
    }

    /// Whether it can be known what the server owes.
    pub fn is_certain(&self) -> bool {
        !self.uncertain && self.strays == 0
    }

    /// Whether that will never be known again.
    pub(crate) fn is_uncertain_for_good(&self) -> bool {
        self.uncertain
    }

    /// Whether what is answered cannot be told apart any more, or not after another message than COPY expects, so
    /// that nothing of it can be kept from the client.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.uncertain || self.copying
    }

    fn pop(&mut self) -> Option<Reply> {
        let front = self.pop_one();
        while matches!(
            self.queue.front(),
            Some(Reply::CopyEnd(_) | Reply::BySql(_))
        ) {
            self.pop_one();
        }
        front
    }

    fn pop_one(&mut self) -> Option<Reply> {
        let front = self.queue.pop_front();
        if let Some(reply) = &front
            && !reply.is_plain()
        {
            self.name_bytes -= reply.name_len();
            if reply.is_of_names() {
                let (closed, open) = &mut self.names;
                let owing = if *closed > 0 { closed } else { open };
                *owing -= 1;
            }
        }
        front
    }

    /// COPY FROM STDIN began for the oldest message. Syncs that were sent before its data are
    /// ignored by the server; libpq sends one with every Execute.
    fn copy_began(&mut self) {
        let is_extended = matches!(self.queue.front(), Some(Reply::Execute(_)));
        let mut at = 1;
        self.copying = true;
        while self.copying && at < self.queue.len() {
            match &mut self.queue[at] {
                Reply::Sync => {
                    self.queue.remove(at);
                    self.syncs_in_copy += 1;
                }
                // A query of several statements may read more data.
                Reply::CopyEnd(ends) if *ends > 1 => {
                    *ends -= 1;
                    self.copying = false;
                }
                Reply::CopyEnd(_) => {
                    self.queue.remove(at);
                    self.copying = false;
                }
                Reply::BySql(_) => at += 1,
                // Anything else fails the COPY, and with what is skipped then depends on timing.
                _ => {
                    self.uncertain = true;
                    at += 1;
                }
            }
        }
        if self.copying && is_extended {
            self.batch = Batch::Open;
        }
    }

    /// The oldest message failed. A simple query still sends its ReadyForQuery; an extended batch
    /// is skipped by the server up to its Sync, queries in it included.
    fn failed(&mut self) {
        self.copying = false;
        self.streaming = false;
        // The COPY may have failed before the server read the Sync that COPY was to ignore.
        self.strays = std::mem::take(&mut self.syncs_in_copy);
        if matches!(self.queue.front(), Some(Reply::Query(_) | Reply::Own)) {
            self.failed_query = true;
            return;
        }
        while !matches!(
            self.queue.front(),
            None | Some(Reply::Sync | Reply::OwnSync)
        ) {
            let skipped = self.pop_one().filter(Reply::has_effect);
            self.skipped.extend(skipped);
        }
        if self.queue.is_empty() {
            self.batch = Batch::Failed;
        }
    }
}

#[cfg(test)]
mod tests;
