//! An authority that signs certificates, and what it has revoked.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, SigningKey, date_time_ymd,
};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::BitString;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode, Encode, EncodePem};
use x509_cert::{Certificate, TbsCertificate};

/// A certificate and its key, as texts in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// What is wrong with a certificate, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is no longer good.
    Expired,
    /// The authority has revoked it.
    Revoked,
}

/// See the module's description.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The number of certificates that are revoked; others have a random one.
const REVOKED: u64 = 666;

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If no certificate can be made.
    pub fn new() -> Self {
        Self::named("authority of tests")
    }

    /// A new one of this name.
    ///
    /// # Panics
    /// If no certificate can be made.
    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("it can be made");
        Self { issuer }
    }

    /// Its own certificate in PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Its own key in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for these hosts, or in the name of a user.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn sign(&self, name: &str, hosts: &[&str], fault: Fault) -> Identity {
        let key = key();
        let certificate = params(name, hosts, fault)
            .signed_by(&key, &self.issuer)
            .expect("it can be made");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate of version 1, which has nothing but a common name, as `openssl x509 -req` makes it from
    /// a request without extensions.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn sign_version_one(&self, name: &str, fault: Fault) -> Identity {
        let Identity { certificate, key } = self.sign(name, &[], fault);
        let certificate = self.sign_changed(&certificate, as_version_one);
        Identity { certificate, key }
    }

    /// Signs a certificate anew, with something else in it.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn sign_changed(
        &self,
        certificate: &str,
        change: impl FnOnce(&mut TbsCertificate),
    ) -> String {
        let parsed = |pem: &str| {
            let (_, der) = x509_cert::der::pem::decode_vec(pem.as_bytes()).expect("it is PEM");
            Certificate::from_der(&der).expect("it is a certificate")
        };
        let mut signed = parsed(certificate);
        let tbs = &mut signed.tbs_certificate;
        tbs.issuer = parsed(&self.certificate()).tbs_certificate.subject;
        change(tbs);
        let text = tbs.to_der().expect("it can be written");
        let signature = self.issuer.key().sign(&text).expect("it can be signed");
        signed.signature = BitString::from_bytes(&signature).expect("it is short");
        signed.to_pem(LineEnding::LF).expect("it can be written")
    }

    /// The list of what it has revoked, in PEM.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn revoked(&self) -> String {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(REVOKED),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("it can be made");
        list.pem().expect("it has a text")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate that no authority signed.
///
/// # Panics
/// If it cannot be made.
pub fn self_signed(name: &str, hosts: &[&str]) -> Identity {
    let key = key();
    let certificate = params(name, hosts, Fault::None).self_signed(&key);
    Identity {
        certificate: certificate.expect("it can be made").pem(),
        key: key.serialize_pem(),
    }
}

impl Identity {
    /// Writes it to two files of a folder that only their owner may read, who is that of the folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = write(folder, &format!("{name}.crt"), &self.certificate);
        let key = write(folder, &format!("{name}.key"), &self.key);
        (certificate, key)
    }
}

/// Writes a text to a file of a folder that only its owner may read, who is that of the folder.
///
/// # Panics
/// If it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let path = folder.join(name);
    std::fs::write(&path, text).expect("it can be written");
    let owner = std::fs::metadata(folder).expect("it is there");
    chown(&path, Some(owner.uid()), Some(owner.gid())).expect("it can be given away");
    let only_owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, only_owner).expect("it can be closed");
    path
}

/// Leaves away what later versions of X.509 brought.
pub fn as_version_one(certificate: &mut TbsCertificate) {
    certificate.version = Version::V1;
    certificate.extensions = None;
}

fn params(name: &str, hosts: &[&str], fault: Fault) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("these are names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    match fault {
        Fault::None => {}
        Fault::Expired => params.not_after = date_time_ymd(2021, 1, 1),
        Fault::Revoked => params.serial_number = Some(SerialNumber::from(REVOKED)),
    }
    params.not_before = date_time_ymd(2020, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("random bytes")
}
