#![expect(
    clippy::disallowed_methods,
    reason = "a test compares the manual with the code"
)]

use std::collections::BTreeSet;
use std::path::Path;

use super::{PARAMETERS, SetError, Thresholds, render, rules};

fn manual(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_metric_that_a_rule_names_exists() {
    let metrics = manual("metrics.md");
    let mut found = 0;
    for rule in rules(&Thresholds::default()) {
        for name in crate::metrics_in(&rule.expr) {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            let known = metrics.contains(&format!("`{family}`"));
            assert!(known, "{}: no metric {family}", rule.alert);
            found += 1;
        }
    }
    assert!(found > 15, "{found} names found");
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let text = manual("alerts.md");
    let sections: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let rules = rules(&Thresholds::default());
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| rule.alert).collect();
    assert_eq!(sections, alerts);
    for (heading, rest) in text
        .split("\n### ")
        .skip(1)
        .filter_map(|s| s.split_once('\n'))
    {
        for part in ["**Means**", "**Check**", "**Do**"] {
            assert!(rest.contains(part), "{heading}: no {part}");
        }
    }
}

#[test]
fn every_parameter_can_be_set_and_changes_something() {
    let usual = render(&Thresholds::default());
    let text = manual("alerts.md");
    for parameter in PARAMETERS {
        let value = match parameter.name {
            "window" | "for" => "7s",
            "runbook" => "https://example.org/alerts",
            _ => "0.777",
        };
        let mut thresholds = Thresholds::default();
        thresholds.set(parameter.name, value).unwrap();
        assert_ne!(render(&thresholds), usual, "{}", parameter.name);
        let row = format!("| `{}` |", parameter.name);
        assert!(
            text.contains(&row),
            "docs/alerts.md does not list {}",
            parameter.name
        );
    }
}

#[test]
fn what_a_parameter_does_not_take_is_refused() {
    let mut thresholds = Thresholds::default();
    for (name, value, error) in [
        ("waiter", "1", SetError::Unknown),
        ("waiters", "many", SetError::NotANumber),
        ("waiters", "-1", SetError::NotANumber),
        ("waiters", "inf", SetError::NotANumber),
        ("window", "0s", SetError::NotADuration),
        ("window", "5", SetError::NotADuration),
        ("window", "5 m", SetError::NotADuration),
        ("for", "99999999999999999999d", SetError::NotADuration),
        ("job", "a\"b", SetError::NotText),
        ("runbook", "a\nb", SetError::NotText),
        ("runbook", "docs/alerts.md", SetError::NotAUrl),
    ] {
        assert_eq!(thresholds.set(name, value), Err(error), "{name}={value}");
    }
    assert_eq!(thresholds, Thresholds::default());
    assert_eq!(thresholds.set("for", "0s"), Ok(()));
}
