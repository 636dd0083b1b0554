//! What a client may do before it has logged in.

use std::time::{Duration, Instant};

use pgweir_e2e::{Client, Config, Pooler, Role, eventually, shared};

/// Clients prove who they are, and those on this machine have the limits of others.
fn config(role: &Role) -> Config {
    role.config()
        .set("auth_type", "scram-sha-256")
        .set("login_limits_exempt", "unix")
}

fn login(pooler: &Pooler, role: &Role, user: &str, password: &str) -> (bool, Duration) {
    let target = role.through(pooler).user(user).password(password);
    let start = Instant::now();
    let outcome = Client::try_log_in(&target, &[]);
    if let Err(answer) = &outcome {
        assert_eq!(answer.error().sqlstate(), "28P01");
    }
    (outcome.is_ok(), start.elapsed())
}

#[test]
fn supavisor_1187_strangers_take_no_place_of_clients() {
    let role = shared().role();
    let pooler = Pooler::start(&config(&role).set("max_client_conn", 2));
    let strangers: Vec<_> = (0..20).map(|_| pooler.connect()).collect();
    let mut clients: Vec<_> = (0..2)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    assert_eq!(clients[1].value("select 1"), "1");
    drop(strangers);
}

#[test]
fn logins_of_one_address_take_turns_and_silent_ones_make_room() {
    let role = shared().role();
    let pooler = Pooler::start(
        &config(&role)
            .set("max_logins_per_address", 3)
            .set("http_listen", "127.0.0.1:0"),
    );
    let silent: Vec<_> = (0..3).map(|_| pooler.connect()).collect();
    let start = Instant::now();
    let mut client = Client::log_in(&role.through(&pooler));
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(500), "{waited:?}");
    assert_eq!(client.value("select 1"), "1");
    pooler.has_said("logins wait, as max_logins_per_address from there are under way");
    let scrape = pooler.scrape();
    assert!(scrape.sum("pgweir_logins_queued_total", &[]) >= Some(1.0));
    assert!(scrape.sum("pgweir_logins_ejected_total", &[]) >= Some(1.0));
    drop(silent);
    // A burst of logins that go on needs no more room.
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let target = role.through(&pooler);
            std::thread::spawn(move || Client::log_in(&target).value("select 1"))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "1");
    }
}

#[test]
fn many_failed_logins_delay_the_next_whoever_it_is() {
    let role = shared().role();
    let pooler = Pooler::start(
        &config(&role)
            .set("login_failures_per_minute", 3)
            .set("http_listen", "127.0.0.1:0"),
    );
    // A wrong password and an unknown user count alike.
    for (user, password) in [
        (&*role.name, "wrong"),
        ("nobody", "x"),
        ("nobody", &role.password),
    ] {
        assert!(!login(&pooler, &role, user, password).0);
    }
    let delays = [
        (&*role.name, "wrong", false, 250),
        ("nobody", "wrong", false, 500),
        (&*role.name, &*role.password, true, 1000),
    ];
    for (user, password, gets_in, millis) in delays {
        let (got_in, took) = login(&pooler, &role, user, password);
        assert_eq!(got_in, gets_in);
        assert!(took >= Duration::from_millis(millis), "{took:?} for {user}");
    }
    pooler.has_logged("logins are delayed by", 1);
    let scrape = pooler.scrape();
    assert_eq!(scrape.sum("pgweir_login_failures_total", &[]), Some(5.0));
    assert_eq!(scrape.sum("pgweir_logins_delayed_total", &[]), Some(3.0));
}

#[test]
fn clients_of_this_machine_are_exempt_unless_the_operator_says_otherwise() {
    let role = shared().role();
    let pooler = Pooler::start(
        &role
            .config()
            .set("auth_type", "scram-sha-256")
            .set("max_logins_per_address", 1)
            .set("login_failures_per_minute", 1),
    );
    let silent: Vec<_> = (0..5).map(|_| pooler.connect()).collect();
    for _ in 0..5 {
        assert!(!login(&pooler, &role, &role.name, "wrong").0);
    }
    eventually("a login goes on at once", || {
        let (got_in, _) = login(&pooler, &role, &role.name, &role.password);
        got_in.then_some(())
    });
    assert_eq!(pooler.logged("logins are delayed by"), 0);
    assert_eq!(pooler.logged("logins wait"), 0);
    drop(silent);
}
