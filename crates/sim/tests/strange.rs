//! Bytes that nobody should send, drawn from seeds: what the fuzz targets `session_client` and `session_server` run
//! for longer, from bytes that they choose better.

use std::thread;

use pgweir_sim::strange::{choices, clients_bytes, servers_bytes};

/// Lists of bytes from each side, unless `PGWEIR_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 8_000;

#[test]
fn what_a_client_sends_hurts_no_next_client() {
    let seen = run(|seed| {
        let seen = clients_bytes(&choices(seed, length(seed)));
        [seen.answers, seen.answers_behind, seen.lost]
    });
    let [answers, answers_behind, lost] = seen;
    assert!(answers_behind > seeds(), "{answers_behind} of {answers}");
    assert!(lost > seeds() / 20, "{lost} servers are lost");
}

#[test]
fn what_a_server_says_comes_in_whole_messages_or_not_at_all() {
    let [messages, returned, lost] = run(|seed| {
        let told = servers_bytes(&choices(seed, length(seed)));
        [told.messages, told.returned, told.lost]
    });
    assert!(messages > seeds(), "{messages} messages");
    assert!(returned > seeds() / 20, "{returned} servers go back");
    assert!(lost > seeds() / 2, "{lost} servers are lost");
}

/// Short lists find what is simple, long ones what is not.
fn length(seed: u64) -> usize {
    [20, 60, 200, 600][(seed % 4) as usize]
}

/// Runs all seeds, on as many threads as there are cores, and adds up what they count.
fn run(one: impl Fn(u64) -> [u32; 3] + Sync) -> [u64; 3] {
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let part = |first: u64| {
        let mut sums = [0; 3];
        for seed in (first..seeds()).step_by(threads as usize) {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(seed)));
            let counts = outcome.unwrap_or_else(|_| panic!("seed {seed}, see above"));
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += u64::from(count);
            }
        }
        sums
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn({
                    let part = &part;
                    move || part(n)
                })
            })
            .collect();
        let mut sums = [0; 3];
        for part in parts {
            let counts = part.join().expect("a rule does not hold, see above");
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        sums
    })
}

fn seeds() -> u64 {
    match std::env::var("PGWEIR_SIM_SEEDS") {
        Ok(seeds) => seeds.parse().expect("PGWEIR_SIM_SEEDS is a number"),
        Err(_) => SEEDS,
    }
}
