//! The log of `pgweir serve`: how its lines look, and how they reach standard error, a file and the system's log.
//!
//! Names come from peers who need not have proven anything, so a line in text has no character that
//! could end it, move a terminal's cursor or change the order of what is read. A place that takes no lines
//! costs lines, and never time of who logs.

mod fields;
mod form;
mod places;
mod queue;
mod syslog;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use pgweir_config::{Log, LogFormat};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::output;
pub(crate) use fields::Fields;
pub(crate) use form::BouncerForm;
use places::{Places, StandardError};
use queue::Queue;

/// Everything that was said, on its way to all places.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    form: LogFormat,
    /// `None` where nobody is to see lines there.
    stderr: Option<Queue>,
    beside: Queue,
    has_places: Arc<AtomicBool>,
    is_started: Arc<AtomicBool>,
}

impl Lines {
    /// Collects lines until [`Self::start`].
    pub(crate) fn new(form: LogFormat, has_stderr: bool) -> Self {
        Self {
            form,
            stderr: has_stderr.then(Queue::default),
            beside: Queue::default(),
            has_places: Arc::default(),
            is_started: Arc::default(),
        }
    }

    /// Starts the threads that write. What was said before waits for them.
    ///
    /// # Errors
    /// The file cannot be opened, or the system refuses a thread.
    pub(crate) fn start(&self, settings: &Log) -> io::Result<()> {
        let places = Places::open(self.form, settings)?;
        self.note_places(settings);
        if let Some(queue) = &self.stderr {
            queue.start(StandardError::new())?;
        }
        self.beside.start(places)?;
        self.is_started.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// How they look.
    pub(crate) fn form(&self) -> LogFormat {
        self.form
    }

    /// Takes other settings over, and opens the file anew.
    pub(crate) fn change(&self, settings: &Log) {
        self.note_places(settings);
        self.beside.change(settings);
    }

    fn note_places(&self, settings: &Log) {
        let has_places = settings.file.is_some() || settings.syslog.is_some();
        self.has_places.store(has_places, Ordering::Relaxed);
    }

    /// Says why the process ends, in PgBouncer's form.
    pub(crate) fn fatal(&self, why: &str) {
        let why = pgweir_settings::text::printable(why);
        let line = format!("{} {why}", form::head(SystemTime::now(), "FATAL"));
        let is_started = self.is_started.load(Ordering::Relaxed);
        if !is_started || self.stderr.is_none() {
            output::note(&line);
        }
        if is_started {
            self.push(Level::ERROR, format!("{line}\n").as_bytes());
        }
    }

    /// Waits until everything is written, for so long at most.
    pub(crate) fn flush(&self, limit: Duration) {
        if let Some(queue) = &self.stderr {
            queue.flush(limit);
        }
        self.beside.flush(limit);
    }

    fn push(&self, level: Level, line: &[u8]) {
        let line = Arc::from(line);
        if let Some(queue) = &self.stderr {
            queue.push(level, &line);
        }
        if self.has_places.load(Ordering::Relaxed) {
            self.beside.push(level, &line);
        }
    }
}

/// Takes whole lines, as the log's layer writes them.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    level: Level,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.push(self.level, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: self,
            level: Level::INFO,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line {
            lines: self,
            level: *metadata.level(),
        }
    }
}
