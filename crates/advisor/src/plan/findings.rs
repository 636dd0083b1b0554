//! Rules that a fleet breaks, beyond its sums: the corrections of the documents where they can be
//! seen. Here are those of the fleet as a whole, of PostgreSQL and of the pooler; those of a single
//! service are in `service`.

mod service;

use super::capacity::Capacity;
use super::finding::{Finding, Severity, corrected, gather};
use super::memory::MemoryPlan;
use super::pooling::PoolerPlan;
use super::queueing::ScalingPlan;
use super::services::ServicePlan;
use crate::corrections;
use crate::facts::{Facts, Ruling, Via};
use crate::formula::demand::Verdict;
use crate::units::{Bytes, percent_text, short};

pub(super) fn all(
    facts: &Facts,
    capacity: &Capacity,
    memory: &MemoryPlan,
    services: &[ServicePlan],
    pooler: Option<&PoolerPlan>,
    scaling: Option<&ScalingPlan>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    observed(facts, &mut findings);
    server(facts, capacity, memory, &mut findings);
    if let Some(pooler) = pooler {
        of_pooler(facts, capacity, pooler, &mut findings);
    }
    if let Some(scaling) = scaling.filter(|scaling| scaling.infeasible) {
        let message = format!(
            "the load test's law has its highest throughput at {}/s, and no number of connections \
             carries the present load within the goal",
            short(scaling.throughput_max)
        );
        let remedy = "cache, read from a replica, or use a larger machine; never more connections";
        findings.push(Finding::new("F12", None, Severity::Warn, message, remedy));
    }
    let pairs = || facts.services.iter().zip(services);
    for rule in service::RULES {
        let broken = pairs().filter_map(|(service, plan)| {
            Some((service.name.as_str(), rule(facts, capacity, service, plan)?))
        });
        gather(broken, &mut findings);
    }
    findings
}

/// What sources showed.
fn observed(facts: &Facts, findings: &mut Vec<Finding>) {
    for observation in &facts.observations {
        let seen = format!("{}: {}", observation.origin, observation.what);
        findings.push(match observation.ruling {
            Ruling::Correction(number) => {
                let (truth, remedy) = corrections::numbered(number)
                    .map_or(("", ""), |correction| (correction.truth, correction.rule));
                corrected(number, Severity::Warn, format!("{seen}: {truth}"), remedy)
            }
            Ruling::Wrong(remedy) => Finding::new(READ, None, Severity::Warn, seen, remedy),
            Ruling::Left(remedy) => Finding::new(READ, None, Severity::Info, seen, remedy),
        });
    }
}

fn server(facts: &Facts, capacity: &Capacity, memory: &MemoryPlan, findings: &mut Vec<Finding>) {
    let database = &facts.database;
    if capacity.verdict != Verdict::Ok
        && capacity.recommended_max_connections > capacity.max_connections
    {
        let order = if database.standbys.is_empty() {
            String::new()
        } else {
            format!(
                "; raise it on the standbys ({}) first, then on the primary",
                database.standbys.join(", ")
            )
        };
        let message = "max_connections is read at server start only: pg_reload_conf() does not apply \
                       it";
        let remedy = format!("restart PostgreSQL after the change{order}");
        findings.push(corrected(1, Severity::Info, message, remedy));
    }
    let of_max = percent_text(capacity.steady, capacity.max_connections);
    if capacity.steady <= capacity.max_connections && capacity.peak > capacity.usable {
        let message = format!(
            "{} connections are {of_max} of max_connections, yet {} are reserved, or a rollout adds to \
             them",
            capacity.steady,
            capacity.superuser_reserved + capacity.reserved
        );
        let remedy = format!(
            "count against the {} that ordinary roles get",
            capacity.usable
        );
        findings.push(corrected(6, Severity::Info, message, remedy));
    }
    if memory.worst_bytes > memory.ram_bytes {
        let message = format!(
            "if all {} connections worked at once, PostgreSQL would want {} of {}",
            capacity.max_connections, memory.worst_bytes, memory.ram_bytes
        );
        let remedy = "keep max_connections near what the fleet opens, and put a pooler in front";
        findings.push(corrected(4, Severity::Info, message, remedy));
    }
    let share = database.shared_buffers.0 as f64 / database.ram.0.max(1) as f64;
    if share > 0.45 {
        let message = format!(
            "shared_buffers of {} is {} % of memory; PostgreSQL reads through the system's cache as \
             well",
            database.shared_buffers,
            short((share * 100.0).round())
        );
        let remedy = format!(
            "begin with a quarter, {}",
            Bytes::mib(database.ram.whole_mib() / 4)
        );
        findings.push(corrected(15, Severity::Warn, message, remedy));
    }
    if facts.measured.cpu.is_some_and(|cpu| cpu > 70.0) && facts.measured.read_share.is_none() {
        let message = "CPU above 70 % alone says nothing about replicas";
        let remedy = "look at active sessions by wait event, the top statements and the size of pools \
                      first; give measured.read_share";
        findings.push(corrected(18, Severity::Info, message, remedy));
    }
    if capacity.oversubscription.is_some_and(|ratio| ratio > 4.0) {
        let message = format!(
            "{} connections are {} times the {} that can usefully be active on {} cores; the formula \
             counts the cores of the database, once for the whole fleet",
            capacity.peak,
            short(capacity.oversubscription.unwrap_or_default()),
            capacity.optimum,
            database.physical_cores
        );
        let remedy = "smaller pools, or a pooler in transaction mode";
        findings.push(corrected(19, Severity::Info, message, remedy));
    }
}

fn of_pooler(facts: &Facts, capacity: &Capacity, pooler: &PoolerPlan, findings: &mut Vec<Finding>) {
    let needed = capacity.recommended_max_connections;
    if capacity.max_connections >= needed.times(2) {
        let message = format!(
            "max_connections is {}, and with the pooler {needed} would do; a pooler is there to lower \
             the number",
            capacity.max_connections
        );
        let remedy = "lower it at the next restart, the primary first, then the standbys";
        findings.push(corrected(16, Severity::Info, message, remedy));
    }
    if pooler.servers > pooler.cap {
        let severity = if pooler.servers + capacity.direct > capacity.usable {
            Severity::Fail
        } else {
            Severity::Warn
        };
        let message = format!(
            "the pooler may open {} servers, PostgreSQL has {} left for it",
            pooler.servers, pooler.cap
        );
        let remedy = "lower default_pool_size, or set max_db_connections";
        findings.push(corrected(17, severity, message, remedy));
    }
    if !pooler.chosen && pooler.pairs.saturating_mul(pooler.instances) > 1 {
        let message = format!(
            "default_pool_size {} counts for each of {} pairs of database and user and each of {} \
             instances: {} servers in all",
            pooler.default_pool_size, pooler.pairs, pooler.instances, pooler.servers
        );
        let remedy = "set max_db_connections as the cap of all";
        findings.push(corrected(24, Severity::Info, message, remedy));
    }
    let ratio = pooler.servers.ratio(capacity.optimum).unwrap_or_default();
    if ratio > 3.0 {
        let message = format!(
            "{} servers are {} times the {} that can usefully be active",
            pooler.servers,
            short((ratio * 10.0).round() / 10.0),
            capacity.optimum
        );
        let remedy = format!("{} would keep the database busy", pooler.want);
        findings.push(corrected(24, Severity::Info, message, remedy));
    }
    if pooler.clients > pooler.max_client_conn.times(pooler.instances) {
        let message = format!(
            "clients open {} connections at their peak, max_client_conn lets {} in",
            pooler.clients,
            pooler.max_client_conn.times(pooler.instances)
        );
        let remedy = "raise max_client_conn, or lower the clients' pools";
        findings.push(corrected(24, Severity::Fail, message, remedy));
    }
    if facts
        .services
        .iter()
        .all(|service| service.via == Via::Direct)
    {
        let message = "no service uses the pooler";
        let remedy = "write via = \"pooler\" where it should be used";
        findings.push(corrected(23, Severity::Warn, message, remedy));
    }
}

/// The rule of what `--from` and `--from-database` found and no correction speaks of.
const READ: &str = "from";
