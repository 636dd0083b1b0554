//! Peers that send nonsense to the pooler: a clear error to them, bounded memory, nobody else
//! harmed.

use std::time::Duration;

use pgweir_e2e::{
    Batch, Client, Pooler, Role, Target, eventually, memory_now, memory_peak, shared,
};

/// A packet before login: its length, then what follows.
fn packet(rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    [&(rest.len() as u32 + 4).to_be_bytes(), &*rest].concat()
}

/// A startup packet for protocol 3.0 with these bytes as its list.
fn startup(list: &[u8]) -> Vec<u8> {
    packet(&[&[0, 3, 0, 0], list])
}

const V3: [u8; 4] = [0, 3, 0, 0];
const SSL: [u8; 4] = 80_877_103_u32.to_be_bytes();
const CANCEL: [u8; 4] = 80_877_102_u32.to_be_bytes();

/// What a stranger sends first, and what it gets.
fn strangers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let long_name = [b"user\0".as_slice(), &[b'x'; 500], b"\0\0"].concat();
    let many: Vec<u8> = (0..500)
        .flat_map(|n| format!("a{n}\0b\0").into_bytes())
        .collect();
    vec![
        ("a length of 0", vec![0; 8], "E(08P01) end"),
        (
            "a length that ends in the length",
            vec![0, 0, 0, 3, 0, 3, 0, 0],
            "E(08P01) end",
        ),
        (
            "no room for a version",
            vec![0, 0, 0, 7, 0, 3, 0, 0],
            "E(08P01) end",
        ),
        ("4 GB", [&[0xff; 4], &V3[..]].concat(), "E(08P01) end"),
        (
            "2 GB",
            [&[0x7f, 0xff, 0xff, 0xff], &V3[..]].concat(),
            "E(08P01) end",
        ),
        (
            "one byte too many",
            [&10_001_u32.to_be_bytes(), &V3[..]].concat(),
            "E(08P01) end",
        ),
        (
            "protocol 2",
            packet(&[&[0, 2, 0, 0], b"user\0app\0\0"]),
            "E(0A000) end",
        ),
        (
            "protocol 4",
            packet(&[&[0, 4, 0, 0], b"user\0app\0\0"]),
            "E(0A000) end",
        ),
        (
            "protocol 0",
            packet(&[&[0; 4], b"user\0app\0\0"]),
            "E(0A000) end",
        ),
        (
            "a query",
            Batch::new().query("select 1").bytes().to_vec(),
            "E(08P01) end",
        ),
        (
            "a Sync",
            Batch::new().sync().bytes().to_vec(),
            "E(08P01) end",
        ),
        (
            "a Terminate",
            Batch::new().terminate().bytes().to_vec(),
            "E(08P01) end",
        ),
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: pgweir\r\n\r\n".to_vec(),
            "E(08P01) end",
        ),
        (
            "TLS",
            vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
            "E(08P01) end",
        ),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "E(08P01) end"),
        ("no user", startup(b"database\0app\0\0"), "E(28000) end"),
        ("an empty user", startup(b"user\0\0\0"), "E(28000) end"),
        ("no parameters", startup(b"\0"), "E(28000) end"),
        ("no list", startup(b""), "E(08P01) end"),
        (
            "a list without an end",
            startup(b"user\0app\0"),
            "E(08P01) end",
        ),
        (
            "a name without a value",
            startup(b"user\0app\0database\0"),
            "E(08P01) end",
        ),
        (
            "a value without an end",
            startup(b"user\0app"),
            "E(08P01) end",
        ),
        (
            "bytes behind the list",
            startup(b"user\0app\0\0more"),
            "E(08P01) end",
        ),
        (
            "a user that is not UTF-8",
            startup(b"user\0\xff\xfe\0\0"),
            "E(08P01) end",
        ),
        ("a user too long", startup(&long_name), "E(22023) end"),
        (
            "too many parameters",
            startup(&[b"user\0app\0", &*many, b"\0"].concat()),
            "E(53400) end",
        ),
        (
            "an option that is none",
            startup(b"user\0app\0options\0-x\0\0"),
            "E(22023) end",
        ),
        (
            "a long request for TLS",
            packet(&[&SSL, b"more"]),
            "E(08P01) end",
        ),
        (
            "a cancel request for nobody",
            packet(&[&CANCEL, &[1, 2, 3, 4, 5, 6, 7, 8]]),
            "end",
        ),
        (
            "a cancel request without a key",
            packet(&[&CANCEL, &[1, 2, 3, 4]]),
            "E(08P01) end",
        ),
        (
            "a cancel request too long",
            packet(&[&CANCEL, &[1; 300]]),
            "E(08P01) end",
        ),
    ]
}

fn pooler(role: &Role) -> Pooler {
    Pooler::start(
        &role
            .config()
            .set("auth_type", "scram-sha-256")
            .set("default_pool_size", 1),
    )
}

#[test]
fn nonsense_before_login_is_an_error_to_its_sender_only() {
    let role = shared().role();
    let pooler = pooler(&role);
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    stays.value("select 1");
    let before = memory_now(pooler.pid());
    for round in 0..20 {
        for (name, bytes, expected) in strangers() {
            let mut stranger = Client::connect(&target).unwrap();
            stranger.send(&bytes);
            assert_eq!(stranger.until_end().to_string(), expected, "{name}");
        }
        assert_eq!(stays.value(&format!("select {round}")), round.to_string());
    }
    let grown = memory_now(pooler.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "memory grew by {grown} bytes");
}

#[test]
fn a_request_for_tls_is_declined_once_and_carries_nothing() {
    let role = shared().role();
    let pooler = pooler(&role);
    let target = role.through(&pooler);
    let ssl = packet(&[&SSL]);
    let hello = startup(format!("user\0{}\0database\0app\0\0", role.name).as_bytes());

    let declined = |stranger: &mut Client| {
        let mut answer = [0];
        std::io::Read::read_exact(&mut stranger.stream, &mut answer).unwrap();
        assert_eq!(&answer, b"N");
    };
    let mut polite = Client::connect(&target).unwrap();
    polite.send(&ssl);
    declined(&mut polite);
    polite.send(&hello);
    assert_eq!(polite.receive().unwrap().to_string(), "R");

    let mut twice = Client::connect(&target).unwrap();
    twice.send(&ssl);
    declined(&mut twice);
    twice.send(&ssl);
    assert_eq!(twice.until_end().to_string(), "E(08P01) end");

    // What follows in the same packet might have been put there by somebody in between.
    let mut smuggled = Client::connect(&target).unwrap();
    smuggled.send(&[&*ssl, &*hello].concat());
    assert_eq!(smuggled.until_end().to_string(), "E(08P01) end");
}

/// A SASLInitialResponse with this length field.
fn sasl_initial(mechanism: &str, length: i32, data: &[u8]) -> Vec<u8> {
    let body = [mechanism.as_bytes(), b"\0", &length.to_be_bytes(), data].concat();
    Batch::new().message(b'p', &body).bytes().to_vec()
}

/// What a client answers to the request for SCRAM, and what it gets.
fn provers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const SCRAM: &str = "SCRAM-SHA-256";
    let first = b"n,,n=,r=abcdefghijklmnop";
    let len = first.len() as i32;
    let message = |kind, body: &[u8]| Batch::new().message(kind, body).bytes().to_vec();
    vec![
        ("no data", sasl_initial(SCRAM, -1, b""), "E(28P01) end"),
        ("empty data", sasl_initial(SCRAM, 0, b""), "E(28P01) end"),
        (
            "less data than it says",
            sasl_initial(SCRAM, len + 1, first),
            "E(08P01) end",
        ),
        (
            "more data than it says",
            sasl_initial(SCRAM, len - 1, first),
            "E(08P01) end",
        ),
        (
            "2 GB of data",
            sasl_initial(SCRAM, i32::MAX, first),
            "E(08P01) end",
        ),
        (
            "a negative length",
            sasl_initial(SCRAM, i32::MIN, first),
            "E(08P01) end",
        ),
        (
            "an unknown mechanism",
            sasl_initial("PLAIN", len, first),
            "E(08P01) end",
        ),
        (
            "channel binding",
            sasl_initial("SCRAM-SHA-256-PLUS", len, first),
            "E(08P01) end",
        ),
        ("no mechanism", message(b'p', b""), "E(08P01) end"),
        ("a password", message(b'p', b"secret\0"), "E(08P01) end"),
        (
            "garbage",
            sasl_initial(SCRAM, 4, b"\xff\x00\xff\x00"),
            "E(28P01) end",
        ),
        (
            "no nonce",
            sasl_initial(SCRAM, 8, b"n,,n=,r="),
            "E(28P01) end",
        ),
        (
            "a query",
            Batch::new().query("select 1").bytes().to_vec(),
            "E(08P01) end",
        ),
        (
            "a Terminate",
            Batch::new().terminate().bytes().to_vec(),
            "E(08P01) end",
        ),
        ("4 GB", vec![b'p', 0xff, 0xff, 0xff, 0xff], "E(08P01) end"),
        ("a length of 0", vec![b'p', 0, 0, 0, 0], "E(08P01) end"),
        ("20 KB", message(b'p', &[b'x'; 20_000]), "E(08P01) end"),
    ]
}

#[test]
fn nonsense_during_login_is_an_error_to_its_sender_only() {
    let role = shared().role();
    let pooler = pooler(&role);
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    let hello = startup(format!("user\0{}\0database\0app\0\0", role.name).as_bytes());
    for (name, bytes, expected) in provers() {
        let mut prover = Client::connect(&target).unwrap();
        prover.send(&hello);
        assert_eq!(prover.receive().unwrap().to_string(), "R");
        prover.send(&bytes);
        assert_eq!(prover.until_end().to_string(), expected, "{name}");
        assert_eq!(stays.value("select 'unharmed'"), "unharmed", "{name}");
    }
    // The second step: a proof of nothing, a nonce of another exchange, and no message at all.
    for last in [
        "c=biws,r=NONCE,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "c=biws,r=another,p=AAAA",
        "c=biws,r=NONCE",
        "c=y,,",
        "",
    ] {
        let mut prover = Client::connect(&target).unwrap();
        prover.send(&hello);
        prover.receive();
        prover.send(&sasl_initial(
            "SCRAM-SHA-256",
            24,
            b"n,,n=,r=abcdefghijklmnop",
        ));
        let challenge = prover.receive().unwrap();
        let text = String::from_utf8_lossy(&challenge.body[4..]).into_owned();
        let nonce = text.split(',').next().unwrap().trim_start_matches("r=");
        let last = last.replace("NONCE", nonce);
        prover.send(Batch::new().message(b'p', last.as_bytes()).bytes());
        assert_eq!(prover.until_end().to_string(), "E(28P01) end", "{last}");
    }
    assert_eq!(stays.value("select 'unharmed'"), "unharmed");
}

/// What a client sends after its login, and what it gets. An empty text is PostgreSQL's business.
fn madmen() -> Vec<(&'static str, Batch, &'static str)> {
    let new = Batch::new;
    vec![
        (
            "an unknown message",
            new().message(b'!', b"x"),
            "E(08P01) end",
        ),
        (
            "a message of a server",
            new().message(b'Z', b"I"),
            "E(08P01) end",
        ),
        (
            "a password",
            new().message(b'p', b"secret\0"),
            "E(08P01) end",
        ),
        ("a zero byte", new().raw(&[0; 5]), "E(08P01) end"),
        ("a length of 0", new().raw(b"Q\0\0\0\0"), "E(08P01) end"),
        ("a length of 3", new().raw(b"Q\0\0\0\x03"), "E(08P01) end"),
        ("4 GB", new().raw(b"Q\xff\xff\xff\xff"), "E(08P01) end"),
        ("2 GB", new().raw(b"Q\x7f\xff\xff\xff"), "E(08P01) end"),
        (
            "an unknown message behind a query",
            new().query("select 1").message(b'!', b""),
            "",
        ),
        (
            "an unknown message in a transaction",
            new().query("begin").message(b'!', b""),
            "",
        ),
        (
            "a name too long",
            new().parse(&"x".repeat(9000), "select 1").sync(),
            "E(08P01) end",
        ),
        (
            "a name without an end",
            new().message(b'P', &[b'x'; 9000]),
            "E(08P01) end",
        ),
        ("a Close of nothing", new().message(b'C', b""), ""),
        ("HTTP", new().raw(b"GET / HTTP/1.1\r\n\r\n"), "E(08P01) end"),
        (
            "a startup packet",
            new().raw(&startup(b"user\0app\0\0")),
            "E(08P01) end",
        ),
        (
            "a query without an end",
            new().message(b'Q', b"select 1").sync(),
            "",
        ),
        (
            "a Bind that is cut off",
            new().message(b'B', b"\0").sync(),
            "",
        ),
        (
            "a Bind with absurd counts",
            new().message(b'B', b"\0\0\xff\xff\xff\xff").sync(),
            "",
        ),
        ("a Describe of nothing", new().message(b'D', b"").sync(), ""),
        (
            "a Describe of a strange kind",
            new().message(b'D', b"X\0").sync(),
            "",
        ),
        (
            "an Execute that is cut off",
            new().message(b'E', b"").sync(),
            "",
        ),
        (
            "a Sync with a body",
            new().message(b'S', b"body"),
            "E(08P01) end",
        ),
        (
            "a Flush with a body",
            new().message(b'H', b"x"),
            "E(08P01) end",
        ),
        (
            "a Flush with a body behind a query",
            new().run("select 1", &[]).message(b'H', b"x"),
            "",
        ),
        (
            "the front of a Flush with a body, in a transaction",
            new().query("begin").raw(b"H\0\0\0\x05"),
            "",
        ),
        (
            "the end of a COPY beyond what PostgreSQL reads",
            new().query("select 1").message(b'c', &[0; 10_000]),
            "",
        ),
        (
            "the failure of a COPY beyond what PostgreSQL reads",
            new().query("select 1").message(b'f', &[b'x'; 10_000]),
            "",
        ),
        (
            "a function call that is cut off",
            new().message(b'F', b""),
            "",
        ),
    ]
}

#[test]
fn nonsense_after_login_is_an_error_to_its_sender_only() {
    let role = shared().role();
    let pooler = pooler(&role);
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    for (name, batch, expected) in madmen() {
        let mut madman = Client::log_in(&target);
        madman.send(batch.bytes());
        if expected.is_empty() {
            // PostgreSQL answers something, and may or may not end the session.
            madman.receive();
        } else {
            assert_eq!(madman.until_end().to_string(), expected, "{name}");
        }
        drop(madman);
        assert_eq!(stays.value("select 'unharmed'"), "unharmed", "{name}");
    }
}

#[test]
fn what_postgres_says_of_malformed_messages_comes_through() {
    let role = shared().role();
    let pooler = pooler(&role);
    for (name, batch) in [
        (
            "a query without an end",
            Batch::new().message(b'Q', b"select 1"),
        ),
        (
            "a Bind that is cut off",
            Batch::new().message(b'B', b"\0").sync(),
        ),
        (
            "an Execute that is cut off",
            Batch::new().message(b'E', b"").sync(),
        ),
        ("a Close of nothing", Batch::new().message(b'C', b"").sync()),
        (
            "a Parse without an end",
            Batch::new().message(b'P', b"name").sync(),
        ),
        (
            "a Describe of a strange kind",
            Batch::new().message(b'D', b"X\0").sync(),
        ),
    ] {
        let answers = [role.direct(), role.through(&pooler)].map(|target: Target| {
            let mut client = Client::log_in(&target);
            client.ask(&batch).to_string()
        });
        assert_eq!(answers[0], answers[1], "{name}");
    }
}

#[test]
fn ends_of_copies_that_never_began_keep_nobody_from_an_answer() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut batch = Batch::new().parse("", "select 1");
    for _ in 0..70_000 {
        batch = batch.copy_done();
    }
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.ask(&batch.sync()).to_string(), "1 ZI");
}

#[test]
fn five_hundred_silent_strangers_cost_at_most_16_kib_each() {
    const STRANGERS: u64 = 500;
    let role = shared().role();
    let pooler = pooler(&role);
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    stays.value("select 1");
    let before = memory_now(pooler.pid());
    let length = 10_000_u32.to_be_bytes();
    // All but the last byte of the largest packet there may be.
    let bytes = [&length[..], &V3, &[b'x'; 10_000 - 9]].concat();
    let mut strangers: Vec<_> = (0..STRANGERS)
        .map(|_| {
            let mut stranger = Client::connect(&target).unwrap();
            stranger.send(&bytes);
            stranger
        })
        .collect();
    // The strangers were accepted in order, so when the last one is refused all were read.
    let mut last = Client::connect(&target).unwrap();
    last.send(&[0; 8]);
    assert_eq!(last.until_end().to_string(), "E(08P01) end");
    assert_eq!(stays.value("select 'unharmed'"), "unharmed");
    let grown = memory_peak(pooler.pid()) - before;
    assert!(
        grown > STRANGERS * 4000,
        "only {grown} bytes: were they read?"
    );
    assert!(
        grown < STRANGERS * 16 * 1024,
        "memory grew by {grown} bytes"
    );
    for stranger in &mut strangers {
        stranger.send(b"x");
        assert_eq!(stranger.until_end().to_string(), "E(08P01) end");
    }
}

#[test]
fn more_strangers_than_logins_are_served_do_not_lock_others_out_for_ever() {
    let role = shared().role();
    let config = role
        .config()
        .set("client_login_timeout", 1)
        .set("max_client_conn", 10);
    let pooler = Pooler::start(&config);
    let mut stays = Client::log_in(&role.through(&pooler));
    let _strangers: Vec<_> = (0..1100).map(|_| pooler.connect()).collect();
    assert_eq!(stays.value("select 'unharmed'"), "unharmed");
    // Served as soon as the silent ones are sent away.
    let mut late = eventually("a login", || {
        Client::try_log_in(&role.through(&pooler), &[]).ok()
    });
    late.stream.patience(Duration::from_secs(5));
    assert_eq!(late.value("select 'late'"), "late");
}
