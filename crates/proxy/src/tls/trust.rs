//! Whether a server's certificate is good enough for a mode of TLS.

use std::sync::Arc;

use pgweir_config::{Tls, TlsMode, TlsPart, Unfit};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

use super::keys;
use super::own::OwnOrSigned;

/// Looks at as much of a certificate as the mode asks for. Whoever is at the other end has shown that it has
/// the certificate's key, in any mode.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    /// `None`: anybody's.
    authority: Option<OwnOrSigned>,
    /// The certificate has to be for the host.
    looks_at_name: bool,
}

impl Trust {
    /// # Errors
    /// Authorities or lists of revoked certificates cannot be used.
    pub(super) fn new(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Self, Unfit> {
        let authority = match tls.mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                let roots = keys::roots(&tls.authorities)?;
                let built =
                    WebPkiServerVerifier::builder_with_provider(roots.store, provider.clone())
                        .with_crls(keys::revoked(tls)?)
                        .build();
                let built = built.map_err(|error| {
                    keys::unfit(TlsPart::Revoked, format!("cannot be used: {error}"))
                })?;
                Some(OwnOrSigned::new(built, roots.written))
            }
            _ => None,
        };
        Ok(Self {
            provider,
            authority,
            looks_at_name: tls.mode == TlsMode::VerifyFull,
        })
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
