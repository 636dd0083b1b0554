//! What the pooler needs of the process that it runs in, and tells it.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::reload::SetLog;
use crate::shutdown::Signals;

/// The process around the pooler.
pub struct Host {
    /// Has the log take settings over.
    pub set_log: SetLog,
    /// What signals mean.
    pub signals: Signals,
    /// Sockets that somebody else has bound, in place of those of the configuration.
    pub sockets: Vec<Handed>,
    /// Whether the sockets of a process that runs become this one's.
    pub takes_over: bool,
    /// Called once everything is bound, while the process has one thread still: this is the moment to give up
    /// privileges. An error ends the start.
    pub settle: Box<dyn FnOnce() -> io::Result<()>>,
    /// Is told what the pooler is about to do.
    pub notify: Box<dyn Fn(Notice<'_>)>,
    /// How often it wants to be told that the pooler is alive.
    pub watchdog: Option<Duration>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("signals", &self.signals)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

/// A socket that somebody else has bound.
#[derive(Debug)]
pub enum Handed {
    /// Of TCP.
    Tcp(TcpListener),
    /// A unix socket, whose file is not the pooler's.
    Unix(UnixListener),
}

/// What the pooler is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// It accepts clients, or has read its configuration again.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It shuts down.
    Stopping,
    /// It still works.
    Alive,
    /// What it does, in one line.
    Status(&'a str),
}
