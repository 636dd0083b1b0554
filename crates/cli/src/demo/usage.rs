//! CPU time and memory of a process.

use std::process::Command;
use std::time::Duration;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident set.
    pub(crate) memory_kib: u64,
}

impl Usage {
    /// Reads `/proc`, or runs `ps` where there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let file = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        match (file("stat"), file("status")) {
            (Some(stat), Some(status)) => {
                Self::from_proc(&stat, &status, rustix::param::clock_ticks_per_second())
            }
            _ => {
                let output = Command::new("ps")
                    .args(["-o", "rss=", "-o", "time=", "-p", &pid.to_string()])
                    .output()
                    .ok()?;
                Self::from_ps(&String::from_utf8_lossy(&output.stdout))
            }
        }
    }

    fn from_proc(stat: &str, status: &str, ticks_per_second: u64) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold anything. After it,
        // user and system time are fields 14 and 15 of all (proc(5)).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            cpu: Duration::from_millis((user + system) * 1_000 / ticks_per_second),
            memory_kib: line.trim().strip_suffix("kB")?.trim().parse().ok()?,
        })
    }

    /// Reads `RSS TIME`, the time as `[[hours:]minutes:]seconds[.hundredths]`.
    fn from_ps(line: &str) -> Option<Self> {
        let (memory, time) = line.trim().split_once(char::is_whitespace)?;
        let mut seconds = 0.0;
        for part in time.trim().split(':') {
            seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
        }
        Some(Self {
            cpu: Duration::try_from_secs_f64(seconds).ok()?,
            memory_kib: memory.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_whatever_the_program_is_called() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 3 0 1 2 3";
        let status = "Name:\tx\nVmRSS:\t    5120 kB\nThreads:\t3\n";
        let usage = Usage::from_proc(stat, status, 100).unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(3));
        assert_eq!(usage.memory_kib, 5_120);
        assert_eq!(Usage::from_proc("7 (a", status, 100), None);
    }

    #[test]
    fn ps_is_read_in_both_spellings_of_time() {
        let usage = |line| Usage::from_ps(line).unwrap();
        assert_eq!(
            usage("  2048   1:02.50\n").cpu,
            Duration::from_millis(62_500)
        );
        assert_eq!(usage("2048 01:00:01").cpu, Duration::from_secs(3_601));
        assert_eq!(usage("2048 01:00:01").memory_kib, 2_048);
        assert_eq!(Usage::from_ps(""), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(Usage::of(std::process::id()).unwrap().memory_kib > 0);
    }
}
