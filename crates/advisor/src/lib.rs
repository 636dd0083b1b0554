//! Plans how many connections each service of a fleet opens and what PostgreSQL must allow, and
//! writes the plan as configuration files.
//!
//! * [`fleet`] reads what an operator knows (`fleet.toml`) into [`facts::Facts`]. It reports all mistakes
//!   at once and lists every default it used.
//! * [`formula`] is the arithmetic: one function per formula, with its number and its source.
//! * [`plan()`] applies the formulas: `Facts` in, [`Plan`] out.
//! * [`show`] prints a plan for people, [`render`] writes it as files.
//! * [`alerts`] are Prometheus' alerting rules, with thresholds as parameters; [`grafana`] is a
//!   dashboard.
//!
//! Deliberately not here: files, sockets, clocks and randomness. The same facts give the same plan
//! and the same bytes, so a plan can be stored, compared and checked in.

pub mod alerts;
pub mod corrections;
pub mod facts;
pub mod fleet;
pub mod formula;
pub mod grafana;
pub mod plan;
pub mod profile;
pub mod render;
pub mod show;
mod text;
pub mod units;

pub use plan::{Plan, plan};

/// The names of our metrics in a PromQL expression.
#[cfg(test)]
fn metrics_in(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("pgweir_"))
}
