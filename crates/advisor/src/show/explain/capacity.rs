//! Demand against what PostgreSQL gives (F1 to F5).

use crate::facts::Via;
use crate::formula;
use crate::plan::Plan;
use crate::show::derivation::{Derivation, derived, part};
use crate::units::{Connections, short};

pub(super) fn explain(plan: &Plan, all: &mut Vec<Derivation>) {
    let capacity = &plan.capacity;
    let database = &plan.facts.database;
    let cores = ("physical_cores", database.physical_cores.to_string());
    let spindles = formula::base::effective_spindles(database.storage, database.cache_hit);
    all.push(derived(
        "capacity.optimum",
        capacity.optimum,
        &formula::F1,
        &[cores.clone(), ("effective_spindles", spindles.to_string())],
    ));
    all.push(derived(
        "capacity.optimum_of_documents",
        capacity.optimum_of_documents,
        &part(
            &formula::F1,
            "2 * physical_cores + 1, as both documents count it",
        ),
        &[cores],
    ));
    all.push(derived(
        "capacity.usable",
        capacity.usable,
        &formula::F4,
        &[
            ("max_connections", capacity.max_connections.to_string()),
            (
                "superuser_reserved_connections",
                capacity.superuser_reserved.to_string(),
            ),
            ("reserved_connections", capacity.reserved.to_string()),
        ],
    ));
    demand(plan, all);
    let demand = [
        ("M", capacity.peak.to_string()),
        ("U", capacity.usable.to_string()),
        ("reserve", capacity.reserve.to_string()),
        ("target", capacity.target_percent.to_string()),
    ];
    all.push(derived(
        "capacity.verdict",
        capacity.verdict,
        &formula::F5,
        &demand,
    ));
    all.push(derived(
        "capacity.need",
        capacity.need,
        &formula::F5,
        &demand,
    ));
    all.push(derived(
        "capacity.recommended_max_connections",
        capacity.recommended_max_connections,
        &part(&formula::F5, "need up to the next 50"),
        &[("need", capacity.need.to_string())],
    ));
    if let Some(ratio) = capacity.oversubscription {
        all.push(derived(
            "capacity.oversubscription",
            short(ratio),
            &part(&formula::F1, "M / F1"),
            &[
                ("M", capacity.peak.to_string()),
                ("F1", capacity.optimum.to_string()),
            ],
        ));
    }
}

/// The sums over services.
fn demand(plan: &Plan, all: &mut Vec<Derivation>) {
    let capacity = &plan.capacity;
    let direct = plan
        .services
        .iter()
        .filter(|service| service.via == Via::Direct);
    let services = ("services without a pooler", direct.count().to_string());
    let pooler = ("pooler", capacity.pooler.to_string());
    let sum = |of: Connections| [("direct", of.to_string()), pooler.clone()];
    all.push(derived(
        "capacity.direct",
        capacity.direct,
        &part(&formula::F3, "sum of steady of services without a pooler"),
        std::slice::from_ref(&services),
    ));
    all.push(derived(
        "capacity.direct_rollout",
        capacity.direct_rollout,
        &part(&formula::F3, "sum of rollout of services without a pooler"),
        &[services],
    ));
    all.push(derived(
        "capacity.pooler",
        capacity.pooler,
        &part(
            &formula::F11,
            "pooler.servers; 0 without a pooler, or where no service uses it",
        ),
        &[(
            "servers",
            plan.pooler
                .as_ref()
                .map_or(Connections::ZERO, |pooler| pooler.servers)
                .to_string(),
        )],
    ));
    all.push(derived(
        "capacity.steady",
        capacity.steady,
        &part(&formula::F3, "direct + pooler"),
        &sum(capacity.direct),
    ));
    all.push(derived(
        "capacity.rollout",
        capacity.rollout,
        &part(&formula::F3, "direct + pooler, during a rollout"),
        &sum(capacity.direct_rollout),
    ));
    all.push(derived(
        "capacity.peak",
        capacity.peak,
        &part(
            &formula::F5,
            "M = max(steady, rollout); steady alone if rollouts do not count",
        ),
        &[
            ("steady", capacity.steady.to_string()),
            ("rollout", capacity.rollout.to_string()),
            ("surge", plan.facts.operations.surge.to_string()),
        ],
    ));
}
