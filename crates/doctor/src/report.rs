//! A report as text, Markdown, JSON, SARIF and JUnit's XML.

mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

use crate::examine::{Report, State};
use crate::words::plural;

/// How many checks ended how, in a line.
fn summary(report: &Report) -> String {
    let part = |state: State, one: &str| {
        let many = report.count(state);
        (many > 0).then(|| match one {
            "" => format!("{many} {}", state.word()),
            one => plural(many, one),
        })
    };
    let parts = [
        part(State::Critical, ""),
        part(State::Warning, "warning"),
        part(State::Skipped, ""),
        part(State::Ok, ""),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}
