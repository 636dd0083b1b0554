//! TLS towards clients and towards PostgreSQL.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use pgweir_e2e::{
    Authority, Batch, Client, Config, Fault, Identity, Pooler, Postgres, Role, eventually,
    pgbench_with, psql_with, self_signed, shared, write,
};
use pgweir_wire::startup;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
};

/// What clients of one pooler are met with.
pub(crate) struct Side {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Side {
    pub(crate) fn new() -> Self {
        let side = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new(),
        };
        let identity = side
            .authority
            .sign("pooler", &["localhost", "127.0.0.1"], Fault::None);
        identity.write(side.folder.path(), "pooler");
        write(
            side.folder.path(),
            "authority.crt",
            &side.authority.certificate(),
        );
        write(side.folder.path(), "revoked.crl", &side.authority.revoked());
        side
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A configuration with this mode towards clients.
    pub(crate) fn config(&self, role: &Role, mode: &str) -> Config {
        role.config()
            .set("auth_type", "scram-sha-256")
            .set("client_tls_sslmode", mode)
            .set("client_tls_cert_file", &self.path("pooler.crt"))
            .set("client_tls_key_file", &self.path("pooler.key"))
    }

    /// Writes a certificate for a client.
    fn client(&self, name: &str, identity: &Identity) -> (String, String) {
        let (certificate, key) = identity.write(self.folder.path(), name);
        (certificate.display().to_string(), key.display().to_string())
    }

    /// How rustls trusts it.
    pub(crate) fn trust(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.certificate();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Arc::new(config)
    }
}

pub(crate) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// A connection whose first byte is of a TLS handshake.
pub(crate) fn direct(pooler: &Pooler, config: &Arc<ClientConfig>) -> Encrypted {
    let socket = TcpStream::connect(("127.0.0.1", pooler.port())).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), socket)
}

/// What a startup packet for this role is answered with, up to the first message.
fn greet(stream: &mut Encrypted, role: &Role) -> Vec<u8> {
    let mut out = Vec::new();
    let parameters = [("user", role.name.as_str()), ("database", "app")];
    startup::encode_startup(&mut out, 0, &parameters);
    stream.write_all(&out).unwrap();
    let mut answer = vec![0; 512];
    let len = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(len);
    answer
}

#[test]
fn each_mode_lets_in_the_clients_that_it_should() {
    let side = Side::new();
    let role = shared().role();
    let other = Authority::new();
    let (good, _) = side.client("good", &side.authority.sign("good", &[], Fault::None));
    for (name, identity) in [
        (
            "expired",
            side.authority.sign("expired", &[], Fault::Expired),
        ),
        (
            "revoked",
            side.authority.sign("revoked", &[], Fault::Revoked),
        ),
        ("foreign", other.sign("foreign", &[], Fault::None)),
        ("self", self_signed("self", &[])),
    ] {
        side.client(name, &identity);
    }
    assert!(good.ends_with("good.crt"));
    let everybody = [
        "clear", "none", "good", "expired", "revoked", "foreign", "self",
    ];
    for (mode, verifies, let_in) in [
        ("disable", false, &["clear"][..]),
        ("allow", false, &everybody[..]),
        ("prefer", false, &everybody),
        ("require", false, &everybody[1..]),
        // With an authority, a certificate that is sent has to be good.
        ("prefer", true, &["clear", "none", "good"]),
        ("require", true, &["none", "good"]),
        ("verify-ca", true, &["good"]),
        ("verify-full", true, &["good"]),
    ] {
        let mut config = side.config(&role, mode);
        if verifies {
            config = config
                .set("client_tls_ca_file", &side.path("authority.crt"))
                .set("client_tls_crl_file", &side.path("revoked.crl"));
        }
        let pooler = Pooler::start(&config);
        let target = role.through(&pooler);
        for client in everybody {
            let root = side.path("authority.crt");
            let mut variables = vec![("PGSSLROOTCERT", root.as_str())];
            let (certificate, key) = (
                side.path(&format!("{client}.crt")),
                side.path(&format!("{client}.key")),
            );
            match client {
                "clear" => variables.push(("PGSSLMODE", "disable")),
                "none" => variables.push(("PGSSLMODE", "verify-full")),
                _ => variables.extend([
                    ("PGSSLMODE", "verify-full"),
                    ("PGSSLCERT", certificate.as_str()),
                    ("PGSSLKEY", key.as_str()),
                ]),
            }
            let output = psql_with(&target.clone().host("localhost"), &variables, "select 1");
            let is_in = let_in.contains(&client);
            assert_eq!(
                output.success, is_in,
                "{mode} {verifies} {client}: {}",
                output.err
            );
            if client == "clear" && !is_in {
                assert!(output.err.contains("requires TLS"), "{}", output.err);
            }
        }
    }
}

#[test]
fn postgresql_is_trusted_as_far_as_the_mode_says() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let root = write(folder.path(), "authority.crt", &authority.certificate());
    let list = write(folder.path(), "revoked.crl", &authority.revoked());
    let hosts = &["127.0.0.1"];
    let any = &["disable", "allow", "prefer"][..];
    let unverified = &["disable", "allow", "prefer", "require"][..];
    let by_authority = &["disable", "allow", "prefer", "require", "verify-ca"][..];
    let all = &[
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "verify-full",
    ][..];
    for (what, identity, let_in, message) in [
        ("no TLS", None, any, "PostgreSQL has no TLS"),
        (
            "good",
            Some(authority.sign("good", hosts, Fault::None)),
            all,
            "",
        ),
        (
            "self-signed",
            Some(self_signed("self", hosts)),
            unverified,
            "UnknownIssuer",
        ),
        (
            "expired",
            Some(authority.sign("expired", hosts, Fault::Expired)),
            unverified,
            "certificate expired",
        ),
        (
            "revoked",
            Some(authority.sign("revoked", hosts, Fault::Revoked)),
            unverified,
            "Revoked",
        ),
        (
            "wrong host",
            Some(authority.sign("wrong", &["elsewhere.example"], Fault::None)),
            by_authority,
            "not valid for",
        ),
    ] {
        postgres.speak_tls(identity.as_ref(), None);
        for mode in all {
            let config = role
                .config()
                .set("server_tls_sslmode", *mode)
                .set("server_tls_ca_file", &root.display().to_string())
                .set("server_tls_crl_file", &list.display().to_string());
            let pooler = Pooler::start(&config);
            let client = Client::try_log_in(&role.through(&pooler), &[]);
            assert_eq!(
                client.is_ok(),
                let_in.contains(mode),
                "{what} {mode}: {}",
                pooler.log()
            );
            let encrypted = match client {
                Ok(mut client) => {
                    client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
                }
                Err(_) => {
                    eventually("the log says why", || {
                        pooler.log().contains(message).then_some(())
                    });
                    continue;
                }
            };
            let is_encrypted = identity.is_some() && !["disable", "allow"].contains(mode);
            assert_eq!(
                encrypted,
                if is_encrypted { "t" } else { "f" },
                "{what} {mode}"
            );
        }
    }
}

#[test]
fn postgresql_takes_a_handshake_without_a_request_from_17_on() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let authority = Authority::new();
    postgres.speak_tls(
        Some(&authority.sign("good", &["127.0.0.1"], Fault::None)),
        None,
    );
    let folder = tempfile::tempdir().unwrap();
    let root = write(folder.path(), "authority.crt", &authority.certificate());
    let version = postgres.sql("show server_version_num").value();
    let takes_it = version.parse::<u32>().unwrap() >= 170_000;
    for mode in ["require", "verify-ca", "verify-full"] {
        let config = role
            .config()
            .set("server_tls_sslmode", mode)
            .set("server_tls_ca_file", &root.display().to_string())
            .set("server_tls_negotiation", "direct")
            .set("server_channel_binding", "require");
        let pooler = Pooler::start(&config);
        let client = Client::try_log_in(&role.through(&pooler), &[]);
        assert_eq!(
            client.is_ok(),
            takes_it,
            "{version} {mode}: {}",
            pooler.log()
        );
        if let Ok(mut client) = client {
            let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
            assert_eq!(client.value(ssl), "t");
        }
    }
}

#[test]
fn postgresql_gets_a_proof_that_is_bound_to_its_certificate() {
    let postgres = Postgres::start();
    let (role, by_md5) = (postgres.role(), postgres.role_by("by_md5", "md5"));
    // Digests of the certificate are those of its own signature: SHA-256 here.
    postgres.speak_tls(Some(&self_signed("own", &["127.0.0.1"])), None);
    for (tls, binding, role, is_in) in [
        ("require", "require", &role, true),
        ("require", "prefer", &role, true),
        ("require", "disable", &role, true),
        ("require", "prefer", &by_md5, true),
        // Nothing but SCRAM can be bound.
        ("require", "require", &by_md5, false),
    ] {
        let config = role
            .config()
            .set("server_tls_sslmode", tls)
            .set("server_channel_binding", binding);
        let pooler = Pooler::start(&config);
        let client = Client::try_log_in(&role.through(&pooler), &[]);
        assert_eq!(
            client.is_ok(),
            is_in,
            "{tls} {binding} {}: {}",
            role.name,
            pooler.log()
        );
    }
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_where_it_is_named() {
    let postgres = Postgres::start();
    let role = postgres.role();
    // PostgreSQL's manual has such certificates made, and OpenSSL makes them those of an authority.
    let authority = Authority::new();
    let own = Identity {
        certificate: authority.certificate(),
        key: authority.key(),
    };
    postgres.speak_tls(Some(&own), None);
    let folder = tempfile::tempdir().unwrap();
    let root = write(folder.path(), "own.crt", &own.certificate);
    for (file, is_trusted) in [
        (root.display().to_string(), true),
        ("system".to_owned(), false),
    ] {
        let config = role
            .config()
            .set("server_tls_sslmode", "verify-ca")
            .set("server_tls_ca_file", &file);
        let pooler = Pooler::start(&config);
        let client = Client::try_log_in(&role.through(&pooler), &[]);
        assert_eq!(client.is_ok(), is_trusted, "{file}: {}", pooler.log());
    }
}

#[test]
fn proofs_are_bound_to_the_connection_on_both_sides() {
    let postgres = Postgres::start();
    let (role, by_md5) = (postgres.role(), postgres.role_by("by_md5", "md5"));
    let side = Side::new();
    postgres.speak_tls(Some(&self_signed("own", &["127.0.0.1"])), None);
    for (binding, role, is_in) in [
        ("require", &role, true),
        ("prefer", &role, true),
        ("disable", &role, true),
        ("prefer", &by_md5, true),
        ("require", &by_md5, false),
    ] {
        let config = side
            .config(role, "require")
            .set("server_tls_sslmode", "require")
            .set("server_channel_binding", binding);
        let pooler = Pooler::start(&config);
        let target = role.through(&pooler).host("localhost");
        for (wanted, mode) in [("require", "require"), ("disable", "require")] {
            let variables = [("PGCHANNELBINDING", wanted), ("PGSSLMODE", mode)];
            let output = psql_with(&target, &variables, "select 1");
            assert_eq!(
                output.success, is_in,
                "{binding} {}: {}",
                role.name, output.err
            );
        }
        let wrong = target.password("wrong");
        let output = psql_with(&wrong, &[("PGCHANNELBINDING", "require")], "select 1");
        assert!(!output.success);
        if is_in {
            assert!(
                output.err.contains("password authentication failed"),
                "{}",
                output.err
            );
        } else {
            pooler.has_said("SCRAM-SHA-256-PLUS");
        }
    }
}

#[test]
fn a_handshake_may_come_first_if_it_names_the_protocol() {
    let side = Side::new();
    let role = shared().role();
    let pooler = Pooler::start(&side.config(&role, "require"));
    let config = side.trust();
    let mut stream = direct(&pooler, &config);
    let answer = greet(&mut stream, &role);
    assert_eq!(answer.first(), Some(&b'R'), "{answer:?}");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"postgresql"[..]));

    let mut nameless = (*config).clone();
    nameless.alpn_protocols.clear();
    let answer = greet(&mut direct(&pooler, &Arc::new(nameless)), &role);
    assert_eq!(answer.first(), Some(&b'E'), "{answer:?}");
    let mut other = (*config).clone();
    other.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = direct(&pooler, &Arc::new(other));
    assert!(
        stream
            .flush()
            .and_then(|()| stream.read(&mut [0]).map(|_| ()))
            .is_err()
    );

    // Where no TLS is spoken at all, such bytes are no packet.
    let clear = Pooler::start(&role.config());
    let mut stream = direct(&clear, &config);
    assert!(
        stream
            .flush()
            .and_then(|()| stream.read(&mut [0]).map(|_| ()))
            .is_err()
    );
}

#[test]
fn one_pooler_may_stand_behind_another_with_tls_from_the_first_byte_on() {
    let side = Side::new();
    let role = shared().role();
    let inner = Pooler::start(&side.config(&role, "require"));
    let config = role
        .config()
        .database("app", "port", inner.port())
        .database("app", "dbname", "app")
        .set("server_tls_sslmode", "verify-full")
        .set("server_tls_ca_file", &side.path("authority.crt"))
        .set("server_tls_negotiation", "direct")
        .set("server_channel_binding", "require");
    let outer = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&outer));
    assert_eq!(client.value("select current_user"), role.name);
}

#[test]
fn who_comes_again_needs_no_signature() {
    let side = Side::new();
    let role = shared().role();
    let pooler = Pooler::start(&side.config(&role, "require"));
    let config = side.trust();
    for expected in [
        HandshakeKind::Full,
        HandshakeKind::Resumed,
        HandshakeKind::Resumed,
    ] {
        let mut stream = direct(&pooler, &config);
        assert_eq!(greet(&mut stream, &role).first(), Some(&b'R'));
        assert_eq!(stream.conn.handshake_kind(), Some(expected));
    }
}

#[test]
fn a_reload_brings_a_new_certificate_and_drops_nobody() {
    let side = Side::new();
    let role = shared().role();
    let config = side.config(&role, "require");
    let pooler = Pooler::start(&config);
    let trust = side.trust();
    let seen = |stream: &Encrypted| stream.conn.peer_certificates().unwrap()[0].clone();
    let mut early = direct(&pooler, &trust);
    greet(&mut early, &role);
    let old = seen(&early);
    let renewed = side.authority.sign("renewed", &["localhost"], Fault::None);
    renewed.write(side.folder.path(), "pooler");
    pooler.reload(&config);
    eventually("new clients see the new certificate", || {
        let mut stream = direct(&pooler, &side.trust());
        greet(&mut stream, &role);
        (seen(&stream) != old).then_some(())
    });
    // The old connection is as good as before: the proof that it owes is asked for.
    early.write_all(b"p\0\0\0\x08nah\0").unwrap();
    let mut answer = vec![0; 512];
    let len = early.read(&mut answer).unwrap();
    assert_eq!(answer[..len].first(), Some(&b'E'));
    // A file that cannot be used changes nothing.
    write(side.folder.path(), "pooler.key", "nonsense");
    pooler.reload(&config);
    pooler.has_logged("has no private key", 1);
    greet(&mut direct(&pooler, &trust), &role);
}

#[test]
fn a_reload_that_changes_tls_towards_postgresql_replaces_servers() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let authority = Authority::new();
    let identity = authority.sign("postgres", &["127.0.0.1"], Fault::None);
    postgres.speak_tls(Some(&identity), None);
    let folder = tempfile::tempdir().unwrap();
    let root = write(folder.path(), "root.crt", &authority.certificate());
    let mode = |mode: &str| role.config().set("server_tls_sslmode", mode);
    let pooler = Pooler::start(&mode("disable"));
    let mut client = Client::log_in(&role.through(&pooler));
    let mut server = || client.value("select pg_backend_pid()");
    let mut last = server();
    let full = mode("verify-full").set("server_tls_ca_file", &root.display().to_string());
    for (config, is_replaced) in [
        (
            mode("disable").set("server_tls_protocols", "tlsv1.3"),
            false,
        ),
        (mode("prefer"), true),
        (mode("prefer"), false),
        (full.clone(), true),
        (full.clone().set("server_tls_protocols", "tlsv1.3"), true),
    ] {
        pooler.reload(&config);
        let now = server();
        assert_eq!(now != last, is_replaced, "{}", pooler.log());
        last = now;
    }
    // What stands in a file counts, not its name.
    let other = Authority::new().certificate() + &authority.certificate();
    write(folder.path(), "root.crt", &other);
    pooler.reload(&full.set("server_tls_protocols", "tlsv1.3"));
    assert_ne!(server(), last, "{}", pooler.log());
}

/// PgBouncer, CVE-2021-3935; PostgreSQL, CVE-2021-23214; Odyssey, CVE-2021-43766.
#[test]
fn cve_2021_3935_bytes_in_the_clear_behind_a_request_for_tls() {
    let side = Side::new();
    let role = shared().role();
    let pooler = Pooler::start(&side.config(&role, "require"));
    let mut out = Vec::new();
    startup::encode_ssl_request(&mut out);
    let parameters = [("user", role.name.as_str()), ("database", "app")];
    startup::encode_startup(&mut out, 0, &parameters);
    let mut client = Client::connect(&role.through(&pooler)).unwrap();
    client.stream.write_all(&out).unwrap();
    let mut answer = Vec::new();
    client.stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.first(), Some(&b'E'), "{answer:?}");
    assert!(String::from_utf8_lossy(&answer).contains("unencrypted data after SSL request"));
}

#[test]
fn much_data_and_many_clients_pass_with_tls_on_both_sides() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let side = Side::new();
    postgres.speak_tls(Some(&self_signed("own", &["127.0.0.1"])), None);
    let config = side
        .config(&role, "require")
        .set("server_tls_sslmode", "require")
        .set("default_pool_size", 4);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler).host("localhost");
    let variables = [("PGSSLMODE", "require")];
    let sql = "select md5(string_agg(repeat(n::text, 5000), '' order by n)) from generate_series(1, 1000) n";
    let expected = psql_with(&role.direct(), &[], sql).out;
    // Out: the rows themselves, of which psql makes the same text.
    let rows = "copy (select repeat(n::text, 5000) from generate_series(1, 1000) n) to stdout";
    let sum = |text: &str| text.replace('\n', "").len();
    let through = psql_with(&target, &variables, rows).out;
    assert_eq!(through, psql_with(&role.direct(), &[], rows).out);
    assert!(sum(&through) > 10_000_000);
    // In: one text of 5 MB.
    let long = "x".repeat(60_000);
    let sql = format!("select length('{long}')");
    assert_eq!(psql_with(&target, &variables, &sql).out, "60000");
    assert_eq!(expected.len(), 32);
    let arguments = [
        "-n", "-S", "-c", "20", "-j", "2", "-t", "200", "-M", "prepared",
    ];
    let prepared = pgbench_with(&role.direct(), &[], &["-i", "-q", "-s", "1"]);
    assert!(prepared.success, "{}", prepared.err);
    let bench = pgbench_with(&target, &variables, &arguments);
    assert!(bench.success, "{}", bench.err);
    assert!(
        bench
            .out
            .contains("number of failed transactions: 0 (0.000%)"),
        "{}",
        bench.out
    );
    let ssl = "select count(*) filter (where ssl), count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
               where usename = ";
    let shown = postgres.sql(&format!("{ssl}'{}'", role.name));
    let row = &shown.rows()[0];
    assert_eq!(row[0], row[1], "all servers are encrypted");
}

#[test]
fn a_query_is_cancelled_over_tls() {
    let postgres = Postgres::start();
    let role = postgres.role();
    postgres.speak_tls(Some(&self_signed("own", &["127.0.0.1"])), None);
    let config = role.config().set("server_tls_sslmode", "require");
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    eventually("the query runs", || {
        let state = postgres.activity(&role, "state");
        (state.as_deref() == Some("active")).then_some(())
    });
    client.cancel();
    let answer = client.until_ready();
    assert_eq!(answer.error().sqlstate(), "57014");
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn a_certificate_proves_who_a_client_is() {
    let side = Side::new();
    let (role, other) = (shared().role(), shared().role());
    let own = side.client("own", &side.authority.sign(&role.name, &[], Fault::None));
    let rules = "local all all scram-sha-256\n\
                 hostssl all all all cert\n\
                 hostnossl all all all reject\n";
    write(side.folder.path(), "hba.conf", rules);
    for config in [
        side.config(&role, "verify-full").set("auth_type", "cert"),
        side.config(&role, "prefer")
            .set("auth_type", "hba")
            .set("auth_hba_file", &side.path("hba.conf")),
    ] {
        let config = config
            .set("client_tls_ca_file", &side.path("authority.crt"))
            .user(&other.name, "password", &other.password);
        let pooler = Pooler::start(&config);
        let target = role
            .through(&pooler)
            .host("localhost")
            .password("none is asked for");
        let variables = [
            ("PGSSLMODE", "require"),
            ("PGSSLCERT", own.0.as_str()),
            ("PGSSLKEY", own.1.as_str()),
        ];
        let output = psql_with(&target, &variables, "select current_user");
        assert_eq!(output.out, role.name, "{}", output.err);
        let output = psql_with(&target.clone().user(&other.name), &variables, "select 1");
        assert!(
            output.err.contains("certificate authentication failed"),
            "{}",
            output.err
        );
        let output = psql_with(&target, &[("PGSSLMODE", "disable")], "select 1");
        assert!(!output.success);
    }
}
