//! What a run measured: progress while it goes on, one JSON object or a few lines at its end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::latencies::Latencies;

/// Prints a line `progress SECONDS COUNT` at the start of a measurement, at regular times, and at
/// its end, so that who watches other processes can read their counters at the same moments.
pub(crate) struct Progress {
    interval: Duration,
    next: Instant,
}

impl Progress {
    pub(crate) fn new(start: Instant, interval: Duration) -> Self {
        Self {
            interval,
            next: start,
        }
    }

    /// When the next line is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Prints a line if one is due.
    pub(crate) fn show(&mut self, now: Instant, count: u64) -> io::Result<()> {
        if now >= self.next {
            self.next += self.interval;
            print_progress(count)?;
        }
        Ok(())
    }

    /// Prints the last line.
    pub(crate) fn finish(self, count: u64) -> io::Result<()> {
        print_progress(count)
    }
}

fn print_progress(count: u64) -> io::Result<()> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut out = io::stdout().lock();
    writeln!(out, "progress {:.6} {count}", since.as_secs_f64())?;
    out.flush()
}

/// The result of a run.
pub(crate) struct Summary {
    /// What was counted: transactions or connections.
    pub(crate) what: &'static str,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) latencies: Latencies,
    pub(crate) errors: BTreeMap<String, u64>,
    /// How often a password was hashed; far more than once means that the client was slow.
    pub(crate) derivations: u64,
    /// Further results by name.
    pub(crate) more: Vec<(&'static str, Value)>,
}

impl Summary {
    /// Prints the result on standard output.
    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        let per_second = self.count as f64 / self.seconds;
        let quantile = |share| micros(self.latencies.quantile(share));
        let mut fields = vec![
            (self.what, json!(self.count)),
            ("seconds", json!(self.seconds)),
            ("per_second", json!(per_second)),
            ("p50_us", quantile(0.5)),
            ("p99_us", quantile(0.99)),
            ("p99_9_us", quantile(0.999)),
            ("max_us", micros(self.latencies.max())),
        ];
        fields.extend(self.more.iter().cloned());
        fields.push(("derivations", json!(self.derivations)));
        fields.push(("errors", json!(self.errors)));

        let mut out = io::stdout().lock();
        if as_json {
            let object: serde_json::Map<_, _> = fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            writeln!(out, "{}", Value::Object(object))?;
        } else {
            for (name, value) in fields {
                writeln!(out, "{name:<18} {value}")?;
            }
        }
        out.flush()
    }
}

/// A duration as JSON, in microseconds.
pub(crate) fn micros(duration: Duration) -> Value {
    json!((duration.as_nanos() as f64 / 100.0).round() / 10.0)
}
