//! Ctrl-C and similar signals, for commands that have something to clean up.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;

/// Signals that end a command.
pub(crate) struct Interrupt {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Interrupt {
    /// Handles the signals, which would otherwise end the process at once.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first signal; returns how to exit.
    pub(crate) async fn wait(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.hangup.recv() => Exit::Terminated,
        }
    }
}
