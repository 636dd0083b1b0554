//! Where lines go: standard error, a file, the system's log.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pgweir_config::{Log, LogFormat};
use rustix::fs::OFlags;
use tracing::{Level, warn};

use super::form;
use super::queue::Sink;
use super::syslog::SystemLog;

/// Standard error.
#[derive(Debug)]
pub(crate) struct StandardError(Option<File>);

impl StandardError {
    pub(crate) fn new() -> Self {
        // Another handle of it: a thread that is stuck there must not have its lock.
        let handle = io::stderr().as_fd().try_clone_to_owned();
        Self(handle.ok().map(File::from))
    }
}

impl Sink for StandardError {
    const NAME: &'static str = "standard error";

    fn take(&mut self, _: Level, line: &[u8]) {
        if let Some(file) = &mut self.0 {
            // Without standard error there may be nowhere left to report to.
            let _ = file.write_all(line);
        }
    }

    fn change(&mut self, _: &Log) {}
}

/// A file and the system's log. One that does not work costs its lines alone.
#[derive(Debug)]
pub(crate) struct Places {
    form: LogFormat,
    file: Option<LogFile>,
    syslog: Option<SystemLog>,
    /// Lines that the system's log did not take since it took one last.
    lost: u64,
}

impl Places {
    /// Opens them.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(form: LogFormat, settings: &Log) -> io::Result<Self> {
        let file = settings.file.as_deref();
        Ok(Self {
            form,
            file: file.map(LogFile::open).transpose()?,
            syslog: settings.syslog.clone().map(SystemLog::new),
            lost: 0,
        })
    }

    fn say(&mut self, level: Level, line: &[u8]) {
        let Some(syslog) = &mut self.syslog else {
            return;
        };
        let line = String::from_utf8_lossy(line);
        match syslog.say(level, form::body(self.form, &line)) {
            Ok(()) if self.lost == 0 => {}
            Ok(()) => {
                let lines = std::mem::take(&mut self.lost);
                warn!(lines, "syslog takes lines again; some were lost");
            }
            Err(error) => {
                self.lost += 1;
                if self.lost == 1 {
                    warn!(%error, "syslog takes no lines; the pooler goes on without");
                }
            }
        }
    }
}

impl Sink for Places {
    const NAME: &'static str = "logfile or syslog";

    fn take(&mut self, level: Level, line: &[u8]) {
        let line = without_colours(line);
        if let Some(file) = &mut self.file {
            file.append(&line);
        }
        self.say(level, &line);
    }

    fn change(&mut self, settings: &Log) {
        self.syslog = settings.syslog.clone().map(SystemLog::new);
        let Some(path) = &settings.file else {
            self.file = None;
            return;
        };
        match LogFile::open(path) {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                warn!(%error, "logfile {} cannot be opened; the one before stays", path.display())
            }
        }
    }
}

/// A file that lines are appended to.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
    /// Lines that it did not take since it took one last.
    lost: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        // A pipe without a reader would keep whoever opens it.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        options.custom_flags(i32::try_from(flags).expect("flags of open are small"));
        Ok(Self {
            path: path.to_owned(),
            file: options.open(path)?,
            lost: 0,
        })
    }

    fn append(&mut self, line: &[u8]) {
        let outcome = match self.lost {
            0 => self.file.write_all(line),
            // A line may have been written in part.
            _ => self.file.write_all(&[b"\n", line].concat()),
        };
        match outcome {
            Ok(()) if self.lost == 0 => {}
            Ok(()) => {
                let lines = std::mem::take(&mut self.lost);
                warn!(
                    lines,
                    "logfile {} takes lines again; some were lost",
                    self.path.display()
                );
            }
            Err(error) => {
                self.lost += 1;
                if self.lost == 1 {
                    warn!(%error, "logfile {} takes no lines; the pooler goes on without", self.path.display());
                }
            }
        }
    }
}

/// A line for a terminal, as a file has it. What others said has no escape in it.
fn without_colours(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&ESCAPE) {
        return line.into();
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == ESCAPE {
            let _ = bytes.find(|byte| *byte == b'm');
        } else {
            plain.push(byte);
        }
    }
    plain.into()
}

const ESCAPE: u8 = 0x1b;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{LogFile, without_colours};

    #[test]
    fn a_file_is_appended_to_and_goes_on_after_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "before\n").unwrap();
        let mut file = LogFile::open(&path).unwrap();
        file.append(b"one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\none\n");
        // Always full.
        let mut full = LogFile::open(Path::new("/dev/full")).unwrap();
        full.append(b"lost\n");
        full.append(b"lost\n");
        assert_eq!(full.lost, 2);
        full.file = file.file;
        full.append(b"two\n");
        assert_eq!(full.lost, 0);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "before\none\n\ntwo\n");
    }

    #[test]
    fn a_file_has_no_colours() {
        let line = b"\x1b[2mtime\x1b[0m \x1b[32m INFO\x1b[0m text\n";
        assert_eq!(&*without_colours(line), b"time  INFO text\n");
        assert_eq!(&*without_colours(b"plain\n"), b"plain\n");
    }
}
