//! The fleet itself, with every default written out except an assumed `ram`: planning it gives the same
//! plan.

use crate::facts::{Facts, Kind, Service};
use crate::fleet::{self, Draft, Section, Value};
use crate::formula::base::Storage;
use crate::formula::demand::Surge;
use crate::plan::Plan;
use crate::units::{Bytes, Connections, time_text};
use std::time::Duration;

/// The description alone.
pub(super) fn text(plan: &Plan) -> String {
    let text = fleet::write(&draft(plan));
    if !plan.memory.ram_assumed {
        return text;
    }
    let assumed = format!(
        "[database]\n# ram = \"{}\" is assumed; set it to what the machine has\n",
        plan.memory.ram_bytes.postgres()
    );
    text.replacen("[database]\n", &assumed, 1)
}

fn draft(plan: &Plan) -> Draft {
    let facts = &plan.facts;
    let mut draft = Draft {
        profile: Some(facts.profile),
        database: database(facts),
        operations: operations(facts),
        measured: measured(facts),
        ..Draft::default()
    };
    for each in &facts.services {
        let section = service(each, facts);
        draft.services.push((each.name.clone(), section));
    }
    draft.pooler = pooler(plan);
    draft
}

fn time(time: Duration) -> Value {
    if time.is_zero() {
        Value::Integer(0)
    } else {
        Value::from(time_text(time))
    }
}

fn limit(limit: Option<Duration>) -> Value {
    time(limit.unwrap_or_default())
}

fn size(bytes: Bytes) -> Value {
    Value::from(bytes.postgres())
}

fn count(connections: Connections) -> Value {
    Value::from(connections.0)
}

fn database(facts: &Facts) -> Section {
    let database = &facts.database;
    let limits = &database.timeouts;
    let mut section = Section::default();
    let mut set = |name: &str, value: Value| section.set(name, value);
    set("name", database.name.as_str().into());
    set("host", database.host.as_str().into());
    set("port", u64::from(database.port).into());
    set("version", u64::from(database.version).into());
    set("physical_cores", u64::from(database.physical_cores).into());
    // Written out, it would look like a known value.
    if !facts.assumes("database.ram") {
        set("ram", size(database.ram));
    }
    let storage = match database.storage {
        Storage::Ssd => "ssd",
        Storage::Nvme => "nvme",
        Storage::Cloud => "cloud",
        Storage::Hdd { spindles } => {
            set("spindles", u64::from(spindles).into());
            "hdd"
        }
    };
    set("storage", storage.into());
    set("workload", database.workload.name().into());
    set("cache_hit", database.cache_hit.into());
    set("max_connections", count(database.max_connections));
    set(
        "superuser_reserved_connections",
        count(database.superuser_reserved),
    );
    set("reserved_connections", count(database.reserved));
    set("work_mem", size(database.work_mem));
    set("hash_mem_multiplier", database.hash_mem_multiplier.into());
    set("shared_buffers", size(database.shared_buffers));
    set("maintenance_work_mem", size(database.maintenance_work_mem));
    set("autovacuum_work_mem", size(database.autovacuum_work_mem));
    set(
        "autovacuum_max_workers",
        database.autovacuum_max_workers.into(),
    );
    set("max_parallel_workers", database.max_parallel_workers.into());
    set(
        "max_parallel_workers_per_gather",
        database.max_parallel_workers_per_gather.into(),
    );
    set("max_worker_processes", database.max_worker_processes.into());
    set("huge_pages", database.huge_pages.into());
    set("idle_backend", size(database.idle_backend));
    if !database.standbys.is_empty() {
        let names = database
            .standbys
            .iter()
            .map(|name| Value::from(name.as_str()));
        set("standbys", Value::List(names.collect()));
    }
    set("statement_timeout", limit(limits.statement));
    set("batch_statement_timeout", limit(limits.batch_statement));
    set("lock_timeout", limit(limits.lock));
    set(
        "idle_in_transaction_session_timeout",
        limit(limits.idle_in_transaction),
    );
    if database.version >= 17 {
        set("transaction_timeout", limit(limits.transaction));
    }
    set("idle_session_timeout", limit(limits.idle_session));
    set("tcp_keepalives_idle", time(limits.keepalives_idle));
    set("tcp_keepalives_interval", time(limits.keepalives_interval));
    set("tcp_keepalives_count", limits.keepalives_count.into());
    section
}

fn service(service: &Service, facts: &Facts) -> Section {
    let mut section = Section::default();
    let mut set = |name: &str, value: Value| section.set(name, value);
    set("kind", service.kind.name().into());
    set("replicas", service.replicas.into());
    set("replicas_min", service.replicas_min.into());
    let surge = match service.surge {
        Surge::Percent(percent) => Value::from(format!("{percent}%")),
        Surge::Instances(count) => count.into(),
    };
    set("surge", surge);
    set("processes", service.processes.into());
    set("pool", count(service.pool));
    set("pool_min", count(service.pool_min));
    set("dsns", service.dsns.into());
    let via = if facts.pooler.is_some() {
        service.via.to_string()
    } else {
        "direct".to_owned()
    };
    set("via", via.into());
    set("database", service.database.as_str().into());
    set("user", service.user.as_str().into());
    let work = &service.work;
    if let Some(requests) = work.requests {
        set("requests", requests.0.into());
    }
    // Written out, it would look like a known value.
    if service.kind.one_per_process() && !facts.assumes("services.*.request_time") {
        set("request_time", time(work.request_time));
    }
    set("queries_per_request", work.queries_per_request.into());
    set("hold", time(work.hold));
    set("arrival_variation", work.arrival_variation.into());
    set("hold_variation", work.hold_variation.into());
    set("connections_per_task", service.connections_per_task.into());
    set("tasks", service.tasks.into());
    set("request_deadline", time(service.request_deadline));
    let times = &service.timeouts;
    set("acquire_timeout", time(times.acquire));
    set("connect_timeout", time(times.connect));
    set("socket_timeout", limit(times.socket));
    set("idle_timeout", limit(times.idle));
    set("max_lifetime", limit(times.max_lifetime));
    set("close_timeout", time(times.close));
    set("persistent", service.persistent.into());
    if service.kind == Kind::PhpFpm {
        set("start_servers", service.fpm.start.into());
        set("min_spare_servers", service.fpm.spare_min.into());
        set("max_spare_servers", service.fpm.spare_max.into());
        set("max_requests", service.fpm.requests_max.into());
    }
    set("image", service.image.as_str().into());
    set("http_port", u64::from(service.http_port).into());
    section
}

fn pooler(plan: &Plan) -> Option<Section> {
    let (settings, sizes) = (plan.facts.pooler.as_ref()?, plan.pooler.as_ref()?);
    let mut section = Section::default();
    let mut set = |name: &str, value: Value| section.set(name, value);
    set("kind", settings.kind.name().into());
    set("pgbouncer_version", settings.version.to_string().into());
    // The default is built of a rendered file, and another image is not.
    if !plan.facts.assumes("pooler.image") {
        set("image", settings.image.as_str().into());
    }
    set("instances", settings.instances.into());
    set("pool_mode", settings.pool_mode.to_string().into());
    set("host", settings.host.as_str().into());
    set("port", u64::from(settings.port).into());
    set("kappa", settings.kappa.into());
    // Sizes that the plan chose are left out: written out, they would count as given.
    if !sizes.chosen {
        for (name, given) in [
            ("default_pool_size", settings.pool),
            ("max_db_connections", settings.per_database),
        ] {
            if let Some(given) = given {
                set(name, count(given));
            }
        }
    }
    for (name, given) in [
        ("reserve_pool_size", settings.reserve_pool),
        ("max_client_conn", settings.clients),
    ] {
        if let Some(given) = given {
            set(name, count(given));
        }
    }
    set("query_wait_timeout", time(settings.query_wait));
    set("idle_transaction_timeout", limit(settings.idle_transaction));
    set("client_idle_timeout", limit(settings.client_idle));
    set("server_lifetime", time(settings.server_lifetime));
    set("server_idle_timeout", time(settings.server_idle));
    Some(section)
}

fn operations(facts: &Facts) -> Section {
    let operations = &facts.operations;
    let mut section = Section::default();
    let mut set = |name: &str, value: Value| section.set(name, value);
    set("reserve", count(operations.reserve));
    set(
        "target_utilisation",
        format!("{}%", operations.target).into(),
    );
    set("surge", operations.surge.into());
    set("wait", time(operations.goal.wait));
    set("wait_share", operations.goal.probability.into());
    set("network_idle_timeout", limit(operations.network_idle));
    set("termination_grace", time(operations.termination_grace));
    set("longest_transaction", time(operations.longest_transaction));
    set("os_reserve", size(operations.os_reserve));
    for (name, said) in [
        ("monitoring", operations.monitoring),
        ("alerts", operations.alerts),
    ] {
        if let Some(said) = said {
            set(name, said.into());
        }
    }
    if let Some(place) = &operations.documented {
        set("documented", place.as_str().into());
    }
    section
}

fn measured(facts: &Facts) -> Section {
    let measured = &facts.measured;
    let mut section = Section::default();
    let mut set = |name: &str, value: Value| section.set(name, value);
    if let Some(active) = measured.active {
        set("active", active.into());
    }
    if let Some(cpu) = measured.cpu {
        set("cpu", format!("{cpu}%").into());
    }
    if let Some(share) = measured.read_share {
        set("read_share", share.into());
    }
    if let Some(churn) = measured.churn {
        set("churn", churn.0.into());
    }
    if !measured.steps.is_empty() {
        let steps = measured
            .steps
            .iter()
            .map(|step| Value::List(vec![step.concurrency.into(), step.throughput.0.into()]));
        set("steps", Value::List(steps.collect()));
    }
    section
}
