//! Every limit: what it holds back, and what the client that meets it is told.

use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Config, Message, Pooler, Role, eventually, shared, throughout};

fn refusal(pooler: &Pooler, role: &Role) -> Message {
    let answer = Client::try_log_in(&role.through(pooler), &[]).expect_err("it is full");
    assert!(answer.ended, "{answer:?}");
    answer.error().clone()
}

#[track_caller]
fn is_full(error: &Message, setting: &str, number: u32) {
    assert_eq!(error.sqlstate(), "53300", "{error:?}");
    assert_eq!(error.field(b'S'), "FATAL");
    let named = format!("{setting} {number}");
    assert!(
        error.text().contains(&named),
        "{error:?} names no {named:?}"
    );
    assert!(!error.field(b'H').is_empty(), "it says what to do");
}

/// Runs `clients` busy clients of `role` and gives the most servers it ever had meanwhile.
fn most_servers(pooler: &Pooler, role: &Role, clients: usize) -> usize {
    let workers: Vec<_> = (0..clients)
        .map(|number| {
            let target = role.through(pooler);
            thread::spawn(move || {
                let mut client = Client::log_in(&target);
                for round in 0..10 {
                    let sql = format!("select '{number}/{round}' from pg_sleep(0.01)");
                    assert_eq!(client.value(&sql), format!("{number}/{round}"));
                }
            })
        })
        .collect();
    let mut most = 0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        most = most.max(shared().pids(role).len());
    }
    for worker in workers {
        worker.join().unwrap();
    }
    most
}

#[test]
fn fifty_clients_never_have_more_servers_than_the_pool_size() {
    for workers in [1, 2] {
        let role = shared().role();
        let config = role
            .config()
            .set("default_pool_size", 4)
            .set("workers", workers);
        let pooler = Pooler::start(&config);
        assert_eq!(
            most_servers(&pooler, &role, 50),
            4,
            "with {workers} workers"
        );
    }
}

#[test]
fn a_users_pool_size_wins_over_the_databases() {
    let role = shared().role();
    let config = role
        .config()
        .set("default_pool_size", 9)
        .database("app", "pool_size", 6)
        .user(&role.name, "pool_size", 2);
    let pooler = Pooler::start(&config);
    assert_eq!(most_servers(&pooler, &role, 20), 2);
}

#[test]
fn min_pool_size_keeps_servers_open_while_there_are_clients() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("min_pool_size", 3)
            .set("server_idle_timeout", 0.2),
    );
    let mut client = Client::log_in(&role.through(&pooler));
    eventually("three servers", || {
        (shared().pids(&role).len() == 3).then_some(())
    });
    assert_eq!(client.value("select 1"), "1");
    // Longer than an unused server is kept.
    throughout(Duration::from_millis(600), "three servers", || {
        shared().pids(&role).len() == 3
    });
}

#[test]
fn the_reserve_helps_out_after_its_time() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("default_pool_size", 1)
            .set("reserve_pool_size", 1)
            .set("reserve_pool_timeout", 0.3)
            .set("query_wait_timeout", 3),
    );
    let mut clients: Vec<_> = (0..3)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    clients[0].query("begin").success();
    let start = Instant::now();
    clients[1].query("begin").success();
    let waited = start.elapsed();
    // That it did not wait for much longer shows in that it was not refused.
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    // The reserve is used up.
    let answer = clients[2].query("select 1");
    assert_eq!(answer.error().sqlstate(), "57P03");
    assert_eq!(shared().pids(&role).len(), 2);
}

#[test]
fn max_client_conn_is_the_number_of_clients() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("max_client_conn", 3));
    let mut clients: Vec<_> = (0..3)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    is_full(&refusal(&pooler, &role), "max_client_conn", 3);
    for client in &mut clients {
        assert_eq!(client.value("select 1"), "1");
    }
    drop(clients.pop());
    eventually("a place is free", || {
        Client::try_log_in(&role.through(&pooler), &[]).ok()
    });
}

#[test]
fn strangers_do_not_use_up_max_client_conn() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("max_client_conn", 1)
            .set("auth_type", "scram-sha-256"),
    );
    let _silent: Vec<_> = (0..5).map(|_| pooler.connect()).collect();
    let wrong = role.through(&pooler).password("wrong");
    for _ in 0..3 {
        let answer = Client::try_log_in(&wrong, &[]).unwrap_err();
        assert_eq!(answer.error().sqlstate(), "28P01");
    }
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
}

#[test]
fn clients_are_limited_by_database() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .database("app", "max_db_client_connections", 2)
            .database("other", "host", "127.0.0.1")
            .database("other", "port", shared().port())
            .database("other", "dbname", "postgres"),
    );
    let _clients: Vec<_> = (0..2)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    is_full(&refusal(&pooler, &role), "max_db_client_connections", 2);
    Client::log_in(&role.through(&pooler).database("other")).value("select 1");
}

#[test]
fn clients_are_limited_by_user() {
    let (role, other) = (shared().role(), shared().role());
    let pooler = Pooler::start(
        &role
            .config()
            .user(&role.name, "max_user_client_connections", 2)
            .user(&other.name, "password", &other.password),
    );
    let _clients: Vec<_> = (0..2)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    is_full(&refusal(&pooler, &role), "max_user_client_connections", 2);
    Client::log_in(&other.through(&pooler)).value("select 1");
}

#[test]
fn waiting_clients_are_limited() {
    let role = shared().role();
    let config = role
        .config()
        .set("default_pool_size", 1)
        .set("max_waiting_clients", 2);
    let pooler = Pooler::start(&config);
    let mut clients: Vec<_> = (0..4)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    clients[0].query("begin").success();
    let query = Batch::new().query("select 1");
    clients[1].send(query.bytes());
    clients[2].send(query.bytes());
    // Which two of the three wait is decided by the order of arrival.
    clients[3].send(query.bytes());
    eventually("one is refused", || {
        pooler.log().contains("53300").then_some(())
    });
    clients[0].query("commit").success();
    let answers: Vec<_> = clients[1..].iter_mut().map(Client::until_ready).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.ended).collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
    is_full(refused[0].error(), "max_waiting_clients", 2);
}

#[test]
fn servers_of_a_database_are_limited_over_all_users() {
    let roles = [shared().role(), shared().role()];
    let config = roles[0]
        .config()
        .user(&roles[1].name, "password", &roles[1].password)
        .set("default_pool_size", 5)
        .set("max_db_connections", 3);
    let pooler = Pooler::start(&config);
    busy_together(&pooler, &roles, 3);
}

#[test]
fn servers_of_a_user_are_limited_over_all_databases() {
    let role = shared().role();
    let config = role
        .config()
        .database("other", "host", "127.0.0.1")
        .database("other", "port", shared().port())
        .database("other", "dbname", "postgres")
        .set("default_pool_size", 5)
        .user(&role.name, "max_user_connections", 3);
    let pooler = Pooler::start(&config);
    let targets = ["app", "other"].map(|name| role.through(&pooler).database(name));
    let workers: Vec<_> = targets
        .iter()
        .cycle()
        .take(16)
        .map(|target| {
            let target = target.clone();
            thread::spawn(move || {
                let mut client = Client::log_in(&target);
                for _ in 0..10 {
                    client.query("select pg_sleep(0.01)").success();
                }
            })
        })
        .collect();
    let mut most = 0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        most = most.max(shared().pids(&role).len());
    }
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(most, 3);
}

/// Clients of all roles are busy at once and all get their turn within `limit` servers.
fn busy_together(pooler: &Pooler, roles: &[Role], limit: usize) {
    let count = || {
        roles
            .iter()
            .map(|role| shared().pids(role).len())
            .sum::<usize>()
    };
    let workers: Vec<_> = roles
        .iter()
        .cycle()
        .take(16)
        .map(|role| {
            let target = role.through(pooler);
            thread::spawn(move || {
                let mut client = Client::log_in(&target);
                for _ in 0..10 {
                    client.query("select pg_sleep(0.01)").success();
                }
            })
        })
        .collect();
    let mut most = 0;
    while workers.iter().any(|worker| !worker.is_finished()) {
        most = most.max(count());
    }
    for worker in workers {
        worker.join().unwrap();
    }
    // The two counts are two queries, between which a server may move from one role to the other;
    // PostgreSQL also needs a moment to see that a session has ended.
    assert!(
        (limit..=limit + 1).contains(&most),
        "{most} servers with a limit of {limit}"
    );
}

#[test]
fn no_limit_means_a_server_for_everyone() {
    let role = shared().role();
    let config: Config = role.config().set("default_pool_size", 0);
    let pooler = Pooler::start(&config);
    let mut clients: Vec<_> = (0..30)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    for client in &mut clients {
        client.query("begin").success();
    }
    assert_eq!(shared().pids(&role).len(), 30);
}

#[test]
fn postgres_being_full_is_waited_out() {
    let role = shared().role();
    shared().sql(&format!("alter role {} connection limit 2", role.name));
    let config = role
        .config()
        .set("default_pool_size", 5)
        .set("server_login_retry", 0.1);
    let pooler = Pooler::start(&config);
    assert!(most_servers(&pooler, &role, 10) <= 2);
}

#[test]
fn a_client_that_postgres_has_no_room_for_is_told_so() {
    let role = shared().role();
    shared().sql(&format!("alter role {} connection limit 0", role.name));
    let config = role.config().set("http_listen", "127.0.0.1:0");
    let pooler = Pooler::start(&config.set("probe_interval", 0));
    let refused = Client::try_log_in(&role.through(&pooler), &[])
        .err()
        .unwrap();
    let error = refused.error();
    assert_eq!(error.sqlstate(), "53300", "{error:?}");
    let hint = error.field(b'H');
    assert!(hint.contains("PostgreSQL has no connection left"), "{hint}");
    let scrape = pooler.scrape();
    let count = |metric, label: &str| scrape.sum(metric, &[label]);
    let refusals = count("pgweir_pool_refusals_total", "reason=\"login_failing\"");
    assert_eq!(refusals, Some(1.0));
    let waits = count("pgweir_pool_waits_total", "cause=\"postgres_full\"");
    assert_eq!(waits, Some(1.0));
}

/// The role's own limit is below the pool's size.
fn short_of_room(role: &Role) -> Config {
    shared().sql(&format!("alter role {} connection limit 1", role.name));
    role.config().set("default_pool_size", 5)
}

#[test]
fn clients_wait_for_the_servers_that_a_roles_connection_limit_leaves() {
    let role = shared().role();
    let pooler = Pooler::start(&short_of_room(&role));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    holder.query("begin").success();
    let mut waiting = Client::log_in(&target);
    waiting.send(Batch::new().query("select 'waited'").bytes());
    // PostgreSQL refuses a second one, and nobody is told.
    pooler.has_said("too many connections for role");
    let late = Client::log_in(&target);
    holder.query("commit").success();
    assert_eq!(waiting.until_ready().value(), "waited");
    assert_eq!(pooler.logged("pooler error"), 0, "{}", pooler.log());
    drop(late);
}

#[test]
fn who_waits_too_long_behind_a_roles_connection_limit_reads_which_limit() {
    let role = shared().role();
    let pooler = Pooler::start(&short_of_room(&role).set("query_wait_timeout", 1));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    holder.query("begin").success();
    let mut waiting = Client::log_in(&target);
    let answer = waiting.query("select 1");
    let error = answer.error();
    assert_eq!(error.sqlstate(), "57P03", "{error:?}");
    let hint = error.field(b'H');
    assert!(hint.contains("CONNECTION LIMIT of the role"), "{hint}");
}

#[test]
fn a_role_that_may_not_log_in_any_more_keeps_its_servers_and_gets_no_other() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 5));
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    holder.query("begin").success();
    shared().sql(&format!("alter role {} nologin", role.name));
    let mut waiting = Client::log_in(&target);
    waiting.send(Batch::new().query("select 'waited'").bytes());
    pooler.has_said("is not permitted to log in");
    holder.query("commit").success();
    assert_eq!(waiting.until_ready().value(), "waited");
    let ended = format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{}'",
        role.name
    );
    shared().sql(&ended);
    drop((holder, waiting));
    let refused = eventually("the pool has no server", || {
        Client::try_log_in(&target, &[]).err()
    });
    let error = refused.error();
    assert_eq!(error.sqlstate(), "28000", "{error:?}");
    assert!(
        error.text().contains("is not permitted to log in"),
        "{error:?}"
    );
    // PostgreSQL is not asked again for each client.
    let before = pooler.logged("server login failed");
    for _ in 0..10 {
        let again = Client::try_log_in(&target, &[]).unwrap_err();
        assert_eq!(again.error().text(), error.text());
    }
    assert_eq!(pooler.logged("server login failed"), before);
}

#[test]
fn a_server_that_is_replaced_leaves_its_place_of_the_roles_limit_first() {
    let role = shared().role();
    let config = short_of_room(&role)
        .set("default_pool_size", 1)
        .set("server_lifetime", 0);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    for _ in 0..200 {
        assert_eq!(client.value("select 1"), "1");
    }
    assert_eq!(pooler.logged("server login failed"), 0, "{}", pooler.log());
}
