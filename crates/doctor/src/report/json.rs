//! JSON, whose form `docs/doctor.schema.json` describes.

use serde_json::{Map, Value, json as value};

use crate::check::Finding;
use crate::examine::{Checked, Report, SCHEMA, State};

/// All of it.
pub fn json(report: &Report) -> Value {
    value!({
        "schema": SCHEMA,
        "target": report.target,
        "server": report.server,
        "state": report.state.word(),
        "counts": {
            "critical": report.count(State::Critical),
            "warning": report.count(State::Warning),
            "skipped": report.count(State::Skipped),
            "ok": report.count(State::Ok),
        },
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(checked: &Checked) -> Value {
    let about = &checked.about;
    let needs = checked.judgement.missing.iter().map(|missing| &missing.0);
    value!({
        "id": about.id,
        "title": about.title,
        "why": about.why,
        "source": about.source,
        "privilege": about.privilege.words(),
        "state": checked.state.word(),
        "seen": checked.judgement.seen,
        "needs": needs.collect::<Vec<_>>(),
        "findings": checked.judgement.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let numbers: Map<String, Value> = finding
        .numbers
        .iter()
        .map(|(name, number)| ((*name).to_owned(), value!(number)))
        .collect();
    value!({
        "state": State::from(finding.severity).word(),
        "observation": finding.observation,
        "numbers": numbers,
        "evidence": finding.evidence,
        "conclusion": finding.conclusion,
        "recommendation": finding.recommendation,
        "commands": finding.commands,
    })
}
