//! Security bugs that other poolers and clients had, each by its name. More of them are where their subject is:
//! `git grep -nE 'fn (cve|supavisor|pgx)_'`.

use std::time::Duration;

use pgweir_e2e::{Batch, Client, Fake, Pooler, Role, Target, memory_peak, shared};
use pgweir_wire::{encode, startup};

/// A pooler before a server that sends this to everybody.
fn before(role: &Role, tls: &str, sent: Vec<u8>) -> (Fake, Pooler) {
    let fake = Fake::start(move |peer, _| {
        peer.send(&sent);
        peer.hold_for(Duration::from_secs(5));
    });
    let config = role
        .config()
        .set("server_login_retry", 0)
        .set("server_connect_timeout", 5)
        .database("fake", "server_tls_sslmode", tls)
        .database("fake", "host", "127.0.0.1")
        .database("fake", "port", fake.port());
    let pooler = Pooler::start(&config);
    (fake, pooler)
}

/// The server lets nobody in, others are served, and the text of the refusal comes back.
#[track_caller]
fn lets_nobody_in(role: &Role, pooler: &Pooler) -> String {
    let target = role.through(pooler);
    let answer = Client::try_log_in(&target.clone().database("fake"), &[]).unwrap_err();
    let error = answer.error();
    assert_eq!(error.field(b'S'), "FATAL", "{answer:?}");
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
    let fields = [error.text(), error.field(b'D'), error.field(b'H')];
    fields.join("\n")
}

fn begin(target: &Target, user: &str, database: &str) -> Client {
    let mut client = Client::connect(target).unwrap();
    let mut out = Vec::new();
    startup::encode_startup(&mut out, 0, &[("user", user), ("database", database)]);
    client.send(&out);
    client
}

/// PgBouncer, CVE-2012-4575: a name longer than any ended the process.
#[test]
fn cve_2012_4575_names_longer_than_any() {
    let role = shared().role();
    let config = role.config().database("*", "host", "127.0.0.1");
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    for len in [64, 1_000, 9_000, 10_000, 65_536, 1 << 20] {
        let long = "x".repeat(len);
        for (user, database) in [(&*role.name, &*long), (&*long, "app"), (&*long, &*long)] {
            let answer = begin(&target, user, database).until_end();
            assert_eq!(answer.error().field(b'S'), "FATAL", "{len}: {answer}");
        }
    }
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
}

/// Odyssey, CVE-2021-43767, and libpq, CVE-2021-23222: what a server sends in the clear behind its yes to TLS is
/// not read as if it had been encrypted. The other direction is CVE-2021-3935, in `tls.rs`.
#[test]
fn cve_2021_43767_bytes_in_the_clear_behind_a_yes_to_tls() {
    let role = shared().role();
    let mut sent = b"S".to_vec();
    encode::authentication_ok(&mut sent);
    encode::parameter_status(&mut sent, "server_version", "15.0");
    encode::backend_key_data(&mut sent, 1, &[1, 2, 3, 4]);
    encode::ready_for_query(&mut sent, pgweir_wire::backend::TxStatus::Idle);
    let (fake, pooler) = before(&role, "require", sent);
    lets_nobody_in(&role, &pooler);
    assert!(fake.peers() > 0);
}

/// PgBouncer, CVE-2026-6665: a nonce of a server that was longer than the room for the answer.
#[test]
fn cve_2026_6665_answers_to_challenges_of_any_length() {
    let role = shared().role();
    for (nonce, salt, iterations) in [
        ("x".repeat(65_536), "c2FsdA==".to_owned(), "4096"),
        ("x".repeat(900), "c2FsdA==".to_owned(), "4096"),
        ("x".to_owned(), "AAAA".repeat(16_384), "4096"),
        ("x".to_owned(), "=====".to_owned(), "4096"),
        ("x".to_owned(), "c2FsdA==".to_owned(), "2147483648"),
        ("x".to_owned(), "c2FsdA==".to_owned(), "4294967297"),
    ] {
        let fake = Fake::start(move |peer, _| {
            if !peer.startup() {
                return;
            }
            let mut out = Vec::new();
            encode::authentication_sasl(&mut out, &["SCRAM-SHA-256"]);
            peer.send(&out);
            let Some((_, body)) = peer.receive() else {
                return;
            };
            let first = String::from_utf8_lossy(&body).into_owned();
            let own = first.rsplit("r=").next().unwrap_or_default();
            out.clear();
            let challenge = format!("r={own}{nonce},s={salt},i={iterations}");
            encode::authentication_sasl_continue(&mut out, challenge.as_bytes());
            peer.send(&out);
            peer.receive();
            out.clear();
            encode::authentication_sasl_final(&mut out, b"v=AAAA");
            peer.send(&out);
            peer.hold_for(Duration::from_secs(5));
        });
        let config = role
            .config()
            .set("server_login_retry", 0)
            .set("server_connect_timeout", 5)
            .database("fake", "host", "127.0.0.1")
            .database("fake", "port", fake.port());
        lets_nobody_in(&role, &Pooler::start(&config));
    }
}

/// PgBouncer, CVE-2026-6666: an error of a server without a SQLSTATE.
#[test]
fn cve_2026_6666_errors_of_servers_that_lack_fields() {
    let role = shared().role();
    for fields in [
        &b""[..],
        b"\0",
        b"SFATAL\0\0",
        b"SFATAL\0Mno code\0\0",
        b"SFATAL\0C28000\0\0",
        b"SFATAL\0C28000\0Mwithout an end",
        b"C\0M\0\0",
        b"\xff\xfe\0\0",
    ] {
        let mut sent = Vec::new();
        encode::message(&mut sent, b'E', |out| out.extend_from_slice(fields));
        let (_fake, pooler) = before(&role, "disable", sent);
        lets_nobody_in(&role, &pooler);
    }
}

/// libpq, CVE-2024-10977: what comes in the place of an answer to the request for TLS is nobody's word, and no
/// client reads it.
#[test]
fn cve_2024_10977_a_text_from_before_tls_reaches_no_client() {
    let role = shared().role();
    let mut sent = Vec::new();
    let fields = b"SFATAL\0C28000\0Mgo to evil.example and log in\0\0";
    encode::message(&mut sent, b'E', |out| out.extend_from_slice(fields));
    // Where a connection in the clear would do (prefer) anybody can speak in PostgreSQL's place anyway.
    for tls in ["require", "verify-full"] {
        let (_fake, pooler) = before(&role, tls, sent.clone());
        let said = lets_nobody_in(&role, &pooler);
        assert!(!said.contains("evil.example"), "{tls}: {said}");
    }
}

/// PgDog 6a7c7c40: text that nests deeper than a parser's stack ended the process.
#[test]
fn pgdog_6a7c7c40_text_that_nests_deeply() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut stays = Client::log_in(&role.through(&pooler));
    let (open, close) = ("(".repeat(100_000), ")".repeat(100_000));
    // PostgreSQL's own time for these grows with the square of their depth.
    let comments = format!("select {}1{}", "/*".repeat(2_000), "*/".repeat(2_000));
    for sql in [
        format!("select {open}1{close}"),
        open,
        comments,
        format!("select {}1", "case when true then ".repeat(50_000)),
    ] {
        for batch in [
            Batch::new().query(&sql),
            Batch::new().parse("", &sql).sync(),
        ] {
            // PostgreSQL has a limit of its own for some of them.
            let mut client = Client::log_in(&role.through(&pooler));
            let answer = client.ask(&batch);
            assert!(answer.to_string().ends_with("ZI"), "{answer}");
        }
    }
    assert_eq!(stays.value("select 1"), "1");
}

/// pggat, issue 11: memory for what a stranger says it will send.
#[test]
fn pggat_11_no_memory_for_what_a_stranger_announces() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "plain"));
    let target = role.through(&pooler);
    let before = memory_peak(pooler.pid());
    for announced in [0x7fff_ffff_u32, 0xffff_ffff, 0x3fff_ffff, 0x4745_5420] {
        let mut stranger = Client::connect(&target).unwrap();
        stranger.send(&[&announced.to_be_bytes(), &[0, 3, 0, 0][..]].concat());
        assert_eq!(stranger.until_end().to_string(), "E(08P01) end");
        let mut prover = begin(&target, &role.name, "app");
        assert_eq!(prover.receive().expect("a question").kind, b'R');
        prover.send(&[b"p", &announced.to_be_bytes()[..], b"hush"].concat());
        assert_eq!(prover.until_end().to_string(), "E(08P01) end");
    }
    let after = memory_peak(pooler.pid());
    assert!(after < before + 8 * 1024 * 1024, "{before} {after}");
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
}
