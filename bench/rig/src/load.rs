//! The closed-loop load: each client sends its next batch when the one before is answered.

use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Report;
use crate::fleet::{CLOSED, Fleet};
use crate::latencies::Latencies;
use crate::summary::{Progress, Summary, micros};
use crate::workload::Workload;

/// How long and how hard to load.
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// Transactions before this are not counted: the pooler opens its servers in it.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Transactions per second to start over all clients; `None` for as many as go.
    pub(crate) rate: Option<f64>,
    pub(crate) progress: Duration,
}

/// One client, seen from the load.
#[derive(Clone, Copy)]
enum State {
    /// May send its next batch, as far as the rate allows.
    Idle,
    /// Waits for the answer of its setup.
    Setup,
    /// Waits for this many transactions of a batch sent at this time.
    Busy { sent: Instant, left: u32 },
    /// The server closed the connection.
    Gone,
}

/// A run, from the first batch on.
struct Load {
    fleet: Fleet,
    workload: Workload,
    states: Vec<State>,
    /// Idle clients that the rate holds back, the one to go next first.
    held: std::collections::VecDeque<usize>,
    rate: Option<Pace>,
    /// Only what was sent after this is counted.
    counted_from: Instant,
    counts: Vec<u64>,
    count: u64,
    rows: u64,
    latencies: Latencies,
}

/// A rate and how much of it was used.
struct Pace {
    per_second: f64,
    start: Instant,
    started: f64,
}

impl Pace {
    /// When the next batch may start.
    fn next(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.started / self.per_second)
    }
}

/// Runs the load and returns what it measured.
pub(crate) fn run(mut fleet: Fleet, workload: Workload, plan: &Plan) -> io::Result<Summary> {
    let clients = fleet.log_in(plan.clients)?;
    let most = clients.iter().max().map_or(0, |id| id + 1);
    let mut states = vec![State::Gone; most];
    for &id in &clients {
        states[id] = State::Idle;
    }
    set_up(&mut fleet, &workload, &mut states)?;

    let start = Instant::now();
    let counted_from = start + plan.warm_up;
    let end = counted_from + plan.duration;
    let mut load = Load {
        fleet,
        workload,
        held: std::collections::VecDeque::new(),
        rate: plan.rate.map(|per_second| Pace {
            per_second,
            start,
            started: 0.0,
        }),
        counted_from,
        counts: vec![0; states.len()],
        states,
        count: 0,
        rows: 0,
        latencies: Latencies::new(),
    };
    for &id in &clients {
        load.start_batch(id);
    }
    let mut progress = Progress::new(counted_from, plan.progress);
    let mut reports = Vec::new();
    loop {
        let now = Instant::now();
        if now >= end {
            break;
        }
        progress.show(now, load.count)?;
        load.release(now);
        load.fleet
            .wait(load.next_deadline(progress.next().min(end)))?;
        while let Some(id) = load.fleet.next_event(&mut reports) {
            for report in &reports {
                load.on_report(id, *report);
            }
        }
    }
    progress.finish(load.count)?;
    Ok(load.summary(&clients, plan))
}

/// Sends every client's setup and waits for the answers.
fn set_up(fleet: &mut Fleet, workload: &Workload, states: &mut [State]) -> io::Result<()> {
    let mut waiting = 0;
    for (id, state) in states.iter_mut().enumerate() {
        let mut sent = false;
        if matches!(state, State::Idle) {
            fleet.send(id, |out| sent = workload.push_setup(out, id));
        }
        if sent {
            *state = State::Setup;
            waiting += 1;
        }
    }
    let deadline = Instant::now() + SETUP_TIMEOUT;
    let mut reports = Vec::new();
    while waiting > 0 && Instant::now() < deadline {
        fleet.wait(deadline)?;
        while let Some(id) = fleet.next_event(&mut reports) {
            for report in &reports {
                let (error, next) = match *report {
                    Report::LoggedIn => continue,
                    Report::Ready { error, .. } => (error, State::Idle),
                    Report::Closed { error } => (Some(error.unwrap_or(CLOSED)), State::Gone),
                };
                fleet.count_error("setup ", error);
                waiting -= usize::from(matches!(states[id], State::Setup));
                states[id] = next;
            }
        }
    }
    if waiting > 0 {
        let message = format!("{waiting} clients got no answer to Parse in {SETUP_TIMEOUT:?}");
        return Err(io::Error::new(io::ErrorKind::TimedOut, message));
    }
    Ok(())
}

/// A pooler in transaction mode that pins prepared statements can never answer more clients than
/// it has servers; better to say so than to hang.
const SETUP_TIMEOUT: Duration = Duration::from_secs(20);

impl Load {
    fn start_batch(&mut self, id: usize) {
        if !matches!(self.states[id], State::Idle) {
            return;
        }
        if let Some(pace) = &mut self.rate {
            if pace.next() > Instant::now() {
                self.held.push_back(id);
                return;
            }
            pace.started += f64::from(self.workload.pipeline);
        }
        let Self {
            fleet, workload, ..
        } = self;
        // The clock is read before the batch is made, so that the time to write it counts.
        let sent = Instant::now();
        fleet.send(id, |out| workload.push_batch(out));
        self.states[id] = State::Busy {
            sent,
            left: workload.pipeline,
        };
    }

    /// Starts batches of held clients that are due.
    fn release(&mut self, now: Instant) {
        while self.rate.as_ref().is_some_and(|pace| pace.next() <= now) {
            let Some(id) = self.held.pop_front() else {
                return;
            };
            self.start_batch(id);
        }
    }

    /// `deadline`, or the time of the next held client if that is sooner.
    fn next_deadline(&self, deadline: Instant) -> Instant {
        match &self.rate {
            Some(pace) if !self.held.is_empty() => pace.next().min(deadline),
            _ => deadline,
        }
    }

    fn on_report(&mut self, id: usize, report: Report) {
        match report {
            Report::LoggedIn => {}
            Report::Ready { rows, error } => {
                let State::Busy { sent, left } = self.states[id] else {
                    return;
                };
                self.fleet.count_error("", error);
                if sent >= self.counted_from && error.is_none() {
                    self.count += 1;
                    self.counts[id] += 1;
                    self.rows += u64::from(rows);
                    self.latencies.record(sent.elapsed());
                }
                if left > 1 {
                    self.states[id] = State::Busy {
                        sent,
                        left: left - 1,
                    };
                } else {
                    self.states[id] = State::Idle;
                    self.start_batch(id);
                }
            }
            Report::Closed { error } => {
                self.fleet.count_error("", Some(error.unwrap_or(CLOSED)));
                self.states[id] = State::Gone;
            }
        }
    }

    fn summary(self, clients: &[usize], plan: &Plan) -> Summary {
        let alive = self
            .states
            .iter()
            .filter(|state| !matches!(state, State::Gone))
            .count();
        // A client that still waits has waited at least this long: a starved one never answers.
        let waiting = self.states.iter().filter_map(|state| match state {
            State::Busy { sent, .. } => Some(sent.elapsed()),
            _ => None,
        });
        let longest = waiting.max().unwrap_or_default().max(self.latencies.max());
        let mut counts: Vec<u64> = clients.iter().map(|&id| self.counts[id]).collect();
        counts.sort_unstable();
        let at = |index: usize| counts.get(index).copied().unwrap_or(0);
        let more = vec![
            ("rows", json!(self.rows)),
            ("longest_wait_us", micros(longest)),
            ("clients", json!(plan.clients)),
            ("clients_at_end", json!(alive)),
            ("client_min", json!(at(0))),
            ("client_median", json!(at(counts.len() / 2))),
            ("client_max", json!(counts.last().copied().unwrap_or(0))),
        ];
        Summary {
            what: "transactions",
            count: self.count,
            seconds: plan.duration.as_secs_f64(),
            latencies: self.latencies,
            errors: self.fleet.errors().clone(),
            derivations: self.fleet.derivations(),
            more,
        }
    }
}
