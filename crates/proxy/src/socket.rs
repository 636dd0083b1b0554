//! A non-blocking TCP or unix stream of the data plane.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{SockRef, TcpKeepalive};
use tokio_rustls::rustls::Connection;

use crate::tls::{self, secured::Secured};
use pgweir_config::Tcp;
use pgweir_pool::stream::Stream;

/// A stream to a client or to PostgreSQL.
#[derive(Debug)]
pub(crate) enum Socket {
    Clear(Plain),
    Encrypted(Box<Secured<Plain>>),
}

/// Either kind of socket.
#[derive(Debug)]
pub(crate) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// A stream over `socket`, which is non-blocking; `connection` encrypts it.
    pub(crate) fn new(socket: impl Into<Plain>, connection: Option<Connection>) -> Self {
        let plain = socket.into();
        match connection {
            None => Self::Clear(plain),
            Some(connection) => Self::Encrypted(Box::new(Secured::new(plain, connection))),
        }
    }

    /// Registers for both directions, edge-triggered: one `epoll_ctl` for the stream's whole stay.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            self.source(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(self.source())
    }

    fn plain(&self) -> &Plain {
        match self {
            Self::Clear(plain) => plain,
            Self::Encrypted(secured) => secured.socket(),
        }
    }

    /// The addresses of both ends, the other one first; `None` over a unix socket.
    pub(crate) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self.plain() {
            // A connection that broke has none any more.
            Plain::Tcp(stream) => (stream.peer_addr().ok(), stream.local_addr().ok()),
            Plain::Unix(_) => (None, None),
        }
    }

    /// What encrypts it: the version and the cipher; empty in the clear.
    pub(crate) fn tls(&self) -> String {
        match self {
            Self::Clear(_) => String::new(),
            Self::Encrypted(secured) => tls::words(secured.connection()),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        let plain = match self {
            Self::Clear(plain) => plain,
            Self::Encrypted(secured) => secured.socket_mut(),
        };
        match plain {
            Plain::Tcp(stream) => stream,
            Plain::Unix(stream) => stream,
        }
    }
}

impl Plain {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl From<std::net::TcpStream> for Plain {
    /// `stream` must be non-blocking.
    fn from(stream: std::net::TcpStream) -> Self {
        Self::Tcp(TcpStream::from_std(stream))
    }
}

impl From<std::os::unix::net::UnixStream> for Plain {
    /// `stream` must be non-blocking.
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        Self::Unix(UnixStream::from_std(stream))
    }
}

// Through rustix, which enters the kernel directly: the C library's wrappers are thread
// cancellation points, and that alone was 3 % of a transaction's CPU time.
impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, _) = rustix::net::recv(self.fd(), buffer, RecvFlags::empty())?;
        Ok(len)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.fd(), bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut nothing_else = SendAncillaryBuffer::default();
        let (socket, flags) = (self.fd(), SendFlags::NOSIGNAL);
        Ok(rustix::net::sendmsg(
            socket,
            pieces,
            &mut nothing_else,
            flags,
        )?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(plain) => plain.read(buffer),
            Self::Encrypted(secured) => secured.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(plain) => plain.write(bytes),
            Self::Encrypted(secured) => secured.write(bytes),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Clear(plain) => plain.write_vectored(pieces),
            Self::Encrypted(secured) => secured.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(plain) => plain.flush(),
            Self::Encrypted(secured) => secured.flush(),
        }
    }
}

impl Stream for Socket {
    fn has_more(&self) -> bool {
        match self {
            Self::Clear(_) => false,
            Self::Encrypted(secured) => secured.has_more(),
        }
    }
}

/// Applies the TCP settings of the configuration.
///
/// # Errors
/// The system refuses one of them.
pub(crate) fn tune(socket: SockRef<'_>, tcp: &Tcp) -> io::Result<()> {
    // A reply must not wait for the acknowledgement of the one before.
    socket.set_tcp_nodelay(true)?;
    if tcp.keepalive {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = tcp.keepidle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = tcp.keepintvl {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = tcp.keepcnt {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = tcp.user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    size(socket, tcp)
}

/// Applies the size of the buffers. A socket must have it before it is connected: the other side that has been
/// promised a larger window waits a fifth of a second for each piece of an answer, until its timer tries a smaller one.
///
/// # Errors
/// The system refuses it.
pub(crate) fn size(socket: SockRef<'_>, tcp: &Tcp) -> io::Result<()> {
    if let Some(size) = tcp.socket_buffer {
        socket.set_recv_buffer_size(size as usize)?;
        socket.set_send_buffer_size(size as usize)?;
    }
    Ok(())
}
