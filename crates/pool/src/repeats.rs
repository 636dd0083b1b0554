//! Finding N+1: one client that sends the same statement again and again, a round trip each, where
//! one statement would have done.
//!
//! An object-relational mapper that loads a list and then, row by row, what belongs to each of its
//! rows does that. What counts is the round trip: a driver that sends many executions at once does
//! what it should. Transactions are told apart, for those of different users of an application
//! follow each other on a connection of its pool and may well be alike. So may requests without a
//! transaction: there only a statement counts that follows upon itself, with nothing between.

use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;

use crate::time::Time;

/// Round trips with one statement that make it a finding, in one transaction or in [`WINDOW`].
pub const REPEATS_MIN: u32 = 10;

/// Outside a transaction, the time in which they must come.
pub const WINDOW: Duration = Duration::from_millis(200);

/// Statements that are counted at once per client: a loop may load two or three things per row.
const FOLLOWED: usize = 4;

/// What one client repeats. 80 bytes, for there may be ten thousand of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeats {
    since: Time,
    /// In a transaction, and not in statements that are one each.
    in_transaction: bool,
    counts: [(Fingerprint, u32); FOLLOWED],
}

impl Repeats {
    /// Notes a round trip that began with `statement`; `in_transaction` if a transaction was open
    /// before it. How often it was repeated by now, at the tenth time, the hundredth and so on.
    pub fn note(&mut self, now: Time, statement: Fingerprint, in_transaction: bool) -> Option<u32> {
        let is_late = !in_transaction && now - self.since > WINDOW;
        let is_another = !in_transaction && self.counts[0].0 != statement;
        if is_late || is_another || in_transaction != self.in_transaction {
            self.begin(now, in_transaction);
        }
        let known = self
            .counts
            .iter()
            .position(|&(known, _)| known == statement);
        let at = known.unwrap_or_else(|| self.least());
        let (followed, count) = &mut self.counts[at];
        if known.is_none() {
            (*followed, *count) = (statement, 0);
        }
        *count = count.saturating_add(1);
        let is_power_of_ten = 10_u32.pow(count.ilog10()) == *count;
        (*count >= REPEATS_MIN && is_power_of_ten).then_some(*count)
    }

    /// Notes a round trip that reads and writes no rows, such as BEGIN or COMMIT; `in_transaction` as for
    /// [`Self::note`]. What was counted on the other side of a transaction's end is over; a DEALLOCATE after
    /// each statement, as PDO sends it, ends nothing.
    pub fn part(&mut self, now: Time, in_transaction: bool) {
        if in_transaction != self.in_transaction {
            self.begin(now, in_transaction);
        }
    }

    fn begin(&mut self, now: Time, in_transaction: bool) {
        *self = Self {
            since: now,
            in_transaction,
            ..Self::default()
        };
    }

    fn least(&self) -> usize {
        let counts = self.counts.iter().enumerate();
        let (at, _) = counts
            .min_by_key(|(_, (_, count))| *count)
            .expect("some are followed");
        at
    }
}

#[cfg(test)]
mod tests {
    use super::{Repeats, WINDOW};
    use crate::time::Time;
    use pgweir_sql::fingerprint::Fingerprint;
    use std::time::Duration;

    /// Statements without rows, which are no part of any loop.
    const BEGIN: u64 = 1_001;
    const COMMIT: u64 = 1_002;
    const DEALLOCATE: u64 = 1_003;

    /// Round trips as (statement, pause before it in ms, in a transaction), and what is found.
    fn found(trips: impl IntoIterator<Item = (u64, u64, bool)>) -> Vec<(u64, u32)> {
        let mut repeats = Repeats::default();
        let mut now = Time(1_000_000);
        let mut found = Vec::new();
        for (statement, pause, in_transaction) in trips {
            now = now + Duration::from_millis(pause);
            if [BEGIN, COMMIT, DEALLOCATE].contains(&statement) {
                repeats.part(now, in_transaction);
                continue;
            }
            let times = repeats.note(now, Fingerprint(statement), in_transaction);
            found.extend(times.map(|times| (statement, times)));
        }
        found
    }

    #[test]
    fn the_tenth_round_trip_is_found() {
        let loops = |n: u64, pause, tx| found((0..n).map(move |_| (7, pause, tx)));
        assert_eq!(loops(9, 1, false), []);
        assert_eq!(loops(10, 1, false), [(7, 10)]);
        assert_eq!(loops(99, 1, false), [(7, 10)]);
        assert_eq!(loops(1000, 0, false), [(7, 10), (7, 100), (7, 1000)]);
        // Each too late for the window of the first.
        let window = WINDOW.as_millis() as u64;
        assert_eq!(loops(100, window / 5, false), []);
        // The last one comes at the very end of it, and a moment after.
        let late = |last| found((0..10).map(move |n| (7, if n == 9 { last } else { 0 }, false)));
        assert_eq!(late(window), [(7, 10)]);
        assert_eq!(late(window + 1), []);
        // In a transaction time does not matter.
        assert_eq!(loops(12, 5_000, true), [(7, 10)]);
    }

    #[test]
    fn transactions_that_follow_each_other_are_no_loop() {
        let (begin, read, write, commit) = (BEGIN, 2, 3, COMMIT);
        let transaction = [
            (begin, 1, false),
            (read, 1, true),
            (write, 1, true),
            (commit, 1, true),
        ];
        assert_eq!(found((0..1_000).flat_map(|_| transaction)), []);
        // Nor where the driver sends BEGIN with the first statement.
        let joined = [(read, 0, false), (write, 0, true), (commit, 0, true)];
        assert_eq!(found((0..1_000).flat_map(|_| joined)), []);
        // Nor one statement in each, as pgbench has it.
        let single = [(begin, 0, false), (read, 0, true), (commit, 0, true)];
        assert_eq!(found((0..1_000).flat_map(|_| single)), []);
        let joined = [(read, 0, false), (commit, 0, true)];
        assert_eq!(found((0..1_000).flat_map(|_| joined)), []);
        // A loop in the hundredth is one.
        let alike = (0..99).flat_map(|_| transaction);
        let last = std::iter::once((begin, 1, false)).chain((0..10).map(|_| (read, 1, true)));
        assert_eq!(found(alike.chain(last)), [(read, 10)]);
    }

    #[test]
    fn requests_of_several_statements_that_follow_each_other_are_no_loop() {
        let request = [(1, 0, false), (2, 0, false), (3, 0, false)];
        assert_eq!(found((0..1_000).flat_map(|_| request)), []);
        // A list, and then a statement for each of its rows.
        let rows = std::iter::once((1, 0, false)).chain((0..20).map(|_| (2, 1, false)));
        assert_eq!(found((0..3).flat_map(|_| rows.clone())), [(2, 10); 3]);
        let rows = (0..20).flat_map(|_| [(2, 1, false), (DEALLOCATE, 0, false)]);
        assert_eq!(found(rows), [(2, 10)]);
    }

    #[test]
    fn a_loop_over_several_statements_is_found_among_others() {
        // A list, then two statements for each of its rows, and something else now and then.
        let rows = (0..10).flat_map(|row| [(1, 1, true), (2, 1, true), (100 + row, 1, true)]);
        let trips = std::iter::once((9, 0, true)).chain(rows);
        assert_eq!(found(trips), [(1, 10), (2, 10)]);
    }
}
