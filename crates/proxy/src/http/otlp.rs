//! Pushing metrics to an OpenTelemetry collector: OTLP over HTTP, in JSON.
//!
//! One push at a time, from the thread of HTTP, with a time limit; what could not be pushed is not
//! kept, for the next push has all of it (counters are since the start). Plain `http://` only: a
//! collector stands beside the pooler.
//!
//! Source: opentelemetry.io, "OTLP Specification" (OTLP/HTTP, JSON encoding) and
//! opentelemetry-proto, `metrics.proto`.

mod metrics;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

pub(super) use metrics::Metrics;

use super::exposition::Exposition;
use super::metrics as names;
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use pgweir_config::Otlp;

/// Time for one push, from connecting to the answer.
const PUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read in search of its first line's end.
const LINE_LEN_MAX: usize = 4 * 1024;

/// Bytes of an answer that are read at all. It is a few dozen where all is well, and a sentence
/// where not.
const ANSWER_LEN_MAX: u64 = 64 * 1024;

/// Time for the rest of an answer, once its first line is there.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a push failed.
#[derive(Debug)]
enum Failure {
    /// The collector cannot be reached, or the connection broke.
    Io(io::Error),
    /// It took longer than `PUSH_TIMEOUT`.
    Timeout,
    /// It answered, but not that all is well.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Timeout => write!(f, "no answer within {} s", PUSH_TIMEOUT.as_secs()),
            Self::Refused(status) => write!(f, "the answer was {status:?}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Pushes for ever, if the configuration says where to.
pub(super) async fn run(registry: Arc<Registry>) {
    let http = registry.config().http.clone();
    let (Some(otlp), Some(period)) = (http.otlp, http.otlp_interval) else {
        return std::future::pending().await;
    };
    let started = SystemTime::now();
    let mut due = interval(period);
    // A slow collector must not be followed by a burst.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_well = None;
    loop {
        due.tick().await;
        let text = render(&registry, started);
        let outcome = match timeout(PUSH_TIMEOUT, push(&otlp, &text)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout),
        };
        let is_well = Some(outcome.is_ok());
        if is_well != was_well {
            match outcome {
                Ok(()) => info!("metrics are pushed to {otlp}"),
                Err(failure) => warn!("metrics cannot be pushed to {otlp}: {failure}"),
            }
        }
        was_well = is_well;
    }
}

fn render(registry: &Registry, started: SystemTime) -> String {
    let snapshot = Snapshot::take(registry);
    let mut out = Exposition::otlp(Metrics::new(&snapshot, started));
    // Under our own names only: the others are for what scrapes already.
    names::write(&snapshot, &mut out);
    out.finish()
}

/// Sends one request, and reads what became of it.
async fn push(otlp: &Otlp, text: &str) -> Result<(), Failure> {
    let mut stream = TcpStream::connect((otlp.host.as_str(), otlp.port)).await?;
    // HTTP/1.0 with one request per connection: no chunks to read, and a push is rare.
    let head = format!(
        "POST {} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
         User-Agent: pgweir/{}\r\nContent-Length: {}\r\n\r\n",
        otlp.path,
        otlp.authority(),
        env!("CARGO_PKG_VERSION"),
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut stream = stream.take(ANSWER_LEN_MAX);
    while !answer.contains(&b'\n') && answer.len() < LINE_LEN_MAX {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    // That line is all that matters. The rest is read because closing before it is would reset the
    // connection, which the collector would take for an error; but a peer that stays connected is
    // not waited for long, and how the rest ends does not matter.
    let _ = timeout(REST_TIMEOUT, copy(&mut stream, &mut sink())).await;
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status.starts_with(b"2") {
        return Ok(());
    }
    let shown = &line[..line.len().min(100)];
    Err(Failure::Refused(
        String::from_utf8_lossy(shown).into_owned(),
    ))
}

#[cfg(test)]
mod tests;
