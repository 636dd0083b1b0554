//! A plan for people: the table, the picture, the derivations, and what differs between two plans.

mod brief;
mod derivation;
mod diff;
mod explain;
mod picture;
mod table;

#[cfg(test)]
mod tests;

pub use brief::brief;
pub use derivation::Derivation;
pub use diff::{Difference, diff, diff_text};
pub use explain::{explain, explain_text};
pub use picture::picture;
pub use table::services_table;

use crate::formula::demand::Verdict;
use crate::plan::{Advice, Basis, Change, Plan, Severity};
use crate::text::push;
use crate::units::short;

/// Colours of a terminal, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn verdict(self, verdict: Verdict) -> String {
        let code = match verdict {
            Verdict::Ok => "1;32",
            Verdict::Warn => "1;33",
            Verdict::Fail => "1;31",
        };
        self.paint(code, &verdict.to_string())
    }
}

/// The whole plan as text.
pub fn text(plan: &Plan, colours: Colours) -> String {
    let mut text = String::new();
    reasons(&mut text, plan, colours);
    changes(&mut text, plan, colours);
    heading(&mut text, "Services", colours);
    text.push_str(&services_table(plan));
    heading(&mut text, "Picture", colours);
    text.push_str(&picture(plan));
    facts(&mut text, plan, colours);
    advice(&mut text, plan, colours);
    findings(&mut text, plan, colours);
    readings(&mut text, plan, colours);
    assumptions(&mut text, plan, colours);
    push(&mut text, format_args!("\n{}\n", colours.dim(LEGEND)));
    text
}

/// The verdict and why.
fn reasons(text: &mut String, plan: &Plan, colours: Colours) {
    let word = colours.verdict(plan.verdict);
    push(
        text,
        format_args!(
            "{word}  {}\n",
            plan.reasons.first().map_or("", String::as_str)
        ),
    );
    for reason in plan.reasons.iter().skip(1).take(REASONS_MAX) {
        push(text, format_args!("      {reason}\n"));
    }
    let more = plan.reasons.len().saturating_sub(REASONS_MAX + 1);
    if more > 0 {
        push(text, format_args!("      and {more} more (--verbose)\n"));
    }
}

fn changes(text: &mut String, plan: &Plan, colours: Colours) {
    let Some(first) = plan.changes.first() else {
        return;
    };
    heading(text, "The smallest change that makes it fit", colours);
    push(text, format_args!("  {}\n", first.text));
    breaks(text, first);
    if let Some(hint) = what_if(&first.suppose) {
        push(text, format_args!("  {}\n", colours.dim(&hint)));
    }
    for change in plan.changes.iter().skip(1) {
        push(text, format_args!("or {}\n", change.text));
        breaks(text, change);
    }
}

fn breaks(text: &mut String, change: &Change) {
    if let Some(broken) = change.breaks.first() {
        push(text, format_args!("    but then {broken}\n"));
    }
}

fn what_if(suppose: &[String]) -> Option<String> {
    if suppose.is_empty() || suppose.len() > 4 {
        return None;
    }
    let arguments: Vec<String> = suppose
        .iter()
        .map(|supposition| format!("--what-if '{supposition}'"))
        .collect();
    Some(format!("try it: {}", arguments.join(" ")))
}

fn facts(text: &mut String, plan: &Plan, colours: Colours) {
    heading(text, "Numbers", colours);
    let mut row = |name: &str, value: String| push(text, format_args!("{name:<26} {value}\n"));
    connections(plan, &mut row);
    memory(plan, &mut row);
    load(plan, &mut row);
}

fn connections(plan: &Plan, row: &mut dyn FnMut(&str, String)) {
    let capacity = &plan.capacity;
    row(
        "max_connections",
        format!(
            "{} now; {} would be OK, set {}",
            capacity.max_connections, capacity.need, capacity.recommended_max_connections
        ),
    );
    row(
        "active optimum",
        format!(
            "{} connections for the whole fleet (the documents count {}){}",
            capacity.optimum,
            capacity.optimum_of_documents,
            capacity
                .oversubscription
                .map_or(String::new(), |ratio| format!(
                    "; the peak is {} times that",
                    short((ratio * 100.0).round() / 100.0)
                ))
        ),
    );
    if let Some(pooler) = &plan.pooler {
        row(
            "pooler, each instance",
            format!(
                "default_pool_size {}, reserve_pool_size {}, max_db_connections {}, max_client_conn {}, \
                 {} file descriptors",
                pooler.default_pool_size,
                pooler.reserve_pool_size,
                pooler.max_db_connections,
                pooler.max_client_conn,
                pooler.descriptors
            ),
        );
    }
}

fn memory(plan: &Plan, row: &mut dyn FnMut(&str, String)) {
    let (capacity, memory) = (&plan.capacity, &plan.memory);
    row(
        "expected memory",
        format!(
            "{} with {} active (budget {} of {}{})",
            memory.expected_bytes,
            memory.active,
            memory.budget_bytes,
            memory.ram_bytes,
            if memory.ram_assumed { ", assumed" } else { "" }
        ),
    );
    row(
        "worst-case memory",
        format!(
            "{} with all {} active, {} if each sorts three times",
            memory.worst_bytes, capacity.max_connections, memory.pessimistic_bytes
        ),
    );
    row(
        "memory by the Prisma guide",
        format!(
            "{} as its example counts, {} as its text says; neither is a bound",
            memory.prisma_guide_bytes, memory.prisma_guide_literal_bytes
        ),
    );
    row(
        "work_mem at most",
        format!(
            "{} ({} now; PGTune proposes {})",
            memory.work_mem_max_bytes.postgres(),
            plan.facts.database.work_mem.postgres(),
            memory.pgtune_work_mem_bytes.postgres()
        ),
    );
}

fn load(plan: &Plan, row: &mut dyn FnMut(&str, String)) {
    let queueing = &plan.queueing;
    if let (Some(separate), Some(shared)) = (queueing.separate, queueing.shared) {
        row(
            "queueing need",
            format!(
                "{separate} connections in separate pools, {shared} shared ({} busy on average)",
                short((queueing.busy * 100.0).round() / 100.0)
            ),
        );
    }
    let waits = plan.services.iter();
    let longest = waits
        .filter_map(|service| Some((service.mean_wait_ms?, &service.name)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((wait, name)) = longest {
        let wait = short((wait * 1000.0).round() / 1000.0);
        row("mean wait", format!("{wait} ms at most, in {name}"));
    }
    for slower in &queueing.slower {
        row(
            &format!("if {} as slow", slower.name),
            format!(
                "{} connections in separate pools, {} shared",
                slower.separate,
                slower
                    .shared
                    .map_or("too many".to_owned(), |shared| shared.to_string())
            ),
        );
    }
    if let Some(scaling) = &plan.scaling {
        row(
            "load test",
            format!(
                "highest throughput at {} connections ({}/s), best at {}{}",
                short(scaling.peak.round()),
                short(scaling.throughput_max.round()),
                scaling.operating_point,
                scaling
                    .need
                    .map_or(String::new(), |need| format!("; the load needs {need}"))
            ),
        );
    }
}

fn advice(text: &mut String, plan: &Plan, colours: Colours) {
    heading(text, "Recommendations", colours);
    for Advice {
        topic,
        summary,
        reasons,
        ..
    } in &plan.advice
    {
        push(text, format_args!("{topic:<15} {summary}\n"));
        for reason in reasons {
            let basis = match reason.basis {
                Basis::Model => "",
                Basis::Heuristic => " (rule of thumb)",
            };
            push(
                text,
                format_args!("{:<15} {} [{}]{basis}\n", "", reason.text, reason.id),
            );
        }
    }
}

fn findings(text: &mut String, plan: &Plan, colours: Colours) {
    if plan.findings.is_empty() {
        return;
    }
    heading(text, "Findings", colours);
    for finding in &plan.findings {
        let code = match finding.severity {
            Severity::Info => "36",
            Severity::Warn => "33",
            Severity::Fail => "31",
        };
        let word = colours.paint(code, finding.severity.word());
        push(
            text,
            format_args!("{word} {} [{}]\n", finding.sentence(), finding.id),
        );
    }
}

fn readings(text: &mut String, plan: &Plan, colours: Colours) {
    heading(text, "Where the documents and the model differ", colours);
    for reading in &plan.readings {
        push(
            text,
            format_args!(
                "{}\n  prisma-guide   {}\n  sqlx-strategy  {}\n  model          {}\n",
                reading.topic, reading.prisma_guide, reading.sqlx_strategy, reading.model
            ),
        );
    }
}

fn assumptions(text: &mut String, plan: &Plan, colours: Colours) {
    heading(text, "Assumptions", colours);
    for assumption in &plan.assumptions {
        let line = format!("{} = {}", assumption.key, assumption.value);
        let services = if assumption.first.is_empty() {
            String::new()
        } else if assumption.count == 1 {
            format!(" ({})", assumption.first)
        } else {
            format!(" ({} and {} more)", assumption.first, assumption.count - 1)
        };
        push(
            text,
            format_args!("{line:<52} {}{services}\n", assumption.why),
        );
    }
}

fn heading(text: &mut String, title: &str, colours: Colours) {
    push(text, format_args!("\n{}\n", colours.bold(title)));
}

/// What the short names stand for.
const LEGEND: &str = "S1 is the Prisma pool guide, S2 the strategy for SQLx, Laravel and PostgreSQL; [C7] is a \
                      correction of theirs, [L7] a rule on timeouts, [F7] a formula, [A7] a trigger, each by its \
                      number in docs/planning.md (`pgweir help planning`)";

/// More reasons than this do not fit above the table.
const REASONS_MAX: usize = 4;
