//! `pgweir demo`: shows on this machine in half a minute what a pooler is for.
//!
//! A throw-away PostgreSQL, pgweir in front of it, and the same transactions three ways. Values
//! that are dropped remove all that was made; a watchdog does if nothing is dropped.

mod limits;
mod pooler;
mod progress;
mod report;
mod runs;
mod scene;
mod server;
mod usage;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::task::LocalSet;

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use pooler::DemoPooler;
use progress::Progress;
use report::Report;
use scene::Scene;
use server::DemoServer;

/// Shows on this machine what pgweir does: the same load with it and without it.
///
/// Starts a throw-away PostgreSQL (and installs one where there is none) with 100 connections and
/// without fsync, so that the disk does not decide; starts pgweir in front of it, SCRAM on both
/// sides; runs the same mix of four reads and one read-write transaction, without pauses, by many
/// clients straight at PostgreSQL, by 90 straight, and by many through pgweir; prints a table and
/// removes all it made.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pgweir demo --clients 500 --servers 10 --seconds 5")]
pub(crate) struct Options {
    /// Clients of the first and the last run
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Connections from pgweir to PostgreSQL, which allows 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=90))]
    servers: u32,
    /// Length of each of the three runs
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Stay up afterwards with a light load, a leak and an N+1 each minute, and print how to
    /// connect and where the page is, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the demo.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    limits::raise(options.clients, options.servers)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the demo's runtime")?;
    let result = runtime.block_on(LocalSet::new().run_until(async {
        let mut interrupt = Interrupt::install().context("cannot handle signals")?;
        let progress = Progress::new();
        let measured = tokio::select! {
            measured = measure(options, &progress) => measured,
            exit = interrupt.wait() => {
                progress.finish();
                return Ok(exit);
            }
        };
        progress.finish();
        let (report, server, mut pooler) = measured?;
        output::print(&if options.json {
            report.json()?
        } else {
            report.text(output::stdout_has_colours())
        })?;
        if options.keep {
            keep(options, &server, &mut pooler, &mut interrupt).await?;
        } else if !options.json {
            output::print(NEXT)?;
        }
        Ok(if report.sound() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }));
    // A cluster may be starting on a blocking thread. Wait for it, so that it can be removed.
    runtime.shutdown_timeout(BLOCKING_TIMEOUT);
    result
}

async fn measure(
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<(Report, DemoServer, DemoPooler)> {
    let server = DemoServer::start(progress).await?;
    let (report, pooler) = runs::all(options, progress, &server).await?;
    Ok((report, server, pooler))
}

/// Stays up until a signal comes, which is the normal end.
async fn keep(
    options: &Options,
    server: &DemoServer,
    pooler: &mut DemoPooler,
    interrupt: &mut Interrupt,
) -> anyhow::Result<()> {
    let line = |port: u16| {
        let DemoServer { user, password, .. } = server;
        let database = &server.database;
        format!("  PGPASSWORD={password} psql -h 127.0.0.1 -p {port} -U {user} {database}\n")
    };
    let page = pooler.page();
    pooler
        .probe()
        .context("cannot have pgweir look at PostgreSQL")?;
    let text = format!(
        "\npgweir and PostgreSQL stay up until Ctrl-C, with a light load; each minute a client forgets its \
         transaction for {LEAK_SECONDS} s, and another asks for rows one by one.\n\
         The page, and the same in a terminal:\n  {page}\n  pgweir top --url {page}\n\
         Through pgweir, and straight:\n{}{}",
        line(pooler.port()),
        line(server.port())
    );
    if options.json {
        output::note(text.trim_end());
    } else {
        output::print(&text)?;
    }
    let scene = Scene::begin(server, pooler.port());
    let ended = tokio::select! {
        _ = interrupt.wait() => Ok(()),
        ended = pooler.ended() => Err(ended),
    };
    scene.end().await;
    ended
}

const LEAK_SECONDS: u64 = scene::LEAK.as_secs();

const NEXT: &str = "
Next:  pgweir demo --keep        stays up with a page to look at, for psql and your own application
       pgweir check FILE.toml    explains a configuration; pgweir serve FILE.toml runs it
";

/// An `initdb` and a start of PostgreSQL take two seconds. What takes longer, such as a download,
/// ends with this process, and the watchdog removes what it leaves.
const BLOCKING_TIMEOUT: Duration = Duration::from_secs(10);
