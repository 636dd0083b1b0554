//! Asks PAM whether a password is right.
//!
//! Modules of PAM are code of others that blocks, forks, waits for children and may change the user of
//! the whole process. So the pooler never calls them itself: it starts its own program again with
//! [`ARGUMENT`], writes a [`Question`] to it, and reads an [`Answer`]. The deadline is a kill.
//!
//! libpam is loaded when it is asked, so that the program runs where it is not installed. This is the
//! only crate with `unsafe`, and all of it is in one module.

mod libpam;
mod talk;

use std::io::{self, Read, Write};

pub use talk::{Answer, Question};

/// The argument with which the program answers one question and ends.
pub const ARGUMENT: &str = "ask-pam";

/// A question and its answer are shorter.
const LEN_MAX: u64 = 64 * 1024;

/// Reads a question, asks PAM, and writes the answer.
///
/// # Errors
/// What is read is no question, or the answer cannot be written.
pub fn answer(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.take(LEN_MAX).read_to_end(&mut bytes)?;
    let question = Question::decode(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no question"))?;
    output.write_all(&libpam::ask(&question).encode())
}
