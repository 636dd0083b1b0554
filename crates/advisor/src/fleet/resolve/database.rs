//! `[database]`: the server, its memory and its time limits.

use std::time::Duration;

use pgweir_settings::Problem;

use super::super::Draft;
use super::super::keys::{self, Scope};
use super::super::value::Kind;
use super::values::{Assumptions, Values};
use crate::facts::{Database, ServerTimeouts};
use crate::formula::base::Storage;
use crate::formula::memory;
use crate::formula::tuning::{self, MAINTENANCE_LEAST, Maintenance, WORK_MEM_LEAST, Workload};
use crate::units::{Bytes, Connections};

pub(super) fn database(
    draft: &Draft,
    os_reserve: Bytes,
    assumptions: &mut Assumptions,
    problems: &mut Vec<Problem>,
) -> Database {
    let section = &draft.database;
    let mut v = Values::read(Scope::Database, "", section, assumptions, problems);
    let version: u32 = v.get("version");
    let physical_cores = v.get("physical_cores");
    let workload = workload(&mut v);
    let ram_default = match v.maybe::<Bytes>("shared_buffers") {
        Some(shared_buffers) => shared_buffers
            .times(workload.buffers_part())
            .max(Bytes::mib(64)),
        None => Bytes::gib(2).times(u64::from(physical_cores)),
    };
    let ram_given = v.has("ram");
    let ram = v.or("ram", ram_default);
    let shared_buffers = v.or("shared_buffers", tuning::shared_buffers(ram, workload));
    if shared_buffers >= ram {
        let message = format!(
            "is not less than the machine's memory of {}",
            ram.postgres()
        );
        let suggestion = format!(
            "write shared_buffers = \"{}\"",
            Bytes::mib(ram.whole_mib() / 4).postgres()
        );
        v.contradiction("shared_buffers", message, suggestion);
    }
    let storage = storage(&mut v);
    let max_connections: Connections = v.get("max_connections");
    let superuser_reserved: Connections = v.get("superuser_reserved_connections");
    let reserved: Connections = v.get("reserved_connections");
    if superuser_reserved + reserved >= max_connections {
        let message = format!(
            "leaves nothing to ordinary roles: {superuser_reserved} are reserved for superusers and \
             {reserved} for roles with pg_use_reserved_connections"
        );
        let least = superuser_reserved + reserved + Connections(1);
        let suggestion = match keys::find(Scope::Database, "max_connections").map(|key| key.kind) {
            Some(Kind::Count { max, .. }) if least.0 > max => {
                format!("PostgreSQL allows {max} at most: reserve fewer")
            }
            _ => format!("write {least} or more"),
        };
        v.contradiction("max_connections", message, suggestion);
    }
    if reserved.0 > 0 && version < 16 {
        let message = format!("PostgreSQL {version} does not have this setting");
        v.contradiction("reserved_connections", message, "remove it".to_owned());
    }
    let hash = if version >= 15 { 2.0 } else { 1.0 };
    let parallel = tuning::parallel(physical_cores, workload);
    let max_parallel_workers = v.or("max_parallel_workers", parallel.workers);
    let mut database = Database {
        name: v.get("name"),
        host: v.get("host"),
        port: v.get("port"),
        version,
        physical_cores,
        ram,
        storage,
        workload,
        cache_hit: v.get("cache_hit"),
        max_connections,
        superuser_reserved,
        reserved,
        work_mem: WORK_MEM_LEAST,
        hash_mem_multiplier: v.or("hash_mem_multiplier", hash),
        shared_buffers,
        maintenance_work_mem: MAINTENANCE_LEAST,
        autovacuum_work_mem: MAINTENANCE_LEAST,
        autovacuum_max_workers: v.get("autovacuum_max_workers"),
        max_parallel_workers,
        max_parallel_workers_per_gather: v
            .or("max_parallel_workers_per_gather", parallel.per_gather),
        max_worker_processes: v.or("max_worker_processes", parallel.processes),
        huge_pages: v.get("huge_pages"),
        idle_backend: v.get("idle_backend"),
        standbys: v.maybe("standbys").unwrap_or_default(),
        timeouts: server_timeouts(&mut v, version),
    };
    memory_of_processes(&mut v, &mut database, ram_given, os_reserve);
    database
}

/// Memory of sorts, hashes and maintenance: as given, or what a machine whose memory is known has
/// room for.
fn memory_of_processes(
    v: &mut Values<'_>,
    database: &mut Database,
    ram_given: bool,
    os_reserve: Bytes,
) {
    let budget = memory::budget(database.ram, os_reserve);
    let workload = database.workload;
    database.work_mem = v.maybe("work_mem").unwrap_or(WORK_MEM_LEAST);
    let fits = |chosen: Maintenance| {
        let mut inputs = database.memory(database.optimum(), 1);
        inputs.maintenance_work_mem = chosen.manual;
        inputs.autovacuum_work_mem = chosen.automatic;
        memory::total(&inputs) <= budget
    };
    let workers = database.autovacuum_max_workers;
    let chosen = match (v.maybe("maintenance_work_mem"), ram_given) {
        // Without a value of their own, workers take what a manual command gets.
        (Some(given), _) => Maintenance {
            manual: given,
            automatic: given,
        },
        (None, true) => tuning::maintenance(database.ram, workload, workers, fits),
        (None, false) => Maintenance {
            manual: MAINTENANCE_LEAST,
            automatic: MAINTENANCE_LEAST,
        },
    };
    database.maintenance_work_mem = v.or("maintenance_work_mem", chosen.manual);
    database.autovacuum_work_mem = v.or("autovacuum_work_mem", chosen.automatic);
    let sorts = if ram_given {
        let all_active = database.memory(database.max_connections, 3);
        tuning::work_mem(memory::work_mem_max(&all_active, budget), workload)
    } else {
        WORK_MEM_LEAST
    };
    database.work_mem = v.or("work_mem", sorts);
}

fn workload(v: &mut Values<'_>) -> Workload {
    let name: &str = v.get("workload");
    Workload::ALL
        .into_iter()
        .find(|workload| workload.name() == name)
        .expect("the table allows only names of workloads")
}

fn storage(v: &mut Values<'_>) -> Storage {
    let storage: &str = v.get("storage");
    if storage == "hdd" {
        return Storage::Hdd {
            spindles: v.get("spindles"),
        };
    }
    if v.has("spindles") {
        let message = format!("{storage} has no spindles; both documents count one for SSD");
        let suggestion = "remove it, or write storage = \"hdd\"".to_owned();
        v.contradiction("spindles", message, suggestion);
    }
    match storage {
        "nvme" => Storage::Nvme,
        "cloud" => Storage::Cloud,
        _ => Storage::Ssd,
    }
}

fn server_timeouts(v: &mut Values<'_>, version: u32) -> ServerTimeouts {
    let statement: Option<Duration> = v.get("statement_timeout");
    let has_transaction_timeout = version >= 17;
    let transaction = match (
        has_transaction_timeout,
        v.maybe::<Option<Duration>>("transaction_timeout").flatten(),
    ) {
        (false, Some(_)) => {
            let message = format!("PostgreSQL {version} does not have this setting");
            v.contradiction("transaction_timeout", message, "remove it".to_owned());
            None
        }
        (false, None) => None,
        (true, _) => {
            let default = statement.map(|time| (time * 2).max(Duration::from_secs(60)));
            v.or("transaction_timeout", default)
        }
    };
    ServerTimeouts {
        statement,
        batch_statement: v.get("batch_statement_timeout"),
        lock: v.get("lock_timeout"),
        idle_in_transaction: v.get("idle_in_transaction_session_timeout"),
        transaction,
        idle_session: v.get("idle_session_timeout"),
        keepalives_idle: v.get("tcp_keepalives_idle"),
        keepalives_interval: v.get("tcp_keepalives_interval"),
        keepalives_count: v.get("tcp_keepalives_count"),
    }
}
