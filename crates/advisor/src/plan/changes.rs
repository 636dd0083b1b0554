//! Changes that make the capacity OK. Each is enough by itself, and was tried by planning again; the
//! one that breaks least comes first, and of those that break nothing the smallest.

mod trial;

use serde::Serialize;

use self::trial::Step;
use super::Judged;
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
    /// What would be wrong with the fleet then that is not wrong now, the worst first.
    pub breaks: Vec<String>,
}

/// A change that was not tried yet.
struct Proposal {
    text: String,
    step: Step,
}

pub(super) fn all(facts: &Facts, now: &Judged) -> Vec<Change> {
    if now.capacity.verdict == Verdict::Ok {
        return Vec::new();
    }
    let mut proposals = Vec::new();
    proposals.extend(smaller_pooler(facts, now));
    proposals.extend(one_smaller_pool(facts, now));
    if proposals.is_empty() {
        proposals.extend(all_smaller_pools(facts, now));
    }
    proposals.push(more_connections(facts, now));
    proposals.extend(a_pooler(facts));
    let tried = proposals.into_iter();
    let mut tried: Vec<_> = tried
        .filter_map(|proposal| trial::tried(facts, now, proposal))
        .collect();
    // Stable: of equals the smallest stays first.
    tried.sort_by_key(|(harm, _)| *harm);
    tried.into_iter().map(|(_, change)| change).collect()
}

/// A given pool size of the pooler that is too large.
fn smaller_pooler(facts: &Facts, now: &Judged) -> Option<Proposal> {
    let (capacity, plan) = (&now.capacity, now.pooler.as_ref()?);
    facts.pooler.as_ref().filter(|pooler| {
        pooler.pool.is_some() || pooler.per_database.is_some() || pooler.reserve_pool.is_some()
    })?;
    let direct = capacity.peak.less(capacity.pooler);
    let allowed = capacity.allowed().less(direct);
    let per_database = allowed.0 / plan.instances.max(1) / plan.databases.max(1);
    if per_database == 0 || Connections(per_database) >= plan.max_db_connections {
        return None;
    }
    Some(Proposal {
        text: format!(
            "set the pooler's max_db_connections to {per_database} (now {} on each of {} instances)",
            plan.max_db_connections, plan.instances
        ),
        step: Step::PoolerServers(Connections(per_database)),
    })
}

/// The pool that gives up the fewest connections and keeps what its load needs.
fn one_smaller_pool(facts: &Facts, now: &Judged) -> Option<Proposal> {
    let (capacity, services) = (&now.capacity, &now.services);
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
    Some(Proposal {
        text: format!(
            "set the pool of {} to {pool} (now {}): {given_up} connections fewer",
            service.name, service.pool
        ),
        step: Step::Pools(vec![(service.name.clone(), pool)]),
    })
}

/// The largest pool that all direct services may have, each at least what it needs.
fn all_smaller_pools(facts: &Facts, now: &Judged) -> Option<Proposal> {
    let (capacity, services) = (&now.capacity, &now.services);
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
    let smaller: Vec<(String, Connections)> = direct(services)
        .map(|service| (service, cap.max(least(service))))
        .filter(|(service, pool)| service.pool > *pool)
        .map(|(service, pool)| (service.name.clone(), pool))
        .collect();
    Some(Proposal {
        text: format!(
            "limit every pool to {cap} ({} of {} services; more only where the load needs it)",
            smaller.len(),
            services.len()
        ),
        step: Step::Pools(smaller),
    })
}

fn more_connections(facts: &Facts, now: &Judged) -> Proposal {
    let capacity = &now.capacity;
    let to = capacity.recommended_max_connections;
    let order = if facts.database.standbys.is_empty() {
        ""
    } else {
        ", on the standbys first"
    };
    Proposal {
        text: format!(
            "raise max_connections to {to} (now {}){order}; PostgreSQL must be restarted",
            capacity.max_connections
        ),
        step: Step::MaxConnections(to),
    }
}

/// A pooler for all services, where there is none.
fn a_pooler(facts: &Facts) -> Option<Proposal> {
    facts.pooler.is_none().then(|| Proposal {
        text: "put a pooler in transaction mode in front".to_owned(),
        step: Step::Pooler,
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
