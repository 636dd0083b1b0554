//! PostgreSQL: settings as `postgresql.conf`, and as `ALTER SYSTEM` and `ALTER ROLE`.

mod roles;
mod sql;
mod tuning;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::file::{File, header};
use crate::facts::{Database, Facts, Workload};
use crate::plan::Plan;
use crate::units::{short, whole_seconds};

/// When a changed setting takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applies {
    /// From the next start of the server.
    Restart,
    /// From the next reload.
    Reload,
}

impl Applies {
    fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

pub(super) use roles::MONITORING;
pub(super) use sql::files as sql;

use Applies::{Reload, Restart};

/// A setting of the server.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) applies: Applies,
    why: Cow<'static, str>,
}

/// The settings that the plan decides, for its version of PostgreSQL.
pub(super) fn settings(plan: &Plan) -> Vec<Setting> {
    let database = &plan.facts.database;
    let mut all = connections(database);
    all.extend(memory(plan));
    all.extend(workers(database));
    all.extend(tuning::settings(plan));
    all.extend(silence(database));
    all
}

fn setting(
    name: &'static str,
    value: String,
    applies: Applies,
    why: impl Into<Cow<'static, str>>,
) -> Setting {
    Setting {
        name,
        value,
        applies,
        why: why.into(),
    }
}

fn connections(database: &Database) -> Vec<Setting> {
    let mut all = vec![
        setting(
            "max_connections",
            database.max_connections.to_string(),
            Restart,
            "standbys must allow as many",
        ),
        setting(
            "superuser_reserved_connections",
            database.superuser_reserved.to_string(),
            Restart,
            "kept for administrators when everything else is full",
        ),
    ];
    if database.version >= 16 {
        all.push(setting(
            "reserved_connections",
            database.reserved.to_string(),
            Restart,
            "kept for members of pg_use_reserved_connections",
        ));
    }
    all
}

fn memory(plan: &Plan) -> Vec<Setting> {
    let database = &plan.facts.database;
    vec![
        setting(
            "shared_buffers",
            database.shared_buffers.postgres(),
            Restart,
            match database.workload {
                Workload::Desktop => "cache of the server: a sixteenth of memory unless given",
                Workload::Web | Workload::Oltp | Workload::Dw | Workload::Mixed => {
                    "cache of the server: a quarter of memory unless given"
                }
            },
        ),
        setting(
            "work_mem",
            database.work_mem.postgres(),
            Reload,
            "for each sort or hash of each process",
        ),
        setting(
            "hash_mem_multiplier",
            short(database.hash_mem_multiplier),
            Reload,
            "times work_mem for hashes",
        ),
        setting(
            "maintenance_work_mem",
            database.maintenance_work_mem.postgres(),
            Reload,
            "for VACUUM and CREATE INDEX",
        ),
        setting(
            "autovacuum_work_mem",
            database.autovacuum_work_mem.postgres(),
            Reload,
            "for each autovacuum worker",
        ),
    ]
}

fn workers(database: &Database) -> Vec<Setting> {
    // From 18 on the slots need a restart, and the number of workers does not.
    let autovacuum = if database.version >= 18 {
        Reload
    } else {
        Restart
    };
    vec![
        setting(
            "autovacuum_max_workers",
            database.autovacuum_max_workers.to_string(),
            autovacuum,
            "at once",
        ),
        setting(
            "max_worker_processes",
            database.max_worker_processes.to_string(),
            Restart,
            "at once; standbys must allow as many",
        ),
        setting(
            "max_parallel_workers",
            database.max_parallel_workers.to_string(),
            Reload,
            "of all queries together",
        ),
        setting(
            "max_parallel_workers_per_gather",
            database.max_parallel_workers_per_gather.to_string(),
            Reload,
            "of one query",
        ),
    ]
}

/// How soon a peer that went silent is noticed.
fn silence(database: &Database) -> Vec<Setting> {
    let limits = &database.timeouts;
    let mut all = vec![
        setting(
            "tcp_keepalives_idle",
            whole_seconds(limits.keepalives_idle).to_string(),
            Reload,
            "seconds of silence before the first probe",
        ),
        setting(
            "tcp_keepalives_interval",
            whole_seconds(limits.keepalives_interval).to_string(),
            Reload,
            "seconds between probes",
        ),
        setting(
            "tcp_keepalives_count",
            limits.keepalives_count.to_string(),
            Reload,
            "probes before a client counts as dead",
        ),
        setting(
            "tcp_user_timeout",
            format!("{}s", whole_seconds(limits.dead_peer())),
            Reload,
            "the same for data that is not acknowledged",
        ),
    ];
    if database.version >= 14 {
        all.push(setting(
            "client_connection_check_interval",
            "10s".to_owned(),
            Reload,
            "ends a query whose client has left",
        ));
    }
    all
}

pub(super) fn conf(plan: &Plan) -> Vec<File> {
    let mut text = header(plan, "postgresql.conf", "#");
    text.push_str(&format!(
        "# For PostgreSQL {}, {}. Include it at the end of postgresql.conf:\n\
         #   include = 'pgweir.conf'\n\
         # Time limits belong to the application's roles, not here: see sql/3-roles.sql.\n",
        plan.facts.database.version,
        plan.facts.database.workload.name(),
    ));
    text.push_str(&assumptions(plan, "#"));
    text.push('\n');
    for setting in settings(plan) {
        let line = format!("{} = {}", setting.name, setting.value);
        text.push_str(&format!(
            "{line:<44} # {}: {}",
            setting.applies.word(),
            setting.why
        ));
        if let Some(key) = rests_on(&plan.facts, setting.name) {
            text.push_str(&format!(" (assumes {key})"));
        }
        text.push('\n');
    }
    vec![File {
        path: "postgresql.conf/pgweir.conf".to_owned(),
        content: text,
    }]
}

/// The fact about the machine that nobody gave and that this setting follows from.
fn rests_on(facts: &Facts, setting: &str) -> Option<&'static str> {
    // What is given follows from nothing.
    let (chosen, key) = match setting {
        "shared_buffers" | "wal_buffers" | "huge_pages" => ("database.shared_buffers", "ram"),
        "effective_cache_size" => ("database.ram", "ram"),
        "max_worker_processes" => ("database.max_worker_processes", "physical_cores"),
        "max_parallel_workers" => ("database.max_parallel_workers", "physical_cores"),
        "max_parallel_workers_per_gather" => {
            ("database.max_parallel_workers_per_gather", "physical_cores")
        }
        "max_parallel_maintenance_workers" => ("database.physical_cores", "physical_cores"),
        "random_page_cost" | "effective_io_concurrency" => ("database.storage", "storage"),
        _ => return None,
    };
    let assumed = facts.assumes(chosen) && facts.assumes(&format!("database.{key}"));
    assumed.then_some(key)
}

/// Lines that name what is assumed of the machine.
fn assumptions(plan: &Plan, comment: &str) -> String {
    let facts = &plan.facts;
    let settings = settings(plan);
    let mut keys: Vec<_> = settings
        .iter()
        .filter_map(|setting| rests_on(facts, setting.name))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return String::new();
    }
    let values: Vec<String> = keys
        .iter()
        .filter_map(|key| {
            let path = format!("database.{key}");
            let found = facts.assumptions.iter().find(|known| known.key == path)?;
            Some(format!("{path} = {}", found.value))
        })
        .collect();
    format!(
        "{comment} Nobody gave {}: settings that follow from it are a guess. Give what the machine\n\
         {comment} has and render again.\n",
        values.join(", ")
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
