//! TLS towards clients: what they are met with, and the handshake.

use std::io;
use std::sync::Arc;

use pgweir_config::{Tls, TlsMode, TlsPart, Unfit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::Ticketer;

use super::client_trust::ClientTrust;
use super::stream::{MaybeTls, Resumed};
use super::{ALPN, certificate, keys};
use crate::latest::Latest;

/// What clients are met with while a configuration runs.
#[derive(Clone)]
pub(crate) struct Acceptor {
    acceptor: TlsAcceptor,
    /// What a login over it can be bound to.
    pub(crate) binding: Option<Arc<[u8]>>,
}

/// The acceptor of the settings that were asked about last; `None` is nothing but the clear. Equal ones of
/// another configuration keep it, so that tickets stay good over a reload.
pub(crate) type Acceptors = Latest<Tls, Option<Acceptor>>;

/// What clients are met with under these settings.
pub(crate) fn acceptor(tls: &Tls) -> Option<Acceptor> {
    if tls.mode == TlsMode::Disable {
        return None;
    }
    let config = config(tls).expect("it was found good when the configuration was read")?;
    let identity = tls
        .identity
        .as_ref()
        .and_then(|pem| keys::identity(pem).ok());
    let binding = identity.and_then(|(chain, _)| certificate::binding(&chain[0]));
    Some(Acceptor {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        binding: binding.map(Arc::from),
    })
}

/// What rustls is told; `None` without a certificate of our own.
///
/// # Errors
/// A setting that cannot be used.
pub(super) fn config(tls: &Tls) -> Result<Option<ServerConfig>, Unfit> {
    let provider = keys::provider(tls)?;
    let Some(identity) = &tls.identity else {
        return Ok(None);
    };
    let shown = keys::certified(keys::identity(identity)?, &provider)?;
    let verifier = ClientTrust::verifier(tls, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(keys::versions(tls))
        .map_err(|_| keys::unfit(TlsPart::Versions, "leaves no cipher suite to speak"))?
        .with_client_cert_verifier(verifier);
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A client that comes again proves that it was here by a ticket that only this process reads, and
    // spares both sides the signature. More than one is of use only to those that open several at once.
    config.ticketer = Ticketer::new().expect("the system gives random numbers");
    config.send_tls13_tickets = 1;
    Ok(Some(config))
}

impl Acceptor {
    /// The handshake. `first` are bytes of it that were read already.
    ///
    /// # Errors
    /// The peer speaks no TLS that is spoken here, or has no certificate that is good.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        first: Vec<u8>,
    ) -> io::Result<MaybeTls<S>> {
        let stream = self.acceptor.accept(Resumed::new(first, stream)).await?;
        Ok(MaybeTls::Encrypted(Box::new(stream.into())))
    }
}
