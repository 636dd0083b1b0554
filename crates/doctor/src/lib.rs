//! Finds out what is wrong with a running PostgreSQL, and what to do about it: rows in, findings out.
//!
//! * A [`Question`] is a statement that only reads. Several checks may share its answer.
//! * A [`Check`] looks at the answers of its questions in a [`Sample`], and says what it saw as a
//!   [`Judgement`]: findings, or what it needs and did not get. It is never `ok` without having seen.
//! * [`explain()`] says what an error means, across PostgreSQL, poolers and drivers.
//! * [`examine`] runs all checks and makes a [`Report`], the most urgent first, as text, Markdown,
//!   JSON, SARIF or JUnit.
//!
//! Deliberately not here: connections, files, clocks and randomness. Ages are computed by the server
//! that is asked, so the same rows give the same report.

mod check;
mod checks;
mod examine;
mod explain;
mod mend;
mod question;
mod report;
mod sample;
mod words;

pub use check::{About, Check, Finding, Judgement, Privilege, Severity};
pub use checks::consoles::console_questions;
pub use checks::{all, named, questions};
pub use examine::{Checked, Report, SCHEMA, State, Unreachable, examine, mends, unreachable};
pub use explain::{Meaning, Speaker, explain, explanation, explanation_json};
pub use mend::{Mend, PENDING, Place, Proof, Rung, Undo};
pub use question::{Answer, Missing, Question, Row, Rows};
pub use report::{json, junit, markdown, sarif, text};
pub use sample::{Console, Given, Sample};

#[cfg(test)]
mod tests;
