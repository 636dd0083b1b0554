//! When everybody has left, nothing is held for anybody.

use pgweir_pool::budget::PoolId;
use pgweir_pool::pool::Counts;

/// What a pool counts, and how many servers lie in its stock.
pub(in crate::path) fn pool(pool: PoolId, counts: Counts, clients: u32, parked: usize) {
    assert_eq!(clients, 0, "over: {pool:?} counts clients that left");
    assert_eq!(counts.waiting, 0, "over: {pool:?} keeps a place for nobody");
    assert_eq!(
        counts.active, 0,
        "over: {pool:?} counts servers that nobody holds as held"
    );
    assert_eq!(
        counts.idle as usize, parked,
        "over: {pool:?} counts its idle servers wrong"
    );
}

/// Parked servers that a worker hears, the servers in the workers' tables, and the streams that are
/// heard.
pub(in crate::path) fn tables(parked: usize, residents: usize, heard: usize) {
    assert_eq!(
        residents, parked,
        "over: a slot is kept for a server that does not live there"
    );
    assert_eq!(heard, parked, "over: a stream that nobody has is heard");
}

/// Servers of all pools, and the connections that their budget believes in use.
pub(in crate::path) fn budget(servers: u32, used: u32) {
    assert_eq!(
        used, servers,
        "over: the budget counts connections that are not there"
    );
}

/// Logins of servers that failed, as the pools count them, and as they were.
pub(in crate::path) fn failures(counted: u64, failed: u64) {
    assert_eq!(counted, failed, "over: failed logins are counted wrong");
}

/// Statements that a pool has counted, and those that its servers keep.
pub(in crate::path) fn statements(counted: u64, kept: u64) {
    assert_eq!(counted, kept, "over: statements of servers are miscounted");
}
