//! Settings that follow from the machine and its workload: planner, WAL, disks and processes. They count in
//! no sum of the plan.

use super::{Applies, Setting, setting};
use crate::facts::{Database, Workload};
use crate::formula::base::Storage;
use crate::formula::{memory, tuning};
use crate::plan::Plan;
use crate::units::Bytes;

use Applies::{Reload, Restart};

/// All of them, for the plan's version of PostgreSQL.
pub(super) fn settings(plan: &Plan) -> Vec<Setting> {
    let database = &plan.facts.database;
    let mut all = vec![effective_cache_size(plan)];
    all.extend(huge_pages(database));
    all.extend(wal(database));
    all.extend(planner(database));
    all.extend(disks(database));
    let parallel = tuning::parallel(database.physical_cores, database.workload);
    all.push(setting(
        "max_parallel_maintenance_workers",
        parallel.maintenance.to_string(),
        Reload,
        "half of the cores, 4 at most; they share maintenance_work_mem",
    ));
    all
}

/// What is left of the machine when PostgreSQL has what it is expected to use: the planner counts on
/// finding pages there.
fn effective_cache_size(plan: &Plan) -> Setting {
    let database = &plan.facts.database;
    let ram = database.ram;
    let bytes = if database.workload == Workload::Desktop {
        Bytes(ram.0 / 4)
    } else {
        let processes = plan.memory.expected_bytes.less(database.shared_buffers);
        let left = ram.less(processes).less(plan.facts.operations.os_reserve);
        left.min(Bytes(ram.0 / 4 * 3)).max(Bytes(ram.0 / 4))
    };
    let why = match database.workload {
        Workload::Desktop => "a quarter of memory: other programs need the rest",
        Workload::Web | Workload::Oltp | Workload::Dw | Workload::Mixed => {
            "memory left for cached pages beside what processes are expected to use; 3/4 of ram at most"
        }
    };
    let value = Bytes::mib(bytes.whole_mib().max(1)).postgres();
    setting("effective_cache_size", value, Reload, why)
}

/// Page tables that are worth an administrator's time.
const PAGE_TABLES_LARGE: Bytes = Bytes::mib(128);

fn huge_pages(database: &Database) -> Option<Setting> {
    let tables = memory::page_tables(database.shared_buffers).times(database.max_connections.0);
    if !database.huge_pages && tables < PAGE_TABLES_LARGE {
        return None;
    }
    let mut why = format!(
        "saves up to {} of page tables; needs vm.nr_hugepages = {}",
        tables,
        huge_page_count(database)
    );
    if database.version >= 15 {
        why.push_str("; exactly: postgres -C shared_memory_size_in_huge_pages");
    }
    // `on` keeps a server from starting where the system has none.
    Some(setting("huge_pages", "try".to_owned(), Restart, why))
}

/// Huge pages of 2 MB for all shared memory. Beside the buffers PostgreSQL 15 takes 2.0 to 2.5 % of them, some
/// 20 MB, and 46 kB for each connection.
pub(super) fn huge_page_count(database: &Database) -> u64 {
    let buffers = database.shared_buffers;
    let other = Bytes::mib(24) + Bytes::kib(48).times(database.max_connections.0);
    let all = buffers + Bytes(buffers.0 / 40) + other;
    all.0.div_ceil(Bytes::mib(2).0)
}

fn wal(database: &Database) -> Vec<Setting> {
    let (least, most, why) = match database.workload {
        Workload::Web => (1024, 4096, "a checkpoint by time, not by size"),
        Workload::Mixed => (1024, 8192, "a checkpoint by time, not by size"),
        Workload::Oltp => (2048, 8192, "many writes between two checkpoints"),
        Workload::Dw => (4096, 16384, "bulk loads between two checkpoints"),
        Workload::Desktop => (128, 1024, "PostgreSQL's default: disks are small"),
    };
    vec![
        setting(
            "wal_buffers",
            wal_buffers(database.shared_buffers).postgres(),
            Restart,
            "1/32 of shared_buffers, 16MB at most: what -1 takes",
        ),
        setting(
            "min_wal_size",
            Bytes::mib(least).postgres(),
            Reload,
            "kept for the next peak",
        ),
        setting(
            "max_wal_size",
            Bytes::mib(most).postgres(),
            Reload,
            format!("{why}; the disk must have room for it"),
        ),
        setting(
            "checkpoint_completion_target",
            "0.9".to_owned(),
            Reload,
            "spreads the writes; the default from 14 on",
        ),
    ]
}

fn wal_buffers(shared_buffers: Bytes) -> Bytes {
    let part = Bytes::kib(shared_buffers.0 / 32 / 1024 / 8 * 8);
    part.clamp(Bytes::kib(64), Bytes::mib(16))
}

fn planner(database: &Database) -> Vec<Setting> {
    let (statistics, of_statistics) = match database.workload {
        Workload::Dw => (500, "reports join skewed columns; ANALYZE takes longer"),
        Workload::Web | Workload::Oltp | Workload::Desktop | Workload::Mixed => {
            (100, "PostgreSQL's default")
        }
    };
    let (random, of_random) = match database.storage {
        Storage::Hdd { .. } => ("4", "PostgreSQL's default: disks seek"),
        // Most of what a report reads at random comes from the volume, and sequential reads are prefetched.
        Storage::Ssd | Storage::Nvme | Storage::Cloud if database.workload == Workload::Dw => {
            ("2", "no seeks, but reports read more than fits in memory")
        }
        Storage::Cloud => ("1.3", "no seeks, but each read crosses the network"),
        Storage::Ssd | Storage::Nvme => ("1.1", "nothing seeks"),
    };
    let mut all = vec![
        setting(
            "default_statistics_target",
            statistics.to_string(),
            Reload,
            of_statistics,
        ),
        setting("random_page_cost", random.to_owned(), Reload, of_random),
    ];
    if matches!(database.workload, Workload::Web | Workload::Oltp) {
        all.push(setting(
            "jit",
            "off".to_owned(),
            Reload,
            "compiling takes longer than short statements run",
        ));
    }
    all
}

fn disks(database: &Database) -> Vec<Setting> {
    let (concurrency, why) = match database.storage {
        Storage::Hdd { spindles } => (
            u64::from(spindles).saturating_mul(2).min(1000),
            "two for each disk that seeks",
        ),
        Storage::Ssd => (64, "twice the 32 places of a SATA queue"),
        Storage::Cloud => (64, "16000 reads a second of 4 ms"),
        Storage::Nvme => (
            200,
            "queues are deep; pages read too early are evicted again",
        ),
    };
    vec![setting(
        "effective_io_concurrency",
        concurrency.to_string(),
        Reload,
        why,
    )]
}
