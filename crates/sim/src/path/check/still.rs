//! Still: what was stopped does not move.
//!
//! * A paused pool keeps no server that nobody holds.
//! * While workers are suspended, no byte is read from or written to a client whose session keeps none.

use pgweir_pool::pool::Pool;

/// A pool, with so many servers that nobody holds.
pub(in crate::path) fn pauses(pool: &Pool, parked: usize) {
    assert!(
        !pool.is_paused() || parked == 0,
        "still: a paused pool keeps {parked} servers"
    );
}

/// A session is still, and was when `before` bytes had moved at its client's stream.
pub(in crate::path) fn rests(client: u64, before: Option<u64>, moved: u64) {
    assert!(
        before.is_none_or(|before| before == moved),
        "still: {moved} bytes have moved at c{client}, and {before:?} before, though it is suspended"
    );
}
