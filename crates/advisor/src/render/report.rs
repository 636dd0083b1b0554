//! The plan for the team: in Markdown, and in HTML with figures. The checklists at the end of both
//! documents are filled in, as far as a plan can know.

use std::fmt::Write;

use super::{File, header, plan_id};
use crate::corrections;
use crate::facts::{Kind, Via};
use crate::formula::demand::Verdict;
use crate::plan::{Plan, Severity};
use crate::show::{picture, services_table};
use crate::units::percent_text;

/// How an entry of a checklist stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Pass,
    /// Done, with a doubt.
    Warn,
    /// Not done.
    Fail,
    /// A plan cannot know.
    Skipped,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Pass,
            Verdict::Warn => Self::Warn,
            Verdict::Fail => Self::Fail,
        }
    }
}

/// An entry of the documents' checklists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `S1-C1` to `S1-C8`, `S2-D1` to `S2-D6` (do), `S2-N1` to `S2-N4` (do not).
    pub id: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// How it stands.
    pub status: Status,
    /// Why.
    pub why: String,
}

/// The checklists of both documents, filled in.
pub fn checklist(plan: &Plan) -> Vec<Check> {
    let capacity = &plan.capacity;
    let check = |id, asks, status, why: String| Check {
        id,
        asks,
        status,
        why,
    };
    let outside = || "outside of a plan; see the rendered files".to_owned();
    let broken = |ids: &[&str]| {
        let worst = plan
            .findings
            .iter()
            .filter(|finding| ids.contains(&finding.id.as_str()))
            .max_by_key(|finding| finding.severity);
        match worst {
            None => (Status::Pass, "no rule is broken".to_owned()),
            Some(finding) => {
                let status = match finding.severity {
                    Severity::Info => Status::Pass,
                    Severity::Warn => Status::Warn,
                    Severity::Fail => Status::Fail,
                };
                (status, finding.sentence())
            }
        }
    };
    let unsized_services = plan.services.iter().filter(|s| s.need.is_none()).count();
    let below = broken(&["F10", "F7"]);
    let sized = if below.0 == Status::Pass && unsized_services > 0 {
        let why = format!("the load of {unsized_services} services is not known");
        (Status::Warn, why)
    } else {
        below
    };
    let timeouts = broken(&["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10"]);
    let usable = format!(
        "{} at the peak, {} of {} usable",
        capacity.peak,
        percent_text(capacity.peak, capacity.usable),
        capacity.usable
    );
    let pooler = &plan.advice[0];
    let pooled = match (plan.pooler.is_some(), pooler.called_for) {
        (true, _) | (_, false) => Status::Pass,
        (false, true) => Status::Warn,
    };
    let persistent = plan.facts.services.iter().any(|service| service.persistent);
    let largest = plan
        .services
        .iter()
        .filter(|service| service.via == Via::Direct)
        .map(|service| service.pool)
        .max()
        .unwrap_or_default();
    let sqlx = plan.facts.services.iter().any(|s| s.kind == Kind::Sqlx);
    vec![
        check(
            "S1-C1",
            "connection_limit is worked out",
            sized.0,
            sized.1.clone(),
        ),
        check(
            "S1-C2",
            "pool_timeout and connect_timeout are set",
            timeouts.0,
            timeouts.1.clone(),
        ),
        check(
            "S1-C3",
            "max_connections is sufficient",
            Status::of(capacity.verdict),
            usable.clone(),
        ),
        check(
            "S1-C4",
            "connections are monitored",
            Status::Skipped,
            outside(),
        ),
        check(
            "S1-C5",
            "exhaustion raises an alert",
            Status::Skipped,
            outside(),
        ),
        check(
            "S1-C6",
            "tested under load",
            if plan.scaling.is_some() {
                Status::Pass
            } else {
                Status::Skipped
            },
            plan.scaling.as_ref().map_or_else(
                || "no measured.steps".to_owned(),
                |s| format!("best at {} connections", s.operating_point),
            ),
        ),
        check(
            "S1-C7",
            "documented for the team",
            Status::Pass,
            "this report".to_owned(),
        ),
        check(
            "S1-C8",
            "PgBouncer, above 50 connections",
            pooled,
            pooler.summary.clone(),
        ),
        check("S2-D1", "set reasonable timeouts", timeouts.0, timeouts.1),
        check("S2-D2", "size pools correctly", sized.0, sized.1),
        check(
            "S2-D3",
            "use a pooler for high traffic",
            pooled,
            pooler.summary.clone(),
        ),
        check(
            "S2-D4",
            "enable health checks",
            if sqlx { Status::Pass } else { Status::Skipped },
            "test_before_acquire in the rendered SQLx code".to_owned(),
        ),
        {
            let (status, why) = broken(&["L14"]);
            check("S2-D5", "close connections gracefully", status, why)
        },
        check(
            "S2-D6",
            "monitor pool exhaustion",
            Status::Skipped,
            outside(),
        ),
        check(
            "S2-N1",
            "no pool as large as max_connections",
            if largest < capacity.usable || largest.0 == 0 {
                Status::Pass
            } else {
                Status::Fail
            },
            format!(
                "the largest pool has {largest}, {} are usable",
                capacity.usable
            ),
        ),
        check(
            "S2-N2",
            "no persistent connections for long tasks",
            if persistent {
                Status::Warn
            } else {
                Status::Pass
            },
            if persistent {
                "PDO connections are persistent".to_owned()
            } else {
                "none are".to_owned()
            },
        ),
        check(
            "S2-N3",
            "close connections when something fails",
            Status::Skipped,
            "outside of a plan".to_owned(),
        ),
        check(
            "S2-N4",
            "no connection shared between threads",
            Status::Skipped,
            "outside of a plan".to_owned(),
        ),
    ]
}

pub(super) fn files(plan: &Plan) -> Vec<File> {
    vec![
        File {
            path: "report/report.md".to_owned(),
            content: markdown(plan),
        },
        File {
            path: "report/report.html".to_owned(),
            content: html(plan),
        },
    ]
}

macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        writeln!($text, $($arguments)*).expect("writing to a String cannot fail")
    };
}

fn markdown(plan: &Plan) -> String {
    let mut text = String::new();
    put!(text, "<!--\n{}-->", header(plan, "report", ""));
    put!(text, "# Connections of the fleet: {}\n", plan.verdict);
    for reason in &plan.reasons {
        put!(text, "* {}", md(reason));
    }
    if !plan.changes.is_empty() {
        put!(
            text,
            "\n## What would mend it\n\nEach by itself; the smallest first.\n"
        );
        for (at, change) in plan.changes.iter().enumerate() {
            put!(text, "{}. {}", at + 1, md(&change.text));
        }
    }
    put!(text, "\n## Services\n\n```\n{}```", services_table(plan));
    put!(text, "\n## Picture\n\n```\n{}```", picture(plan));
    put!(
        text,
        "\n## What is called for\n\n| What | Answer | Why |\n|---|---|---|"
    );
    for advice in &plan.advice {
        let why: Vec<String> = advice
            .reasons
            .iter()
            .map(|reason| format!("{}: {}", reason.id, reason.text))
            .collect();
        put!(
            text,
            "| {} | {} | {} |",
            advice.topic,
            md(&advice.summary),
            md(&why.join("; "))
        );
    }
    put!(
        text,
        "\n## Findings\n\n| Rule | Weight | What | Source |\n|---|---|---|---|"
    );
    for finding in &plan.findings {
        put!(
            text,
            "| {} | {} | {} | {} |",
            finding.id,
            weight(finding.severity),
            md(&finding.sentence()),
            md(&finding.source)
        );
    }
    put!(
        text,
        "\n## Checklists\n\n| Entry | Asks | Status | Why |\n|---|---|---|---|"
    );
    for check in checklist(plan) {
        put!(
            text,
            "| {} | {} | {} | {} |",
            check.id,
            check.asks,
            check.status.word(),
            md(&check.why)
        );
    }
    put!(text, "\n## Where the documents and the model differ\n");
    put!(
        text,
        "| Topic | prisma-guide (S1) | sqlx-strategy (S2) | model |\n|---|---|---|---|"
    );
    for reading in &plan.readings {
        put!(
            text,
            "| {} | {} | {} | {} |",
            reading.topic,
            md(&reading.prisma_guide),
            md(&reading.sqlx_strategy),
            md(&reading.model)
        );
    }
    put!(
        text,
        "\n## Assumptions\n\n| Setting | Value | Why |\n|---|---|---|"
    );
    for assumption in &plan.assumptions {
        put!(
            text,
            "| `{}` | `{}` | {} |",
            assumption.key,
            assumption.value,
            md(assumption.why)
        );
    }
    put!(
        text,
        "\nThe corrections of the documents ({} of them) and all formulas are in docs/planning.md.",
        corrections::CORRECTIONS.len()
    );
    text
}

fn weight(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Fail => "fail",
    }
}

/// A text in a cell of a table.
fn md(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

fn html(plan: &Plan) -> String {
    let mut body = String::new();
    put!(
        body,
        "<h1>Connections of the fleet: <span class=\"{0}\">{0}</span></h1>",
        plan.verdict
    );
    put!(body, "<ul>");
    for reason in &plan.reasons {
        put!(body, "<li>{}</li>", escaped(reason));
    }
    put!(body, "</ul>");
    if !plan.changes.is_empty() {
        put!(
            body,
            "<h2>What would mend it</h2><p>Each by itself; the smallest first.</p><ol>"
        );
        for change in &plan.changes {
            put!(body, "<li>{}</li>", escaped(&change.text));
        }
        put!(body, "</ol>");
    }
    put!(body, "<h2>How full it is</h2>{}", bars(plan));
    put!(
        body,
        "<h2>Services</h2><pre>{}</pre>",
        escaped(&services_table(plan))
    );
    put!(
        body,
        "<h2>Picture</h2><pre>{}</pre>",
        escaped(&picture(plan))
    );
    let rows = plan.findings.iter().map(|finding| {
        [
            finding.id.clone(),
            weight(finding.severity).to_owned(),
            finding.sentence(),
            finding.source.clone(),
        ]
    });
    table(
        &mut body,
        "Findings",
        &["Rule", "Weight", "What", "Source"],
        rows,
    );
    let rows = checklist(plan).into_iter().map(|check| {
        [
            check.id.to_owned(),
            check.asks.to_owned(),
            check.status.word().to_owned(),
            check.why,
        ]
    });
    table(
        &mut body,
        "Checklists",
        &["Entry", "Asks", "Status", "Why"],
        rows,
    );
    let rows = plan.readings.iter().map(|reading| {
        [
            reading.topic.to_owned(),
            reading.prisma_guide.clone(),
            reading.sqlx_strategy.clone(),
            reading.model.clone(),
        ]
    });
    let columns = ["Topic", "prisma-guide (S1)", "sqlx-strategy (S2)", "model"];
    table(
        &mut body,
        "Where the documents and the model differ",
        &columns,
        rows,
    );
    let rows = plan.assumptions.iter().map(|assumption| {
        [
            assumption.key.clone(),
            assumption.value.clone(),
            assumption.why.to_owned(),
            assumption.first.clone(),
        ]
    });
    table(
        &mut body,
        "Assumptions",
        &["Setting", "Value", "Why", "First service"],
        rows,
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<!--\n{}-->\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Connections of the fleet, plan {}</title>\n<style>{STYLE}</style>\n{body}</html>\n",
        header(plan, "report", ""),
        plan_id(plan)
    )
}

fn table(
    body: &mut String,
    title: &str,
    columns: &[&str; 4],
    rows: impl Iterator<Item = [String; 4]>,
) {
    put!(body, "<h2>{title}</h2><table><tr>");
    for column in columns {
        put!(body, "<th>{column}</th>");
    }
    put!(body, "</tr>");
    for row in rows {
        let cells = row.map(|cell| format!("<td>{}</td>", escaped(&cell)));
        put!(body, "<tr>{}</tr>", cells.concat());
    }
    put!(body, "</table>");
}

/// The bars as a figure: what is used beside what there is.
fn bars(plan: &Plan) -> String {
    let capacity = &plan.capacity;
    let memory = &plan.memory;
    let rows = [
        (
            "connections",
            capacity.steady.0 as f64,
            capacity.usable.0 as f64,
            format!("{} of {}", capacity.steady, capacity.usable),
        ),
        (
            "in a rollout",
            capacity.rollout.0 as f64,
            capacity.usable.0 as f64,
            format!("{} of {}", capacity.rollout, capacity.usable),
        ),
        (
            "memory, expected",
            memory.expected_bytes.0 as f64,
            memory.ram_bytes.0 as f64,
            format!("{} of {}", memory.expected_bytes, memory.ram_bytes),
        ),
        (
            "memory, at worst",
            memory.worst_bytes.0 as f64,
            memory.ram_bytes.0 as f64,
            format!("{} of {}", memory.worst_bytes, memory.ram_bytes),
        ),
    ];
    let mut svg = String::from(
        "<svg viewBox=\"0 0 640 120\" width=\"640\" role=\"img\" aria-label=\"How full it is\">",
    );
    let target = 150.0 + 300.0 * f64::from(capacity.target_percent) / 100.0;
    for (at, (name, used, whole, label)) in rows.iter().enumerate() {
        let y = 10 + at * 27;
        let share = if *whole > 0.0 {
            used / whole
        } else {
            f64::INFINITY
        };
        let class = if share > 1.0 {
            "over"
        } else if share * 100.0 > f64::from(capacity.target_percent) {
            "tight"
        } else {
            "fits"
        };
        put!(
            svg,
            "<text x=\"0\" y=\"{}\">{name}</text><rect class=\"all\" x=\"150\" y=\"{y}\" width=\"300\" \
             height=\"18\"/><rect class=\"{class}\" x=\"150\" y=\"{y}\" width=\"{:.1}\" height=\"18\"/>\
             <text x=\"460\" y=\"{}\">{label}</text>",
            y + 14,
            300.0 * share.min(1.0),
            y + 14
        );
    }
    put!(
        svg,
        "<line x1=\"{target}\" y1=\"4\" x2=\"{target}\" y2=\"58\" stroke=\"currentColor\" \
         stroke-dasharray=\"3\"/></svg>"
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .6rem;\
text-align:left;vertical-align:top}pre{overflow-x:auto;background:#f5f5f5;padding:1rem}svg text{font-size:13px}\
.OK{color:#176b2c}.WARN{color:#8a5a00}.FAIL{color:#b00020}.all{fill:#ddd}.fits{fill:#2e7d32}.tight{fill:#f0a020}\
.over{fill:#c62828}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#252525}\
.all{fill:#444}.OK{color:#7bc98c}.WARN{color:#e3b95c}.FAIL{color:#ff8a94}svg text{fill:#ddd}}";
