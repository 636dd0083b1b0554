//! The table of services.

use crate::facts::Via;
use crate::plan::{Plan, ServicePlan};
use crate::text::push;
use crate::units::{Connections, percent_text};

/// One line for each service, and the sums against what PostgreSQL gives.
pub fn services_table(plan: &Plan) -> String {
    let longest = plan.services.iter().map(|service| service.name.len()).max();
    // A few long names must not push the columns off the screen.
    let width = longest.unwrap_or(0).clamp(7, 32);
    let mut text = String::new();
    push(
        &mut text,
        format_args!(
            "{:width$}  {:10}  {:6}  {:>9}  {:>9}  {:>6}  {:>4}  {:>8}  {:>8}  {:>6}  {:>7}\n",
            "service",
            "kind",
            "via",
            "replicas",
            "processes",
            "pool",
            "dsns",
            "total",
            "rollout",
            "need",
            "ceiling"
        ),
    );
    for service in &plan.services {
        row(&mut text, service, width);
    }
    for (name, steady, rollout) in sums(plan) {
        let columns = width + 62;
        push(
            &mut text,
            format_args!("{name:columns$}  {steady:>8}  {rollout:>8}\n"),
        );
    }
    if plan.services.iter().any(|service| service.pool_chosen) {
        text.push_str("* chosen by the planner\n");
    }
    text
}

fn row(text: &mut String, service: &ServicePlan, width: usize) {
    let replicas = match service.replicas_rollout - service.replicas {
        0 => service.replicas.to_string(),
        more => format!("{}+{more}", service.replicas),
    };
    let pool = if service.pool_chosen {
        format!("{}*", service.pool)
    } else {
        service.pool.to_string()
    };
    text.push_str(&service.name);
    spaces(text, width.saturating_sub(service.name.chars().count()));
    for (word, width) in [(service.kind.name(), 10), (service.via.name(), 6)] {
        text.push_str("  ");
        text.push_str(word);
        spaces(text, width - word.len());
    }
    let numbers = [
        (replicas, 9),
        (service.processes.to_string(), 9),
        (pool, 6),
        (service.dsns.to_string(), 4),
        (service.steady.0.to_string(), 8),
        (service.rollout.0.to_string(), 8),
        (or_dash(service.need), 6),
        (or_dash(service.ceiling), 7),
    ];
    for (number, width) in numbers {
        spaces(text, 2 + usize::saturating_sub(width, number.len()));
        text.push_str(&number);
    }
    text.push('\n');
}

/// The sums below the services: a name, without a rollout, during one.
fn sums(plan: &Plan) -> Vec<(String, String, String)> {
    let capacity = &plan.capacity;
    let mut sums = Vec::new();
    let mut add = |name: String, steady: Connections, rollout: Connections| {
        sums.push((name, steady.0.to_string(), rollout.0.to_string()));
    };
    if let Some(pooler) = &plan.pooler {
        let behind = || plan.services.iter().filter(|s| s.via == Via::Pooler);
        add(
            "clients of the pooler".to_owned(),
            behind().map(|service| service.steady).sum(),
            behind().map(|service| service.rollout).sum(),
        );
        let name = format!(
            "servers of the pooler ({} instance{})",
            pooler.instances,
            if pooler.instances == 1 { "" } else { "s" }
        );
        add(name, capacity.pooler, capacity.pooler);
        add(
            "services without the pooler".to_owned(),
            capacity.direct,
            capacity.direct_rollout,
        );
    }
    add(
        "connections to PostgreSQL".to_owned(),
        capacity.steady,
        capacity.rollout,
    );
    add(
        "reserved for operations".to_owned(),
        capacity.reserve,
        capacity.reserve,
    );
    let name = format!(
        "usable by ordinary roles ({} less {} reserved)",
        capacity.max_connections,
        capacity.superuser_reserved + capacity.reserved
    );
    add(name, capacity.usable, capacity.usable);
    sums.push((
        "utilisation".to_owned(),
        percent_text(capacity.steady, capacity.usable),
        percent_text(capacity.rollout, capacity.usable),
    ));
    sums
}

/// Faster than the formatter's padding, which counts in plans of ten thousand services.
fn spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

fn or_dash(connections: Option<Connections>) -> String {
    connections.map_or("-".to_owned(), |connections| connections.0.to_string())
}
