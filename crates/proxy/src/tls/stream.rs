//! A stream of the control plane, in the clear or encrypted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::{CommonState, Connection};

/// A stream with bytes in front of what it still brings: those that were read before it was known that a
/// handshake begins with them.
pub(crate) struct Resumed<S> {
    first: Vec<u8>,
    stream: S,
}

impl<S> Resumed<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S) -> Self {
        Self { first, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Resumed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let len = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..len]);
        self.first.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resumed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// See the module's description.
pub(crate) enum MaybeTls<S> {
    Clear(S),
    Encrypted(Box<TlsStream<Resumed<S>>>),
    /// A handshake has it, or lost it.
    Lost,
}

impl<S> MaybeTls<S> {
    /// What is known of the peer and the encryption; `None` in the clear.
    pub(crate) fn connection(&self) -> Option<&CommonState> {
        match self {
            Self::Clear(_) | Self::Lost => None,
            Self::Encrypted(stream) => Some(stream.get_ref().1),
        }
    }

    /// The stream itself, and the session that encrypts it.
    ///
    /// # Panics
    /// In the middle of a handshake, or when one has failed.
    pub(crate) fn into_parts(self) -> (S, Option<Connection>) {
        let (resumed, connection) = match self {
            Self::Clear(stream) => return (stream, None),
            Self::Lost => panic!("the handshake is over"),
            Self::Encrypted(stream) => match *stream {
                TlsStream::Client(stream) => {
                    let (resumed, connection) = stream.into_inner();
                    (resumed, Connection::Client(connection))
                }
                TlsStream::Server(stream) => {
                    let (resumed, connection) = stream.into_inner();
                    (resumed, Connection::Server(connection))
                }
            },
        };
        assert!(resumed.first.is_empty(), "the handshake began with them");
        (resumed.stream, Some(connection))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}
