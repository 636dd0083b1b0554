//! Timeouts that must end before the ones around them. Each rule is independent of the others.

use std::time::Duration;

use super::finding::{Finding, Severity, gather};
use crate::facts::{Facts, Kind, Pooler, Service, Via};
use crate::units::time_text;

/// A rule about a service: its number, how much breaking it weighs, where it comes from, and the
/// check, which returns what is wrong and what to do.
struct TimeoutRule {
    id: &'static str,
    correction: Option<u32>,
    severity: Severity,
    source: &'static str,
    check: fn(&Facts, &Service) -> Option<(String, String)>,
}

#[rustfmt::skip]
const SERVICE_RULES: &[TimeoutRule] = &[
    TimeoutRule { id: "L1", correction: None, severity: Severity::Warn, check: connect_below_acquire,
        source: "a pool that waits for a connection it is opening must outlast the opening" },
    TimeoutRule { id: "L2", correction: Some(33), severity: Severity::Warn, check: acquire_below_deadline,
        source: "S2 DO 1: fail fast; waiting longer hides the queue" },
    TimeoutRule { id: "L4", correction: Some(20), severity: Severity::Warn, check: socket_above_statement,
        source: "S1 and S2 both have 30 s, on either side: a race" },
    TimeoutRule { id: "L7", correction: None, severity: Severity::Warn, check: pooler_wait_below_deadline,
        source: "PgBouncer's default of 120 s serves clients that have left" },
    TimeoutRule { id: "L9", correction: Some(52), severity: Severity::Warn, check: lifetime_below_server,
        source: "PgBouncer manual, server_lifetime" },
    TimeoutRule { id: "L10", correction: Some(52), severity: Severity::Warn, check: idle_below_client_idle,
        source: "PgBouncer manual, client_idle_timeout" },
    TimeoutRule { id: "L14", correction: None, severity: Severity::Warn, check: close_within_grace,
        source: "Kubernetes, Pod Lifecycle" },
    TimeoutRule { id: "L15", correction: Some(53), severity: Severity::Info, check: within_bounds,
        source: "S2 DO 1" },
    TimeoutRule { id: "L16", correction: Some(38), severity: Severity::Info, check: lifetime_jitter,
        source: "SQLx 0.8, pool::inner: max_lifetime has no jitter" },
];

/// Rules about PostgreSQL and the pooler.
const SERVER_RULES: [fn(&Facts) -> Option<Finding>; 7] = [
    lock_below_statement,
    statement_below_transaction,
    idle_transaction_ends,
    pooler_ends_it_first,
    keepalive_before_network,
    dead_peer_noticed,
    idle_session_off,
];

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = SERVER_RULES.iter().filter_map(|rule| rule(facts)).collect();
    for rule in SERVICE_RULES {
        let broken = facts.services.iter().filter_map(|service| {
            let (message, remedy) = (rule.check)(facts, service)?;
            let mut finding =
                Finding::new(rule.id, rule.correction, rule.severity, message, remedy);
            rule.source.clone_into(&mut finding.source);
            Some((service.name.as_str(), finding))
        });
        gather(broken, &mut findings);
    }
    findings
}

fn lock_below_statement(facts: &Facts) -> Option<Finding> {
    let limits = &facts.database.timeouts;
    let (severity, message, remedy) = match (limits.lock, limits.statement) {
        (Some(lock), Some(statement)) if lock >= statement => (
            Severity::Warn,
            format!(
                "lock_timeout {} is not below statement_timeout {}: it never fires",
                time_text(lock),
                time_text(statement)
            ),
            "lower lock_timeout below statement_timeout",
        ),
        (None, _) => (
            Severity::Info,
            "without lock_timeout a statement waits for a lock until statement_timeout".to_owned(),
            "set lock_timeout below statement_timeout",
        ),
        (Some(_), _) => return None,
    };
    Some(Finding::new("L3", Some(20), severity, message, remedy))
}

fn statement_below_transaction(facts: &Facts) -> Option<Finding> {
    let limits = &facts.database.timeouts;
    let (statement, transaction) = (limits.statement?, limits.transaction?);
    if statement <= transaction {
        return None;
    }
    let message = format!(
        "statement_timeout {} is above transaction_timeout {}: it never fires",
        time_text(statement),
        time_text(transaction)
    );
    let remedy = "raise transaction_timeout above statement_timeout";
    Some(Finding::new(
        "L5",
        Some(12),
        Severity::Warn,
        message,
        remedy,
    ))
}

fn idle_transaction_ends(facts: &Facts) -> Option<Finding> {
    let (severity, message, remedy) = match facts.database.timeouts.idle_in_transaction {
        None => (
            Severity::Warn,
            "no timeout ends a transaction that was left open".to_owned(),
            "set idle_in_transaction_session_timeout to 60 s for application roles",
        ),
        Some(time) if time > Duration::from_secs(60) => (
            Severity::Info,
            format!(
                "an open transaction may stay idle for {} and holds its locks that long",
                time_text(time)
            ),
            "set it to 60 s or less for application roles",
        ),
        Some(_) => return None,
    };
    Some(Finding::new("L6", Some(13), severity, message, remedy))
}

fn pooler_ends_it_first(facts: &Facts) -> Option<Finding> {
    let pooler = facts.pooler.as_ref()?;
    let server = facts.database.timeouts.idle_in_transaction?;
    if pooler.idle_transaction.is_some_and(|idle| idle < server) {
        return None;
    }
    let message = format!(
        "PostgreSQL ends an idle transaction after {}, before the pooler does",
        time_text(server)
    );
    let remedy =
        "set idle_transaction_timeout below that, so that the client at fault gets the error";
    Some(Finding::new(
        "L8",
        Some(13),
        Severity::Warn,
        message,
        remedy,
    ))
}

fn keepalive_before_network(facts: &Facts) -> Option<Finding> {
    let idle = facts.database.timeouts.keepalives_idle;
    let network = facts
        .operations
        .network_idle
        .filter(|network| idle >= *network)?;
    let message = format!(
        "the network drops a connection that is silent for {}, but the first keepalive comes after {}",
        time_text(network),
        time_text(idle)
    );
    let remedy = "lower tcp_keepalives_idle";
    Some(Finding::new(
        "L11",
        Some(52),
        Severity::Warn,
        message,
        remedy,
    ))
}

fn dead_peer_noticed(facts: &Facts) -> Option<Finding> {
    let detection = facts.database.timeouts.dead_peer();
    if detection <= Duration::from_secs(300) {
        return None;
    }
    let message = format!("a dead peer is noticed only after {}", time_text(detection));
    let remedy = "lower the keepalive times; 60, 10 and 6 give 120 s";
    Some(Finding::new(
        "L12",
        Some(14),
        Severity::Info,
        message,
        remedy,
    ))
}

fn idle_session_off(facts: &Facts) -> Option<Finding> {
    let time = facts.database.timeouts.idle_session?;
    let mut services = facts.services.iter();
    let severity = if services.any(|service| service.via == Via::Pooler) {
        Severity::Warn
    } else {
        Severity::Info
    };
    let message = format!(
        "idle_session_timeout {} closes the warm connections of pools",
        time_text(time)
    );
    let remedy = "set it to 0 for roles that use a pool";
    Some(Finding::new("L13", Some(9), severity, message, remedy))
}

fn connect_below_acquire(_: &Facts, service: &Service) -> Option<(String, String)> {
    let times = &service.timeouts;
    (times.connect >= times.acquire).then(|| {
        let message = format!(
            "connecting may take {}, waiting for a connection ends after {}",
            time_text(times.connect),
            time_text(times.acquire)
        );
        (
            message,
            "lower connect_timeout below acquire_timeout".to_owned(),
        )
    })
}

fn acquire_below_deadline(_: &Facts, service: &Service) -> Option<(String, String)> {
    let acquire = service.timeouts.acquire;
    let most = service.request_deadline / 2;
    (acquire > most).then(|| {
        let message = format!(
            "a request of {} may spend {} waiting for a connection",
            time_text(service.request_deadline),
            time_text(acquire)
        );
        let remedy = format!("set acquire_timeout to at most {}", time_text(most));
        (message, remedy)
    })
}

fn socket_above_statement(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let statement = facts.database.timeouts.statement?;
    let least = statement + Duration::from_secs(5);
    let socket = service.timeouts.socket?;
    (socket < least).then(|| {
        let message = format!(
            "the client gives up after {}, PostgreSQL ends the statement after {}: until then the \
             statement keeps its locks, and nobody sees its error",
            time_text(socket),
            time_text(statement)
        );
        let remedy = format!("set socket_timeout to {} or more", time_text(least));
        (message, remedy)
    })
}

fn pooler_wait_below_deadline(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let pooler = behind_pooler(facts, service)?;
    let most = service.request_deadline.max(service.timeouts.acquire);
    (pooler.query_wait > most).then(|| {
        let message = format!(
            "the pooler queues a client for {}, but its request ends after {}",
            time_text(pooler.query_wait),
            time_text(most)
        );
        let remedy = format!(
            "set query_wait_timeout to {}",
            time_text(service.timeouts.acquire)
        );
        (message, remedy)
    })
}

fn lifetime_below_server(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let pooler = behind_pooler(facts, service)?;
    let lifetime = service.timeouts.max_lifetime?;
    // A tenth of jitter either way.
    let longest = lifetime + lifetime / 10;
    (longest >= pooler.server_lifetime).then(|| {
        let message = format!(
            "connections live up to {}, but the pooler's servers {}",
            time_text(longest),
            time_text(pooler.server_lifetime)
        );
        (
            message,
            "lower max_lifetime below server_lifetime".to_owned(),
        )
    })
}

fn idle_below_client_idle(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let limit = behind_pooler(facts, service)?.client_idle?;
    let idle = service.timeouts.idle;
    idle.is_none_or(|idle| idle > limit).then(|| {
        let message = format!(
            "the pooler closes idle clients after {}, but their pool keeps connections {}",
            time_text(limit),
            idle.map_or("forever".to_owned(), |idle| format!(
                "for {}",
                time_text(idle)
            ))
        );
        (
            message,
            "lower idle_timeout below client_idle_timeout".to_owned(),
        )
    })
}

fn close_within_grace(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let grace = facts.operations.termination_grace;
    let longest = facts.operations.longest_transaction;
    let close = service.timeouts.close;
    if grace <= close {
        let message = format!(
            "closing the pool may take {}, but the instance is killed after {}",
            time_text(close),
            time_text(grace)
        );
        return Some((
            message,
            "lower close_timeout below termination_grace".to_owned(),
        ));
    }
    (close <= longest).then(|| {
        let message = format!(
            "a transaction may take {}, but closing the pool waits only {}",
            time_text(longest),
            time_text(close)
        );
        (
            message,
            "raise close_timeout above longest_transaction".to_owned(),
        )
    })
}

fn within_bounds(_: &Facts, service: &Service) -> Option<(String, String)> {
    let times = &service.timeouts;
    let seconds = Duration::from_secs;
    let bounds = [
        (
            "acquire_timeout",
            Some(times.acquire),
            seconds(3),
            seconds(5),
        ),
        ("idle_timeout", times.idle, seconds(300), seconds(600)),
        (
            "max_lifetime",
            times.max_lifetime,
            seconds(1800),
            seconds(3600),
        ),
    ];
    let (name, time, low, high) = bounds
        .into_iter()
        .find(|(_, time, low, high)| time.is_some_and(|time| !(*low..=*high).contains(&time)))?;
    let message = format!(
        "{name} of {} is outside the usual {} to {}",
        time_text(time?),
        time_text(low),
        time_text(high)
    );
    Some((message, "check that this is intended".to_owned()))
}

fn lifetime_jitter(_: &Facts, service: &Service) -> Option<(String, String)> {
    if service.kind != Kind::Sqlx || service.replicas < 2 {
        return None;
    }
    let lifetime = service.timeouts.max_lifetime?;
    let message = format!(
        "SQLx replaces connections exactly {} after they were opened; {} instances that started \
         together do so at the same moment",
        time_text(lifetime),
        service.replicas
    );
    Some((
        message,
        "give each instance some jitter, as `pgweir render sqlx` does".to_owned(),
    ))
}

fn behind_pooler<'a>(facts: &'a Facts, service: &Service) -> Option<&'a Pooler> {
    facts.pooler.as_ref().filter(|_| service.via == Via::Pooler)
}
