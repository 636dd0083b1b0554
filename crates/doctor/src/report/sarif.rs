//! SARIF 2.1.0, for what shows findings of many tools.

use serde_json::{Value, json};

use crate::check::Severity;
use crate::examine::{Checked, Report, State};

/// Rules and results. What was skipped is a notification of the run, so that it is not taken for well.
pub fn sarif(report: &Report) -> Value {
    let found = |checked: &&Checked| !checked.judgement.findings.is_empty();
    let rules = report.checks.iter().map(rule).collect::<Vec<_>>();
    let results = report
        .checks
        .iter()
        .enumerate()
        .filter(|(_, checked)| found(checked));
    let results = results.flat_map(|(at, checked)| results_of(report, at, checked));
    let skipped = report
        .checks
        .iter()
        .filter(|checked| checked.state == State::Skipped);
    let skipped = skipped.map(|checked| {
        json!({
            "level": "note",
            "associatedRule": { "id": checked.about.id },
            "message": { "text": format!("{} was skipped: it needs {}", checked.about.id, checked.judgement.needs()) },
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "pgweir doctor",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                },
            },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": skipped.collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(checked: &Checked) -> Value {
    let about = &checked.about;
    json!({
        "id": about.id,
        "shortDescription": { "text": about.title },
        "fullDescription": { "text": about.why },
        "defaultConfiguration": { "level": level(about.worst) },
        "properties": { "source": about.source, "privilege": about.privilege.words() },
    })
}

fn results_of(report: &Report, index: usize, checked: &Checked) -> Vec<Value> {
    let findings = checked.judgement.findings.iter();
    let results = findings.map(|finding| {
        let mut text = format!(
            "{}: {}. {}.",
            finding.observation, finding.conclusion, finding.recommendation
        );
        for command in &finding.commands {
            text += &format!("\n{command}");
        }
        json!({
            "ruleId": checked.about.id,
            "ruleIndex": index,
            "level": level(finding.severity),
            "message": { "text": text },
            "locations": [{
                "logicalLocations": [{ "fullyQualifiedName": report.target, "kind": "resource" }],
            }],
        })
    });
    results.collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Critical => "error",
    }
}
