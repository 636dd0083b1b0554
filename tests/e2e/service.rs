//! The process: its signals where a `pgbouncer.ini` is served, its file, its user, the background, and systemd.

use std::cell::RefCell;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgweir_e2e::{
    Client, Pooler, Role, Signal, Stream, eventually, ini, kill, pgweir, shared, throughout,
    try_kill,
};

fn start(role: &Role, more: &str) -> (Pooler, Client) {
    let more = format!("pool_mode = transaction\n{more}");
    let pooler = Pooler::start_with_ini(|folder, port| ini(role, folder, port, &more));
    let client = Client::log_in(&role.through(&pooler));
    (pooler, client)
}

#[test]
fn sigterm_waits_for_clients_to_leave() {
    let role = shared().role();
    let (mut pooler, mut client) = start(&role, "");
    pooler.signal(Signal::TERM);
    pooler.has_said("got SIGTERM, shutting down, waiting for all clients disconnect");
    eventually("nobody is accepted any more", || {
        Stream::connect("127.0.0.1", pooler.port())
            .is_err()
            .then_some(())
    });
    pooler.signal(Signal::USR2);
    pooler.has_said("got SIGUSR2 while shutting down, ignoring");
    assert_eq!(client.value("select 1"), "1");
    throughout(Duration::from_millis(300), "it goes on", || pooler.runs());
    drop(client);
    assert!(pooler.wait().success());
}

#[test]
fn sigint_waits_for_servers_to_come_back() {
    let role = shared().role();
    let (mut pooler, mut client) = start(&role, "");
    client.query("begin").success();
    pooler.signal(Signal::INT);
    pooler
        .has_said("got SIGINT, shutting down, waiting for all servers connections to be released");
    assert_eq!(client.value("select 1"), "1");
    throughout(Duration::from_millis(300), "it goes on", || pooler.runs());
    client.query("commit");
    assert!(pooler.wait().success());
}

#[test]
fn a_second_signal_and_sigquit_wait_for_nothing() {
    for (first, second, said) in [
        (
            Some(Signal::TERM),
            Signal::TERM,
            "got SIGTERM while shutting down, fast exit",
        ),
        (
            Some(Signal::TERM),
            Signal::INT,
            "got SIGINT while shutting down, fast exit",
        ),
        (
            Some(Signal::INT),
            Signal::INT,
            "got SIGINT while shutting down, fast exit",
        ),
        (None, Signal::QUIT, "got SIGQUIT, fast exit"),
    ] {
        let role = shared().role();
        let (mut pooler, mut client) = start(&role, "");
        client.query("begin").success();
        if let Some(first) = first {
            pooler.signal(first);
            pooler.has_said("shutting down, waiting");
        }
        let begun = Instant::now();
        pooler.signal(second);
        assert!(pooler.wait().success());
        assert!(begun.elapsed() < Duration::from_secs(5));
        pooler.has_said(said);
    }
}

#[test]
fn signals_pause_resume_and_reload() {
    let role = shared().role();
    let (pooler, mut client) = start(&role, "");
    for (signal, said) in [
        (Signal::USR2, "got SIGUSR2, but not paused/suspended"),
        (Signal::USR1, "got SIGUSR1, pausing all activity"),
        (Signal::USR1, "got SIGUSR1, but already paused/suspended"),
        (Signal::USR2, "got SIGUSR2, continuing from PAUSE"),
        (Signal::HUP, "got SIGHUP, re-reading config"),
    ] {
        pooler.signal(signal);
        pooler.has_said(said);
    }
    assert_eq!(client.value("select 1"), "1");
}

/// A process in the background, ended with the test.
struct Daemon(u32);

impl Drop for Daemon {
    fn drop(&mut self) {
        try_kill(self.0, Signal::KILL);
    }
}

#[test]
fn it_goes_to_the_background_with_its_number_in_a_file() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let port = pgweir_e2e::free_port();
    let file = path.join("p.ini");
    let run = |more: &str, arguments: &[&str]| {
        fs::write(&file, ini(&role, path, port, more)).unwrap();
        let output = pgweir().args(arguments).arg(&file).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = run("", &["-d"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("daemon needs pidfile configured"), "{text}");
    let pidfile = path.join("pid");
    let with_file = format!("pidfile = {}", pidfile.display());
    let (_, text) = run(&with_file, &["-d"]);
    assert!(text.contains("set logfile, or syslog = 1"), "{text}");

    let log = path.join("log");
    let all = format!("{with_file}\nlogfile = {}", log.display());
    // What goes wrong is told where it was called.
    let (code, text) = run(&format!("{all}\nlisten_addr = 192.0.2.1"), &["-d"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("cannot listen on 192.0.2.1"), "{text}");
    assert!(!pidfile.exists());

    let (code, text) = run(&all, &["-d"]);
    assert_eq!((code, text.as_str()), (Some(0), ""));
    let number: u32 = fs::read_to_string(&pidfile)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let daemon = Daemon(number);
    let mut target = role.direct().host("127.0.0.1").database("app");
    target.port = port;
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
    assert!(
        fs::read_to_string(&log)
            .unwrap()
            .contains("process up: pgweir")
    );

    // Another port, the same file.
    fs::write(&file, ini(&role, path, pgweir_e2e::free_port(), &all)).unwrap();
    let output = pgweir().arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("FATAL pidfile '"), "{text}");
    assert!(text.contains("exists, another instance running?"), "{text}");

    kill(daemon.0, Signal::INT);
    eventually("its file is gone", || (!pidfile.exists()).then_some(()));
}

#[test]
fn it_becomes_another_user_on_all_its_threads() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user, as in CI");
        return;
    }
    let role = shared().role();
    let mut pooler = Pooler::start_with_ini(|folder, port| {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let folder_of = folder.display();
        let more =
            format!("user = nobody\npidfile = {folder_of}/pid\nlogfile = {folder_of}/own.log");
        ini(&role, folder, port, &more)
    });
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = passwd
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let uid = nobody.split(':').nth(2).unwrap();
    let tasks = format!("/proc/{}/task", pooler.pid());
    let mut threads = 0;
    for task in fs::read_dir(tasks).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(line("Uid:"), [uid; 4]);
        assert!(!line("Gid:").contains(&"0".to_owned()));
        assert!(!line("Groups:").contains(&"0".to_owned()));
        assert_eq!(line("CapEff:"), ["0000000000000000"]);
        threads += 1;
    }
    assert!(threads > 2, "workers and the log");
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    let socket = pooler.folder().join(format!(".s.PGSQL.{}", pooler.port()));
    assert!(socket.exists());
    pooler.signal(Signal::TERM);
    assert!(pooler.wait().success());
    for gone in [socket, pooler.folder().join("pid")] {
        assert!(!gone.exists(), "{}", gone.display());
    }
}

#[test]
fn systemd_is_told() {
    let role = shared().role();
    let heard = RefCell::new(None);
    let mut pooler = Pooler::start_with_ini_by(
        |folder, port| ini(&role, folder, port, ""),
        |file, _| {
            let path = file.with_file_name("notify");
            let _ = fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            *heard.borrow_mut() = Some(socket);
            let mut command = pgweir();
            command.arg(file).env("NOTIFY_SOCKET", path);
            command.env("WATCHDOG_USEC", "200000");
            command
        },
    );
    let socket = heard.into_inner().unwrap();
    let hears = |wanted: &str| {
        let mut bytes = [0; 1000];
        loop {
            let len = socket.recv(&mut bytes).expect(wanted);
            let text = String::from_utf8(bytes[..len].to_vec()).unwrap();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
            let is_expected = ["WATCHDOG=1", "STATUS="]
                .iter()
                .any(|it| text.starts_with(it));
            assert!(is_expected, "{text:?} before {wanted}");
        }
    };
    hears("READY=1");
    hears("WATCHDOG=1");
    hears("WATCHDOG=1");
    pooler.signal(Signal::HUP);
    let text = hears("RELOADING=1");
    let moment = text
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(moment.unwrap().parse::<u64>().unwrap() > 0);
    hears("READY=1");
    pooler.signal(Signal::TERM);
    hears("STOPPING=1");
    assert!(pooler.wait().success());
}

/// A pooler that gets `socket` as systemd hands sockets over.
fn activated(role: &Role, socket: impl Fn(&Path, u16) -> OwnedFd) -> Pooler {
    Pooler::start_with_ini_by(
        |folder, port| {
            ini(role, folder, port, "").replace("127.0.0.1\nlisten_port", "192.0.2.1\nlisten_port")
        },
        |file, port| {
            let folder = file.parent().unwrap();
            let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$1\"";
            let mut command = Command::new("sh");
            command
                .arg("-c")
                .arg(script)
                .arg(pgweir().get_program())
                .arg(file);
            command.stdin(Stdio::from(socket(folder, port)));
            command
        },
    )
}

#[test]
fn sockets_of_the_service_manager_are_served() {
    let role = shared().role();
    let pooler = activated(&role, |_, port| {
        TcpListener::bind(("127.0.0.1", port)).unwrap().into()
    });
    assert_eq!(
        Client::log_in(&role.through(&pooler)).value("select 1"),
        "1"
    );
    pooler.has_logged("sockets passed from service manager", 1);
    drop(pooler);

    let path = |folder: &Path, port: u16| folder.join(format!(".s.PGSQL.{port}"));
    let mut pooler = activated(&role, |folder, port| {
        let path = path(folder, port);
        let _ = fs::remove_file(&path);
        UnixListener::bind(path).unwrap().into()
    });
    let folder = pooler.folder().display().to_string();
    let target = role.through(&pooler).host(&folder);
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
    pooler.signal(Signal::TERM);
    assert!(pooler.wait().success());
    assert!(
        path(pooler.folder(), pooler.port()).exists(),
        "it is not ours"
    );
}
