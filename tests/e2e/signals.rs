//! Signals: shutting down without breaking transactions, and reloading.

use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Pooler, Role, Signal, Stream, eventually, shared, throughout,
};

#[track_caller]
fn is_told_of_the_shutdown(client: &mut Client) {
    let answer = client.until_end();
    assert_eq!(answer.error().sqlstate(), "57P01", "{answer:?}");
}

fn start(config: &Config, role: &Role) -> (Pooler, Client) {
    let pooler = Pooler::start(config);
    let client = Client::log_in(&role.through(&pooler));
    (pooler, client)
}

#[test]
fn sigterm_lets_transactions_finish_and_closes_the_rest() {
    for (mode, signal) in [
        ("transaction", Signal::TERM),
        ("session", Signal::TERM),
        ("transaction", Signal::INT),
    ] {
        let role = shared().role();
        let config = role
            .config()
            .set("pool_mode", mode)
            .set("default_pool_size", 3);
        let (mut pooler, mut idle) = start(&config, &role);
        let mut never_used = Client::log_in(&role.through(&pooler));
        idle.value("select 1");
        let mut busy = Client::log_in(&role.through(&pooler));
        busy.query("create table t (a int)").success();
        busy.query("begin; insert into t values (1)").success();
        pooler.signal(signal);
        is_told_of_the_shutdown(&mut idle);
        is_told_of_the_shutdown(&mut never_used);
        let refused = Stream::connect("127.0.0.1", pooler.port());
        assert!(refused.is_err(), "{mode} mode: nobody is accepted any more");
        // The transaction goes on, its other queries included.
        busy.query("insert into t values (2)").success();
        assert!(pooler.runs());
        let start = Instant::now();
        assert_eq!(busy.query("commit").messages[0].to_string(), "C(COMMIT)");
        is_told_of_the_shutdown(&mut busy);
        assert!(pooler.wait().success());
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(5),
            "{mode} mode: ended {took:?} after the last commit"
        );
        assert_eq!(
            shared()
                .sql(&format!("select count(*) from {}.t", role.name))
                .value(),
            "2"
        );
    }
}

#[test]
fn a_running_query_finishes_before_the_end() {
    let role = shared().role();
    let (mut pooler, mut client) = start(&role.config(), &role);
    client.send(
        Batch::new()
            .query("select 'done' from pg_sleep(0.7)")
            .bytes(),
    );
    eventually("it runs", || {
        (shared().activity(&role, "state")? == "active").then_some(())
    });
    pooler.signal(Signal::TERM);
    let answer = client.until_end();
    assert!(
        answer.to_string().starts_with("T D(done) C(SELECT 1) ZI"),
        "{answer:?}"
    );
    assert_eq!(answer.error().sqlstate(), "57P01");
    assert!(pooler.wait().success());
}

#[test]
fn clients_that_wait_or_are_pinned_are_told_at_once() {
    let role = shared().role();
    let (mut pooler, mut holder) = start(&role.config().set("default_pool_size", 2), &role);
    let mut pinned = Client::log_in(&role.through(&pooler));
    let mut waiter = Client::log_in(&role.through(&pooler));
    pinned
        .ask(&Batch::new().parse("s", "select 1").sync())
        .success();
    holder.query("begin").success();
    waiter.send(Batch::new().query("select 1").bytes());
    pooler.signal(Signal::TERM);
    is_told_of_the_shutdown(&mut pinned);
    is_told_of_the_shutdown(&mut waiter);
    holder.send(Batch::new().terminate().bytes());
    assert!(pooler.wait().success());
}

#[test]
fn shutdown_timeout_bounds_the_wait() {
    let role = shared().role();
    let (mut pooler, mut client) = start(&role.config().set("shutdown_timeout", 0.5), &role);
    client.query("begin").success();
    let start = Instant::now();
    pooler.signal(Signal::TERM);
    is_told_of_the_shutdown(&mut client);
    assert!(pooler.wait().success());
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(450) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_second_signal_stops_at_once() {
    let role = shared().role();
    let (mut pooler, mut client) = start(&role.config(), &role);
    client.query("begin").success();
    pooler.signal(Signal::TERM);
    eventually("the first is seen", || {
        pooler.log().contains("shutting down").then_some(())
    });
    pooler.signal(Signal::TERM);
    is_told_of_the_shutdown(&mut client);
    assert!(pooler.wait().success());
    eventually("its servers are gone", || {
        shared().pids(&role).is_empty().then_some(())
    });
}

#[test]
fn a_pooler_without_clients_ends_at_once() {
    let role = shared().role();
    let mut pooler = Pooler::start(&role.config());
    let start = Instant::now();
    pooler.signal(Signal::TERM);
    assert!(pooler.wait().success());
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// How many of five clients get a server at once.
fn servers(pooler: &Pooler, role: &Role) -> usize {
    let mut clients: Vec<_> = (0..5)
        .map(|_| Client::log_in(&role.through(pooler)))
        .collect();
    let answers = clients.iter_mut().map(|client| client.query("begin"));
    answers.filter(|answer| !answer.ended).count()
}

#[test]
fn a_reload_changes_pool_sizes() {
    let role = shared().role();
    let config = role.config().set("query_wait_timeout", 0.3);
    let pooler = Pooler::start(&config.clone().set("default_pool_size", 2));
    for size in [2, 4, 1] {
        pooler.reload(&config.clone().set("default_pool_size", size));
        assert_eq!(servers(&pooler, &role), usize::try_from(size).unwrap());
    }
}

#[test]
fn a_reload_brings_users_and_databases() {
    let (role, guest) = (shared().role(), shared().role());
    let pooler = Pooler::start(&role.config());
    let mut stays = Client::log_in(&role.through(&pooler));
    let target = guest.through(&pooler).database("second");
    assert!(Client::try_log_in(&target, &[]).is_err());
    let config = role
        .config()
        .user(&guest.name, "password", &guest.password)
        .database("second", "host", "127.0.0.1")
        .database("second", "port", shared().port())
        .database("second", "dbname", "postgres");
    pooler.reload(&config);
    assert_eq!(
        Client::log_in(&target).value("select current_user"),
        guest.name
    );
    assert_eq!(stays.value("select 1"), "1");
    pooler.reload(&role.config());
    assert!(Client::try_log_in(&target, &[]).is_err());
    assert_eq!(stays.value("select 2"), "2");
}

#[test]
fn a_broken_file_changes_nothing_and_every_problem_is_logged() {
    let role = shared().role();
    let (pooler, mut client) = start(&role.config(), &role);
    let broken = role
        .config()
        .set("pool_mode", "transactional")
        .set("defualt_pool_size", 3)
        .set("query_timeout", "soon");
    pooler.reload(&broken);
    for word in [
        "transactional",
        "defualt_pool_size",
        "soon",
        "reload failed, problems: 3",
    ] {
        assert!(
            pooler.log().contains(word),
            "no {word:?} in {}",
            pooler.log()
        );
    }
    assert_eq!(client.value("select 1"), "1");
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 2"),
        "2"
    );
}

#[test]
fn a_reload_to_session_mode_leaves_no_state_of_other_clients() {
    let role = shared().role();
    let one = |mode: &str| {
        let config = role.config().set("pool_mode", mode);
        let config = config.set("http_listen", "127.0.0.1:0");
        config.set("default_pool_size", 1)
    };
    let pooler = Pooler::start(&one("transaction"));
    let target = role.through(&pooler);
    let leave = "set work_mem = '99kB'; create temp table if not exists left_over (a int)";
    let left = "select current_setting('work_mem') || ' ' || count(*) \
                from pg_class where relname = 'left_over'";
    let mut stays = Client::log_in(&target);
    let mut gone = Client::log_in(&target);
    gone.query(leave);
    drop(gone);
    pooler.reload(&one("session"));
    assert_eq!(Client::log_in(&target).value(left), "4MB 0");
    // Its mode is that of its login, and so its server stays while there is a temporary table.
    stays.query(leave);
    assert_eq!(stays.value(left), "99kB 1");
    let login = target.clone();
    let waits = thread::spawn(move || Client::log_in(&login));
    eventually("it waits", || {
        (pooler.scrape().sum("pgweir_pool_waiters", &[]) == Some(1.0)).then_some(())
    });
    stays.query("drop table left_over").success();
    assert_eq!(waits.join().expect("let in").value(left), "4MB 0");
    assert_eq!(stays.value(left), "99kB 0");
}

#[test]
fn a_reset_query_that_fails_is_told() {
    let role = shared().role();
    let config = role.config().set("pool_mode", "session");
    let config = config.set("server_reset_query", "discard all; select 1");
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("select 1");
    drop(client);
    pooler.has_said("server_reset_query failed, so the server is closed");
}

#[test]
fn a_reload_that_points_elsewhere_opens_new_servers() {
    let role = shared().role();
    let (pooler, mut client) = start(&role.config(), &role);
    let before = client.value("select pg_backend_pid()");
    client.query("begin").success();
    pooler.reload(&role.config().database("app", "application_name", "renewed"));
    assert_eq!(
        client.value("select pg_backend_pid()"),
        before,
        "the transaction goes on"
    );
    client.query("commit").success();
    assert_ne!(client.value("select pg_backend_pid()"), before);
    let mut next = Client::log_in(&role.through(&pooler));
    eventually("the new setting", || {
        (next.value("show application_name") == "renewed").then_some(())
    });
}

#[test]
fn settings_that_need_a_restart_are_named() {
    let role = shared().role();
    let (pooler, mut client) = start(&role.config().set("workers", 2), &role);
    pooler.reload(&role.config().set("workers", 1).set("default_pool_size", 3));
    pooler.has_said("workers changed");
    assert_eq!(client.value("select 1"), "1");
}

#[test]
fn timeouts_change_for_clients_that_are_there() {
    let role = shared().role();
    let (pooler, mut client) = start(&role.config(), &role);
    client.value("select 1");
    pooler.reload(&role.config().set("query_timeout", 0.2));
    let answer = client.query("select pg_sleep(60)");
    assert_eq!(answer.error().sqlstate(), "57014");
}

#[test]
fn sigusr1_pauses_and_sigusr2_resumes() {
    let role = shared().role();
    let (pooler, mut client) = start(&role.config(), &role);
    let mut busy = Client::log_in(&role.through(&pooler));
    busy.query("begin").success();
    client.value("select 1");
    pooler.signal(Signal::USR1);
    eventually("it is paused", || {
        (pooler.logged("got SIGUSR1, pausing") > 0).then_some(())
    });
    busy.value("select 'goes on'");
    busy.query("commit").success();
    eventually("all servers are closed", || {
        shared().pids(&role).is_empty().then_some(())
    });
    client.send(Batch::new().query("select 'waited'").bytes());
    throughout(Duration::from_millis(500), "nobody gets a server", || {
        shared().pids(&role).is_empty()
    });
    pooler.signal(Signal::USR2);
    assert_eq!(client.until_ready().success().value(), "waited");
    pooler.has_logged("got SIGUSR2, continuing from PAUSE", 1);
}

#[test]
fn who_waits_too_long_while_paused_reads_why() {
    let role = shared().role();
    let config = role.config().set("query_wait_timeout", 0.3);
    let (pooler, mut client) = start(&config, &role);
    pooler.signal(Signal::USR1);
    pooler.has_said("got SIGUSR1, pausing");
    let answer = client.query("select 1");
    let error = answer.error();
    assert_eq!(error.sqlstate(), "57P03", "{error:?}");
    assert!(error.field(b'H').contains("paused"), "{error:?}");
    pooler.signal(Signal::USR1);
    pooler.has_said("got SIGUSR1, but already paused/suspended");
    pooler.signal(Signal::USR2);
    pooler.has_said("got SIGUSR2, continuing from PAUSE");
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
    pooler.signal(Signal::USR2);
    pooler.has_said("got SIGUSR2, but not paused/suspended");
}

#[test]
fn what_still_runs_after_shutdown_timeout_is_cancelled() {
    for signals in [1, 2] {
        let role = shared().role();
        let config = role
            .config()
            .set("shutdown_timeout", if signals == 1 { 1 } else { 60 });
        let (mut pooler, mut client) = start(&config, &role);
        client.send(Batch::new().query("select pg_sleep(600)").bytes());
        eventually("it runs", || {
            (shared().activity(&role, "state")? == "active").then_some(())
        });
        pooler.signal(Signal::TERM);
        if signals == 2 {
            eventually("it shuts down", || {
                (pooler.logged("shutting down") > 0).then_some(())
            });
            pooler.signal(Signal::TERM);
        }
        pooler.wait();
        eventually("PostgreSQL has ended the statement", || {
            shared().pids(&role).is_empty().then_some(())
        });
    }
}
