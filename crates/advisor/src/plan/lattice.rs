//! The timeouts that stand above and below each other. Each rule is independent of the others.

use std::time::Duration;

use super::finding::{Finding, Severity, gather};
use crate::facts::{Facts, Service, Via};
use crate::units::time_text;

/// A rule: its number, how much breaking it weighs, where it comes from, and the check, which gives
/// what is wrong and what to do.
struct Rule {
    id: &'static str,
    correction: Option<u32>,
    severity: Severity,
    source: &'static str,
    check: fn(&Facts, &Service) -> Option<(String, String)>,
}

/// Rules that look at a service.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { id: "L1", correction: None, severity: Severity::Warn, check: connect_below_acquire,
        source: "a pool that waits for a connection it is opening must outlast the opening" },
    Rule { id: "L2", correction: Some(33), severity: Severity::Warn, check: acquire_below_deadline,
        source: "S2 DO 1: fail fast; waiting longer hides the queue" },
    Rule { id: "L4", correction: Some(20), severity: Severity::Warn, check: socket_above_statement,
        source: "S1 and S2 both have 30 s, on either side: a race" },
    Rule { id: "L7", correction: None, severity: Severity::Warn, check: pooler_wait_below_deadline,
        source: "PgBouncer's default of 120 s serves clients that have left" },
    Rule { id: "L9", correction: Some(52), severity: Severity::Warn, check: lifetime_below_server,
        source: "PgBouncer manual, server_lifetime" },
    Rule { id: "L10", correction: Some(52), severity: Severity::Warn, check: idle_below_client_idle,
        source: "PgBouncer manual, client_idle_timeout" },
    Rule { id: "L14", correction: None, severity: Severity::Warn, check: close_within_grace,
        source: "Kubernetes, Pod Lifecycle" },
    Rule { id: "L15", correction: Some(53), severity: Severity::Info, check: within_bounds,
        source: "S2 DO 1" },
    Rule { id: "L16", correction: Some(38), severity: Severity::Info, check: lifetime_jitter,
        source: "SQLx 0.8, pool::inner: max_lifetime has no jitter" },
];

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    of_server(facts, &mut findings);
    for rule in RULES {
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

/// Rules that look at PostgreSQL and the pooler.
fn of_server(facts: &Facts, findings: &mut Vec<Finding>) {
    let limits = &facts.database.timeouts;
    let mut add = |id: &str, correction, severity, message: String, remedy: &str| {
        findings.push(Finding::new(id, correction, severity, message, remedy));
    };
    match (limits.lock, limits.statement) {
        (Some(lock), Some(statement)) if lock >= statement => add(
            "L3",
            Some(20),
            Severity::Warn,
            format!(
                "lock_timeout {} is not below statement_timeout {}: it never fires",
                time_text(lock),
                time_text(statement)
            ),
            "make lock_timeout the smaller one",
        ),
        (None, _) => add(
            "L3",
            Some(20),
            Severity::Info,
            "without lock_timeout a statement waits for a lock until statement_timeout".to_owned(),
            "set lock_timeout below statement_timeout",
        ),
        _ => {}
    }
    if let (Some(statement), Some(transaction)) = (limits.statement, limits.transaction)
        && statement > transaction
    {
        let message = format!(
            "statement_timeout {} is above transaction_timeout {}: it never fires",
            time_text(statement),
            time_text(transaction)
        );
        add(
            "L5",
            Some(12),
            Severity::Warn,
            message,
            "make transaction_timeout the larger one",
        );
    }
    match limits.idle_in_transaction {
        None => add(
            "L6",
            Some(13),
            Severity::Warn,
            "nothing ends a transaction that was left open".to_owned(),
            "set idle_in_transaction_session_timeout to 60 s for application roles",
        ),
        Some(time) if time > Duration::from_secs(60) => add(
            "L6",
            Some(13),
            Severity::Info,
            format!(
                "an open transaction may be idle for {}, and holds its locks that long",
                time_text(time)
            ),
            "60 s or less for application roles",
        ),
        Some(_) => {}
    }
    let pooled = facts
        .services
        .iter()
        .any(|service| service.via == Via::Pooler);
    if let Some(time) = limits.idle_session {
        let message = format!(
            "idle_session_timeout {} closes the warm connections of pools",
            time_text(time)
        );
        let severity = if pooled {
            Severity::Warn
        } else {
            Severity::Info
        };
        add(
            "L13",
            Some(9),
            severity,
            message,
            "0 for roles that use a pool",
        );
    }
    if let Some(pooler) = &facts.pooler
        && let Some(server) = limits.idle_in_transaction
        && pooler.idle_transaction.is_none_or(|idle| idle >= server)
    {
        let message = format!(
            "PostgreSQL ends an idle transaction after {}, and the pooler does not do it before",
            time_text(server)
        );
        let remedy = "an idle_transaction_timeout below that tells the right client why";
        add("L8", Some(13), Severity::Warn, message, remedy);
    }
    let idle = limits.keepalives_idle;
    if let Some(network) = facts.operations.network_idle
        && idle >= network
    {
        let message = format!(
            "the network forgets a connection that is silent for {}, the first keepalive comes after {}",
            time_text(network),
            time_text(idle)
        );
        add(
            "L11",
            Some(52),
            Severity::Warn,
            message,
            "a smaller tcp_keepalives_idle",
        );
    }
    let detection = keepalive_detection(idle, limits.keepalives_interval, limits.keepalives_count);
    if detection > Duration::from_secs(300) {
        let message = format!("a dead peer is noticed after {}", time_text(detection));
        add(
            "L12",
            Some(14),
            Severity::Info,
            message,
            "smaller keepalive times; 60, 10 and 6 give 120 s",
        );
    }
}

/// Time until a dead peer is noticed.
pub(crate) fn keepalive_detection(idle: Duration, interval: Duration, count: u64) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    idle.saturating_add(interval.saturating_mul(count))
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
            "a connect_timeout below acquire_timeout".to_owned(),
        )
    })
}

fn acquire_below_deadline(_: &Facts, service: &Service) -> Option<(String, String)> {
    let acquire = service.timeouts.acquire;
    let most = service.request_deadline / 2;
    (acquire > most).then(|| {
        let message = format!(
            "a request of {} may spend {} on waiting for a connection",
            time_text(service.request_deadline),
            time_text(acquire)
        );
        let remedy = format!("an acquire_timeout of {} at most", time_text(most));
        (message, remedy)
    })
}

fn socket_above_statement(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let statement = facts.database.timeouts.statement?;
    let least = statement + Duration::from_secs(5);
    let socket = service.timeouts.socket?;
    (socket < least).then(|| {
        let message = format!(
            "the client gives up after {}, PostgreSQL ends the statement after {}: the statement goes on, \
             with its locks, and the error says nothing",
            time_text(socket),
            time_text(statement)
        );
        let remedy = format!("a socket_timeout of {} or more", time_text(least));
        (message, remedy)
    })
}

fn pooler_wait_below_deadline(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let pooler = behind_pooler(facts, service)?;
    let most = service.request_deadline.max(service.timeouts.acquire);
    (pooler.query_wait > most).then(|| {
        let message = format!(
            "the pooler queues a client for {}, its request has ended after {}",
            time_text(pooler.query_wait),
            time_text(most)
        );
        let remedy = format!(
            "a query_wait_timeout of {}",
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
            "connections live up to {}, the pooler's servers {}",
            time_text(longest),
            time_text(pooler.server_lifetime)
        );
        (message, "a max_lifetime below server_lifetime".to_owned())
    })
}

fn idle_below_client_idle(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let limit = behind_pooler(facts, service)?.client_idle?;
    let idle = service.timeouts.idle;
    idle.is_none_or(|idle| idle > limit).then(|| {
        let message = format!(
            "the pooler closes idle clients after {}, their pool keeps connections {}",
            time_text(limit),
            idle.map_or("for ever".to_owned(), |idle| format!(
                "for {}",
                time_text(idle)
            ))
        );
        (
            message,
            "an idle_timeout below client_idle_timeout".to_owned(),
        )
    })
}

fn close_within_grace(facts: &Facts, service: &Service) -> Option<(String, String)> {
    let grace = facts.operations.termination_grace;
    let longest = facts.operations.longest_transaction;
    let close = service.timeouts.close;
    if grace <= close {
        let message = format!(
            "closing the pool may take {}, the instance is killed after {}",
            time_text(close),
            time_text(grace)
        );
        return Some((
            message,
            "a close_timeout below termination_grace".to_owned(),
        ));
    }
    (close <= longest).then(|| {
        let message = format!(
            "a transaction may take {}, closing the pool waits {}",
            time_text(longest),
            time_text(close)
        );
        (
            message,
            "a close_timeout above longest_transaction".to_owned(),
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
    Some((message, "make sure that it is meant".to_owned()))
}

fn lifetime_jitter(_: &Facts, service: &Service) -> Option<(String, String)> {
    if service.kind != crate::facts::Kind::Sqlx || service.replicas < 2 {
        return None;
    }
    let lifetime = service.timeouts.max_lifetime?;
    let message = format!(
        "SQLx replaces connections exactly {} after they were opened, in {} instances at the same moment \
         if they started together",
        time_text(lifetime),
        service.replicas
    );
    Some((
        message,
        "give each instance some jitter, as `pgweir render sqlx` does".to_owned(),
    ))
}

fn behind_pooler<'a>(facts: &'a Facts, service: &Service) -> Option<&'a crate::facts::Pooler> {
    facts.pooler.as_ref().filter(|_| service.via == Via::Pooler)
}
