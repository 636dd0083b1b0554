//! Versions of the protocol: what clients of each are told, and what servers of each are asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgweir_e2e::{Batch, Client, Config, Fake, Pooler, Target, eventually, shared};
use pgweir_wire::backend::NEGOTIATE_PROTOCOL_VERSION;
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{FirstPacket, MINOR_NEWEST};

use crate::cancel::wait_until_active;

/// The options that a client may ask for, and that nobody knows.
const OPTIONS: [(&str, &str); 2] = [("_pq_.test_protocol_negotiation", ""), ("_pq_.b", "1")];

/// Logs in with a minor version and the first so many options: the client, and the bodies of the
/// answers to that.
fn ask(target: &Target, minor: u16, options: usize) -> (Client, Vec<Vec<u8>>) {
    let (client, login) = Client::log_in_asking(target, minor, &OPTIONS[..options]);
    let answers = login.messages.into_iter();
    let answers = answers.filter(|message| message.kind == NEGOTIATE_PROTOCOL_VERSION);
    (client, answers.map(|message| message.body).collect())
}

#[test]
fn a_client_is_told_once_what_is_not_spoken_here_and_gets_keys_that_it_can_take() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("pool_mode", "transaction"));
    let version = shared().sql("show server_version_num").value();
    let is_newest = version.as_str() >= "180000";
    let told = |minor: u8, names: &str, count: u8| {
        let head = [0, 3, 0, minor, 0, 0, 0, count];
        vec![[&head[..], names.as_bytes()].concat()]
    };
    let (first, both) = (
        "_pq_.test_protocol_negotiation\0",
        "_pq_.test_protocol_negotiation\0_pq_.b\0",
    );
    for (minor, options, answers, key_len) in [
        (0, 0, vec![], 4),
        (0, 2, told(0, both, 2), 4),
        (1, 0, vec![], 4),
        (1, 1, told(1, first, 1), 4),
        (2, 0, vec![], 32),
        (2, 1, told(2, first, 1), 32),
    ] {
        let (mut client, got) = ask(&role.through(&pooler), minor, options);
        assert_eq!(got, answers, "3.{minor} with {options} options");
        assert_eq!(client.key.len(), key_len, "3.{minor}");
        assert_eq!(client.value("select 'served'"), "served");
        if is_newest {
            let (direct, got) = ask(&role.direct(), minor, options);
            assert_eq!(got, answers, "3.{minor} without a pooler");
            assert_eq!(direct.key.len(), key_len, "3.{minor} without a pooler");
        }
    }
}

/// A startup packet for a version that this repository's own client does not speak.
#[test]
fn a_client_of_a_later_version_is_told_the_newest_one_that_is_spoken() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    for minor in [3, 9999] {
        let mut client = Client::connect(&role.through(&pooler)).unwrap();
        let mut body = [0, 3].to_vec();
        body.extend(u16::to_be_bytes(minor));
        body.extend(format!("user\0{}\0database\0app\0_pq_.b\01\0\0", role.name).as_bytes());
        let length = (body.len() as u32 + 4).to_be_bytes();
        client.send(&[&length[..], &body].concat());
        let login = client.until_ready();
        let (first, rest) = login.messages.split_first().unwrap();
        assert_eq!(first.kind, NEGOTIATE_PROTOCOL_VERSION);
        assert_eq!(first.body, b"\0\x03\0\x02\0\0\0\x01_pq_.b\0");
        assert!(rest.iter().all(|message| message.kind != first.kind));
        assert_eq!(client.key.len(), 32);
        assert_eq!(client.value("select 'served'"), "served");
    }
}

#[test]
fn a_long_key_cancels_and_a_part_of_it_does_not() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let (mut client, _) = ask(&role.through(&pooler), 2, 0);
    let key = client.key.clone();
    let mut last_differs = key.clone();
    last_differs[31] ^= 1;
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    wait_until_active(&role);
    for wrong in [
        &key[..4],
        &key[..31],
        &last_differs,
        &[&key[..], &[0]].concat(),
        &[0; 256],
    ] {
        client.key = wrong.to_vec();
        client.cancel();
    }
    // The requests were closed behind their effect, so there was none.
    assert_eq!(shared().activity(&role, "state").as_deref(), Some("active"));
    client.key = key;
    client.cancel();
    assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
}

/// A pooler before a fake server.
fn before(fake: &Fake) -> Config {
    Config::new()
        .set("auth_type", "trust")
        .set("pool_mode", "transaction")
        .set("default_pool_size", 1)
        .set("server_login_retry", 0)
        .database("app", "host", "127.0.0.1")
        .database("app", "port", fake.port())
        .user("bob", "password", "hush")
}

fn bob(pooler: &Pooler) -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: pooler.port(),
        user: "bob".to_owned(),
        password: "hush".to_owned(),
        database: "app".to_owned(),
    }
}

#[test]
fn a_server_is_asked_for_the_newest_version_and_its_key_of_256_bytes_cancels() {
    static CANCELLED: Mutex<Vec<FirstPacket>> = Mutex::new(Vec::new());
    let fake = Fake::start(|peer, _| match peer.first_packet() {
        Some(FirstPacket::Startup(startup)) => {
            assert_eq!(startup.minor, MINOR_NEWEST);
            let mut out = Vec::new();
            encode::negotiate_protocol_version(&mut out, MINOR_NEWEST, &[]);
            if peer.send(&out) && peer.welcome(&[7; 256]) {
                peer.hold();
            }
        }
        Some(cancel) => CANCELLED.lock().unwrap().push(cancel),
        None => {}
    });
    let pooler = Pooler::start(&before(&fake));
    let mut client = Client::log_in(&bob(&pooler));
    client.send(Batch::new().query("select 1").bytes());
    let cancelled = eventually("the request arrives", || {
        client.cancel();
        CANCELLED.lock().unwrap().pop()
    });
    let (pid, key) = (1, vec![7; 256]);
    assert_eq!(cancelled, FirstPacket::Cancel { pid, key });
}

/// As PostgreSQL before version 11, and others that find no startup packet in a newer one.
#[test]
fn a_server_that_refuses_newer_versions_is_asked_for_3_0_from_then_on() {
    for sqlstate in [
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::PROTOCOL_VIOLATION,
    ] {
        let refused = Arc::new(AtomicUsize::new(0));
        let counter = refused.clone();
        let fake = Fake::start(move |peer, _| {
            let Some(FirstPacket::Startup(startup)) = peer.first_packet() else {
                return;
            };
            if startup.minor > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut out = Vec::new();
                let fields = ErrorFields {
                    severity: Severity::Fatal,
                    sqlstate,
                    message: "unsupported frontend protocol",
                    detail: None,
                    hint: None,
                };
                encode::error(&mut out, &fields);
                peer.send(&out);
            } else if peer.welcome(&[1, 2, 3, 4]) {
                peer.answer_all();
            }
        });
        let pooler = Pooler::start(&before(&fake).set("server_lifetime", 0));
        let mut client = Client::log_in(&bob(&pooler));
        for _ in 0..3 {
            assert_eq!(client.query("select 1").to_string(), "I ZI");
        }
        assert!(fake.peers() >= 4, "{} connections", fake.peers());
        assert_eq!(refused.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_server_that_refuses_every_version_is_asked_twice_and_its_word_is_passed_on() {
    let fake = Fake::start(|peer, _| {
        if peer.startup() {
            let mut out = Vec::new();
            let fields = ErrorFields {
                severity: Severity::Fatal,
                sqlstate: SqlState::FEATURE_NOT_SUPPORTED,
                message: "no protocol of yours",
                detail: None,
                hint: None,
            };
            encode::error(&mut out, &fields);
            peer.send(&out);
            peer.hold_for(Duration::from_secs(5));
        }
    });
    let pooler = Pooler::start(&before(&fake));
    let refused = Client::try_log_in(&bob(&pooler), &[]).unwrap_err();
    assert_eq!(refused.error().sqlstate(), "0A000");
    assert!(refused.error().text().contains("no protocol of yours"));
}
