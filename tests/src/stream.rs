//! A blocking TCP or unix stream.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::wait::PATIENCE;

/// Either kind of stream. Reads fail after [`PATIENCE`].
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Connects to `host`, an address or the folder of a unix socket.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(host: &str, port: u16) -> io::Result<Self> {
        let stream = if host.starts_with('/') {
            let path = Path::new(host).join(format!(".s.PGSQL.{port}"));
            Self::Unix(UnixStream::connect(path)?)
        } else {
            let address = host.parse().expect("an IP address");
            let stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE)?;
            stream.set_nodelay(true)?;
            Self::Tcp(stream)
        };
        stream.patience(PATIENCE);
        Ok(stream)
    }

    /// Lets reads and writes fail after `limit`.
    pub fn patience(&self, limit: Duration) {
        let set = |outcome: io::Result<()>| outcome.expect("a timeout can be set");
        match self {
            Self::Tcp(stream) => {
                set(stream.set_read_timeout(Some(limit)));
                set(stream.set_write_timeout(Some(limit)));
            }
            Self::Unix(stream) => {
                set(stream.set_read_timeout(Some(limit)));
                set(stream.set_write_timeout(Some(limit)));
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        // The peer may have gone already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// A second handle of the same stream.
    pub fn twin(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().expect("a stream can be cloned")),
            Self::Unix(stream) => Self::Unix(stream.try_clone().expect("a stream can be cloned")),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
