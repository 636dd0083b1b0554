//! Certificates of version 1 of X.509, and those whose host stands in the common name alone.

use pgweir_e2e::{
    Authority, Client, Config, Fault, Identity, Message, Pooler, Postgres, as_version_one,
    eventually, psql_with, self_signed, shared, write,
};
use pgweir_wire::backend::NOTICE_RESPONSE as NOTICE;

/// The file of an authority in a folder.
fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    write(folder.path(), name, text).display().to_string()
}

#[test]
fn a_postgresql_with_an_old_certificate_is_trusted_by_who_signed_it() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let (authority, other) = (Authority::new(), Authority::named("another"));
    let folder = tempfile::tempdir().unwrap();
    let root = &*file(&folder, "root.crt", &authority.certificate());
    let another = &*file(&folder, "another.crt", &other.certificate());
    let list = &*file(&folder, "revoked.crl", &authority.revoked());
    let host = "127.0.0.1";
    let named = authority.sign_version_one(host, Fault::None);
    let revoked = authority.sign_version_one(host, Fault::Revoked);
    let expired = authority.sign_version_one(host, Fault::Expired);
    let elsewhere = authority.sign_version_one("elsewhere.example", Fault::None);
    let by_common_name = authority.sign(host, &[], Fault::None);
    let by_another_name = authority.sign(host, &["elsewhere.example"], Fault::None);
    let own = self_signed(host, &[]);
    let own_root = &*file(&folder, "own.crt", &own.certificate);
    // The certificate of PostgreSQL, the file of authorities, the mode, and why it is refused.
    let cases: [(&Identity, &str, &str, Option<&str>); 13] = [
        (&named, root, "verify-full", None),
        (&named, root, "require", None),
        (&named, another, "require", None),
        (&named, another, "verify-ca", Some("UnknownIssuer")),
        (
            &named,
            "system",
            "verify-ca",
            Some("UnsupportedCertVersion"),
        ),
        (&elsewhere, root, "verify-ca", None),
        (&elsewhere, root, "verify-full", Some("not valid for")),
        (&expired, root, "verify-ca", Some("certificate expired")),
        (&revoked, root, "verify-ca", Some("Revoked")),
        (&by_common_name, root, "verify-full", None),
        (
            &by_common_name,
            another,
            "verify-full",
            Some("UnknownIssuer"),
        ),
        (&by_another_name, root, "verify-full", Some("not valid for")),
        (&own, own_root, "verify-full", None),
    ];
    for (identity, roots, mode, why) in cases {
        postgres.speak_tls(Some(identity), None);
        let config = role
            .config()
            .set("server_tls_sslmode", mode)
            .set("server_tls_ca_file", roots);
        let config = match roots == root {
            true => config.set("server_tls_crl_file", list),
            false => config,
        };
        let pooler = Pooler::start(&config);
        let client = Client::try_log_in(&role.through(&pooler), &[]);
        assert_eq!(client.is_ok(), why.is_none(), "{mode}: {}", pooler.log());
        match client {
            Ok(mut client) => {
                let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
                assert_eq!(client.value(query), "t");
            }
            Err(_) => eventually("the log says why", || {
                why.filter(|why| pooler.log().contains(why)).map(|_| ())
            }),
        }
    }
}

#[test]
fn both_sides_show_old_certificates_as_they_are() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let root = file(&folder, "root.crt", &authority.certificate());
    let certificate = |name: &str, fault| {
        let identity = authority.sign_version_one(name, fault);
        let (certificate, key) = identity.write(folder.path(), &format!("{name} {fault:?}"));
        (certificate.display().to_string(), key.display().to_string())
    };
    let server = authority.sign_version_one("localhost", Fault::None);
    postgres.speak_tls(Some(&server), Some(&authority.certificate()));
    let pooler = certificate("localhost", Fault::None);
    let own = certificate(&role.name, Fault::None);
    let config = role
        .config()
        .set("auth_type", "cert")
        .set("client_tls_sslmode", "verify-full")
        .set("client_tls_ca_file", &root)
        .set("client_tls_cert_file", &pooler.0)
        .set("client_tls_key_file", &pooler.1)
        .set("server_tls_sslmode", "require")
        .set("server_tls_cert_file", &own.0)
        .set("server_tls_key_file", &own.1);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler).host("localhost").password("none");
    let ask = |identity: &(String, String), version: &str, query: &str| {
        let variables = [
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &*root),
            ("PGSSLCERT", &*identity.0),
            ("PGSSLKEY", &*identity.1),
            ("PGSSLMINPROTOCOLVERSION", version),
            ("PGSSLMAXPROTOCOLVERSION", version),
        ];
        psql_with(&target, &variables, query)
    };
    for version in ["TLSv1.2", "TLSv1.3"] {
        // PostgreSQL sees whom the pooler's certificate names.
        let query = "select client_dn from pg_stat_ssl where pid = pg_backend_pid()";
        let output = ask(&own, version, query);
        assert_eq!(output.out, format!("/CN={}", role.name), "{}", output.err);
        let expired = certificate(&role.name, Fault::Expired);
        assert!(!ask(&expired, version, "select 1").success);
        let nobody = certificate("nobody", Fault::None);
        let output = ask(&nobody, version, "select 1");
        assert!(
            output.err.contains("certificate authentication failed"),
            "{}",
            output.err
        );
    }
}

#[test]
fn an_authority_of_version_1_is_one_in_the_file_alone() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let (root, between) = (Authority::named("root"), Authority::named("between"));
    let old_root = root.sign_changed(&root.certificate(), as_version_one);
    let old_between = root.sign_changed(&between.certificate(), as_version_one);
    let folder = tempfile::tempdir().unwrap();
    let trusted = file(&folder, "root.crt", &old_root);
    let direct = root.sign_version_one("leaf", Fault::None);
    let leaf = between.sign_version_one("leaf", Fault::None);
    let chain = Identity {
        certificate: leaf.certificate + &old_between,
        key: leaf.key,
    };
    for (identity, is_trusted) in [(direct, true), (chain, false)] {
        postgres.speak_tls(Some(&identity), None);
        let config = role
            .config()
            .set("server_tls_sslmode", "verify-ca")
            .set("server_tls_ca_file", &trusted);
        let pooler = Pooler::start(&config);
        let client = Client::try_log_in(&role.through(&pooler), &[]);
        assert_eq!(client.is_ok(), is_trusted, "{}", pooler.log());
    }
}

#[test]
fn key_and_certificate_are_set_one_after_the_other() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let sides = ["one", "two"].map(|name| {
        let authority = Authority::named(name);
        let root = file(&folder, &format!("{name}.root"), &authority.certificate());
        let identity = authority.sign_version_one("localhost", Fault::None);
        let (certificate, key) = identity.write(folder.path(), name);
        (root, certificate, key)
    });
    let config: Config = role.config().set("admin_users", &role.name);
    let pooler = Pooler::start(&config);
    let mut console = Client::log_in(&role.through(&pooler).database("pgbouncer"));
    let mut set = |name: &str, value: &str| {
        let answer = console.query(&format!("set {name} = '{value}'")).success();
        let notice = answer
            .messages
            .iter()
            .find(|message| message.kind == NOTICE);
        notice.map(Message::text).unwrap_or_default()
    };
    let connects = |root: &str| {
        let target = role.through(&pooler).host("localhost");
        let variables = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", root)];
        psql_with(&target, &variables, "select 1").success
    };
    let unfit = "TLS settings could not be applied, still using old configuration: \
                 SET: client_tls_key_file";
    for (at, (root, certificate, key)) in sides.iter().enumerate() {
        let notice = set("client_tls_key_file", &key.display().to_string());
        // Without TLS nothing has to fit yet.
        assert_eq!(notice.starts_with(unfit), at > 0, "{notice}");
        if at > 0 {
            assert!(connects(&sides[0].0), "{}", pooler.log());
        }
        let notice = set("client_tls_cert_file", &certificate.display().to_string());
        assert_eq!(notice, "");
        assert_eq!(set("client_tls_sslmode", "require"), "");
        for (other, (other_root, ..)) in sides.iter().enumerate() {
            assert_eq!(connects(other_root), at == other, "{}", pooler.log());
        }
        assert!(connects(root));
    }
    // What cannot be read is refused at once.
    let answer = console.query("set client_tls_sslmode = 'perhaps'");
    assert_eq!(answer.error().text(), "SET failed");
}
