//! The probe on a real PostgreSQL: what it sees with and without the privilege, and that it comes
//! back by itself.

use std::time::Duration;

use pgweir_e2e::{Client, Config, Pooler, Postgres, Role, Scrape, eventually, eventually_every};

fn config(role: &Role) -> Config {
    role.config().set("http_listen", "127.0.0.1:0")
}

fn is(scrape: &Scrape, state: &str) -> bool {
    let label = format!("state=\"{state}\"");
    scrape.sum("pgweir_postgres_probe", &[&label]) == Some(1.0)
}

/// Waits for a scrape of which `condition` is true.
#[track_caller]
fn scrape(pooler: &Pooler, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
    eventually_every(Duration::from_millis(50), what, || {
        let scrape = pooler.scrape();
        condition(&scrape).then_some(scrape)
    })
}

fn sessions(scrape: &Scrape, origin: &str, state: &str) -> f64 {
    let (origin, state) = (format!("origin=\"{origin}\""), format!("state=\"{state}\""));
    let labels = [origin.as_str(), state.as_str()];
    scrape
        .sum("pgweir_postgres_sessions", &labels)
        .unwrap_or_default()
}

#[test]
fn with_the_privilege_it_sees_whose_sessions_do_what() {
    let postgres = Postgres::start();
    let role = postgres.role();
    postgres.sql(&format!("grant pg_monitor to {}", role.name));
    // The probe is beyond the limit, or it would have no connection here.
    let config = config(&role)
        .set("max_db_connections", 3)
        .set("server_cores", 2);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..3).map(|_| Client::log_in(&target)).collect();
    for client in &mut clients {
        client.query("begin; select 1").success();
    }
    clients[0]
        .query("select pg_advisory_xact_lock(1)")
        .success();
    let mut elsewhere = Client::log_in(&postgres.superuser());
    elsewhere.send(
        pgweir_e2e::Batch::new()
            .query("select pg_advisory_lock(1)")
            .bytes(),
    );

    let seen = scrape(&pooler, "it sees all of them", |scrape| {
        is(scrape, "full")
            && sessions(scrape, "pools", "idle_in_transaction") == 3.0
            && sessions(scrape, "elsewhere", "active") == 1.0
    });
    // The fixture's own connection is the other one.
    assert_eq!(sessions(&seen, "elsewhere", "idle"), 1.0);
    assert_eq!(seen.sum("pgweir_postgres_sessions", &[]), Some(5.0));
    assert_eq!(
        seen.sum("pgweir_postgres_max_connections", &[]),
        Some(400.0)
    );
    assert_eq!(seen.sum("pgweir_postgres_sessions_limit", &[]), Some(397.0));
    assert_eq!(seen.sum("pgweir_postgres_cores", &[]), Some(2.0));
    let lock = ["wait_event_type=\"Lock\"", "wait_event=\"advisory\""];
    scrape(&pooler, "one waits for the lock", |scrape| {
        scrape.sum("pgweir_postgres_active_sessions", &lock) > Some(0.0)
    });
    scrape(&pooler, "a transaction of ours grows old", |scrape| {
        let name = "pgweir_postgres_oldest_transaction_seconds";
        scrape.sum(name, &["origin=\"pools\""]) > Some(1.0)
    });

    for client in &mut clients {
        client.query("commit").success();
    }
    assert!(elsewhere.until_ready().to_string().ends_with("ZI"));
    scrape(&pooler, "all is quiet again", |scrape| {
        sessions(scrape, "pools", "idle") == 3.0 && sessions(scrape, "elsewhere", "idle") == 2.0
    });
    pooler.has_logged("PostgreSQL is probed", 1);
    let own = postgres
        .sql("select count(*) from pg_stat_activity where application_name = 'pgweir probe'");
    assert_eq!(own.value(), "1");
}

#[test]
fn without_the_privilege_it_counts_and_says_so_once() {
    let postgres = Postgres::start();
    let role = postgres.role();
    let pooler = Pooler::start(&config(&role));
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("begin").success();
    let seen = scrape(&pooler, "it sees its own user's session", |scrape| {
        is(scrape, "reduced") && sessions(scrape, "pools", "idle_in_transaction") == 1.0
    });
    // The superuser's session is there, and no background process is taken for one.
    assert_eq!(sessions(&seen, "elsewhere", "unknown"), 1.0);
    assert_eq!(seen.sum("pgweir_postgres_sessions", &[]), Some(2.0));
    postgres.sql(&format!("grant pg_read_all_stats to {}", role.name));
    scrape(&pooler, "it sees all", |scrape| {
        is(scrape, "full") && sessions(scrape, "elsewhere", "idle") == 1.0
    });
    pooler.has_logged("grant pg_monitor", 1);
}

#[test]
fn it_comes_back_after_postgres_does_and_follows_a_reload() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    let monitor = postgres.role();
    postgres.sql(&format!("grant pg_monitor to {}; checkpoint", monitor.name));
    let with_monitor = config(&role).set("probe_user", &monitor.name).user(
        &monitor.name,
        "password",
        &monitor.password,
    );
    let pooler = Pooler::start(&with_monitor);
    let sees = |scrape: &Scrape| is(scrape, "full");
    scrape(&pooler, "it sees", sees);
    postgres.stop();
    let gone = scrape(&pooler, "it is away", |scrape| is(scrape, "away"));
    assert_eq!(gone.sum("pgweir_postgres_sessions", &[]), None);
    postgres.restart();
    scrape(&pooler, "it sees again", sees);
    pooler.has_logged("probe of PostgreSQL failed", 1);

    pooler.reload(&with_monitor.clone().set("probe_interval", 0));
    scrape(&pooler, "it is off", |scrape| is(scrape, "off"));
    eventually("its connection is closed", || {
        postgres.pids(&monitor).is_empty().then_some(())
    });
    pooler.has_logged("probe_interval is 0", 1);
    pooler.reload(&with_monitor);
    scrape(&pooler, "it is on", sees);
}

#[test]
fn with_verifiers_only_it_waits_for_a_client() {
    let postgres = Postgres::start();
    let role = postgres.role();
    postgres.sql(&format!("grant pg_monitor to {}", role.name));
    let sql = format!(
        "select rolpassword from pg_authid where rolname = '{}'",
        role.name
    );
    let config = config(&role).set("auth_type", "scram-sha-256").user(
        &role.name,
        "password",
        &postgres.sql(&sql).value(),
    );
    let pooler = Pooler::start(&config);
    scrape(&pooler, "it has nobody to log in as", |scrape| {
        is(scrape, "no_user")
    });
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
    scrape(&pooler, "it sees all", |scrape| {
        is(scrape, "full") && sessions(scrape, "pools", "idle") == 1.0
    });
    pooler.has_logged("set probe_user", 1);
}

#[test]
fn a_pooler_that_reaches_no_postgresql_is_not_ready_before_anybody_comes() {
    let mut postgres = Postgres::start();
    // With two users no server is opened before a client comes.
    let roles = [postgres.role(), postgres.role()];
    let config = config(&roles[0]).user(&roles[1].name, "password", &roles[1].password);
    postgres.sql("checkpoint");
    postgres.stop();
    let pooler = Pooler::start(&config);
    let ready = |scrape: &Scrape| scrape.sum("pgweir_ready", &[]) == Some(1.0);
    scrape(&pooler, "it is not ready", |scrape| {
        is(scrape, "away") && !ready(scrape)
    });
    postgres.restart();
    // Nobody has to ask for it to look again.
    scrape(&pooler, "it is ready", ready);
    drop(pooler);
    // One that refuses the probe can be reached.
    for role in &roles {
        postgres.sql(&format!("alter role {} password 'other'", role.name));
    }
    let pooler = Pooler::start(&config);
    eventually("the probe is refused", || {
        (pooler.logged("password authentication failed") > 0).then_some(())
    });
    assert!(ready(&pooler.scrape()));
}
