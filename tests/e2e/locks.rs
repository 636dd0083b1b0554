//! Clients that wait because others wait for locks: who is waited for is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pgweir_e2e::{Client, Config, Pooler, Role, Target, Transcript, eventually, shared};
use serde_json::{Value, json};

/// Servers of the pools here.
const SIZE: u16 = 4;

/// Seconds that a client waits for a server: enough to look at it, and for the probe to look twice.
const PATIENCE: f64 = 5.0;

const UPDATE: &str = "set quantity = quantity - 1 where sku = 'secret'";

/// A pool with HTTP and a probe, and a row that can be locked.
fn config(role: &Role) -> Config {
    let mut admin = Client::log_in(&role.direct());
    let table = "create table stock (sku text primary key, quantity int); \
                 insert into stock values ('secret', 7)";
    admin.query(table).success();
    role.config()
        .set("default_pool_size", SIZE)
        .set("query_wait_timeout", PATIENCE)
        .set("slow_query_time", 0.2)
        .set("http_listen", "127.0.0.1:0")
}

/// A client that is asked for something that takes a while.
fn ask(target: &Target, sql: &str) -> JoinHandle<Transcript> {
    let mut client = Client::log_in(target);
    let sql = sql.to_owned();
    thread::spawn(move || client.query(&sql))
}

/// So many clients that update the row.
fn crowd(target: &Target, table: &str, count: u16) -> Vec<JoinHandle<Transcript>> {
    let sql = format!("update {table} {UPDATE}");
    (0..count).map(|_| ask(target, &sql)).collect()
}

fn document(pooler: &Pooler) -> Value {
    // Asking as often as possible would cost the machine more than what is tested.
    thread::sleep(Duration::from_millis(50));
    serde_json::from_str(&pooler.get("/api/v1/live")).unwrap()
}

/// Waits until so many sessions are seen to wait for somebody's locks, and then has one more client
/// wait, for a server. Gives the live document of that moment, and what the client is answered.
#[track_caller]
fn wait(pooler: &Pooler, target: &Target, sessions: u16) -> (Value, JoinHandle<Transcript>) {
    eventually("the blocker is seen", || {
        let seen = document(pooler)["blockers"][0]["lockWaiters"] == json!(sessions);
        seen.then_some(())
    });
    let waiter = ask(target, "select 1");
    let live = eventually("the wait is seen", || {
        let live = document(pooler);
        let is_seen = live["waits"][0]["waiting"] == 1 && live["waits"][0]["cause"] == "locks";
        is_seen.then_some(live)
    });
    (live, waiter)
}

/// The holders in this state.
fn in_state<'a>(live: &'a Value, state: &str) -> Vec<&'a Value> {
    let holders = live["holders"].as_array().unwrap();
    let those = holders.iter().filter(|one| one["state"] == state);
    those.collect()
}

fn hint(answer: &Transcript) -> String {
    assert_eq!(answer.error().sqlstate(), "57P03", "{answer:?}");
    answer.error().field(b'H')
}

#[track_caller]
fn all_contain(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} in: {text}");
    }
}

#[test]
fn a_client_that_is_idle_with_a_row_lock_is_named_to_those_who_wait() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let mut holder = Client::log_in_with(&target, &[("application_name", "till")]);
    holder.query("begin").success();
    let update = format!("update stock {UPDATE}");
    holder.query(&update).success();
    let crowd = crowd(&target, "stock", SIZE - 1);
    let (_, waiter) = wait(&pooler, &target, SIZE - 1);
    // The workers take over what the probe saw in their next sweeps.
    let live = eventually("all that wait are shown", || {
        let live = document(&pooler);
        let blocked = in_state(&live, "waiting for a lock").len();
        (blocked == usize::from(SIZE - 1)).then_some(live)
    });
    let who = format!("held by client {} of app/{}", holder.pid, role.name);
    all_contain(live["waits"][0]["who"].as_str().unwrap(), &[&who]);
    let blocker = &live["blockers"][0];
    for (name, value) in [
        ("kind", json!("client")),
        ("client", json!(holder.pid.to_string())),
        ("applicationName", json!("till")),
        ("database", json!("app")),
        ("user", json!(role.name)),
        ("state", json!("idle in transaction")),
        (
            "lastText",
            json!("update stock set quantity = quantity - $1 where sku = $2"),
        ),
    ] {
        assert_eq!(blocker[name], value, "{name} in {blocker:#}");
    }
    let holders = live["holders"].as_array().unwrap();
    assert_eq!(
        holders[0]["state"], "idle in transaction",
        "the worst is first"
    );
    let idle = in_state(&live, "idle in transaction");
    assert_eq!(idle.len(), 1, "{live:#}");
    assert_eq!(idle[0]["lockWaiters"], json!(SIZE - 1));
    assert_eq!(idle[0]["serverPid"], blocker["serverPid"]);
    let blocked = in_state(&live, "waiting for a lock");
    assert!(blocked.iter().all(|one| one["lockWaiters"] == 0));
    let now = pooler.scrape();
    assert_eq!(now.sum("pgweir_pool_blocking", &[]), Some(1.0));
    let locked = ["state=\"locked\""];
    assert_eq!(now.sum("pgweir_pool_held", &locked), Some(3.0));
    assert_eq!(now.sum("pgweir_pool_held", &["state=\"slow\""]), Some(0.0));

    let told = [
        "wait for locks",
        who.as_str(),
        "application_name till",
        "idle in transaction for",
        "its last statement: update stock set quantity = quantity - $1 where sku = $2",
    ];
    all_contain(&hint(&waiter.join().unwrap()), &told);
    let waits = ["cause=\"locks\""];
    eventually("the wait is counted", || {
        let scrape = pooler.scrape();
        (scrape.sum("pgweir_pool_waits_total", &waits) == Some(1.0)).then_some(())
    });
    pooler.has_logged("3 sessions wait for locks held by", 1);
    let line = pooler.log();
    let line = line.lines().find(|line| line.contains("for locks held by"));
    all_contain(line.unwrap(), &[&who, "statement=\"update stock set"]);

    holder.query("commit").success();
    for client in crowd {
        client.join().unwrap().success();
    }
    eventually("nobody is blocked", || {
        (document(&pooler)["blockers"] == json!([])).then_some(())
    });
    assert_eq!(pooler.logged("secret"), 0);
}

#[test]
fn a_client_of_another_pool_is_named_without_its_statement() {
    let (role, other) = (shared().role(), shared().role());
    let config = config(&role).user(&other.name, "password", &other.password);
    shared().sql(&format!(
        "grant usage on schema {0} to {1}; grant all on {0}.stock to {1}; grant pg_monitor to {0}",
        role.name, other.name
    ));
    let pooler = Pooler::start(&config.set("probe_user", &role.name));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target.clone().user(&other.name));
    let table = format!("{}.stock", role.name);
    holder.query("begin").success();
    holder.query(&format!("update {table} {UPDATE}")).success();
    let crowd = crowd(&target, &table, SIZE);
    let (live, waiter) = wait(&pooler, &target, SIZE);
    let blocker = &live["blockers"][0];
    assert_eq!(blocker["user"], json!(other.name), "{blocker:#}");
    let text = blocker["lastText"].as_str().unwrap();
    assert!(text.starts_with("update "), "{text}");
    let hint = hint(&waiter.join().unwrap());
    let who = format!("held by client {} of app/{}", holder.pid, other.name);
    all_contain(&hint, &[&who, "idle in transaction for"]);
    assert!(!hint.contains("last statement"), "{hint}");
    let mut later = Client::log_in(&target.user(&other.name));
    assert_eq!(later.value("select 1"), "1", "its own pool is free");
    holder.query("rollback").success();
    for client in crowd {
        client.join().unwrap().success();
    }
}

#[test]
fn behind_a_limit_of_several_pools_it_is_the_locks_of_the_others() {
    let (role, other) = (shared().role(), shared().role());
    let config = config(&role)
        .user(&other.name, "password", &other.password)
        .set("max_db_connections", SIZE);
    shared().sql(&format!("grant pg_monitor to {}", role.name));
    let pooler = Pooler::start(&config.set("probe_user", &role.name));
    let target = role.through(&pooler);
    let mut holder = Client::log_in_with(&role.direct(), &[("application_name", "nightly")]);
    holder.query("begin").success();
    holder.query(&format!("update stock {UPDATE}")).success();
    // So that it can be greeted before the others have all servers.
    let mut waiter = Client::log_in(&target.clone().user(&other.name));
    waiter.query("select 1").success();
    let crowd = crowd(&target, "stock", SIZE);
    eventually("all wait", || {
        let seen = document(&pooler)["blockers"][0]["lockWaiters"] == json!(SIZE);
        seen.then_some(())
    });
    let hint = hint(&waiter.query("select 1"));
    all_contain(&hint, &["wait for locks", "application_name nightly"]);
    holder.query("commit").success();
    for client in crowd {
        client.join().unwrap().success();
    }
}

#[test]
fn a_session_from_elsewhere_is_named_as_such() {
    let role = shared().role();
    let config = config(&role);
    shared().sql(&format!("grant pg_monitor to {}", role.name));
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let mut holder = Client::log_in_with(&role.direct(), &[("application_name", "nightly")]);
    holder.query("begin").success();
    holder.query(&format!("update stock {UPDATE}")).success();
    let crowd = crowd(&target, "stock", SIZE);
    let (live, waiter) = wait(&pooler, &target, SIZE);
    let blocker = &live["blockers"][0];
    for (name, value) in [
        ("kind", json!("elsewhere")),
        ("client", Value::Null),
        ("serverPid", json!(holder.pid)),
        ("database", json!("postgres")),
        ("state", json!("idle in transaction")),
        (
            "lastText",
            json!("update stock set quantity = quantity - $1 where sku = $2"),
        ),
    ] {
        assert_eq!(blocker[name], value, "{name} in {blocker:#}");
    }
    let process = format!("application_name nightly, server process {}", holder.pid);
    let told = ["does not come through the pooler", &process];
    all_contain(&hint(&waiter.join().unwrap()), &told);
    holder.query("commit").success();
    for client in crowd {
        client.join().unwrap().success();
    }
}

#[test]
fn a_row_that_many_write_is_told_as_locks_although_no_wait_is_long() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3 * SIZE)
        .map(|_| {
            let mut client = Client::log_in(&target);
            let is_over = is_over.clone();
            thread::spawn(move || {
                // Long enough that most servers wait at any moment, on a slow machine as well.
                let sql = format!("begin; update stock {UPDATE}; select pg_sleep(0.015); commit");
                while !is_over.load(Ordering::Relaxed) {
                    client.query(&sql).success();
                }
            })
        })
        .collect();
    eventually("waits for locks are counted", || {
        let scrape = pooler.scrape();
        scrape.sum("pgweir_pool_waits_total", &["cause=\"locks\""])
    });
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(pooler.logged("for locks held by"), 0, "none is to blame");
}

#[test]
fn a_slow_statement_is_no_lock_although_the_probe_looks() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let sleeper = format!("select pg_sleep({})", PATIENCE + 4.0);
    // One of them waits for a lock, most do not.
    let mut holder = Client::log_in(&role.direct());
    holder.query("begin").success();
    holder.query(&format!("update stock {UPDATE}")).success();
    let blocked = crowd(&target, "stock", 1);
    let slow: Vec<_> = (1..SIZE).map(|_| ask(&target, &sleeper)).collect();
    eventually("all are under way", || {
        let active = ["state=\"active\""];
        let scrape = pooler.scrape();
        (scrape.sum("pgweir_pool_servers", &active) == Some(SIZE.into())).then_some(())
    });
    let answer = ask(&target, "select 1").join().unwrap();
    all_contain(&hint(&answer), &["slow statements"]);
    let scrape = pooler.scrape();
    let waits = |cause: &str| scrape.sum("pgweir_pool_waits_total", &[cause]);
    assert_eq!(waits("cause=\"slow_statements\""), Some(1.0));
    assert_eq!(waits("cause=\"locks\""), None);
    let held = |state: &str| scrape.sum("pgweir_pool_held", &[state]);
    assert_eq!(held("state=\"slow\""), Some((SIZE - 1).into()));
    assert_eq!(held("state=\"locked\""), Some(1.0));
    holder.query("commit").success();
    for client in blocked.into_iter().chain(slow) {
        client.join().unwrap().success();
    }
}
