//! A non-blocking TCP or unix stream of the data plane.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{SockRef, TcpKeepalive};

use pgweir_config::Tcp;
use pgweir_pool::stream::Stream;

/// Either kind of stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
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

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

impl From<std::net::TcpStream> for Socket {
    /// `stream` must be non-blocking.
    fn from(stream: std::net::TcpStream) -> Self {
        Self::Tcp(TcpStream::from_std(stream))
    }
}

impl From<std::os::unix::net::UnixStream> for Socket {
    /// `stream` must be non-blocking.
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        Self::Unix(UnixStream::from_std(stream))
    }
}

// Through rustix, which enters the kernel directly: the C library's wrappers are thread
// cancellation points, and that alone was 3 % of a transaction's CPU time.
impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, _) = rustix::net::recv(self.fd(), buffer, RecvFlags::empty())?;
        Ok(len)
    }
}

impl Stream for Socket {}

impl Write for Socket {
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
    if let Some(size) = tcp.socket_buffer {
        socket.set_recv_buffer_size(size as usize)?;
        socket.set_send_buffer_size(size as usize)?;
    }
    Ok(())
}
