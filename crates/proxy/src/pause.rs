//! Pausing: PostgreSQL can be restarted while clients wait.
//!
//! As in PgBouncer, SIGUSR1 pauses and SIGUSR2 resumes. While it lasts no pool may have a server: idle
//! ones are closed, others when they come back, and clients that need one wait, for
//! `query_wait_timeout` at most.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::platform::PoolRef;
use crate::pool_handle::{bounds, paused};
use crate::registry::Registry;

/// Closes all servers as their clients give them back, and opens none.
pub(crate) fn pause(registry: &Registry) {
    if registry.paused.swap(true, Ordering::AcqRel) {
        warn!("SIGUSR1: paused already");
        return;
    }
    set_bounds(registry, true);
    info!("paused: servers are closed as they come back; SIGUSR2 resumes");
}

/// Opens servers again, for whoever waits.
pub(crate) fn resume(registry: &Registry) {
    if !registry.paused.swap(false, Ordering::AcqRel) {
        warn!("SIGUSR2: nothing is paused");
        return;
    }
    set_bounds(registry, false);
    info!("resumed");
}

fn set_bounds(registry: &Registry, is_paused: bool) {
    registry.run_errand(|outbox, now| {
        for pool in registry.pools() {
            let settings = pool.settings();
            let of = if is_paused { paused } else { bounds };
            let change = (of(&settings.config), &*settings.policy, is_paused);
            outbox.reconfigure(registry, &PoolRef(pool), now, change);
        }
    });
}
