//! Every timeout: when it strikes, what the client is told, and that its server is usable after.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Fake, Message, Pooler, Role, Signal, Target, eventually, kill, shared,
    throughout,
};

/// Timeouts strike within a tenth of a second on an idle machine; two cores may be compiling.
const LATE: Duration = Duration::from_millis(2500);

/// Measures `act`, which must take `limit` and not much longer.
#[track_caller]
fn takes<T>(limit: f64, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = act();
    let took = start.elapsed();
    let limit = Duration::from_secs_f64(limit);
    assert!(
        took >= limit - Duration::from_millis(20),
        "struck early, after {took:?}"
    );
    assert!(took < limit + LATE, "struck late, after {took:?}");
    result
}

/// A pooler with one server, a client of it, and the process number of that server.
fn one_server(role: &Role, setting: &str, limit: f64) -> (Pooler, Client, String) {
    let config = role
        .config()
        .set("default_pool_size", 1)
        .set(setting, limit);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    let pid = client.value("select pg_backend_pid()");
    (pooler, client, pid)
}

/// The pool's one server serves the next client, outside of any transaction.
#[track_caller]
fn serves_next(pooler: &Pooler, role: &Role, pid: &str) {
    let mut next = Client::log_in(&role.through(pooler));
    assert_eq!(
        next.value("select pg_backend_pid()"),
        pid,
        "the server is kept"
    );
    assert_eq!(
        next.value("select count(*) from pg_class where relname = 'lost'"),
        "0"
    );
}

#[track_caller]
fn is_fatal(error: &Message, sqlstate: &str, words: &str) {
    assert_eq!(
        (&*error.field(b'S'), &*error.sqlstate()),
        ("FATAL", sqlstate),
        "{error:?}"
    );
    assert!(error.text().contains(words), "{error:?}");
}

#[test]
fn query_wait_timeout_refuses_who_waits() {
    let role = shared().role();
    let (pooler, mut holder, _) = one_server(&role, "query_wait_timeout", 0.3);
    let mut waiter = Client::log_in(&role.through(&pooler));
    holder.query("begin").success();
    let answer = takes(0.3, || waiter.query("select 1"));
    is_fatal(answer.error(), "57P03", "query_wait_timeout (0.3 s)");
    assert!(answer.ended);
    holder.query("commit").success();
}

#[test]
fn query_timeout_cancels_the_query_and_closes_the_client() {
    let role = shared().role();
    let (pooler, mut client, pid) = one_server(&role, "query_timeout", 0.3);
    let answer = takes(0.3, || client.query("select pg_sleep(60)"));
    is_fatal(answer.error(), "57014", "query_timeout (0.3 s)");
    serves_next(&pooler, &role, &pid);
}

#[test]
fn idle_transaction_timeout_rolls_back() {
    let role = shared().role();
    let (pooler, mut client, pid) = one_server(&role, "idle_transaction_timeout", 0.3);
    client.query("begin; create table lost (a int)").success();
    let answer = takes(0.3, || client.until_end());
    is_fatal(answer.error(), "25P03", "idle_transaction_timeout (0.3 s)");
    serves_next(&pooler, &role, &pid);
}

#[test]
fn idle_transaction_timeout_lets_active_transactions_be() {
    let role = shared().role();
    let (_pooler, mut client, _) = one_server(&role, "idle_transaction_timeout", 0.5);
    client.query("begin").success();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1200) {
        client.query("select pg_sleep(0.1)").success();
    }
    // A query longer than the limit is no idling.
    client.query("select pg_sleep(0.8)").success();
    client.query("commit").success();
}

#[test]
fn transaction_timeout_ends_long_transactions() {
    let role = shared().role();
    let (pooler, mut client, pid) = one_server(&role, "transaction_timeout", 0.5);
    client.query("begin; create table lost (a int)").success();
    let answer = takes(0.3, || {
        loop {
            let answer = client.query("select pg_sleep(0.05)");
            if answer.ended {
                return answer;
            }
        }
    });
    is_fatal(answer.error(), "25P04", "transaction_timeout (0.5 s)");
    serves_next(&pooler, &role, &pid);
}

#[test]
fn client_idle_timeout_closes_idle_clients_only() {
    let role = shared().role();
    let (_pooler, mut client, _) = one_server(&role, "client_idle_timeout", 0.4);
    client.query("select pg_sleep(0.8)").success();
    let answer = takes(0.4, || client.until_end());
    is_fatal(answer.error(), "57P05", "client_idle_timeout (0.4 s)");
}

#[test]
fn client_idle_timeout_counts_in_session_mode_too() {
    let role = shared().role();
    let config = role
        .config()
        .set("pool_mode", "session")
        .set("client_idle_timeout", 0.4);
    let pooler = Pooler::start(&config.set("default_pool_size", 1));
    let mut client = Client::log_in(&role.through(&pooler));
    let pid = client.value("select pg_backend_pid()");
    let answer = takes(0.4, || client.until_end());
    is_fatal(answer.error(), "57P05", "client_idle_timeout (0.4 s)");
    serves_next(&pooler, &role, &pid);
}

#[test]
fn client_login_timeout_sends_dawdlers_away() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("client_login_timeout", 0.3));
    // Says nothing, or half a startup packet.
    for bytes in [&b""[..], &[0, 0, 0, 50, 0, 3, 0, 0, b'u']] {
        let mut client = Client::connect(&role.through(&pooler)).unwrap();
        client.send(bytes);
        let answer = takes(0.3, || client.until_end());
        is_fatal(answer.error(), "08P01", "client_login_timeout (0.3 s)");
    }
}

/// A role that would log in to a server which is not PostgreSQL.
fn at_port(role: &Role, port: u16) -> Config {
    role.config().database("app", "port", port)
}

#[test]
fn server_connect_timeout_bounds_a_server_that_never_answers() {
    let role = shared().role();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let pooler = Pooler::start(&at_port(&role, port).set("server_connect_timeout", 0.4));
    let answer = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    is_fatal(answer.error(), "57P03", "server_connect_timeout (0.4 s)");
    pooler.has_said("server_connect_timeout");
}

#[test]
fn server_login_retry_is_the_pause_between_attempts() {
    let role = shared().role();
    let fake = Fake::start(|_, _| {});
    // With TLS preferred each attempt would be two connections.
    let config = at_port(&role, fake.port()).set("server_tls_sslmode", "disable");
    let pooler = Pooler::start(&config.set("server_login_retry", 0.5));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1200) {
        // Refused at once during the pause: nobody waits for what just failed.
        Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    }
    let attempts = fake.peers();
    // One at once, one after each pause, and one that may have begun since.
    let most = start.elapsed().as_millis() / 500 + 2;
    assert!(attempts >= 2, "{attempts} attempts in 1.2 s");
    assert!(
        attempts as u128 <= most,
        "{attempts} attempts, at most {most}"
    );
}

#[test]
fn a_server_that_comes_back_is_used_after_server_login_retry() {
    let role = shared().role();
    let fake = Fake::start(|peer, number| {
        if number > 1 && peer.log_in() {
            peer.answer_all();
        }
    });
    let pooler = Pooler::start(&at_port(&role, fake.port()).set("server_login_retry", 0.2));
    let mut client = eventually("a login", || {
        Client::try_log_in(&role.through(&pooler), &[]).ok()
    });
    assert_eq!(client.query("").to_string(), "I ZI");
}

#[test]
fn server_idle_timeout_closes_unused_servers() {
    let role = shared().role();
    let (_pooler, mut client, pid) = one_server(&role, "server_idle_timeout", 0.4);
    takes(0.35, || {
        eventually("no server", || {
            shared().pids(&role).is_empty().then_some(())
        })
    });
    assert_ne!(client.value("select pg_backend_pid()"), pid);
}

#[test]
fn server_lifetime_renews_servers_between_uses() {
    let role = shared().role();
    let (_pooler, mut client, first) = one_server(&role, "server_lifetime", 0.5);
    client.query("begin").success();
    throughout(Duration::from_millis(800), "the server in use", || {
        client.value("select pg_backend_pid()") == first
    });
    client.query("commit").success();
    eventually("another server", || {
        (client.value("select pg_backend_pid()") != first).then_some(())
    });
}

#[test]
fn a_lifetime_of_zero_uses_every_server_once() {
    let role = shared().role();
    let (_pooler, mut client, first) = one_server(&role, "server_lifetime", 0.0);
    let second = client.value("select pg_backend_pid()");
    let third = client.value("select pg_backend_pid()");
    assert!(first != second && second != third && third != first);
}

#[test]
fn a_server_that_died_while_idle_is_never_noticed() {
    for delay in [0.0, 30.0] {
        let role = shared().role();
        let (_pooler, mut client, pid) = one_server(&role, "server_check_delay", delay);
        shared().sql(&format!("select pg_terminate_backend({pid})"));
        eventually("it is gone", || {
            shared().pids(&role).is_empty().then_some(())
        });
        assert_ne!(client.value("select pg_backend_pid()"), pid);
    }
}

#[test]
fn a_frozen_server_is_found_by_the_check_and_others_go_on() {
    let role = shared().role();
    let config = role
        .config()
        .set("server_check_delay", 0.0)
        .set("default_pool_size", 2)
        .set("query_timeout", 0.5);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    let pid: u32 = client.value("select pg_backend_pid()").parse().unwrap();
    kill(pid, Signal::STOP);
    let mut second = Client::log_in(&role.through(&pooler));
    second.send(Batch::new().query("select 1").bytes());
    client.send(Batch::new().query("select 2").bytes());
    let answers = [second.until_ready(), client.until_ready()];
    kill(pid, Signal::CONT);
    // One of them had the frozen server and was told after its time; the other got a new one.
    let ended = answers.iter().filter(|answer| answer.ended).count();
    assert!(ended <= 1, "{answers:?}");
    let mut third = Client::log_in(&role.through(&pooler));
    assert_eq!(third.value("select 3"), "3");
}

#[test]
fn a_timeout_of_one_user_is_not_that_of_another() {
    let (hasty, calm) = (shared().role(), shared().role());
    let config = hasty
        .config()
        .user(&calm.name, "password", &calm.password)
        .user(&hasty.name, "query_timeout", 0.2);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&calm.through(&pooler));
    client.query("select pg_sleep(0.6)").success();
    let answer = Client::log_in(&hasty.through(&pooler)).query("select pg_sleep(60)");
    is_fatal(answer.error(), "57014", "query_timeout (0.2 s)");
}

/// Bytes of a message that is never completed keep neither a client nor its server.
#[test]
fn bytes_now_and_then_are_no_sign_of_life() {
    let long_parse = [&b"P\0\0\x10\0"[..], &[b'a'; 200]].concat();
    let long_copy_data = [&b"d\0\0\x10\0"[..], &[b'a'; 200]].concat();
    for (mode, setting, message, sqlstate) in [
        ("transaction", "client_idle_timeout", &long_parse, "57P05"),
        (
            "transaction",
            "client_idle_timeout",
            &long_copy_data,
            "57P05",
        ),
        ("session", "client_idle_timeout", &long_parse, "57P05"),
        ("session", "query_timeout", &long_copy_data, "57014"),
    ] {
        let role = shared().role();
        let config = role.config().set("pool_mode", mode);
        let pooler = Pooler::start(&config.set("default_pool_size", 1).set(setting, 0.5));
        let mut client = Client::log_in(&role.through(&pooler));
        client.value("select 1");
        let mut twin = client.stream.twin();
        let message = message.clone();
        let drips = thread::spawn(move || {
            for byte in message {
                if twin.write_all(&[byte]).is_err() {
                    return;
                }
                // The pace is what is tested.
                thread::sleep(Duration::from_millis(100));
            }
        });
        let answer = client.until_end();
        assert_eq!(answer.error().sqlstate(), sqlstate, "{mode}: {answer:?}");
        assert!(!drips.is_finished(), "{mode}: it was ended before");
        drop(client);
        drips.join().unwrap();
    }
}

/// A server that takes a check and never answers it costs its client ten seconds, and no more.
#[test]
fn a_check_that_is_not_answered_ends() {
    let fake = Fake::start(|peer, number| {
        if peer.log_in() {
            match number {
                0 => peer.hold(),
                _ => peer.answer_all(),
            }
        }
    });
    let config = Config::new()
        .set("auth_type", "trust")
        .set("pool_mode", "transaction")
        .set("server_check_delay", 0)
        .database("app", "host", "127.0.0.1")
        .database("app", "port", fake.port())
        .user("ann", "password", "x");
    let pooler = Pooler::start(&config);
    let target = Target {
        host: "127.0.0.1".to_owned(),
        port: pooler.port(),
        user: "ann".to_owned(),
        password: "x".to_owned(),
        database: "app".to_owned(),
    };
    let mut client = Client::log_in(&target);
    // A server that has logged in within a second is not checked.
    thread::sleep(Duration::from_millis(1100));
    let answer = takes(10.0, || client.query("select 1"));
    assert!(!answer.ended, "{answer:?}");
    assert!(fake.peers() > 1);
}
