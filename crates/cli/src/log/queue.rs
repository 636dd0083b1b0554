//! Lines on their way to standard error.
//!
//! A pipe that nobody reads blocks whoever writes to it. So a thread of its own writes, from a queue
//! with a bound; beyond that lines are dropped and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait to be written: some seven thousand lines.
const BYTES_MAX: usize = 1 << 20;

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
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that did not fit since this was reported last.
    dropped: u64,
    is_writing: bool,
}

impl Queue {
    /// Starts the thread that writes to `sink`, until the process ends.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(mut sink: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self::default();
        let lines = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                loop {
                    lines.write_to(&mut sink);
                }
            })?;
        Ok(queue)
    }

    /// Waits until everything is written, for so long at most.
    pub(crate) fn flush(&self, limit: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
        let waiting = self.lock();
        // Whether it was in vain cannot be said anywhere.
        let _ = self.0.changed.wait_timeout_while(waiting, limit, is_busy);
    }

    /// Writes what there is, after waiting for something.
    fn write_to(&self, sink: &mut impl Write) {
        let (lines, dropped) = {
            let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
            let waiting = self.0.changed.wait_while(self.lock(), is_empty);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            waiting.is_writing = true;
            waiting.bytes = 0;
            self.0.changed.notify_all();
            let lines = std::mem::take(&mut waiting.lines);
            (lines, std::mem::take(&mut waiting.dropped))
        };
        for line in lines {
            // Without standard error there is nowhere left to report to.
            let _ = sink.write_all(&line);
        }
        if dropped > 0 {
            warn!(
                lines = dropped,
                "lines of the log were dropped: standard error is not read"
            );
        }
        self.lock().is_writing = false;
        self.0.changed.notify_all();
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line.to_vec());
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

/// Takes whole lines, as the log's layer writes them.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::time::Duration;

    use super::{BYTES_MAX, Queue, Waiting};

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn lines_arrive_in_their_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = Queue::start(writer).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            (&queue).write_all(line.as_bytes()).unwrap();
        }
        queue.flush(SOON);
        let mut read = [0; 14];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (mut reader, writer) = io::pipe().unwrap();
        let queue = Queue::start(writer).unwrap();
        // More than a pipe holds, so that the thread is stuck with it.
        (&queue).write_all(&vec![b'x'; BYTES_MAX]).unwrap();
        let is_stuck = |waiting: &mut Waiting| !waiting.lines.is_empty();
        drop(queue.0.changed.wait_while(queue.lock(), is_stuck).unwrap());
        for _ in 0..3 {
            (&queue).write_all(&[b'x'; BYTES_MAX / 2]).unwrap();
        }
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.lock().dropped, 1);
        let mut rest = vec![0; 2 * BYTES_MAX];
        reader.read_exact(&mut rest).unwrap();
        queue.flush(SOON);
        assert_eq!(queue.lock().dropped, 0, "it was reported");
        (&queue).write_all(b"more").unwrap();
        let mut more = [0; 4];
        reader.read_exact(&mut more).unwrap();
        assert_eq!(&more, b"more");
    }
}
