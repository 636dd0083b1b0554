//! Looks for PostgreSQL again while none can be reached.
//!
//! While a pooler is not ready nobody is sent to it, so no client would have it connect, and it would
//! never be ready again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::registry::Registry;
use crate::snapshot;

/// Time between looks.
const PERIOD: Duration = Duration::from_secs(2);

/// Failing pools that one look has connect again.
const RETRIES_MAX: usize = 8;

/// Looks until the future is dropped.
pub(crate) async fn run(registry: Arc<Registry>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&registry);
    }
}

/// Has failing pools connect again, as often as `server_login_retry` allows, and probes too.
fn look(registry: &Registry) {
    let readiness = snapshot::readiness(registry);
    if readiness.draining || !readiness.is_cut_off() {
        return;
    }
    registry.probes.try_again();
    let failing = registry
        .pools()
        .into_iter()
        .filter(|pool| pool.is_login_failing() && pool.replication.is_none());
    for pool in failing.take(RETRIES_MAX) {
        registry.tell(&pool, |stock, now| stock.core.warm(now));
    }
}

#[cfg(test)]
mod tests {
    use pgweir_wire::sqlstate::SqlState;

    use super::look;
    use crate::texts::ClientError;
    use crate::world::world;

    #[test]
    fn a_pooler_that_reaches_no_postgresql_tries_again_and_not_twice_at_once() {
        let mut world = world("");
        look(&world.registry);
        assert_eq!(world.opened(), 0, "nothing has failed");
        let error = ClientError::new(SqlState::CANNOT_CONNECT_NOW, "no");
        let now = world.registry.clock.now();
        world.pool.logged_in(Err((error, now)));
        look(&world.registry);
        assert_eq!(world.opened(), 1);
        look(&world.registry);
        assert_eq!(world.opened(), 0);
    }
}
