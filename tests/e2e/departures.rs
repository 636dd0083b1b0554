//! Clients that leave in the middle of things: their servers are cleaned and kept where that is
//! possible, and serve others in any case.

use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Config, PATIENCE, Pooler, Role, eventually, shared};

/// A pooler with one server.
fn one_server(role: &Role) -> Config {
    role.config()
        .set("default_pool_size", 1)
        .set("query_wait_timeout", 15)
}

/// What a client does before it vanishes, and what it must have read until then; `SLEEPS` is
/// nothing, but PostgreSQL must be asleep.
type Departure = (&'static str, Batch, u8);

const SLEEPS: u8 = 0;

fn departures() -> Vec<Departure> {
    let new = Batch::new;
    vec![
        (
            "while a query runs",
            new().query("select pg_sleep(60)"),
            SLEEPS,
        ),
        (
            "while an extended query runs",
            new().run("select pg_sleep(60)", &[]).sync(),
            SLEEPS,
        ),
        (
            "while a query without Sync runs",
            new().run("select pg_sleep(60)", &[]).flush(),
            SLEEPS,
        ),
        (
            "while rows stream",
            new().query("select repeat('x', 1000), generate_series(1, 100000000)"),
            b'D',
        ),
        (
            "while COPY streams",
            new().query("copy (select generate_series(1, 100000000)) to stdout"),
            b'd',
        ),
        (
            "in a transaction",
            new().query("begin; create table lost (a int)"),
            b'Z',
        ),
        (
            "in a failed transaction",
            new().query("begin; create table lost (a int); select 1/0"),
            b'Z',
        ),
        (
            "while a query of a transaction runs",
            new().query("begin; create table lost (a int); select pg_sleep(60)"),
            SLEEPS,
        ),
        (
            "with an open batch",
            new().parse("", "select 1").flush(),
            b'1',
        ),
        (
            "with an open batch in a transaction",
            new()
                .query("begin; create table lost (a int)")
                .run("select 1", &[])
                .flush(),
            b'2',
        ),
        (
            "with a failed batch",
            new().parse("", "selekt").flush(),
            b'E',
        ),
        (
            "in COPY",
            new().query("copy t from stdin").copy_data("1\n"),
            b'G',
        ),
        (
            "in COPY, extended",
            new().run("copy t from stdin", &[]).flush(),
            b'G',
        ),
        (
            "with a named statement",
            new().parse("s", "select 1").sync(),
            b'Z',
        ),
        (
            "with pipelined queries",
            new()
                .query("select 1")
                .query("select pg_sleep(60)")
                .query("select 3"),
            SLEEPS,
        ),
        (
            "with settings of its own",
            new()
                .query("set timezone = 'Asia/Tokyo'")
                .query("select pg_sleep(60)"),
            SLEEPS,
        ),
    ]
}

/// Whether PostgreSQL ignored the Sync shows with its next answer only, so this server may be closed.
fn uncertain() -> Departure {
    let copy = Batch::new().run("copy t from stdin", &[]).sync();
    ("in COPY, extended, with a Sync ahead", copy, b'G')
}

fn check(mode: &str, mut leave: impl FnMut(&Pooler, Client)) {
    let role = shared().role();
    Client::log_in(&role.direct())
        .query("create table t (a int)")
        .success();
    let pooler = Pooler::start(&one_server(&role).set("pool_mode", mode));
    let target = role.through(&pooler);
    let mut pid = Client::log_in(&target).value("select pg_backend_pid()");
    let clear = departures().into_iter().map(|departure| (departure, true));
    for ((name, batch, last), keeps) in clear.chain([(uncertain(), false)]) {
        let mut client = Client::log_in(&target);
        client.send(batch.bytes());
        if last == SLEEPS {
            eventually("PostgreSQL sleeps", || {
                (shared().activity(&role, "wait_event")? == "PgSleep").then_some(())
            });
        } else {
            let answer = client.until(last);
            assert!(!answer.ended, "{name}: {answer:?}");
        }
        leave(&pooler, client);
        let start = Instant::now();
        let mut next = Client::log_in(&target);
        let answer = next.query("select pg_backend_pid(), to_regclass('lost'), count(*), current_setting('timezone') from t");
        let took = start.elapsed();
        let row = answer.success().rows().remove(0);
        assert_eq!(&row[1..], ["", "0", "UTC"], "{name}");
        assert!(
            took < Duration::from_secs(4),
            "{name}: usable after {took:?}"
        );
        let kept = std::mem::replace(&mut pid, row[0].clone()) == row[0];
        assert!(
            kept || !keeps,
            "{mode} mode: the server is closed when a client leaves {name}"
        );
    }
}

#[test]
fn a_client_that_vanishes_leaves_a_usable_server_in_transaction_mode() {
    check("transaction", |_, client| drop(client));
}

#[test]
fn a_client_that_vanishes_leaves_a_usable_server_in_session_mode() {
    check("session", |_, client| drop(client));
}

#[test]
fn a_client_that_says_goodbye_leaves_a_usable_server() {
    let terminate = Batch::new().terminate();
    check("transaction", |_, mut client| {
        client.send(terminate.bytes())
    });
}

#[test]
fn a_client_that_says_goodbye_behind_its_queries_gets_their_answers() {
    let role = shared().role();
    let pooler = Pooler::start(&one_server(&role));
    for batch in [
        Batch::new().query("select 1"),
        Batch::new().run("select 1", &[]).sync(),
        Batch::new().query("select pg_sleep(0.3)"),
        Batch::new().query("begin").query("select 1/0"),
    ] {
        let batch = batch.terminate();
        let answers = [role.direct(), role.through(&pooler)].map(|target| {
            let mut client = Client::log_in(&target);
            client.send(batch.bytes());
            client.until_end().to_string()
        });
        assert_eq!(answers[0], answers[1]);
    }
}

/// A conversation with a bit of everything.
fn conversation() -> (Vec<u8>, Vec<usize>) {
    let new = Batch::new;
    let messages = [
        new().query("begin"),
        new().parse("s", "select $1::text"),
        new().bind("", "s", &["some text"]),
        new().describe_portal(""),
        new().execute("", 0),
        new().close_statement("s"),
        new().flush(),
        new().sync(),
        new().query("copy t from stdin"),
        new().copy_data("1\n2\n"),
        new().copy_done(),
        new().query("rollback"),
        new().query("select 'end'"),
    ];
    let mut bytes = Vec::new();
    let mut borders = vec![0];
    for message in messages {
        bytes.extend(message.bytes());
        borders.push(bytes.len());
    }
    (bytes, borders)
}

#[test]
fn a_client_may_vanish_behind_every_byte() {
    let role = shared().role();
    Client::log_in(&role.direct())
        .query("create table t (a int)")
        .success();
    let pooler = Pooler::start(&one_server(&role));
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    let (bytes, _) = conversation();
    for cut in 0..=bytes.len() {
        let mut client = Client::log_in(&target);
        client.send(&bytes[..cut]);
        drop(client);
        let tag = format!("after {cut} bytes");
        assert_eq!(stays.value(&format!("select '{tag}'")), tag);
        assert_eq!(stays.value("select count(*) from t"), "0", "{tag}");
    }
}

#[test]
fn a_client_may_say_goodbye_between_any_two_messages() {
    let role = shared().role();
    Client::log_in(&role.direct())
        .query("create table t (a int)")
        .success();
    let pooler = Pooler::start(&one_server(&role));
    let target = role.through(&pooler);
    let mut stays = Client::log_in(&target);
    let pid = stays.value("select pg_backend_pid()");
    let (bytes, borders) = conversation();
    for border in borders {
        let mut client = Client::log_in(&target);
        let goodbye = Batch::new().raw(&bytes[..border]).terminate();
        client.send(goodbye.bytes());
        assert!(client.until_end().ended);
        assert_eq!(
            stays.value("select pg_backend_pid()"),
            pid,
            "goodbye after {border} bytes"
        );
    }
}

#[test]
fn clients_that_vanish_while_they_wait_leave_the_queue() {
    let role = shared().role();
    let pooler = Pooler::start(&one_server(&role).set("max_waiting_clients", 3));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    holder.query("begin").success();
    let query = Batch::new().query("insert into nowhere values (1)");
    for _ in 0..10 {
        let mut waiters: Vec<_> = (0..3).map(|_| Client::log_in(&target)).collect();
        for waiter in &mut waiters {
            waiter.send(query.bytes());
        }
        drop(waiters);
        // The queue has room again, or this one would be refused.
        eventually("the queue is empty", || {
            let mut patient = Client::log_in(&target);
            patient.stream.patience(Duration::from_millis(50));
            patient.send(Batch::new().query("select 1").bytes());
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                patient.until_ready().ended
            }));
            (!matches!(refused, Ok(true))).then_some(())
        });
    }
    holder.query("commit").success();
    let mut last = Client::log_in(&target);
    last.stream.patience(PATIENCE);
    assert_eq!(last.value("select 'served'"), "served");
}

#[test]
fn peers_that_vanish_during_login_leave_nothing() {
    let role = shared().role();
    let config = one_server(&role)
        .set("auth_type", "scram-sha-256")
        .set("max_client_conn", 2);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let mut packet = Vec::new();
    let pairs = [("user", &*target.user), ("database", &*target.database)];
    pgweir_wire::startup::encode_startup(&mut packet, 0, &pairs);
    for cut in 0..=packet.len() {
        let mut peer = Client::connect(&target).unwrap();
        peer.send(&packet[..cut]);
    }
    for _ in 0..10 {
        let mut peer = Client::connect(&target).unwrap();
        peer.send(&packet);
        assert_eq!(peer.receive().unwrap().kind, b'R');
    }
    for _ in 0..10 {
        drop(eventually("room for one", || {
            Client::try_log_in(&target, &[]).ok()
        }));
    }
}
