//! Decides how many connections each service of a fleet opens and what PostgreSQL must allow, and
//! writes that down for the programs that read it.
//!
//! * [`fleet`] reads what an operator knows (`fleet.toml`) into [`facts::Facts`], with every mistake
//!   at once and every default named.
//! * [`formula`] is the arithmetic: one function per formula, with its number and its source.
//! * [`plan()`] puts the formulas together: `Facts` in, [`Plan`] out.
//! * [`show`] tells a plan to people, [`render`] writes it as files.
//! * [`alerts`] are Prometheus' alerting rules, with thresholds as parameters; [`grafana`] is a
//!   dashboard.
//!
//! Deliberately not here: files, sockets, clocks and randomness. The same facts give the same plan
//! and the same bytes, so a plan can be kept, compared and checked in.

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
