//! PostgreSQL dies, restarts, or is not there: clients get errors that they can act on, and all is
//! well again without a restart of the pooler.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Pooler, Postgres, Role, Signal, Transcript, eventually, kill, shared,
};

/// What drivers treat as a lost connection or as worth another attempt.
const EXPECTED: [&str; 6] = ["57P01", "57P02", "57P03", "08006", "08003", "53300"];

fn config(role: &Role) -> Config {
    role.config()
        .set("server_login_retry", 0.1)
        .set("default_pool_size", 4)
        .set("query_wait_timeout", 10)
}

/// Clients that query all the time and connect again after an error; returns, when `work` is done,
/// how many queries succeeded after it, and the errors with how often they came.
fn under_load(pooler: &Pooler, role: &Role, work: impl FnOnce()) -> (usize, BTreeMap<String, u32>) {
    let target = role.through(pooler);
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (target, done) = (&target, &done);
                scope.spawn(move || load(target, done, number))
            })
            .collect();
        work();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        let mut errors = BTreeMap::new();
        let mut after = 0;
        for client in clients {
            let (successes, failures) = client.join().unwrap();
            after += successes;
            for (failure, count) in failures {
                *errors.entry(failure).or_default() += count;
            }
        }
        (after, errors)
    })
}

/// One of those clients. Once `done`, it goes on until it had ten answers.
fn load(
    target: &pgweir_e2e::Target,
    done: &std::sync::atomic::AtomicBool,
    number: usize,
) -> (usize, BTreeMap<String, u32>) {
    let mut errors = BTreeMap::new();
    let mut client = None;
    let mut after = 0;
    let mut round = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while after < 10 {
        assert!(
            Instant::now() < deadline,
            "no ten answers in a minute: {errors:?}"
        );
        let mut note = |answer: &Transcript| {
            *errors.entry(answer.error().sqlstate()).or_default() += 1;
        };
        if client.is_none() {
            match Client::try_log_in(target, &[]) {
                Ok(new) => client = Some(new),
                Err(refused) => {
                    note(&refused);
                    // As real clients do, or their attempts would be all that the machine does.
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            }
        }
        round += 1;
        let tag = format!("{number}/{round}");
        let sql = format!("select '{tag}' from pg_sleep(0.002)");
        let mut answer = client.as_mut().unwrap().query(&sql);
        // A server that is ended right behind an answer still sends a warning.
        answer.messages.retain(|message| message.kind != b'N');
        if answer.ended {
            note(&answer);
            client = None;
        } else if answer.to_string() == format!("T D({tag}) C(SELECT 1) ZI") {
            after += usize::from(done.load(std::sync::atomic::Ordering::SeqCst));
        } else {
            note(&answer);
        }
    }
    (after, errors)
}

/// Waits until a server process of `role` runs a query; gives its process number.
#[track_caller]
fn running(postgres: &Postgres, role: &Role) -> u32 {
    let sql = format!(
        "select pid from pg_stat_activity where usename = '{}' and state = 'active' limit 1",
        role.name
    );
    eventually("a server runs a query", || {
        postgres.try_value(&sql)?.parse().ok()
    })
}

#[track_caller]
fn all_expected(errors: &BTreeMap<String, u32>) {
    let unexpected: Vec<_> = errors
        .keys()
        .filter(|error| !EXPECTED.contains(&error.as_str()))
        .collect();
    assert!(unexpected.is_empty(), "{errors:?}");
}

#[test]
fn kill_9_of_server_processes_in_the_middle_of_queries() {
    let postgres = Postgres::start();
    let role = postgres.role();
    // Commits are asynchronous here, and a crash would lose the role.
    postgres.sql("checkpoint");
    let pooler = Pooler::start(&config(&role));
    let mut idle = Client::log_in(&role.through(&pooler));
    idle.value("select 1");
    let (after, errors) = under_load(&pooler, &role, || {
        for _ in 0..3 {
            // PostgreSQL ends all sessions when one of its processes is killed, and recovers.
            let pid = running(&postgres, &role);
            kill(pid, Signal::KILL);
            eventually("PostgreSQL noticed", || {
                let sql = format!("select count(*) from pg_stat_activity where pid = {pid}");
                (postgres.try_value(&sql)? == "0").then_some(())
            });
        }
    });
    assert!(after >= 80);
    assert!(!errors.is_empty());
    all_expected(&errors);
    assert_eq!(idle.value("select 'never noticed'"), "never noticed");
}

#[test]
fn a_restart_of_postgres_under_load() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    let pooler = Pooler::start(&config(&role));
    let mut idle = Client::log_in(&role.through(&pooler));
    idle.value("select 1");
    let mut open = Client::log_in(&role.through(&pooler));
    open.query("begin").success();
    let (after, errors) = under_load(&pooler, &role, || {
        for _ in 0..2 {
            running(&postgres, &role);
            postgres.restart();
        }
    });
    assert!(after >= 80);
    assert!(!errors.is_empty());
    all_expected(&errors);
    let lost = open.query("select 1");
    assert_eq!(
        lost.error().sqlstate(),
        "57P01",
        "its transaction is lost: {lost:?}"
    );
    assert_eq!(idle.value("select 'never noticed'"), "never noticed");
}

#[test]
fn postgres_is_not_there() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    postgres.stop();
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let refused = Client::try_log_in(&target, &[]).unwrap_err();
    assert_eq!(refused.error().sqlstate(), "57P03", "{refused:?}");
    postgres.restart();
    let mut client = eventually("it is there", || Client::try_log_in(&target, &[]).ok());
    assert_eq!(client.value("select 1"), "1");

    // It goes away with a client connected: the client is told, and those after it.
    postgres.stop();
    let start = Instant::now();
    let refused = client.query("select 1");
    assert_eq!(refused.error().sqlstate(), "57P03", "{refused:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    let mut next = Client::log_in(&target);
    assert_eq!(next.query("select 1").error().sqlstate(), "57P03");
    postgres.restart();
    eventually("it is back", || {
        let answer = Client::log_in(&target).query("select 'back'");
        (!answer.ended && answer.value() == "back").then_some(())
    });
}

#[test]
fn a_session_that_is_terminated_is_told_so() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("default_pool_size", 1));
    let target = role.through(&pooler);
    let terminate = || {
        for pid in shared().pids(&role) {
            shared().sql(&format!("select pg_terminate_backend({pid})"));
        }
        eventually("it is gone", || {
            shared().pids(&role).is_empty().then_some(())
        });
    };
    // While a query runs.
    let mut client = Client::log_in(&target);
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    eventually("it runs", || {
        (shared().activity(&role, "state")? == "active").then_some(())
    });
    terminate();
    let answer = client.until_end();
    assert_eq!(answer.error().sqlstate(), "57P01", "{answer:?}");
    // Idle in a transaction: told at once, not at the next query.
    let mut client = Client::log_in(&target);
    client.query("begin").success();
    terminate();
    let answer = client.until_end();
    assert_eq!(answer.error().sqlstate(), "57P01", "{answer:?}");
    // Idle without a server: not its business.
    let mut client = Client::log_in(&target);
    client.value("select 1");
    terminate();
    assert_eq!(client.value("select 'on'"), "on");
}

#[test]
fn a_server_that_dies_without_a_word_is_told_of_by_the_pooler() {
    let role = shared().role();
    let fake = pgweir_e2e::Fake::start(|peer, _| {
        if peer.log_in() {
            peer.receive();
        }
    });
    let pooler = Pooler::start(&config(&role).database("app", "port", fake.port()));
    let answer = Client::log_in(&role.through(&pooler)).query("select 1");
    assert_eq!(answer.error().sqlstate(), "08006", "{answer:?}");
    assert!(
        answer
            .error()
            .text()
            .contains("server closed the connection unexpectedly")
    );
    assert!(answer.ended);
}
