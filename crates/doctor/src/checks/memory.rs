//! Memory that PostgreSQL may use, against what the machine has.

use pgweir_advisor::formula::memory::{self, Inputs};
use pgweir_advisor::units::{Bytes, Connections};

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::server::SERVER;
use crate::checks::settings::SETTINGS;
use crate::question::{Missing, Question};
use crate::sample::Sample;

/// Both bounds of the memory that the settings allow.
pub(super) struct Memory;

impl Check for Memory {
    fn about(&self) -> About {
        About {
            id: "memory",
            title: "memory is enough for the connections that are allowed",
            why: "each connection may use work_mem several times; when all do at once, the kernel kills PostgreSQL, and \
                  all its connections end",
            worst: Severity::Critical,
            source: "S1 problem 4; formula F6",
            privilege: Privilege::Superuser,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, SETTINGS, MACHINE]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let slots = sample.slots()?;
        let ram = sample.given.ram.or_else(|| machine(sample)).ok_or_else(|| {
            Missing("the memory of PostgreSQL's machine: --ram 16GB (a superuser's session reads it there)".to_owned())
        })?;
        let connections = Connections(slots.max as u64);
        // Sessions that are there now: as many will be active as the machine has use for.
        let cores = sample.given.cores.unwrap_or(CORES_ASSUMED);
        let active = Connections(u64::from(cores) * 2).min(connections);
        let expected = memory::total(&inputs(sample, connections, active)?);
        let all = inputs(sample, connections, connections)?;
        let worst = memory::total(&all);
        let budget = memory::budget(ram, Bytes::ZERO);
        let seen = format!(
            "{expected} expected, {worst} if all {} connections sort at once, of {ram}",
            slots.max
        );
        let judgement = Judgement::seen(seen.clone());
        let severity = if expected > ram {
            Severity::Critical
        } else if expected > budget || worst > ram {
            Severity::Warning
        } else {
            return Ok(judgement);
        };
        let largest = memory::work_mem_max(&all, budget);
        Ok(judgement.with([Finding {
            severity,
            observation: seen,
            numbers: vec![
                ("expected_bytes", expected.0 as f64),
                ("worst_bytes", worst.0 as f64),
                ("ram_bytes", ram.0 as f64),
            ],
            evidence: Vec::new(),
            conclusion: match severity {
                Severity::Critical => "even an ordinary load may use more than there is".to_owned(),
                Severity::Warning => "a moment in which many connections sort or hash at once may use more than there \
                                      is"
                    .to_owned(),
            },
            recommendation: match largest.0 {
                0 => "lower max_connections behind a pooler, or shared_buffers; no work_mem makes this fit".to_owned(),
                _ => "lower work_mem for the server and raise it for the few roles and statements that need more; or \
                      lower max_connections behind a pooler"
                    .to_owned(),
            },
            commands: match largest.0 {
                0 => vec!["pgweir plan --from-database URL".to_owned()],
                _ => vec![
                    format!(
                        "ALTER SYSTEM SET work_mem = '{}';",
                        largest.max(Bytes::kib(64)).postgres()
                    ),
                    "SELECT pg_reload_conf();".to_owned(),
                ],
            },
        }]))
    }
}

fn inputs(
    sample: &Sample,
    connections: Connections,
    active: Connections,
) -> Result<Inputs, Missing> {
    // `as` clamps to the range of u64.
    let whole = |name: &str, default: f64| -> Result<u64, Missing> {
        Ok(sample.setting(name)?.unwrap_or(default).max(0.0) as u64)
    };
    let work = |name: &str| -> Result<Bytes, Missing> { Ok(Bytes::kib(whole(name, 0.0)?)) };
    let maintenance = work("maintenance_work_mem")?;
    let autovacuum = match sample.setting("autovacuum_work_mem")? {
        Some(kib) if kib >= 0.0 => Bytes::kib(kib as u64),
        _ => maintenance,
    };
    let processes = whole("max_worker_processes", 8.0)?;
    Ok(Inputs {
        connections,
        active,
        work_mem: work("work_mem")?,
        hash_factor: sample.setting("hash_mem_multiplier")?.unwrap_or(1.0),
        nodes: 1,
        workers_per_gather: whole("max_parallel_workers_per_gather", 2.0)?,
        parallel_workers_max: whole("max_parallel_workers", 8.0)?.min(processes),
        // In blocks of 8 kB.
        shared_buffers: Bytes::kib(whole("shared_buffers", 0.0)?.saturating_mul(8)),
        idle_backend: IDLE_BACKEND,
        page_table_owners: connections,
        autovacuum_workers: whole("autovacuum_max_workers", 3.0)?,
        autovacuum_work_mem: autovacuum,
        maintenance_work_mem: maintenance,
        maintenance_sessions: 1,
    })
}

/// What the machine, or its control group, has.
fn machine(sample: &Sample) -> Option<Bytes> {
    let row = sample.row(&MACHINE).ok()?;
    let total = row.text("meminfo").lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?;
        rest.trim().strip_suffix(" kB")?.trim().parse().ok()
    });
    let total = Bytes::kib(total?);
    let group = row
        .get("group_max")
        .and_then(|text| text.trim().parse().ok());
    Some(group.map_or(total, |group| total.min(Bytes(group))))
}

/// `/proc/meminfo` of the server's machine, which only a superuser and pg_read_server_files may read.
const MACHINE: Question = Question {
    name: "machine",
    sql: "\
SELECT pg_read_file('/proc/meminfo', 0, 4096, true) AS meminfo, \
       pg_read_file('/sys/fs/cgroup/memory.max', 0, 64, true) AS group_max",
};

/// The default of `pgweir plan`.
const IDLE_BACKEND: Bytes = Bytes::mib(3);
const CORES_ASSUMED: u32 = 4;
