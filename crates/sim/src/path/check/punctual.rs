//! A client is refused for its wait, and not for one that is over.

use pgweir_pool::time::Time;

use crate::path::shell::PoolCell;

/// A client that waits since `since` is refused because that was too long.
pub(in crate::path) fn refused(client: u64, since: Time, pool: &PoolCell) {
    let (wait_min, latest) = pool.patience();
    assert!(
        latest - since >= wait_min,
        "punctual: c{client} is refused after {:?}, and no wait is shorter than {wait_min:?}",
        latest - since
    );
}
