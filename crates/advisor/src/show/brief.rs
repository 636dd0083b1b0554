//! The plan on one screen: the verdict, the numbers that matter, a picture, the smallest change, and
//! what was assumed.

use super::picture::bars;
use super::{Colours, changes, heading, reasons};
use crate::facts::Via;
use crate::plan::{Plan, READ, ServicePlan, Severity};
use crate::text::push;
use crate::units::{Connections, short};

/// The plan on one screen; [`super::text`] has the rest.
pub fn brief(plan: &Plan, colours: Colours) -> String {
    let mut text = String::new();
    reasons(&mut text, plan, colours);
    text.push('\n');
    numbers(&mut text, plan);
    text.push('\n');
    picture(&mut text, plan);
    bars(&mut text, plan);
    changes(&mut text, plan, colours);
    read(&mut text, plan, colours);
    assumed(&mut text, plan, colours);
    rest(&mut text, plan, colours);
    text
}

/// What the fleet opens, what its load needs, and the memory that takes.
fn numbers(text: &mut String, plan: &Plan) {
    let (capacity, queueing) = (&plan.capacity, &plan.queueing);
    let rollout = match capacity.rollout {
        rollout if rollout == capacity.steady => String::new(),
        rollout => format!(", {rollout} in a rollout"),
    };
    let mut row = |name: &str, value: String| push(text, format_args!("  {name:<8} {value}\n"));
    row(
        "opens",
        format!(
            "{} connections{rollout}; PostgreSQL gives ordinary roles {}",
            capacity.steady, capacity.usable
        ),
    );
    let load = match (queueing.separate, queueing.shared) {
        (Some(separate), Some(shared)) => format!(
            "{separate} in pools of their own, {shared} in a shared one; {} are busy on average{}",
            short((queueing.busy * 100.0).round() / 100.0),
            if queueing.unknown > 0 {
                format!(
                    "; services without requests ({}) are not in it",
                    queueing.unknown
                )
            } else {
                String::new()
            }
        ),
        (Some(_), None) => "more than any PostgreSQL serves".to_owned(),
        (None, _) => "not known: give requests of each service".to_owned(),
    };
    row("needs", load);
    let memory = &plan.memory;
    let machine = if memory.ram_assumed {
        "; what the machine has is not known".to_owned()
    } else {
        format!(" of {}, {} at worst", memory.ram_bytes, memory.worst_bytes)
    };
    row("memory", format!("{}{machine}", memory.expected_bytes));
}

/// A line for each service, with where its connections lead.
fn picture(text: &mut String, plan: &Plan) {
    let width = |name: &ServicePlan| name.name.chars().count();
    let names = plan
        .services
        .iter()
        .map(width)
        .max()
        .unwrap_or(0)
        .min(NAME_MAX);
    let facts = &plan.facts;
    let postgres = format!(
        "PostgreSQL {} on {} cores, max_connections {}",
        facts.database.version, facts.database.physical_cores, facts.database.max_connections
    );
    if let (Some(pooler), Some(settings)) = (&plan.pooler, &facts.pooler) {
        let target = format!(
            "{} in {} mode: {} servers ─▶ {postgres}",
            settings.kind.title(),
            pooler.pool_mode,
            plan.capacity.pooler
        );
        group(text, plan, Via::Pooler, names, &target);
        group(
            text,
            plan,
            Via::Direct,
            names,
            "PostgreSQL, past the pooler",
        );
    } else {
        group(text, plan, Via::Direct, names, &postgres);
    }
}

fn group(text: &mut String, plan: &Plan, via: Via, names: usize, target: &str) {
    let services = || {
        plan.services
            .iter()
            .filter(move |service| service.via == via)
    };
    let count = services().count();
    let mut lines: Vec<String> = services().take(LINES_MAX).map(|s| line(s, names)).collect();
    if count > LINES_MAX {
        let rest: Connections = services().skip(LINES_MAX).map(|s| s.steady).sum();
        lines.push(format!("and {} more = {rest}", count - LINES_MAX));
    }
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0);
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter().enumerate() {
        let bracket = match (at, last) {
            (0, 0) => format!("──▶ {target}"),
            (at, last) if at == last => format!("┴─▶ {target}"),
            (0, _) => "┐".to_owned(),
            _ => "┤".to_owned(),
        };
        push(text, format_args!("  {line:<width$} {bracket}\n"));
    }
}

fn line(service: &ServicePlan, names: usize) -> String {
    let ServicePlan {
        name,
        kind,
        replicas,
        processes,
        pool,
        dsns,
        steady,
        ..
    } = service;
    let mut product = format!("{replicas} x");
    if *processes > 1 {
        product += &format!(" {processes} processes x");
    }
    product += &format!(" {pool}");
    if *dsns > 1 {
        product += &format!(" x {dsns} data source names");
    }
    format!("{name:<names$}  {kind:<10}  {product} = {steady}")
}

/// What was seen in files and databases that were read, and changes no verdict.
fn read(text: &mut String, plan: &Plan, colours: Colours) {
    let seen = plan.findings.iter();
    let seen: Vec<_> = seen
        .filter(|finding| finding.id == READ && finding.severity == Severity::Info)
        .collect();
    if seen.is_empty() {
        return;
    }
    heading(text, "In what was read", colours);
    for finding in seen.iter().take(LINES_MAX) {
        push(text, format_args!("  {}\n", finding.sentence()));
    }
    if seen.len() > LINES_MAX {
        let more = seen.len() - LINES_MAX;
        push(text, format_args!("  and {more} more (--verbose)\n"));
    }
}

/// The assumptions that change the answer most, and how many others there are.
fn assumed(text: &mut String, plan: &Plan, colours: Colours) {
    let matter: Vec<String> = WEIGHTY
        .iter()
        .filter_map(|key| plan.assumptions.iter().find(|a| a.key == *key))
        .map(|assumption| format!("{} {}", assumption.key, assumption.value))
        .collect();
    if plan.assumptions.is_empty() {
        return;
    }
    heading(text, "Assumed", colours);
    if !matter.is_empty() {
        push(text, format_args!("  {}\n", matter.join(", ")));
    }
    for slower in &plan.queueing.slower {
        let shared = slower
            .shared
            .map_or("more than any PostgreSQL serves".to_owned(), |c| {
                c.to_string()
            });
        push(
            text,
            format_args!(
                "  if statements take {} as long, the load needs {} in pools of their own, {shared} shared\n",
                slower.name, slower.separate
            ),
        );
    }
    let others = plan.assumptions.len() - matter.len();
    push(text, format_args!("  and {others} defaults (--verbose)\n"));
}

fn rest(text: &mut String, plan: &Plan, colours: Colours) {
    let notes = plan.findings.iter();
    let notes = notes
        .filter(|finding| finding.severity == Severity::Info)
        .count();
    let notes = match notes {
        0 => String::new(),
        1 => "1 note, ".to_owned(),
        notes => format!("{notes} notes, "),
    };
    let line = format!(
        "--verbose: {notes}recommendations, where the documents differ, every default; --explain: every formula"
    );
    push(text, format_args!("\n{}\n", colours.dim(&line)));
}

/// What the answer depends on most.
const WEIGHTY: [&str; 8] = [
    "database.max_connections",
    "database.physical_cores",
    "database.ram",
    "services.*.replicas",
    "services.*.pool",
    "services.*.requests",
    "services.*.hold",
    "services.*.request_time",
];
/// More services than this are only counted.
const LINES_MAX: usize = 8;
/// Longer names push the rest aside.
const NAME_MAX: usize = 24;
