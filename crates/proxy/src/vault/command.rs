//! Runs a program that prints a password.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pgweir_config::{ServerAddress, without_line_break};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Place;
use crate::program::Program;

/// Time for the program, from its start to its end.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What it may print. A token of a cloud has one or two kilobytes.
const OUTPUT_MAX: usize = 8 * 1024;

/// Programs that run at once, of all users and databases: each may be an interpreter of its own.
const RUNS_MAX: usize = 8;

/// Runs programs, a few at once.
#[derive(Debug)]
pub(super) struct Programs(Semaphore);

impl Default for Programs {
    fn default() -> Self {
        Self(Semaphore::new(RUNS_MAX))
    }
}

/// Why a program brought no password. It has nothing of what was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// It cannot be started, or its output cannot be read.
    System(String),
    /// It took too long, and was ended.
    Timeout,
    /// It ended like this.
    Status(ExitStatus),
    /// It printed more than a password may have.
    TooLong,
    /// It printed nothing.
    Nothing,
    /// It printed several lines, or what is no text.
    NoLine,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "cannot be run: {error}"),
            Self::Timeout => write!(f, "took more than {} s and was killed", TIME_MAX.as_secs()),
            Self::Status(status) => write!(f, "failed, {status}"),
            Self::TooLong => write!(f, "printed more than {OUTPUT_MAX} bytes and was killed"),
            Self::Nothing => f.write_str("printed nothing"),
            Self::NoLine => f.write_str("printed something else than one line of text"),
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl Programs {
    /// The one line that the program prints.
    ///
    /// # Errors
    /// It fails, takes too long or prints something else.
    ///
    /// # Cancel safety
    /// Dropped, it kills the program.
    pub(super) async fn run(
        &self,
        argv: &[String],
        place: Place<'_>,
    ) -> Result<String, CommandError> {
        let _turn = self.0.acquire().await.expect("it is never closed");
        let (host, port) = match place.server {
            ServerAddress::Tcp { host, port } => (host.clone(), port.to_string()),
            ServerAddress::Unix(path) => {
                let folder = path.parent().map(|folder| folder.display().to_string());
                let port = path.extension().unwrap_or_default();
                (folder.unwrap_or_default(), port.display().to_string())
            }
        };
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .env("PGHOST", host)
            .env("PGPORT", port)
            .env("PGUSER", place.user)
            .stdin(Stdio::null());
        let program = Program::start(&mut command)?;
        timeout(TIME_MAX, line(program))
            .await
            .unwrap_or(Err(CommandError::Timeout))
    }
}

/// The line that the program prints until it ends.
async fn line(mut program: Program) -> Result<String, CommandError> {
    let mut printed = Vec::new();
    let output = program.0.stdout.take().expect("it is piped");
    let mut bounded = output.take(OUTPUT_MAX as u64 + 1);
    bounded.read_to_end(&mut printed).await?;
    if printed.len() > OUTPUT_MAX {
        return Err(CommandError::TooLong);
    }
    let status = program.0.wait().await?;
    if !status.success() {
        return Err(CommandError::Status(status));
    }
    let text = String::from_utf8(printed).map_err(|_| CommandError::NoLine)?;
    let line = without_line_break(&text);
    if line.is_empty() {
        return Err(CommandError::Nothing);
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(CommandError::NoLine);
    }
    Ok(line.to_owned())
}
