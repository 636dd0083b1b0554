//! TLS of both sides, from files and from URLs.

use std::path::Path;

use super::{OUTSIDE, REST, check_problems, lines, read, read_env};
use crate::resolve_all;
use crate::{Authorities, ChannelBinding, Negotiation, ServerTls, TlsMode, TlsVersion};

fn of_url(parameters: &str) -> ServerTls {
    let url = format!("postgres://u:p@h/d?{parameters}");
    let config = read_env(&[("DATABASE_URL", &url)]).unwrap().config;
    (*config.databases["d"].tls).clone()
}

#[test]
fn a_url_says_how_postgresql_is_spoken_to() {
    use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
    for (parameters, mode) in [
        ("", Prefer),
        ("sslmode=disable", Disable),
        ("sslmode=prefer&gssencmode=disable", Prefer),
        ("sslmode=require", Require),
        // As libpq has it: who names an authority means to ask it.
        ("sslmode=require&sslrootcert=bob.secret", VerifyCa),
        ("sslmode=verify-full&sslrootcert=system", VerifyFull),
        ("sslrootcert=system", VerifyFull),
        // Prisma's words.
        ("sslmode=require&sslaccept=accept_invalid_certs", Require),
        ("sslmode=require&sslaccept=strict", VerifyFull),
    ] {
        // Files are looked for in the folder that the process runs in, where tests have none.
        let parameters = parameters.replace("bob.secret", "conf/bob.secret");
        assert_eq!(of_url(&parameters).tls.mode, mode, "{parameters}");
    }
    let tls = of_url("sslmode=verify-full&ssl_min_protocol_version=TLSv1.3");
    assert_eq!(tls.tls.versions, (TlsVersion::V13, TlsVersion::V13));
    assert!(tls.tls.authorities == Authorities::System);
    let tls = of_url("sslmode=require&sslnegotiation=direct&channel_binding=require");
    assert_eq!(tls.negotiation, Negotiation::Direct);
    assert_eq!(tls.channel_binding, ChannelBinding::Require);
    // Prisma's sslcert is an authority's; libpq's is one's own, and comes with a key.
    let tls = of_url("sslmode=require&sslaccept=strict&sslcert=conf/bob.secret");
    assert!(matches!(tls.tls.authorities, Authorities::Pem(_)));
    let tls = of_url("sslmode=require&sslcert=conf/cert.pem&sslkey=conf/key.pem");
    assert!(tls.tls.identity.is_some());
}

#[test]
fn a_database_may_differ_from_the_others() {
    let text = format!(
        "[pgweir]\nserver_tls_sslmode = \"verify-full\"\nserver_tls_ca_file = \"bob.secret\"\n\
         [databases.local]\nserver_tls_sslmode = \"disable\"\n\
         [databases.own]\nserver_tls_ca_file = \"cert.pem\"{REST}"
    );
    let config = read(&text).unwrap().config;
    let tls = |name: &str| config.databases[name].tls.tls.clone();
    assert_eq!(tls("app").mode, TlsMode::VerifyFull);
    assert_eq!(tls("local").mode, TlsMode::Disable);
    assert_eq!(tls("own").mode, TlsMode::VerifyFull);
    assert!(tls("own").authorities == Authorities::Pem("certificate".to_owned()));
    assert!(tls("app").authorities == Authorities::Pem("from a file\n".to_owned()));
}

#[test]
fn lists_and_words_are_read_as_pgbouncer_reads_them() {
    let versions = |text: &str| {
        let text = format!("[pgweir]\nserver_tls_protocols = \"{text}\"{REST}");
        read(&text).unwrap().config.databases["app"]
            .tls
            .tls
            .versions
    };
    let (old, new) = (TlsVersion::V12, TlsVersion::V13);
    for (text, expected) in [
        ("secure", (old, new)),
        ("all", (old, new)),
        ("tlsv1.2,tlsv1.3", (old, new)),
        ("tlsv1.2", (old, old)),
        ("TLSv1.3", (new, new)),
    ] {
        assert_eq!(versions(text), expected, "{text}");
    }
    for (text, names) in [("default", None), ("fast", None), ("A:B", Some(2))] {
        let text = format!("[pgweir]\nserver_tls_ciphers = \"{text}\"{REST}");
        let config = read(&text).unwrap().config;
        let ciphers = config.databases["app"].tls.tls.ciphers.as_ref();
        assert_eq!(ciphers.map(Vec::len), names, "{text}");
    }
}

#[test]
fn half_an_identity_is_no_mistake_while_there_is_no_tls() {
    for half in ["cert_file = \"cert.pem\"", "key_file = \"key.pem\""] {
        let text = format!(
            "[pgweir]\nclient_tls_{half}\nserver_tls_{half}\nserver_tls_sslmode = \"disable\"{REST}"
        );
        let config = read(&text).unwrap().config;
        assert!(config.client_tls.identity.is_none());
        assert!(config.databases["app"].tls.tls.identity.is_none());
    }
}

#[test]
fn an_ini_may_name_versions_that_are_not_spoken_beside_others() {
    let of = |list: &str| {
        let text = format!("[pgbouncer]\nserver_tls_protocols = {list}\n[databases]\napp =\n");
        let (raw, problems) = crate::ini::read(Path::new("conf/p.ini"), &text, &OUTSIDE);
        resolve_all(&raw, problems, &OUTSIDE)
    };
    let resolved = of("tlsv1.1,tlsv1.2").unwrap();
    let versions = resolved.config.databases["app"].tls.tls.versions;
    assert_eq!(versions, (TlsVersion::V12, TlsVersion::V12));
    let warnings = lines(&resolved.warnings);
    let about = warnings.iter().filter(|line| line.contains("protocols"));
    assert_eq!(
        about.collect::<Vec<_>>(),
        [
            "p.ini:2: server_tls_protocols = tlsv1.1,tlsv1.2: tlsv1.1 is not safe and not spoken; the \
          other versions of the list are"
        ]
    );
    check_problems(
        of("tlsv1.0"),
        &[
            "p.ini:2: server_tls_protocols = tlsv1.0: names a version that is not safe and not \
           spoken; tlsv1.2 and tlsv1.3 are",
        ],
    );
}

#[test]
fn what_cannot_be_is_said_once_with_its_setting() {
    for (settings, problem) in [
        (
            "client_tls_sslmode = \"require\"",
            "pgweir.toml:2: client_tls_sslmode = require: needs client_tls_cert_file and \
             client_tls_key_file beside it",
        ),
        (
            "client_tls_sslmode = \"allow\"\nclient_tls_cert_file = \"cert.pem\"",
            "pgweir.toml:3: client_tls_cert_file = cert.pem: needs client_tls_key_file beside it",
        ),
        (
            "server_tls_key_file = \"key.pem\"",
            "pgweir.toml:2: server_tls_key_file = key.pem: needs server_tls_cert_file beside it",
        ),
        (
            "server_tls_ca_file = \"nowhere.pem\"",
            "pgweir.toml:2: server_tls_ca_file = nowhere.pem: cannot be read: entity not found",
        ),
        (
            "server_tls_protocols = \"tlsv1.1\"",
            "pgweir.toml:2: server_tls_protocols = tlsv1.1: names a version that is not safe and \
             not spoken; tlsv1.2 and tlsv1.3 are",
        ),
        (
            "server_tls_ciphers = \"RC4:A\"",
            "pgweir.toml:2: server_tls_ciphers = RC4:A: names RC4, which is not spoken",
        ),
        (
            "server_tls_negotiation = \"direct\"",
            "pgweir.toml:2: server_tls_negotiation = direct: direct needs server_tls_sslmode = \
             require, verify-ca or verify-full",
        ),
        (
            "server_channel_binding = \"require\"",
            "pgweir.toml:2: server_channel_binding = require: require needs server_tls_sslmode = \
             require, verify-ca or verify-full",
        ),
    ] {
        let text = format!("[pgweir]\n{settings}\n[databases.b]\npool_size = 1{REST}");
        check_problems(read(&text), &[problem]);
    }
    let text = format!(
        "[pgweir]\nclient_tls_sslmode = \"verify-full\"\n\
         client_tls_cert_file = \"cert.pem\"\nclient_tls_key_file = \"bob.secret\"{REST}"
    );
    check_problems(
        read(&text),
        &[
            "pgweir.toml:2: client_tls_sslmode = verify-full: needs client_tls_ca_file beside it",
            "pgweir.toml:4: client_tls_key_file = bob.secret: does not fit",
        ],
    );
}
