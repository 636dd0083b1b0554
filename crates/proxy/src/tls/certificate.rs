//! What a certificate says.

use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, SliceReader, Tag, Tagged};
use x509_cert::name::Name;

fn parse(der: &[u8]) -> Option<Certificate> {
    let mut reader = SliceReader::new(der).ok()?;
    Certificate::decode(&mut reader).ok()
}

/// When the first of the certificates of a text in PEM expires.
pub(crate) fn expires(pem: &str) -> Option<SystemTime> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
    let parsed = all.filter_map(|der| parse(&der));
    let ends = parsed.map(|parsed| parsed.tbs_certificate.validity.not_after);
    let ends = ends.map(|end| SystemTime::UNIX_EPOCH + end.to_unix_duration());
    ends.min()
}

/// Days until then, rounded down; none where it is over.
pub(crate) fn days_left(end: SystemTime, now: SystemTime) -> u64 {
    const DAY: Duration = Duration::from_secs(86_400);
    let left = end.duration_since(now).unwrap_or_default();
    left.as_secs() / DAY.as_secs()
}

/// Whom a certificate names.
pub(crate) fn subject(der: &[u8]) -> Option<pgweir_config::access::Certificate> {
    let subject = parse(der)?.tbs_certificate.subject;
    Some(pgweir_config::access::Certificate {
        common_name: common_name(&subject),
        distinguished_name: subject.to_string(),
    })
}

/// The one common name of a subject; of several, none is taken.
pub(super) fn common_name(subject: &Name) -> Option<String> {
    let names = subject.0.iter().flat_map(|part| part.0.iter());
    let mut names = names.filter(|name| name.oid == COMMON_NAME);
    let name = names.next().filter(|_| names.next().is_none())?;
    text(&name.value)
}

/// `commonName` (RFC 4519, section 2.3).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A name as text. One with a NUL in it reads as another to whatever stops there.
fn text(value: &Any) -> Option<String> {
    let bytes = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => value.value(),
        _ => return None,
    };
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

/// What a server's certificate is to a login that is bound to the connection: its digest
/// (`tls-server-end-point`, RFC 5929, section 4.1). `None` where no digest is defined for it.
pub(crate) fn binding(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = parse(der)?;
    let oid = certificate.signature_algorithm.oid.to_string();
    Some(match oid.as_str() {
        // RSA and ECDSA with MD5 and SHA-1, for which SHA-256 is taken, and with SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => Sha256::digest(der).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(der).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(der).to_vec(),
        _ => return None,
    })
}
