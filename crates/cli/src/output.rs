//! What goes to the terminal, or to whatever stands in its place.
//!
//! A reader that closes its end (`pgweir check | head -1`) has seen enough: that is no error, and
//! the command ends as it would have. Colours are for terminals only, and not with `NO_COLOR`.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;

/// Writes data to standard output.
///
/// # Errors
/// Standard output cannot be written to, other than by being closed.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    unless_closed(written).context("cannot write to standard output")
}

/// Writes a line for the person at the terminal to standard error.
pub(crate) fn note(line: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether standard output may have colours.
pub(crate) fn stdout_has_colours() -> bool {
    io::stdout().is_terminal() && colours_allowed()
}

/// Whether standard error may have colours.
pub(crate) fn stderr_has_colours() -> bool {
    io::stderr().is_terminal() && colours_allowed()
}

fn colours_allowed() -> bool {
    // <https://no-color.org>: any value but the empty one counts.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !refused && !dumb
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        assert!(unless_closed(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_closed(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
