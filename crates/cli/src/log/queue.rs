//! Lines on their way to a place that may not take them.
//!
//! A pipe that nobody reads blocks whoever writes to it, and so does a disk. So a thread of its own writes, from a
//! queue with a bound; beyond that lines are dropped and counted.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pgweir_config::Log;
use tracing::{Level, warn};

/// Bytes that wait to be written: some seven thousand lines.
const BYTES_MAX: usize = 1 << 20;

/// A place that lines go to.
pub(crate) trait Sink: Send + 'static {
    /// What it is called in the log.
    const NAME: &'static str;

    /// Takes one line. Who fails says so itself, if there is anywhere to say it.
    fn take(&mut self, level: Level, line: &[u8]);

    /// Takes the settings over.
    fn change(&mut self, settings: &Log);
}

/// The queue, shared by those who log and the thread that writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something has changed in `waiting`.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    /// Lines that did not fit since this was reported last.
    dropped: u64,
    is_writing: bool,
}

#[derive(Debug)]
enum Item {
    Line(Level, Arc<[u8]>),
    Change(Box<Log>),
}

impl Queue {
    /// Starts the thread that writes to `sink`, until the process ends. What was said before waits for it.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start<S: Sink>(&self, mut sink: S) -> io::Result<()> {
        let queue = self.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                loop {
                    queue.write_to(&mut sink);
                }
            })?;
        Ok(())
    }

    /// Waits until everything is written, for so long at most.
    pub(crate) fn flush(&self, limit: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.items.is_empty();
        let waiting = self.lock();
        // Whether it was in vain cannot be said anywhere.
        let _ = self.0.changed.wait_timeout_while(waiting, limit, is_busy);
    }

    /// Has the place take other settings over, behind the lines that were said before.
    pub(crate) fn change(&self, settings: &Log) {
        let change = Item::Change(Box::new(settings.clone()));
        self.lock().items.push_back(change);
        self.0.changed.notify_all();
    }

    /// Writes what there is, after waiting for something.
    fn write_to<S: Sink>(&self, sink: &mut S) {
        let (items, dropped) = {
            let is_empty = |waiting: &mut Waiting| waiting.items.is_empty();
            let waiting = self.0.changed.wait_while(self.lock(), is_empty);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            waiting.is_writing = true;
            waiting.bytes = 0;
            self.0.changed.notify_all();
            let items = std::mem::take(&mut waiting.items);
            (items, std::mem::take(&mut waiting.dropped))
        };
        for item in items {
            match item {
                Item::Line(level, line) => sink.take(level, &line),
                Item::Change(settings) => sink.change(&settings),
            }
        }
        if dropped > 0 {
            warn!(
                lines = dropped,
                "lines of the log were dropped: {} takes them too slowly",
                S::NAME
            );
        }
        self.lock().is_writing = false;
        self.0.changed.notify_all();
    }

    /// Adds a line, or drops it if too much waits.
    pub(crate) fn push(&self, level: Level, line: &Arc<[u8]>) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += line.len();
        waiting.items.push_back(Item::Line(level, line.clone()));
        drop(waiting);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic elsewhere is about to be logged.
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, PipeWriter, Read, Write};
    use std::sync::Arc;
    use std::time::Duration;

    use pgweir_config::Log;
    use tracing::Level;

    use super::{BYTES_MAX, Queue, Sink, Waiting};

    const SOON: Duration = Duration::from_secs(10);

    impl Sink for PipeWriter {
        const NAME: &'static str = "a pipe";

        fn take(&mut self, _: Level, line: &[u8]) {
            self.write_all(line).unwrap();
        }

        fn change(&mut self, _: &Log) {}
    }

    fn push(queue: &Queue, line: &[u8]) {
        queue.push(Level::INFO, &Arc::from(line));
    }

    #[test]
    fn lines_arrive_in_their_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = Queue::default();
        push(&queue, b"one\n");
        queue.start(writer).unwrap();
        for line in ["two\n", "three\n"] {
            push(&queue, line.as_bytes());
        }
        queue.flush(SOON);
        let mut read = [0; 14];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = Queue::default();
        queue.start(writer).unwrap();
        // More than a pipe holds, so that the thread is stuck with it.
        push(&queue, &vec![b'x'; BYTES_MAX]);
        let is_stuck = |waiting: &mut Waiting| !waiting.items.is_empty();
        drop(queue.0.changed.wait_while(queue.lock(), is_stuck).unwrap());
        for _ in 0..3 {
            push(&queue, &[b'x'; BYTES_MAX / 2]);
        }
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.lock().dropped, 1);
        let mut rest = vec![0; 2 * BYTES_MAX];
        reader.read_exact(&mut rest).unwrap();
        queue.flush(SOON);
        assert_eq!(queue.lock().dropped, 0, "it was reported");
        push(&queue, b"more");
        let mut more = [0; 4];
        reader.read_exact(&mut more).unwrap();
        assert_eq!(&more, b"more");
    }
}
