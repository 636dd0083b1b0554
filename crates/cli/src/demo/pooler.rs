//! The demo's pgweir: this program again, as `pgweir serve`, in a process of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use pgweir_cluster::{EndSignal, Watchdog, random_hex};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::server::DemoServer;
use super::usage::Usage;
use crate::load::client::{Client, ClientError};

/// A running pgweir. Dropping it stops it and removes its folder.
pub(crate) struct DemoPooler {
    child: Child,
    port: u16,
    http_port: u16,
    folder: PathBuf,
    watchdog: Watchdog,
}

impl DemoPooler {
    /// Starts pgweir in front of `server` and returns when a client can log in.
    pub(crate) async fn start(
        server: &DemoServer,
        clients: u32,
        servers: u32,
    ) -> anyhow::Result<Self> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            // Both are bound at once, or they might be the same.
            let bind = || TcpListener::bind(("127.0.0.1", 0));
            let (first, second) = (bind()?, bind()?);
            let ports = (first.local_addr()?.port(), second.local_addr()?.port());
            drop((first, second));
            let config = config(server, ports, clients, servers);
            let mut pooler = Self::spawn(&config, ports).context("cannot start pgweir")?;
            match pooler.ready(server).await {
                // Between our look and pgweir's bind, someone else took the port.
                Err(_) if attempts < PORT_ATTEMPTS && pooler.log().contains("in use") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(pooler),
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its page is.
    pub(crate) fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.http_port)
    }

    /// Has it look at PostgreSQL, too, as it does where nobody counts connections.
    ///
    /// # Errors
    /// Its configuration cannot be written, or it is gone.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let file = config_path(&self.folder);
        let text = fs::read_to_string(&file)?;
        fs::write(&file, text.replace(UNPROBED, PROBED))?;
        Ok(kill_process(Pid::from_child(&self.child), Signal::HUP)?)
    }

    /// What it has used so far; `None` if the system does not report it.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }

    /// Waits until it ends by itself, which it should not; returns the error to report.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        loop {
            match self.child.try_wait() {
                Ok(None) => sleep(ENDED_POLL).await,
                Ok(Some(status)) => return self.epitaph(status),
                Err(error) => return error.into(),
            }
        }
    }

    fn spawn(config: &str, (port, http_port): (u16, u16)) -> io::Result<Self> {
        let folder = base_folder().join(format!("pgweir-demo-{}", random_hex(6)?));
        let watchdog = Watchdog::start(&folder)?;
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = config_path(&folder);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?
            .write_all(config.as_bytes())?;
        let log = File::create(log_path(&folder))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(&file)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C on the terminal is the demo's to handle.
            .process_group(0)
            .spawn()?;
        let mut pooler = Self {
            child,
            port,
            http_port,
            folder,
            watchdog,
        };
        let pid = pooler.child.id();
        pooler.watchdog.watch(pid, EndSignal::Terminate)?;
        Ok(pooler)
    }

    /// Logs in until that works.
    async fn ready(&mut self, server: &DemoServer) -> anyhow::Result<()> {
        let target = server.target(self.port);
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let error = match Client::connect(&target).await {
                Ok(client) => {
                    client.close().await;
                    return Ok(());
                }
                Err(error) => error,
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(self.epitaph(status));
            }
            // It does not listen yet. Any other error is final.
            let early = matches!(&error, ClientError::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused);
            if !early || Instant::now() > deadline {
                return Err(anyhow!(error)
                    .context(format!("cannot log in at pgweir; its log:\n{}", self.log())));
            }
            sleep(READY_POLL).await;
        }
    }

    fn epitaph(&self, status: ExitStatus) -> anyhow::Error {
        anyhow!("pgweir ended with {status}; its log:\n{}", self.log())
    }

    /// The last lines of its log.
    fn log(&self) -> String {
        let log = fs::read(log_path(&self.folder)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
            let deadline = Instant::now() + END_TIMEOUT;
            while self.child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    self.child.kill()?;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.watchdog.forget(self.child.id())
    }
}

impl Drop for DemoPooler {
    fn drop(&mut self) {
        // The watchdog, which is dropped next, cleans up what fails here.
        let _ = self.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The configuration, as someone would write it by hand.
fn config(
    server: &DemoServer,
    (port, http_port): (u16, u16),
    clients: u32,
    servers: u32,
) -> String {
    let DemoServer {
        database,
        user,
        password,
        ..
    } = server;
    let server_port = server.port();
    let clients_max = clients + CLIENTS_SPARE;
    format!(
        r#"[pgweir]
listen_addr = "127.0.0.1"
listen_port = {port}
http_listen = "127.0.0.1:{http_port}"
auth_type = "scram-sha-256"
pool_mode = "transaction"
default_pool_size = {servers}
max_client_conn = {clients_max}
leak_time = 10
{UNPROBED}

[databases.{database}]
host = "127.0.0.1"
port = {server_port}
dbname = "{database}"

[users.{user}]
password = "{password}"
"#
    )
}

/// As long as connections are counted.
const UNPROBED: &str = "probe_interval = 0  # it would add a connection to those shown";

/// As long as somebody looks.
const PROBED: &str = "probe_interval = 1";

fn config_path(folder: &Path) -> PathBuf {
    folder.join("pgweir.toml")
}

fn base_folder() -> PathBuf {
    std::env::temp_dir()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("pgweir.log")
}

/// Room for the user's own clients after `--keep`.
const CLIENTS_SPARE: u32 = 100;
const READY_TIMEOUT: Duration = Duration::from_secs(10);
const READY_POLL: Duration = Duration::from_millis(20);
const ENDED_POLL: Duration = Duration::from_secs(1);
const END_TIMEOUT: Duration = Duration::from_secs(3);
const PORT_ATTEMPTS: u32 = 3;
const LOG_LINES: usize = 20;
