//! Settings of PostgreSQL that follow from the machine and from what it is used for.

use crate::units::Bytes;

/// What a database is mostly used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Pages of an application: many short statements, mostly reads, mostly cached.
    Web,
    /// Transactions: many short statements, a large part of them writes.
    Oltp,
    /// Reports and bulk loads: few statements, each over much data.
    Dw,
    /// A developer's machine, which PostgreSQL shares with other programs.
    Desktop,
    /// Transactions and reports on one machine.
    Mixed,
}

impl Workload {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 5] = [Self::Web, Self::Oltp, Self::Dw, Self::Desktop, Self::Mixed];

    /// The name in `fleet.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Oltp => "oltp",
            Self::Dw => "dw",
            Self::Desktop => "desktop",
            Self::Mixed => "mixed",
        }
    }

    /// Which part of the memory `shared_buffers` gets: one over this.
    pub fn buffers_part(self) -> u64 {
        match self {
            Self::Web | Self::Oltp | Self::Dw | Self::Mixed => 4,
            Self::Desktop => 16,
        }
    }
}

/// `shared_buffers` of a machine with this much memory, in whole pages.
pub fn shared_buffers(ram: Bytes, workload: Workload) -> Bytes {
    Bytes(ram.0 / workload.buffers_part() / PAGE * PAGE)
}

/// PostgreSQL's own default of `work_mem`.
pub const WORK_MEM_LEAST: Bytes = Bytes::mib(4);

/// `work_mem`, where `room` is the largest that fits with every connection active.
pub fn work_mem(room: Bytes, workload: Workload) -> Bytes {
    // Short statements sort little, and what they do not use as work_mem caches pages.
    let most = match workload {
        Workload::Web | Workload::Oltp => Bytes::mib(16),
        Workload::Desktop => Bytes::mib(32),
        Workload::Mixed => Bytes::mib(64),
        Workload::Dw => Bytes::gib(1),
    };
    Bytes::mib(room.whole_mib()).clamp(WORK_MEM_LEAST, most)
}

/// Memory of maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// `maintenance_work_mem`, for a manual VACUUM or CREATE INDEX.
    pub manual: Bytes,
    /// `autovacuum_work_mem`, for each of the workers.
    pub automatic: Bytes,
}

/// PostgreSQL's own default.
pub const MAINTENANCE_LEAST: Bytes = Bytes::mib(64);
/// VACUUM does not use more before version 17, and an index build gains little from more.
const MAINTENANCE_MOST: Bytes = Bytes::gib(2);
/// Workers run all the time, one build of an index does not.
const AUTOVACUUM_MOST: Bytes = Bytes::gib(1);

/// Memory of maintenance that `fits` into what the machine may use. `fits` is asked for less and less;
/// what PostgreSQL takes by default is the answer where nothing fits.
pub fn maintenance(
    ram: Bytes,
    workload: Workload,
    autovacuum_workers: u64,
    fits: impl Fn(Maintenance) -> bool,
) -> Maintenance {
    let part = match workload {
        Workload::Web | Workload::Oltp | Workload::Mixed => 16,
        Workload::Dw => 8,
        Workload::Desktop => 32,
    };
    let bounded = |bytes: Bytes, most: Bytes| {
        Bytes::mib(bytes.whole_mib()).clamp(MAINTENANCE_LEAST, most.max(MAINTENANCE_LEAST))
    };
    let mut manual = bounded(Bytes(ram.0 / part), MAINTENANCE_MOST);
    loop {
        // All workers together get half of what one manual command gets of the machine.
        let share = Bytes(ram.0 / part / 2 / autovacuum_workers.max(1));
        let chosen = Maintenance {
            manual,
            automatic: bounded(share, AUTOVACUUM_MOST.min(manual)),
        };
        if manual <= MAINTENANCE_LEAST || fits(chosen) {
            return chosen;
        }
        manual = bounded(Bytes(manual.0 / 2), MAINTENANCE_MOST);
    }
}

/// How many processes may help with queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallel {
    /// `max_worker_processes`.
    pub processes: u64,
    /// `max_parallel_workers`.
    pub workers: u64,
    /// `max_parallel_workers_per_gather`.
    pub per_gather: u64,
    /// `max_parallel_maintenance_workers`.
    pub maintenance: u64,
}

/// Processes that help with queries on a machine with this many cores.
pub fn parallel(physical_cores: u32, workload: Workload) -> Parallel {
    let cores = u64::from(physical_cores);
    let half = cores.div_ceil(2);
    let per_gather = match (workload, cores) {
        // There is no core to help on.
        (_, 0 | 1) => 0,
        (Workload::Web | Workload::Oltp, _) => half.min(2),
        (Workload::Desktop | Workload::Mixed, _) => half.min(4),
        (Workload::Dw, _) => half.min(8),
    };
    let workers = match workload {
        // The other cores serve the other connections.
        Workload::Web | Workload::Oltp => half.min(8),
        Workload::Desktop | Workload::Dw | Workload::Mixed => cores,
    };
    Parallel {
        // Logical replication and extensions take processes of the same number.
        processes: (workers + 4).max(8),
        workers: workers.max(per_gather),
        per_gather,
        maintenance: if cores > 1 { half.min(4) } else { 0 },
    }
}

const PAGE: u64 = 8 * 1024;
