//! Nobody waits for an event that has been.

use pgweir_pool::id::ServerId;

/// A parked server said something of which no event is due, or not.
pub(in crate::path) fn parked(server: ServerId, missed: bool) {
    assert!(!missed, "heard: {server} said something unheard");
}

/// As [`parked`], for a server that a client holds or that is being cleaned: unless it is read anyway.
pub(in crate::path) fn busy(server: ServerId, missed: bool, may_read: bool) {
    assert!(
        !missed || may_read,
        "heard: {server} said something unheard, and is waited for"
    );
}
