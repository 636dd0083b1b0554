//! A client is answered by the pooler what PostgreSQL itself would have answered.
//!
//! The same program runs once more beside a backend of its own, with statements cancelled where
//! they were cancelled; then the answers are compared, up to an error that is the pooler's own.

use pgweir_wire::backend;

use crate::path::client::{Answer, Client, WAIT_CANCELED};

/// How a client's session ended, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::path) enum Course {
    /// The program came to its end.
    Whole,
    /// Something came between, at the end of what was answered.
    Broken,
}

/// Compares; `direct` is the client that met no pooler.
pub(in crate::path) fn compare(client: &Client, direct: &Client) -> Course {
    let name = client.program.client;
    let there = postgresqls(&client.answers).len();
    let is_whole = client.finished && there == client.answers.len() && !client.program.abrupt;
    for (at, answer) in client.answers[..there].iter().enumerate() {
        let expected = direct.answers.get(at);
        assert_eq!(
            Some(answer),
            expected,
            "transparent: answer {at} to c{name} is not what PostgreSQL would have said; before \
             it came {:#?}",
            &client.answers[at.saturating_sub(3)..at]
        );
    }
    if !is_whole {
        return Course::Broken;
    }
    assert_eq!(
        there,
        direct.answers.len(),
        "transparent: c{name} was not told all; PostgreSQL would go on with {:?}",
        direct.answers.get(there)
    );
    Course::Whole
}

/// The answers up to an error that is the pooler's own.
pub(in crate::path) fn postgresqls(answers: &[Answer]) -> &[Answer] {
    let own = answers.iter().position(is_of_the_pooler);
    &answers[..own.unwrap_or(answers.len())]
}

/// Checks the end of a session that the client did not end: it is told why, once.
pub(in crate::path) fn farewell(client: &Client, capacity: usize) {
    let name = client.program.client;
    let fatal = |answer: &Answer| {
        answer.kind == backend::ERROR_RESPONSE && answer.text.starts_with("FATAL")
    };
    let count = client.answers.iter().filter(|answer| fatal(answer)).count();
    assert!(
        count <= 1,
        "transparent: c{name} is told {count} times that its session ends: {:#?}",
        &client.answers[client.answers.len().saturating_sub(3)..]
    );
    // Words are lost on a client that does not read, and in the middle of a message.
    let hears = client.program.reads.is_none() && capacity > 32 * 1024;
    let is_silent = client.ended && !client.is_mid_message() && count == 0;
    assert!(
        !(hears && is_silent),
        "transparent: c{name} is not told why its session ends"
    );
}

/// Whether this is said by the pooler, or by a server that ends.
fn is_of_the_pooler(answer: &Answer) -> bool {
    answer.kind == backend::ERROR_RESPONSE
        && (answer.text.starts_with("FATAL") || answer.text.ends_with(WAIT_CANCELED))
}
