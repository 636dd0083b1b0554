//! Connecting to PostgreSQL, up to where its protocol begins.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pgweir_config::{ChannelBinding, ServerAddress, ServerTls, Tcp, TlsMode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::socket::{self, Plain};
use crate::tls::certificate;
use crate::tls::servers::{Connector, Connectors, TlsError};
use crate::tls::stream::MaybeTls;

/// Where PostgreSQL is, and how it is spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) server: &'a ServerAddress,
    pub(crate) tls: &'a Arc<ServerTls>,
    pub(crate) tcp: &'a Tcp,
    pub(crate) connectors: &'a Connectors,
}

/// The very server that a connection is with, and how it was reached.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) address: Peer,
    /// The name it was reached by, and how it is encrypted.
    tls: Option<(Connector, String)>,
}

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What a connection protects, which decides what is answered over it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Safety {
    /// `None` is a unix socket.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) encrypted: bool,
    /// What a proof can be bound to.
    pub(crate) binding: Option<Vec<u8>>,
    /// It has to be bound to that.
    pub(crate) requires_binding: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum DialError {
    /// The name of the host leads to no address.
    Unknown(io::Error),
    /// Nobody answers at the address.
    Unreachable(io::Error),
    /// The connection broke at once.
    Broken(io::Error),
    /// It cannot be encrypted, and has to be.
    Tls(TlsError),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A TCP or a unix stream.
pub(crate) enum Duplex {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that is encrypted if it is to be.
pub(crate) type Dialled = MaybeTls<Duplex>;

impl Way<'_> {
    /// Whether to try with TLS and whether in the clear, in the order in which to try.
    pub(crate) fn attempts(&self) -> &'static [bool] {
        match (self.server, self.tls.tls.mode) {
            (ServerAddress::Unix(_), _) | (_, TlsMode::Disable) => &[false],
            (_, TlsMode::Allow) => &[false, true],
            (_, TlsMode::Prefer) => &[true, false],
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => &[true],
        }
    }

    /// What a connection protects.
    pub(crate) fn safety(&self, stream: &Dialled, reached: &Reached) -> Safety {
        let peer = match &reached.address {
            Peer::Tcp(address) => Some(address.ip()),
            Peer::Unix(_) => None,
        };
        let tls = stream.connection();
        let wanted = self.tls.channel_binding;
        let certificates = tls.and_then(|tls| tls.peer_certificates());
        let own = certificates.and_then(|chain| chain.first());
        let binding = own.filter(|_| wanted != ChannelBinding::Disable);
        Safety {
            peer,
            encrypted: tls.is_some(),
            binding: binding.and_then(|certificate| certificate::binding(certificate)),
            requires_binding: wanted == ChannelBinding::Require,
        }
    }

    /// Connects; with `encrypts` TLS is spoken if the server has it.
    ///
    /// # Errors
    /// Nobody answers there, or it cannot be encrypted.
    pub(crate) async fn dial(&self, encrypts: bool) -> Result<(Dialled, Reached), DialError> {
        match self.server {
            ServerAddress::Tcp { host, port } => {
                let stream = self.tcp(host, *port).await?;
                socket::tune((&stream).into(), self.tcp)?;
                // A name may stand for several servers, and a key is known to one of them.
                let peer = stream.peer_addr()?;
                let stream = Duplex::Tcp(stream);
                if !encrypts {
                    return Ok((MaybeTls::Clear(stream), Reached::clear(Peer::Tcp(peer))));
                }
                let connector = self.connectors.of(self.tls);
                let stream = connector.connect(stream, host, peer.ip()).await;
                let stream = stream.map_err(DialError::Tls)?;
                let is_encrypted = stream.connection().is_some();
                let reached = Reached {
                    address: Peer::Tcp(peer),
                    tls: is_encrypted.then(|| (connector, host.clone())),
                };
                Ok((stream, reached))
            }
            ServerAddress::Unix(path) => {
                let stream = Self::unix(path).await.map_err(DialError::Unreachable)?;
                Ok((
                    MaybeTls::Clear(stream),
                    Reached::clear(Peer::Unix(path.clone())),
                ))
            }
        }
    }

    /// Connects to the first address of `host` that lets it.
    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = tokio::net::lookup_host((host, port)).await;
        let mut refused = None;
        for address in addresses.map_err(DialError::Unknown)? {
            match self.tcp_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = Some(error),
            }
        }
        Err(match refused {
            Some(error) => DialError::Unreachable(error),
            None => {
                let message = format!("{host} has no address");
                DialError::Unknown(io::Error::new(io::ErrorKind::NotFound, message))
            }
        })
    }

    async fn tcp_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket::size((&socket).into(), self.tcp)?;
        socket.connect(address).await
    }

    async fn unix(path: &Path) -> io::Result<Duplex> {
        Ok(Duplex::Unix(UnixStream::connect(path).await?))
    }
}

impl Reached {
    /// A server that is spoken to in the clear.
    pub(crate) fn clear(address: Peer) -> Self {
        Self { address, tls: None }
    }

    /// Another connection with the same server, for a cancel request: its secret is as good as the query's
    /// text, so it is encrypted if that was.
    ///
    /// # Errors
    /// It does not answer, or not as before.
    pub(crate) async fn again(&self) -> io::Result<Dialled> {
        let stream = match &self.address {
            Peer::Tcp(peer) => Duplex::Tcp(TcpStream::connect(peer).await?),
            Peer::Unix(path) => Way::unix(path).await?,
        };
        match (&self.tls, &self.address) {
            (Some((connector, host)), Peer::Tcp(peer)) => {
                let stream = connector.connect(stream, host, peer.ip()).await;
                stream.map_err(|error| io::Error::other(error.to_string()))
            }
            _ => Ok(MaybeTls::Clear(stream)),
        }
    }
}

impl Duplex {
    /// The socket, for the data plane.
    ///
    /// # Errors
    /// It cannot be taken out of the runtime.
    pub(crate) fn into_socket(self) -> io::Result<Plain> {
        match self {
            Self::Tcp(stream) => Ok(stream.into_std()?.into()),
            Self::Unix(stream) => Ok(stream.into_std()?.into()),
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
