//! The picture at the end of S2, drawn from the plan: services, the pooler, PostgreSQL, and how full it
//! is.

use crate::facts::{Facts, Kind, Service, Via};
use crate::plan::{Plan, ServicePlan};
use crate::text::push;
use crate::units::{Bytes, Connections, percent_text, time_text};

/// The picture, 79 columns wide at most.
pub fn picture(plan: &Plan) -> String {
    let mut text = String::new();
    let facts = &plan.facts;
    let pairs = || facts.services.iter().zip(&plan.services);
    for via in [Via::Direct, Via::Pooler] {
        let of_via = || pairs().filter(move |(service, _)| service.via == via);
        let all: Connections = of_via().map(|(_, plan)| plan.steady).sum();
        let rollout: Connections = of_via().map(|(_, plan)| plan.rollout).sum();
        if of_via().next().is_none() {
            continue;
        }
        for (service, plan) in of_via().take(BOXES_MAX) {
            service_box(&mut text, service, plan);
        }
        let more = of_via().count().saturating_sub(BOXES_MAX);
        if more > 0 {
            frame(&mut text, &[format!("and {more} more services")]);
        }
        let past = match (via, &plan.pooler) {
            (Via::Direct, Some(_)) => " bypassing the pooler",
            _ => "",
        };
        arrow(&mut text, &format!("{}{past}", rise(all, rollout)));
    }
    if let (Some(pooler), Some(settings)) = (&plan.pooler, &facts.pooler) {
        frame(
            &mut text,
            &[
                format!("{} in {} mode", settings.kind.title(), pooler.pool_mode),
                format!(
                    "├─ {} x up to {} clients",
                    pooler.instances, pooler.max_client_conn
                ),
                format!(
                    "├─ {} servers for each pair of database and user ({})",
                    pooler.default_pool_size, pooler.pairs
                ),
                format!(
                    "└─ at most {} servers for a database",
                    pooler.max_db_connections
                ),
            ],
        );
        arrow(&mut text, &plan.capacity.pooler.to_string());
    }
    postgres_box(&mut text, facts);
    text.push('\n');
    bars(&mut text, plan);
    text
}

fn service_box(text: &mut String, service: &Service, plan: &ServicePlan) {
    let pool = match service.kind {
        Kind::PhpFpm => format!("pm.max_children {}", plan.pool),
        Kind::Octane | Kind::Queue => format!("{} workers", plan.processes),
        Kind::Serverless => format!("connection_limit {}", plan.pool),
        Kind::Prisma6 | Kind::Prisma7 | Kind::Sqlx | Kind::Generic => format!("pool {}", plan.pool),
    };
    let mut factors = format!("├─ {} x {pool}", plan.replicas);
    if plan.processes > 1 && !matches!(service.kind, Kind::Octane | Kind::Queue) {
        factors += &format!(" x {} processes", plan.processes);
    }
    if plan.dsns > 1 {
        factors += &format!(" x {} data source names", plan.dsns);
    }
    let mut lines = vec![
        format!("{} ({})", service.name, service.kind),
        format!("{factors} = {}", plan.steady),
    ];
    if let Some(need) = plan.need {
        lines.push(format!("├─ each pool needs {need} for its load"));
    }
    let times = &service.timeouts;
    let or_forever = |time: Option<_>| time.map_or("forever".to_owned(), time_text);
    lines.push(format!(
        "└─ waits {}, idle {}, lifetime {}",
        time_text(times.acquire),
        or_forever(times.idle),
        or_forever(times.max_lifetime)
    ));
    frame(text, &lines);
}

fn postgres_box(text: &mut String, facts: &Facts) {
    let database = &facts.database;
    let reserved = database.superuser_reserved + database.reserved;
    frame(
        text,
        &[
            format!(
                "PostgreSQL {} on {} cores",
                database.version, database.physical_cores
            ),
            format!(
                "├─ max_connections {}, {reserved} of them reserved",
                database.max_connections
            ),
            format!(
                "├─ shared_buffers {} of {}",
                database.shared_buffers.postgres(),
                database.ram.postgres()
            ),
            format!(
                "└─ work_mem {} for each sort or hash of each process",
                database.work_mem.postgres()
            ),
        ],
    );
}

/// How full PostgreSQL and its machine are; memory that was only assumed has no bar.
pub(super) fn bars(text: &mut String, plan: &Plan) {
    let capacity = &plan.capacity;
    // With the reserve, as the verdict counts.
    let connections = |name: &str, opened: Connections| {
        let used = opened + capacity.reserve;
        let percent = percent_text(used, capacity.usable);
        let share = used.ratio(capacity.usable).unwrap_or(f64::INFINITY);
        format!(
            "{name:<12} {} {opened} + {} of {} ({percent})\n",
            bar(share),
            capacity.reserve,
            capacity.usable
        )
    };
    text.push_str(&connections("connections", capacity.steady));
    if plan.facts.operations.surge && capacity.rollout != capacity.steady {
        text.push_str(&connections("in a rollout", capacity.rollout));
    }
    let memory = |name: &str, used: Bytes| {
        let share = used.0 as f64 / plan.memory.ram_bytes.0.max(1) as f64;
        format!(
            "{name:<12} {} {used} of {}\n",
            bar(share),
            plan.memory.ram_bytes
        )
    };
    if !plan.memory.ram_assumed {
        text.push_str(&memory("memory", plan.memory.expected_bytes));
        text.push_str(&memory("at worst", plan.memory.worst_bytes));
    }
}

fn bar(share: f64) -> String {
    // `as` turns infinity into the largest number there is.
    let full = ((share * BAR as f64).round() as usize).min(BAR);
    let end = if share > 1.0 { "!" } else { " " };
    format!("{}{}{end}", "█".repeat(full), "░".repeat(BAR - full))
}

fn rise(steady: Connections, rollout: Connections) -> String {
    if steady == rollout {
        format!("{steady} connections")
    } else {
        format!("{steady} connections, {rollout} in a rollout")
    }
}

fn frame(text: &mut String, lines: &[String]) {
    push(text, format_args!("┌{}┐\n", "─".repeat(WIDTH)));
    for line in lines {
        let line: String = line.chars().take(WIDTH - 2).collect();
        push(
            text,
            format_args!("│ {line:<inner$} │\n", inner = WIDTH - 2),
        );
    }
    push(text, format_args!("└{}┘\n", "─".repeat(WIDTH)));
}

fn arrow(text: &mut String, label: &str) {
    push(text, format_args!("{:14}│ {label}\n{:14}▼\n", "", ""));
}

/// More services than this are only counted.
const BOXES_MAX: usize = 8;
/// Inside the frame.
const WIDTH: usize = 62;
const BAR: usize = 40;
