//! Whether a server's certificate is good enough.
//!
//! Besides what an authority has signed, a server may show the very certificate that was given to
//! trust. The usual self-signed certificate says of itself that it is an authority (`openssl req -x509`
//! makes such ones), and webpki takes no authority for a server (RFC 5280, section 4.2.1.9 leaves
//! that open; OpenSSL does). Who puts the server's own certificate into a file of trust means it,
//! so that one objection is passed over for certificates of that file, byte by byte the same.
//!
//! Where a file names the authorities, certificates of version 1 are looked at as well ([`version_one`]), and
//! common names where there is no other name ([`names`]). Everything else is the verifier's of webpki: validity,
//! names, signatures, chains.

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
use super::names;
use super::version_one::{self, Signers};

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
    /// `None`: certificates of version 1 are not taken, and common names are no names.
    signers: Option<Signers>,
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
                let roots = keys::roots(&tls.authorities)?;
                let lists = keys::revoked(tls)?;
                let signers = roots.signers(&tls.authorities, &lists, algorithms);
                let Roots { store, written } = roots;
                let builder = WebPkiServerVerifier::builder_with_provider(store, provider);
                let built = builder.with_crls(lists).build();
                let signed = built.map_err(|error| {
                    keys::unfit(TlsPart::Revoked, format!("cannot be used: {error}"))
                })?;
                Some(OwnOrSigned {
                    signed,
                    own: written,
                    signers,
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
            authority: Some(OwnOrSigned {
                signed,
                own,
                signers: None,
            }),
            looks_at_name: true,
        }
    }
}

impl OwnOrSigned {
    /// Everything, and the name last: where that is what is wrong, everything else is right.
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged =
            self.signed
                .verify_server_cert(end_entity, intermediates, host, ocsp_response, now);
        match (judged, &self.signers) {
            // webpki looks at the validity before it finds this, but at the name only after it.
            (Err(error), _) if is_authority(&error) && self.own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, host)?;
                Ok(ServerCertVerified::assertion())
            }
            (Err(error), Some(signers)) => {
                signers.reconsider(error, end_entity, now)?;
                // Version 1 has no other name than the common one.
                Err(CertificateError::NotValidForNameContext {
                    expected: host.to_owned(),
                    presented: Vec::new(),
                }
                .into())
            }
            (judged, _) => judged,
        }
    }

    /// Whether a certificate that webpki finds no name in is for a host nevertheless.
    fn fits(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
    ) -> bool {
        let mut authorities = self.own.iter().chain(intermediates);
        self.signers.is_some()
            && !authorities.any(names::may_be_constrained)
            && names::fits(end_entity, host)
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
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        let judged = authority.judge(end_entity, intermediates, server_name, ocsp_response, now);
        let is_good_enough = judged.as_ref().is_err_and(is_about_name)
            && (!self.looks_at_name || authority.fits(end_entity, intermediates, server_name));
        match is_good_enough {
            true => Ok(ServerCertVerified::assertion()),
            false => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match version_one::key(certificate) {
            Some(key) => version_one::verify_tls12(message, &key, signature, &self.algorithms),
            None => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match version_one::key(certificate) {
            Some(key) => version_one::verify_tls13(message, &key, signature, &self.algorithms),
            None => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The certificate is refused for its name, which is looked at last.
fn is_about_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
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
