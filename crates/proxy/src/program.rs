//! A program that runs for the pooler and ends with what waits for it.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use tokio::process::{Child, Command};

/// A program that runs, or has run. It and its children end with this.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    /// Starts it in a group of its own, with its output piped. What it says of its errors is dropped: a secret
    /// may be in it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that was waited for has no number any more.
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = pid.and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
