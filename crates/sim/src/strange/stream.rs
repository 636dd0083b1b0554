//! A stream in memory whose other end is moved by hand.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// A stream whose peer has said `input`, hears `output`, and takes `room` bytes more.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) input: VecDeque<u8>,
    pub(super) output: Vec<u8>,
    pub(super) room: usize,
    /// The peer says no more.
    pub(super) closed: bool,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            input: VecDeque::new(),
            output: Vec::new(),
            room: usize::MAX,
            closed: false,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 if !self.closed => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl pgweir_pool::stream::Stream for Stream {}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.room);
        if len == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= len;
        self.output.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
