//! What is shown of a pooler: plain data in, text and JSON out.
//!
//! A [`Snapshot`] is everything at one moment; somebody else takes it. From it and from what a
//! [`Recorder`] remembers of earlier ones come the live document ([`live`]), which the page and
//! `pgweir top` draw, the statistics ([`report`]) and the metrics ([`metrics`], [`compat`]), as text
//! to be scraped or as OTLP to be pushed. Nothing here has a lock, a clock, a socket or a file.

mod alarms;
mod causes;
pub mod compat;
mod events;
pub mod exposition;
pub mod findings;
mod headline;
mod history;
pub mod live;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod pools;
pub mod postgres;
mod queues;
pub mod recorder;
pub mod refusals;
pub mod remedies;
pub mod report;
mod sample;
pub mod schema;
pub mod services;
pub mod snapshot;
pub mod terms;
pub mod timestamp;
pub mod window;
pub mod words;

use std::time::Duration;

pub use live::Live;
pub use recorder::Recorder;
pub use snapshot::Snapshot;

/// Milliseconds, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
