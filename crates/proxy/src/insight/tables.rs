//! The tables of statements, several of them: with one, the threads would wait for each other with
//! every transaction.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ServerId;
use pgweir_pool::statements::{Statement, StatementKey, StatementTable};
use pgweir_pool::trace::Trace;
use pgweir_sql::fingerprint::Fingerprint;

/// One table for each worker. What a server does is always counted in the same one, for the server
/// remembers which texts that has. Each lock is held for a moment, and none while another is.
pub(super) struct Tables(Vec<Mutex<StatementTable>>);

impl Tables {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// Takes what a server of `pool` has collected.
    pub(super) fn take(&self, pool: PoolId, server: ServerId, trace: &mut Trace) {
        let table = server.0 % self.0.len() as u64;
        self.lock(table as usize).take(pool, trace);
    }

    /// Forgets what a pool did.
    pub(super) fn forget(&self, pool: PoolId) {
        for table in 0..self.0.len() {
            self.lock(table).forget(pool);
        }
    }

    /// Text of a statement, without literals.
    pub(super) fn text(&self, pool: PoolId, statement: Fingerprint) -> Option<String> {
        let text = |table| self.lock(table).text(pool, statement).map(str::to_owned);
        (0..self.0.len()).find_map(text)
    }

    /// The statements that took the most time together, with that one first.
    pub(super) fn top(&self, many: usize) -> Vec<(StatementKey, Statement)> {
        let mut costs = BTreeMap::<StatementKey, u64>::new();
        for table in 0..self.0.len() {
            for (key, us) in self.lock(table).costs() {
                let cost = costs.entry(key).or_default();
                *cost = cost.saturating_add(us);
            }
        }
        let mut keys: Vec<_> = costs.into_iter().collect();
        keys.sort_unstable_by_key(|(key, us)| (Reverse(*us), *key));
        keys.truncate(many);
        let mut top: Vec<_> = (keys.iter())
            .map(|(key, _)| (*key, Statement::default()))
            .collect();
        for table in 0..self.0.len() {
            let table = self.lock(table);
            for (key, statement) in &mut top {
                if let Some(part) = table.get(*key) {
                    statement.merge(part);
                }
            }
        }
        top
    }

    fn lock(&self, table: usize) -> MutexGuard<'_, StatementTable> {
        self.0[table].lock().expect("no panic under the lock")
    }
}
