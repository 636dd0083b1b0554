//! Whether a server's certificate is good enough for a mode of TLS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgweir_config::{Tls, TlsMode, TlsPart, Unfit};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

use super::certificate::validity;
use super::keys;

/// Looks at as much of a certificate as the mode asks for. Whoever is at the other end has shown that it has
/// the certificate's key, in any mode.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None`: anybody's.
    authority: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted themselves, for whatever they may be used.
    written: Vec<CertificateDer<'static>>,
    /// The certificate has to be for the host.
    looks_at_name: bool,
}

impl Trust {
    /// # Errors
    /// Authorities or lists of revoked certificates cannot be used.
    pub(super) fn new(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Self, Unfit> {
        let mut written = Vec::new();
        let authority = match tls.mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                let roots = keys::roots(&tls.authorities)?;
                written = roots.written;
                let built =
                    WebPkiServerVerifier::builder_with_provider(roots.store, provider.clone())
                        .with_crls(keys::revoked(tls)?)
                        .build();
                let built = built.map_err(|error| {
                    keys::unfit(TlsPart::Revoked, format!("cannot be used: {error}"))
                })?;
                Some(built)
            }
            _ => None,
        };
        Ok(Self {
            provider,
            authority,
            written,
            looks_at_name: tls.mode == TlsMode::VerifyFull,
        })
    }
}

impl Trust {
    /// A certificate that stands among those that are trusted itself.
    fn verify_self_signed(
        &self,
        certificate: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let valid = validity(certificate).ok_or(CertificateError::BadEncoding)?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        if now < valid.start {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > valid.end {
            return Err(CertificateError::Expired.into());
        }
        if self.looks_at_name {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
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
        let outcome = authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match outcome {
            // As PostgreSQL's manual has them made: a certificate that signed itself, and says that it is an
            // authority's.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.written.iter().any(|known| known == end_entity) =>
            {
                self.verify_self_signed(end_entity, server_name, now)
            }
            // It is looked at last: everything else was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.looks_at_name => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
