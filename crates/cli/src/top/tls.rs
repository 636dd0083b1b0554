//! Encryption on the way to the pooler.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use pgweir_proxy::Trust;

/// TLS 1.2 or 1.3 with a pooler whose certificate is checked.
pub(crate) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// Trusts the certificates in this file and what they sign; without one, what the system
    /// trusts.
    ///
    /// # Errors
    /// A sentence: the file is not what it should be, or the system has no certificates.
    pub(crate) fn trusting(file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let mut own = Vec::new();
        match file {
            Some(path) => {
                let wrong = |what: String| format!("--ca-file {} {what}", path.display());
                let text =
                    fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
                for certificate in CertificateDer::pem_slice_iter(&text) {
                    let certificate =
                        certificate.map_err(|error| wrong(format!("is no PEM: {error}")))?;
                    roots.add(certificate.clone()).map_err(|error| {
                        wrong(format!("has a certificate that cannot be used: {error}"))
                    })?;
                    own.push(certificate);
                }
                if roots.is_empty() {
                    return Err(wrong("has no certificate (BEGIN CERTIFICATE)".to_owned()));
                }
            }
            None => {
                // Single ones that cannot be read do not matter if another has signed the pooler's.
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let text = "cannot be trusted: the system has no certificates; use --ca-file";
                    return Err(text.to_owned());
                }
            }
        }
        let provider = Arc::new(ring::default_provider());
        let trust = Trust::full(roots, own, provider.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what TLS 1.2 and 1.3 need")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Encrypts a connection to `host`.
    ///
    /// # Errors
    /// The pooler speaks no TLS, or its certificate is not trusted or not for `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }
}

#[cfg(test)]
mod tests;
