//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Time within which anything must happen that happens at once on an idle machine. Two cores may
/// run a compiler beside the tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at a condition that is cheap to check.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within [`PATIENCE`]; `what` says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    eventually_every(PAUSE, what, condition)
}

/// Waits until `condition` gives a value, with a `pause` between two looks: some conditions cost
/// more to check than what is tested.
///
/// # Panics
/// When it does not within [`PATIENCE`]; `what` says what was waited for.
#[track_caller]
pub fn eventually_every<T>(
    pause: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(pause);
    }
}

/// Checks that `condition` holds for `time`. For claims that something does not happen: a slow
/// machine looks less often, which cannot make the check fail.
///
/// # Panics
/// When it does not hold; `what` says what does.
#[track_caller]
pub fn throughout(time: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    loop {
        // Read first, so that the last look comes after the end.
        let over = Instant::now() >= end;
        assert!(condition(), "does not last: {what}");
        if over {
            return;
        }
        thread::sleep(PAUSE);
    }
}
