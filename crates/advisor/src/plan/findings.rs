//! Rules that a fleet breaks, beyond its sums. Here are the rules about the fleet as a whole,
//! PostgreSQL and the pooler; `service` has those about a single service.

mod service;

use super::capacity::Capacity;
use super::finding::{Finding, Severity, corrected, gather};
use super::memory::MemoryPlan;
use super::pooling::PoolerPlan;
use super::queueing::ScalingPlan;
use super::services::ServicePlan;
use crate::corrections;
use crate::facts::{Facts, Observation, Ruling, Via};
use crate::formula::demand::Verdict;
use crate::units::{Bytes, percent_text, short};

type ServerRule = fn(&Facts, &Capacity, &MemoryPlan) -> Option<Finding>;

/// Rules about PostgreSQL.
const SERVER_RULES: &[ServerRule] = &[
    restart_needed,
    rollout_left_out,
    reserved_forgotten,
    worst_memory,
    large_buffers,
    cpu_alone,
    oversubscribed,
];

type PoolerRule = fn(&Facts, &Capacity, &PoolerPlan) -> Option<Finding>;

/// Rules about the pooler.
const POOLER_RULES: &[PoolerRule] = &[
    max_connections_kept,
    servers_above_cap,
    size_multiplies,
    servers_above_optimum,
    clients_refused,
    pooler_unused,
];

pub(super) fn all(
    facts: &Facts,
    capacity: &Capacity,
    memory: &MemoryPlan,
    services: &[ServicePlan],
    pooler: Option<&PoolerPlan>,
    scaling: Option<&ScalingPlan>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.observations.iter().map(observed).collect();
    findings.extend(
        SERVER_RULES
            .iter()
            .filter_map(|rule| rule(facts, capacity, memory)),
    );
    if let Some(pooler) = pooler {
        findings.extend(
            POOLER_RULES
                .iter()
                .filter_map(|rule| rule(facts, capacity, pooler)),
        );
    }
    findings.extend(scaling.and_then(beyond_any_number));
    let pairs = || facts.services.iter().zip(services);
    for rule in service::RULES {
        let broken = pairs().filter_map(|(service, plan)| {
            Some((service.name.as_str(), rule(facts, capacity, service, plan)?))
        });
        gather(broken, &mut findings);
    }
    findings
}

/// What a source showed.
fn observed(observation: &Observation) -> Finding {
    let seen = format!("{}: {}", observation.origin, observation.what);
    match &observation.ruling {
        Ruling::Correction(number) => {
            let (truth, remedy) = corrections::numbered(*number)
                .map_or(("", ""), |correction| (correction.truth, correction.rule));
            corrected(*number, Severity::Warn, format!("{seen}: {truth}"), remedy)
        }
        Ruling::Wrong(remedy) => Finding::new(READ, None, Severity::Warn, seen, *remedy),
        Ruling::Left(remedy) => Finding::new(READ, None, Severity::Info, seen, *remedy),
        Ruling::NotUnderstood(remedy) => {
            let seen = format!("not understood: {seen}");
            Finding::new(READ, None, Severity::Warn, seen, remedy.as_str())
        }
    }
}

fn beyond_any_number(scaling: &ScalingPlan) -> Option<Finding> {
    if !scaling.infeasible {
        return None;
    }
    let message = format!(
        "the load test's throughput peaks at {}/s, and no number of connections carries the \
         present load within the goal",
        short(scaling.throughput_max)
    );
    let remedy =
        "cache, read from a replica, or use a larger machine; more connections do not help";
    Some(Finding::new("F12", None, Severity::Warn, message, remedy))
}

fn restart_needed(facts: &Facts, capacity: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    if capacity.verdict == Verdict::Ok
        || capacity.recommended_max_connections <= capacity.max_connections
    {
        return None;
    }
    let standbys = &facts.database.standbys;
    let order = if standbys.is_empty() {
        String::new()
    } else {
        format!(
            "; raise it on the standbys ({}) first, then on the primary",
            standbys.join(", ")
        )
    };
    let message =
        "max_connections is read at server start only: pg_reload_conf() does not apply it";
    let remedy = format!("restart PostgreSQL after the change{order}");
    Some(corrected(1, Severity::Info, message, remedy))
}

fn rollout_left_out(facts: &Facts, capacity: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    if facts.operations.surge || capacity.rollout <= capacity.usable {
        return None;
    }
    let message = format!(
        "a rollout would open {} connections, {} of what ordinary roles get; operations.surge = false \
         leaves it out",
        capacity.rollout,
        percent_text(capacity.rollout, capacity.usable)
    );
    let remedy = "replace instances one by one, the old one first, or set operations.surge = true";
    Some(Finding::new("F2", None, Severity::Warn, message, remedy))
}

fn reserved_forgotten(_: &Facts, capacity: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    if capacity.steady > capacity.max_connections || capacity.peak <= capacity.usable {
        return None;
    }
    let message = format!(
        "{} connections are {} of max_connections, yet {} are reserved, or a rollout adds more",
        capacity.steady,
        percent_text(capacity.steady, capacity.max_connections),
        capacity.superuser_reserved + capacity.reserved
    );
    let remedy = format!(
        "count against the {} that ordinary roles get",
        capacity.usable
    );
    Some(corrected(6, Severity::Info, message, remedy))
}

fn worst_memory(_: &Facts, capacity: &Capacity, memory: &MemoryPlan) -> Option<Finding> {
    if memory.ram_assumed || memory.worst_bytes <= memory.ram_bytes {
        return None;
    }
    let message = format!(
        "if all {} connections worked at once, PostgreSQL would want {} of {}",
        capacity.max_connections, memory.worst_bytes, memory.ram_bytes
    );
    let remedy = "keep max_connections near what the fleet opens, and put a pooler in front";
    Some(corrected(4, Severity::Info, message, remedy))
}

fn large_buffers(facts: &Facts, _: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    let database = &facts.database;
    let share = database.shared_buffers.0 as f64 / database.ram.0.max(1) as f64;
    if share <= 0.45 {
        return None;
    }
    let message = format!(
        "shared_buffers of {} is {} % of memory; PostgreSQL also reads through the system's cache",
        database.shared_buffers,
        short((share * 100.0).round())
    );
    let quarter = Bytes::mib(database.ram.whole_mib() / 4);
    let remedy = format!("start with a quarter, {quarter}");
    Some(corrected(15, Severity::Warn, message, remedy))
}

fn cpu_alone(facts: &Facts, _: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    let hot = facts.measured.cpu.is_some_and(|cpu| cpu > 70.0);
    if !hot || facts.measured.read_share.is_some() {
        return None;
    }
    let message = "CPU above 70 % alone does not call for replicas";
    let remedy = "look at active sessions by wait event, the top statements and pool sizes first; \
                  give measured.read_share";
    Some(corrected(18, Severity::Info, message, remedy))
}

fn oversubscribed(facts: &Facts, capacity: &Capacity, _: &MemoryPlan) -> Option<Finding> {
    let ratio = capacity.oversubscription.filter(|ratio| *ratio > 4.0)?;
    let message = format!(
        "{} connections are {} times the {} that can usefully be active on {} cores; the formula \
         counts the database's cores, once for the whole fleet",
        capacity.peak,
        short(ratio),
        capacity.optimum,
        facts.database.physical_cores
    );
    let remedy = "use smaller pools, or a pooler in transaction mode";
    Some(corrected(19, Severity::Info, message, remedy))
}

fn max_connections_kept(_: &Facts, capacity: &Capacity, _: &PoolerPlan) -> Option<Finding> {
    let needed = capacity.recommended_max_connections;
    if capacity.max_connections < needed.times(2) {
        return None;
    }
    let message = format!(
        "max_connections is {}, but behind the pooler {needed} are enough; a pooler is there to \
         lower the number",
        capacity.max_connections
    );
    let remedy = "lower it at the next restart, the primary first, then the standbys";
    Some(corrected(16, Severity::Info, message, remedy))
}

fn servers_above_cap(_: &Facts, capacity: &Capacity, pooler: &PoolerPlan) -> Option<Finding> {
    if pooler.servers <= pooler.cap {
        return None;
    }
    let severity = if pooler.servers + capacity.direct > capacity.usable {
        Severity::Fail
    } else {
        Severity::Warn
    };
    let message = format!(
        "the pooler may open {} servers, but PostgreSQL has {} left for it",
        pooler.servers, pooler.cap
    );
    let remedy = "lower default_pool_size, or set max_db_connections";
    Some(corrected(17, severity, message, remedy))
}

fn size_multiplies(_: &Facts, _: &Capacity, pooler: &PoolerPlan) -> Option<Finding> {
    if pooler.chosen || pooler.pairs.saturating_mul(pooler.instances) <= 1 {
        return None;
    }
    let message = format!(
        "default_pool_size {} counts for each pair of database and user ({}) in each instance ({}): {} \
         servers in all",
        pooler.default_pool_size, pooler.pairs, pooler.instances, pooler.servers
    );
    let remedy = "set max_db_connections to cap them all";
    Some(corrected(24, Severity::Info, message, remedy))
}

fn servers_above_optimum(_: &Facts, capacity: &Capacity, pooler: &PoolerPlan) -> Option<Finding> {
    let ratio = pooler.servers.ratio(capacity.optimum)?;
    if ratio <= 3.0 {
        return None;
    }
    let message = format!(
        "{} servers are {} times the {} that can usefully be active",
        pooler.servers,
        short((ratio * 10.0).round() / 10.0),
        capacity.optimum
    );
    let remedy = format!("{} keep the database busy", pooler.want);
    Some(corrected(24, Severity::Info, message, remedy))
}

fn clients_refused(_: &Facts, _: &Capacity, pooler: &PoolerPlan) -> Option<Finding> {
    let admitted = pooler.max_client_conn.times(pooler.instances);
    if pooler.clients <= admitted {
        return None;
    }
    let message = format!(
        "clients open {} connections at their peak, but max_client_conn admits {admitted}",
        pooler.clients
    );
    let remedy = "raise max_client_conn, or lower the clients' pools";
    Some(corrected(24, Severity::Fail, message, remedy))
}

fn pooler_unused(facts: &Facts, _: &Capacity, _: &PoolerPlan) -> Option<Finding> {
    let mut services = facts.services.iter();
    if services.any(|service| service.via == Via::Pooler) {
        return None;
    }
    let message = "no service uses the pooler";
    let remedy = "write via = \"pooler\" where it should be used";
    Some(corrected(23, Severity::Warn, message, remedy))
}

/// The id of what `--from` and `--from-database` found where no correction applies.
pub(crate) const READ: &str = "from";
