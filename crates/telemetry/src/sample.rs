//! What metrics are made of, whatever they are written as.

use std::fmt;
use std::time::Duration;

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// It only rises. Its samples are named with `_total` behind, which the family's name leaves
    /// out.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

/// A family with a sample for each of several `T`: its name, its help, and how a sample is read.
pub(crate) type Reading<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// A label's name and value.
pub(crate) type Label<'a> = (&'a str, &'a str);

/// A sample's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SampleValue {
    /// Things.
    Count(u64),
    /// Anything else.
    Real(f64),
}

impl SampleValue {
    /// Microseconds, as seconds.
    pub(crate) fn micros(us: u64) -> Self {
        Self::Real(us as f64 / 1e6)
    }
}

impl From<u64> for SampleValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for SampleValue {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<usize> for SampleValue {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for SampleValue {
    fn from(fact: bool) -> Self {
        Self::Count(fact.into())
    }
}

impl From<Duration> for SampleValue {
    fn from(duration: Duration) -> Self {
        Self::Real(duration.as_secs_f64())
    }
}

impl fmt::Display for SampleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            // OpenMetrics wants bounds of buckets as floats: 1.0, not 1.
            Self::Real(real) => write!(f, "{real:?}"),
        }
    }
}
