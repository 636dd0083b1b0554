//! What to run and what to watch, as files for other programs.
//!
//! * [`alerts`] are Prometheus' alerting rules, with thresholds as parameters.
//! * [`grafana`] is a dashboard.
//!
//! Everything is pure: values in, text out. No file, socket or clock.

pub mod alerts;
pub mod grafana;

/// The names of our metrics in a PromQL expression.
#[cfg(test)]
fn metrics_in(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("pgweir_"))
}
