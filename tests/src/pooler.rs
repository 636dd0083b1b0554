//! The real `pgweir`, one process per test.

use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;

use pgweir_cluster::{EndSignal, Watchdog, random_hex};

use crate::config::Config;
use crate::process::{Signal, kill};
use crate::stream::Stream;
use crate::wait::eventually;

/// A running `pgweir serve`. Dropped, it is killed, and the test fails if it had died before.
#[derive(Debug)]
pub struct Pooler {
    child: Child,
    port: u16,
    folder: PathBuf,
    stopped: bool,
    watchdog: Watchdog,
}

impl Pooler {
    /// Starts it with a configuration, on a free port unless that names one, and waits until it
    /// accepts connections.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn start(config: &Config) -> Self {
        Self::serve(config, &[])
    }

    /// As [`Pooler::start`], with the sockets of a process that runs with the same address.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn take_over(config: &Config) -> Self {
        Self::serve(config, &["--takeover"])
    }

    #[track_caller]
    fn serve(config: &Config, arguments: &[&str]) -> Self {
        let fixed = config.value("listen_port");
        let fixed: Option<u16> = fixed.map(|port| port.parse().expect("a port"));
        let mut pooler = Self::launch(|folder, port| {
            let port = fixed.unwrap_or(port);
            let config = config.clone().set("listen_port", port);
            let file = folder.join(CONFIG_FILE);
            fs::write(&file, config.text()).expect("the configuration can be written");
            let mut command = pgweir();
            command.arg("serve").args(arguments).arg(file);
            command
        });
        pooler.port = fixed.unwrap_or(pooler.port);
        pooler
    }

    /// As [`Pooler::start`], with a limit of open files.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_with_files(config: &Config, limit: u32) -> Self {
        Self::launch_behind(config, &["sh", "-c"], &format!("ulimit -n {limit}"))
    }

    /// As [`Pooler::start`], where each of these files or folders of the system is seen as another one, by
    /// this pooler alone.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_seeing(config: &Config, mounts: &[(&str, &Path)]) -> Self {
        let mounts = mounts.iter();
        let mounts = mounts.map(|(of, own)| format!("mount --bind {} {of}", own.display()));
        let script = mounts.collect::<Vec<_>>().join(" && ");
        Self::launch_behind(config, &["unshare", "--mount", "sh", "-c"], &script)
    }

    /// Whether [`Pooler::start_seeing`] is possible here; why not is printed.
    pub fn can_see_otherwise(what: &str) -> bool {
        let mut mount = Command::new("unshare");
        mount.args(["--mount", "mount", "--bind", "/etc", "/etc"]);
        let is_possible = mount.output().is_ok_and(|output| output.status.success());
        if !is_possible {
            eprintln!("skipped: {what} needs a root who may mount, as in CI");
        }
        is_possible
    }

    #[track_caller]
    fn launch_behind(config: &Config, shell: &[&str], script: &str) -> Self {
        Self::launch(|folder, port| {
            let file = folder.join(CONFIG_FILE);
            let config = config.clone().set("listen_port", port);
            fs::write(&file, config.text()).expect("the configuration can be written");
            let pgweir = pgweir();
            let mut command = Command::new(shell[0]);
            for (name, value) in pgweir.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
                .args(&shell[1..])
                .arg(format!("{script} && exec \"$0\" serve \"$1\""))
                .arg(pgweir.get_program())
                .arg(file);
            command
        })
    }

    /// Starts it with nothing but these variables.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_with_variables(variables: &[(&str, &str)]) -> Self {
        Self::launch(|_, port| {
            let mut command = pgweir();
            command.arg("serve").envs(variables.iter().copied());
            command.env("PGWEIR_LISTEN_PORT", port.to_string());
            command.env("PGWEIR_HTTP_LISTEN", "off");
            command
        })
    }

    /// Starts it with a configuration as somebody wrote it, on a free port and without HTTP, and with
    /// these variables.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_with_file(text: &str, variables: &[(&str, &str)]) -> Self {
        Self::launch(|folder, port| {
            let line = |line: &str| match line.split_once(" = ") {
                Some(("listen_addr", _)) => "listen_addr = \"127.0.0.1\"\n".to_owned(),
                Some(("listen_port", _)) => format!("listen_port = {port}\n"),
                Some(("http_listen", _)) => String::new(),
                _ => format!("{line}\n"),
            };
            let file = folder.join(CONFIG_FILE);
            let text: String = text.lines().map(line).collect();
            fs::write(&file, text).expect("the configuration can be written");
            let mut command = pgweir();
            command.arg("serve").arg(file);
            command.envs(variables.iter().copied());
            command
        })
    }

    /// Starts it as PgBouncer is started, with the text of a `pgbouncer.ini` for its folder and port.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_with_ini(text: impl Fn(&Path, u16) -> String) -> Self {
        Self::launch(|folder, port| {
            let file = folder.join(INI_FILE);
            fs::write(&file, text(folder, port)).expect("the configuration can be written");
            let mut command = pgweir();
            command.arg(file);
            command
        })
    }

    /// As [`Pooler::start_with_ini`], where `command` makes the command for the file and the port.
    ///
    /// # Panics
    /// If it does not accept connections.
    #[track_caller]
    pub fn start_with_ini_by(
        text: impl Fn(&Path, u16) -> String,
        command: impl Fn(&Path, u16) -> Command,
    ) -> Self {
        Self::launch(|folder, port| {
            let file = folder.join(INI_FILE);
            fs::write(&file, text(folder, port)).expect("the configuration can be written");
            command(&file, port)
        })
    }

    /// Replaces its `pgbouncer.ini` and has it read again; returns when it has.
    ///
    /// # Panics
    /// If it does not say so.
    #[track_caller]
    pub fn reload_ini(&self, text: &str) {
        self.replace(INI_FILE, text);
    }

    #[track_caller]
    fn launch(command: impl Fn(&Path, u16) -> Command) -> Self {
        let name = format!("pgweir-e2e-{}", random_hex(6).expect("random bytes"));
        // Short, for a unix socket's path has at most 107 bytes.
        let folder = Path::new("/tmp").join(name);
        let mut watchdog = Watchdog::start(&folder).expect("the watchdog starts");
        fs::create_dir(&folder).expect("a folder can be made");
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            let log = File::create(folder.join(LOG_FILE)).expect("the log can be made");
            let mut child = command(&folder, port)
                .stderr(log)
                .process_group(0)
                .spawn()
                .expect("pgweir starts");
            watchdog
                .watch(child.id(), EndSignal::Terminate)
                .expect("the watchdog lives");
            let log = || fs::read_to_string(folder.join(LOG_FILE)).unwrap_or_default();
            let ended = eventually("pgweir listens", || {
                match child.try_wait().expect("it can be waited for") {
                    Some(status) => Some(Some(status)),
                    None => log().contains("listening on").then_some(None),
                }
            });
            let Some(status) = ended else {
                return Self {
                    child,
                    port,
                    folder,
                    stopped: false,
                    watchdog,
                };
            };
            watchdog.forget(child.id()).expect("the watchdog lives");
            // Between our look and its bind, someone else took the port.
            assert!(
                log().contains("cannot listen on"),
                "pgweir ended, {status}:\n{}",
                log()
            );
        }
        panic!("no free port in {PORT_ATTEMPTS} attempts");
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder, for unix sockets and files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join(LOG_FILE)).unwrap_or_default()
    }

    /// How often it logged this.
    pub fn logged(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits until it has logged this so many times; what it logs is written behind its back.
    ///
    /// # Panics
    /// If it does not, or has more often.
    #[track_caller]
    pub fn has_logged(&self, text: &str, times: usize) {
        let what = format!("the log has {times} times {text:?}");
        eventually(&what, || (self.logged(text) >= times).then_some(()));
        assert_eq!(self.logged(text), times, "{text:?} in\n{}", self.log());
    }

    /// Waits until it has logged this.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn has_said(&self, text: &str) {
        let what = format!("the log has {text:?}");
        eventually(&what, || (self.logged(text) > 0).then_some(()));
    }

    /// A connection that has said nothing yet.
    ///
    /// # Panics
    /// If it is not accepted.
    #[track_caller]
    pub fn connect(&self) -> Stream {
        Stream::connect("127.0.0.1", self.port).expect("the pooler listens")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Replaces its configuration file and has it read again; returns when it has.
    ///
    /// # Panics
    /// If it does not say so.
    #[track_caller]
    pub fn reload(&self, config: &Config) {
        let config = config.clone().set("listen_port", self.port);
        self.replace(CONFIG_FILE, &config.text());
    }

    #[track_caller]
    fn replace(&self, file: &str, text: &str) {
        let done = || self.logged("configuration reloaded") + self.logged("reload failed");
        let before = done();
        fs::write(self.folder.join(file), text).expect("it can be written");
        self.signal(Signal::HUP);
        eventually("the pooler has reloaded", || {
            (done() > before).then_some(())
        });
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = eventually("pgweir ends", || self.child.try_wait().expect("a child"));
        self.watchdog
            .forget(self.child.id())
            .expect("the watchdog lives");
        self.stopped = true;
        status
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let died = !self.stopped && !self.runs();
        if !self.stopped {
            // It may have died: then the test fails below.
            let _ = self.child.kill();
            let _ = self.child.wait();
            // A watchdog that is gone has nothing to forget.
            let _ = self.watchdog.forget(self.child.id());
        }
        let log = self.log();
        // The watchdog removes the folder as well; sooner is tidier.
        let _ = fs::remove_dir_all(&self.folder);
        if thread::panicking() {
            eprintln!("--- log of pgweir\n{}---", tail(&log));
            return;
        }
        assert!(!died, "pgweir died:\n{}", tail(&log));
        assert!(
            !log.contains("panicked at"),
            "pgweir panicked:\n{}",
            tail(&log)
        );
    }
}

/// The program under test, free of the caller's settings: the one that `PGWEIR_BIN` names, or
/// that of this build, which is brought up to date first.
///
/// # Panics
/// If it cannot be built.
pub fn pgweir() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("PGWEIR_BIN") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "PGWEIR_BIN: there is no {}", path.display());
            return path;
        }
        let own = env::current_exe().expect("a running program has a path");
        let profile = own.ancestors().nth(2).expect("target/PROFILE/deps/test");
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "pgweir-cli"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "pgweir cannot be built"
        );
        profile.join("pgweir")
    });
    let mut command = Command::new(program);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// A port that nobody listens at. Somebody else may take it before its user does.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

const CONFIG_FILE: &str = "pgweir.toml";
const INI_FILE: &str = "pgbouncer.ini";
const LOG_FILE: &str = "log";
const PORT_ATTEMPTS: u32 = 5;
/// Variables that change what `pgweir` does.
const VARIABLES: &[&str] = &[
    "DATABASE_URL",
    "DB_MAX_CONNECTIONS",
    "DB_MIN_CONNECTIONS",
    "DB_ACQUIRE_TIMEOUT",
    "DB_IDLE_TIMEOUT",
    "DB_MAX_LIFETIME",
    "PGWEIR_LISTEN_ADDR",
    "PGWEIR_LISTEN_PORT",
    "PGWEIR_HTTP_LISTEN",
    "PGWEIR_LOG",
];
