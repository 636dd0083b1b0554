//! Nobody is hurt by somebody else: dead databases, silent strangers, names that do not exist.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Fake, Pooler, Role, Stream, Target, eventually, free_port, pgweir,
    shared,
};

/// More than there are places for strangers.
const CROWD: usize = 1100;

/// What others may cost: a second for one that is silent, and what a busy machine takes.
const SOON: Duration = Duration::from_secs(4);

fn config(role: &Role, dead: &Fake) -> Config {
    role.config()
        .set("max_client_conn", 5000)
        .set("listen_backlog", 2000)
        .set("server_connect_timeout", 15)
        .database("dead", "host", "127.0.0.1")
        .database("dead", "port", dead.port())
}

/// Logins, queries and cancel requests of the database that lives take no longer than [`SOON`].
#[track_caller]
fn is_served(pooler: &Pooler, role: &Role) {
    let started = Instant::now();
    let mut client = Client::log_in(&role.through(pooler));
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    eventually("the query runs", || {
        (shared().activity(role, "state")? == "active").then_some(())
    });
    client.cancel();
    assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
    let took = started.elapsed();
    assert!(took < SOON, "it took {took:?}");
}

#[test]
fn clients_of_a_dead_database_keep_nobody_else_from_logging_in() {
    let role = shared().role();
    let dead = Fake::start(|peer, _| peer.hold());
    let pooler = Pooler::start(&config(&role, &dead));
    let target = role.through(&pooler).database("dead");
    let crowd: Vec<Client> = (0..CROWD).map(|_| begin(&target)).collect();
    is_served(&pooler, &role);
    drop(crowd);
}

#[test]
fn clients_of_a_dead_database_take_no_place_of_others() {
    let role = shared().role();
    let dead = Fake::start(|peer, _| peer.hold());
    let pooler = Pooler::start(&config(&role, &dead).set("max_client_conn", 20));
    let target = role.through(&pooler).database("dead");
    let crowd: Vec<Client> = (0..60).map(|_| begin(&target)).collect();
    eventually("the crowd has arrived", || {
        (pooler.logged("pooler error: too many clients wait for PostgreSQL") >= 40).then_some(())
    });
    is_served(&pooler, &role);
    drop(crowd);
}

/// Sends what begins a login, and waits for nothing.
fn begin(target: &Target) -> Client {
    let mut client = Client::connect(target).expect("the pooler listens");
    let mut out = Vec::new();
    let user = target.user.as_str();
    let parameters = [("user", user), ("database", target.database.as_str())];
    pgweir_wire::startup::encode_startup(&mut out, 0, &parameters);
    client.send(&out);
    client
}

#[test]
fn silent_strangers_make_room() {
    let role = shared().role();
    let dead = Fake::start(|peer, _| peer.hold());
    let pooler = Pooler::start(&config(&role, &dead));
    let strangers: Vec<_> = (0..CROWD).map(|_| pooler.connect()).collect();
    is_served(&pooler, &role);
    drop(strangers);
}

#[test]
fn a_crowd_that_logs_in_at_once_is_let_in() {
    let role = shared().role();
    let dead = Fake::start(|peer, _| peer.hold());
    let pooler = Pooler::start(&config(&role, &dead));
    let target = role.through(&pooler);
    Client::log_in(&target);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut crowd: Vec<Client> = (0..CROWD / 4).map(|_| begin(&target)).collect();
                for client in &mut crowd {
                    assert!(!client.until_ready().ended);
                }
            });
        }
    });
}

#[test]
fn names_that_postgresql_does_not_know_leave_nothing_behind() {
    let role = shared().role();
    let config = role
        .config()
        .set("http_listen", "127.0.0.1:0")
        .set("server_login_retry", 0)
        .database("*", "host", "127.0.0.1")
        .database("*", "port", role.direct().port);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    for number in 0..50 {
        let target = target.clone().database(&format!("no_such_{number}"));
        let refused = Client::try_log_in(&target, &[]).expect_err("there is none");
        assert_eq!(refused.error().sqlstate(), "3D000", "{refused:?}");
    }
    Client::log_in(&target.clone().database("postgres"));
    eventually("what does not exist is forgotten", || {
        let invented = [r#"database="no_such"#];
        let scrape = pooler.scrape();
        scrape
            .sum("pgweir_pool_clients", &invented)
            .is_none()
            .then_some(())
    });
    let mut client = Client::log_in(&target.database("postgres"));
    assert_eq!(client.value("select current_database()"), "postgres");
}

#[test]
fn nobody_writes_lines_of_the_log_that_are_not_ours() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config());
    let forged = "x\n2026-01-01T00:00:00Z  WARN pgweir_proxy: forged\r\u{2028}\u{202e}\u{1b}[2J";
    let target = role.through(&pooler).database(forged);
    Client::try_log_in(&target, &[]).expect_err("there is no such database");
    let mut target = role.through(&pooler);
    forged.clone_into(&mut target.user);
    Client::try_log_in(&target, &[("application_name", forged)]).expect_err("no such user");
    let mut client = Client::log_in_with(&role.through(&pooler), &[("application_name", forged)]);
    assert_eq!(client.value("select 1"), "1");
    drop(client);
    eventually("the client's end is logged", || {
        (pooler.logged("closing because: client") > 0).then_some(())
    });
    let log = pooler.log();
    assert!(log.contains("forged"), "{log}");
    for line in log.lines() {
        assert!(
            line.starts_with("20") && !line.contains(" forged\r"),
            "{line}"
        );
        let is_strange = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}';
        assert!(!line.contains(is_strange), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z  WARN"), "{line}");
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let role = shared().role();
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    // Room for all: on a busy machine clients come faster than those that left are counted out.
    let config = role.config().set("max_client_conn", 2000);
    fs::write(&file, config.set("listen_port", port).text()).unwrap();
    let mut command = pgweir();
    command.arg("serve").arg(&file).stderr(Stdio::piped());
    let _pooler = Killed(command.spawn().unwrap());
    let mut target = role.direct().database("app");
    target.port = port;
    eventually("it listens", || Client::connect(&target).ok());
    // A pipe holds 64 KiB, which is below 500 lines.
    for _ in 0..1000 {
        Client::log_in(&target);
    }
}

/// A process that ends with its test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn silent_connections_of_http_do_not_delay_probes() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("http_listen", "127.0.0.1:0"));
    let port = pooler.http_port();
    let connect = || Stream::connect("127.0.0.1", port).expect("HTTP listens");
    let silent: Vec<_> = (0..400).map(|_| connect()).collect();
    let started = Instant::now();
    pooler.get("/livez");
    let took = started.elapsed();
    assert!(took < SOON, "it took {took:?}");
    drop(silent);
}

/// Clients take what servers and HTTP leave of the open files, and no more.
#[test]
fn clients_leave_files_for_servers_and_http() {
    let role = shared().role();
    let config = role
        .config()
        .set("http_listen", "127.0.0.1:0")
        .set("max_client_conn", 1000)
        .set("default_pool_size", 10);
    let pooler = Pooler::start_with_files(&config, 256);
    pooler.has_logged("the limit of open files is too low", 1);
    let target = role.through(&pooler);
    let mut clients = Vec::new();
    let refused = loop {
        match Client::try_log_in(&target, &[]) {
            Ok(client) => clients.push(client),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.error().sqlstate(), "53300");
    assert!(
        refused.error().text().contains("open files 256"),
        "{refused:?}"
    );
    assert!(clients.len() > 50, "{}", clients.len());
    // All servers of the pool can be opened.
    for client in clients.iter_mut().take(10) {
        client.query("begin").success();
    }
    pooler.get("/livez");
    let holder = &clients[0];
    holder.cancel();
}
