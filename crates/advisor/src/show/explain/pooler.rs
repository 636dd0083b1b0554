//! The pooler's sizes (F11). What was given is an input, and has no formula.

use crate::facts::{Pooler, Via};
use crate::formula::F11;
use crate::plan::{Plan, PoolerPlan};
use crate::show::derivation::{Derivation, derived, part};
use crate::units::Connections;

pub(super) fn explain(plan: &Plan, all: &mut Vec<Derivation>) {
    let (Some(pooler), Some(settings)) = (&plan.pooler, &plan.facts.pooler) else {
        return;
    };
    servers(plan, pooler, settings, all);
    pools(pooler, settings, all);
    clients(plan, pooler, settings, all);
}

fn size(name: &str, value: Connections, expression: &'static str, inputs: &[Input]) -> Derivation {
    let name = format!("pooler.{name}");
    derived(name, value, &part(&F11, expression), inputs)
}

type Input = (&'static str, String);

fn number(name: &'static str, value: Connections) -> Input {
    (name, value.to_string())
}

fn count(name: &'static str, value: u64) -> Input {
    (name, value.to_string())
}

/// What PostgreSQL has left, what is useful, and what may be open.
fn servers(plan: &Plan, pooler: &PoolerPlan, settings: &Pooler, all: &mut Vec<Derivation>) {
    let capacity = &plan.capacity;
    all.push(size(
        "cap",
        pooler.cap,
        "floor(target * U / 100) - reserve - direct",
        &[
            count("target", capacity.target_percent.into()),
            number("U", capacity.usable),
            number("reserve", capacity.reserve),
            number("direct", capacity.peak.less(capacity.pooler)),
        ],
    ));
    all.push(size(
        "want",
        pooler.want,
        "max(need * instances / (instances - 1), kappa * F1); need itself for one instance",
        &[
            number("need", plan.queueing.pooled),
            count("kappa", settings.kappa),
            number("F1", capacity.optimum),
        ],
    ));
    all.push(size(
        "servers",
        pooler.servers,
        "min((default_pool_size + reserve_pool_size) * pairs, max_db_connections * databases) * instances",
        &[
            number("default_pool_size", pooler.default_pool_size),
            number("reserve_pool_size", pooler.reserve_pool_size),
            count("pairs", pooler.pairs),
            number("max_db_connections", pooler.max_db_connections),
            count("databases", pooler.databases),
            count("instances", pooler.instances),
        ],
    ));
}

/// The sizes of pools that were not given.
fn pools(pooler: &PoolerPlan, settings: &Pooler, all: &mut Vec<Derivation>) {
    let pool = number("default_pool_size", pooler.default_pool_size);
    let pairs = count("pairs", pooler.pairs);
    let databases = count("databases", pooler.databases);
    let instances = count("instances", pooler.instances);
    let (cap, want) = (number("cap", pooler.cap), number("want", pooler.want));
    if settings.pool.is_none() {
        all.push(size(
            "default_pool_size",
            pooler.default_pool_size,
            "floor(want / (pairs * instances)), at most what leaves place for the reserve within cap; 1 at least",
            &[
                cap.clone(),
                want.clone(),
                databases.clone(),
                pairs.clone(),
                instances.clone(),
            ],
        ));
    }
    if settings.reserve_pool.is_none() {
        all.push(size(
            "reserve_pool_size",
            pooler.reserve_pool_size,
            "ceil(default_pool_size / 5), as far as it fits the cap",
            std::slice::from_ref(&pool),
        ));
    }
    if settings.per_database.is_some() {
        return;
    }
    let reserve = number("reserve_pool_size", pooler.reserve_pool_size);
    let mut inputs = vec![pool, reserve, pairs, databases];
    let expression = if settings.pool.is_some() {
        "ceil((default_pool_size + reserve_pool_size) * pairs / databases)"
    } else {
        inputs.extend([cap, instances]);
        "ceil((default_pool_size + reserve_pool_size) * pairs / databases), at most \
         floor(cap / (databases * instances)), 1 at least"
    };
    all.push(size(
        "max_db_connections",
        pooler.max_db_connections,
        expression,
        &inputs,
    ));
}

/// Clients, and the file descriptors that they and the servers need.
fn clients(plan: &Plan, pooler: &PoolerPlan, settings: &Pooler, all: &mut Vec<Derivation>) {
    let behind = plan.services.iter().filter(|s| s.via == Via::Pooler);
    all.push(size(
        "clients",
        pooler.clients,
        "sum of what the services behind the pooler open, rollout included if it counts",
        &[count("services", behind.count() as u64)],
    ));
    if settings.clients.is_none() {
        all.push(size(
            "max_client_conn",
            pooler.max_client_conn,
            "ceil(1.25 * clients), 100 at least: one instance carries all clients while others restart",
            &[number("clients", pooler.clients)],
        ));
    }
    all.push(size(
        "descriptors",
        Connections(pooler.descriptors),
        "floor(1.2 * (max_client_conn + servers / instances)) + 32 for listeners and logs",
        &[
            number("max_client_conn", pooler.max_client_conn),
            number("servers", pooler.servers),
            count("instances", pooler.instances),
        ],
    ));
}
