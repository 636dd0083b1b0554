//! Connections as fast as they go: connect, log in, one query, goodbye, again.

use std::io;
use std::time::{Duration, Instant};

use pgweir_wire::encode;

use crate::client::Report;
use crate::fleet::{CLOSED, Fleet};
use crate::latencies::Latencies;
use crate::summary::{Progress, Summary};

/// How long and how hard to connect.
pub(crate) struct Plan {
    /// Connections in the works at any time.
    pub(crate) concurrency: usize,
    /// Connections before this are not counted.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) progress: Duration,
}

/// Runs and returns what it measured; a latency is that of a whole connection.
pub(crate) fn run(mut fleet: Fleet, plan: &Plan) -> io::Result<Summary> {
    let counted_from = Instant::now() + plan.warm_up;
    let end = counted_from + plan.duration;
    let mut progress = Progress::new(counted_from, plan.progress);
    let mut latencies = Latencies::new();
    let mut count = 0;
    let mut dialled = Vec::new();
    for _ in 0..plan.concurrency {
        dial(&mut fleet, &mut dialled)?;
    }
    let mut reports = Vec::new();
    loop {
        let now = Instant::now();
        if now >= end {
            break;
        }
        progress.show(now, count)?;
        fleet.wait(progress.next().min(end))?;
        while let Some(id) = fleet.next_event(&mut reports) {
            for report in &reports {
                match *report {
                    Report::LoggedIn => fleet.send(id, |out| encode::query(out, "SELECT 1")),
                    Report::Ready { error, .. } => {
                        fleet.count_error("", error);
                        fleet.close(id);
                        if error.is_none() && now >= counted_from {
                            count += 1;
                            latencies.record(dialled[id].elapsed());
                        }
                        dial(&mut fleet, &mut dialled)?;
                    }
                    Report::Closed { error } => {
                        fleet.count_error("", Some(error.unwrap_or(CLOSED)));
                        dial(&mut fleet, &mut dialled)?;
                    }
                }
            }
        }
    }
    progress.finish(count)?;
    Ok(Summary {
        what: "connections",
        count,
        seconds: plan.duration.as_secs_f64(),
        latencies,
        errors: fleet.errors().clone(),
        derivations: fleet.derivations(),
        more: Vec::new(),
    })
}

/// Starts a client and notes the time.
fn dial(fleet: &mut Fleet, dialled: &mut Vec<Instant>) -> io::Result<()> {
    let now = Instant::now();
    let id = fleet.dial()?;
    if id == dialled.len() {
        dialled.push(now);
    } else {
        dialled[id] = now;
    }
    Ok(())
}
