//! Other programs: whether they are there, and running them to the end.

use std::env;
use std::process::{Command, Stdio};

/// Runs a program to its end without a terminal; an error has the last line that it wrote.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!(
        "{}: {}",
        output.status,
        last.unwrap_or("no output")
    ))
}

/// Whether PATH has this program.
pub(crate) fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
