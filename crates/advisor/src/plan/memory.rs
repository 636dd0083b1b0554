//! Memory of the database machine: what to expect, and the worst case.

use serde::Serialize;

use super::capacity::Capacity;
use crate::facts::Facts;
use crate::formula::demand::Verdict;
use crate::formula::memory;
use crate::units::{Bytes, Connections};

/// Memory of the database machine (F6).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryPlan {
    /// Memory of the machine.
    pub ram_bytes: Bytes,
    /// Whether that is assumed.
    pub ram_assumed: bool,
    /// Nine tenths of it, less what other programs use.
    pub budget_bytes: Bytes,
    /// What to expect: as many active connections as are useful, one sort or hash each.
    pub expected_bytes: Bytes,
    /// The worst case: every allowed connection active, one sort or hash each.
    pub worst_bytes: Bytes,
    /// The same with three sorts or hashes each, as in reports.
    pub pessimistic_bytes: Bytes,
    /// S1's formula as its example computes it, with 2 workers per gather. Neither an upper nor a lower
    /// bound.
    pub prisma_guide_bytes: Bytes,
    /// S1's formula as its text says it, with `max_parallel_workers`.
    pub prisma_guide_literal_bytes: Bytes,
    /// Active connections that `expected` counts.
    pub active: Connections,
    /// The largest `work_mem` that keeps `worst` within the budget.
    pub work_mem_max_bytes: Bytes,
    /// What PGTune proposes for `work_mem`, for comparison.
    pub pgtune_work_mem_bytes: Bytes,
    /// WARN if the expected memory exceeds the budget, FAIL if it exceeds the machine's; OK if the
    /// machine's memory is not known.
    pub verdict: Verdict,
}

impl MemoryPlan {
    /// The verdict in a sentence.
    pub fn reason(&self) -> String {
        let Self {
            expected_bytes,
            budget_bytes,
            ram_bytes,
            ..
        } = self;
        let expected = format!("PostgreSQL is expected to use {expected_bytes} of memory");
        match self.verdict {
            Verdict::Fail => format!("{expected}, the machine has {ram_bytes}"),
            Verdict::Warn => format!(
                "{expected}, more than the {budget_bytes} that nine tenths of {ram_bytes} leave"
            ),
            Verdict::Ok if self.ram_assumed => {
                format!("{expected}; give database.ram to know whether that fits")
            }
            Verdict::Ok => format!("{expected}, within {budget_bytes}"),
        }
    }
}

pub(super) fn plan(facts: &Facts, capacity: &Capacity) -> MemoryPlan {
    let database = &facts.database;
    let connections = database.max_connections;
    let measured = facts.measured.active.map(|active| active.ceil().max(1.0));
    // `as` clamps to the range of u64.
    let active = measured.map_or(capacity.optimum, |active| {
        Connections(active as u64).min(capacity.optimum)
    });
    let active = active.min(connections);
    let inputs = |active: Connections, nodes: u64| database.memory(active, nodes);
    let expected = memory::total(&inputs(active, 1));
    let budget = memory::budget(database.ram, facts.operations.os_reserve);
    let ram_assumed = facts.assumes("database.ram");
    let seed = |factor| memory::of_prisma_guide(connections, database.work_mem, factor);
    MemoryPlan {
        ram_bytes: database.ram,
        ram_assumed,
        budget_bytes: budget,
        expected_bytes: expected,
        worst_bytes: memory::total(&inputs(connections, 1)),
        pessimistic_bytes: memory::total(&inputs(connections, 3)),
        prisma_guide_bytes: seed(database.max_parallel_workers_per_gather),
        prisma_guide_literal_bytes: seed(database.max_parallel_workers),
        active,
        work_mem_max_bytes: memory::work_mem_max(&inputs(connections, 1), budget),
        pgtune_work_mem_bytes: memory::pgtune_work_mem(
            database.ram,
            connections,
            u64::from(database.physical_cores),
        ),
        // Of memory that was only assumed there is no verdict.
        verdict: if ram_assumed {
            Verdict::Ok
        } else if expected > database.ram {
            Verdict::Fail
        } else if expected > budget {
            Verdict::Warn
        } else {
            Verdict::Ok
        },
    }
}
