//! How long `pgweir plan` takes for a fleet of ten thousand services, as a whole process.
//!
//! ```console
//! $ cargo bench -p pgweir-cli --bench plan
//! ```
//!
//! The goal is 150 ms on a quiet machine; the exit code is 1 if the median of either form of output
//! misses it.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without its files ends with the reason"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    fs::write(&file, fleet(10_000)).unwrap();
    let mut met = true;
    for arguments in [&["--json"][..], &[], &["--explain"]] {
        let mut times: Vec<Duration> = (0..RUNS).map(|_| once(&file, arguments)).collect();
        times.sort_unstable();
        let (median, least) = (times[RUNS / 2], times[0]);
        println!(
            "plan {:<10} median {:>6.1} ms, least {:>6.1} ms",
            arguments.join(" "),
            median.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3
        );
        met &= median < GOAL || arguments == ["--explain"];
    }
    println!("goal: below {GOAL:?} for the first two");
    ExitCode::from(u8::from(!met))
}

fn once(file: &Path, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_pgweir"))
        .arg("plan")
        .arg(file)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let time = start.elapsed();
    // 2 would be a mistake in the fleet.
    assert!(matches!(status.code(), Some(0 | 1 | 3)), "{status}");
    time
}

/// Services that differ in everything that usually differs.
fn fleet(services: usize) -> String {
    const KINDS: [&str; 6] = ["sqlx", "prisma7", "php-fpm", "generic", "octane", "queue"];
    let mut text = "[database]\nphysical_cores = 64\nram = \"512GB\"\nmax_connections = 200000\n\
                    version = 17\n\n[pooler]\nkind = \"pgweir\"\ninstances = 2\n"
        .to_owned();
    for i in 0..services {
        text.push_str(&format!(
            "\n[services.service-{i}]\nkind = \"{}\"\nreplicas = {}\npool = {}\nrequests = {}\n\
             hold = \"{}ms\"\nuser = \"team{}\"\n",
            KINDS[i % KINDS.len()],
            1 + i % 7,
            2 + i % 11,
            i % 90,
            3 + i % 9,
            i % 20
        ));
    }
    text
}

const GOAL: Duration = Duration::from_millis(150);
const RUNS: usize = 31;
