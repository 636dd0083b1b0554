//! An encrypted stream of the data plane: a socket and the keys of its session.
//!
//! What the socket gives is decrypted in the buffer that it was read into, so that a read costs one
//! system call and no buffer of this stream, however much it brings. A write is one call, too: records
//! that the socket does not take are kept, at most [`RECORDS_MAX`] bytes of text, and their text counts
//! as not written, so whoever writes notices that the peer is slow.

use std::io::{self, IoSlice, Read, Write};

use pgweir_pool::stream::Stream;
use tokio_rustls::rustls::{CommonState, Connection};

/// Text that is encrypted before the socket has to take it: what rustls holds of records.
const RECORDS_MAX: usize = 64 * 1024;

/// Room below which nothing is read from the socket behind text that is to be handed on.
const ROOM_MIN: usize = 4 * 1024;

/// See the module's description. `S` is the socket.
pub(crate) struct Secured<S: Read + Write> {
    socket: S,
    connection: Connection,
    /// What was read from the socket and found no room to be decrypted into: as a rule nothing.
    stash: Vec<u8>,
    /// How much of what is written next was encrypted already.
    ahead: usize,
    /// There may be more to read without an event.
    more: bool,
    /// The peer has said that it will send no more.
    closed: bool,
}

/// What a read of the socket brought.
enum Brought {
    Bytes {
        /// The socket had no more.
        is_all: bool,
    },
    Nothing,
    End,
}

impl<S: Read + Write> Secured<S> {
    /// A stream over `socket`, which is non-blocking, with a handshake that is over.
    pub(crate) fn new(socket: S, mut connection: Connection) -> Self {
        assert!(!connection.is_handshaking(), "the handshake is over");
        connection.set_buffer_limit(Some(RECORDS_MAX));
        Self {
            socket,
            connection,
            stash: Vec::new(),
            ahead: 0,
            more: false,
            closed: false,
        }
    }

    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    /// The keys of the session.
    pub(crate) fn connection(&self) -> &CommonState {
        &self.connection
    }

    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads the socket into the back half of `buffer[filled..]` and decrypts that to its front.
    fn take_in(&mut self, buffer: &mut [u8], filled: &mut usize) -> io::Result<Brought> {
        // What is decrypted is never longer than what it was decrypted from, and what rustls holds of a
        // record that is not complete yet. A half has room for that.
        let at = *filled + (buffer.len() - *filled) / 2;
        let len = loop {
            match self.socket.read(&mut buffer[at..]) {
                Ok(0) => return Ok(Brought::End),
                Ok(len) => break len,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(Brought::Nothing),
                    // What came before is handed on first.
                    _ if *filled > 0 => return Ok(Brought::End),
                    _ => return Err(error),
                },
            }
        };
        let is_all = len < buffer.len() - at;
        let mut from = at;
        while from < at + len && !self.closed {
            from += self.decrypt(&buffer[from..at + len])?;
            *filled += self.text(&mut buffer[*filled..from])?;
            if *filled == from {
                self.stash = buffer[from..at + len].to_vec();
                break;
            }
        }
        Ok(Brought::Bytes { is_all })
    }

    /// Has some of these bytes decrypted, and says how many.
    fn decrypt(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let len = self.connection.read_tls(&mut bytes)?;
        match self.connection.process_new_packets() {
            Ok(state) => self.closed |= state.peer_has_closed(),
            Err(error) => {
                // The peer is told why, if it listens.
                let _ = self.push();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(len)
    }

    /// Takes text that was decrypted.
    fn text(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.connection.reader().read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(len) => filled += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes the records there are; whether the socket took all.
    fn push(&mut self) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl<S: Read + Write> Read for Secured<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.more = false;
        let mut filled = self.text(buffer)?;
        loop {
            while !self.stash.is_empty() && filled < buffer.len() && !self.closed {
                let stash = std::mem::take(&mut self.stash);
                let len = self.decrypt(&stash)?;
                self.stash = stash[len..].to_vec();
                filled += self.text(&mut buffer[filled..])?;
            }
            if filled > 0 && buffer.len() - filled < ROOM_MIN {
                self.more = true;
                break;
            }
            if self.closed {
                self.more = true;
                break;
            }
            let brought = self.take_in(buffer, &mut filled)?;
            filled += self.text(&mut buffer[filled..])?;
            match brought {
                Brought::Bytes { is_all } if !is_all || !self.stash.is_empty() => {}
                Brought::Bytes { .. } if filled == 0 && self.closed => {}
                Brought::Bytes { .. } | Brought::Nothing => {
                    self.more = self.closed;
                    if filled == 0 {
                        // The socket is empty, and what came was no text, or no whole record.
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    break;
                }
                Brought::End => {
                    // Said again by the next read.
                    self.more = true;
                    break;
                }
            }
        }
        // An answer of the protocol itself, to a change of keys: if the socket is full it goes with the
        // next write, which also finds out if the socket is broken.
        let _ = self.push();
        Ok(filled)
    }
}

impl<S: Read + Write> Write for Secured<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.push()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let total = pieces.iter().map(|piece| piece.len()).sum();
        let mut done = std::mem::take(&mut self.ahead).min(total);
        while done < total {
            let len = if done == 0 {
                self.connection.writer().write_vectored(pieces)?
            } else {
                self.connection.writer().write(behind(pieces, done))?
            };
            if !self.push()? {
                self.ahead = len;
                break;
            }
            done += len;
        }
        if done == 0 && total > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.push()? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// What is left, behind `done` bytes, of the piece in which that is.
fn behind<'a>(pieces: &'a [IoSlice<'_>], mut done: usize) -> &'a [u8] {
    for piece in pieces {
        match piece.get(done..) {
            Some(rest) if !rest.is_empty() => return rest,
            _ => done -= piece.len(),
        }
    }
    &[]
}

impl<S: Read + Write> Stream for Secured<S> {
    fn has_more(&self) -> bool {
        self.more
    }
}

impl<S: Read + Write> Drop for Secured<S> {
    fn drop(&mut self) {
        // So the peer knows that nobody cut the stream short. If it takes no more, it goes without.
        self.connection.send_close_notify();
        let _ = self.push();
    }
}

impl<S: Read + Write> std::fmt::Debug for Secured<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secured(..)")
    }
}

#[cfg(test)]
mod tests;
