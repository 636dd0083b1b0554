//! Texts in PEM and names of algorithms, as rustls takes them.

use std::sync::Arc;

use pgweir_config::{Authorities, Pem, Tls, TlsPart, TlsVersion, Unfit};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms, ring,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, SubjectPublicKeyInfoDer,
};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, CipherSuite, InconsistentKeys, RootCertStore, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use super::version_one::{self, Signers};

pub(super) fn unfit(part: TlsPart, message: impl Into<String>) -> Unfit {
    let message = message.into();
    Unfit { part, message }
}

/// Why a certificate with its key is not taken.
fn unfit_identity(error: &rustls::Error) -> Unfit {
    match error {
        rustls::Error::InconsistentKeys(_) => unfit(TlsPart::Key, "does not fit the certificate"),
        error => unfit(TlsPart::Key, format!("cannot be used: {error}")),
    }
}

/// Certificates with what signed them, and the key of the first.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// # Errors
/// One of them is no PEM, or not what it should be.
pub(super) fn identity(pem: &Pem) -> Result<Identity, Unfit> {
    let chain = certificates(&pem.certificate, TlsPart::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).map_err(|_| {
        unfit(
            TlsPart::Key,
            "has no private key without a password (BEGIN PRIVATE KEY)",
        )
    })?;
    Ok((chain, key))
}

/// A certificate with its key, ready to be shown. One of version 1 is shown as it is.
///
/// # Errors
/// They do not belong together, or the key is of a kind that is not spoken.
pub(super) fn certified(
    (chain, key): Identity,
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, Unfit> {
    let signing = provider.key_provider.load_private_key(key);
    let signing = signing.map_err(|error| unfit_identity(&error))?;
    let public = signing
        .public_key()
        .map(SubjectPublicKeyInfoDer::into_owned);
    let old = version_one::key(&chain[0]);
    let certified = CertifiedKey::new(chain, signing);
    let fits = match (old, public) {
        (Some(old), Some(public)) if old != public => Err(InconsistentKeys::KeyMismatch.into()),
        (Some(_), _) => Ok(()),
        (None, _) => certified.keys_match(),
    };
    match fits {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(Arc::new(SingleCertAndKey::from(certified)))
        }
        Err(error) => Err(unfit_identity(&error)),
    }
}

fn certificates(text: &str, part: TlsPart) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| unfit(part, format!("is no PEM: {error}")))?;
    if found.is_empty() {
        return Err(unfit(part, "has no certificate (BEGIN CERTIFICATE)"));
    }
    Ok(found)
}

/// Whose signatures are trusted, and their certificates as they are written.
pub(super) struct Roots {
    pub(super) store: Arc<RootCertStore>,
    pub(super) written: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Those that certificates of version 1 are taken from; `None` unless a file names them. Those whom the
    /// system trusts make none.
    pub(super) fn signers(
        &self,
        authorities: &Authorities,
        lists: &[CertificateRevocationListDer<'_>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Signers> {
        let is_named = matches!(authorities, Authorities::Pem(_));
        is_named.then(|| Signers::new(&self.written, lists, algorithms))
    }
}

/// # Errors
/// There is no certificate that could be one of an authority.
pub(super) fn roots(authorities: &Authorities) -> Result<Roots, Unfit> {
    let part = TlsPart::Authorities;
    let written = match authorities {
        Authorities::None => Vec::new(),
        Authorities::System => rustls_native_certs::load_native_certs().certs,
        Authorities::Pem(text) => certificates(text, part)?,
    };
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(written.iter().cloned());
    if good == 0 && *authorities != Authorities::None {
        let message = match authorities {
            Authorities::System => {
                "is system, and the system trusts nobody; install ca-certificates"
            }
            Authorities::Pem(_) | Authorities::None => "has no certificate that can be read",
        };
        return Err(unfit(part, message));
    }
    Ok(Roots {
        store: Arc::new(store),
        written,
    })
}

/// # Errors
/// The text is no PEM, or has no list.
pub(super) fn revoked(tls: &Tls) -> Result<Vec<CertificateRevocationListDer<'static>>, Unfit> {
    let Some(text) = &tls.revoked else {
        return Ok(Vec::new());
    };
    let part = TlsPart::Revoked;
    let lists: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(text.as_bytes()).collect();
    let lists = lists.map_err(|error| unfit(part, format!("is no PEM: {error}")))?;
    if lists.is_empty() {
        return Err(unfit(
            part,
            "has no list of revoked certificates (BEGIN X509 CRL)",
        ));
    }
    Ok(lists)
}

/// The versions that are spoken.
pub(super) fn versions(tls: &Tls) -> &'static [&'static SupportedProtocolVersion] {
    static V12: &[&SupportedProtocolVersion] = &[&TLS12];
    static V13: &[&SupportedProtocolVersion] = &[&TLS13];
    static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
    match tls.versions {
        (TlsVersion::V12, TlsVersion::V12) => V12,
        (TlsVersion::V13, TlsVersion::V13) => V13,
        _ => BOTH,
    }
}

/// The algorithms that are spoken.
///
/// # Errors
/// One that is named is not among those that are safe.
pub(super) fn provider(tls: &Tls) -> Result<Arc<CryptoProvider>, Unfit> {
    let mut provider = ring::default_provider();
    let all = std::mem::take(&mut provider.cipher_suites);
    let is_13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    for (names, part, of_13) in [
        (&tls.ciphers13, TlsPart::Ciphers13, true),
        (&tls.ciphers, TlsPart::Ciphers, false),
    ] {
        let known: Vec<_> = all.iter().filter(|suite| is_13(suite) == of_13).collect();
        match names {
            None => provider.cipher_suites.extend(known),
            Some(names) => {
                for name in names {
                    let found = known
                        .iter()
                        .find(|suite| suite_name(suite.suite()) == *name);
                    let found = found.ok_or_else(|| {
                        let names: Vec<_> = known.iter().map(|s| suite_name(s.suite())).collect();
                        unknown(part, name, &names)
                    })?;
                    provider.cipher_suites.push(**found);
                }
            }
        }
    }
    if let Some(names) = &tls.groups {
        let all = std::mem::take(&mut provider.kx_groups);
        for name in names {
            let found = all
                .iter()
                .find(|group| group_names(**group).contains(&name.as_str()));
            let found = found.ok_or_else(|| {
                let names: Vec<_> = all
                    .iter()
                    .map(|group| group_names(*group)[0].to_owned())
                    .collect();
                unknown(TlsPart::Groups, name, &names)
            })?;
            provider.kx_groups.push(*found);
        }
    }
    Ok(Arc::new(provider))
}

fn unknown(part: TlsPart, name: &str, known: &[String]) -> Unfit {
    let name = name.escape_debug();
    let what = match part {
        // In PgBouncer's words, which its log is searched for.
        TlsPart::Ciphers13 => {
            format!("failed to set the TLSv1.3 cipher suites: {name} is not spoken")
        }
        _ => format!("names {name}, which is not spoken"),
    };
    unfit(part, format!("{what}; these are: {}", known.join(", ")))
}

/// The name that OpenSSL has for a suite.
pub(super) fn suite_name(suite: CipherSuite) -> String {
    let Some(name) = suite.as_str() else {
        return format!("{suite:?}");
    };
    if let Some(name) = name.strip_prefix("TLS13_") {
        return format!("TLS_{name}");
    }
    let name = name.trim_start_matches("TLS_").replace("_WITH_", "-");
    let name = name
        .replace("AES_128", "AES128")
        .replace("AES_256", "AES256");
    // The digest of this one goes without saying.
    let name = name.replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305");
    name.replace('_', "-")
}

/// The names of a group: OpenSSL's first.
fn group_names(group: &dyn SupportedKxGroup) -> &'static [&'static str] {
    use tokio_rustls::rustls::NamedGroup;
    match group.name() {
        NamedGroup::X25519 => &["X25519", "x25519"],
        NamedGroup::secp256r1 => &["prime256v1", "secp256r1", "P-256"],
        NamedGroup::secp384r1 => &["secp384r1", "P-384"],
        _ => &["?"],
    }
}
