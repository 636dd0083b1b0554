//! When nothing fails any more, everyone gets to the end of what it does.

use std::time::Duration;

/// How long after the faults stopped everyone has to be done: far beyond what any program takes
/// that waits for all others.
pub(in crate::path) const LIVE_MAX: Duration = Duration::from_secs(120);

/// Panics with the `stuck` ones, if any.
pub(in crate::path) fn everyone_is_done(stuck: &[String]) {
    assert!(
        stuck.is_empty(),
        "live: these do not get to their end: {stuck:#?}"
    );
}
