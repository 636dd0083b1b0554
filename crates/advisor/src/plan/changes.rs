//! Changes that make the capacity OK. Each is enough by itself; the smallest comes first.

use serde::Serialize;

use super::capacity::{self, Capacity};
use super::pooling::PoolerPlan;
use super::services::ServicePlan;
use crate::facts::{Facts, Via};
use crate::formula::demand::{self, Verdict};
use crate::units::Connections;

/// A change that makes the capacity OK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What to do, in a sentence.
    pub text: String,
    /// The same, as arguments of `--what-if`.
    pub suppose: Vec<String>,
    /// Whether PostgreSQL must be restarted.
    pub restart: bool,
}

pub(super) fn all(
    facts: &Facts,
    capacity: &Capacity,
    services: &[ServicePlan],
    pooler: Option<&PoolerPlan>,
) -> Vec<Change> {
    if capacity.verdict == Verdict::Ok {
        return Vec::new();
    }
    let mut changes = Vec::new();
    changes.extend(smaller_pooler(facts, capacity, pooler));
    changes.extend(one_smaller_pool(facts, capacity, services));
    if changes.is_empty() {
        changes.extend(all_smaller_pools(facts, capacity, services));
    }
    changes.push(more_connections(facts, capacity));
    changes.extend(a_pooler(facts, capacity, services));
    changes
}

/// A given pool size of the pooler that is too large.
fn smaller_pooler(
    facts: &Facts,
    capacity: &Capacity,
    pooler: Option<&PoolerPlan>,
) -> Option<Change> {
    let plan = pooler?;
    facts.pooler.as_ref().filter(|pooler| {
        pooler.pool.is_some() || pooler.per_database.is_some() || pooler.reserve_pool.is_some()
    })?;
    let direct = capacity.peak.less(capacity.pooler);
    let allowed = capacity.allowed().less(direct);
    let per_database = allowed.0 / plan.instances.max(1) / plan.databases.max(1);
    if per_database == 0 || Connections(per_database) >= plan.max_db_connections {
        return None;
    }
    Some(Change {
        text: format!(
            "set the pooler's max_db_connections to {per_database} (now {} on each of {} instances)",
            plan.max_db_connections, plan.instances
        ),
        suppose: vec![format!("pooler.max_db_connections={per_database}")],
        restart: false,
    })
}

/// The pool that gives up the fewest connections and keeps what its load needs.
fn one_smaller_pool(
    facts: &Facts,
    capacity: &Capacity,
    services: &[ServicePlan],
) -> Option<Change> {
    let surge = facts.operations.surge;
    let mut best: Option<(Connections, &ServicePlan, Connections)> = None;
    for service in direct(services) {
        let own = service.peak(surge);
        let fits = demand::pool_that_fits(
            capacity.usable,
            capacity.target_percent,
            capacity.reserve,
            capacity.peak.less(own),
            service.pools(surge),
        );
        let Some(pool) = fits.filter(|pool| *pool < service.pool) else {
            continue;
        };
        if pool < least(service) {
            continue;
        }
        let given_up = own.less(pool.times(service.pools(surge)));
        if best.is_none_or(|(fewest, ..)| given_up < fewest) {
            best = Some((given_up, service, pool));
        }
    }
    let (given_up, service, pool) = best?;
    Some(Change {
        text: format!(
            "set the pool of {} to {pool} (now {}): {given_up} connections fewer",
            service.name, service.pool
        ),
        suppose: vec![format!("{}.pool={pool}", service.name)],
        restart: false,
    })
}

/// The largest pool that all direct services may have, each at least what it needs.
fn all_smaller_pools(
    facts: &Facts,
    capacity: &Capacity,
    services: &[ServicePlan],
) -> Option<Change> {
    let surge = facts.operations.surge;
    let allowed = capacity.allowed().less(capacity.pooler);
    let demand = |cap: u64| -> Connections {
        direct(services)
            .map(|service| {
                let pool = service.pool.min(Connections(cap).max(least(service)));
                pool.times(service.pools(surge))
            })
            .sum()
    };
    if demand(1) > allowed {
        return None;
    }
    let most = direct(services).map(|service| service.pool.0).max()?;
    // The largest cap with demand(cap) <= allowed: demand never falls as the cap grows.
    let (mut low, mut high) = (1, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if demand(middle) <= allowed {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let cap = Connections(low);
    // The reserve alone may be too much.
    let verdict = demand::verdict(
        demand(low) + capacity.pooler,
        capacity.reserve,
        capacity.usable,
        capacity.target_percent,
    );
    if verdict != Verdict::Ok {
        return None;
    }
    let suppose: Vec<String> = direct(services)
        .filter(|service| service.pool > cap.max(least(service)))
        .map(|service| format!("{}.pool={}", service.name, cap.max(least(service))))
        .collect();
    Some(Change {
        text: format!(
            "limit every pool to {cap} ({} of {} services; more only where the load needs it)",
            suppose.len(),
            services.len()
        ),
        suppose,
        restart: false,
    })
}

fn more_connections(facts: &Facts, capacity: &Capacity) -> Change {
    let to = capacity.recommended_max_connections;
    let order = if facts.database.standbys.is_empty() {
        ""
    } else {
        ", on the standbys first"
    };
    Change {
        text: format!(
            "raise max_connections to {to} (now {}){order}; PostgreSQL must be restarted",
            capacity.max_connections
        ),
        suppose: vec![format!("database.max_connections={to}")],
        restart: true,
    }
}

/// A pooler for all services, where there is none.
fn a_pooler(facts: &Facts, capacity: &Capacity, services: &[ServicePlan]) -> Option<Change> {
    if facts.pooler.is_some() {
        return None;
    }
    let clients: Connections = services
        .iter()
        .map(|service| service.peak(facts.operations.surge))
        .sum();
    let sizes = capacity::with_pooler(facts, Connections(1), clients);
    let verdict = demand::verdict(
        sizes.servers,
        capacity.reserve,
        capacity.usable,
        capacity.target_percent,
    );
    (verdict == Verdict::Ok).then(|| Change {
        text: format!(
            "put a pooler in transaction mode in front: the clients' {clients} connections share {} servers",
            sizes.servers
        ),
        suppose: vec![
            "pooler.instances=1".to_owned(),
            "services.*.via=pooler".to_owned(),
        ],
        restart: false,
    })
}

fn direct(services: &[ServicePlan]) -> impl Iterator<Item = &ServicePlan> {
    services.iter().filter(|service| service.via == Via::Direct)
}

/// What a pool must keep: its need, its deadlock floor, one.
fn least(service: &ServicePlan) -> Connections {
    service
        .need
        .unwrap_or(Connections(1))
        .max(service.floor)
        .min(service.pool)
}
