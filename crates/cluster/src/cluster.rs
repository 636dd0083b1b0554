//! A throw-away PostgreSQL cluster: a folder, a port, a superuser with a random password.
//!
//! It listens on 127.0.0.1 and on a unix socket in its folder, asks everyone for SCRAM, and
//! trades durability for speed by default. Dropping it stops it at once and removes
//! the folder; the [`Watchdog`] does that when nothing is dropped any more.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::RunAs;
use crate::postgres::Postgres;
use crate::random::random_hex;
use crate::watchdog::{EndSignal, Watchdog};

/// Options of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Settings for `postgresql.conf`; they win over the ones a throw-away cluster has
    /// (`fsync`, `synchronous_commit` and `full_page_writes` off).
    pub settings: Vec<(String, String)>,
    /// Lines for `pg_hba.conf` ahead of the ones that ask for SCRAM; the first match counts.
    pub hba: Vec<String>,
}

/// Why a cluster could not be made or started.
#[derive(Debug)]
pub enum ClusterError {
    /// The system refused an operation.
    System {
        /// What was attempted.
        what: &'static str,
        /// The system's answer.
        error: io::Error,
    },
    /// `initdb` failed, with what it said.
    Initdb(String),
    /// The server ended while it started, with the end of its log.
    Ended(String),
    /// The server was not ready in time, with the end of its log.
    Late(String),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, error } => write!(f, "cannot {what}: {error}"),
            Self::Initdb(output) => write!(f, "initdb failed:\n{output}"),
            Self::Ended(log) => write!(f, "PostgreSQL ended while it started; its log:\n{log}"),
            Self::Late(log) => write!(
                f,
                "PostgreSQL was not ready within {} s; its log:\n{log}",
                READY_TIMEOUT.as_secs()
            ),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { error, .. } => Some(error),
            Self::Initdb(_) | Self::Ended(_) | Self::Late(_) => None,
        }
    }
}

/// A running throw-away cluster.
#[derive(Debug)]
pub struct Cluster {
    postgres: Postgres,
    folder: PathBuf,
    port: u16,
    superuser_password: String,
    /// `None` while stopped.
    server: Option<Child>,
    watchdog: Watchdog,
}

impl Cluster {
    /// Makes a cluster, starts it and returns when it accepts connections.
    ///
    /// # Errors
    /// See [`ClusterError`]; nothing is left behind in that case either.
    pub fn start(postgres: &Postgres, options: &ClusterOptions) -> Result<Self, ClusterError> {
        let random = |bytes| random_hex(bytes).map_err(system("read random bytes"));
        let folder = base_folder().join(format!("pgweir-{}", random(6)?));
        let watchdog = Watchdog::start(&folder).map_err(system("start the watchdog"))?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .and_then(|()| RunAs::detect().own(&folder))
            .map_err(system("make the cluster's folder"))?;
        let mut cluster = Self {
            postgres: postgres.clone(),
            folder,
            port: 0,
            superuser_password: random(16)?,
            server: None,
            watchdog,
        };
        cluster.initdb()?;
        cluster.configure(options)?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            cluster.port = free_port().map_err(system("find a free port"))?;
            match cluster.launch() {
                // Another process took the port between our check and the server's bind.
                Err(ClusterError::Ended(log))
                    if attempts < PORT_ATTEMPTS && log.contains("could not bind") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(cluster),
            }
        }
    }

    /// Stops as `pg_ctl stop -m fast` does: clients are disconnected, data is kept. Does nothing
    /// when it is stopped.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        self.end(Signal::INT, FAST_STOP_TIMEOUT)
            .map_err(system("stop PostgreSQL"))
    }

    /// Stops, if it runs, and starts with the same data on the same port.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.stop()?;
        self.launch()
    }

    /// Port, on 127.0.0.1 and in the name of the unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder of the unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.folder
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Name of the superuser.
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// Password of the superuser.
    pub fn superuser_password(&self) -> &str {
        &self.superuser_password
    }

    /// Process id of the postmaster; `None` while stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// The server's log file.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn initdb(&mut self) -> Result<(), ClusterError> {
        let password_file = self.folder.join("password");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&password_file)
            .and_then(|mut file| file.write_all(self.superuser_password.as_bytes()))
            .and_then(|()| RunAs::detect().own(&password_file))
            .map_err(system("write the password file"))?;
        let child = self
            .postgres
            .server_command("initdb")
            .arg("--pgdata")
            .arg(self.data_dir())
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
            .arg("--no-sync")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(system("start initdb"))?;
        let pid = child.id();
        self.watchdog
            .watch(pid, EndSignal::Terminate)
            .map_err(system("watch initdb"))?;
        let output = child.wait_with_output().map_err(system("run initdb"))?;
        self.watchdog.forget(pid).map_err(system("forget initdb"))?;
        fs::remove_file(&password_file).map_err(system("remove the password file"))?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        Err(ClusterError::Initdb(tail(&String::from_utf8_lossy(&text))))
    }

    fn configure(&self, options: &ClusterOptions) -> Result<(), ClusterError> {
        let what = "write the cluster's configuration";
        let conf = self.data_dir().join("postgresql.conf");
        OpenOptions::new()
            .append(true)
            .open(conf)
            .and_then(|mut file| file.write_all(settings(&self.folder, options).as_bytes()))
            .map_err(system(what))?;
        let hba = self.data_dir().join("pg_hba.conf");
        let rules = fs::read_to_string(&hba).map_err(system(what))?;
        let mut lines = options.hba.join("\n");
        lines.push('\n');
        fs::write(&hba, lines + &rules).map_err(system(what))
    }

    /// Starts the server on `self.port` and waits until it is ready.
    fn launch(&mut self) -> Result<(), ClusterError> {
        let log = File::create(self.log_path()).map_err(system("make the server's log"))?;
        let errors = log.try_clone().map_err(system("share the server's log"))?;
        let server = self
            .postgres
            .server_command("postgres")
            .arg("-D")
            .arg(self.data_dir())
            .arg("-p")
            .arg(self.port.to_string())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C on the terminal is ours to handle, not the server's.
            .process_group(0)
            .spawn()
            .map_err(system("start PostgreSQL"))?;
        self.watchdog
            .watch(server.id(), EndSignal::Quit)
            .map_err(system("watch PostgreSQL"))?;
        self.server = Some(server);
        let deadline = Instant::now() + READY_TIMEOUT;
        while !self.ready() {
            if self.has_ended().map_err(system("wait for PostgreSQL"))? {
                return Err(ClusterError::Ended(self.log_tail()));
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Late(self.log_tail()));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The postmaster writes its state into the eighth line of its lock file; `pg_ctl` reads it
    /// there too. That needs no login, and no client program.
    fn ready(&self) -> bool {
        fs::read_to_string(self.data_dir().join("postmaster.pid"))
            .is_ok_and(|text| lock_file_says_ready(&text, self.pid()))
    }

    /// Whether the server has ended; if so, it is reaped.
    fn has_ended(&mut self) -> io::Result<bool> {
        let Some(server) = &mut self.server else {
            return Ok(true);
        };
        if server.try_wait()?.is_none() {
            return Ok(false);
        }
        self.watchdog.forget(server.id())?;
        self.server = None;
        Ok(true)
    }

    fn end(&mut self, signal: Signal, timeout: Duration) -> io::Result<()> {
        if self.has_ended()? {
            return Ok(());
        }
        self.signal(signal)?;
        let deadline = Instant::now() + timeout;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                self.signal(Signal::KILL)?;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Signals the server. It has not been reaped, so its process id is still its own.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        match &self.server {
            Some(server) => Ok(kill_process(Pid::from_child(server), signal)?),
            None => Ok(()),
        }
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        tail(&String::from_utf8_lossy(&log))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The watchdog, which is dropped next, cleans up what fails here.
        let _ = self.end(Signal::QUIT, IMMEDIATE_STOP_TIMEOUT);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> ClusterError {
    move |error| ClusterError::System { what, error }
}

/// The parent of the clusters' folders. It is short, because a unix socket's path has at most 107 bytes
/// (103 on macOS, whose own temporary folder is already half of that).
fn base_folder() -> PathBuf {
    let short = Path::new("/tmp");
    if short.is_dir() {
        short.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// The text appended to `postgresql.conf`; the last of equal settings counts.
fn settings(folder: &Path, options: &ClusterOptions) -> String {
    let own = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", &folder.to_string_lossy()),
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.iter()
        .chain(&options.settings)
        .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
        .collect()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A lock file left by an earlier start carries another process's number.
fn lock_file_says_ready(text: &str, pid: Option<u32>) -> bool {
    let mut lines = text.lines();
    let owner = lines.next().and_then(|line| line.trim().parse().ok());
    let state = lines.nth(6).map(str::trim);
    owner.is_some() && owner == pid && state == Some("ready")
}

/// The last lines, for an error.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

const SUPERUSER: &str = "postgres";
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const FAST_STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// PostgreSQL kills its processes if they do not stop within 5 seconds, so it needs longer than that.
const IMMEDIATE_STOP_TIMEOUT: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(10);
const PORT_ATTEMPTS: u32 = 5;
const TAIL_LINES: usize = 20;

#[cfg(test)]
mod tests;
