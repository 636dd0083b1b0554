//! Alerting rules for Prometheus.
//!
//! A pool that is full because it is busy is healthy, so no rule looks at a pool's fullness alone:
//! clients have to wait as well. Rules keep the labels of the scrape (`job`, `instance`)
//! by naming the labels they sum over, so that one set of rules serves any number of poolers.
//!
//! docs/alerts.md has a section for each alert; its `runbook_url`, or `runbook`, points there.

mod rule;
mod rules;
mod thresholds;

pub use rule::{AlertRule, Urgency};
pub use thresholds::{PARAMETERS, Parameter, SetError, Thresholds};

use crate::text::push;

/// All rules.
pub fn rules(thresholds: &Thresholds) -> Vec<AlertRule> {
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
        // A link that leads nowhere is worse than none.
        let (where_to, runbook) = if thresholds.runbook.is_empty() {
            ("runbook", format!("pgweir help alerts, {}", rule.alert))
        } else {
            ("runbook_url", format!("{}#{anchor}", thresholds.runbook))
        };
        let mut expr = String::new();
        for line in rule.expr.lines() {
            push(&mut expr, format_args!("      {line}\n"));
        }
        push(
            &mut text,
            format_args!(
                "  - alert: {}\n    expr: |\n{expr}    for: {}\n    labels:\n      severity: {}\n    \
                 annotations:\n      summary: {}\n      description: {}\n      {where_to}: {}\n",
                rule.alert,
                rule.hold,
                rule.urgency.label(),
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

#[cfg(test)]
mod tests;
