//! A rendered file, and the header that names its plan.

use super::fleet;
use crate::formula;
use crate::plan::Plan;

/// In the first line of every file rendered for a fleet. It tells rendered files from others.
pub const MARK: &str = "Written by `pgweir render ";

/// A rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the output folder, with `/` between folders.
    pub path: String,
    /// Its text.
    pub content: String,
}

/// A name for the plan: equal for equal fleets, and almost certainly different for others.
pub fn plan_id(plan: &Plan) -> &str {
    plan.id.get(|| {
        // FNV-1a: it has to tell fleets apart, not to resist an attacker.
        let hash = fleet::text(plan)
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        format!("{hash:016x}")
    })
}

/// The lines that every file begins with, each after `comment`.
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
