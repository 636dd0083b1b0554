//! A file to be written, and the lines that say which plan it comes from.

use super::fleet;
use crate::formula;
use crate::plan::Plan;

/// Stands in the first line of comments of every file that is of a fleet: what has it was rendered.
pub const MARK: &str = "Written by `pgweir render ";

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, below the output folder, with `/` between folders.
    pub path: String,
    /// What is in it.
    pub content: String,
}

/// A name for the plan: equal for equal fleets, and nearly always different for others.
pub fn plan_id(plan: &Plan) -> &str {
    plan.id.get(|| {
        // FNV-1a: it has to tell fleets apart, not to withstand anyone.
        let hash = fleet::text(plan)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("{hash:016x}")
    })
}

/// The lines that every file begins with, each behind `comment`.
pub(super) fn header(plan: &Plan, target: &str, comment: &str) -> String {
    let verdict = plan.verdict;
    let lines = [
        format!(
            "{MARK}{target}`: plan {}, formulas {}, verdict {verdict}.",
            plan_id(plan),
            formula::VERSION
        ),
        "Change the fleet and render again; changes made here are lost.".to_owned(),
    ];
    lines
        .iter()
        .map(|line| format!("{comment} {line}\n"))
        .collect()
}
