//! The plan for the team, in Markdown and in HTML with figures, with the checklists of both documents
//! filled in ([`super::checklist()`]).

use std::fmt::Write;

use super::checklist::checklist;
use super::file::{File, header, plan_id};
use crate::corrections;
use crate::plan::Plan;
use crate::show::{picture, services_table};
use crate::units::{Bytes, Connections};

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
            "\n## Changes that make it fit\n\nEach is enough by itself; the smallest comes first.\n"
        );
        for (at, change) in plan.changes.iter().enumerate() {
            put!(text, "{}. {}", at + 1, md(&change.text));
        }
    }
    put!(text, "\n## Services\n\n```\n{}```", services_table(plan));
    put!(text, "\n## Picture\n\n```\n{}```", picture(plan));
    md_table(
        &mut text,
        "Recommendations",
        &["What", "Answer", "Why"],
        advice(plan),
    );
    md_table(&mut text, "Findings", &FINDINGS, findings(plan));
    md_table(&mut text, "Checklists", &CHECKLISTS, checklists(plan));
    md_table(&mut text, DIFFERENCES, &READINGS, readings(plan));
    let assumed = plan.assumptions.iter().map(|assumption| {
        [
            format!("`{}`", assumption.key),
            format!("`{}`", assumption.value),
            assumption.why.to_owned(),
        ]
    });
    md_table(
        &mut text,
        "Assumptions",
        &["Setting", "Value", "Why"],
        assumed,
    );
    put!(
        text,
        "\nThe corrections of the documents ({} of them) and all formulas: pgweir help planning.",
        corrections::CORRECTIONS.len()
    );
    text
}

fn md_table<const N: usize>(
    text: &mut String,
    title: &str,
    columns: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    put!(text, "\n## {title}\n");
    put!(
        text,
        "| {} |\n|{}",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in rows {
        let cells = row.map(|cell| md(&cell));
        put!(text, "| {} |", cells.join(" | "));
    }
}

const FINDINGS: [&str; 4] = ["Rule", "Weight", "What", "Source"];
const CHECKLISTS: [&str; 4] = ["Entry", "Asks", "Status", "Why"];
const READINGS: [&str; 4] = ["Topic", "prisma-guide (S1)", "sqlx-strategy (S2)", "model"];
const DIFFERENCES: &str = "Where the documents and the model differ";

fn advice(plan: &Plan) -> impl Iterator<Item = [String; 3]> {
    plan.advice.iter().map(|advice| {
        let why: Vec<String> = advice
            .reasons
            .iter()
            .map(|reason| format!("{}: {}", reason.id, reason.text))
            .collect();
        [
            advice.topic.to_string(),
            advice.summary.clone(),
            why.join("; "),
        ]
    })
}

fn findings(plan: &Plan) -> impl Iterator<Item = [String; 4]> {
    plan.findings.iter().map(|finding| {
        [
            finding.id.clone(),
            finding.severity.word().to_owned(),
            finding.sentence(),
            finding.source.clone(),
        ]
    })
}

fn checklists(plan: &Plan) -> impl Iterator<Item = [String; 4]> {
    checklist(plan).into_iter().map(|check| {
        [
            check.id.to_owned(),
            check.asks.to_owned(),
            check.status.word().to_owned(),
            check.why,
        ]
    })
}

fn readings(plan: &Plan) -> impl Iterator<Item = [String; 4]> {
    plan.readings.iter().map(|reading| {
        [
            reading.topic.to_owned(),
            reading.prisma_guide.clone(),
            reading.sqlx_strategy.clone(),
            reading.model.clone(),
        ]
    })
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
            "<h2>Changes that make it fit</h2><p>Each is enough by itself; the smallest comes \
             first.</p><ol>"
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
    table(&mut body, "Findings", &FINDINGS, findings(plan));
    table(&mut body, "Checklists", &CHECKLISTS, checklists(plan));
    table(&mut body, DIFFERENCES, &READINGS, readings(plan));
    let assumed = plan.assumptions.iter().map(|assumption| {
        [
            assumption.key.clone(),
            assumption.value.clone(),
            assumption.why.to_owned(),
            assumption.first.clone(),
        ]
    });
    let columns = ["Setting", "Value", "Why", "First service"];
    table(&mut body, "Assumptions", &columns, assumed);
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
    let target = f64::from(capacity.target_percent);
    let mut svg = String::from(
        "<svg viewBox=\"0 0 640 120\" width=\"640\" role=\"img\" aria-label=\"How full it is\">",
    );
    for (at, (name, share, label)) in shares(plan).into_iter().enumerate() {
        let y = 10 + at * 27;
        let class = if share > 1.0 {
            "over"
        } else if share * 100.0 > target {
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
    let line = 150.0 + 300.0 * target / 100.0;
    put!(
        svg,
        "<line x1=\"{line}\" y1=\"4\" x2=\"{line}\" y2=\"58\" stroke=\"currentColor\" \
         stroke-dasharray=\"3\"/></svg>"
    );
    svg
}

/// A name, the share that is used, and both numbers.
fn shares(plan: &Plan) -> [(&'static str, f64, String); 4] {
    let connections = |name, used: Connections| {
        let usable = plan.capacity.usable;
        let share = used.ratio(usable).unwrap_or(f64::INFINITY);
        (name, share, format!("{used} of {usable}"))
    };
    let memory = |name, used: Bytes| {
        let ram = plan.memory.ram_bytes;
        let share = if ram == Bytes::ZERO {
            f64::INFINITY
        } else {
            used.0 as f64 / ram.0 as f64
        };
        (name, share, format!("{used} of {ram}"))
    };
    [
        connections("connections", plan.capacity.steady),
        connections("in a rollout", plan.capacity.rollout),
        memory("memory, expected", plan.memory.expected_bytes),
        memory("memory, at worst", plan.memory.worst_bytes),
    ]
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
