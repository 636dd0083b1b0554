//! Certificates as authorities of tests make them, looked at as handshakes do, and handshakes.

use std::sync::Arc;
use std::time::Duration;

use pgweir_config::{Authorities, Pem, Tls, TlsMode, TlsVersion};
use pgweir_e2e::{Authority, Fault, Identity, as_version_one, self_signed};
use rcgen::{KeyPair, SigningKey};
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, Error, ServerConfig,
    ServerConnection,
};
use x509_cert::certificate::Version;
use x509_cert::crl::{CertificateList, TbsCertList};
use x509_cert::der::asn1::{BitString, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;

use super::super::client_trust::ClientTrust;
use super::super::trust::Trust;
use super::super::{clients, servers};
use super::{Leaf, Signers};

const HOST: &str = "db.test";

/// A day on which certificates are good.
const TODAY: u64 = 1_767_225_600;

fn tls(mode: TlsMode, authorities: &str) -> Tls {
    Tls {
        mode,
        identity: None,
        authorities: Authorities::Pem(authorities.to_owned()),
        revoked: None,
        versions: (TlsVersion::V12, TlsVersion::V13),
        ciphers: None,
        ciphers13: None,
        groups: None,
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// What both sides say of a leaf; they have to agree.
fn judged_with(tls: &Tls, leaf: &[u8], others: &[&str], seconds: u64) -> Result<(), Error> {
    let provider = Arc::new(ring::default_provider());
    let leaf = CertificateDer::from(leaf.to_vec());
    let others: Vec<_> = others.iter().map(|pem| der(pem)).collect();
    let host = ServerName::try_from(HOST).unwrap();
    let server = Trust::new(tls, provider.clone()).unwrap();
    let server = server.verify_server_cert(&leaf, &others, &host, &[], at(seconds));
    let client = ClientTrust::verifier(tls, &provider).unwrap();
    let client = client.verify_client_cert(&leaf, &others, at(seconds));
    assert_eq!(server.is_ok(), client.is_ok(), "{server:?} {client:?}");
    server.map(|_| ())
}

/// The same of one that a file of an authority is for, whatever its name.
fn judged(authority: &Authority, leaf: &str) -> Result<(), Error> {
    let tls = tls(TlsMode::VerifyCa, &authority.certificate());
    judged_with(&tls, &der(leaf), &[], TODAY)
}

#[track_caller]
fn check_refused(judged: Result<(), Error>, is_it: fn(&CertificateError) -> bool) {
    match judged {
        Err(Error::InvalidCertificate(error)) if is_it(&error) => {}
        judged => panic!("{judged:?}"),
    }
}

#[test]
fn a_leaf_of_version_1_is_good_if_an_authority_of_the_file_signed_it() {
    let authority = Authority::new();
    let leaf = authority.sign_version_one("kim", Fault::None).certificate;
    judged(&authority, &leaf).unwrap();
    // The peer may send the authority along.
    let tls_ca = tls(TlsMode::VerifyCa, &authority.certificate());
    judged_with(&tls_ca, &der(&leaf), &[&authority.certificate()], TODAY).unwrap();
    // An authority of version 1 is one if the file has it.
    let root = authority.sign_changed(&authority.certificate(), as_version_one);
    judged_with(&tls(TlsMode::VerifyCa, &root), &der(&leaf), &[], TODAY).unwrap();
    // Who signed itself stands for itself.
    judged_with(&tls(TlsMode::VerifyCa, &root), &der(&root), &[], TODAY).unwrap();
}

#[test]
fn whoever_else_signed_it_is_no_authority() {
    let authority = Authority::new();
    let leaf = authority.sign_version_one("kim", Fault::None).certificate;
    // One of the same name, and one of another.
    check_refused(judged(&Authority::new(), &leaf), |error| {
        matches!(error, CertificateError::BadSignature)
    });
    let is_unknown = |error: &CertificateError| matches!(error, CertificateError::UnknownIssuer);
    check_refused(judged(&Authority::named("another"), &leaf), is_unknown);
    // A leaf in the file is none, neither is a host's certificate of version 1 that somebody signed.
    let host = authority.sign("authority of tests", &[HOST], Fault::None);
    let tls_host = tls(TlsMode::VerifyCa, &host.certificate);
    check_refused(judged_with(&tls_host, &der(&leaf), &[], TODAY), is_unknown);
    let tls_leaf = tls(TlsMode::VerifyCa, &leaf);
    check_refused(judged_with(&tls_leaf, &der(&leaf), &[], TODAY), is_unknown);
    // Whom the system trusts makes certificates of version 3.
    let system = Tls {
        authorities: Authorities::System,
        ..tls(TlsMode::VerifyCa, "")
    };
    if let Ok(trust) = Trust::new(&system, Arc::new(ring::default_provider())) {
        let host = ServerName::try_from(HOST).unwrap();
        let judged = trust.verify_server_cert(&der(&leaf), &[], &host, &[], at(TODAY));
        check_refused(judged.map(|_| ()), |error| {
            matches!(error, CertificateError::Other(_))
        });
    }
}

#[test]
fn below_an_authority_nobody_signs() {
    let root = Authority::named("root");
    let between = Authority::named("between");
    // Authorities of both versions below the root; the leaves are of both, too.
    let of_1 = root.sign_changed(&between.certificate(), as_version_one);
    let of_3 = root.sign_changed(&between.certificate(), |_| {});
    let old = between.sign_version_one("kim", Fault::None).certificate;
    let new = between.sign("kim", &[HOST], Fault::None).certificate;
    let tls = tls(TlsMode::VerifyCa, &root.certificate());
    judged_with(&tls, &der(&new), &[&of_3], TODAY).unwrap();
    for (leaf, signer) in [(&old, &of_1), (&old, &of_3), (&new, &of_1)] {
        judged_with(&tls, &der(leaf), &[signer], TODAY).unwrap_err();
    }
}

#[test]
fn it_is_good_in_its_time_and_unless_it_was_revoked() {
    let authority = Authority::new();
    let leaf = authority.sign_version_one("kim", Fault::None).certificate;
    let expired = authority
        .sign_version_one("kim", Fault::Expired)
        .certificate;
    let revoked = authority
        .sign_version_one("kim", Fault::Revoked)
        .certificate;
    let mut tls = tls(TlsMode::VerifyCa, &authority.certificate());
    check_refused(judged_with(&tls, &der(&expired), &[], TODAY), |error| {
        matches!(error, CertificateError::ExpiredContext { .. })
    });
    const YEAR_2019: u64 = 1_546_300_800;
    check_refused(judged_with(&tls, &der(&leaf), &[], YEAR_2019), |error| {
        matches!(error, CertificateError::NotValidYetContext { .. })
    });
    judged_with(&tls, &der(&revoked), &[], TODAY).unwrap();
    tls.revoked = Some(authority.revoked());
    judged_with(&tls, &der(&leaf), &[], TODAY).unwrap();
    check_refused(judged_with(&tls, &der(&revoked), &[], TODAY), |error| {
        matches!(error, CertificateError::Revoked)
    });
    // The list of another authority says nothing, be it called the same.
    tls.revoked = Some(Authority::new().revoked());
    check_refused(judged_with(&tls, &der(&leaf), &[], TODAY), |error| {
        matches!(error, CertificateError::UnknownRevocationStatus)
    });
}

/// An authority's list with something else in it.
fn list(
    authority: &Authority,
    change: impl FnOnce(&mut TbsCertList),
) -> CertificateRevocationListDer<'static> {
    let written = authority.revoked();
    let written = CertificateRevocationListDer::from_pem_slice(written.as_bytes()).unwrap();
    let mut list = CertificateList::from_der(&written).unwrap();
    change(&mut list.tbs_cert_list);
    let key = KeyPair::from_pem(&authority.key()).unwrap();
    let signature = key.sign(&list.tbs_cert_list.to_der().unwrap()).unwrap();
    list.signature = BitString::from_bytes(&signature).unwrap();
    list.to_der().unwrap().into()
}

#[test]
fn lists_that_do_not_tell_all_say_nothing() {
    let authority = Authority::new();
    let leaf = der(&authority.sign_version_one("kim", Fault::None).certificate);
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let judged = |lists: &[CertificateRevocationListDer<'_>]| {
        let roots = [der(&authority.certificate())];
        let signers = Signers::new(&roots, lists, algorithms);
        signers.verify(&Leaf::new(&leaf).unwrap(), at(TODAY))
    };
    let all = || list(&authority, |_| {});
    let part = list(&authority, |list| {
        // An `issuingDistributionPoint` with certificates of users only.
        list.crl_extensions.get_or_insert_default().push(Extension {
            extn_id: ObjectIdentifier::new_unwrap("2.5.29.28"),
            critical: true,
            extn_value: OctetString::new([0x30, 3, 0x81, 1, 0xff]).unwrap(),
        });
    });
    let garbage = CertificateRevocationListDer::from(vec![0x30, 0]);
    assert!(judged(&[all()]).is_ok());
    // Somebody else's beside it says nothing of this authority.
    assert!(judged(&[all(), list(&Authority::named("another"), |_| {})]).is_ok());
    for lists in [
        &[all(), part.clone()][..],
        &[part, all()],
        &[all(), garbage],
        &[list(&Authority::new(), |_| {})],
    ] {
        let unknown = CertificateError::UnknownRevocationStatus;
        assert_eq!(judged(lists), Err(unknown));
    }
}

#[test]
fn no_bit_of_it_may_differ() {
    let authority = Authority::new();
    let leaf = der(&authority.sign_version_one("kim", Fault::None).certificate);
    let tls = tls(TlsMode::VerifyCa, &authority.certificate());
    judged_with(&tls, &leaf, &[], TODAY).unwrap();
    for bit in 0..leaf.len() * 8 {
        let mut other = leaf.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        judged_with(&tls, &other, &[], TODAY).unwrap_err();
    }
    for len in 0..leaf.len() {
        judged_with(&tls, &leaf[..len], &[], TODAY).unwrap_err();
    }
    for more in [&[0][..], &[5, 0], &leaf] {
        judged_with(&tls, &[&leaf, more].concat(), &[], TODAY).unwrap_err();
    }
}

#[test]
fn what_later_versions_brought_is_not_passed_over() {
    let authority = Authority::new();
    let new = authority.sign("kim", &[HOST], Fault::None).certificate;
    judged(&authority, &new).unwrap();
    let extended = authority.sign_changed(&new, |tbs| tbs.version = Version::V1);
    judged(&authority, &extended).unwrap_err();
    let second = authority.sign_changed(&new, |tbs| {
        as_version_one(tbs);
        tbs.version = Version::V2;
    });
    judged(&authority, &second).unwrap_err();
    let unique = authority.sign_changed(&new, |tbs| {
        as_version_one(tbs);
        tbs.subject_unique_id = Some(tbs.subject_public_key_info.subject_public_key.clone());
    });
    judged(&authority, &unique).unwrap_err();
}

/// What verify-full says of a server's certificate.
fn full(authorities: &str, leaf: &str, host: &'static str) -> Result<(), Error> {
    let tls = tls(TlsMode::VerifyFull, authorities);
    let trust = Trust::new(&tls, Arc::new(ring::default_provider())).unwrap();
    let host = ServerName::try_from(host).unwrap();
    let judged = trust.verify_server_cert(&der(leaf), &[], &host, &[], at(TODAY));
    judged.map(|_| ())
}

#[test]
fn verify_full_takes_a_common_name_where_there_is_no_other() {
    let authority = Authority::new();
    let root = authority.certificate();
    let is_name =
        |error: &CertificateError| matches!(error, CertificateError::NotValidForNameContext { .. });
    for leaf in [
        authority.sign_version_one(HOST, Fault::None).certificate,
        authority.sign(HOST, &[], Fault::None).certificate,
    ] {
        full(&root, &leaf, HOST).unwrap();
        check_refused(full(&root, &leaf, "other.test"), is_name);
        // Another root makes it no better that the name is right.
        full(&Authority::new().certificate(), &leaf, HOST).unwrap_err();
    }
    let named = authority
        .sign(HOST, &["other.test"], Fault::None)
        .certificate;
    full(&root, &named, "other.test").unwrap();
    check_refused(full(&root, &named, HOST), is_name);
    let expired = authority.sign(HOST, &[], Fault::Expired).certificate;
    check_refused(full(&root, &expired, HOST), |error| {
        matches!(error, CertificateError::ExpiredContext { .. })
    });
    // The one that PostgreSQL's manual makes: it signed itself, and stands in the file.
    let own = self_signed(HOST, &[]).certificate;
    full(&own, &own, HOST).unwrap();
    check_refused(full(&own, &own, "other.test"), is_name);
}

fn identity(tls: Tls, Identity { certificate, key }: &Identity) -> Tls {
    Tls {
        identity: Some(Pem {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        ..tls
    }
}

/// Shakes hands, both sides in this process.
fn shake_hands(client: ClientConfig, server: ServerConfig) -> Result<(), Error> {
    let host = ServerName::try_from(HOST).unwrap();
    let client = ClientConnection::new(Arc::new(client), host).unwrap();
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    let (mut client, mut server) = (Connection::from(client), Connection::from(server));
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        pass(&mut &wire[..], &mut server)?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        pass(&mut &wire[..], &mut client)?;
    }
    Ok(())
}

fn pass(wire: &mut &[u8], to: &mut Connection) -> Result<(), Error> {
    while !wire.is_empty() {
        to.read_tls(wire).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn handshakes_of_both_versions_of_tls_prove_the_key() {
    let authority = Authority::new();
    let server = authority.sign_version_one(HOST, Fault::None);
    let client = authority.sign_version_one("kim", Fault::None);
    let base = tls(TlsMode::VerifyFull, &authority.certificate());
    for version in [TlsVersion::V12, TlsVersion::V13] {
        for mode in [TlsMode::Require, TlsMode::VerifyFull] {
            let base = Tls {
                versions: (version, version),
                mode,
                ..base.clone()
            };
            let client = || servers::config(&identity(base.clone(), &client)).unwrap();
            let server = || {
                clients::config(&identity(base.clone(), &server))
                    .unwrap()
                    .unwrap()
            };
            shake_hands(client(), server()).unwrap();
            // Somebody else's key makes no proof, on either side.
            let mut thief = client();
            thief.client_auth_cert_resolver = stolen(&authority);
            shake_hands(thief, server()).unwrap_err();
            let mut thief = server();
            thief.cert_resolver = stolen(&authority);
            check_refused(shake_hands(client(), thief), |error| {
                matches!(error, CertificateError::BadSignature)
            });
        }
    }
}

/// A certificate with the key of another.
fn stolen(authority: &Authority) -> Arc<SingleCertAndKey> {
    let certificate = authority.sign_version_one(HOST, Fault::None).certificate;
    let key = authority.sign_version_one(HOST, Fault::None).key;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = ring::default_provider();
    let key = provider.key_provider.load_private_key(key).unwrap();
    Arc::new(CertifiedKey::new(vec![der(&certificate)], key).into())
}

#[test]
fn ones_own_key_has_to_fit() {
    let authority = Authority::new();
    let one = authority.sign_version_one(HOST, Fault::None);
    let other = authority.sign_version_one(HOST, Fault::None);
    let base = || tls(TlsMode::Require, &authority.certificate());
    assert!(clients::config(&identity(base(), &one)).is_ok());
    let mixed = Identity {
        key: other.key,
        ..one
    };
    let unfit = servers::config(&identity(base(), &mixed)).unwrap_err();
    assert_eq!(unfit.message, "does not fit the certificate");
}
