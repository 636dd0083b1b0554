//! Certificates of version 1 of X.509.
//!
//! `openssl x509 -req` makes them unless it is given extensions (before OpenSSL 3.2), so many a PostgreSQL
//! and many a client has one. webpki reads version 3 alone. What is accepted here is the one chain that such
//! certificates make: a leaf, and an authority of the configuration's file that signed it. Version 1 does not
//! say who may sign, so nobody below an authority of the file does. Everything else is left to webpki.

use std::collections::BTreeSet;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible};
use webpki::RawPublicKeyEntity;
use x509_cert::certificate::Version;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::{AnyRef, BitString};
use x509_cert::der::{Decode, Encode, Tag};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity;
use x509_cert::{Certificate, TbsCertificate};

use super::names;

/// The authorities of a file, as those that sign certificates of version 1.
#[derive(Debug)]
pub(super) struct Signers {
    signers: Vec<Signer>,
    /// Certificates have to be looked for in lists of revoked ones.
    has_lists: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Signer {
    subject: Name,
    key: SubjectPublicKeyInfoDer<'static>,
    validity: Validity,
    /// What its lists name; `None` if it has none.
    revoked: Option<BTreeSet<Vec<u8>>>,
    /// It has a list that is not about all of its certificates.
    has_parts: bool,
}

/// A certificate of version 1, and the bytes of it that are signed.
struct Leaf {
    certificate: Certificate,
    signed: Vec<u8>,
}

impl Signers {
    /// Those of these certificates that may sign others.
    pub(super) fn new(
        written: &[CertificateDer<'_>],
        lists: &[CertificateRevocationListDer<'_>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let parsed = written
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok());
        let authorities = parsed.map(|root| root.tbs_certificate).filter(may_sign);
        let mut signers: Vec<Signer> = authorities.filter_map(Signer::new).collect();
        // With one that is not understood, none is the whole of it.
        let understood: Option<Vec<CertificateList>> =
            lists.iter().map(|der| decode(der)).collect();
        for list in understood.iter().flatten() {
            for signer in &mut signers {
                signer.note(list, &algorithms);
            }
        }
        Self {
            signers,
            has_lists: !lists.is_empty(),
            algorithms,
        }
    }

    /// Judges a certificate that webpki refused for its version alone: one of these has to have signed it, and it
    /// has to be good at this time. Whom it names is not looked at, and neither is whether the peer has its key.
    ///
    /// # Errors
    /// What is wrong with it; what webpki said if that was anything else.
    pub(super) fn reconsider(&self, error: Error, der: &[u8], now: UnixTime) -> Result<(), Error> {
        match Leaf::new(der).filter(|_| is_about_version(&error)) {
            Some(leaf) => Ok(self.verify(&leaf, now)?),
            None => Err(error),
        }
    }

    fn verify(&self, leaf: &Leaf, now: UnixTime) -> Result<(), CertificateError> {
        let Leaf {
            certificate,
            signed,
        } = leaf;
        let tbs = &certificate.tbs_certificate;
        let mut judged = Err(CertificateError::UnknownIssuer);
        let named = self.signers.iter().filter(|one| one.subject == tbs.issuer);
        for signer in named.filter(|one| check_validity(&one.validity, now).is_ok()) {
            judged = verify_signature(
                &signer.key,
                &certificate.signature_algorithm,
                signed,
                &certificate.signature,
                &self.algorithms,
            );
            if judged.is_ok() {
                check_validity(&tbs.validity, now)?;
                return self.check_revocation(signer, &tbs.serial_number);
            }
        }
        judged
    }

    fn check_revocation(
        &self,
        signer: &Signer,
        serial: &SerialNumber,
    ) -> Result<(), CertificateError> {
        match &signer.revoked {
            _ if !self.has_lists => Ok(()),
            None => Err(CertificateError::UnknownRevocationStatus),
            Some(_) if signer.has_parts => Err(CertificateError::UnknownRevocationStatus),
            Some(revoked) if revoked.contains(serial.as_bytes()) => Err(CertificateError::Revoked),
            Some(_) => Ok(()),
        }
    }
}

impl Signer {
    fn new(root: TbsCertificate) -> Option<Self> {
        Some(Self {
            key: encoded(&root.subject_public_key_info)?,
            subject: root.subject,
            validity: root.validity,
            revoked: None,
            has_parts: false,
        })
    }

    /// Takes what a list names, if it is this authority's and about all of its certificates.
    fn note(&mut self, list: &CertificateList, algorithms: &WebPkiSupportedAlgorithms) {
        let tbs = &list.tbs_cert_list;
        let listed = tbs.revoked_certificates.as_deref().unwrap_or_default();
        let mut extensions = (tbs.crl_extensions.iter())
            .chain(
                listed
                    .iter()
                    .filter_map(|one| one.crl_entry_extensions.as_ref()),
            )
            .flatten();
        if tbs.issuer != self.subject {
            return;
        }
        // A list of changes only, of some certificates only, or of another authority's says so in these.
        if extensions.any(|extension| extension.critical) {
            self.has_parts = true;
            return;
        }
        let Ok(signed) = tbs.to_der() else { return };
        let is_its_own = tbs.signature == list.signature_algorithm
            && verify_signature(
                &self.key,
                &list.signature_algorithm,
                &signed,
                &list.signature,
                algorithms,
            )
            .is_ok();
        if is_its_own {
            let serials = listed
                .iter()
                .map(|one| one.serial_number.as_bytes().to_vec());
            self.revoked.get_or_insert_default().extend(serials);
        }
    }
}

impl Leaf {
    fn new(der: &[u8]) -> Option<Self> {
        let certificate = decode::<Certificate>(der)?;
        let tbs = &certificate.tbs_certificate;
        // What later versions brought would be passed over.
        let is_plain = tbs.version == Version::V1
            && tbs.extensions.is_none()
            && tbs.issuer_unique_id.is_none()
            && tbs.subject_unique_id.is_none();
        if !is_plain || tbs.signature != certificate.signature_algorithm {
            return None;
        }
        let signed = tbs.to_der().ok()?;
        Some(Self {
            certificate,
            signed,
        })
    }
}

/// The key of a certificate of version 1; `None` is any other certificate.
pub(super) fn key(der: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let leaf = Leaf::new(der)?;
    encoded(&leaf.certificate.tbs_certificate.subject_public_key_info)
}

/// Whether a certificate is refused for its version, or one that would have signed it.
fn is_about_version(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::UnsupportedCertVersion)
    )
}

/// Whether a handshake of TLS 1.3 was signed with this key.
///
/// # Errors
/// It was not.
pub(super) fn verify_tls13(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(message, key, signature, algorithms)
}

/// Whether a handshake of TLS 1.2 was signed with this key.
///
/// # Errors
/// It was not.
pub(super) fn verify_tls12(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    let mut schemes = algorithms.mapping.iter();
    let found = schemes.find(|(scheme, _)| *scheme == signature.scheme);
    let (_, candidates) = found.ok_or(PeerIncompatible::NoSignatureSchemesInCommon)?;
    // The scheme of ECDSA does not say on which curve before TLS 1.3; the key does.
    let mut judged = candidates
        .iter()
        .map(|one| key.verify_signature(*one, message, signature.signature()));
    match judged.any(|judged| judged.is_ok()) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(CertificateError::BadSignature.into()),
    }
}

/// Whether an authority may sign certificates of hosts of all names. One of version 1 does not say, and who
/// puts it into a file of trust means it.
fn may_sign(root: &TbsCertificate) -> bool {
    if root.version != Version::V3 {
        return root.version == Version::V1 && root.issuer == root.subject;
    }
    let constraints = root.get::<BasicConstraints>();
    let usage = root.get::<KeyUsage>();
    matches!(
        constraints,
        Ok(Some((_, BasicConstraints { ca: true, .. })))
    ) && usage.is_ok_and(|usage| usage.is_none_or(|(_, usage)| usage.key_cert_sign()))
        && !names::is_constrained(root)
}

fn check_validity(validity: &Validity, now: UnixTime) -> Result<(), CertificateError> {
    let seconds = now.as_secs();
    let unix = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let not_before = validity.not_before.to_unix_duration().as_secs();
    let not_after = validity.not_after.to_unix_duration().as_secs();
    if seconds < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before: unix(not_before),
        });
    }
    if seconds > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after: unix(not_after),
        });
    }
    Ok(())
}

/// Whether the key has signed the message.
fn verify_signature(
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &BitString,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), CertificateError> {
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    let identifier = algorithm
        .to_der()
        .map_err(|_| CertificateError::BadEncoding)?;
    // A signature is of whole bytes.
    let signature = signature.as_bytes().ok_or(CertificateError::BadEncoding)?;
    let mut judged = Err(CertificateError::UnsupportedSignatureAlgorithmContext {
        signature_algorithm_id: identifier.clone(),
        supported_algorithms: algorithms
            .all
            .iter()
            .map(|one| one.signature_alg_id())
            .collect(),
    });
    for candidate in algorithms.all {
        let content = candidate.signature_alg_id();
        let wrapped = AnyRef::new(Tag::Sequence, &content).and_then(|any| any.to_der());
        if wrapped.is_ok_and(|wrapped| wrapped == identifier) {
            // There is one for each curve; the key says which is its own.
            match key.verify_signature(*candidate, message, signature) {
                Ok(()) => return Ok(()),
                Err(_) => judged = Err(CertificateError::BadSignature),
            }
        }
    }
    judged
}

/// A key as webpki takes it.
fn encoded(key: &SubjectPublicKeyInfoOwned) -> Option<SubjectPublicKeyInfoDer<'static>> {
    Some(SubjectPublicKeyInfoDer::from(key.to_der().ok()?))
}

/// What these bytes are, if they are to the last one how DER writes it. So what is written anew are the bytes
/// that were signed.
fn decode<T: for<'a> Decode<'a> + Encode>(der: &[u8]) -> Option<T> {
    let decoded = T::from_der(der).ok()?;
    (decoded.to_der().ok()? == der).then_some(decoded)
}

#[cfg(test)]
mod tests;
