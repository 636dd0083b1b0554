//! Encryption of HTTP: certificate and key, as a reload may change them.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::HEAD_TIMEOUT;
use pgweir_config::Unusable;

/// A certificate with its key. TLS 1.2 and 1.3, HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

impl Tls {
    /// From PEM: the certificate and what signed it, in that order, and the certificate's key.
    ///
    /// # Errors
    /// One of them is not what it should be, or they do not belong together.
    pub(crate) fn new(certificates: &str, key: &str) -> Result<Self, Unusable> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Unusable::Certificate(format!("is no PEM: {error}")))?;
        if certificates.is_empty() {
            let message = "has no certificate (BEGIN CERTIFICATE)";
            return Err(Unusable::Certificate(message.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| Unusable::Key("has no private key (BEGIN PRIVATE KEY)".to_owned()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has what TLS 1.2 and 1.3 need")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| Unusable::Key(format!("does not fit the certificate: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Encrypts a connection that was accepted.
    ///
    /// # Errors
    /// The peer speaks no TLS that we speak, or takes too long.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        timeout(HEAD_TIMEOUT, self.0.accept(stream))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests;
