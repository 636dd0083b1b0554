//! Reading and writing protocol messages during logins, where a message at a time is soon enough.

use std::io;

use pgweir_wire::frame::{self, HEADER_LEN};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why no message could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stream ended or failed.
    Io(io::Error),
    /// A message beyond the bound, or an impossible length.
    TooLong {
        /// Type of the message.
        kind: u8,
        /// Its length field.
        length: u32,
    },
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends all of it. TLS may keep what is only written.
///
/// # Errors
/// The stream failed.
pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Bytes that hold most messages of a login.
const USUAL: usize = 256;

/// Bytes that came from a peer and were not consumed yet, at most `bound` and one header.
#[derive(Debug)]
pub(crate) struct Inbound {
    buffer: Vec<u8>,
    bound: usize,
}

impl Inbound {
    /// Holds at most `bound` bytes of the peer at a time.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(bound.min(USUAL)),
            bound,
        }
    }

    /// The same, of which other messages come from here on.
    pub(crate) fn with_bound(mut self, bound: usize) -> Self {
        self.bound = bound;
        self
    }

    /// The bytes there are.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops `len` bytes from the front.
    pub(crate) fn consume(&mut self, len: usize) {
        self.buffer.drain(..len);
    }

    /// Takes the bytes there are.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// What is left when the login is over.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        // An idle session owns no buffer, and most have nothing left here.
        self.buffer.shrink_to_fit();
        self.buffer
    }

    /// Waits for more bytes.
    ///
    /// # Cancel safety
    /// Cancel safe: bytes are read into the buffer or not at all.
    ///
    /// # Errors
    /// The stream ended or failed, or the bound is reached.
    pub(crate) async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        if self.buffer.len() >= self.bound {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // Most packets of a login are small; the buffer grows to the bound only for those that
        // are not.
        let mut chunk = [0; 512];
        let room = chunk.len().min(self.bound - self.buffer.len());
        match stream.read(&mut chunk[..room]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.reserve(len);
                self.buffer.extend_from_slice(&chunk[..len]);
                Ok(())
            }
        }
    }

    /// Makes room as a `Vec` does by itself, but never beyond the bound.
    fn reserve(&mut self, len: usize) {
        let needed = self.buffer.len() + len;
        if needed > self.buffer.capacity() {
            let capacity = (2 * self.buffer.capacity()).clamp(needed, self.bound);
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }

    /// Takes the next message: its type and body.
    ///
    /// # Errors
    /// The stream ended or failed, or the message is longer than the bound.
    pub(crate) async fn message(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(u8, Vec<u8>), ReadError> {
        loop {
            let header = frame::header(&self.buffer).map_err(|bad| ReadError::TooLong {
                kind: bad.kind,
                length: bad.length,
            })?;
            if let Some(header) = header {
                if header.message_len() > self.bound {
                    return Err(ReadError::TooLong {
                        kind: header.kind,
                        length: header.body_len + 4,
                    });
                }
                if self.buffer.len() >= header.message_len() {
                    let body = self.buffer[HEADER_LEN..header.message_len()].to_vec();
                    self.consume(header.message_len());
                    return Ok((header.kind, body));
                }
            }
            self.more(stream).await?;
        }
    }
}
