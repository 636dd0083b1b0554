//! What was found out about statements, holders, waits and locks, beyond what a snapshot has.

use pgweir_pool::waits::Cause;
use pgweir_pool::work::Totals;

use crate::live::{
    LiveBlocker, LiveHolder, LiveWaiter, NPlusOne, SlowQuery, TopStatement, WaitCause,
};
use crate::pools::PoolSnapshot;
use crate::remedies::remedy;

/// Statements and findings of each kind that are shown.
pub const FINDINGS_MAX: usize = 50;

/// What was found out; at most [`FINDINGS_MAX`] of each.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Those that took the most time together, the costliest first.
    pub statements: Vec<TopStatement>,
    /// The latest first.
    pub slow: Vec<SlowQuery>,
    /// The latest first.
    pub n_plus_one: Vec<NPlusOne>,
    /// Those whose locks most wait for first, then who is quiet for longest.
    pub holders: Vec<LiveHolder>,
    /// The longest wait first; what they wait for is found in the snapshot.
    pub waiters: Vec<LiveWaiter>,
    /// The one that most wait for first.
    pub blockers: Vec<LiveBlocker>,
    /// Who holds the locks that most wait for, in a sentence.
    pub blame: Option<String>,
}

/// Says what keeps the servers of their pools from those who wait.
pub(crate) fn explain(
    waiters: &mut [LiveWaiter],
    pools: &[PoolSnapshot],
    cause: impl Fn(&PoolSnapshot) -> Option<Cause>,
) {
    for waiter in waiters {
        let mut pools = pools.iter();
        let pool =
            pools.find(|pool| *pool.database == waiter.database && *pool.user == waiter.user);
        let cause = pool.and_then(&cause);
        waiter.cause = cause.map(|cause| cause.name().to_owned());
    }
}

/// The causes there are, or were as `counts` has them, that with the most waiters and then the most time first. `blame`
/// names who holds the locks that most wait for.
pub(crate) fn waits(
    pools: &[PoolSnapshot],
    of: impl Fn(&PoolSnapshot) -> Option<Cause>,
    counts: &Totals,
    blame: Option<String>,
) -> Vec<WaitCause> {
    let mut blame = blame;
    let mut causes: Vec<WaitCause> = Cause::ALL
        .into_iter()
        .map(|cause| {
            let waited = counts.waits[cause as usize];
            let waiting = pools.iter().filter(|pool| of(pool) == Some(cause));
            WaitCause {
                cause: cause.name().to_owned(),
                waiting: waiting.map(|pool| pool.counts.waiting).sum(),
                total: waited.count,
                total_ms: waited.us as f64 / 1e3,
                who: (cause == Cause::Locks).then(|| blame.take()).flatten(),
                hint: Some(remedy(cause).to_owned()),
            }
        })
        .filter(|cause| cause.waiting > 0 || cause.total > 0)
        .collect();
    causes.sort_by(|a, b| (b.waiting.cmp(&a.waiting)).then(b.total_ms.total_cmp(&a.total_ms)));
    causes
}
