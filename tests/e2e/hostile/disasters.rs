//! What happens to PostgreSQL itself while clients do harm: processes are killed or stopped, and it restarts.
//!
//! A canary may lose its session to that, with an error that says so. It never meets another's answer or settings,
//! and a process that only stands still for a moment costs it nothing but the moment.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{Postgres, Role, Signal, eventually, try_kill};

use super::Dice;

/// Between two of them, with up to as much again.
const PAUSE: Duration = Duration::from_secs(3);

/// How long a process stands still at most.
const STOPPED_MAX: u64 = 1_500;

/// Behind one in which sessions are lost: until the pooler tries again, and then some.
const GRACE: Duration = Duration::from_secs(2);

/// Sessions are lost now, or were at some moment.
#[derive(Default)]
pub(super) struct Troubles {
    begun: AtomicU64,
    over: AtomicU64,
}

/// A moment at which there was no trouble, or there was.
pub(super) struct Moment(Option<u64>);

impl Troubles {
    pub(super) fn moment(&self) -> Moment {
        let over = self.over.load(Ordering::SeqCst);
        let is_quiet = self.begun.load(Ordering::SeqCst) == over;
        Moment(is_quiet.then_some(over))
    }

    /// Whether there was trouble at some moment since.
    pub(super) fn since(&self, moment: &Moment) -> bool {
        moment.0 != Some(self.begun.load(Ordering::SeqCst))
    }

    /// Sessions may be lost while `work` is done, and until PostgreSQL and the pooler are back.
    fn during(&self, postgres: &mut Postgres, work: impl FnOnce(&mut Postgres)) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        work(postgres);
        eventually("PostgreSQL is back", || postgres.try_value("select 1"));
        thread::sleep(GRACE);
        self.over.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lets things happen until `end`.
pub(super) fn strike(
    (postgres, role): (&mut Postgres, &Role),
    troubles: &Troubles,
    (seed, end): (u64, Instant),
    counts: &Mutex<BTreeMap<&str, u64>>,
) {
    let mut dice = Dice::new(seed);
    loop {
        thread::sleep(PAUSE + PAUSE * dice.below(100) as u32 / 100);
        if Instant::now() + Duration::from_millis(STOPPED_MAX) >= end {
            return;
        }
        let backends = backends(postgres, role);
        let Some(&pid) = backends.get(dice.below(backends.len().max(1) as u64) as usize) else {
            continue;
        };
        let name = match dice.below(6) {
            0 => {
                troubles.during(postgres, |_| {
                    try_kill(pid, Signal::KILL);
                });
                "a backend is killed with -9"
            }
            1 => {
                troubles.during(postgres, Postgres::restart);
                "PostgreSQL restarts"
            }
            2 => {
                stop(&parent(pid), &mut dice);
                "the postmaster stands still"
            }
            3 => {
                stop(&backends, &mut dice);
                "all backends stand still"
            }
            _ => {
                stop(&[pid], &mut dice);
                "a backend stands still"
            }
        };
        *counts.lock().unwrap().entry(name).or_default() += 1;
    }
}

/// Processes that serve the pooler.
fn backends(postgres: &Postgres, role: &Role) -> Vec<u32> {
    let sql = format!(
        "select string_agg(pid::text, ' ') from pg_stat_activity where usename = '{}'",
        role.name
    );
    let pids = postgres.try_value(&sql).unwrap_or_default();
    pids.split(' ').filter_map(|pid| pid.parse().ok()).collect()
}

/// The process that began this one, if it still runs.
fn parent(pid: u32) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines();
    let pid = lines.find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    pid.into_iter().collect()
}

/// Has processes stand still, and go on. Some may have ended.
fn stop(pids: &[u32], dice: &mut Dice) {
    let stopped: Vec<_> = pids
        .iter()
        .filter(|&&pid| try_kill(pid, Signal::STOP))
        .collect();
    thread::sleep(Duration::from_millis(dice.below(STOPPED_MAX)));
    for &pid in stopped {
        try_kill(pid, Signal::CONT);
    }
}
