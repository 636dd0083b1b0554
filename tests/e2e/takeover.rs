//! A process takes the sockets of another one over, and nobody notices.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use pgweir_e2e::{
    Batch, Client, Config, Pooler, Role, Target, free_port, pgbench_with, pgweir, psql, shared,
};
use tempfile::TempDir;

use crate::cancel::wait_until_active;
use crate::tls::Side;

/// What processes that follow each other have in common.
struct Address {
    folder: TempDir,
    port: u16,
}

impl Address {
    fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        Self {
            folder: builder.prefix("pgweir-e2e-").tempdir_in("/tmp").unwrap(),
            port: free_port(),
        }
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn config(&self, config: Config) -> Config {
        config
            .set("listen_port", self.port)
            .set("unix_socket_dir", &self.path())
    }

    fn target(&self, role: &Role, pooler: &Pooler) -> Target {
        role.through(pooler).host(&self.path())
    }
}

#[test]
fn no_client_sees_an_error_while_processes_follow_each_other() {
    let (role, side, address) = (shared().role(), Side::new(), Address::new());
    let http = free_port();
    let config = address
        .config(side.config(&role, "allow"))
        .set("http_listen", format!("127.0.0.1:{http}").as_str());
    let mut first = Pooler::start(&config);
    let target = role.through(&first);
    let script = address.folder.path().join("script.sql");
    std::fs::write(&script, "select pg_sleep(0.002);\n").unwrap();
    let script = script.display().to_string();
    let rest = ["-n", "-c", "4", "-T", "6", "-f", &script];
    let loads: [(&str, &[&str]); 4] = [
        ("disable", &[]),
        ("disable", &["-C"]),
        ("require", &[]),
        ("require", &["-C"]),
    ];
    let mut second = None;
    let mut third = None;
    thread::scope(|scope| {
        let runs = loads.map(|(mode, more)| {
            let (target, arguments) = (&target, [more, &rest[..]].concat());
            scope.spawn(move || pgbench_with(target, &[("PGSSLMODE", mode)], &arguments))
        });
        thread::sleep(Duration::from_secs(1));
        second = Some(Pooler::take_over(&config));
        thread::sleep(Duration::from_secs(1));
        third = Some(Pooler::take_over(&config));
        for (run, (mode, more)) in runs.into_iter().zip(loads) {
            let output = run.join().unwrap();
            assert!(output.success, "{mode} {more:?}: {output:?}");
            assert!(
                output.out.contains("number of failed transactions: 0"),
                "{mode} {more:?}: {output:?}"
            );
        }
    });
    let (mut second, third) = (second.unwrap(), third.unwrap());
    for old in [&mut first, &mut second] {
        assert!(old.wait().success(), "{}", old.log());
        old.has_logged("another process has taken over", 1);
    }
    third.has_logged("took over from process", 1);
    third.has_logged(&format!("serving HTTP on 127.0.0.1:{http}"), 1);
    assert_eq!(psql(&target, "select 1").out, "1");
}

#[test]
fn who_stays_behind_is_served_and_cancelled_through_the_newest_process() {
    let (role, address) = (shared().role(), Address::new());
    let config = address.config(role.config());
    let mut first = Pooler::start(&config);
    let target = address.target(&role, &first);
    let mut oldest = Client::log_in(&target);
    let mut second = Pooler::take_over(&config);
    let mut older = Client::log_in(&target);
    let third = Pooler::take_over(&config);
    assert_eq!(psql(&target, "select 1").out, "1");
    third.has_logged("login attempt", 1);
    for (client, process) in [(&mut oldest, &mut first), (&mut older, &mut second)] {
        for _ in 0..2 {
            client.send(Batch::new().query("select pg_sleep(60)").bytes());
            wait_until_active(&role);
            client.cancel();
            assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
        }
        assert!(process.runs());
    }
    drop((oldest, older));
    assert!(first.wait().success());
    assert!(second.wait().success());
    let left = std::fs::read_dir(address.folder.path()).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    let own = format!(".s.PGSQL.{}", address.port);
    assert_eq!(left, [own.as_str(), &format!("{own}.takeover")]);
    assert_eq!(psql(&target, "select 2").out, "2");
}

#[test]
fn who_does_not_leave_is_closed_outside_a_transaction() {
    let (role, address) = (shared().role(), Address::new());
    let config = address.config(role.config().set("shutdown_timeout", "1s"));
    let mut first = Pooler::start(&config);
    let target = address.target(&role, &first);
    let mut idle = Client::log_in(&target);
    let mut busy = Client::log_in(&target);
    busy.query("begin").success();
    let _second = Pooler::take_over(&config);
    assert_eq!(idle.until_end().to_string(), "E(57P01) end");
    busy.query("commit").success();
    assert!(first.wait().success());
}

#[test]
fn a_successor_that_does_not_begin_to_serve_changes_nothing() {
    let (role, address) = (shared().role(), Address::new());
    let config = address.config(role.config());
    // Nobody is there to take over from.
    let mut pooler = Pooler::take_over(&config);
    pooler.has_logged("nobody to take over from", 1);
    let path = address.folder.path();
    let path = path.join(format!(".s.PGSQL.{}.takeover", address.port));
    let mut successor = UnixStream::connect(path).unwrap();
    successor.read_exact(&mut [0]).unwrap();
    drop(successor);
    pooler.has_logged("did not begin to serve", 1);
    // One that cannot listen everywhere takes nothing with it.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let file = address.folder.path().join("broken.toml");
    let broken = config.clone().set("http_listen", taken.as_str());
    std::fs::write(&file, broken.text()).unwrap();
    let mut command = pgweir();
    command.args(["serve", "--takeover"]).arg(&file);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot listen on"), "{said}");
    pooler.has_logged("did not begin to serve", 2);
    assert_eq!(psql(&address.target(&role, &pooler), "select 1").out, "1");
    assert_eq!(psql(&role.through(&pooler), "select 1").out, "1");
    let second = Pooler::take_over(&config);
    second.has_logged("took over from process", 1);
    assert!(pooler.wait().success());
}
