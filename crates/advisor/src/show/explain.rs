//! Derives each number: its formula, inputs and source.

mod capacity;
mod load;
mod memory;
mod pooler;
mod service;

use super::derivation::Derivation;
use crate::plan::Plan;
use crate::text::push;

/// Every number of the plan that a formula gave.
pub fn explain(plan: &Plan) -> Vec<Derivation> {
    let mut all = Vec::new();
    capacity::explain(plan, &mut all);
    memory::explain(plan, &mut all);
    load::explain(plan, &mut all);
    pooler::explain(plan, &mut all);
    for (service, known) in plan.services.iter().zip(&plan.facts.services) {
        service::explain(plan, service, known, &mut all);
    }
    all
}

/// The derivations as text.
pub fn explain_text(plan: &Plan) -> String {
    let mut text = String::from("\nWhere the numbers come from\n");
    for derivation in explain(plan) {
        let inputs: Vec<String> = derivation
            .inputs
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        push(
            &mut text,
            format_args!(
                "{} = {}\n    {}: {}\n    with {}\n    from {}\n",
                derivation.number,
                derivation.value,
                derivation.formula,
                derivation.expression,
                inputs.join(", "),
                derivation.source
            ),
        );
    }
    text
}
