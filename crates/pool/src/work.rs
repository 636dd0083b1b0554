//! What is counted of a server's work, on its way into the totals of its pool.
//!
//! It is collected with the server, where nobody else looks, and merged into the totals when the
//! pool's lock is taken anyway.

use std::time::Duration;

use crate::histogram::Histogram;
use crate::pin::{ByPin, Pin, Pins};
use crate::trace::FindingCounts;
use crate::waits::Cause;

/// Durations kept one by one until they are merged. A transaction of more queries keeps a histogram
/// of its own for the rest.
const TIMES_MAX: usize = 8;

/// Durations that were not merged yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations {
    /// Microseconds, and how often.
    first: [(u64, u64); TIMES_MAX],
    len: usize,
    rest: Option<Box<Histogram>>,
}

impl Durations {
    /// Notes `many` durations that together took `whole`.
    pub fn record(&mut self, whole: Duration, many: u64) {
        assert!(many > 0, "something ended");
        let us = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX) / many;
        match self.first.get_mut(self.len) {
            Some(entry) => {
                *entry = (us, many);
                self.len += 1;
            }
            None => self.rest.get_or_insert_default().record_many_us(us, many),
        }
    }

    /// Moves everything to `into`.
    pub fn merge_into(&mut self, into: &mut Histogram) {
        for &(us, many) in &self.first[..self.len] {
            into.record_many_us(us, many);
        }
        self.len = 0;
        if let Some(rest) = self.rest.take() {
            into.merge(&rest);
        }
    }
}

/// Work of a server that its pool has not counted yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// Transactions that ended.
    pub transactions: u64,
    /// Queries that ended: ReadyForQuery messages the client saw.
    pub queries: u64,
    /// ErrorResponse messages the client saw.
    pub errors: u64,
    /// Parse messages of the client.
    pub parses: u64,
    /// Bind messages of the client.
    pub binds: u64,
    /// Parse messages that were not sent, because the server had the statement.
    pub known: u64,
    /// Parse messages that were put in front of a client's, because the server lacked the statement.
    pub put_in_front: u64,
    /// Statements that were closed to make room.
    pub evicted: u64,
    /// How often it was seen that tables have changed.
    pub reshaped: u64,
    /// Texts that may read the last number of a sequence.
    pub sequence_reads: u64,
    /// Bytes that came from the client and went to the server.
    pub received_bytes: u64,
    /// Bytes that came from the server and went to the client.
    pub sent_bytes: u64,
    /// How long each query took: from its sending, or the answer before it, to its answer.
    pub query_times: Durations,
    /// How long each transaction took, from its first byte to its last answer.
    pub transaction_times: Durations,
    /// What kept the server with its client, if something did.
    pub pins: Option<Box<ByPin<Pins>>>,
}

impl Work {
    /// Where pins of this reason are counted; `None` if it is none of a session's state.
    pub(crate) fn pins(&mut self, pin: Pin) -> Option<&mut Pins> {
        self.pins.get_or_insert_default().get_mut(pin)
    }

    /// Whether there is something to be counted before the server is given up.
    pub fn is_due(&self) -> bool {
        self.queries > 0 || self.pins.is_some()
    }
}

/// Waits of one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// How many.
    pub count: u64,
    /// Microseconds all of them took.
    pub us: u64,
}

/// What a pool has counted since the start of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Transactions that ended.
    pub transactions: u64,
    /// Queries that ended.
    pub queries: u64,
    /// Errors of PostgreSQL that clients saw.
    pub errors: u64,
    /// Parse messages of clients.
    pub parses: u64,
    /// Bind messages of clients.
    pub binds: u64,
    /// Parse messages that were not sent, because the server had the statement.
    pub known: u64,
    /// Parse messages that were put in front of a client's, because the server lacked the statement.
    pub put_in_front: u64,
    /// Statements that were closed to make room.
    pub evicted: u64,
    /// Statements that servers keep for all clients, as of the last time that each was counted.
    pub statements: u64,
    /// How often it was seen that tables have changed.
    pub reshaped: u64,
    /// Texts that may read the last number of a sequence.
    pub sequence_reads: u64,
    /// Bytes from clients to servers.
    pub received_bytes: u64,
    /// Bytes from servers to clients.
    pub sent_bytes: u64,
    /// How long queries took.
    pub query_times: Histogram,
    /// How long transactions took.
    pub transaction_times: Histogram,
    /// How long clients waited for the server they got; zero where one was free.
    pub wait_times: Histogram,
    /// Waits of clients for whom no server was free, by the number of their cause; those that ended
    /// in a refusal among them.
    pub waits: [Waited; Cause::ALL.len()],
    /// What kept servers with clients.
    pub pins: ByPin<Pins>,
    /// What was found among statements.
    pub found: FindingCounts,
    /// Clients refused because the queue was full.
    pub refusals_queue_full: u64,
    /// Clients refused because no server became free in time.
    pub refusals_timeout: u64,
    /// Clients refused because logins to PostgreSQL fail.
    pub refusals_login_failing: u64,
    /// Clients that logged in.
    pub client_logins: u64,
    /// Servers that logged in.
    pub server_logins: u64,
    /// Logins of servers that failed.
    pub server_login_failures: u64,
}

impl Totals {
    /// Parse messages that servers were sent: those of clients that they did not know, and the pooler's own.
    pub fn server_parses(&self) -> u64 {
        (self.parses + self.put_in_front).saturating_sub(self.known)
    }

    /// Counts the work of a server, which has none left to be counted afterwards.
    pub fn take(&mut self, work: &mut Work) {
        let Work {
            transactions,
            queries,
            errors,
            parses,
            binds,
            known,
            put_in_front,
            evicted,
            reshaped,
            sequence_reads,
            received_bytes,
            sent_bytes,
            query_times,
            transaction_times,
            pins,
        } = work;
        self.transactions += std::mem::take(transactions);
        self.queries += std::mem::take(queries);
        self.errors += std::mem::take(errors);
        self.parses += std::mem::take(parses);
        self.binds += std::mem::take(binds);
        self.known += std::mem::take(known);
        self.put_in_front += std::mem::take(put_in_front);
        self.evicted += std::mem::take(evicted);
        self.reshaped += std::mem::take(reshaped);
        self.sequence_reads += std::mem::take(sequence_reads);
        self.received_bytes += std::mem::take(received_bytes);
        self.sent_bytes += std::mem::take(sent_bytes);
        query_times.merge_into(&mut self.query_times);
        transaction_times.merge_into(&mut self.transaction_times);
        if let Some(pins) = pins.take() {
            self.pins.merge(&pins, Pins::add);
        }
    }

    /// Counts what was found among a server's statements, which is then counted.
    pub fn take_found(&mut self, found: &mut FindingCounts) {
        self.found.add(std::mem::take(found));
    }

    /// Counts a wait.
    pub fn waited(&mut self, cause: Cause, time: Duration) {
        let waited = &mut self.waits[cause as usize];
        waited.count += 1;
        waited.us += u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    }

    /// Adds what another pool has counted.
    pub fn add(&mut self, other: &Self) {
        // In full, so that a count more cannot be forgotten here.
        let Self {
            transactions,
            queries,
            errors,
            parses,
            binds,
            known,
            put_in_front,
            evicted,
            statements,
            reshaped,
            sequence_reads,
            received_bytes,
            sent_bytes,
            query_times,
            transaction_times,
            wait_times,
            waits,
            pins,
            found,
            refusals_queue_full,
            refusals_timeout,
            refusals_login_failing,
            client_logins,
            server_logins,
            server_login_failures,
        } = other;
        self.transactions += transactions;
        self.queries += queries;
        self.errors += errors;
        self.parses += parses;
        self.binds += binds;
        self.known += known;
        self.put_in_front += put_in_front;
        self.evicted += evicted;
        self.statements += statements;
        self.reshaped += reshaped;
        self.sequence_reads += sequence_reads;
        self.received_bytes += received_bytes;
        self.sent_bytes += sent_bytes;
        self.query_times.merge(query_times);
        self.transaction_times.merge(transaction_times);
        self.wait_times.merge(wait_times);
        for (own, other) in self.waits.iter_mut().zip(waits) {
            own.count += other.count;
            own.us += other.us;
        }
        self.pins.merge(pins, Pins::add);
        self.found.add(*found);
        self.refusals_queue_full += refusals_queue_full;
        self.refusals_timeout += refusals_timeout;
        self.refusals_login_failing += refusals_login_failing;
        self.client_logins += client_logins;
        self.server_logins += server_logins;
        self.server_login_failures += server_login_failures;
    }
}

#[cfg(test)]
mod tests {
    use super::{TIMES_MAX, Totals, Work};
    use std::time::Duration;

    #[test]
    fn work_is_counted_once_however_much_of_it_there_is() {
        let (mut work, mut totals) = (Work::default(), Totals::default());
        for round in 1..=3 {
            for _ in 0..2 * TIMES_MAX {
                work.queries += 2;
                work.query_times.record(Duration::from_micros(200), 2);
            }
            totals.take(&mut work);
            assert_eq!(
                work,
                Work {
                    query_times: work.query_times.clone(),
                    ..Work::default()
                }
            );
            let queries = round * 4 * TIMES_MAX as u64;
            assert_eq!(totals.queries, queries);
            assert_eq!(totals.query_times.count(), queries);
            assert_eq!(totals.query_times.sum_us(), 100 * queries);
        }
        totals.take(&mut work);
        assert_eq!(totals.query_times.count(), 12 * TIMES_MAX as u64);
    }
}
