//! A client that keeps its server from its login on has the number of that server's process, as without a pooler.

use std::thread;

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, Target, eventually, shared};
use pgweir_wire::backend;

use crate::cancel::wait_until_active;

/// Session mode with one server.
fn config(role: &Role) -> Config {
    role.config()
        .set("pool_mode", "session")
        .set("default_pool_size", 1)
        .set("http_listen", "127.0.0.1:0")
}

/// A client that logs in, in a thread of its own.
fn logs_in(target: &Target) -> thread::JoinHandle<Client> {
    let target = target.clone();
    thread::spawn(move || Client::log_in(&target))
}

/// Waits until so many clients wait for a server.
#[track_caller]
fn wait_for_waiters(pooler: &Pooler, waiters: f64) {
    eventually("clients wait", || {
        let seen = pooler.scrape().sum("pgweir_pool_waiters", &[]);
        (seen == Some(waiters)).then_some(())
    });
}

#[test]
fn a_client_is_told_the_number_that_postgresql_knows_its_session_by() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("default_pool_size", 2));
    for minor in [0, 2] {
        let (mut client, _) = Client::log_in_asking(&role.through(&pooler), minor, &[]);
        assert_eq!(client.key.len(), if minor == 0 { 4 } else { 32 });
        let pid = client.pid.to_string();
        assert_eq!(client.value("select pg_backend_pid()"), pid);
        client.query("listen channel").success();
        shared().sql("notify channel");
        let elsewhere = client.until(backend::NOTIFICATION_RESPONSE);
        let notify = Batch::new().query("notify channel");
        let own = client.ask(&notify);
        let sender = |body: &[u8]| u32::from_be_bytes(body[..4].try_into().expect("a number"));
        let of_own = own
            .messages
            .iter()
            .find(|message| message.kind == backend::NOTIFICATION_RESPONSE);
        assert_eq!(sender(&of_own.expect("its own").body), client.pid);
        let of_elsewhere = elsewhere.messages.last().expect("awaited");
        assert_ne!(sender(&of_elsewhere.body), client.pid);

        client.send(Batch::new().query("select pg_sleep(60)").bytes());
        wait_until_active(&role);
        client.cancel();
        assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
        client.key[0] ^= 1;
        client.send(Batch::new().query("select pg_sleep(0.2)").bytes());
        wait_until_active(&role);
        client.cancel();
        client.until_ready().success();

        shared().sql(&format!("select pg_terminate_backend({pid})"));
        assert_eq!(client.until_end().error().sqlstate(), "57P01");
    }
}

#[test]
fn a_session_that_has_asked_nothing_is_ended_by_its_number() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let mut client = Client::log_in(&role.through(&pooler));
    assert!(shared().pids(&role).contains(&client.pid));
    shared().sql(&format!("select pg_terminate_backend({})", client.pid));
    let answer = client.until_end();
    assert_eq!(answer.error().sqlstate(), "57P01", "{answer:?}");
    Client::log_in(&role.through(&pooler))
        .query("select 1")
        .success();
}

#[test]
fn in_transaction_mode_a_client_has_a_number_of_its_own() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut client = Client::log_in(&role.through(&pooler));
    let pid = client.pid.to_string();
    assert_ne!(client.value("select pg_backend_pid()"), pid);
}

#[test]
fn a_login_waits_for_a_server_in_session_mode() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("query_wait_timeout", 30));
    let target = role.through(&pooler);
    let holder = Client::log_in(&target);
    let next = logs_in(&target);
    wait_for_waiters(&pooler, 1.0);
    let pid = holder.pid;
    drop(holder);
    let mut next = next.join().expect("it is let in");
    assert_eq!(next.pid, pid, "the server is kept");
    assert_eq!(next.value("select pg_backend_pid()"), pid.to_string());

    // One that hangs up while it waits holds nobody up.
    let mut leaves = Client::connect(&target).expect("it listens");
    let mut startup = Vec::new();
    pgweir_wire::startup::encode_startup(
        &mut startup,
        0,
        &[("user", &role.name), ("database", "app")],
    );
    leaves.send(&startup);
    wait_for_waiters(&pooler, 1.0);
    drop(leaves);
    wait_for_waiters(&pooler, 0.0);
    next.query("select 1").success();
}

#[test]
fn a_login_that_waits_too_long_is_refused() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("query_wait_timeout", 0.3));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    let refused = Client::try_log_in(&target, &[]).expect_err("the only server is held");
    assert_eq!(refused.error().sqlstate(), "57P03", "{refused:?}");
    assert!(
        refused
            .error()
            .text()
            .contains("query_wait_timeout (0.3 s)")
    );
    assert!(refused.ended);
    // The refused one is out of the queue: the next gets the next server.
    shared().sql(&format!("select pg_terminate_backend({})", holder.pid));
    assert_eq!(holder.until_end().error().sqlstate(), "57P01");
    let mut next = Client::log_in(&target);
    assert_eq!(next.value("select 'on'"), "on");
    assert!(
        pooler
            .scrape()
            .sum("pgweir_pool_refusals_total", &["reason=\"timeout\""])
            == Some(1.0)
    );
}

#[test]
fn a_client_that_shares_servers_knows_its_own_notifications() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    for listen in ["listen letters", "begin; listen letters; commit"] {
        let mut client = Client::log_in(&role.through(&pooler));
        client.query(listen).success();
        let process = client.value("select pg_backend_pid()");
        assert_ne!(process, client.pid.to_string());
        let sender = |body: &[u8]| u32::from_be_bytes(body[..4].try_into().expect("a number"));
        client.send(Batch::new().query("notify letters, 'own'").bytes());
        let own = client.until(backend::NOTIFICATION_RESPONSE);
        let own = own.messages.last().expect("awaited");
        assert_eq!(sender(&own.body), client.pid);
        assert_eq!(&own.body[4..], b"letters\0own\0");
        client.until_ready();
        let other = shared().sql("select pg_backend_pid(); notify letters, 'other'");
        let other = other.rows()[0][0].clone();
        let seen = client.until(backend::NOTIFICATION_RESPONSE);
        let seen = seen.messages.last().expect("awaited");
        assert_eq!(sender(&seen.body).to_string(), other);
    }
}
