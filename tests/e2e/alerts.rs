//! The rendered alerts in a real Prometheus, which scrapes a real pooler: silent while a full pool
//! is healthy, and firing for each fault that can be made in seconds.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Pooler, Postgres, Prometheus, Role, Target, eventually_every, free_port,
    pgbench, pgweir,
};

/// Servers of the pool; as many clients fill it and do not wait.
const POOL: u16 = 4;

/// Pause between two questions to Prometheus, which evaluates its rules each second.
const PAUSE: Duration = Duration::from_millis(200);

/// The usual rules, in seconds in place of minutes, and with limits that a test can reach.
const PARAMETERS: &[&str] = &[
    "for=1s",
    "window=10s",
    "waiters=2",
    "acquire_timeout=2",
    "errors_per_second=0",
    "slow_min=1",
    "clients_share=0.5",
    "restarts=0",
    // Of 397 connections: 20, 24 and 28.
    "sessions_warning=0.05",
    "sessions_critical=0.06",
    "sessions_page=0.07",
];

fn rules() -> String {
    let mut command = pgweir();
    command.args(["render", "alerts"]);
    for parameter in PARAMETERS {
        command.args(["--set", parameter]);
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn config(role: &Role, http_port: u16) -> Config {
    role.config()
        .set("http_listen", &format!("127.0.0.1:{http_port}"))
        .set("max_client_conn", 20)
        .set("default_pool_size", POOL)
        .set("query_wait_timeout", 4)
        .set("server_login_retry", 0.5)
        .set("slow_query_time", 0.3)
        .set("very_slow_query_time", 0.6)
        .set("leak_time", 1)
        .database("app", "server_cores", 8)
}

/// Waits until nothing fires any more.
#[track_caller]
fn quiet(prometheus: &Prometheus) {
    eventually_every(PAUSE, "no alert fires", || {
        let mut firing = prometheus.firing();
        // Its average is over a minute.
        firing.remove("PgweirPostgresOverloaded/warning");
        firing.is_empty().then_some(())
    });
}

/// Waits until all of these fire.
#[track_caller]
fn fire(prometheus: &Prometheus, alerts: &[&str]) {
    let mut missing: BTreeSet<&str> = alerts.iter().copied().collect();
    let deadline = Instant::now() + Duration::from_secs(40);
    while !missing.is_empty() {
        let firing = prometheus.firing();
        missing.retain(|alert| !firing.contains(*alert));
        assert!(
            Instant::now() < deadline,
            "{missing:?} do not fire, but {firing:?}"
        );
        // More patient than `eventually`: some alerts take that long.
        thread::sleep(PAUSE);
    }
}

/// A script of different statements: the same one all the time would be an N+1.
fn load() -> String {
    let statement = |columns| format!("select pg_sleep(0.004){};\n", ", 1".repeat(columns));
    (0..10).map(statement).collect()
}

fn healthy_full_load(prometheus: &Prometheus, target: &Target, script: &std::path::Path) {
    let clients = POOL.to_string();
    let script = script.to_str().expect("a path of ours");
    let arguments: [&str; 7] = ["-n", "-T", "8", "-c", &clients, "-f", script];
    thread::scope(|scope| {
        let load = scope.spawn(|| pgbench(target, &arguments));
        while !load.is_finished() {
            assert_eq!(prometheus.firing(), BTreeSet::new(), "under healthy load");
            // A sample at a time, while the load lasts.
            thread::sleep(PAUSE);
        }
        let output = load.join().expect("it runs");
        assert!(output.success, "{}", output.err);
    });
    // Or the silence would mean nothing: the pool was full, and everything was scraped.
    let full = "max_over_time(pgweir_pool_servers%7Bstate%3D%22active%22%7D%5B1m%5D)%20%3D%3D%204";
    assert_eq!(prometheus.count(full), 1);
    let seen = "pgweir_postgres_probe%7Bstate%3D%22full%22%7D%20%3D%3D%201";
    assert_eq!(prometheus.count(seen), 1);
}

/// All servers are held, others wait and are refused, and many sessions from elsewhere are busy.
fn exhaustion(prometheus: &Prometheus, postgres: &Postgres, target: &Target) {
    let elsewhere: Vec<Client> = (0..32)
        .map(|_| {
            let mut client = Client::log_in(&postgres.superuser());
            client.send(Batch::new().query("select pg_sleep(60)").bytes());
            client
        })
        .collect();
    let holders: Vec<Client> = (0..POOL)
        .map(|_| {
            let mut client = Client::log_in(target);
            client.query("begin").success();
            client
        })
        .collect();
    let wait = || -> Vec<Client> {
        let wait = |_| {
            let mut client = Client::log_in(target);
            client.send(Batch::new().query("select 1").bytes());
            client
        };
        (0..7).map(wait).collect()
    };
    let first = wait();
    fire(
        prometheus,
        &[
            "PgweirClientsWait/warning",
            "PgweirWaitLong/critical",
            "PgweirPoolExhausted/warning",
            "PgweirClientsNearLimit/warning",
            "PgweirLeak/warning",
        ],
    );
    // Those are refused after four seconds, and these after them, so that errors are a rate.
    let second = wait();
    fire(
        prometheus,
        &[
            "PgweirAcquireTimeouts/critical",
            "PgweirConnectionErrors/warning",
            "PgweirMaxConnectionsNear/warning",
            "PgweirMaxConnectionsNear/critical",
            "PgweirMaxConnectionsNear/page",
            "PgweirPostgresOverloaded/warning",
        ],
    );
    // PostgreSQL would not notice that these are gone.
    postgres.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where query like 'select pg_sleep(60)%'",
    );
    drop((elsewhere, holders, first, second));
}

/// Sessions keep all servers between transactions, and others wait.
fn pinned(prometheus: &Prometheus, target: &Target) {
    let holders: Vec<Client> = (0..POOL)
        .map(|_| {
            let mut client = Client::log_in(target);
            client.query("listen a").success();
            client
        })
        .collect();
    let mut waiter = Client::log_in(target);
    waiter.send(Batch::new().query("select 1").bytes());
    fire(prometheus, &["PgweirPinned/warning"]);
    drop((holders, waiter));
}

/// One client asks slowly, another asks the same all the time.
fn bad_manners(prometheus: &Prometheus, target: &Target) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::log_in(target);
            while !done.load(Ordering::SeqCst) {
                client.query("select pg_sleep(0.4)").success();
                client.query("select pg_sleep(0.7)").success();
            }
        });
        scope.spawn(|| {
            let mut client = Client::log_in(target);
            while !done.load(Ordering::SeqCst) {
                for id in 0..20 {
                    let sql = format!("select pg_sleep(0.004) where {id} >= 0");
                    client.query(&sql).success();
                }
                // Longer than the moment in which repeats count as one burst: another begins.
                thread::sleep(Duration::from_millis(300));
            }
        });
        // However this ends, the clients do.
        let _end = OnDrop(&done);
        fire(
            prometheus,
            &[
                "PgweirSlowQueries/warning",
                "PgweirVerySlowQueries/critical",
                "PgweirNPlusOne/info",
            ],
        );
    });
}

/// Sets a flag when it is dropped.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn alerts_fire_for_faults_and_are_silent_under_healthy_load() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    postgres.sql(&format!("grant pg_monitor to {}; checkpoint", role.name));
    let http_port = free_port();
    let config = config(&role, http_port);
    let mut pooler = Pooler::start(&config);
    let script = pooler.folder().join("load.sql");
    std::fs::write(&script, load()).expect("it can be written");
    let prometheus = Prometheus::start(http_port, &rules());

    healthy_full_load(&prometheus, &role.through(&pooler), &script);
    bad_manners(&prometheus, &role.through(&pooler));
    pinned(&prometheus, &role.through(&pooler));
    exhaustion(&prometheus, &postgres, &role.through(&pooler));
    quiet(&prometheus);

    postgres.stop();
    // A login is tried when somebody asks for a server.
    let refused = Client::log_in(&role.through(&pooler)).query("select 1");
    assert_eq!(refused.error().sqlstate(), "57P03", "{refused:?}");
    fire(
        &prometheus,
        &[
            "PgweirLoginFailing/critical",
            "PgweirNotReady/page",
            "PgweirProbeAway/warning",
        ],
    );

    postgres.restart();
    drop(pooler);
    pooler = Pooler::start(&config);
    fire(&prometheus, &["PgweirRestarts/critical"]);
    drop(pooler);
    fire(&prometheus, &["PgweirDown/page"]);
}
