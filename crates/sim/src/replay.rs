//! Tells how to repeat a run that failed, whichever assertion stopped it.
//!
//! A panic hook does it, because a release build aborts and has nothing to catch.

use std::cell::Cell;
use std::panic;

use crate::level::Level;

thread_local! {
    static RUNNING: Cell<Option<(Level, u64)>> = const { Cell::new(None) };
}

/// What a failing run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The process exits with status 1.
    Exit,
    /// The panic goes on, to fail a test.
    Unwind,
}

/// From here on a panic during a run also prints the command that repeats it.
pub fn announce(then: Then) {
    let earlier = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        earlier(info);
        if let Some((level, seed)) = RUNNING.get() {
            eprintln!(
                "seed {seed} failed; replay it with\n    \
                 cargo run -p pgweir-sim -- --level {} --first {seed} --seeds 1 --trace",
                level.name()
            );
        }
        if then == Then::Exit {
            std::process::exit(1);
        }
    }));
}

/// Remembers what this thread runs.
pub(crate) fn running(level: Level, seed: u64) {
    RUNNING.set(Some((level, seed)));
}
