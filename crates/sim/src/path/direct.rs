//! A client's program without a pooler: what PostgreSQL itself answers.

use std::collections::BTreeSet;

use pgweir_pool::time::Time;

use super::client::Client;
use super::postgres::{Backend, Env, Forgotten, Interrupts, Journal};
use super::program::Program;
use super::settings::Settings;
use super::stream::{Net, Wake};
use super::tables::Met;
use crate::rng::Rng;
use crate::swarm::Chance;

/// Turns after which a program is known to hang.
const TURNS_MAX: u32 = 100_000;

/// Runs the program to its end.
pub(super) fn run(
    mut program: Program,
    (interrupts, forgotten, met): (&mut Interrupts, &mut Forgotten, &Met<'_>),
    (reports_at_once, rejects): (bool, bool),
) -> (Client, Journal) {
    if program.violates {
        // The fake PostgreSQL trusts its clients.
        program.ops.pop();
    }
    // All answers are of interest.
    program.abrupt = false;
    let net = Net::gentle();
    // Never used: nothing is split.
    let mut rng = Rng::new(0);
    let (near, far) = net.pair(1 << 20);
    let settings = Settings::new(&program.startup).expect("wrong settings are not run");
    let mut backend = Backend::new("direct".into(), far, settings, reports_at_once);
    backend.rejects = rejects;
    // What a client believes is what it was told at login.
    let mut client = Client::new(program, near);
    let refused = BTreeSet::new();
    let mut journal = Journal::new();
    let now = Time(0);
    for _ in 0..TURNS_MAX {
        client.run(now, true);
        backend.run(&mut Env {
            now,
            interrupts,
            forgotten,
            replays: true,
            journal: &mut journal,
            tables: 0,
            met: Some(met),
            refused: &refused,
        });
        let wakes = net.wakes();
        if wakes.is_empty() {
            break;
        }
        for wake in wakes {
            match wake {
                Wake::Deliver(end) => net.deliver(end, &mut rng, Chance::NEVER),
                Wake::Ready(end) => drop(net.handle(end)),
            }
        }
    }
    let is_over = client.finished || client.hung_up;
    assert!(
        is_over,
        "a program hangs without a pooler: {}",
        client.waits_for()
    );
    (client, journal)
}
