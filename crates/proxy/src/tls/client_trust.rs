//! Whether a client's certificate is good enough.

use std::sync::Arc;

use pgweir_config::{Authorities, Tls, TlsMode, TlsPart, Unfit};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoClientAuth, WebPkiClientVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::keys;
use super::version_one::{self, Signers};

/// What one of the authorities has signed is trusted: as webpki sees it, and certificates of version 1.
#[derive(Debug)]
pub(super) struct ClientTrust {
    signed: Arc<dyn ClientCertVerifier>,
    /// `None`: certificates of version 1 are not taken.
    signers: Option<Signers>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientTrust {
    /// What the settings ask of clients.
    ///
    /// # Errors
    /// Authorities or lists of revoked certificates cannot be used.
    pub(super) fn verifier(
        tls: &Tls,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Unfit> {
        let lists = keys::revoked(tls)?;
        if tls.authorities == Authorities::None {
            return Ok(Arc::new(NoClientAuth));
        }
        let roots = keys::roots(&tls.authorities)?;
        let algorithms = provider.signature_verification_algorithms;
        let signers = roots.signers(&tls.authorities, &lists, algorithms);
        let builder = WebPkiClientVerifier::builder_with_provider(roots.store, provider.clone())
            .with_crls(lists);
        let builder = match tls.mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => builder,
            _ => builder.allow_unauthenticated(),
        };
        let signed = builder
            .build()
            .map_err(|error| keys::unfit(TlsPart::Revoked, format!("cannot be used: {error}")))?;
        Ok(Arc::new(Self {
            signed,
            signers,
            algorithms,
        }))
    }
}

impl ClientCertVerifier for ClientTrust {
    fn offer_client_auth(&self) -> bool {
        self.signed.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.signed.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let judged = self
            .signed
            .verify_client_cert(end_entity, intermediates, now);
        match (judged, &self.signers) {
            (Err(error), Some(signers)) => {
                signers.reconsider(error, end_entity, now)?;
                Ok(ClientCertVerified::assertion())
            }
            (judged, _) => judged,
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
        self.signed.supported_verify_schemes()
    }
}
