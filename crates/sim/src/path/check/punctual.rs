//! What has a time is done in time: not before, and not long after.

use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_pool::relay::Hold;
use pgweir_pool::session::Overdue;
use pgweir_pool::time::Time;

use crate::path::shell::PoolCell;

/// How long a server may be cleaned before it is given up.
const CLEANING_MAX: Duration = Duration::from_secs(5);

/// What the clocks of workers are behind, and then some.
const LAG_MAX: Duration = Duration::from_millis(5);

/// A client that waits since `since` is refused because that was too long.
pub(in crate::path) fn refused(client: u64, since: Time, pool: &PoolCell) {
    let (wait_min, latest) = pool.patience();
    assert!(
        latest - since >= wait_min,
        "punctual: c{client} is refused after {:?}, and no wait is shorter than {wait_min:?}",
        latest - since
    );
}

/// Between two events a cancel request of a client is due, or not: it was put off while the pooler's
/// own queries ran.
pub(in crate::path) fn cancels(client: u64, is_due: bool) {
    assert!(
        !is_due,
        "punctual: a cancel request of c{client} was put off, and is forgotten"
    );
}

/// A server is being cleaned for so long; its worker looks at the clock every `sweep`.
pub(in crate::path) fn cleans(server: ServerId, time: Duration, sweep: Duration) {
    assert!(
        time <= CLEANING_MAX + 2 * sweep + LAG_MAX,
        "punctual: {server} is cleaned for {time:?}"
    );
}

/// A client that a worker has just swept has passed a limit, or not.
pub(in crate::path) fn ends(client: u64, overdue: Option<Overdue>) {
    assert_eq!(
        overdue, None,
        "punctual: c{client} passed a limit, and its session goes on"
    );
}

/// The server of a client that a worker has just swept owes the pooler an answer for too long, or not.
pub(in crate::path) fn joins(client: u64, is_stuck: bool) {
    assert!(
        !is_stuck,
        "punctual: c{client} waits for a server that does not answer the pooler"
    );
}

/// A client of a worker that was told of the shutdown waits for a server, or has a server in the middle
/// of a transaction, or has answers that it did not read: who does nothing has been sent away.
pub(in crate::path) fn leaves(client: u64, waits: bool, hold: Option<Hold>, unsent: usize) {
    let is_busy = matches!(hold, Some(Hold::Busy | Hold::InTransaction)) || unsent > 0;
    assert!(
        !waits && is_busy,
        "punctual: c{client} stays, and the pooler shuts down"
    );
}

/// A client of a worker that was told to let nobody wait for a server any more waits, or not.
pub(in crate::path) fn has_no_wait(client: u64, waits: bool) {
    assert!(
        !waits,
        "punctual: c{client} waits for a server, and the pooler gives none any more"
    );
}

/// A session ends because the pooler shuts down; whether a worker was told that it does.
pub(in crate::path) fn shuts_down(is_shutdown: bool, is_told: bool) {
    assert!(
        !is_shutdown || is_told,
        "punctual: a session ends for a shutdown that nobody spoke of"
    );
}

/// The rules of a client are those of its pool, or its worker is about to be told of others.
pub(in crate::path) fn heeds(client: u64, is_current: bool) {
    assert!(
        is_current,
        "punctual: c{client} lives by rules that its pool had before"
    );
}
