//! For which host a certificate is, where its `subjectAltName` does not name that host.
//!
//! The rules are libpq's, which many a certificate was made for. webpki looks at `subjectAltName` alone, and
//! no name that stands there is judged here in another way.

use std::net::IpAddr;

use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::der::Decode;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{NameConstraints, SubjectAltName};
use x509_cert::{Certificate, TbsCertificate};

use super::certificate;

/// Whether a certificate is for this host, although webpki found no name in it that is the host's:
///
/// * by its common name, if it has one, and names no host of DNS in `subjectAltName`. `*.` in front stands
///   for one label.
/// * An address also by its text, as the common name of a certificate that names neither hosts nor addresses
///   in `subjectAltName`, or as a name of DNS there.
pub(super) fn fits(der: &[u8], host: &ServerName<'_>) -> bool {
    let Ok(Certificate {
        tbs_certificate: tbs,
        ..
    }) = Certificate::from_der(der)
    else {
        return false;
    };
    // What cannot be read may be a name.
    let Ok(named) = tbs.get::<SubjectAltName>() else {
        return false;
    };
    let named = named.map_or_else(Vec::new, |(_, names)| names.0);
    let mut hosts = named.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str()),
        _ => None,
    });
    let has_address = named
        .iter()
        .any(|name| matches!(name, GeneralName::IpAddress(_)));
    let common_name = certificate::common_name(&tbs.subject);
    match host {
        ServerName::DnsName(host) => {
            hosts.next().is_none()
                && common_name.is_some_and(|pattern| is_for(&pattern, host.as_ref()))
        }
        ServerName::IpAddress(address) => {
            let address = IpAddr::from(*address);
            let is_it = |text: &str| text.parse() == Ok(address);
            match hosts.next() {
                Some(first) => is_it(first) || hosts.any(is_it),
                None => !has_address && common_name.is_some_and(|name| is_it(&name)),
            }
        }
        _ => false,
    }
}

/// Whether a common name is a host's.
fn is_for(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let domain = pattern
        .strip_prefix("*.")
        .filter(|domain| !domain.is_empty());
    let own = host.split_once('.').filter(|(label, _)| !label.is_empty());
    domain
        .zip(own)
        .is_some_and(|(domain, (_, own))| domain.eq_ignore_ascii_case(own))
}

/// Whether an authority, or none that can be read, may sign for some names only. Such a limit says nothing
/// of common names, so none counts where there is one.
pub(super) fn may_be_constrained(authority: &CertificateDer<'_>) -> bool {
    let parsed = Certificate::from_der(authority);
    parsed.map_or(true, |parsed| is_constrained(&parsed.tbs_certificate))
}

/// Whether an authority may sign for some names only.
pub(super) fn is_constrained(authority: &TbsCertificate) -> bool {
    let mut extensions = authority.extensions.iter().flatten();
    extensions.any(|extension| extension.extn_id == NameConstraints::OID)
}

#[cfg(test)]
mod tests;
