//! The protocol, message by message: what comes through the pooler is what PostgreSQL says.

mod cases;

use pgweir_e2e::{Batch, Client, Pooler, Transcript, shared};

use cases::{Case, cases};

/// Runs all cases that `wanted` lets through, in one session each, and compares what comes
/// directly and through the pooler byte by byte.
fn check(mode: &str, wanted: impl Fn(&Case) -> bool) {
    let role = shared().role();
    let mut direct = Client::log_in(&role.direct());
    direct.query("create table t (a int)").success();
    let pooler = Pooler::start(
        &role
            .config()
            .set("pool_mode", mode)
            .set("default_pool_size", 1),
    );
    let mut through = Client::log_in(&role.through(&pooler));
    for (name, batch, readies, expected) in cases().into_iter().filter(|case| wanted(case)) {
        let answer = direct.ask_many(&batch, readies);
        assert_eq!(answer.to_string(), expected, "{name}, without a pooler");
        let pooled = through.ask_many(&batch, readies);
        assert_eq!(pooled, answer, "{mode} mode: {name}");
        assert_eq!(
            through.value("select 'alive'"),
            "alive",
            "{mode} mode, after: {name}"
        );
    }
}

#[test]
fn transaction_mode_answers_what_postgres_answers() {
    check("transaction", |_| true);
}

#[test]
fn session_mode_answers_what_postgres_answers() {
    check("session", |_| true);
}

#[test]
fn statement_mode_answers_what_postgres_answers_outside_of_transactions() {
    check("statement", |(_, _, _, expected)| {
        !expected.contains("ZT") && !expected.contains("ZE")
    });
}

#[test]
fn statement_mode_refuses_transactions_and_keeps_its_servers() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("pool_mode", "statement"));
    let mut stays = Client::log_in(&role.through(&pooler));
    let pid = stays.value("select pg_backend_pid()");
    for begin in ["begin", "select 1; begin"] {
        let mut client = Client::log_in(&role.through(&pooler));
        let answer = client.query(begin);
        assert_eq!(answer.error().sqlstate(), "0A000");
        assert!(answer.ended, "{answer:?}");
    }
    let answer = stays.query("select 1; select 2").success();
    assert_eq!(answer.rows().len(), 2);
    assert_eq!(stays.value("select pg_backend_pid()"), pid);
}

#[test]
fn flush_brings_the_answers_so_far_and_the_server_stays_until_sync() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut client = Client::log_in(&role.through(&pooler));
    let mut other = Client::log_in(&role.through(&pooler));
    client.send(Batch::new().parse("", "select 1").flush().bytes());
    assert_eq!(client.until(b'1').to_string(), "1");
    other.send(Batch::new().query("select 'second'").bytes());
    client.send(
        Batch::new()
            .bind("", "", &[])
            .execute("", 0)
            .flush()
            .bytes(),
    );
    assert_eq!(client.until(b'C').to_string(), "2 D(1) C(SELECT 1)");
    assert_eq!(client.ask(&Batch::new().sync()).to_string(), "ZI");
    assert_eq!(
        other.until_ready().to_string(),
        "T D(second) C(SELECT 1) ZI"
    );
}

#[test]
fn a_lone_sync_needs_no_server() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut holder = Client::log_in(&role.through(&pooler));
    let mut client = Client::log_in(&role.through(&pooler));
    holder.query("begin").success();
    let answer = client.ask_many(&Batch::new().sync().sync(), 2);
    assert_eq!(answer.to_string(), "ZI ZI");
}

#[test]
fn messages_may_come_byte_by_byte() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut client = Client::log_in(&role.through(&pooler));
    let batch = Batch::new()
        .query("select 'one'")
        .parse("s", "select $1::text")
        .bind("", "s", &["two"])
        .execute("", 0)
        .close_statement("s")
        .sync()
        .query("copy (values ('three')) to stdout");
    for byte in batch.bytes() {
        client.send(&[*byte]);
    }
    let mut answer = Transcript::default();
    for _ in 0..3 {
        answer.messages.extend(client.until_ready().messages);
    }
    assert_eq!(
        answer.to_string(),
        "T D(one) C(SELECT 1) ZI 1 2 D(two) C(SELECT 1) 3 ZI H d(three) c C(COPY 1) ZI"
    );
}

#[test]
fn notifications_reach_the_session_that_listens() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("pool_mode", "session"));
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("listen news").success();
    Client::log_in(&role.direct())
        .query("notify news, 'hello'")
        .success();
    let message = client.receive().unwrap();
    assert_eq!(message.kind, b'A');
    assert!(
        message.body.ends_with(b"news\0hello\0"),
        "{:?}",
        message.body
    );
}

#[test]
fn statements_prepared_by_one_client_are_unknown_to_the_next() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let mut first = Client::log_in(&target);
    let pid = first.value("select pg_backend_pid()");
    first
        .ask(&Batch::new().parse("s", "select 1").sync())
        .success();
    first.send(Batch::new().terminate().bytes());
    assert_eq!(first.until_end().to_string(), "end");
    let mut second = Client::log_in(&target);
    let answer = second.ask(&Batch::new().bind("", "s", &[]).sync());
    assert_eq!(answer.to_string(), "E(26000) ZI");
    assert_eq!(
        second.value("select pg_backend_pid()"),
        pid,
        "the server is kept"
    );
    second
        .ask(&Batch::new().parse("s", "select 2").sync())
        .success();
}

#[test]
fn messages_of_64_megabytes_pass_in_bounded_memory() {
    const SIZE: usize = 64 << 20;
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut client = Client::log_in(&role.through(&pooler));
    client.value("select 1");
    let before = pgweir_e2e::memory_peak(pooler.pid());

    let text = "x".repeat(SIZE);
    assert_eq!(
        client.value(&format!("select length('{text}')")),
        SIZE.to_string()
    );
    let batch = Batch::new().run("select length($1)", &[&text]).sync();
    assert_eq!(client.ask(&batch).success().value(), SIZE.to_string());
    let answer = client
        .query(&format!("select repeat('y', {SIZE})"))
        .success();
    assert!(answer.value().bytes().all(|byte| byte == b'y'));
    assert_eq!(answer.value().len(), SIZE);
    let answer = client
        .query(&format!("copy (select repeat('z', {SIZE})) to stdout"))
        .success();
    assert_eq!(answer.messages[1].body.len(), SIZE + 1);

    let grown = pgweir_e2e::memory_peak(pooler.pid()) - before;
    assert!(grown < 4 << 20, "memory grew by {grown} bytes");
}

#[test]
fn a_client_that_reads_slowly_slows_only_itself() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 2).set("workers", 1));
    let mut slow = Client::log_in(&role.through(&pooler));
    let mut quick = Client::log_in(&role.through(&pooler));
    let before = pgweir_e2e::memory_peak(pooler.pid());
    slow.send(
        Batch::new()
            .query("select repeat('x', 1000) from generate_series(1, 100000)")
            .bytes(),
    );
    assert_eq!(slow.receive().unwrap().kind, b'T');
    for number in 0..200 {
        assert_eq!(quick.value(&format!("select {number}")), number.to_string());
    }
    let grown = pgweir_e2e::memory_peak(pooler.pid()) - before;
    assert!(grown < 4 << 20, "memory grew by {grown} bytes");
    assert_eq!(slow.until_ready().success().rows().len(), 100_000);
}

#[test]
fn a_client_may_send_everything_before_it_reads_anything() {
    const QUERIES: usize = 20_000;
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut client = Client::log_in(&role.through(&pooler));
    let mut batch = Batch::new();
    for number in 0..QUERIES {
        batch = batch.run("select $1", &[&number.to_string()]);
        if number % 100 == 99 {
            batch = batch.sync();
        }
    }
    let mut writer = client.stream.twin();
    let sender = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, batch.bytes()).unwrap();
    });
    for hundred in 0..QUERIES / 100 {
        let rows = client.until_ready().success().rows();
        assert_eq!(
            (rows.len(), &*rows[0][0]),
            (100, &*(hundred * 100).to_string())
        );
    }
    sender.join().unwrap();
}
