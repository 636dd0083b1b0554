//! The control plane: starting, sweeping, signals, reloading, stopping.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};
use pgweir_http::Serving;
use pgweir_pool::budget::Permit;
use pgweir_pool::driver::Message;
use pgweir_pool::id::{ServerId, WorkerId};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::cancel;
use crate::clock::Clock;
use crate::connect::{self, ConnectError};
use crate::files;
use crate::link::Server;
use crate::listen::{self, Listener};
use crate::login::Door;
use crate::mailbox::{Letter, WorkerHandle};
use crate::pause;
use crate::platform::PoolRef;
use crate::pool_handle::{Greeting, PoolHandle, Welcome};
use crate::probe;
use crate::recovery;
use crate::registry::{Errand, Registry, random_u32};
use crate::reload::{Reloading, SetLogLevel, tell_warnings};
use crate::shown::{self, Shown};
use crate::tls;
use crate::worker::{SWEEP, WAKE, Worker};
use pgweir_config::{
    self as config, Config, Http, PasswordSource, Resolved, Secret, ServerPassword, Source, Tcp,
    Workers,
};

/// Workers at most: a client's name has a byte for its worker.
const WORKERS_MAX: usize = 255;

/// What a server's life may be shorter, so that servers opened together do not end together.
const JITTER_PERMILLE_MAX: u32 = 100;

/// Cancel requests at once when the process ends, and time for all of them.
const LAST_CANCELS_MAX: usize = 64;
const LAST_CANCELS_TIME: Duration = Duration::from_secs(1);

/// Time to report a panic.
const REPORT_MAX: Duration = Duration::from_secs(3);

/// Pauses before a PostgreSQL that says it is full is asked again, if it may still count a server that was
/// closed: in place of which, as a rule, this one is opened.
const LINGER_PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(150),
    Duration::from_millis(500),
];

/// Pause between looks for pools that nobody uses.
const UNUSED_PERIOD: Duration = Duration::from_secs(1);

type WorkerThread = JoinHandle<io::Result<()>>;

/// Why the pooler could not start, or had to stop.
#[derive(Debug)]
pub enum RunError {
    /// An address cannot be listened on.
    Listen {
        /// The address or path.
        address: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The system refuses a thread, an epoll set or a signal handler.
    System(io::Error),
    /// A worker failed.
    Worker(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(
                f,
                "cannot listen on {address}: {error}; stop what uses it, or change listen_addr, \
                 listen_port, unix_socket_dir or http_listen"
            ),
            Self::System(error) => write!(f, "the system refuses what the pooler needs: {error}"),
            Self::Worker(error) => write!(f, "a worker failed: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Serves until a signal ends it: SIGTERM and SIGINT let transactions finish, a second one does
/// not; SIGHUP reads `source` again; SIGUSR1 pauses and SIGUSR2 resumes.
///
/// # Errors
/// The pooler cannot start, or a worker fails.
pub fn run(source: Source, resolved: Resolved, set_log_level: SetLogLevel) -> Result<(), RunError> {
    set_log_level(resolved.config.log.level);
    end_with_any_thread();
    files::raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tell_warnings(&resolved);
    let reloading = Reloading::new(source, &resolved, set_log_level);
    let config = resolved.config;
    for line in config::startup_lines(&config) {
        info!("{line}");
    }
    tls::tell(&config);
    let _guard = runtime.enter();
    let listeners = listen::bind(&config.listen)
        .map_err(|(address, error)| RunError::Listen { address, error })?;
    let http = bind_http(&config.http)?;
    let (registry, threads) = start_workers(config)?;
    registry.shares().warn_if_short(&registry.config());
    let _http = http.map(|bound| start_http(bound, &registry)).transpose()?;
    let control = Control {
        registry: registry.clone(),
        reloading,
    };
    let served = runtime.block_on(control.serve(listeners));
    for worker in &registry.workers {
        worker.post(Letter::Stop);
    }
    for thread in threads {
        match thread.join() {
            Ok(outcome) => outcome?,
            Err(_) => return Err(RunError::Worker("it panicked".to_owned())),
        }
    }
    registry.part();
    served
}

/// Starts to serve HTTP, with what only HTTP shows, or has to be ready for it, on the same thread.
fn start_http(bound: pgweir_http::Bound, registry: &Arc<Registry>) -> io::Result<Serving> {
    let pooler = Arc::new(Shown::new(registry.clone()));
    let options = shown::options(&registry.config().http, registry.shares().http);
    let registry = registry.clone();
    let beside = async move {
        tokio::join!(probe::run(registry.clone()), recovery::run(registry));
    };
    pgweir_http::start(bound, pooler, options, beside)
}

fn bind_http(http: &Http) -> Result<Option<pgweir_http::Bound>, RunError> {
    let Some(address) = http.listen else {
        return Ok(None);
    };
    match pgweir_http::bind(address) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if http.listen_is_default => {
            warn!(%error, "HTTP is not served: {address} cannot be had; set http_listen");
            Ok(None)
        }
        Err(error) => Err(RunError::Listen {
            address: address.to_string(),
            error,
        }),
    }
}

fn start_workers(config: Config) -> Result<(Arc<Registry>, Vec<WorkerThread>), RunError> {
    let count = match config.workers {
        Workers::Auto => std::thread::available_parallelism()?.get(),
        Workers::Count(count) => count.get() as usize,
    }
    .min(WORKERS_MAX);
    let (mut polls, mut handles) = (Vec::new(), Vec::new());
    for index in 0..count {
        let id = WorkerId(u16::try_from(index).expect("at most 255"));
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        handles.push(WorkerHandle::new(id, poll.registry().try_clone()?, waker));
        polls.push((id, poll));
    }
    let registry = Arc::new(Registry::new(Clock::start(), Arc::new(config), handles));
    let mut threads = Vec::new();
    for (id, poll) in polls {
        let worker = Worker::new(id, poll, registry.clone());
        let name = format!("worker-{}", id.0);
        threads.push(
            std::thread::Builder::new()
                .name(name)
                .spawn(move || worker.run())?,
        );
    }
    Ok((registry, threads))
}

/// A panic is a broken invariant, and whoever goes on serving after one may serve the wrong client.
/// A release build aborts by itself.
fn end_with_any_thread() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Should nobody read standard error, the report would keep a broken process for ever. Without
        // this thread it may do so.
        let _ = std::thread::Builder::new().spawn(|| {
            std::thread::sleep(REPORT_MAX);
            std::process::abort();
        });
        report(info);
        std::process::abort();
    }));
}

struct Control {
    registry: Arc<Registry>,
    reloading: Reloading,
}

impl Control {
    /// Serves until the last client has left after a signal, or the time for that is over.
    async fn serve(mut self, listeners: Vec<Listener>) -> Result<(), RunError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut pause = signal(SignalKind::user_defined1())?;
        let mut resume = signal(SignalKind::user_defined2())?;
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stats_period = self.registry.config().log.stats_period;
        let mut stats = crate::stats::Stats::new(self.registry.clone());
        let mut stats_due = stats_period.map(|period| Instant::now() + period);
        let mut unused = interval(UNUSED_PERIOD);
        unused.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut doors = JoinSet::new();
        let door = Arc::new(Door::new(self.registry.clone()));
        for listener in listeners {
            match &listener {
                Listener::Tcp(_, address) => info!("listening on {address}"),
                Listener::Unix(_, path) => info!("listening on {}", path.display()),
            }
            doors.spawn(listen::accept(listener, door.clone()));
        }
        self.warm_known_pools();
        let mut stop_at: Option<Instant> = None;
        let registry = self.registry.clone();
        loop {
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                _ = sweep.tick() => self.sweep(),
                _ = unused.tick() => {
                    self.registry.forget_unused(self.registry.clock.now());
                    self.registry.lookups.close_unused();
                    self.reloading.look(&registry);
                }
                errands = registry.errands.take() => {
                    for errand in errands {
                        if matches!(errand, Errand::Empty) && stop_at.is_some() {
                            return Ok(());
                        }
                        self.begin(errand);
                    }
                }
                _ = hangup.recv() => self.reloading.reload(&registry),
                _ = pause.recv() => pause::pause(&self.registry),
                _ = resume.recv() => pause::resume(&self.registry),
                () = sleep_until(stats_due.unwrap_or(far)), if stats_due.is_some() => {
                    stats.log();
                    stats_due = stats_period.map(|period| Instant::now() + period);
                }
                () = sleep_until(stop_at.unwrap_or(far)), if stop_at.is_some() => {
                    let clients = self.registry.clients_count();
                    warn!(clients, "shutdown_timeout is over; closing clients in transactions");
                    self.cancel_all().await;
                    return Ok(());
                }
                _ = either(&mut terminate, &mut interrupt) => {
                    if stop_at.is_some() {
                        warn!("second signal; stopping at once");
                        self.cancel_all().await;
                        return Ok(());
                    }
                    let clients = self.registry.clients_count();
                    info!(clients, "shutting down; transactions may finish");
                    doors.shutdown().await;
                    self.registry.draining.store(true, Ordering::Release);
                    for worker in &self.registry.workers {
                        worker.send(Message::Drain);
                    }
                    if self.registry.clients_count() == 0 {
                        return Ok(());
                    }
                    stop_at = Some(Instant::now() + self.registry.config().shutdown_timeout);
                }
            }
        }
    }

    /// Has PostgreSQL cancel what runs, as far as it takes the requests in time: it would go on with a
    /// statement whose client is gone, and keep its locks.
    async fn cancel_all(&self) {
        let mut targets = self.registry.busy().into_iter();
        let most = self.registry.config().cancel_wait_timeout;
        let mut requests = JoinSet::new();
        let all = async {
            for target in targets.by_ref() {
                if requests.len() >= LAST_CANCELS_MAX {
                    requests.join_next().await;
                }
                requests.spawn(async move { cancel::deliver(&target, most).await });
            }
            while requests.join_next().await.is_some() {}
        };
        if timeout(LAST_CANCELS_TIME, all).await.is_err() {
            warn!("not all statements that still run could be cancelled");
        }
    }

    /// Sees to what is due, in all pools.
    fn sweep(&self) {
        let registry = &*self.registry;
        let pools = registry.pools().into_iter().map(PoolRef);
        registry.run_errand(|outbox, now| outbox.sweep(registry, now, pools));
    }

    fn begin(&self, errand: Errand) {
        let registry = self.registry.clone();
        match errand {
            Errand::Open(pool, id, permit) => {
                tokio::spawn(open(registry, pool, id, permit));
            }
            Errand::Cancel(target, id, home, pending) => {
                tokio::spawn(async move {
                    let most = registry.config().cancel_wait_timeout;
                    let delivery = cancel::deliver(&target, most).await;
                    let worker = &registry.workers[home.worker.index()];
                    worker.send(Message::CancelDone(id, home.slot, delivery));
                    drop(pending);
                });
            }
            Errand::Empty => {}
        }
    }

    /// Connects at once where it is known who will come, so that a mistake shows at the start.
    fn warm_known_pools(&self) {
        let config = self.registry.config();
        let Some((name, _)) = config
            .users
            .iter()
            .next()
            .filter(|_| config.users.len() == 1)
        else {
            return;
        };
        for (database_name, database) in &config.databases {
            let user = database.forced_user.as_deref().unwrap_or(name);
            let own = config.users.get(user).and_then(|user| user.secret.as_ref());
            let comes_with_client = match config.server_password(database, user) {
                ServerPassword::Known(secret) => matches!(secret, Secret::Scram(_)),
                ServerPassword::Fetched(PasswordSource::Passfile(_)) => own.is_some(),
                ServerPassword::Fetched(PasswordSource::File(_) | PasswordSource::Command(_))
                | ServerPassword::None => false,
            };
            if comes_with_client {
                // The key comes with the first client; a failure before it would only refuse that
                // client for server_login_retry.
                continue;
            }
            match self.registry.pool(database.clone(), database_name, name) {
                Ok(pool) => {
                    self.registry.tell(&pool, |stock, now| stock.core.warm(now));
                }
                Err(error) => warn!("{}", error.message),
            }
        }
    }
}

async fn either(a: &mut tokio::signal::unix::Signal, b: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}

/// Opens a server. While PostgreSQL is full and may still count one that is closed, again after a pause.
async fn open_once_closed(
    registry: &Registry,
    pool: &PoolHandle,
    id: ServerId,
    mut permit: Permit,
    (tcp, password): (&Tcp, &ServerPassword),
) -> Result<(Box<Server>, Arc<Welcome>), (Permit, ConnectError)> {
    let password = (password, &registry.vault);
    let way = (tcp, &*registry.connectors);
    for pause in LINGER_PAUSES {
        match Box::pin(connect::open(pool, id, permit, password, way)).await {
            Err((back, failure)) if failure.is_full() && registry.backends.may_linger() => {
                permit = back;
            }
            outcome => return outcome,
        }
        tokio::time::sleep(pause).await;
    }
    Box::pin(connect::open(pool, id, permit, password, way)).await
}

/// Opens a server and tells its pool what came of it.
async fn open(registry: Arc<Registry>, pool: Arc<PoolHandle>, id: ServerId, permit: Permit) {
    let config = registry.config();
    let settings = pool.settings();
    let user = settings
        .database
        .forced_user
        .as_deref()
        .unwrap_or(&pool.user);
    let mut password = config.server_password(&settings.database, user);
    let is_listed = config
        .users
        .get(user)
        .is_some_and(|user| user.secret.is_some());
    let is_found = !is_listed && settings.database.forced_user.is_none();
    // As of a user that is listed, what is of use comes before a password file.
    let has_own = !matches!(
        password,
        ServerPassword::None | ServerPassword::Fetched(PasswordSource::Passfile(_))
    );
    if is_found && !has_own {
        let keys = pool.keys.lock().expect("no panic under the lock");
        if let Some(found @ (Secret::Plain(_) | Secret::Md5(_))) = &keys.found {
            password = ServerPassword::Known(found.clone());
        }
    }
    let outcome = open_once_closed(&registry, &pool, id, permit, (&config.tcp, &password)).await;
    match outcome {
        Ok((server, welcome)) => {
            *pool.login_error.lock().expect("no panic under the lock") = None;
            let is_first = !matches!(*pool.greeting.borrow(), Greeting::Known(_));
            pool.greeting.send_replace(Greeting::Known(welcome));
            if is_first && pool.replication.is_none() {
                info!(
                    database = &*pool.database,
                    user = &*pool.user,
                    "Database connected"
                );
            }
            registry.backends.add(id, server.stream.cancel.clone());
            let home = (registry.home_for(id), random_u32() % JITTER_PERMILLE_MAX);
            registry.run_errand(|outbox, now| {
                outbox.opened(&*registry, &PoolRef(pool.clone()), now, server, home);
            });
        }
        Err((permit, failure)) => {
            error!(
                database = &*pool.database,
                user = &*pool.user,
                "server login failed: {failure}"
            );
            if is_found && failure.is_about_the_user() {
                // It has another password now, or is gone: the next client has PostgreSQL asked again.
                registry.lookups.forget(user);
                let mut keys = pool.keys.lock().expect("no panic under the lock");
                (keys.passed, keys.found) = (None, None);
            }
            let error = match pool.replication {
                Some(_) => failure.to_its_client(),
                None => failure.client_error(),
            };
            *pool.login_error.lock().expect("no panic under the lock") = Some(error.clone());
            let is_full = failure.is_full();
            registry.run_errand(|outbox, now| {
                let pool = PoolRef(pool.clone());
                outbox.failed(&*registry, &pool, now, id, (permit, is_full));
            });
            // Logins hear of it even if the greeting stays: they may wait for a newer one.
            pool.greeting.send_modify(|greeting| {
                if !matches!(greeting, Greeting::Known(_)) {
                    *greeting = Greeting::Failed(error);
                }
            });
        }
    }
}
