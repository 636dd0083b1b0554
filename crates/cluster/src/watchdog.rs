//! Cleans up after a process that could not do it: killed with -9, aborted by a panic, out of memory.
//!
//! A small shell script waits for the end of its standard input. Only this process holds the other
//! end of that pipe, so its input ends however this process dies. Then the script stops the
//! watched processes and removes the folder. It needs no thread, no signal handler and no
//! `unsafe` (as `PR_SET_PDEATHSIG` would).

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How a watched process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSignal {
    /// PostgreSQL's immediate shutdown.
    Quit,
    /// An ordinary request to end.
    Terminate,
}

impl EndSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
        }
    }
}

/// Stops processes and removes a folder when this process ends, however it ends.
#[derive(Debug)]
pub struct Watchdog {
    script: Child,
}

impl Watchdog {
    /// Starts the watch. The folder need not exist yet: start the watch first, so that there is
    /// always one.
    ///
    /// # Errors
    /// `sh` cannot be started.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let script = Command::new("sh")
            .args(["-c", SCRIPT, "pgweir-watchdog"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            // An inherited stdout would keep a pipe from our output open.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal reaches our process group, not this one.
            .process_group(0)
            .spawn()?;
        Ok(Self { script })
    }

    /// Adds a process. Call it right after the start: if this process dies in between, the other stays.
    ///
    /// # Errors
    /// The watchdog is gone.
    pub fn watch(&mut self, pid: u32, signal: EndSignal) -> io::Result<()> {
        self.send(&format!("watch {pid} {}\n", signal.name()))
    }

    /// Removes a process that has ended and been waited for, before its number is used again.
    ///
    /// # Errors
    /// The watchdog is gone.
    pub fn forget(&mut self, pid: u32) -> io::Result<()> {
        self.send(&format!("forget {pid} -\n"))
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        match &mut self.script.stdin {
            Some(stdin) => stdin.write_all(line.as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // Its result does not matter: it always ends, within the bounds in the script.
        let _ = self.script.wait();
    }
}

/// `kill -0` also succeeds on a process that nobody has waited for, so the wait is bounded: 80
/// times 0.1 seconds, or 80 seconds where `sleep` knows only whole ones. PostgreSQL needs 5 seconds
/// when one of its processes hangs.
const SCRIPT: &str = r#"
trap '' HUP INT TERM QUIT
folder=$1
watched=
while read -r word pid signal; do
    kept=
    for entry in $watched; do
        [ "${entry%:*}" = "$pid" ] || kept="$kept $entry"
    done
    watched=$kept
    [ "$word" = watch ] && watched="$watched $pid:$signal"
done
for entry in $watched; do
    kill -s "${entry#*:}" "${entry%:*}"
done
for entry in $watched; do
    tries=0
    while kill -0 "${entry%:*}" && [ $tries -lt 80 ]; do
        sleep 0.1 || sleep 1
        tries=$((tries + 1))
    done
    kill -s KILL "${entry%:*}"
done
rm -rf -- "$folder"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn the_end_of_the_owner_ends_processes_and_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("with a space");
        let mut watchdog = Watchdog::start(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
        let (mut watched, mut forgotten) = (sleeper(), sleeper());
        watchdog.watch(watched.id(), EndSignal::Terminate).unwrap();
        watchdog.watch(forgotten.id(), EndSignal::Quit).unwrap();
        watchdog.forget(forgotten.id()).unwrap();
        // Waited for on another thread, or the killed child would stay visible to `kill -0`.
        let waiter = std::thread::spawn(move || watched.wait().unwrap());
        drop(watchdog);
        assert!(!waiter.join().unwrap().success());
        assert!(!folder.exists());
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
