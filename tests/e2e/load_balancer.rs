//! Behind a load balancer that says by the PROXY protocol who its client is.

use std::io::{Read, Write};

use pgweir_e2e::{Authority, Client, Config, Fault, Pooler, Role, Target, eventually, shared};
use pgweir_wire::login::{Handshake, Turn};
use pgweir_wire::startup;

const LINE: &str = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5432\r\n";

/// A binary header for 2001:db8::7, port 40000, with an extension behind it.
fn binary() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2b".to_vec();
    header.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    header.extend([0; 16]);
    header.extend([0x9c, 0x40, 0x15, 0x38, 0xea, 0, 4, 1, 2, 3, 4]);
    header
}

fn config(role: &Role) -> Config {
    role.config()
        .set("auth_type", "scram-sha-256")
        .set("proxy_protocol_networks", ["127.0.0.0/8"])
}

/// Sends a header, byte by byte or at once, and logs in behind it.
fn log_in(pooler: &Pooler, role: &Role, header: &[u8], at_once: bool) -> Option<Client> {
    log_in_at(&role.through(pooler), header, at_once)
}

fn log_in_at(target: &Target, header: &[u8], at_once: bool) -> Option<Client> {
    let mut identity = target.identity(&[]);
    let mut client = Client::connect(target).unwrap();
    let mut out = header.to_vec();
    if !at_once {
        for byte in out.drain(..) {
            client.stream.write_all(&[byte]).unwrap();
        }
    }
    let mut login = Handshake::start(&identity, "nonce-of-a-test".to_owned(), &mut out);
    loop {
        client.send(&out);
        out.clear();
        let message = client.receive()?;
        match login.on_message(message.kind, &message.body, &mut identity, &mut out) {
            Ok(Turn::Wait(next)) => login = next,
            Ok(Turn::Ready(_)) => return Some(client),
            Err(_) => return None,
        }
    }
}

#[test]
fn a_clients_own_address_is_known_through_a_load_balancer() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    for (header, address) in [
        (LINE.as_bytes().to_vec(), "192.0.2.7:40000"),
        (binary(), "[2001:db8::7]:40000"),
    ] {
        for at_once in [true, false] {
            let mut client = log_in(&pooler, &role, &header, at_once).expect("it gets in");
            assert_eq!(client.value("select 1"), "1");
        }
        eventually("both are logged", || {
            (attempts(&pooler, address) == 2).then_some(())
        });
    }
    assert_eq!(pooler.logged("peer=\"127.0.0.1"), 0);
}

/// How often somebody at an address was logged who wants to log in.
fn attempts(pooler: &Pooler, address: &str) -> usize {
    let address = format!("peer=\"{address}");
    let log = pooler.log();
    let lines = log.lines().filter(|line| line.contains("login attempt: "));
    lines.filter(|line| line.contains(&address)).count()
}

#[test]
fn a_health_check_is_the_load_balancer_itself() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = log_in(&pooler, &role, header, true).expect("it gets in");
        assert_eq!(client.value("select 1"), "1");
    }
    eventually("both are logged", || {
        (attempts(&pooler, "127.0.0.1:") == 2).then_some(())
    });
    // One that only connects.
    drop(pooler.connect());
    assert!(log_in(&pooler, &role, LINE.as_bytes(), true).is_some());
}

#[test]
fn who_has_to_send_a_header_gets_nowhere_without_one() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let answer = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    assert_eq!(answer.error().sqlstate(), "08P01");
    let text = answer.error().text();
    assert!(
        text.contains("header of the PROXY protocol is missing"),
        "{text}"
    );
    for broken in [
        "PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n",
        "PROXY TCP4 1.2.3.4.5 ",
        "GET / HTTP",
    ] {
        let mut stream = pooler.connect();
        stream.write_all(broken.as_bytes()).unwrap();
        stream.finish();
        let mut answer = Vec::new();
        // What it did not read of us makes the system end the connection at once.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"E"), "{answer:?}");
    }
    assert_eq!(pooler.logged("login attempt"), 0);
}

#[test]
fn who_is_not_trusted_cannot_claim_an_address() {
    let role = shared().role();
    for networks in ["10.0.0.0/8", ""] {
        let pooler = Pooler::start(&config(&role).set("proxy_protocol_networks", networks));
        for header in [LINE.as_bytes().to_vec(), binary()] {
            assert!(log_in(&pooler, &role, &header, true).is_none());
        }
        pooler.has_logged(
            "pooler error: received a header of the PROXY protocol from an address that may not send one",
            2,
        );
        assert_eq!(pooler.logged("192.0.2.7"), 0);
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn a_unix_socket_may_be_a_load_balancers() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let config = config(&role)
        .set("proxy_protocol_networks", "unix")
        .set("unix_socket_dir", &path);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler).host(&path);
    let mut client = log_in_at(&target, LINE.as_bytes(), true).expect("it gets in");
    assert_eq!(client.value("select 1"), "1");
    pooler.has_said("peer=\"192.0.2.7:40000\"");
    assert!(Client::try_log_in(&target, &[]).is_err());
    // The others are themselves.
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
}

/// A header of a client that is at this address.
fn from(address: &str) -> String {
    format!("PROXY TCP4 {address} 192.0.2.1 40000 5432\r\n")
}

#[test]
fn rules_look_at_the_clients_address_not_at_the_load_balancers() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("pg_hba.conf");
    std::fs::write(
        &rules,
        "host all all 192.0.2.0/24 trust\nhost all all 127.0.0.1/32 reject\n",
    )
    .unwrap();
    let pooler = Pooler::start(
        &config(&role)
            .set("auth_type", "hba")
            .set("auth_hba_file", &rules.display().to_string()),
    );
    let gets_in = |header: &str| log_in(&pooler, &role, header.as_bytes(), true).is_some();
    assert!(gets_in(&from("192.0.2.7")));
    assert!(!gets_in(&from("198.51.100.7")));
    assert!(!gets_in("PROXY UNKNOWN\r\n"), "the load balancer itself");
    pooler.has_said("198.51.100.7");
}

/// The user at the other end of a unix socket is the load balancer's.
#[test]
fn nobody_comes_in_as_the_load_balancers_user() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let (rules, maps) = (folder.path().join("hba"), folder.path().join("ident"));
    std::fs::write(&rules, "local all all peer map=all\n").unwrap();
    std::fs::write(&maps, "all /^.*$ all\n").unwrap();
    let config = config(&role)
        .set("auth_type", "hba")
        .set("auth_hba_file", &rules.display().to_string())
        .set("auth_ident_file", &maps.display().to_string())
        .set("unix_socket_dir", &path);
    let unix_v2 = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
    {
        let pooler = Pooler::start(&config.clone().set("proxy_protocol_networks", ""));
        let target = role.through(&pooler).host(&path);
        assert!(log_in_at(&target, b"", true).is_some());
    }
    let pooler = Pooler::start(&config.set("proxy_protocol_networks", "unix"));
    let target = role.through(&pooler).host(&path);
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), unix_v2, local] {
        assert!(
            log_in_at(&target, &header, true).is_none(),
            "{}",
            header.escape_ascii()
        );
    }
}

#[test]
fn the_header_comes_before_tls() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let identity = Authority::new().sign("pooler", &["localhost"], Fault::None);
    let (certificate, key) = identity.write(folder.path(), "pooler");
    let pooler = Pooler::start(
        &config(&role)
            .set("client_tls_sslmode", "require")
            .set("client_tls_cert_file", &certificate.display().to_string())
            .set("client_tls_key_file", &key.display().to_string()),
    );
    let mut hello = LINE.as_bytes().to_vec();
    startup::encode_ssl_request(&mut hello);
    let mut stream = pooler.connect();
    stream.write_all(&hello).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"S");
    assert!(
        log_in(&pooler, &role, LINE.as_bytes(), true).is_none(),
        "not encrypted"
    );
    pooler.has_said("peer=\"192.0.2.7:40000\"");
}
