//! Alerting rules for Prometheus.
//!
//! A pool that is full because there is enough to do is healthy, so no rule looks at a pool's
//! fullness alone: somebody has to wait. Rules keep the labels of the scrape (`job`, `instance`)
//! by naming the labels they sum over, so that one set of rules serves any number of poolers.
//!
//! docs/alerts.md has a section for each alert; its `runbook_url` points there.

mod rules;
mod thresholds;

use std::fmt::Write as _;

pub use thresholds::{PARAMETERS, Parameter, SetError, Thresholds};

/// How soon somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Some day.
    Info,
    /// Today.
    Warning,
    /// At once, in working hours.
    Critical,
    /// At once, whatever the hour.
    Page,
}

impl Severity {
    /// The value of the label `severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Page => "page",
        }
    }
}

/// One alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, and that of its section in docs/alerts.md. Rules that differ in their severity
    /// alone share it.
    pub alert: &'static str,
    /// PromQL, one line or several.
    pub expr: String,
    /// How long it has to be true before it fires, in Prometheus' notation.
    pub hold: String,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What exactly, with the value.
    pub description: String,
}

/// All rules.
pub fn rules(thresholds: &Thresholds) -> Vec<Rule> {
    rules::all(thresholds)
}

/// The file for Prometheus' `rule_files`.
pub fn render(thresholds: &Thresholds) -> String {
    let mut text = "# Alerting rules for pgweir, for rule_files in prometheus.yml.\n\
                    # Made by `pgweir render alerts`; check with `promtool check rules`.\n\
                    groups:\n- name: pgweir\n  rules:\n"
        .to_owned();
    for rule in rules(thresholds) {
        let anchor = rule.alert.to_lowercase();
        let runbook = format!("{}#{anchor}", thresholds.runbook);
        let mut expr = String::new();
        for line in rule.expr.lines() {
            push(&mut expr, format_args!("      {line}\n"));
        }
        push(
            &mut text,
            format_args!(
                "  - alert: {}\n    expr: |\n{expr}    for: {}\n    labels:\n      severity: {}\n    \
                 annotations:\n      summary: {}\n      description: {}\n      runbook_url: {}\n",
                rule.alert,
                rule.hold,
                rule.severity.as_str(),
                quoted(rule.summary),
                quoted(&rule.description),
                quoted(&runbook),
            ),
        );
    }
    text
}

/// A YAML scalar in double quotes, which JSON's strings are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes any text");
}

#[cfg(test)]
mod tests;
