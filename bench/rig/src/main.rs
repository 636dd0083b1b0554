//! Both ends of a pooler under test: a PostgreSQL that answers at once, and load clients.
//!
//! `bench/run.py` starts this binary; it is no part of the product. Every sub-command is one
//! thread with one epoll, so that on few cores it takes as little as possible from the pooler.

mod client;
mod connect;
mod connection;
mod fake_server;
mod fleet;
mod latencies;
mod load;
mod login;
mod message;
mod session;
mod slab;
mod statement;
mod summary;
mod workload;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::fleet::Fleet;
use crate::login::Account;
use crate::workload::{Mode, Own, Query, Workload};

/// A fake PostgreSQL and load clients, to measure poolers with.
#[derive(Parser)]
#[command(name = "pgweir-bench-rig", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve as a PostgreSQL that lets everyone in and answers at once
    FakeServer {
        /// Address to listen on
        #[arg(long, value_parser = address)]
        listen: SocketAddr,
    },
    /// Run transactions in a closed loop and report how fast they went
    Load {
        #[command(flatten)]
        target: Target,
        /// How queries are sent
        #[arg(long, value_enum, default_value = "simple")]
        mode: Mode,
        /// Clients
        #[arg(long, default_value_t = 50)]
        clients: usize,
        /// What each client has of its own: the text of its prepared statement, or a setting
        #[arg(long, value_enum, default_value = "nothing")]
        own: Own,
        /// Transactions that a client sends in one write
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
        pipeline: u32,
        /// Transactions per second over all clients, in place of as many as go
        #[arg(long)]
        rate: Option<f64>,
        /// Query to send
        #[arg(long, default_value = "SELECT 1", conflicts_with = "scale")]
        sql: String,
        /// Read a random account of pgbench's tables of this scale, as pgbench -S does
        #[arg(long)]
        scale: Option<u32>,
        #[command(flatten)]
        window: Window,
    },
    /// Log in clients, print "ready", and hold them until standard input ends
    Idle {
        #[command(flatten)]
        target: Target,
        /// Clients
        #[arg(long)]
        clients: usize,
    },
    /// Connect, run SELECT 1 and disconnect, over and over
    Connect {
        #[command(flatten)]
        target: Target,
        /// Connections at a time
        #[arg(long, default_value_t = 10)]
        concurrency: usize,
        #[command(flatten)]
        window: Window,
    },
}

#[derive(Args)]
struct Target {
    /// Address of the pooler or server
    #[arg(long, value_parser = address)]
    addr: SocketAddr,
    /// User
    #[arg(long, default_value = "bench")]
    user: String,
    /// Password
    #[arg(long, default_value = "bench")]
    password: String,
    /// Database
    #[arg(long, default_value = "bench")]
    database: String,
}

impl Target {
    fn fleet(self) -> io::Result<Fleet> {
        Fleet::new(
            self.addr,
            Account::new(self.user, self.password, self.database),
        )
    }
}

#[derive(Args)]
struct Window {
    /// Seconds to measure
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Seconds to run before that
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Seconds between progress lines
    #[arg(long, default_value = "1", value_parser = seconds)]
    progress: Duration,
    /// Print the result as JSON, on one line
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgweir-bench-rig: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<()> {
    raise_open_files_limit()?;
    match command {
        Command::FakeServer { listen } => fake_server::run(listen),
        Command::Load {
            target,
            mode,
            clients,
            own,
            pipeline,
            rate,
            sql,
            scale,
            window,
        } => {
            let query = match scale {
                Some(scale) => Query::Account(1..=scale.saturating_mul(ACCOUNTS_PER_SCALE)),
                None => Query::Text(sql),
            };
            let plan = load::Plan {
                clients,
                warm_up: window.warm_up,
                duration: window.seconds,
                rate,
                progress: window.progress,
            };
            let workload = Workload::new(mode, query, own, pipeline);
            load::run(target.fleet()?, workload, &plan)?.print(window.json)
        }
        Command::Idle { target, clients } => idle(target, clients),
        Command::Connect {
            target,
            concurrency,
            window,
        } => {
            let plan = connect::Plan {
                concurrency,
                warm_up: window.warm_up,
                duration: window.seconds,
                progress: window.progress,
            };
            connect::run(target.fleet()?, &plan)?.print(window.json)
        }
    }
}

/// Rows that `pgbench -i` makes per unit of scale.
const ACCOUNTS_PER_SCALE: u32 = 100_000;

fn idle(target: Target, clients: usize) -> io::Result<()> {
    let mut fleet = target.fleet()?;
    let logged_in = fleet.log_in(clients)?;
    if logged_in.len() < clients {
        let message = format!(
            "{} of {clients} logged in: {:?}",
            logged_in.len(),
            fleet.errors()
        );
        return Err(io::Error::other(message));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Every client is a file descriptor.
fn raise_open_files_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "no such address".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
