//! Other processes, seen and signalled from outside.

use std::fs;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Sends a signal.
///
/// # Panics
/// If there is no such process.
#[track_caller]
pub fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process number"), signal).expect("the process is there");
}

/// Sends a signal to a process that may have ended; whether it was there.
pub fn try_kill(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Memory that a process has in RAM now, in bytes.
pub fn memory_now(pid: u32) -> u64 {
    status(pid, "VmRSS")
}

/// The most memory that a process ever had in RAM, in bytes.
pub fn memory_peak(pid: u32) -> u64 {
    status(pid, "VmHWM")
}

fn status(pid: u32, name: &str) -> u64 {
    let text =
        fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux, and a live process");
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .expect("memory in its status");
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}
