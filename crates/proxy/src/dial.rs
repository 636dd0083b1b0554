//! Connecting to PostgreSQL, up to where its protocol begins.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pgweir_config::{ChannelBinding, ServerAddress, ServerTls, Tcp, TlsMode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::connect::ConnectError;
use crate::socket::{self, Plain};
use crate::tls::certificate;
use crate::tls::servers::{Connector, Connectors};
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

    /// What a proof over `stream` can be bound to, and whether it has to be.
    pub(crate) fn binding(&self, stream: &Dialled) -> (Option<Vec<u8>>, bool) {
        let wanted = self.tls.channel_binding;
        if wanted == ChannelBinding::Disable {
            return (None, false);
        }
        let certificates = stream.connection().and_then(|tls| tls.peer_certificates());
        let own = certificates.and_then(|chain| chain.first());
        let binding = own.and_then(|certificate| certificate::binding(certificate));
        (binding, wanted == ChannelBinding::Require)
    }

    /// Connects; with `encrypts` TLS is spoken if the server has it.
    ///
    /// # Errors
    /// Nobody answers there, or it cannot be encrypted.
    pub(crate) async fn dial(&self, encrypts: bool) -> Result<(Dialled, Reached), ConnectError> {
        match self.server {
            ServerAddress::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(ConnectError::Unreachable)?;
                socket::tune((&stream).into(), self.tcp)?;
                // A name may stand for several servers, and a key is known to one of them.
                let peer = stream.peer_addr()?;
                let stream = Duplex::Tcp(stream);
                if !encrypts {
                    return Ok((MaybeTls::Clear(stream), Reached::clear(Peer::Tcp(peer))));
                }
                let connector = self.connectors.of(self.tls);
                let stream = connector.connect(stream, host, peer.ip()).await;
                let stream = stream.map_err(ConnectError::Tls)?;
                let is_encrypted = stream.connection().is_some();
                let reached = Reached {
                    address: Peer::Tcp(peer),
                    tls: is_encrypted.then(|| (connector, host.clone())),
                };
                Ok((stream, reached))
            }
            ServerAddress::Unix(path) => {
                let stream = Self::unix(path).await.map_err(ConnectError::Unreachable)?;
                Ok((
                    MaybeTls::Clear(stream),
                    Reached::clear(Peer::Unix(path.clone())),
                ))
            }
        }
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
