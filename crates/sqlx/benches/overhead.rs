//! The cost of an acquire and a release on top of bare SQLx.
//!
//! ```console
//! $ cargo bench -p pgweir-sqlx --bench overhead
//! ```
//!
//! One connection to a throw-away PostgreSQL is acquired and given back, by SQLx's pool and by this
//! crate's in turns, both with the same limits and a test before each acquire. Most of that is
//! SQLx's two round trips, which vary by more than the difference; so this compares the CPU time of the
//! thread in alternating batches and takes the median difference.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without a database ends with the reason"
)]

use std::time::Duration;

use pgweir_sqlx::sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use pgweir_sqlx::{Pool, PoolSettings};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let postgres = pgweir_e2e::Postgres::start();
    let target = postgres.superuser();
    let options = PgConnectOptions::new_without_pgpass()
        .socket(postgres.socket_dir())
        .port(target.port)
        .username(&target.user)
        .password(&target.password)
        .database(&target.database)
        .ssl_mode(PgSslMode::Disable);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bare = PgPoolOptions::new()
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.clone())
            .await
            .unwrap();
        let settings = PoolSettings::new(options)
            .max_connections(1)
            .min_connections(0);
        let ours = Pool::connect(settings).await.unwrap();
        let mut bare_ns = Vec::new();
        let mut ours_ns = Vec::new();
        let mut more_ns = Vec::new();
        for batch in 0..BATCHES + 5 {
            let start = cpu_ns();
            for _ in 0..PAIRS {
                drop(bare.acquire().await.unwrap());
                // A task of SQLx returns the connection.
                tokio::task::yield_now().await;
            }
            let middle = cpu_ns();
            for _ in 0..PAIRS {
                drop(ours.acquire().await.unwrap());
                tokio::task::yield_now().await;
            }
            let end = cpu_ns();
            // The first ones warm up.
            if batch >= 5 {
                bare_ns.push((middle - start) / PAIRS);
                ours_ns.push((end - middle) / PAIRS);
                more_ns.push((end - middle) / PAIRS - (middle - start) / PAIRS);
            }
        }
        let [bare, ours, more] = [bare_ns, ours_ns, more_ns].map(|mut times| {
            times.sort_unstable();
            let at = |part: usize| times[(times.len() - 1) * part / 4] as f64 / 1000.0;
            [at(1), at(2), at(3)]
        });
        println!("CPU time of an acquire and a release, {BATCHES} batches of {PAIRS}, in µs");
        println!(
            "{:>12} {:>8} {:>8} {:>8}",
            "", "quarter", "median", "quarter"
        );
        for (name, [low, median, high]) in [
            ("bare SQLx", bare),
            ("pgweir-sqlx", ours),
            ("difference", more),
        ] {
            println!("{name:>12} {low:>8.2} {median:>8.2} {high:>8.2}");
        }
        assert!(more[1] <= GOAL_US, "more than {GOAL_US} µs");
    });
}

/// CPU time of this thread.
fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

const BATCHES: usize = 60;
const PAIRS: i64 = 1000;
const GOAL_US: f64 = 2.0;
