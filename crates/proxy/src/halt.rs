//! Stopping and going on, by signals and by the console: PostgreSQL can be restarted while clients wait.
//!
//! What is stopped is kept in one place ([`Halts`]); after each change every pool is told whether it is
//! paused, and a pool made later asks. A suspension concerns the workers, and those who want to come in.

use std::sync::Arc;
use std::time::Duration;

use pgweir_config::{Database, ServerAddress};
use pgweir_pool::halts::{Stop, Unfit};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::mailbox::Letter;
use crate::platform::PoolRef;
use crate::pool_handle::PoolHandle;
use crate::registry::Registry;

/// Time beyond `suspend_timeout` for what the ended sessions leave behind: a server is cleaned for 5 s at
/// most.
const REST_MAX: Duration = Duration::from_secs(6);

/// SIGUSR1: closes all servers as their clients give them back, and opens none.
pub(crate) fn pause_by_signal(registry: &Registry) {
    match pause(registry, None) {
        Ok(()) => info!("got SIGUSR1, pausing all activity; SIGUSR2 resumes"),
        Err(_) => warn!("got SIGUSR1, but already paused/suspended"),
    }
}

/// SIGUSR2: goes on.
pub(crate) fn resume_by_signal(registry: &Registry) {
    let from = match registry.halts().everything() {
        Some(Stop::Suspend) => "SUSPEND",
        Some(Stop::Pause) | None => "PAUSE",
    };
    match resume(registry, None) {
        Ok(()) => info!("got SIGUSR2, continuing from {from}"),
        Err(_) => warn!("got SIGUSR2, but not paused/suspended"),
    }
}

/// Pauses everything, or a database.
///
/// # Errors
/// Everything is stopped already.
pub(crate) fn pause(registry: &Registry, database: Option<&str>) -> Result<(), Unfit> {
    {
        let mut halts = registry.halts();
        match database {
            None => halts.pause()?,
            Some(name) => halts.pause_database(name)?,
        }
    }
    tell_pools(registry);
    Ok(())
}

/// Goes on with everything, or with a database.
///
/// # Errors
/// It is not stopped.
pub(crate) fn resume(registry: &Registry, database: Option<&str>) -> Result<(), Unfit> {
    let stop = {
        let mut halts = registry.halts();
        match database {
            None => Some(halts.resume()?),
            Some(name) => {
                halts.resume_database(name)?;
                None
            }
        }
    };
    if stop == Some(Stop::Suspend) {
        registry.let_in(true);
        for worker in &registry.workers {
            worker.post(Letter::Resume);
        }
    }
    tell_pools(registry);
    Ok(())
}

/// Tells each pool whether it is paused.
fn tell_pools(registry: &Registry) {
    registry.run_errand(|outbox, now| {
        for pool in registry.pools() {
            let is_paused = registry.halts().is_paused(&pool.database);
            outbox.decide(registry, &PoolRef(pool), now, |stock| {
                if is_paused {
                    stock.core.pause(now);
                } else if stock.core.is_paused() {
                    stock.core.resume(now);
                }
            });
        }
    });
    // The pooler's own sessions make way as well.
    let is_paused = registry.halts().everything() == Some(Stop::Pause);
    if is_paused {
        registry.lookups.part();
    }
    registry.pausing.send_replace(is_paused);
    registry.probes.halted();
}

/// Whether nothing may use this PostgreSQL: all its databases are paused.
pub(crate) fn is_paused(registry: &Registry, server: &ServerAddress) -> bool {
    let config = registry.config();
    let databases = config.databases.values().chain(&config.fallback_database);
    let mut there = databases.filter(|database| database.server == *server);
    let halts = registry.halts();
    there.all(|database: &Arc<Database>| halts.is_paused(&database.name))
}

/// The pools of a database, or all; those of replication connections as well.
pub(crate) fn pools_of(registry: &Registry, database: Option<&str>) -> Vec<Arc<PoolHandle>> {
    let mut pools = registry.pools();
    pools.retain(|pool| database.is_none_or(|name| &*pool.database == name));
    pools
}

/// Waits until something is so that changes with pools or workers, looking at each sweep.
pub(crate) async fn until(registry: &Registry, mut is_so: impl FnMut() -> bool) {
    loop {
        let swept = registry.swept.notified();
        if is_so() {
            return;
        }
        swept.await;
    }
}

/// Suspends everything, and ends what does not become still in time.
///
/// # Errors
/// It is stopped already, or databases are paused.
pub(crate) async fn suspend(registry: &Registry) -> Result<(), Unfit> {
    registry.halts().suspend()?;
    registry.let_in(false);
    let timeout = registry.config().suspend_timeout;
    let started = Instant::now();
    let mut ends_at = timeout.map(|timeout| started + timeout);
    while !are_still(registry).await {
        registry.swept.notified().await;
        let Some(at) = ends_at.filter(|at| Instant::now() >= *at) else {
            continue;
        };
        if at.duration_since(started) > timeout.unwrap_or_default() {
            warn!("servers are still being cleaned though everything is suspended");
            break;
        }
        for worker in &registry.workers {
            worker.post(Letter::EndMoving);
        }
        ends_at = Some(at + REST_MAX);
    }
    Ok(())
}

/// Has all workers suspend their clients, and says whether nothing moves there any more.
async fn are_still(registry: &Registry) -> bool {
    let asked: Vec<_> = registry
        .workers
        .iter()
        .map(|worker| {
            let (answer, answered) = oneshot::channel();
            worker.post(Letter::Suspend(answer));
            answered
        })
        .collect();
    let mut all = true;
    for answered in asked {
        // A worker that has stopped does nothing any more.
        all &= answered.await.unwrap_or(true);
    }
    all
}
