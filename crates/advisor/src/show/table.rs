//! The table of services.

use crate::facts::Via;
use crate::plan::Plan;
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
        spaces(
            &mut text,
            width.saturating_sub(service.name.chars().count()),
        );
        let kind = service.kind.name();
        let via = service.via.name();
        for (word, width) in [(kind, 10), (via, 6)] {
            text.push_str("  ");
            text.push_str(word);
            spaces(&mut text, width - word.len());
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
            spaces(&mut text, 2 + usize::saturating_sub(width, number.len()));
            text.push_str(&number);
        }
        text.push('\n');
    }
    let capacity = &plan.capacity;
    let mut sum = |name: &str, steady: String, rollout: String| {
        let columns = width + 62;
        push(
            &mut text,
            format_args!("{name:columns$}  {steady:>8}  {rollout:>8}\n"),
        );
    };
    let count = |connections: Connections| connections.0.to_string();
    if let Some(pooler) = &plan.pooler {
        let behind = |rollout: bool| -> Connections {
            let behind = plan
                .services
                .iter()
                .filter(|service| service.via == Via::Pooler);
            behind
                .map(|service| {
                    if rollout {
                        service.rollout
                    } else {
                        service.steady
                    }
                })
                .sum()
        };
        sum(
            "clients of the pooler",
            count(behind(false)),
            count(behind(true)),
        );
        let name = format!(
            "servers of the pooler ({} instance{})",
            pooler.instances,
            if pooler.instances == 1 { "" } else { "s" }
        );
        sum(&name, count(capacity.pooler), count(capacity.pooler));
        sum(
            "services without the pooler",
            count(capacity.direct),
            count(capacity.direct_rollout),
        );
    }
    sum(
        "connections to PostgreSQL",
        count(capacity.steady),
        count(capacity.rollout),
    );
    sum(
        "reserved for operations",
        count(capacity.reserve),
        count(capacity.reserve),
    );
    let name = format!(
        "usable by ordinary roles ({} less {} reserved)",
        capacity.max_connections,
        capacity.superuser_reserved + capacity.reserved
    );
    sum(&name, count(capacity.usable), count(capacity.usable));
    sum(
        "utilisation",
        percent_text(capacity.steady, capacity.usable),
        percent_text(capacity.rollout, capacity.usable),
    );
    if plan.services.iter().any(|service| service.pool_chosen) {
        text.push_str("* chosen by the planner\n");
    }
    text
}

/// The formatter's own padding goes letter by letter, which ten thousand lines would notice.
fn spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

fn or_dash(connections: Option<Connections>) -> String {
    connections.map_or("-".to_owned(), |connections| connections.0.to_string())
}
