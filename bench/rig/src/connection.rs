//! A non-blocking socket with what is left to parse and what is left to send.
//!
//! Registered once for both directions and edge-triggered, so that the rig adds no `epoll_ctl` of
//! its own. It knows nothing of the protocol: whoever reads says how many bytes it consumed.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Bytes of the buffer that one read goes into, shared by all connections of a thread.
pub(crate) const SCRATCH_LEN: usize = 64 * 1024;

/// One end of a TCP connection.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The part of a message whose end has not arrived.
    input: Vec<u8>,
    /// What the socket did not take yet.
    output: Vec<u8>,
}

impl Connection {
    /// Starts to connect; the first event of `token` says that it is done.
    pub(crate) fn dial(addr: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        Self::new(TcpStream::connect(addr)?, registry, token)
    }

    pub(crate) fn new(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
        })
    }

    /// Turns off Nagle's algorithm; possible once the connection is established.
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)
    }

    /// Where bytes to send are appended; [`Self::flush`] sends them.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Sends what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.stream.write(&self.output[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if must_wait(&error) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..sent);
        Ok(())
    }

    /// Reads until the socket is empty. `take` gets the bytes of each read behind what it left
    /// over the time before, and the output to append to; it returns how many bytes it consumed.
    /// `Ok(false)` means that the peer closed the connection. `half_closed` is what the event says
    /// of that, for no further event will.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        half_closed: bool,
        mut take: impl FnMut(&[u8], &mut Vec<u8>) -> usize,
    ) -> io::Result<bool> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if must_wait(&error) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = &scratch[..count];
            if self.input.is_empty() {
                let consumed = take(bytes, &mut self.output);
                self.input.extend_from_slice(&bytes[consumed..]);
            } else {
                self.input.extend_from_slice(bytes);
                let consumed = take(&self.input, &mut self.output);
                self.input.drain(..consumed);
            }
            // epoll(7): a read that returns less than it was asked for has emptied a stream
            // socket, so the next edge will come. The end of the stream makes none of its own
            // when it was there already.
            if count < scratch.len() && !half_closed {
                return Ok(true);
            }
        }
    }

    /// Takes the socket out of the poll; dropping it afterwards closes it.
    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }
}

/// The operation would block, or the connection is not established yet.
fn must_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
