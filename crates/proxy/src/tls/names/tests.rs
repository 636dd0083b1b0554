use pgweir_e2e::{Authority, Fault};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::{fits, is_for};

#[test]
fn a_star_stands_for_one_label() {
    for (pattern, host, expected) in [
        ("db.test", "db.test", true),
        ("DB.Test", "db.tEST", true),
        ("db.test", "db.test.evil", false),
        ("test", "db.test", false),
        ("*.test", "db.test", true),
        ("*.TEST", "db.test", true),
        ("*.test", "a.db.test", false),
        ("*.test", "test", false),
        ("*.test", ".test", false),
        ("*", "db.test", false),
        ("*.", "db.", false),
        ("d*.test", "db.test", false),
        ("*.*.test", "a.db.test", false),
        ("a.*.test", "a.db.test", false),
        ("", "db.test", false),
    ] {
        assert_eq!(is_for(pattern, host), expected, "{pattern} {host}");
    }
}

#[test]
fn common_names_count_where_there_is_no_name_of_dns() {
    let authority = Authority::new();
    for (name, alternatives, host, expected) in [
        ("db.test", &[][..], "db.test", true),
        ("*.test", &[], "db.test", true),
        ("db.test", &[], "other.test", false),
        ("db.test", &["other.test"], "db.test", false),
        ("db.test", &["10.0.0.1"], "db.test", true),
        ("db.test\0.evil", &[], "db.test", false),
        // Addresses.
        ("10.0.0.1", &[], "10.0.0.1", true),
        ("10.0.0.1", &[], "10.0.0.2", false),
        ("::1", &[], "0:0:0:0:0:0:0:1", true),
        ("*.0.0.1", &[], "10.0.0.1", false),
        ("10.0.0.1", &["10.0.0.2"], "10.0.0.1", false),
        ("10.0.0.1", &["db.test"], "10.0.0.1", false),
    ] {
        let leaf = authority.sign(name, alternatives, Fault::None).certificate;
        let der = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
        let host = ServerName::try_from(host).unwrap();
        assert_eq!(
            fits(&der, &host),
            expected,
            "{name:?} {alternatives:?} {host:?}"
        );
    }
    let leaf = authority.sign("10.0.0.1", &[], Fault::None).certificate;
    let der = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let host = ServerName::try_from("10.0.0.1").unwrap();
    for garbage in [&der[..der.len() - 1], &[&der[..], &[0]].concat()] {
        assert!(!fits(garbage, &host));
    }
}
