//! The stream of a server connection, with what the driver must know of it.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

use pgweir_pool::budget::Permit;
use pgweir_pool::stream::Stream;

use crate::caller::place;
use crate::dial::{Peer, Reached};
use crate::socket::Socket;

/// What a cancel request for a server needs.
#[derive(Debug)]
pub(crate) struct CancelTarget {
    pub(crate) server: Reached,
    pub(crate) pid: u32,
    pub(crate) key: Vec<u8>,
}

/// A server's socket.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Socket,
    /// The permit of the shared budget under which it was opened.
    pub(crate) permit: Permit,
    /// When it was opened.
    pub(crate) since: SystemTime,
    /// `None` if PostgreSQL sent no key: then nothing can be cancelled.
    pub(crate) cancel: Option<Arc<CancelTarget>>,
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Stream for Link {
    fn has_more(&self) -> bool {
        self.socket.has_more()
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Link {
    /// Where the server is, for the log.
    pub(crate) fn place(&self) -> String {
        match self.cancel.as_deref().map(|target| &target.server.address) {
            Some(Peer::Tcp(address)) => address.to_string(),
            // The number behind the last dot is the port.
            Some(Peer::Unix(path)) => match path.extension() {
                Some(port) => format!("unix:{}", port.display()),
                None => "unix".to_owned(),
            },
            None => place(self.socket.addresses().0),
        }
    }
}

/// A server connection.
pub(crate) type Server = pgweir_pool::server::Server<Link>;
