//! The plan for the team: in Markdown, and in HTML with figures. The checklists at the end of both
//! documents are filled in ([`super::checklist()`]).

use std::fmt::Write;

use super::checklist::checklist;
use super::file::{File, header, plan_id};
use crate::corrections;
use crate::plan::{Plan, Severity};
use crate::show::{picture, services_table};

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
