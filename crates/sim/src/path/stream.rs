//! Pairs of non-blocking streams in memory, ready as sockets under edge-triggered epoll are.
//!
//! What one end writes is on its way until the world delivers it, in random pieces at random
//! times. A read returns all that has arrived, up to the buffer's size. An end is told
//! ([`Wake::Ready`]) when bytes, the end of the stream or a reset arrive, and when there is room
//! again after a write that did not fit; events of one end that were not handled yet are one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use pgweir_pool::driver::Readiness;
use pgweir_pool::stream::Stream;

use crate::rng::Rng;
use crate::swarm::Chance;

/// An end of a stream; the other end is the number beside it.
pub(super) type EndId = usize;

/// What the world has to schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something that this end wrote is on its way.
    Deliver(EndId),
    /// This end has an event.
    Ready(EndId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    /// The end of the stream is on its way, behind the bytes.
    Closing,
    Closed,
    /// A reset is on its way.
    Resetting,
    Reset,
}

/// One direction. Written by the end of the same number.
#[derive(Debug)]
struct Pipe {
    transit: VecDeque<u8>,
    arrived: VecDeque<u8>,
    capacity: usize,
    /// The writer was told that there is no room.
    starved: bool,
    /// Bytes that were written, and read, so far.
    moved: (u64, u64),
    ending: Ending,
    reader_gone: bool,
    delivery_due: bool,
    /// An event of the end that reads this is due.
    event_due: bool,
}

#[derive(Debug, Default)]
struct Pipes {
    pipes: Vec<Pipe>,
    wakes: Vec<Wake>,
    /// Closing never resets.
    gentle: bool,
}

/// All streams of a world.
#[derive(Debug, Clone, Default)]
pub(super) struct Net(Rc<RefCell<Pipes>>);

/// One end of a stream. Dropped, it is closed.
pub(super) struct End {
    net: Net,
    pub(super) id: EndId,
    /// As one that decrypts, it hands on what arrived piece by piece.
    in_pieces: bool,
    has_more: bool,
    /// The first bytes that a write did not take, which the next one has to begin with.
    owed: Vec<u8>,
}

/// How many bytes are compared of those.
const OWED_MAX: usize = 32;

impl Net {
    /// Streams that lose nothing when they are closed with unread bytes.
    pub(super) fn gentle() -> Self {
        let net = Self::default();
        net.0.borrow_mut().gentle = true;
        net
    }

    /// A stream that holds `capacity` bytes each way.
    pub(super) fn pair(&self, capacity: usize) -> (End, End) {
        let mut net = self.0.borrow_mut();
        let id = net.pipes.len();
        for _ in 0..2 {
            net.pipes.push(Pipe {
                transit: VecDeque::new(),
                arrived: VecDeque::new(),
                capacity,
                starved: false,
                moved: (0, 0),
                ending: Ending::Open,
                reader_gone: false,
                delivery_due: false,
                event_due: false,
            });
        }
        let end = |id| End {
            net: self.clone(),
            id,
            in_pieces: false,
            has_more: false,
            owed: Vec::new(),
        };
        (end(id), end(id + 1))
    }

    /// Bytes that an end has read and written so far.
    pub(super) fn moved(&self, end: EndId) -> u64 {
        let net = self.0.borrow();
        net.pipes[end].moved.0 + net.pipes[end ^ 1].moved.1
    }

    /// What has to be scheduled since the last call.
    pub(super) fn wakes(&self) -> Vec<Wake> {
        std::mem::take(&mut self.0.borrow_mut().wakes)
    }

    /// Lets some of what `end` wrote arrive.
    pub(super) fn deliver(&self, end: EndId, rng: &mut Rng, split: Chance) {
        let mut net = self.0.borrow_mut();
        let pipe = &mut net.pipes[end];
        pipe.delivery_due = false;
        if pipe.ending == Ending::Resetting {
            if rng.one_in(2) {
                pipe.arrived.clear();
            }
            pipe.transit.clear();
            pipe.ending = Ending::Reset;
            net.event(end ^ 1);
            return;
        }
        let there = pipe.transit.len();
        let len = if there > 1 && rng.happens(split) {
            rng.between(1, there as u64) as usize
        } else {
            there
        };
        let later = pipe.transit.split_off(len);
        pipe.arrived.append(&mut pipe.transit);
        pipe.transit = later;
        let is_last = pipe.transit.is_empty() && pipe.ending == Ending::Closing;
        if is_last && (len == 0 || !rng.happens(split)) {
            pipe.ending = Ending::Closed;
        }
        let more = !pipe.transit.is_empty() || pipe.ending == Ending::Closing;
        net.event(end ^ 1);
        if more {
            net.on_its_way(end);
        }
    }

    /// The event of `end` is handled: its state then, as epoll says it. `hung_up` is EPOLLRDHUP.
    pub(super) fn handle(&self, end: EndId) -> Readiness {
        let mut net = self.0.borrow_mut();
        let pipe = &mut net.pipes[end ^ 1];
        pipe.event_due = false;
        let closed = matches!(pipe.ending, Ending::Closed | Ending::Reset);
        Readiness {
            readable: closed || !pipe.arrived.is_empty(),
            hung_up: closed,
        }
    }

    /// The present state of `end` as an event, as registering it with epoll brings one.
    pub(super) fn register(&self, end: EndId) {
        self.0.borrow_mut().event(end);
    }

    /// Whether something can be read at `end` of which no event is due.
    pub(super) fn is_missed(&self, end: EndId) -> bool {
        let net = self.0.borrow();
        let pipe = &net.pipes[end ^ 1];
        let ended = matches!(pipe.ending, Ending::Closed | Ending::Reset);
        (ended || !pipe.arrived.is_empty()) && !pipe.event_due
    }

    /// All bytes that `end` has not read, arrived or not.
    pub(super) fn unread(&self, end: EndId) -> Vec<u8> {
        let net = self.0.borrow();
        let pipe = &net.pipes[end ^ 1];
        pipe.arrived.iter().chain(&pipe.transit).copied().collect()
    }

    /// Closes `end` so that its peer sees a reset.
    pub(super) fn abort(&self, end: End) {
        self.0.borrow_mut().pipes[end.id].ending = Ending::Resetting;
        drop(end);
    }
}

impl Pipes {
    fn event(&mut self, end: EndId) {
        let pipe = &mut self.pipes[end ^ 1];
        if !pipe.event_due && !pipe.reader_gone {
            pipe.event_due = true;
            self.wakes.push(Wake::Ready(end));
        }
    }

    fn on_its_way(&mut self, end: EndId) {
        let pipe = &mut self.pipes[end];
        if !pipe.delivery_due {
            pipe.delivery_due = true;
            self.wakes.push(Wake::Deliver(end));
        }
    }
}

impl End {
    /// Hands on what arrived piece by piece, as a stream that decrypts does.
    pub(super) fn in_pieces(mut self, in_pieces: bool) -> Self {
        self.in_pieces = in_pieces;
        self
    }

    /// Reads at most `most` bytes behind those in `input`, which needs no buffer in between.
    pub(super) fn read_onto(
        &mut self,
        most: usize,
        input: &mut impl for<'a> Extend<&'a u8>,
    ) -> io::Result<usize> {
        self.take(most, |piece| input.extend(piece))
    }

    /// Takes at most `most` of the bytes that arrived, in up to two pieces.
    fn take(&mut self, most: usize, mut piece: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut net = self.net.0.borrow_mut();
        let pipe = &mut net.pipes[self.id ^ 1];
        let mut len = pipe.arrived.len().min(most);
        if self.in_pieces && len == pipe.arrived.len() && len > 1 {
            len = len.div_ceil(2);
        }
        self.has_more = len < pipe.arrived.len();
        if len == 0 {
            return match pipe.ending {
                Ending::Closed => Ok(0),
                Ending::Reset => Err(ErrorKind::ConnectionReset.into()),
                Ending::Open | Ending::Closing | Ending::Resetting => {
                    Err(ErrorKind::WouldBlock.into())
                }
            };
        }
        let (front, back) = pipe.arrived.as_slices();
        let in_front = len.min(front.len());
        piece(&front[..in_front]);
        piece(&back[..len - in_front]);
        pipe.arrived.drain(..len);
        pipe.moved.1 += len as u64;
        // Linux tells a writer when a third of the room is free.
        let used = pipe.arrived.len() + pipe.transit.len();
        if pipe.starved && used * 3 <= pipe.capacity * 2 {
            pipe.starved = false;
            net.event(self.id ^ 1);
        }
        Ok(len)
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len();
        let mut at = 0;
        self.take(most, |piece| {
            buffer[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        })
    }
}

impl Stream for End {
    fn has_more(&self) -> bool {
        self.has_more
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let owed = std::mem::take(&mut self.owed);
        assert!(
            bytes.starts_with(&owed),
            "what was not taken is given again"
        );
        let mut net = self.net.0.borrow_mut();
        if net.pipes[self.id ^ 1].ending == Ending::Reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if net.gentle && net.pipes[self.id].reader_gone {
            return Ok(bytes.len());
        }
        if net.pipes[self.id].reader_gone {
            // The first write after the peer's close succeeds, and is answered with a reset.
            let back = &mut net.pipes[self.id ^ 1];
            back.ending = Ending::Resetting;
            net.on_its_way(self.id ^ 1);
            return Ok(bytes.len());
        }
        let pipe = &mut net.pipes[self.id];
        let room = pipe.capacity - pipe.transit.len() - pipe.arrived.len();
        let len = bytes.len().min(room);
        pipe.starved |= len < bytes.len();
        self.owed = bytes[len..].iter().copied().take(OWED_MAX).collect();
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.transit.extend(&bytes[..len]);
        pipe.moved.0 += len as u64;
        net.on_its_way(self.id);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut net = self.net.0.borrow_mut();
        let gentle = net.gentle;
        let incoming = &mut net.pipes[self.id ^ 1];
        incoming.reader_gone = true;
        // Closing a socket with unread bytes resets the connection.
        let unread = !incoming.arrived.is_empty() && !gentle;
        incoming.arrived.clear();
        incoming.transit.clear();
        let outgoing = &mut net.pipes[self.id];
        if outgoing.ending == Ending::Open {
            outgoing.ending = if unread {
                Ending::Resetting
            } else {
                Ending::Closing
            };
        }
        net.on_its_way(self.id);
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "end {}", self.id)
    }
}
