//! Cancel requests reach the query they are meant for, and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Pooler, Role, Target, eventually, shared};

/// Waits until a query of the role runs in PostgreSQL.
pub(crate) fn wait_until_active(role: &Role) {
    eventually("the query runs", || {
        let sql = format!(
            "select 1 from pg_stat_activity where usename = '{}' and state = 'active'",
            role.name
        );
        shared().sql(&sql).rows().pop()
    });
}

#[test]
fn a_running_query_is_cancelled_at_once_and_the_session_goes_on() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut client = Client::log_in(&role.through(&pooler));
    let pid = client.value("select pg_backend_pid()");
    for (batch, expected) in [
        (Batch::new().query("select pg_sleep(60)"), "T E(57014) ZI"),
        (
            Batch::new().run("select pg_sleep(60)", &[]).sync(),
            "1 2 E(57014) ZI",
        ),
    ] {
        client.send(batch.bytes());
        wait_until_active(&role);
        let start = Instant::now();
        client.cancel();
        assert_eq!(client.until_ready().to_string(), expected);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(client.value("select pg_backend_pid()"), pid);
    }
    client.query("begin").success();
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    wait_until_active(&role);
    client.cancel();
    assert_eq!(client.until_ready().to_string(), "T E(57014) ZE");
    assert_eq!(client.query("rollback").to_string(), "C(ROLLBACK) ZI");
}

#[test]
fn a_request_with_a_wrong_secret_cancels_nothing() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let mut client = Client::log_in(&role.through(&pooler));
    client.send(Batch::new().query("select pg_sleep(0.5)").bytes());
    wait_until_active(&role);
    client.key[3] ^= 1;
    client.cancel();
    client.pid ^= 1;
    client.key[3] ^= 1;
    client.cancel();
    client.until_ready().success();
}

#[test]
fn a_request_for_an_idle_client_cancels_nothing_later() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut client = Client::log_in(&role.through(&pooler));
    for number in 0..20 {
        client.cancel();
        assert_eq!(
            client.value(&format!("select {number}")),
            number.to_string()
        );
    }
    client.query("begin").success();
    client.cancel();
    assert_eq!(
        client
            .query("select pg_sleep(0.1)")
            .success()
            .messages
            .len(),
        4
    );
}

#[test]
fn a_wait_for_a_server_is_cancelled_and_the_session_goes_on() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let mut holder = Client::log_in(&role.through(&pooler));
    let mut waiter = Client::log_in(&role.through(&pooler));
    let run = Batch::new().run("select 1", &[]);
    for batch in [
        Batch::new().query("select 1"),
        run.clone().sync(),
        run.clone(),
    ] {
        holder.query("begin").success();
        waiter.send(batch.bytes());
        // Nothing shows from outside that a client waits, so it is asked for until it does.
        let canceller = Canceller::start(&role.through(&pooler), &waiter);
        let answer = if batch.bytes() == run.bytes() {
            waiter.until(b'E')
        } else {
            waiter.until_ready()
        };
        drop(canceller);
        assert_eq!(answer.error().sqlstate(), "57014", "{answer:?}");
        if batch.bytes() == run.bytes() {
            assert_eq!(waiter.ask(&Batch::new().sync()).to_string(), "ZI");
        }
        holder.query("commit").success();
        assert_eq!(waiter.value("select 'on'"), "on");
    }
}

/// Sends cancel requests for a client, one after the other, until it is dropped.
struct Canceller {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Canceller {
    fn start(target: &Target, client: &Client) -> Self {
        let mut request = Vec::new();
        pgweir_wire::startup::encode_cancel(&mut request, client.pid, &client.key);
        let done = Arc::new(AtomicBool::new(false));
        let (target, stop) = (target.clone(), done.clone());
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let mut other = Client::connect(&target).unwrap();
                other.send(&request);
                other.until_end();
            }
        });
        Self {
            done,
            thread: Some(thread),
        }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(joined, Some(Ok(()))));
    }
}

/// Some clients cancel themselves all the time, at every moment of short queries; the others share
/// the same few servers and must never be hit.
fn late_cancels_hit_nobody(servers: u16, workers: u16) {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("default_pool_size", servers)
            .set("workers", workers),
    );
    let deadline = Instant::now() + Duration::from_secs(3);
    let (hits, queries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            let target = role.through(&pooler);
            let hits = &hits;
            scope.spawn(move || {
                let mut client = Client::log_in(&target);
                let _canceller = Canceller::start(&target, &client);
                while Instant::now() < deadline {
                    let answer = client.query("select pg_sleep(0.002)");
                    assert!(!answer.ended, "{answer:?}");
                    let errors = answer.messages.iter().filter(|m| m.kind == b'E');
                    for error in errors {
                        assert_eq!(error.sqlstate(), "57014");
                        hits.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for number in 0..4 {
            let target = role.through(&pooler);
            let queries = &queries;
            scope.spawn(move || {
                let mut client = Client::log_in(&target);
                let mut round = 0;
                while Instant::now() < deadline {
                    let tag = format!("{number}/{round}");
                    let sql = format!("select '{tag}' from pg_sleep(0.001)");
                    let answer = client.query(&sql);
                    assert_eq!(answer.to_string(), format!("T D({tag}) C(SELECT 1) ZI"));
                    round += 1;
                    queries.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    let (hits, queries) = (hits.into_inner(), queries.into_inner());
    assert!(
        hits > 10 && queries > 20,
        "{hits} hits, {queries} queries of others"
    );
}

#[test]
fn late_cancels_hit_nobody_on_one_server() {
    late_cancels_hit_nobody(1, 1);
}

#[test]
fn late_cancels_hit_nobody_on_two_servers_and_two_workers() {
    late_cancels_hit_nobody(2, 2);
}
