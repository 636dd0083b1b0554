//! Memory of the database machine (F6).

use crate::facts::Database;
use crate::formula;
use crate::plan::Plan;
use crate::show::derivation::{Derivation, derived, part};
use crate::units::short;

pub(super) fn explain(plan: &Plan, all: &mut Vec<Derivation>) {
    let database = &plan.facts.database;
    let memory = &plan.memory;
    let connections = ("connections", database.max_connections.to_string());
    let inputs = |active: String, nodes: u64| inputs(database, active, nodes);
    let active = memory.active.to_string();
    let most = database.max_connections.to_string();
    for (name, value, inputs) in [
        (
            "memory.expected_bytes",
            memory.expected_bytes,
            inputs(active.clone(), 1),
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
    let measured = plan.facts.measured.active;
    all.push(derived(
        "memory.active",
        memory.active,
        &part(
            &formula::F1,
            "F1, or what was measured if that is less; at most max_connections",
        ),
        &[
            ("F1", plan.capacity.optimum.to_string()),
            ("measured", measured.map_or("no".to_owned(), short)),
            connections.clone(),
        ],
    ));
    all.push(derived(
        "memory.budget_bytes",
        memory.budget_bytes,
        &part(&formula::F6, "ram * 9 / 10 - os_reserve"),
        &[
            ("ram", database.ram.postgres()),
            ("os_reserve", plan.facts.operations.os_reserve.postgres()),
        ],
    ));
    let mut of_work_mem = inputs(active, 1);
    of_work_mem.retain(|(name, _)| *name != "work_mem");
    of_work_mem.push(("budget", memory.budget_bytes.postgres()));
    all.push(derived(
        "memory.work_mem_max_bytes",
        memory.work_mem_max_bytes.postgres(),
        &part(
            &formula::F6,
            "(budget - all of F6 but work_mem) / (executors * nodes * hash_mem_multiplier)",
        ),
        &of_work_mem,
    ));
    documents(plan, connections, all);
}

/// The inputs of F6.
fn inputs(database: &Database, active: String, nodes: u64) -> Vec<(&'static str, String)> {
    vec![
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
        (
            "max_worker_processes",
            database.max_worker_processes.to_string(),
        ),
        ("connections", database.max_connections.to_string()),
        ("idle_backend", database.idle_backend.postgres()),
        ("huge_pages", database.huge_pages.to_string()),
        (
            "autovacuum_work_mem",
            database.autovacuum_work_mem.postgres(),
        ),
        (
            "maintenance_work_mem",
            database.maintenance_work_mem.postgres(),
        ),
        (
            "autovacuum_max_workers",
            database.autovacuum_max_workers.to_string(),
        ),
    ]
}

/// The documents' number in both its readings, and another program's.
fn documents(plan: &Plan, connections: (&str, String), all: &mut Vec<Derivation>) {
    let database = &plan.facts.database;
    let memory = &plan.memory;
    let work_mem = ("work_mem", database.work_mem.postgres());
    let gather = (
        "max_parallel_workers_per_gather",
        database.max_parallel_workers_per_gather.to_string(),
    );
    let workers = (
        "max_parallel_workers",
        database.max_parallel_workers.to_string(),
    );
    let mut of_s1 = part(
        &formula::F6,
        "connections * work_mem * max_parallel_workers_per_gather; no bound",
    );
    of_s1.source = "S1, problem 4, as its example counts";
    all.push(derived(
        "memory.prisma_guide_bytes",
        memory.prisma_guide_bytes,
        &of_s1,
        &[connections.clone(), work_mem.clone(), gather],
    ));
    of_s1.expression = "connections * work_mem * max_parallel_workers; no bound";
    of_s1.source = "S1, problem 4, as its text has it";
    all.push(derived(
        "memory.prisma_guide_literal_bytes",
        memory.prisma_guide_literal_bytes,
        &of_s1,
        &[connections.clone(), work_mem, workers],
    ));
    let mut of_pgtune = part(
        &formula::F6,
        "3/4 of ram / (3 * (connections + cores)), with 8 for fewer than 4 cores",
    );
    of_pgtune.source = "PGTune, for a web application; for comparison";
    all.push(derived(
        "memory.pgtune_work_mem_bytes",
        memory.pgtune_work_mem_bytes.postgres(),
        &of_pgtune,
        &[
            ("ram", database.ram.postgres()),
            connections,
            ("cores", database.physical_cores.to_string()),
        ],
    ));
}
