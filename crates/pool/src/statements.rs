//! Statements by what they cost, over all pools: `pg_stat_statements` without the extension.

use std::collections::BTreeMap;
use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;

use crate::budget::PoolId;
use crate::histogram::Histogram;
use crate::trace::{Sample, Trace};

/// Statements that are kept, of about 2 KiB each. One more, and the half that took the least time
/// is forgotten.
pub const STATEMENTS_KEPT_MAX: usize = 2_000;

/// What was seen of one statement in one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statement {
    /// Its text without literals; empty where it was forgotten.
    pub text: String,
    /// Executions.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Bytes that PostgreSQL answered.
    pub bytes: u64,
    /// The longest execution.
    pub longest: Duration,
    /// How long executions took.
    pub times: Histogram,
}

/// Which statement of which pool.
pub type StatementKey = (PoolId, Fingerprint);

/// The table. See the module's description.
#[derive(Debug, Default)]
pub struct StatementTable {
    /// Sorted: a client that chooses its statements cannot make a search long.
    known: BTreeMap<StatementKey, Box<Statement>>,
    /// Counts how often some were forgotten.
    epoch: u32,
}

impl StatementTable {
    /// Takes what a server of `pool` has collected.
    pub fn take(&mut self, pool: PoolId, trace: &mut Trace) {
        trace.texts.in_epoch(self.epoch);
        for (id, text) in trace.texts.fresh.drain(..) {
            self.of(pool, id).text = text;
        }
        for sample in trace.samples().drain(..) {
            self.of(pool, sample.statement).add(&sample);
        }
    }

    /// Text of a statement, without literals.
    pub fn text(&self, pool: PoolId, statement: Fingerprint) -> Option<&str> {
        let known = self.get((pool, statement))?;
        (!known.text.is_empty()).then_some(&known.text)
    }

    /// What was seen of a statement.
    pub fn get(&self, key: StatementKey) -> Option<&Statement> {
        self.known.get(&key).map(|statement| &**statement)
    }

    /// The statements that were executed, with the microseconds all of their executions took.
    pub fn costs(&self) -> impl Iterator<Item = (StatementKey, u64)> {
        let executed = self.known.iter().filter(|(_, s)| s.calls > 0);
        executed.map(|(key, s)| (*key, s.times.sum_us()))
    }

    fn of(&mut self, pool: PoolId, id: Fingerprint) -> &mut Statement {
        let key = (pool, id);
        if self.known.len() >= STATEMENTS_KEPT_MAX && !self.known.contains_key(&key) {
            self.forget_half();
        }
        self.known.entry(key).or_default()
    }

    /// Forgets what a pool did; its servers are gone.
    pub fn forget(&mut self, pool: PoolId) {
        self.known.retain(|(of, _), _| *of != pool);
    }

    fn forget_half(&mut self) {
        let mut costs: Vec<_> = self.known.values().map(|s| s.times.sum_us()).collect();
        let half = costs.len() / 2;
        let (_, &mut median, dearer) = costs.select_nth_unstable(half);
        // Of many that cost the same, as those that were parsed and never ran, not all stay.
        let mut ties = half - dearer.iter().filter(|&&cost| cost > median).count();
        self.known.retain(|_, statement| {
            let cost = statement.times.sum_us();
            let is_tie = cost == median && ties > 0;
            ties -= usize::from(is_tie);
            cost > median || is_tie
        });
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl Statement {
    /// Adds what was seen of it elsewhere.
    pub fn merge(&mut self, other: &Self) {
        if self.text.is_empty() {
            self.text.clone_from(&other.text);
        }
        self.calls += other.calls;
        self.errors += other.errors;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.longest = self.longest.max(other.longest);
        self.times.merge(&other.times);
    }

    fn add(&mut self, sample: &Sample) {
        let each = sample.us / sample.calls.max(1);
        self.calls += sample.calls;
        self.errors += sample.errors;
        self.rows += sample.rows;
        self.bytes += sample.bytes;
        self.longest = self.longest.max(Duration::from_micros(each));
        self.times.record_many_us(each, sample.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::{STATEMENTS_KEPT_MAX, Statement, StatementTable};
    use crate::budget::PoolId;
    use crate::parameters::Parameters;
    use crate::text::Text;
    use crate::time::Time;
    use crate::trace::{Thresholds, Trace};
    use pgweir_sql::fingerprint::Fingerprint;
    use std::time::Duration;

    fn run(trace: &mut Trace, sql: &str, took: Duration) {
        let never = Thresholds {
            slow: Duration::MAX,
            very_slow: Duration::MAX,
        };
        trace.attach(Some(never), Duration::ZERO);
        trace.resume(Time(0));
        trace.begin();
        let statement = trace.query(Text::of_query(sql.as_bytes()), &Parameters::default());
        trace.completed(b"SELECT 2\0");
        trace.ended(statement, 0, false);
        trace.read(Time(0) + took);
    }

    #[test]
    fn executions_add_up_in_each_pool() {
        let (mut table, mut a, mut b) = (
            StatementTable::default(),
            Trace::default(),
            Trace::default(),
        );
        for _ in 0..3 {
            run(&mut a, "select 1", Duration::from_millis(4));
            table.take(PoolId(1), &mut a);
        }
        run(&mut a, "select 1 from a", Duration::from_millis(10));
        run(&mut b, "select 2", Duration::from_millis(11));
        table.take(PoolId(1), &mut a);
        table.take(PoolId(2), &mut b);
        let select = Fingerprint::of(b"select 7", true);
        let seen = |pool| {
            let s = table.get((PoolId(pool), select)).unwrap();
            (&*s.text, s.calls, s.rows, s.times.sum_us(), s.longest)
        };
        let ms = Duration::from_millis;
        assert_eq!(seen(1), ("select $1", 3, 6, 12_000, ms(4)));
        assert_eq!(seen(2), ("select $1", 1, 2, 11_000, ms(11)));
        let mut costs: Vec<_> = table.costs().map(|((pool, _), us)| (pool.0, us)).collect();
        costs.sort_unstable();
        assert_eq!(costs, [(1, 10_000), (1, 12_000), (2, 11_000)]);

        let mut left = StatementTable::default();
        left.known.clone_from(&table.known);
        left.forget(PoolId(1));
        assert!(left.known.keys().all(|(pool, _)| *pool == PoolId(2)));
        assert!(left.text(PoolId(2), select).is_some());

        let mut both = table.get((PoolId(1), select)).unwrap().clone();
        both.merge(table.get((PoolId(2), select)).unwrap());
        let merged = (both.calls, both.rows, both.times.sum_us(), both.longest);
        assert_eq!(merged, (4, 8, 23_000, ms(11)));
    }

    #[test]
    fn everything_of_a_statement_adds_up() {
        let ms = Duration::from_millis;
        let (mut table, mut trace) = (StatementTable::default(), Trace::default());
        let select = Fingerprint::of(b"select 7", true);
        let seen = |s: &Statement| {
            let times = (s.times.count(), s.times.sum_us(), s.longest);
            (s.calls, s.errors, s.rows, s.bytes, times)
        };
        run(&mut trace, "select 1", ms(1));
        table.take(PoolId(1), &mut trace);
        // Two at once, which share the time; the second one fails.
        trace.resume(Time(0));
        trace.begin();
        for (answered, has_failed) in [(100, false), (150, true)] {
            let statement = trace.query(Text::of_query(b"select 2\0"), &Parameters::default());
            trace.completed(b"SELECT 3\0");
            trace.ended(statement, answered, has_failed);
        }
        trace.read(Time(0) + ms(30));
        table.take(PoolId(1), &mut trace);
        let mut all = table.get((PoolId(1), select)).unwrap().clone();
        assert_eq!(seen(&all), (3, 1, 8, 150, (3, 31_000, ms(15))));
        let other = all.clone();
        all.merge(&other);
        assert_eq!(seen(&all), (6, 2, 16, 300, (6, 62_000, ms(15))));
    }

    #[test]
    fn the_cheaper_half_is_forgotten_when_there_is_no_room() {
        let costs: [fn(u64) -> u64; 4] = [
            |_| 5,
            |n| 5 + n,
            |n| if n % 4 == 0 { 9 } else { 5 },
            |n| if n % 4 == 0 { 5 } else { 9 },
        ];
        for cost in costs {
            let (mut table, mut trace) = (StatementTable::default(), Trace::default());
            let mut run_one = |table: &mut StatementTable, n: u64| {
                let took = Duration::from_micros(cost(n));
                run(&mut trace, &format!("select c{n}"), took);
                table.take(PoolId(1), &mut trace);
            };
            let many = STATEMENTS_KEPT_MAX as u64;
            for n in 0..many {
                run_one(&mut table, n);
            }
            // There is room for one that is known.
            run_one(&mut table, many - 1);
            let mut before: Vec<u64> = table.costs().map(|(_, us)| us).collect();
            assert_eq!(before.len(), STATEMENTS_KEPT_MAX);
            before.sort_unstable();
            let mut expected = before.split_off(STATEMENTS_KEPT_MAX / 2);
            run_one(&mut table, many);
            expected.push(cost(many));
            expected.sort_unstable();
            let mut kept: Vec<u64> = table.costs().map(|(_, us)| us).collect();
            kept.sort_unstable();
            assert_eq!(kept, expected);
        }
    }

    #[test]
    fn what_was_only_parsed_costs_nothing() {
        let (mut table, mut trace) = (StatementTable::default(), Trace::default());
        let parsed = Fingerprint::of(b"select 1", true);
        run(&mut trace, "select a", Duration::from_micros(5));
        trace.parse(b"", Text::of_parse(b"select 1"), &Parameters::default());
        table.take(PoolId(1), &mut trace);
        assert_eq!(table.text(PoolId(1), parsed), Some("select $1"));
        let costs: Vec<_> = table.costs().map(|((_, id), us)| (id, us)).collect();
        assert_eq!(costs, [(Fingerprint::of(b"select a", true), 5)]);
    }

    #[test]
    fn a_flood_of_statements_drives_out_the_cheap_and_texts_come_back() {
        let (mut table, mut trace) = (StatementTable::default(), Trace::default());
        let dear = Fingerprint::of(b"select dear", true);
        run(&mut trace, "select dear", Duration::from_secs(1));
        table.take(PoolId(1), &mut trace);
        for n in 0..10 * STATEMENTS_KEPT_MAX {
            run(
                &mut trace,
                &format!("select c{n}"),
                Duration::from_micros(5),
            );
            table.take(PoolId(1), &mut trace);
            assert!(table.known.len() <= STATEMENTS_KEPT_MAX);
        }
        assert_eq!(table.text(PoolId(1), dear), Some("select dear"));
        let statement = |n| format!("select c{n}");
        let text = |table: &StatementTable, n| {
            let id = Fingerprint::of(statement(n).as_bytes(), true);
            table.text(PoolId(1), id).map(str::to_owned)
        };
        let driven_out = (0..STATEMENTS_KEPT_MAX).find(|&n| text(&table, n).is_none());
        let driven_out = driven_out.expect("of many that cost the same most are gone");
        // A server learns with what it gives that texts are wanted again.
        for _ in 0..2 {
            run(&mut trace, &statement(driven_out), Duration::from_micros(5));
            table.take(PoolId(1), &mut trace);
        }
        assert_eq!(text(&table, driven_out), Some(statement(driven_out)));
    }
}
