//! Metrics of what was found out: why clients wait, what is slow, who holds servers.

use pgweir_pool::waits::Cause;
use pgweir_pool::work::Waited;

use super::labels;
use crate::exposition::Exposition;
use crate::sample::{Label, MetricKind, SampleValue};
use crate::snapshot::Snapshot;

pub(super) fn write(snapshot: &Snapshot, out: &mut Exposition) {
    waits(snapshot, out);
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
