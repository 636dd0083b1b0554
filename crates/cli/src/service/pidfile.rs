//! The file with the number of the process.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tracing::info;

/// The file with our number. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Pidfile(PathBuf);

impl Pidfile {
    /// Sees to it that no process has the file. One that a process left that is gone is removed.
    ///
    /// # Errors
    /// A process has it, or may have it.
    pub(crate) fn look(path: &Path) -> io::Result<()> {
        let about = |what: &str, error: io::Error| {
            let message = format!("pidfile '{}' cannot be {what}: {error}", path.display());
            io::Error::new(error.kind(), message)
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(about("read", error)),
        };
        if may_run(&text) {
            let message = format!(
                "pidfile '{}' exists, another instance running? Stop it, or remove the file if it is no \
                 pooler's",
                path.display()
            );
            return Err(io::Error::new(ErrorKind::AlreadyExists, message));
        }
        info!("stale pidfile, removing");
        fs::remove_file(path).map_err(|error| about("removed", error))
    }

    /// Writes our number. Nobody else may have made the file meanwhile.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        Self::write_with(path, OpenOptions::new().write(true).create_new(true))
    }

    /// Writes our number in the place of that of the process which hands its sockets over to this one.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take_over(path: &Path) -> io::Result<Self> {
        let options = &mut OpenOptions::new();
        Self::write_with(path, options.write(true).create(true).truncate(true))
    }

    fn write_with(path: &Path, options: &mut OpenOptions) -> io::Result<Self> {
        let write = |mut file: fs::File| writeln!(file, "{}", process::id());
        let written = options.open(path).and_then(write);
        written.map_err(|error| {
            let message = format!("pidfile '{}' cannot be written: {error}", path.display());
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // Whoever took over has its own number in it.
        let is_ours = fs::read_to_string(&self.0).is_ok_and(|text| number(&text) == Some(own()));
        if is_ours {
            // Without permission it stays, and is found to be stale.
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Whether the process with the number in a pidfile may be running. In doubt it is.
fn may_run(text: &str) -> bool {
    let Some(pid) = number(text) else {
        return true;
    };
    // In a container, the process before had the same number.
    pid != own() && test_kill_process(pid) != Err(Errno::SRCH)
}

fn number(text: &str) -> Option<Pid> {
    let number: i32 = text.trim().parse().ok()?;
    // Negative ones are groups of processes.
    Pid::from_raw(number.max(0))
}

fn own() -> Pid {
    rustix::process::getpid()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{self, Command};

    use super::Pidfile;

    #[test]
    fn a_process_that_runs_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        Pidfile::look(&path).unwrap();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let running = other.id().to_string();
        for text in [running.as_str(), "", "x", "0", "-5"] {
            fs::write(&path, text).unwrap();
            let error = Pidfile::look(&path).unwrap_err().to_string();
            assert!(
                error.contains("exists, another instance running?"),
                "{error}"
            );
            assert!(path.exists());
        }
        other.kill().unwrap();
        other.wait().unwrap();
        // What is left behind by one that is gone, or that had our number before us, is removed.
        for stale in [running, process::id().to_string()] {
            fs::write(&path, stale).unwrap();
            Pidfile::look(&path).unwrap();
            assert!(!path.exists());
        }
    }

    #[test]
    fn it_is_there_as_long_as_we_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let own = Pidfile::write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", process::id()));
        assert!(Pidfile::write(&path).is_err());
        drop(own);
        assert!(!path.exists());
        let own = Pidfile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(own);
        assert!(path.exists(), "it is another's");
    }
}
