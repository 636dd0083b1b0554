//! Conversations in which a client waits in the middle: what comes through the pooler is what comes
//! without it, and nobody waits for the other for ever.

use std::thread;
use std::time::Duration;

use pgweir_e2e::{Batch, Client, Fake, Pooler, Postgres, Role, Target, eventually, shared};
use pgweir_wire::startup::FirstPacket;

use crate::cancel::wait_until_active;

/// Holds a conversation without a pooler, then through one in each mode that allows transactions.
/// On the only server another client is served before and behind it.
fn converse(talk: impl Fn(&mut Client) -> Vec<String>, expected: &[&str]) {
    let role = shared().role();
    let direct = talk(&mut Client::log_in(&role.direct()));
    assert_eq!(direct, expected, "without a pooler");
    for mode in ["transaction", "session"] {
        let config = role.config().set("pool_mode", mode);
        let pooler = Pooler::start(&config.set("default_pool_size", 1));
        let mut other = (mode == "transaction").then(|| Client::log_in(&role.through(&pooler)));
        let mut served = || {
            if let Some(other) = &mut other {
                assert_eq!(other.value("select 'served'"), "served", "{mode}");
            }
        };
        served();
        let mut client = Client::log_in(&role.through(&pooler));
        assert_eq!(talk(&mut client), expected, "{mode}");
        served();
        assert_eq!(client.value("select 'on'"), "on", "{mode}");
    }
}

/// Sends a batch and reads up to a message of this type.
fn step(client: &mut Client, batch: Batch, last: u8) -> String {
    client.send(batch.bytes());
    client.until(last).to_string()
}

#[test]
fn a_flush_brings_what_was_described_before_the_sync() {
    converse(
        |client| {
            let parse = Batch::new().parse("", "select $1::int as a");
            vec![
                step(client, parse.describe_statement("").flush(), b'T'),
                step(
                    client,
                    Batch::new()
                        .bind("", "", &["7"])
                        .describe_portal("")
                        .flush(),
                    b'T',
                ),
                step(client, Batch::new().execute("", 0).flush(), b'C'),
                step(client, Batch::new().sync(), b'Z'),
            ]
        },
        &["1 t T", "2 T", "D(7) C(SELECT 1)", "ZI"],
    );
}

#[test]
fn a_portal_is_read_in_parts_between_flushes() {
    converse(
        |client| {
            let begin = Batch::new()
                .parse("", "select generate_series(1, 5)")
                .bind("p", "", &[]);
            vec![
                step(client, begin.execute("p", 2).flush(), b's'),
                step(client, Batch::new().execute("p", 2).flush(), b's'),
                step(
                    client,
                    Batch::new().run("select 'between'", &[]).flush(),
                    b'C',
                ),
                step(client, Batch::new().execute("p", 2).flush(), b'C'),
                step(client, Batch::new().close_portal("p").sync(), b'Z'),
            ]
        },
        &[
            "1 2 D(1) D(2) s",
            "D(3) D(4) s",
            "1 2 D(between) C(SELECT 1)",
            "D(5) C(SELECT 1)",
            "3 ZI",
        ],
    );
}

/// As drivers do that wrap each statement in a savepoint: the release is a simple query in the same
/// write, without a Sync, and is skipped when the statement fails.
#[test]
fn an_error_comes_without_a_sync_and_skips_the_query_behind_it() {
    converse(
        |client| {
            let fails = Batch::new().bind("", "divide", &["0"]).execute("", 0);
            let works = Batch::new().bind("", "divide", &["2"]).execute("", 0);
            vec![
                step(client, Batch::new().query("begin"), b'Z'),
                step(
                    client,
                    Batch::new()
                        .parse(
                            "divide",
                            "select 6 / (g * $1::int) from generate_series(1, 1) g",
                        )
                        .sync(),
                    b'Z',
                ),
                step(client, Batch::new().query("savepoint s"), b'Z'),
                step(client, fails.query("release savepoint s"), b'E'),
                step(client, Batch::new().sync(), b'Z'),
                step(client, Batch::new().query("rollback to savepoint s"), b'Z'),
                step(client, works.query("release savepoint s"), b'Z'),
                step(client, Batch::new().close_statement("divide").sync(), b'Z'),
                step(client, Batch::new().query("commit"), b'Z'),
            ]
        },
        &[
            "C(BEGIN) ZT",
            "1 ZT",
            "C(SAVEPOINT) ZT",
            "2 E(22012)",
            "ZE",
            "C(ROLLBACK) ZT",
            "2 D(3) C(SELECT 1) C(RELEASE) ZT",
            "3 ZT",
            "C(COMMIT) ZI",
        ],
    );
}

#[test]
fn an_error_of_a_parse_or_describe_comes_without_a_flush() {
    converse(
        |client| {
            vec![
                step(
                    client,
                    Batch::new().parse("", "selekt").describe_statement(""),
                    b'E',
                ),
                step(
                    client,
                    Batch::new().run("select 'skipped'", &[]).sync(),
                    b'Z',
                ),
                step(client, Batch::new().describe_statement("nobody"), b'E'),
                step(client, Batch::new().sync(), b'Z'),
            ]
        },
        &["E(42601)", "ZI", "E(26000)", "ZI"],
    );
}

/// A FunctionCall, as pgjdbc's large objects make them: numbers and bytes in binary.
fn call(function: u32, arguments: &[&[u8]]) -> Batch {
    let mut body = function.to_be_bytes().to_vec();
    body.extend([0, 1, 0, 1]);
    body.extend((arguments.len() as u16).to_be_bytes());
    for argument in arguments {
        body.extend((argument.len() as u32).to_be_bytes());
        body.extend(*argument);
    }
    body.extend([0, 1]);
    Batch::new().message(b'F', &body)
}

/// The value that a function gives, and the status of the transaction behind it.
fn called(client: &mut Client, function: u32, arguments: &[&[u8]]) -> (Vec<u8>, String) {
    let mut answer = client.ask(&call(function, arguments));
    let ready = answer.messages.pop().unwrap().to_string();
    let value = answer.messages.pop().unwrap();
    assert_eq!(value.kind, b'V', "{value:?}");
    (value.body[4..].to_vec(), ready)
}

#[test]
fn large_objects_are_written_and_read_by_function_calls() {
    // Their numbers have not changed since the beginning of time.
    const CREATE: u32 = 957;
    const OPEN: u32 = 952;
    const CLOSE: u32 = 953;
    const READ: u32 = 954;
    const WRITE: u32 = 955;
    const UNLINK: u32 = 964;
    let (read_write, small) = (0x0006_0000_u32.to_be_bytes(), 5_u32.to_be_bytes());
    converse(
        |client| {
            let mut told = vec![client.query("begin").to_string()];
            let (object, ready) = called(client, CREATE, &[&read_write]);
            told.push(ready);
            let (handle, _) = called(client, OPEN, &[&object, &read_write]);
            let content = vec![b'x'; 100_000];
            let (written, _) = called(client, WRITE, &[&handle, &content]);
            told.push(u32::from_be_bytes(written.try_into().unwrap()).to_string());
            called(client, CLOSE, &[&handle]);
            let (handle, _) = called(client, OPEN, &[&object, &read_write]);
            let (read, _) = called(client, READ, &[&handle, &small]);
            told.push(String::from_utf8(read).unwrap());
            let (read, _) = called(client, READ, &[&handle, &1_000_000_u32.to_be_bytes()]);
            told.push(read.len().to_string());
            told.push(client.query("savepoint s").to_string());
            // A handle that there is not.
            told.push(client.ask(&call(CLOSE, &[&small])).to_string());
            told.push(client.query("rollback to savepoint s").to_string());
            let (_, ready) = called(client, UNLINK, &[&object]);
            told.push(ready);
            told.push(client.query("commit").to_string());
            // Outside a transaction each call is one of its own, so the handle is gone.
            told.push(client.ask(&call(READ, &[&handle, &small])).to_string());
            told
        },
        &[
            "C(BEGIN) ZT",
            "ZT",
            "100000",
            "xxxxx",
            "99995",
            "C(SAVEPOINT) ZT",
            "E(42704) ZE",
            "C(ROLLBACK) ZT",
            "ZT",
            "C(COMMIT) ZI",
            "E(42704) ZI",
        ],
    );
}

#[test]
fn what_postgresql_says_unasked_comes_with_the_next_answer_or_by_itself() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let config = role.config().set("pool_mode", "session");
    let pooler = Pooler::start(&config.set("default_pool_size", 2));
    for (target, style) in [
        (role.direct(), "iso_8601"),
        (role.through(&pooler), "sql_standard"),
    ] {
        let mut client = Client::log_in(&target);
        client.query("listen news").success();
        postgres.sql(&format!("alter system set intervalstyle = '{style}'"));
        postgres.sql("select pg_reload_conf()");
        let expected = format!("T D(1) C(SELECT 1) S(IntervalStyle={style}) ZI");
        eventually("the change is reported", || {
            (client.query("select 1").to_string() == expected).then_some(())
        });
        postgres.sql("notify news, 'idle'");
        assert_eq!(client.receive().unwrap().kind, b'A');
        let batch = Batch::new().run("select 1", &[]).flush();
        assert_eq!(step(&mut client, batch, b'C'), "1 2 D(1) C(SELECT 1)");
        postgres.sql("notify news, 'amid a batch'");
        assert_eq!(client.ask(&Batch::new().sync()).to_string(), "A ZI");
        client.query("begin").success();
        postgres.sql("notify news, 'amid a transaction'");
        assert_eq!(
            client.query("select 2").to_string(),
            "T D(2) C(SELECT 1) ZT"
        );
        assert_eq!(client.query("commit").to_string(), "C(COMMIT) A ZI");
    }
}

/// A server may say such things between any two messages.
#[test]
fn what_a_server_says_unasked_reaches_the_client_wherever_it_stands() {
    let say = |text: &str| -> Vec<u8> {
        let mut out = Vec::new();
        for kind in text.bytes() {
            let body: &[u8] = match kind {
                b'S' => b"IntervalStyle\0iso_8601\0",
                b'N' => b"SNOTICE\0C00000\0Mlook\0\0",
                b'A' => b"\0\0\0\x07news\0hello\0",
                b'T' => b"\0\0",
                b'D' => b"\0\x01\0\0\0\x011",
                b'C' => b"SELECT 1\0",
                b'Z' => b"I",
                _ => b"",
            };
            out.push(kind);
            out.extend((body.len() as u32 + 4).to_be_bytes());
            out.extend(body);
        }
        out
    };
    let fake = Fake::start(move |peer, _| {
        if !peer.log_in() {
            return;
        }
        while let Some((kind, _)) = peer.receive() {
            let said = match kind {
                b'Q' => say("SNATNSADASCANZNAS"),
                b'S' => say("NA1SN2ANDSACNSZAN"),
                _ => Vec::new(),
            };
            if !peer.send(&said) {
                return;
            }
        }
    });
    let role = shared().role();
    let config = role.config().set("pool_mode", "session");
    let config = config.database("fake", "host", "127.0.0.1");
    let pooler = Pooler::start(&config.database("fake", "port", fake.port()));
    let mut client = Client::log_in(&role.through(&pooler).database("fake"));
    let kinds = |client: &mut Client, count: usize| -> String {
        let kinds = (0..count).map(|_| char::from(client.receive().unwrap().kind));
        kinds.collect()
    };
    for _ in 0..3 {
        client.send(Batch::new().query("select 1").bytes());
        assert_eq!(kinds(&mut client, 17), "SNATNSADASCANZNAS");
        client.send(Batch::new().run("select 1", &[]).sync().bytes());
        assert_eq!(kinds(&mut client, 17), "NA1SN2ANDSACNSZAN");
    }
}

/// Asks to cancel with this number and key, and does not wait for anything.
fn storm(target: &Target, (pid, key): (u32, &[u8]), requests: usize) {
    let mut request = Vec::new();
    pgweir_wire::startup::encode_cancel(&mut request, pid, key);
    thread::scope(|scope| {
        for _ in 0..requests {
            scope.spawn(|| {
                let mut other = Client::connect(target).unwrap();
                other.send(&request);
                other.until_end();
            });
        }
    });
}

#[test]
fn a_storm_of_cancel_requests_is_a_few_for_postgresql() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let fake = Fake::start(move |peer, _| match peer.first_packet() {
        Some(FirstPacket::Startup(_)) if peer.welcome(&[1, 2, 3, 4]) => peer.hold(),
        Some(FirstPacket::Startup(_)) => {}
        Some(_) => {
            sender.send(()).unwrap();
            // Postmasters are slow when the machine is busy.
            peer.hold_for(Duration::from_millis(500));
        }
        None => {}
    });
    let role = shared().role();
    let config = role.config().database("fake", "host", "127.0.0.1");
    let pooler = Pooler::start(&config.database("fake", "port", fake.port()));
    let target = role.through(&pooler).database("fake");
    let mut client = Client::log_in(&target);
    let mut other = Client::log_in(&role.through(&pooler));
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    eventually("the query runs", || {
        client.cancel();
        receiver.try_recv().ok()
    });
    let begin = std::time::Instant::now();
    let wrong = [9; 4];
    thread::scope(|scope| {
        scope.spawn(|| storm(&target, (client.pid, &client.key), 150));
        scope.spawn(|| storm(&target, (client.pid, &wrong), 150));
        scope.spawn(|| storm(&target, (client.pid ^ 1, &client.key), 150));
        for number in 0..50 {
            assert_eq!(other.value(&format!("select {number}")), number.to_string());
        }
    });
    let rounds = begin.elapsed().as_millis() / 500 + 1;
    let requests = receiver.try_iter().count() as u128;
    assert!(requests <= 2 * rounds + 2, "{requests} in {rounds} rounds");
}

#[test]
fn a_storm_of_cancel_requests_of_others_cancels_nothing() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 2));
    let target = role.through(&pooler);
    let mut victim = Client::log_in(&target);
    let other = Client::log_in(&target);
    victim.send(Batch::new().query("select pg_sleep(1), 'whole'").bytes());
    wait_until_active(&role);
    // The number of one and the key of another, and a key of the right length that is nobody's.
    storm(&target, (victim.pid, &other.key), 100);
    storm(&target, (other.pid, &victim.key), 100);
    storm(&target, (other.pid, &other.key), 100);
    storm(&target, (victim.pid, &[0; 32]), 20);
    assert_eq!(
        victim.until_ready().to_string(),
        "T D(,whole) C(SELECT 1) ZI"
    );
}

/// PostgreSQL reads a goodbye behind everything else, so what was sent before it takes effect.
#[test]
fn what_a_client_sent_before_its_goodbye_takes_effect() {
    for mode in ["transaction", "session"] {
        let role = shared().role();
        let config = role.config().set("pool_mode", mode);
        let pooler = Pooler::start(&config.set("default_pool_size", 1));
        let mut client = Client::log_in(&role.direct());
        client.query("create table t (a text)").success();
        let kinds = [
            Batch::new().query("insert into t select 'simple' from pg_sleep(0.3)"),
            Batch::new()
                .run("insert into t select 'extended' from pg_sleep(0.3)", &[])
                .sync(),
            Batch::new()
                .query("begin")
                .query("insert into t values ('open')"),
            Batch::new().run("insert into t values ('no sync')", &[]),
        ];
        for batch in kinds {
            let mut leaving = Client::log_in(&role.through(&pooler));
            leaving.send(batch.terminate().bytes());
            leaving.until_end();
        }
        // One server serves one behind the other, so nothing is under way any more.
        let mut last = Client::log_in(&role.through(&pooler));
        let rows = last.query("select a from t order by a").success().rows();
        assert_eq!(rows.concat(), ["extended", "simple"], "{mode}");
    }
}

/// A query that outlasts the bound is cancelled, and the server serves the next client.
#[test]
fn a_goodbye_behind_a_long_query_ends_it_within_the_bound() {
    let role: Role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut leaving = Client::log_in(&role.through(&pooler));
    let pid = leaving.value("select pg_backend_pid()");
    leaving.send(
        Batch::new()
            .query("select pg_sleep(60)")
            .terminate()
            .bytes(),
    );
    wait_until_active(&role);
    let begin = std::time::Instant::now();
    let mut next = Client::log_in(&role.through(&pooler));
    assert_eq!(next.value("select pg_backend_pid()"), pid);
    let waited = begin.elapsed();
    assert!(
        waited > Duration::from_secs(1) && waited < Duration::from_secs(10),
        "{waited:?}"
    );
}
