//! A server connection with its stream, as pools keep it and sessions hold it.

use std::io::{self, IoSlice, Write};

use pgweir_wire::encode;

use crate::id::{ServerId, WorkerId};
use crate::inflow::Inflow;
use crate::recovery::{Next, Recovery};
use crate::stream::Stream;
use crate::upstream::{FromServer, Upstream};

/// Where the events of a server's stream are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The worker.
    pub worker: WorkerId,
    /// The server's slot in that worker's table.
    pub slot: u32,
}

/// Bytes that are copied behind those that are kept, to be written with them. More are not.
const COPIED_MAX: usize = 4096;

/// What became of a cancel request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It has reached PostgreSQL, or never will: a query that begins later is not hit.
    Over,
    /// It was sent, and PostgreSQL did not confirm that it has arrived.
    InDoubt,
}

/// Cancel requests for what a server does. Until they have arrived the server stays with its client, or
/// they would hit the next one's query; with one in doubt it serves nobody else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cancels {
    under_way: u32,
    in_doubt: bool,
}

impl Cancels {
    /// Requests on their way to PostgreSQL.
    pub fn under_way(self) -> u32 {
        self.under_way
    }

    /// Whether one is on its way.
    pub fn are_under_way(self) -> bool {
        self.under_way > 0
    }

    /// Whether one may arrive at any time from now on.
    pub fn are_in_doubt(self) -> bool {
        self.in_doubt
    }

    /// One is sent.
    pub fn began(&mut self) {
        self.under_way += 1;
    }

    /// One of those on their way came to this end.
    pub fn ended(&mut self, delivery: Delivery) {
        let left = self.under_way.checked_sub(1);
        self.under_way = left.expect("a request ends once, at the server it was sent to");
        self.in_doubt |= delivery == Delivery::InDoubt;
    }
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
    /// Statements that its pool has counted.
    pub(crate) counted_statements: u64,
    /// Cancel requests for what it does.
    pub cancels: Cancels,
    inflow: Inflow,
    /// Bytes that came and cannot be understood yet; less than one message header, or one message
    /// of at most [`UNDERSTOOD_MAX`](crate::upstream::UNDERSTOOD_MAX).
    pub(crate) held: Vec<u8>,
    /// Bytes for PostgreSQL that its socket did not take yet.
    pub(crate) unsent: Vec<u8>,
}

impl<S: Stream> Server<S> {
    /// A server that has just logged in over `stream`.
    pub fn new(id: ServerId, stream: S, upstream: Upstream) -> Self {
        Self {
            id,
            stream,
            home: None,
            upstream,
            counted_statements: 0,
            cancels: Cancels::default(),
            inflow: Inflow::Quiet,
            held: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// The stream became ready: there may be something to read, and the peer may have closed its
    /// side. What came before that is still read, and no event follows it.
    pub fn ready(&mut self, readable: bool, hung_up: bool) {
        self.inflow.event(readable, hung_up);
    }

    /// There may be something to read whose event found nobody.
    pub fn look_again(&mut self) {
        self.inflow.look_again();
    }

    /// Reads what came while nobody holds the server; false if it is of no use any more.
    pub fn drain(&mut self, scratch: &mut [u8]) -> bool {
        while self.inflow.is_ready() {
            match self.fill(scratch) {
                Ok(Some(len)) => {
                    if !self.swallow(&mut scratch[..len]) {
                        return false;
                    }
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        // After an error that answers nothing, nobody may be granted the server either.
        !self.upstream.dying && self.upstream.replies.is_certain()
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
        self.is_quiet() && !self.cancels.in_doubt
    }

    /// Whether nothing is under way here, in either direction; the client can do without the server.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_settled() && self.upstream.is_at_rest() && self.held.is_empty()
    }

    /// Whether a client may have the server. Since it went back to its pool the front of a message
    /// that nobody asked for may have come; its rest will find the client.
    pub(crate) fn is_grantable(&self) -> bool {
        self.is_settled() && !self.cancels.in_doubt
    }

    fn is_settled(&self) -> bool {
        self.upstream.owes_nothing()
            && !self.upstream.state.is_dirty()
            && !self.cancels.are_under_way()
            && self.unsent.is_empty()
            && !self.upstream.dying
    }

    /// Whether a read may find something.
    pub fn may_read(&self) -> bool {
        self.inflow.is_ready()
    }

    /// Whether the peer has closed its side.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.inflow.has_hung_up()
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
        fill(&mut self.stream, &mut self.held, &mut self.inflow, scratch)
    }

    /// Sends `bytes`, keeping what the socket does not take.
    ///
    /// # Errors
    /// The stream failed.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unsent.is_empty() {
            return send(&mut self.stream, &mut self.unsent, bytes);
        }
        if bytes.len() <= COPIED_MAX {
            self.unsent.extend_from_slice(bytes);
            return self.flush().map(drop);
        }
        // One write, without a copy of what is long.
        let both = [IoSlice::new(&self.unsent), IoSlice::new(bytes)];
        let written = written(|| self.stream.write_vectored(&both))?;
        let kept = self.unsent.len();
        self.unsent.drain(..written.min(kept));
        let rest = &bytes[written.saturating_sub(kept)..];
        if self.unsent.is_empty() {
            return send(&mut self.stream, &mut self.unsent, rest);
        }
        self.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// Sends what was kept; true when nothing is left.
    ///
    /// # Errors
    /// The stream failed.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        flush_keeping(&mut self.stream, &mut self.unsent)
    }

    /// Walks `bytes` for nobody; false if the server broke the protocol.
    fn swallow(&mut self, bytes: &mut [u8]) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            match self.upstream.receive(None, &mut bytes[at..]) {
                FromServer::Swallow(len) => at += len,
                FromServer::Incomplete => break,
                FromServer::Forward(_) | FromServer::Refused(..) | FromServer::Transaction => {
                    unreachable!("without a client everything is swallowed")
                }
                FromServer::Broken(_) => return false,
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

impl<S: Stream> Returning<S> {
    /// A server that goes through `recovery`.
    pub fn new(server: Box<Server<S>>, recovery: Recovery) -> Self {
        Self { server, recovery }
    }

    /// Reads, decides and sends until the server is clean, hopeless or has to answer first.
    pub fn pump(&mut self, reset_query: &str, scratch: &mut [u8]) -> Next {
        let mut held = std::mem::take(&mut self.server.held);
        let is_alive = self.server.swallow(&mut held) && self.server.drain(scratch);
        if !is_alive || self.server.cancels.in_doubt {
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

/// Moves `held` into `scratch` and reads behind it. Once the stream is empty the next bytes bring an
/// event of their own, as readiness is edge-triggered.
pub(crate) fn fill(
    stream: &mut impl Stream,
    held: &mut Vec<u8>,
    inflow: &mut Inflow,
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
                if kept + len < scratch.len() && !stream.has_more() {
                    inflow.emptied();
                }
                return Ok(Some(kept + len));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                inflow.emptied();
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

/// Writes what is unsent; true when nothing is left, and then no buffer is either.
pub(crate) fn flush(stream: &mut impl Write, unsent: &mut Vec<u8>) -> io::Result<bool> {
    if unsent.is_empty() {
        return Ok(true);
    }
    let is_empty = flush_keeping(stream, unsent)?;
    if is_empty {
        *unsent = Vec::new();
    }
    Ok(is_empty)
}

/// As `flush`, and keeps a small buffer: for a server there is something from the pooler again and again.
fn flush_keeping(stream: &mut impl Write, unsent: &mut Vec<u8>) -> io::Result<bool> {
    if unsent.is_empty() {
        return Ok(true);
    }
    let written = write(stream, unsent)?;
    unsent.drain(..written);
    if unsent.is_empty() && unsent.capacity() > COPIED_MAX {
        *unsent = Vec::new();
    }
    Ok(unsent.is_empty())
}

/// Writes once.
fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    written(|| stream.write(bytes))
}

/// What a write has written. A short one means that the socket is full; there is an event when it is not.
fn written(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
