//! The pooler's sizes (F11). What was given is an input, and has no formula.

use crate::formula::F11;
use crate::plan::Plan;
use crate::show::derivation::{Derivation, derived, part};
use crate::units::Connections;

pub(super) fn explain(plan: &Plan, all: &mut Vec<Derivation>) {
    let (Some(pooler), Some(settings)) = (&plan.pooler, &plan.facts.pooler) else {
        return;
    };
    let capacity = &plan.capacity;
    let number = |name: &'static str, value: Connections| (name, value.to_string());
    let count = |name: &'static str, value: u64| (name, value.to_string());
    let instances = count("instances", pooler.instances);
    let pairs = count("pairs", pooler.pairs);
    let databases = count("databases", pooler.databases);
    let pool = number("default_pool_size", pooler.default_pool_size);
    let reserve_pool = number("reserve_pool_size", pooler.reserve_pool_size);
    let per_database = number("max_db_connections", pooler.max_db_connections);
    let clients = number("clients", pooler.clients);
    let both = [number("cap", pooler.cap), number("want", pooler.want)];
    let mut push = |name: &str, value: Connections, expression: &'static str, inputs: &[_]| {
        let name = format!("pooler.{name}");
        all.push(derived(name, value, &part(&F11, expression), inputs));
    };
    push(
        "cap",
        pooler.cap,
        "floor(target * U / 100) - reserve - direct",
        &[
            count("target", capacity.target_percent.into()),
            number("U", capacity.usable),
            number("reserve", capacity.reserve),
            number("direct", capacity.peak.less(capacity.pooler)),
        ],
    );
    push(
        "want",
        pooler.want,
        "max(need, kappa * F1)",
        &[
            number("need", plan.queueing.pooled),
            count("kappa", settings.kappa),
            number("F1", capacity.optimum),
        ],
    );
    if settings.pool.is_none() {
        let [cap, want] = both.clone();
        push(
            "default_pool_size",
            pooler.default_pool_size,
            "floor(max(min(cap, want), databases * instances) / (pairs * instances)), 1 at least",
            &[
                cap,
                want,
                databases.clone(),
                pairs.clone(),
                instances.clone(),
            ],
        );
    }
    if settings.reserve_pool.is_none() {
        let inputs = std::slice::from_ref(&pool);
        let expression = "ceil(default_pool_size / 5)";
        push(
            "reserve_pool_size",
            pooler.reserve_pool_size,
            expression,
            inputs,
        );
    }
    match (settings.per_database, settings.pool) {
        (Some(_), _) => {}
        (None, Some(_)) => push(
            "max_db_connections",
            pooler.max_db_connections,
            "ceil((default_pool_size + reserve_pool_size) * pairs / databases)",
            &[
                pool.clone(),
                reserve_pool.clone(),
                pairs.clone(),
                databases.clone(),
            ],
        ),
        (None, None) => {
            let [cap, want] = both;
            push(
                "max_db_connections",
                pooler.max_db_connections,
                "floor(min(cap, want) / (databases * instances)), 1 at least",
                &[cap, want, databases.clone(), instances.clone()],
            );
        }
    }
    push(
        "servers",
        pooler.servers,
        "min((default_pool_size + reserve_pool_size) * pairs, max_db_connections * databases) * instances",
        &[
            pool,
            reserve_pool,
            pairs,
            per_database,
            databases,
            instances.clone(),
        ],
    );
    let behind = plan
        .services
        .iter()
        .filter(|service| service.via == crate::facts::Via::Pooler);
    push(
        "clients",
        pooler.clients,
        "sum of what the services behind the pooler open, rollout included if it is to count",
        &[count("services", behind.count() as u64)],
    );
    if settings.clients.is_none() {
        push(
            "max_client_conn",
            pooler.max_client_conn,
            "ceil(1.25 * clients / instances): a quarter more, for balance is never even",
            &[clients, instances.clone()],
        );
    }
    push(
        "descriptors",
        Connections(pooler.descriptors),
        "floor(1.2 * (max_client_conn + servers / instances)) + 32 for listeners and logs",
        &[
            number("max_client_conn", pooler.max_client_conn),
            number("servers", pooler.servers),
            instances,
        ],
    );
}
