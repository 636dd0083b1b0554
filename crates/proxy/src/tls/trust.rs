//! Whether a server's certificate is good enough.
//!
//! Besides what an authority has signed, a server may show the very certificate that was given to
//! trust. The usual self-signed certificate says of itself that it is an authority (`openssl req -x509`
//! makes such ones), and webpki takes no authority for a server (RFC 5280, section 4.2.1.9 leaves
//! that open; OpenSSL does). Who puts the server's own certificate into a file of trust means it,
//! so that one objection is passed over for certificates of that file, byte by byte the same.
//! Everything else is the verifier's of webpki: validity, names, signatures, chains.

use std::sync::Arc;

use pgweir_config::{Tls, TlsMode, TlsPart, Unfit};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::keys::{self, Roots};

/// Looks at as much of a certificate as it is told to. Whoever is at the other end has shown that it has
/// the certificate's key, in any case.
#[derive(Debug)]
pub struct Trust {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None`: anybody's.
    authority: Option<OwnOrSigned>,
    /// The certificate has to be for the host.
    looks_at_name: bool,
}

/// What a root has signed is trusted, and the roots themselves.
#[derive(Debug)]
struct OwnOrSigned {
    signed: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// As much as the mode asks for.
    ///
    /// # Errors
    /// Authorities or lists of revoked certificates cannot be used.
    pub(super) fn new(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Self, Unfit> {
        let algorithms = provider.signature_verification_algorithms;
        let authority = match tls.mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                let Roots { store, written } = keys::roots(&tls.authorities)?;
                let builder = WebPkiServerVerifier::builder_with_provider(store, provider);
                let built = builder.with_crls(keys::revoked(tls)?).build();
                let signed = built.map_err(|error| {
                    keys::unfit(TlsPart::Revoked, format!("cannot be used: {error}"))
                })?;
                Some(OwnOrSigned {
                    signed,
                    own: written,
                })
            }
            _ => None,
        };
        Ok(Self {
            algorithms,
            authority,
            looks_at_name: tls.mode == TlsMode::VerifyFull,
        })
    }

    /// All there is to look at, the name as well: servers that one of `roots` has signed, and those that show a
    /// certificate of `own`.
    ///
    /// # Panics
    /// There are no roots.
    pub fn full(
        roots: RootCertStore,
        own: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let signed = signed.expect("there are roots, and no revocation lists");
        Self {
            algorithms,
            authority: Some(OwnOrSigned { signed, own }),
            looks_at_name: true,
        }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(OwnOrSigned { signed, own }) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        let mut judged =
            signed.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // webpki looks at the validity before it finds this, but at the name only after it.
        if judged.as_ref().is_err_and(is_authority) && own.contains(end_entity) {
            judged = verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)
                .map(|()| ServerCertVerified::assertion());
        }
        match judged {
            // It is looked at last: everything else was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.looks_at_name => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The certificate is refused for nothing but being an authority's.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}
