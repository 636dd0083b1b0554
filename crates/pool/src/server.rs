//! A server connection with its stream, as pools keep it and sessions hold it.

use std::io::{self, Read, Write};

use pgweir_wire::encode;

use crate::id::{ServerId, WorkerId};
use crate::recovery::{Next, Recovery};
use crate::upstream::{Backend, Upstream};

/// Where the events of a server's stream are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The worker.
    pub worker: WorkerId,
    /// The server's slot in that worker's table.
    pub slot: u32,
}

/// A server connection. `S` is a non-blocking stream.
#[derive(Debug)]
pub struct Server<S> {
    /// Its name.
    pub id: ServerId,
    /// The stream to PostgreSQL.
    pub stream: S,
    /// Where its events are heard; `None` from login until a worker takes it in.
    pub home: Option<Home>,
    /// The state of its session.
    pub upstream: Upstream,
    /// Cancel requests on their way to PostgreSQL. Until they have arrived the server stays with
    /// its client, or they would hit the next one's query.
    pub cancels: u32,
    /// The stream may have something to read. Set by readiness events, cleared by a short read.
    pub readable: bool,
    /// The peer has closed its side. What came before is still read, and no event follows it.
    pub hung_up: bool,
    /// Bytes that came and cannot be understood yet; less than one message header, or one message
    /// of at most [`UNDERSTOOD_MAX`](crate::upstream::UNDERSTOOD_MAX).
    pub(crate) held: Vec<u8>,
    /// Bytes for PostgreSQL that its socket did not take yet.
    pub(crate) unsent: Vec<u8>,
}

impl<S: Read + Write> Server<S> {
    /// A server that has just logged in over `stream`.
    pub fn new(id: ServerId, stream: S, upstream: Upstream) -> Self {
        Self {
            id,
            stream,
            home: None,
            upstream,
            cancels: 0,
            readable: false,
            hung_up: false,
            held: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Reads what came while nobody holds the server; false if it is of no use any more.
    pub fn drain(&mut self, scratch: &mut [u8]) -> bool {
        while self.readable {
            match self.fill(scratch) {
                Ok(Some(len)) => {
                    if !self.swallow(&scratch[..len]) {
                        return false;
                    }
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        !self.upstream.dying
    }

    /// Tells PostgreSQL that the connection ends, unless it may be in the middle of a message, of
    /// which the goodbye would become a part.
    pub fn say_goodbye(&mut self) {
        if self.is_reusable() {
            let mut goodbye = Vec::new();
            encode::terminate(&mut goodbye);
            // A courtesy: PostgreSQL notices the closed socket as well.
            let _ = self.stream.write(&goodbye);
        }
    }

    /// Whether the server may go back to its pool.
    pub fn is_reusable(&self) -> bool {
        self.is_grantable() && self.upstream.is_at_rest() && self.held.is_empty()
    }

    /// Whether a client may have the server. Since it went back to its pool the front of a message
    /// that nobody asked for may have come; its rest will find the client.
    pub(crate) fn is_grantable(&self) -> bool {
        self.upstream.owes_nothing()
            && self.cancels == 0
            && self.unsent.is_empty()
            && !self.upstream.dying
    }

    /// Bytes that are kept: of PostgreSQL's, and for PostgreSQL.
    pub fn buffered(&self) -> (usize, usize) {
        (self.held.len(), self.unsent.len())
    }

    /// Reads into `scratch`, behind what is held: the bytes there are now, or `None` when none
    /// came.
    ///
    /// # Errors
    /// The stream failed or ended.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let readiness = (&mut self.readable, self.hung_up);
        fill(&mut self.stream, &mut self.held, readiness, scratch)
    }

    /// Sends `bytes`, keeping what the socket does not take.
    ///
    /// # Errors
    /// The stream failed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send(&mut self.stream, &mut self.unsent, bytes)
    }

    /// Sends what was kept; true when nothing is left.
    ///
    /// # Errors
    /// The stream failed.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        flush(&mut self.stream, &mut self.unsent)
    }

    /// Walks `bytes` for nobody; false if the server broke the protocol.
    fn swallow(&mut self, bytes: &[u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            match self.upstream.receive(None, &bytes[at..]) {
                Backend::Swallow(len) => at += len,
                Backend::Incomplete => break,
                Backend::Forward(_) | Backend::Transaction => {
                    unreachable!("without a client everything is swallowed")
                }
                Backend::Broken(_) => return false,
            }
        }
        self.held = bytes[at..].to_vec();
        true
    }
}

/// A server on its way back to the pool, after its client left it in the middle of something.
#[derive(Debug)]
pub struct Returning<S> {
    /// The server.
    pub server: Box<Server<S>>,
    recovery: Recovery,
}

impl<S: Read + Write> Returning<S> {
    /// A server that goes through `recovery`.
    pub fn new(server: Box<Server<S>>, recovery: Recovery) -> Self {
        Self { server, recovery }
    }

    /// Reads, decides and sends until the server is clean, hopeless or has to answer first.
    pub fn pump(&mut self, reset_query: &str, scratch: &mut [u8]) -> Next {
        let held = std::mem::take(&mut self.server.held);
        if !self.server.swallow(&held) || !self.server.drain(scratch) {
            return Next::Hopeless;
        }
        let mut out = Vec::new();
        let next = self
            .recovery
            .advance(&mut self.server.upstream, reset_query, &mut out);
        match self.server.send(&out) {
            Err(_) => Next::Hopeless,
            Ok(()) if next == Next::Clean && !self.server.is_reusable() => Next::Wait,
            Ok(()) => next,
        }
    }
}

/// Moves `held` into `scratch` and reads behind it. A read that does not fill the buffer has
/// emptied the socket: with edge-triggered readiness the next bytes bring an event of their own.
pub(crate) fn fill(
    stream: &mut impl Read,
    held: &mut Vec<u8>,
    (readable, hung_up): (&mut bool, bool),
    scratch: &mut [u8],
) -> io::Result<Option<usize>> {
    let kept = held.len();
    assert!(kept < scratch.len(), "what is held leaves room to read");
    loop {
        match stream.read(&mut scratch[kept..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                scratch[..kept].copy_from_slice(held);
                *held = Vec::new();
                *readable = hung_up || kept + len == scratch.len();
                return Ok(Some(kept + len));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *readable = false;
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes `bytes` behind what is unsent, in one write, and keeps what the socket does not take.
pub(crate) fn send(stream: &mut impl Write, unsent: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    if unsent.is_empty() && !bytes.is_empty() {
        let written = write(stream, bytes)?;
        unsent.extend_from_slice(&bytes[written..]);
        return Ok(());
    }
    unsent.extend_from_slice(bytes);
    flush(stream, unsent)?;
    Ok(())
}

/// Writes what is unsent; true when nothing is left.
pub(crate) fn flush(stream: &mut impl Write, unsent: &mut Vec<u8>) -> io::Result<bool> {
    if unsent.is_empty() {
        return Ok(true);
    }
    let written = write(stream, unsent)?;
    if written == unsent.len() {
        *unsent = Vec::new();
        return Ok(true);
    }
    unsent.drain(..written);
    Ok(false)
}

/// Writes once. A short write means that the socket is full; there is an event when it is not.
fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
