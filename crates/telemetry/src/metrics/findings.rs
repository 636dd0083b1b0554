//! Metrics of what was found out: why clients wait, what is slow, who holds servers.

use pgweir_pool::pin::Pins;
use pgweir_pool::waits::Cause;
use pgweir_pool::work::Waited;

use super::labels;
use crate::exposition::Exposition;
use crate::sample::{Label, MetricKind, SampleValue};
use crate::snapshot::Snapshot;

pub(super) fn write(snapshot: &Snapshot, out: &mut Exposition) {
    waits(snapshot, out);
    pins(snapshot, out);
    let help = "Statements that took longer than slow_query_time, or very_slow_query_time.";
    let mut family = out.family(MetricKind::Counter, "pgweir_pool_slow_statements", help);
    for pool in &snapshot.pools {
        let found = &pool.totals.found;
        for (level, count) in [("slow", found.slow), ("very_slow", found.very_slow)] {
            let [database, user] = labels(pool);
            family.sample(&[database, user, ("level", level)], count);
        }
    }
    let help = "Servers held for longer than a moment, by what their client does.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_pool_held", help);
    for pool in &snapshot.pools {
        for (state, count) in [
            ("idle_in_transaction", pool.held.idle_in_transaction),
            ("slow", pool.held.slow),
            ("locked", pool.held.locked),
            ("pinned", pool.held.pinned),
        ] {
            let [database, user] = labels(pool);
            family.sample(&[database, user, ("state", state)], count);
        }
    }
}

fn pins(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Servers that state of a session keeps with its client, by what that is.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_pool_pinned_servers", help);
    for pool in &snapshot.pools {
        for ((pin, servers), (_, pins)) in pool.held.by_pin.iter().zip(pool.totals.pins.iter()) {
            if *servers > 0 || pins.is_any() {
                let [database, user] = labels(pool);
                family.sample(&[database, user, ("reason", pin.name())], *servers);
            }
        }
    }
    for (name, help, value) in PINS {
        let mut family = out.family(MetricKind::Counter, name, help);
        for pool in &snapshot.pools {
            // Of those there were, so that a pool does not have nine series of nothing.
            for (pin, pins) in pool.totals.pins.iter().filter(|(_, pins)| pins.is_any()) {
                let [database, user] = labels(pool);
                family.sample(&[database, user, ("reason", pin.name())], value(pins));
            }
        }
    }
}

/// What is counted of pins: name, help, and how it is read.
type PinMetric = (&'static str, &'static str, fn(&Pins) -> SampleValue);

const PINS: [PinMetric; 3] = [
    (
        "pgweir_pool_pins",
        "How often state of a session began to keep a server, by what that is.",
        |pins| pins.count.into(),
    ),
    (
        "pgweir_pool_pins_seconds",
        "Time for which state of a session kept a server, by what that is.",
        |pins| SampleValue::micros(pins.us),
    ),
    (
        "pgweir_pool_pins_rejected",
        "How often what would keep a server was rejected (session_state), by what that is.",
        |pins| pins.rejected.into(),
    ),
];

fn waits(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Waits for a server, refused ones among them, by what kept it.";
    let mut family = out.family(MetricKind::Counter, "pgweir_pool_waits", help);
    for_each_wait(snapshot, |labels, waited| {
        family.sample(&labels, waited.count);
    });
    let help = "Time that clients waited for a server, by what kept it.";
    let mut family = out.family(MetricKind::Counter, "pgweir_pool_waits_seconds", help);
    for_each_wait(snapshot, |labels, waited| {
        family.sample(&labels, SampleValue::micros(waited.us));
    });
}

/// Calls `sample` for the causes there were, so that a pool does not have ten series of nothing.
fn for_each_wait<'a>(snapshot: &'a Snapshot, mut sample: impl FnMut([Label<'a>; 3], &Waited)) {
    for pool in &snapshot.pools {
        for (cause, waited) in Cause::ALL.iter().zip(&pool.totals.waits) {
            if waited.count > 0 {
                let [database, user] = labels(pool);
                sample([database, user, ("cause", cause.name())], waited);
            }
        }
    }
}
