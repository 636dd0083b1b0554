//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Time within which anything must happen that happens at once on an idle machine. Two cores may
/// run a compiler beside the tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within [`PATIENCE`]; `what` says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
