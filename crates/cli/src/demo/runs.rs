//! The three runs, one after another, and what is observed during each.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{interval, sleep};

use super::Options;
use super::pooler::DemoPooler;
use super::progress::Progress;
use super::report::{PoolerUse, Report, Run, thousands};
use super::server::{CONNECTIONS_MAX, DemoServer};
use crate::load::client::{Client, ClientError, Target};
use crate::load::{Fleet, mix};

/// Makes the three runs. pgweir starts for the last one, so it cannot disturb the others.
pub(crate) async fn all(
    options: &Options,
    progress: &Progress,
    server: &DemoServer,
) -> anyhow::Result<(Report, DemoPooler)> {
    let stage = Stage {
        duration: Duration::from_secs(options.seconds.into()),
        progress,
    };
    let many = options.clients;
    let few = many.min(STRAIGHT_CLIENTS_MAX);
    let straight = Rc::new(server.target(server.port()));
    let mut runs = Vec::new();
    for clients in [many, few] {
        let observer = Observer::start(server).await?;
        runs.push(stage.run(&straight, clients, observer, None).await);
    }
    let observer = Observer::start(server).await?;
    progress.step("starting pgweir");
    let pooler = DemoPooler::start(server, options.clients, options.servers).await?;
    let pooled = Rc::new(server.target(pooler.port()));
    runs.push(stage.run(&pooled, many, observer, Some(&pooler)).await);

    let mut owner = Client::connect(&straight).await?;
    let balanced = owner.value(mix::BALANCED).await?;
    owner.close().await;
    let report = Report {
        postgres_version: server.version.clone(),
        postgres_connections_max: CONNECTIONS_MAX,
        pool_size: options.servers,
        seconds: options.seconds,
        runs,
        balanced: balanced.as_deref() == Some("t"),
    };
    Ok((report, pooler))
}

/// What the runs share.
struct Stage<'a> {
    duration: Duration,
    progress: &'a Progress,
}

impl Stage<'_> {
    async fn run(
        &self,
        target: &Rc<Target>,
        clients_count: u32,
        observer: Observer,
        pooler: Option<&DemoPooler>,
    ) -> Run {
        let way = if pooler.is_some() {
            "through pgweir"
        } else {
            "straight"
        };
        let name = format!("{} clients {way}", thousands(clients_count.into()));

        self.progress
            .start(&format!("{name}: logging in"), clients_count.into());
        let fleet = Fleet::connect(target, clients_count as usize, |through| {
            self.progress
                .at(through as u64, &format!("{name}: logging in"));
        })
        .await;
        let clients_served = fleet.clients_count();
        let refused = fleet.refused.clone();

        self.progress.start(&name, millis(self.duration));
        let before = pooler.and_then(DemoPooler::usage);
        let outcome = fleet
            .drive(self.duration, |passed, done| {
                let rate = done as f64 / passed.as_secs_f64().max(0.001);
                let rate = thousands(rate as u64);
                self.progress
                    .at(millis(passed), &format!("{name}: {rate} per second"));
            })
            .await;
        let after = pooler.and_then(DemoPooler::usage);
        let server_connections_max = observer.stop().await;
        let pooler_use = before.zip(after).map(|(before, after)| PoolerUse {
            cpu_us_per_transaction: (after.cpu.saturating_sub(before.cpu)).as_secs_f64() * 1e6
                / outcome.attempts.max(1) as f64,
            memory_kib: after.memory_kib,
        });
        Run {
            way,
            clients: clients_count,
            clients_served,
            refused,
            transactions: outcome.transactions,
            transactions_per_second: outcome.transactions_per_second(),
            latency_p50_ms: outcome.latency_ms(50.0),
            latency_p95_ms: outcome.latency_ms(95.0),
            latency_p99_ms: outcome.latency_ms(99.0),
            errors: outcome.errors,
            mixed_answers: outcome.mixed,
            server_connections_max,
            pgweir: pooler_use,
        }
    }
}

/// Counts the connections that the load's user has at PostgreSQL, several times per second.
struct Observer {
    max: Rc<Cell<u32>>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Starts counting when the connections of the previous run are gone: a connection ends a moment
    /// after its client, and takes a place until then.
    async fn start(server: &DemoServer) -> anyhow::Result<Self> {
        let what = "cannot watch pg_stat_activity";
        let mut client = Client::connect(&server.superuser_target())
            .await
            .context(what)?;
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE usename = '{}' AND backend_type = 'client backend'",
            server.user
        );
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        while connections(&mut client, &sql).await.context(what)? > 0 && Instant::now() < deadline {
            sleep(SETTLE_POLL).await;
        }
        let max = Rc::new(Cell::new(0));
        let seen = Rc::clone(&max);
        let task = spawn_local(async move {
            let mut ticks = interval(OBSERVE_PERIOD);
            loop {
                ticks.tick().await;
                // Its connection ends with the server, and so does the run.
                let Ok(count) = connections(&mut client, &sql).await else {
                    return;
                };
                seen.set(seen.get().max(count));
            }
        });
        Ok(Self { max, task })
    }

    async fn stop(self) -> u32 {
        self.task.abort();
        // An aborted task always ends with an error.
        let _ = self.task.await;
        self.max.get()
    }
}

async fn connections(client: &mut Client, sql: &str) -> Result<u32, ClientError> {
    let count = client.value(sql).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Clients that fit into PostgreSQL's 100 connections, with a few left for others.
const STRAIGHT_CLIENTS_MAX: u32 = 90;
const OBSERVE_PERIOD: Duration = Duration::from_millis(200);
const SETTLE_POLL: Duration = Duration::from_millis(20);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
