//! Standard output and standard error.
//!
//! A reader that closes its end (`pgweir check | head -1`) has seen enough: that is not an error, and
//! does not change the exit code. Colours are for terminals only, and not with `NO_COLOR`.

use std::env;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use ratatui::crossterm::terminal::size;

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
    // Without standard error there is nowhere left to report to.
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

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns.
    pub(crate) width: usize,
    /// Whether it may have colours.
    pub(crate) colours: bool,
    /// Whether it shows more than ASCII.
    pub(crate) unicode: bool,
}

/// The terminal that standard output is, if it is one that can be drawn on.
pub(crate) fn stdout_terminal() -> Option<Terminal> {
    io::stdout().is_terminal().then(terminal).flatten()
}

/// The terminal that standard error is, if it is one that can be drawn on.
pub(crate) fn stderr_terminal() -> Option<Terminal> {
    io::stderr().is_terminal().then(terminal).flatten()
}

fn terminal() -> Option<Terminal> {
    if is_dumb() {
        return None;
    }
    let variable = |name| {
        env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    // The first one that is set counts, as for the C library.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    Some(Terminal {
        width: size().map_or(80, |(columns, _)| columns.into()),
        colours: colours_allowed(),
        unicode: locale.contains("utf-8") || locale.contains("utf8"),
    })
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|value| value == "dumb")
}

fn colours_allowed() -> bool {
    // <https://no-color.org>: any value but the empty one counts.
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && !is_dumb()
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
    fn a_closed_pipe_is_not_an_error_and_a_full_disk_is() {
        assert!(unless_closed(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_closed(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
