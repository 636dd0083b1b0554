//! Servers that are not PostgreSQL: a clear error to the client that waits for them, bounded
//! memory, nobody else harmed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgweir_e2e::{Client, Config, Fake, Peer, Pooler, Role, memory_peak, shared};

/// A message of a server.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// An authentication request.
fn authentication(request: u32, data: &[u8]) -> Vec<u8> {
    message(b'R', &[&request.to_be_bytes()[..], data].concat())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// A pooler with a database at a fake server and one at PostgreSQL.
fn both(role: &Role, fake: &Fake) -> Config {
    role.config()
        .set("server_login_retry", 0)
        .set("server_connect_timeout", 2)
        .set("query_timeout", 2)
        .database("fake", "host", "127.0.0.1")
        .database("fake", "port", fake.port())
}

type Act = Arc<dyn Fn(&mut Peer) + Send + Sync>;

fn sends(bytes: Vec<u8>) -> Act {
    Arc::new(move |peer| {
        peer.send(&bytes);
        peer.hold_for(Duration::from_secs(5));
    })
}

/// Answers the request for SCRAM with this challenge, made from the client's nonce.
fn challenges(challenge: impl Fn(&str) -> String + Send + Sync + 'static) -> Act {
    Arc::new(move |peer| {
        peer.send(&authentication(10, b"SCRAM-SHA-256\0\0"));
        let Some((_, body)) = peer.receive() else {
            return;
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        let nonce = text.rsplit("r=").next().unwrap_or_default();
        peer.send(&authentication(11, challenge(nonce).as_bytes()));
        peer.hold_for(Duration::from_secs(5));
    })
}

/// What a server does after the startup packet of a login.
fn bad_logins() -> Vec<(&'static str, Act)> {
    let r = authentication;
    let huge: Vec<u8> = (0..2000)
        .flat_map(|n| message(b'S', format!("a{n}\0b\0").as_bytes()))
        .collect();
    vec![
        ("closes at once", Arc::new(|_| {})),
        (
            "says nothing",
            Arc::new(|peer| peer.hold_for(Duration::from_secs(5))),
        ),
        (
            "speaks HTTP",
            sends(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ),
        ("sends zeros", sends(vec![0; 100_000])),
        ("sends ones", sends(vec![0xff; 100_000])),
        ("sends a length of 0", sends(b"R\0\0\0\0".to_vec())),
        ("sends 4 GB", sends(b"R\xff\xff\xff\xff".to_vec())),
        (
            "sends 1 GB",
            sends([b"R\x40\0\0\0".to_vec(), vec![0; 1 << 20]].concat()),
        ),
        ("sends an empty request", sends(message(b'R', b""))),
        ("asks for Kerberos", sends(r(2, b""))),
        ("asks for an unknown proof", sends(r(99, b""))),
        ("asks for md5 without a salt", sends(r(5, b""))),
        ("offers no mechanism", sends(r(10, b"\0"))),
        (
            "offers unknown mechanisms",
            sends(r(10, b"PLAIN\0SCRAM-SHA-256-PLUS\0\0")),
        ),
        (
            "offers mechanisms without an end",
            sends(r(10, b"SCRAM-SHA-256")),
        ),
        (
            "continues SASL that never began",
            sends(r(11, b"r=a,s=b,i=1")),
        ),
        ("ends SASL that never began", sends(r(12, b"v=abc"))),
        ("is ready without a login", sends(ready())),
        (
            "sends rows in place of a request",
            sends(message(b'D', b"\0\0")),
        ),
        ("sends an error without fields", sends(message(b'E', b"\0"))),
        ("sends an error without anything", sends(message(b'E', b""))),
        (
            "sends an error without SQLSTATE",
            sends(message(b'E', b"SFATAL\0Mgo away\0\0")),
        ),
        (
            "sends an error with unterminated fields",
            sends(message(b'E', b"SFATAL\0C28000\0Mgo awa")),
        ),
        (
            "sends an error with a SQLSTATE that is none",
            sends(message(b'E', b"SFATAL\0C\xff\xffabc!\0Mx\0\0")),
        ),
        (
            "sends an error of 30 KB",
            sends(message(
                b'E',
                &[
                    b"SFATAL\0C28000\0M".to_vec(),
                    vec![b'x'; 30_000],
                    vec![0, 0],
                ]
                .concat(),
            )),
        ),
        (
            "sends notices for ever",
            Arc::new(|peer| while peer.send(&message(b'N', b"SNOTICE\0Mx\0\0")) {}),
        ),
        (
            "closes after the login",
            Arc::new(move |peer| {
                peer.send(&r(0, b""));
            }),
        ),
        ("is never ready", sends(r(0, b""))),
        (
            "sends settings for ever",
            Arc::new(move |peer| {
                peer.send(&r(0, b""));
                while peer.send(&message(b'S', b"a\0b\0")) {}
            }),
        ),
        (
            "sends too many settings",
            sends([r(0, b""), huge, ready()].concat()),
        ),
        (
            "sends a malformed setting",
            sends([r(0, b""), message(b'S', b"a"), ready()].concat()),
        ),
        (
            "sends bytes behind its readiness",
            sends([r(0, b""), ready(), ready()].concat()),
        ),
        ("challenges with nothing", challenges(|_| String::new())),
        (
            "challenges with another nonce",
            challenges(|_| "r=other,s=c2FsdA==,i=4096".to_owned()),
        ),
        (
            "challenges with the client's nonce alone",
            challenges(|n| format!("r={n},s=c2FsdA==,i=4096")),
        ),
        (
            "challenges with a nonce of 64 KiB",
            challenges(|n| format!("r={n}{},s=c2FsdA==,i=4096", "x".repeat(65_536))),
        ),
        (
            "challenges with a salt of 20 KB",
            challenges(|n| format!("r={n}x,s={},i=4096", "AAAA".repeat(5000))),
        ),
        (
            "challenges with 2^31 iterations",
            challenges(|n| format!("r={n}x,s=c2FsdA==,i=2147483648")),
        ),
        (
            "challenges with 2^31-1 iterations",
            challenges(|n| format!("r={n}x,s=c2FsdA==,i=2147483647")),
        ),
        (
            "challenges with no iterations",
            challenges(|n| format!("r={n}x,s=c2FsdA==,i=0")),
        ),
        (
            "challenges with an extension",
            challenges(|n| format!("m=x,r={n}x,s=c2FsdA==,i=4096")),
        ),
        (
            "lets in without its proof",
            Arc::new(|peer| {
                peer.send(&authentication(10, b"SCRAM-SHA-256\0\0"));
                let Some((_, body)) = peer.receive() else {
                    return;
                };
                let text = String::from_utf8_lossy(&body).into_owned();
                let nonce = text.rsplit("r=").next().unwrap_or_default();
                peer.send(&authentication(
                    11,
                    format!("r={nonce}x,s=c2FsdA==,i=4096").as_bytes(),
                ));
                peer.receive();
                peer.send(
                    &[
                        authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                        authentication(0, b""),
                        ready(),
                    ]
                    .concat(),
                );
                peer.hold_for(Duration::from_secs(5));
            }),
        ),
    ]
}

#[test]
fn a_login_at_a_strange_server_fails_with_an_error_and_harms_nobody() {
    let role = shared().role();
    let mut failures = Vec::new();
    for (name, act) in bad_logins() {
        let fake = Fake::start(move |peer, _| {
            if peer.startup() {
                act(peer);
            }
        });
        let pooler = Pooler::start(&both(&role, &fake));
        let start = Instant::now();
        let target = role.through(&pooler).database("fake");
        let Err(answer) = Client::try_log_in(&target, &[]) else {
            failures.push(format!("{name}: let in"));
            continue;
        };
        let error = answer.messages.iter().find(|m| m.kind == b'E');
        if error.is_none_or(|error| error.sqlstate().len() != 5) || !answer.ended {
            failures.push(format!("{name}: {answer:?}"));
        }
        if start.elapsed() > Duration::from_secs(6) {
            failures.push(format!("{name}: took {:?}", start.elapsed()));
        }
        if Client::log_in(&role.through(&pooler)).value("select 'unharmed'") != "unharmed" {
            failures.push(format!("{name}: harmed another"));
        }
        let memory = memory_peak(pooler.pid());
        if memory > 64 << 20 {
            failures.push(format!("{name}: {memory} bytes of memory"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Whether the server closes the connection behind this answer.
fn ends_the_session(answer: &[u8]) -> bool {
    answer.is_empty()
        || answer.starts_with(b"T")
        || answer.ends_with(b"1\0")
        || answer.windows(5).any(|word| word == b"FATAL")
}

/// What a server answers to a query, and what its client gets of it.
fn bad_answers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let complete = message(b'C', b"SELECT 1\0");
    let row = message(b'D', b"\0\x01\0\0\0\x01x");
    let m = message;
    vec![
        ("closes", vec![], "E(08006) end"),
        ("closes in a message", b"T\0\0\0\x40".to_vec(), "end"),
        (
            "closes behind an answer",
            complete.clone(),
            "C(SELECT 1) E(08006) end",
        ),
        (
            "speaks HTTP",
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "E(08P01) end",
        ),
        ("sends a length of 0", b"D\0\0\0\0".to_vec(), "E(08P01) end"),
        ("sends 4 GB", b"D\xff\xff\xff\xff".to_vec(), "E(08P01) end"),
        ("sends an unknown message", m(b'!', b"x"), "E(08P01) end"),
        (
            "asks for a password",
            authentication(3, b""),
            "E(08P01) end",
        ),
        ("sends a key again", m(b'K', &[0; 8]), "E(08P01) end"),
        ("is ready in a strange state", m(b'Z', b"X"), "E(08P01) end"),
        ("is ready without a state", m(b'Z', b""), "E(08P01) end"),
        ("is ready with two states", m(b'Z', b"II"), "E(08P01) end"),
        ("answers a Bind", m(b'2', b""), "E(08P01) end"),
        (
            "reports a setting without a value",
            m(b'S', b"TimeZone\0"),
            "E(08P01) end",
        ),
        (
            "reports a setting of 20 KB",
            m(b'S', &[b'x'; 20_000]),
            "E(08P01) end",
        ),
        (
            "sends an error without SQLSTATE",
            [m(b'E', b"SERROR\0Mx\0\0"), ready()].concat(),
            "E() ZI",
        ),
        (
            "sends an empty error",
            [m(b'E', b""), ready()].concat(),
            "E() ZI",
        ),
        (
            "sends an error with unterminated fields",
            [m(b'E', b"SERROR\0C22012\0Mx"), ready()].concat(),
            "E(22012) ZI",
        ),
        (
            "says goodbye without a code",
            m(b'E', b"SFATAL\0Mx\0\0"),
            "E() end",
        ),
        (
            "is ready twice",
            [row.clone(), complete.clone(), ready(), ready()].concat(),
            "",
        ),
        (
            "sends rows that nobody asked for",
            [complete.clone(), ready(), row].concat(),
            "",
        ),
    ]
}

#[test]
fn a_strange_answer_is_an_error_to_its_client_and_harms_nobody() {
    let role = shared().role();
    let mut failures = Vec::new();
    for (name, bytes, expected) in bad_answers() {
        let fake = Fake::start(move |peer, number| {
            if !peer.log_in() {
                return;
            }
            if number > 0 {
                return peer.answer_all();
            }
            while let Some((kind, _)) = peer.receive() {
                if kind == b'Q' {
                    peer.send(&bytes);
                    if ends_the_session(&bytes) {
                        return;
                    }
                }
            }
        });
        let pooler = Pooler::start(&both(&role, &fake).set("default_pool_size", 1));
        let target = role.through(&pooler).database("fake");
        let mut client = Client::log_in(&target);
        let answer = client.query("select 1");
        if expected.is_empty() {
            // The first answer is fine; what follows must reach nobody.
            assert_eq!(
                answer.messages.last().unwrap().to_string(),
                "ZI",
                "{name}: {answer:?}"
            );
        } else if answer.to_string() != expected {
            failures.push(format!("{name}: {answer:?}, not {expected}"));
        }
        let mut next = Client::log_in(&target);
        let answer = next.query("select 2");
        let fresh = expected.ends_with("end") || expected.is_empty();
        if fresh && answer.to_string() != "I ZI" {
            failures.push(format!("{name}: the next client got {answer:?}"));
        }
        if Client::log_in(&role.through(&pooler)).value("select 'unharmed'") != "unharmed" {
            failures.push(format!("{name}: harmed another"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_server_that_talks_while_nobody_holds_it_is_closed() {
    let role = shared().role();
    let fake = Fake::start(|peer, number| {
        if peer.log_in() && number == 0 {
            // A row of nobody, right after the login.
            peer.send(&message(b'D', b"\0\0"));
        }
        peer.answer_all();
    });
    let pooler = Pooler::start(&both(&role, &fake).set("default_pool_size", 1));
    // Whether it is noticed during the login or after it is a matter of time.
    let target = role.through(&pooler).database("fake");
    let mut client = pgweir_e2e::eventually("a login", || Client::try_log_in(&target, &[]).ok());
    pgweir_e2e::eventually("it is noticed", || {
        let ended = pooler.logged("idle server connection ended");
        (ended + pooler.logged("server login failed") > 0).then_some(())
    });
    assert_eq!(client.query("").to_string(), "I ZI");
}

#[test]
fn a_flood_of_a_server_stays_in_bounded_memory() {
    let role = shared().role();
    let fake = Fake::start(|peer, _| {
        if !peer.log_in() {
            return;
        }
        peer.receive();
        let row = message(
            b'D',
            &[&b"\0\x01\0\0\xff\xff"[..], &[b'x'; 0xffff]].concat(),
        );
        while peer.send(&row) {}
    });
    let config = both(&role, &fake)
        .set("query_timeout", 1)
        .set("default_pool_size", 1);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler).database("fake"));
    let before = memory_peak(pooler.pid());
    // The client never reads what it asked for.
    client.send(pgweir_e2e::Batch::new().query("select 1").bytes());
    pgweir_e2e::eventually("it is sent away", || {
        pooler.log().contains("query_timeout").then_some(())
    });
    let grown = memory_peak(pooler.pid()) - before;
    assert!(grown < 4 << 20, "memory grew by {grown} bytes");
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
}
