//! The one clock: the pure core counts from the start of the process.

use std::time::Instant;

use pgweir_pool::time::Time;

/// Turns the system's monotonic clock into [`Time`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Time {
        let micros = self.start.elapsed().as_micros();
        Time(u64::try_from(micros).expect("the process is younger than half a million years"))
    }
}
