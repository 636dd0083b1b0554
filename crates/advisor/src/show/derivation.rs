//! How a number came about: its formula, its inputs and its source.

use serde::Serialize;

use crate::formula::Formula;

/// How a number came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Derivation {
    /// What it is, such as `services.api.steady`.
    pub number: String,
    /// Its value with its unit.
    pub value: String,
    /// Number of the formula.
    pub formula: &'static str,
    /// The formula.
    pub expression: &'static str,
    /// The formula's inputs, by name.
    pub inputs: Vec<(String, String)>,
    /// Where the formula comes from.
    pub source: &'static str,
}

pub(super) fn derived(
    number: impl Into<String>,
    value: impl ToString,
    formula: &Formula,
    inputs: &[(&str, String)],
) -> Derivation {
    Derivation {
        number: number.into(),
        value: value.to_string(),
        formula: formula.id,
        expression: formula.expression,
        inputs: inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        source: formula.source,
    }
}

/// A part of a formula of the catalogue, in its own words.
pub(super) fn part(formula: &Formula, expression: &'static str) -> Formula {
    Formula {
        expression,
        ..*formula
    }
}
