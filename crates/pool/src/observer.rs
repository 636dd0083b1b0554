//! The one that watches: what the protocol's events mean for counters and statements.
//!
//! [`Relay`](crate::relay::Relay), [`Upstream`](crate::upstream::Upstream) and
//! [`Session`](crate::session::Session) say what happened, in the protocol's words; what is counted
//! of it, timed and found out is decided here. Nothing that is observed changes what is done with
//! the messages. Rows are no event.

use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;

use crate::parameters::Parameters;
use crate::repeats::Repeats;
use crate::text::Text;
use crate::time::Time;
use crate::trace::{Thresholds, Trace};
use crate::work::Work;

/// Observes one server. See the module's description.
#[derive(Debug, Default)]
pub struct Observer {
    /// Work that its pool has not counted yet.
    pub work: Work,
    /// What its statements are.
    pub trace: Trace,
    /// Bytes of the server that were walked so far.
    walked: u64,
}

/// What bytes of a client continue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trip {
    /// Nothing: everything before was answered, and a transaction may be open.
    Begins {
        /// One is.
        in_transaction: bool,
    },
    /// Messages that were not answered or not closed by a Sync.
    GoesOn,
}

/// Since when a query and a transaction of a client run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningSince {
    /// When the query that is answered next was sent, or the one before it was answered.
    pub(crate) query: Time,
    /// When the transaction began.
    pub(crate) transaction: Time,
}

/// What had ended before a read of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedBefore {
    queries: u64,
    transactions: u64,
}

/// What the client sends.
impl Observer {
    /// A client got the server after it had `waited`.
    pub(crate) fn joined(&mut self, thresholds: Option<Thresholds>, waited: Duration) {
        self.trace.attach(thresholds, waited);
    }

    /// The client goes on after everything it sent was answered.
    pub(crate) fn resumed(&mut self, now: Time) {
        self.trace.resume(now);
    }

    /// A round trip begins.
    pub(crate) fn trip_begins(&mut self) {
        self.trace.begin();
    }

    /// A simple query was sent. What its end is to be told with.
    pub(crate) fn query_sent(&mut self, text: Text<'_>, settings: &Parameters) -> Fingerprint {
        self.trace.query(text, settings)
    }

    /// A Parse of the statement `name` was sent. The statement.
    pub(crate) fn parse_sent(
        &mut self,
        name: &[u8],
        text: Text<'_>,
        settings: &Parameters,
    ) -> Fingerprint {
        self.work.parses += 1;
        self.trace.parse(name, text, settings)
    }

    /// A Bind of the statement `name` was sent, which is `prepared` if that was confirmed.
    pub(crate) fn bind_sent(&mut self, name: &[u8], prepared: Option<Fingerprint>) {
        self.work.binds += 1;
        self.trace.bind(name, prepared);
    }

    /// A Bind of a statement was sent that is shared by clients.
    pub(crate) fn shared_bind_sent(&mut self, statement: Fingerprint) {
        self.work.binds += 1;
        self.trace.bind_to(statement);
    }

    /// The unnamed statement is parsed again for the client.
    pub(crate) fn unnamed_again(&mut self, text: Text<'_>, settings: &Parameters) {
        self.work.put_in_front += 1;
        self.trace.parse(b"", text, settings);
    }

    /// A statement is parsed again for the client, because its server lacks it.
    pub(crate) fn put_in_front(&mut self) {
        self.work.put_in_front += 1;
    }

    /// A client's Parse is not sent, for the server has the statement.
    pub(crate) fn known(&mut self) {
        self.work.known += 1;
    }

    /// A statement was closed to make room.
    pub(crate) fn evicted(&mut self) {
        self.work.evicted += 1;
    }

    /// The simple query that is sent next, or else the Bind that was sent last, may leave something in the session that keeps the server.
    pub(crate) fn may_hold(&mut self, is_query: bool) {
        self.trace.may_hold(is_query);
    }

    /// An Execute was sent. What its end is to be told with.
    pub(crate) fn execute_sent(&mut self) -> Fingerprint {
        self.trace.execute()
    }

    /// The messages in `bytes` were sent, which belong to `trip`.
    pub(crate) fn sent(&mut self, now: Time, trip: Trip, bytes: &[u8], repeats: &mut Repeats) {
        self.work.received_bytes += bytes.len() as u64;
        let Trip::Begins { in_transaction } = trip else {
            return;
        };
        if self.trace.parting() {
            repeats.part(now, in_transaction);
        }
        if let Some(statement) = self.trace.opening()
            && let Some(times) = repeats.note(now, statement, in_transaction)
        {
            self.trace.repeated(statement, times, bytes);
        }
    }
}

/// What the server answers. `before` are the bytes in front of the answer that were not yet
/// [`walked`](Observer::walked).
impl Observer {
    /// ReadyForQuery to the client's messages: of the simple query that it ends, or of a batch.
    pub(crate) fn ready(&mut self, query: Option<Fingerprint>, status: TxStatus, before: usize) {
        self.work.queries += 1;
        self.work.transactions += u64::from(status == TxStatus::Idle);
        match query {
            Some(query) => self.trace.ended(query, self.walked + before as u64, false),
            None => self.trace.batch_ended(),
        }
    }

    /// A command of the client completed with this tag.
    #[inline]
    pub(crate) fn completed(&mut self, tag: &[u8]) {
        self.trace.completed(tag);
    }

    /// An Execute ended, or failed.
    pub(crate) fn executed(&mut self, statement: Fingerprint, before: usize, has_failed: bool) {
        let answered = self.walked + before as u64;
        self.trace.ended(statement, answered, has_failed);
    }

    /// An error that the client sees, if it is there.
    pub(crate) fn error_seen(&mut self, client_is_there: bool) {
        self.work.errors += u64::from(client_is_there);
    }

    /// The simple query that is answered has failed; it ends with its ReadyForQuery.
    pub(crate) fn query_failed(&mut self) {
        self.trace.query_failed();
    }

    /// So many bytes of answers have passed.
    pub(crate) fn walked(&mut self, len: usize) {
        self.walked += len as u64;
    }

    /// So many bytes of answers went to the client.
    pub(crate) fn delivered(&mut self, len: usize) {
        self.work.sent_bytes += len as u64;
    }

    /// What has ended before a read.
    pub(crate) fn ended_before(&self) -> EndedBefore {
        EndedBefore {
            queries: self.work.queries,
            transactions: self.work.transactions,
        }
    }

    /// A read is over, and so much had ended before: what ended together in it took equal shares of
    /// the time since `running` says, and what is left runs from `now` on.
    pub(crate) fn read(&mut self, now: Time, before: EndedBefore, running: &mut RunningSince) {
        let work = &mut self.work;
        let ended = work.queries - before.queries;
        if ended > 0 {
            work.query_times.record(now - running.query, ended);
            running.query = now;
        }
        let ended = work.transactions - before.transactions;
        if ended > 0 {
            let times = &mut work.transaction_times;
            times.record(now - running.transaction, ended);
            running.transaction = now;
        }
        self.trace.read(now);
    }
}
