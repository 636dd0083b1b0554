//! Who waits for a server has a place in the queue of its pool, and nobody else has one.

use pgweir_pool::budget::PoolId;
use pgweir_pool::pool::Counts;

/// So many clients wait, and no answer to them is under way.
pub(in crate::path) fn holds(pool: PoolId, counts: Counts, waiting: u32) {
    assert_eq!(
        counts.waiting, waiting,
        "queue: places are kept in {pool:?}, and so many wait for one"
    );
}

/// A client hung up while it waited, and its worker has heard that.
pub(in crate::path) fn hangs_up(client: u64, waits: Option<u64>) {
    assert_eq!(
        waits, None,
        "queue: c{client} hung up, and keeps its place in the queue"
    );
}
