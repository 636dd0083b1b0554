//! The pooler in the background (`-d`).
//!
//! A process with threads cannot fork, so the program is started once more, and the one that was called waits until
//! that serves: what goes wrong before is told where it was called, with its exit code.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::exit::Exit;

/// Says that this is the process in the background. It is for nobody but ourselves.
const VARIABLE: &str = "PGWEIR_IN_BACKGROUND";

/// What the process in the background says once it serves.
const UP: &[u8] = b"up";

/// Starts the program with these arguments in the background, and waits until it serves.
///
/// # Errors
/// It cannot be started.
pub(crate) fn send_to_background(arguments: &[OsString]) -> anyhow::Result<Exit> {
    let program = env::current_exe().context("the program does not find itself")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(VARIABLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the process in the background cannot be started")?;
    let mut said = Vec::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_end(&mut said)?;
    if said == UP {
        return Ok(Exit::Done);
    }
    let status = child.wait()?;
    Ok(match status.code() {
        Some(1) => Exit::Mistakes,
        _ => Exit::Failed,
    })
}

/// The process in the background.
#[derive(Debug)]
pub(crate) struct Background(());

impl Background {
    /// This process, if it is the one. From here on no terminal can end it.
    pub(crate) fn find() -> Option<Self> {
        env::var_os(VARIABLE)?;
        // It fails for who has a session already.
        let _ = rustix::process::setsid();
        Some(Self(()))
    }

    /// It serves: whoever called it may go, and its terminal is left.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn is_up(&self) -> io::Result<()> {
        // Nobody may be there any more.
        let _ = io::stdout()
            .write_all(UP)
            .and_then(|()| io::stdout().flush());
        let null = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        Ok(())
    }
}
