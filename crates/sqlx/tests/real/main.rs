//! The pool on a real PostgreSQL, directly and through a running pgweir.
//!
//! Tests measure times: bounds are generous for what must end, and strict for what must not end early.

#![allow(
    clippy::unwrap_used,
    reason = "everything here is a test, and a failure is its message"
)]

mod acquire;
mod cancel;
mod close;
mod connect;
mod observe;
mod queries;
#[cfg(feature = "axum")]
mod routes;
mod through;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pgweir_e2e::{Pooler as Process, Role, Target, shared};
use pgweir_sqlx::sqlx::postgres::{PgConnectOptions, PgSslMode};
use pgweir_sqlx::{Pool, PoolSettings, Pooler, Snapshot};

/// A role of one test, and pgweir in front of PostgreSQL.
struct Setup {
    role: Role,
    process: Process,
}

impl Setup {
    /// pgweir may open two servers.
    fn new() -> Self {
        let role = shared().role();
        let config = role.config().set("default_pool_size", 2);
        let process = Process::start(&config);
        Self { role, process }
    }

    /// Directly, and through pgweir.
    fn both(&self) -> [PoolSettings; 2] {
        [
            settings(&self.role.direct()),
            settings(&self.role.through(&self.process)).pooler(Pooler::Pgweir),
        ]
    }
}

fn settings(target: &Target) -> PoolSettings {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(&target.password)
        .database(&target.database)
        .ssl_mode(PgSslMode::Disable);
    PoolSettings::new(options)
        .service("real")
        .acquire_timeout(Duration::from_secs(20))
        .connect_timeout(Duration::from_secs(20))
}

/// Runs on one thread, where [`Log`] sees everything.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), future)
            .await
            .expect("in a minute")
    })
}

async fn connect(settings: PoolSettings) -> Pool {
    Pool::connect(settings).await.unwrap()
}

/// Waits until the pool's numbers are as expected.
#[track_caller]
fn eventually(
    pool: &Pool,
    what: &str,
    condition: impl Fn(&Snapshot) -> bool,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..2000 {
            if condition(&pool.snapshot()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{caller}: waited in vain: {what}: {:?}", pool.snapshot());
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What this thread logs while it lives.
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn new() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The only line that contains this.
    #[track_caller]
    fn line(&self, with: &str) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(with)).collect();
        assert_eq!(lines.len(), 1, "lines with {with:?} in:\n{text}");
        lines[0].to_owned()
    }
}
