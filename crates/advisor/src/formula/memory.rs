//! F6: memory: what to expect, and the worst case.

use crate::units::{Bytes, Connections};

/// What memory depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Connections that are open.
    pub connections: Connections,
    /// Connections that run a query at the same moment.
    pub active: Connections,
    /// Memory of one sort or hash node in one process.
    pub work_mem: Bytes,
    /// Factor for hash nodes, where they dominate; else 1.
    pub hash_factor: f64,
    /// Such nodes in one plan: 1 for short transactions, 3 for reports.
    pub nodes: u64,
    /// `max_parallel_workers_per_gather`.
    pub workers_per_gather: u64,
    /// `max_parallel_workers`, of the whole server.
    pub parallel_workers_max: u64,
    /// `shared_buffers`.
    pub shared_buffers: Bytes,
    /// Memory of a connection that does nothing.
    pub idle_backend: Bytes,
    /// Connections that have touched all of `shared_buffers` and so own page tables for it; none
    /// with huge pages.
    pub page_table_owners: Connections,
    /// `autovacuum_max_workers`.
    pub autovacuum_workers: u64,
    /// `autovacuum_work_mem`, or `maintenance_work_mem` where that is -1.
    pub autovacuum_work_mem: Bytes,
    /// `maintenance_work_mem`.
    pub maintenance_work_mem: Bytes,
    /// Sessions that run maintenance (CREATE INDEX, VACUUM) at once.
    pub maintenance_sessions: u64,
}

/// Processes that execute plans: the active connections and their parallel workers, which the
/// server limits as a whole.
pub fn executors(active: Connections, per_gather: u64, parallel_workers_max: u64) -> u64 {
    let workers = active
        .0
        .saturating_mul(per_gather)
        .min(parallel_workers_max);
    active.0.saturating_add(workers)
}

/// Memory of sorts and hashes.
pub fn execution(inputs: &Inputs) -> Bytes {
    let executors = executors(
        inputs.active,
        inputs.workers_per_gather,
        inputs.parallel_workers_max,
    );
    inputs
        .work_mem
        .times(executors)
        .times(inputs.nodes)
        .scaled(inputs.hash_factor)
}

/// Page tables of one connection that touched all of `shared_buffers`: 8 bytes for each 4 kB page.
pub fn page_tables(shared_buffers: Bytes) -> Bytes {
    Bytes(shared_buffers.0 / 512)
}

/// All that does not depend on `work_mem`.
pub fn fixed(inputs: &Inputs) -> Bytes {
    let maintenance = inputs.autovacuum_work_mem.times(inputs.autovacuum_workers)
        + inputs
            .maintenance_work_mem
            .times(inputs.maintenance_sessions);
    inputs.shared_buffers
        + inputs.idle_backend.times(inputs.connections.0)
        + page_tables(inputs.shared_buffers).times(inputs.page_table_owners.0)
        + maintenance
}

/// F6: memory of the whole server.
pub fn total(inputs: &Inputs) -> Bytes {
    fixed(inputs) + execution(inputs)
}

/// F6 inverted: the largest `work_mem` that stays within `budget`, in whole kB.
pub fn work_mem_max(inputs: &Inputs, budget: Bytes) -> Bytes {
    let executors = executors(
        inputs.active,
        inputs.workers_per_gather,
        inputs.parallel_workers_max,
    );
    let shares = executors as f64 * inputs.nodes as f64 * inputs.hash_factor;
    if shares < 1.0 {
        return budget.less(fixed(inputs));
    }
    let share = budget.less(fixed(inputs)).scaled(1.0 / shares);
    Bytes::kib(share.0 / 1024)
}

/// What may be used of a machine's memory: nine tenths, less what else runs there.
pub fn budget(ram: Bytes, os_reserve: Bytes) -> Bytes {
    Bytes(ram.0 / 10 * 9 + ram.0 % 10 * 9 / 10).less(os_reserve)
}

/// The formula of S1: connections, `work_mem` and a factor. Shown for reference: the factor in its
/// example is `max_parallel_workers_per_gather`, in its text `max_parallel_workers`.
pub fn of_prisma_guide(connections: Connections, work_mem: Bytes, factor: u64) -> Bytes {
    work_mem.times(connections.0).times(factor)
}

/// What PGTune proposes for `work_mem` of a web application, as a cross-check: in whole kB, with a
/// quarter of the memory in `shared_buffers`. Below four cores it counts 8 worker processes.
pub fn pgtune_work_mem(ram: Bytes, connections: Connections, cores: u64) -> Bytes {
    let workers = if cores >= 4 { cores } else { 8 };
    let kib = (ram.0 - ram.0 / 4) / 1024;
    Bytes::kib(kib / (3 * (connections.0.saturating_add(workers))).max(1))
}
