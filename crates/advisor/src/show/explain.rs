//! Each number with its formula, its inputs and its source.

use serde::Serialize;

use super::push;
use crate::formula::{self, Formula};
use crate::plan::{Plan, ServicePlan};
use crate::units::{short, time_text};

/// How a number came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Derivation {
    /// What it is, such as `services.api.steady`.
    pub number: String,
    /// Its value with its unit.
    pub value: String,
    /// Number of the formula.
    pub formula: &'static str,
    /// The formula.
    pub expression: &'static str,
    /// The formula's inputs, by name.
    pub inputs: Vec<(String, String)>,
    /// Where the formula comes from.
    pub source: &'static str,
}

/// Every number of the plan that a formula gave.
pub fn explain(plan: &Plan) -> Vec<Derivation> {
    let mut all = Vec::new();
    fleet(plan, &mut all);
    for (service, known) in plan.services.iter().zip(&plan.facts.services) {
        of_service(plan, service, known, &mut all);
    }
    all
}

/// The derivations as text.
pub fn explain_text(plan: &Plan) -> String {
    let mut text = String::from("\nWhere the numbers come from\n");
    for derivation in explain(plan) {
        let inputs: Vec<String> = derivation
            .inputs
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        push(
            &mut text,
            format_args!(
                "{} = {}\n    {}: {}\n    with {}\n    from {}\n",
                derivation.number,
                derivation.value,
                derivation.formula,
                derivation.expression,
                inputs.join(", "),
                derivation.source
            ),
        );
    }
    text
}

fn derived(
    number: impl Into<String>,
    value: impl ToString,
    formula: &Formula,
    inputs: &[(&str, String)],
) -> Derivation {
    Derivation {
        number: number.into(),
        value: value.to_string(),
        formula: formula.id,
        expression: formula.expression,
        inputs: inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        source: formula.source,
    }
}

fn fleet(plan: &Plan, all: &mut Vec<Derivation>) {
    let capacity = &plan.capacity;
    let database = &plan.facts.database;
    let spindles = formula::base::effective_spindles(database.storage, database.cache_hit);
    all.push(derived(
        "capacity.optimum",
        capacity.optimum,
        &formula::F1,
        &[
            ("physical_cores", database.physical_cores.to_string()),
            ("effective_spindles", spindles.to_string()),
        ],
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
        &formula::F5,
        &[("need", capacity.need.to_string())],
    ));
    memory(plan, all);
    queueing(plan, all);
    pooler(plan, all);
}

fn memory(plan: &Plan, all: &mut Vec<Derivation>) {
    let database = &plan.facts.database;
    let memory = &plan.memory;
    let inputs = |active: String, nodes: u64| {
        [
            ("shared_buffers", database.shared_buffers.postgres()),
            ("active", active),
            ("nodes", nodes.to_string()),
            ("work_mem", database.work_mem.postgres()),
            ("hash_mem_multiplier", short(database.hash_mem_multiplier)),
            (
                "max_parallel_workers_per_gather",
                database.max_parallel_workers_per_gather.to_string(),
            ),
            (
                "max_parallel_workers",
                database.max_parallel_workers.to_string(),
            ),
            ("connections", database.max_connections.to_string()),
            ("idle_backend", database.idle_backend.postgres()),
            (
                "maintenance_work_mem",
                database.maintenance_work_mem.postgres(),
            ),
            (
                "autovacuum_max_workers",
                database.autovacuum_max_workers.to_string(),
            ),
        ]
    };
    let active = memory.active.to_string();
    let most = database.max_connections.to_string();
    for (name, value, inputs) in [
        (
            "memory.expected_bytes",
            memory.expected_bytes,
            inputs(active, 1),
        ),
        (
            "memory.worst_bytes",
            memory.worst_bytes,
            inputs(most.clone(), 1),
        ),
        (
            "memory.pessimistic_bytes",
            memory.pessimistic_bytes,
            inputs(most, 3),
        ),
    ] {
        all.push(derived(name, value, &formula::F6, &inputs));
    }
}

fn queueing(plan: &Plan, all: &mut Vec<Derivation>) {
    let queueing = &plan.queueing;
    let load = [
        ("rate", queueing.rate_per_second.to_string()),
        ("hold", format!("{}ms", short(queueing.hold_ms))),
        ("t", format!("{}ms", short(queueing.wait_ms))),
        ("epsilon", short(queueing.wait_share)),
    ];
    if queueing.rate_per_second.0 > 0.0 {
        all.push(derived(
            "queueing.busy",
            short(queueing.busy),
            &formula::F8,
            &load[..2],
        ));
    }
    if let Some(shared) = queueing.shared {
        let waits = formula::queueing::erlang_c(shared.0, queueing.busy);
        all.push(derived("queueing.shared", shared, &formula::F10, &load));
        all.push(derived(
            "probability to wait with queueing.shared",
            short(waits),
            &formula::F9,
            &[("c", shared.to_string()), ("a", short(queueing.busy))],
        ));
    }
    if let Some(scaling) = &plan.scaling {
        let law = [
            ("lambda", short(scaling.lambda)),
            ("sigma", format!("{:.6}", scaling.sigma)),
            ("kappa", format!("{:.8}", scaling.kappa)),
            ("R²", short(scaling.r_squared)),
        ];
        all.push(derived(
            "scaling.peak",
            short(scaling.peak),
            &formula::F12,
            &law,
        ));
        let point = scaling.operating_point;
        all.push(derived(
            "scaling.operating_point",
            point,
            &formula::F12,
            &law,
        ));
    }
}

fn pooler(plan: &Plan, all: &mut Vec<Derivation>) {
    let (Some(pooler), Some(settings)) = (&plan.pooler, &plan.facts.pooler) else {
        return;
    };
    let capacity = &plan.capacity;
    let inputs = [
        ("U", capacity.usable.to_string()),
        ("target", capacity.target_percent.to_string()),
        ("reserve", capacity.reserve.to_string()),
        ("direct", capacity.peak.less(capacity.pooler).to_string()),
        ("need", plan.queueing.pooled.to_string()),
        ("kappa", settings.kappa.to_string()),
        ("F1", capacity.optimum.to_string()),
        ("pairs", pooler.pairs.to_string()),
        ("instances", pooler.instances.to_string()),
    ];
    for (name, value) in [
        ("pooler.cap", pooler.cap),
        ("pooler.want", pooler.want),
        ("pooler.servers", pooler.servers),
        ("pooler.default_pool_size", pooler.default_pool_size),
        ("pooler.max_db_connections", pooler.max_db_connections),
        ("pooler.max_client_conn", pooler.max_client_conn),
    ] {
        all.push(derived(name, value, &formula::F11, &inputs));
    }
}

fn of_service(
    plan: &Plan,
    service: &ServicePlan,
    known: &crate::facts::Service,
    all: &mut Vec<Derivation>,
) {
    let name = |number: &str| format!("services.{}.{number}", service.name);
    all.push(derived(
        name("replicas_rollout"),
        service.replicas_rollout,
        &formula::F2,
        &[
            ("replicas", service.replicas.to_string()),
            ("surge", known.surge.to_string()),
        ],
    ));
    for (number, value, replicas) in [
        ("steady", service.steady, service.replicas),
        ("rollout", service.rollout, service.replicas_rollout),
    ] {
        all.push(derived(
            name(number),
            value,
            &formula::F3,
            &[
                ("replicas", replicas.to_string()),
                ("processes", service.processes.to_string()),
                ("pool", service.pool.to_string()),
                ("dsns", service.dsns.to_string()),
            ],
        ));
    }
    if known.connections_per_task > 1 {
        all.push(derived(
            name("floor"),
            service.floor,
            &formula::F7,
            &[
                ("tasks", known.tasks.to_string()),
                (
                    "connections_per_task",
                    known.connections_per_task.to_string(),
                ),
            ],
        ));
    }
    if let (Some(requests), Some(need)) = (known.requests, service.need) {
        all.push(derived(
            name("need"),
            need,
            &formula::F10,
            &[
                ("requests", requests.to_string()),
                ("queries_per_request", short(known.queries_per_request)),
                ("S", time_text(known.hold)),
                (
                    "pools",
                    known
                        .replicas
                        .max(1)
                        .saturating_mul(known.processes)
                        .to_string(),
                ),
                ("t", format!("{}ms", short(plan.queueing.wait_ms))),
                ("epsilon", short(plan.queueing.wait_share)),
                ("deadlock floor", service.floor.to_string()),
            ],
        ));
    }
}
