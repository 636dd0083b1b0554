//! The control plane: starting, sweeping, signals, reloading, stopping.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};
use pgweir_console::ShutdownMode;
use pgweir_http::Serving;
use pgweir_pool::budget::Permit;
use pgweir_pool::driver::Message;
use pgweir_pool::halts::Stop;
use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pool::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::admin::Task;
use crate::cancel;
use crate::clock::Clock;
use crate::connect::{self, ConnectError};
use crate::files;
use crate::halt;
use crate::host::{Host, Notice};
use crate::link::Server;
use crate::listen::{self, Listener};
use crate::login::Door;
use crate::mailbox::{Letter, WorkerHandle};
use crate::orders::Orders;
use crate::platform::PoolRef;
use crate::pool_handle::{Greeting, PoolHandle, Welcome, pool_of};
use crate::probe;
use crate::recovery;
use crate::registry::{Errand, Registry, random_u32};
use crate::reload::{Reloading, tell_warnings};
use crate::shown::{self, Shown};
use crate::shutdown::{FAR, Signals, Stopping, Wait};
use crate::snapshot::{self, Extent};
use crate::takeover::{Cancels, Inherited, Place, Succession, Successor};
use crate::tls;
use crate::worker::{SWEEP, WAKE, Worker};
use pgweir_config::{
    self as config, Config, Http, PasswordSource, Resolved, Secret, ServerPassword, Source, Tcp,
    Unreachable, Workers,
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

/// Time of the console's averages where no statistics are logged.
const AVERAGES_PERIOD: Duration = Duration::from_secs(60);

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
    /// The process cannot become what it is to be.
    Settle(io::Error),
    /// The system refuses a thread, an epoll set or a signal handler.
    System(io::Error),
    /// A worker failed.
    Worker(String),
    /// The process that runs does not hand its sockets over.
    Takeover(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(
                f,
                "cannot listen on {address}: {error}; stop what uses it, or change listen_addr, \
                 listen_port, unix_socket_dir or http_listen"
            ),
            Self::Settle(error) => write!(f, "{error}"),
            Self::System(error) => write!(f, "the system refuses what the pooler needs: {error}"),
            Self::Worker(error) => write!(f, "a worker failed: {error}"),
            Self::Takeover(error) => write!(f, "cannot take over: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Serves until a signal ends it: what SIGTERM and SIGINT wait for is said by `host`, and a second one waits for
/// nothing; SIGHUP reads `source` again; SIGUSR1 pauses and SIGUSR2 resumes.
///
/// # Errors
/// The pooler cannot start, or a worker fails.
pub fn run(source: Source, resolved: Resolved, host: Host) -> Result<(), RunError> {
    let Host {
        set_log,
        signals,
        sockets,
        takes_over,
        settle,
        notify,
        watchdog,
    } = host;
    end_with_any_thread();
    files::raise_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _guard = runtime.enter();
    let mut inherited = match takes_over && sockets.is_empty() {
        true => Inherited::ask(&resolved.config.listen)
            .map_err(|failure| RunError::Takeover(failure.to_string()))?,
        false => Inherited::default(),
    };
    // Until this process serves, the paths are those of the process before.
    let is_handed_over = Arc::new(AtomicBool::new(inherited.is_any()));
    let listeners = match sockets.is_empty() {
        true => listen::bind(&resolved.config.listen, &mut inherited, &is_handed_over)
            .map_err(|(address, error)| RunError::Listen { address, error })?,
        false => listen::take(sockets)?,
    };
    let http = bind_http(&resolved.config.http, &mut inherited)?;
    settle().map_err(RunError::Settle)?;
    tell_warnings(&resolved);
    let reloading = Reloading::new(source, &resolved, set_log);
    let config = resolved.config;
    for line in config::startup_lines(&config) {
        info!("{line}");
    }
    tls::tell(&config);
    let (registry, threads) = start_workers(config)?;
    files::tell_limit(&registry.config());
    registry.shares().warn_if_short(&registry.config());
    registry
        .peers
        .come_after(std::mem::take(&mut inherited.cancels));
    let succession = Succession::prepare(
        &registry.config().listen,
        (listeners.iter().map(Listener::handle), http.as_ref()),
        &mut inherited,
        &is_handed_over,
    );
    let http = http.map(|bound| start_http(bound, &registry)).transpose()?;
    let control = Control {
        http,
        handed_over: watch::Sender::new(false),
        cancels: None,
        is_handed_over,
        door: Arc::new(Door::new(registry.clone(), Orders::new(registry.clone()))),
        registry: registry.clone(),
        reloading,
        signals,
        notify,
        watchdog,
        doors: JoinSet::new(),
        side_doors: JoinSet::new(),
        stopping: None,
    };
    let served = runtime.block_on(async {
        let served = control.serve(listeners, inherited, succession).await;
        registry.consoles.part().await;
        served
    });
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

fn bind_http(
    http: &Http,
    inherited: &mut Inherited,
) -> Result<Option<pgweir_http::Bound>, RunError> {
    let Some(address) = http.listen else {
        return Ok(None);
    };
    let bound = match inherited.take(&Place::Http(address)) {
        Some(socket) => pgweir_http::Bound::adopt(socket.into()),
        None => pgweir_http::bind(address),
    };
    match bound {
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
    signals: Signals,
    http: Option<Serving>,
    /// Another process accepts clients in the place of this one.
    handed_over: watch::Sender<bool>,
    /// The paths of unix sockets are another process's.
    is_handed_over: Arc<AtomicBool>,
    /// Where that one sends cancel requests.
    cancels: Option<Cancels>,
    door: Arc<Door>,
    notify: Box<dyn Fn(Notice<'_>)>,
    watchdog: Option<Duration>,
    /// The tasks that accept clients.
    doors: JoinSet<()>,
    /// Unix sockets, over which administrators come in while the pooler waits for its clients to leave.
    side_doors: JoinSet<()>,
    stopping: Option<Stopping>,
}

impl Control {
    /// Serves until the last client has left after a signal, or the time for that is over.
    async fn serve(
        mut self,
        listeners: Vec<Listener>,
        inherited: Inherited,
        succession: Succession,
    ) -> Result<(), RunError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut pause = signal(SignalKind::user_defined1())?;
        let mut resume = signal(SignalKind::user_defined2())?;
        let mut quit = match self.signals {
            // As the system has it.
            Signals::Own => None,
            Signals::PgBouncer => Some(signal(SignalKind::quit())?),
        };
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stats_period = self.registry.config().log.stats_period;
        let mut stats = crate::stats::Stats::new(self.registry.clone());
        let mut stats_due = stats_period.map(|period| Instant::now() + period);
        let mut averages = interval(stats_period.unwrap_or(AVERAGES_PERIOD));
        averages.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unused = interval(UNUSED_PERIOD);
        unused.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for listener in listeners {
            match &listener {
                Listener::Tcp(_, address) => info!("listening on {address}"),
                Listener::Unix(_, Some(own)) => info!("listening on {}", own.path.display()),
                Listener::Unix(_, None) => {
                    info!("listening on a unix socket of the service manager")
                }
            }
            let handed_over = self.handed_over.subscribe();
            let doors = match &listener {
                Listener::Tcp(..) => &mut self.doors,
                Listener::Unix(..) => &mut self.side_doors,
            };
            doors.spawn(listen::accept(listener, self.door.clone(), handed_over));
        }
        self.is_handed_over.store(false, Ordering::Relaxed);
        inherited.serves();
        self.registry.make_ready();
        self.warm_known_pools();
        info!(
            "process up: pgweir {}, tls: rustls",
            env!("CARGO_PKG_VERSION")
        );
        (self.notify)(Notice::Ready);
        let mut alive = interval(self.watchdog.unwrap_or(FAR));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let registry = self.registry.clone();
        let mut successor = Some(Box::pin(succession.wait(&registry)));
        loop {
            if self.stopping.is_some() {
                // Whoever holds a handle of a socket listens.
                successor = None;
            }
            let far = Instant::now() + FAR;
            let ends = self.stopping.and_then(|stopping| stopping.ends);
            let ended = tokio::select! {
                _ = sweep.tick() => {
                    self.sweep();
                    self.is_over()
                }
                successor = come(&mut successor) => {
                    self.give_way(successor);
                    self.is_over()
                }
                _ = averages.tick() => {
                    let snapshot = snapshot::take(&self.registry, Extent::Whole);
                    self.registry.consoles.look(&snapshot);
                    false
                }
                _ = unused.tick() => {
                    self.registry.forget_unused(self.registry.clock.now());
                    self.registry.lookups.close_unused();
                    self.reloading.look(&registry);
                    false
                }
                errands = registry.errands.take() => self.run_errands(errands).await,
                _ = alive.tick() => {
                    (self.notify)(Notice::Alive);
                    false
                }
                _ = hangup.recv() => {
                    info!("got SIGHUP, re-reading config");
                    (self.notify)(Notice::Reloading);
                    // What became of it is in the log.
                    let _ = self.reloading.reload(&registry);
                    (self.notify)(Notice::Ready);
                    false
                }
                _ = pause.recv() => {
                    halt::pause_by_signal(&self.registry);
                    false
                }
                _ = resume.recv() => {
                    match self.stopping {
                        Some(_) => warn!("got SIGUSR2 while shutting down, ignoring"),
                        None => halt::resume_by_signal(&self.registry),
                    }
                    false
                }
                () = sleep_until(stats_due.unwrap_or(far)), if stats_due.is_some() => {
                    let line = stats.log();
                    (self.notify)(Notice::Status(&line));
                    stats_due = stats_period.map(|period| Instant::now() + period);
                    false
                }
                () = sleep_until(ends.unwrap_or(far)), if ends.is_some() => {
                    let clients = self.registry.clients_count();
                    if self.stopping.is_some_and(|stopping| stopping.is_succeeded()) {
                        warn!(clients, "shutdown_timeout is over; closing clients outside transactions");
                        self.stop(Some(Wait::Transactions)).await
                    } else {
                        warn!(clients, "shutdown_timeout is over; closing clients in transactions");
                        self.stop(None).await
                    }
                }
                _ = terminate.recv() => self.stop_by_signal("SIGTERM", Wait::Clients).await,
                _ = interrupt.recv() => self.stop_by_signal("SIGINT", Wait::Servers).await,
                () = quits(&mut quit) => {
                    info!("got SIGQUIT, fast exit");
                    self.stop(None).await
                }
            };
            if ended {
                return Ok(());
            }
        }
    }

    /// A signal ends the pooler: what for it waits where it has PgBouncer's meaning. A second one waits for nothing.
    async fn stop_by_signal(&mut self, signal: &str, wait: Wait) -> bool {
        // Who was succeeded has not been told to end.
        let is_stopping = self
            .stopping
            .is_some_and(|stopping| !stopping.is_succeeded());
        if is_stopping {
            warn!("got {signal} while shutting down, fast exit");
            return self.stop(None).await;
        }
        let wait = match self.signals {
            Signals::Own => Wait::Transactions,
            Signals::PgBouncer => wait,
        };
        info!("got {signal}, shutting down, {}", wait.words());
        self.stop(Some(wait)).await
    }

    /// Another process has the sockets and serves: this one keeps the clients that it has until they leave.
    fn give_way(&mut self, successor: Successor) {
        let Successor { cancels, waits } = successor;
        self.cancels = cancels;
        self.handed_over.send_replace(true);
        // Its address, and all who look at metrics, are the other's.
        drop(self.http.take());
        self.stopping = Some(Stopping::begin(&self.registry, Wait::Succeeded));
        drop(waits);
    }

    /// Begins to shut down, or ends at once; whether it is over.
    async fn stop(&mut self, wait: Option<Wait>) -> bool {
        (self.notify)(Notice::Stopping);
        self.doors.shutdown().await;
        if !wait.is_some_and(Wait::has_no_end) {
            self.side_doors.shutdown().await;
        }
        match wait {
            Some(wait) => {
                self.stopping = Some(Stopping::begin(&self.registry, wait));
                self.is_over()
            }
            None => {
                self.cancel_all().await;
                true
            }
        }
    }

    /// Whether a shutdown has waited long enough.
    fn is_over(&self) -> bool {
        let stopping = self.stopping.as_ref();
        stopping.is_some_and(|stopping| stopping.is_over(&self.registry, &self.door.slots))
    }

    /// Does what other threads, and administrators, have asked for; whether the pooler has ended.
    async fn run_errands(&mut self, errands: Vec<Errand>) -> bool {
        for errand in errands {
            let ended = match errand {
                Errand::Empty => self.is_over(),
                Errand::Task(task) => self.carry_out(task).await,
                Errand::Open(..) | Errand::Cancel(..) => {
                    self.begin(errand);
                    false
                }
            };
            if ended {
                return true;
            }
        }
        false
    }

    /// Does what an administrator ordered; whether the pooler has ended.
    async fn carry_out(&mut self, task: Task) -> bool {
        let registry = self.registry.clone();
        // Whoever ordered it may have gone; it is done all the same.
        match task {
            Task::Reload(answer) => {
                let _ = answer.send(self.reloading.reload(&registry));
            }
            Task::Set(name, value, answer) => {
                let _ = answer.send(self.reloading.set(&registry, &name, &value));
            }
            Task::Shutdown(mode, answer) => {
                let _ = answer.send(());
                if mode == ShutdownMode::Immediate {
                    info!("stopping at once");
                }
                return self.stop(Wait::of(mode)).await;
            }
        }
        false
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
        if self
            .stopping
            .is_some_and(|stopping| stopping.is_succeeded())
        {
            self.give_up_servers();
        }
        registry.swept.notify_waiters();
        if registry.halts().everything() == Some(Stop::Suspend)
            && registry.consoles.open().is_empty()
        {
            // Nobody could get in to have it go on.
            info!("no session of the console is left");
            halt::resume_by_signal(registry);
        }
    }

    /// Closes the servers of pools without clients, for another process may need them.
    fn give_up_servers(&self) {
        for pool in self.registry.pools() {
            let is_left = pool.with(|stock| stock.core.clients()) == 0;
            if is_left && pool.has_servers() {
                self.registry
                    .tell(&pool, |stock, now| stock.core.vacate(now));
            }
        }
    }

    fn begin(&self, errand: Errand) {
        let registry = self.registry.clone();
        match errand {
            Errand::Open(pool, id, permit) => {
                tokio::spawn(open(registry, pool, id, permit));
            }
            Errand::Cancel(target, id, home, pending) => {
                let pool = registry.pool_by_id(pool_of(id));
                tokio::spawn(async move {
                    let most = registry.config().cancel_wait_timeout;
                    pool.cancels.fetch_add(1, Ordering::Relaxed);
                    let delivery = cancel::deliver(&target, most).await;
                    pool.cancels.fetch_sub(1, Ordering::Relaxed);
                    let worker = &registry.workers[home.worker.index()];
                    worker.send(Message::CancelDone(id, home.slot, delivery));
                    drop(pending);
                });
            }
            Errand::Empty | Errand::Task(_) => {}
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
            let is_judged_by_others =
                config.has_judges() && own.is_none() && database.forced_user.is_none();
            let comes_with_client = match config.server_password(database, user) {
                ServerPassword::Known(secret) => matches!(secret, Secret::Scram(_)),
                ServerPassword::Fetched(PasswordSource::Passfile(_)) => {
                    own.is_some() || is_judged_by_others
                }
                ServerPassword::Fetched(PasswordSource::File(_) | PasswordSource::Command(_)) => {
                    false
                }
                ServerPassword::None => is_judged_by_others,
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

/// A successor, as long as one may come.
async fn come(successor: &mut Option<Pin<Box<impl Future<Output = Successor>>>>) -> Successor {
    match successor {
        Some(successor) => successor.await,
        None => std::future::pending().await,
    }
}

/// SIGQUIT, where it is listened to.
async fn quits(quit: &mut Option<Signal>) {
    match quit {
        Some(quit) => {
            quit.recv().await;
        }
        None => std::future::pending().await,
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
            Err((back, failure)) if failure.is_full() && registry.servers_may_linger() => {
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
    if pool.is_beyond_size() {
        warn!(
            database = &*pool.database,
            user = &*pool.user,
            server = %id,
            "taking connection from reserve_pool"
        );
    }
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
    let began = registry.clock.now();
    let outcome = open_once_closed(&registry, &pool, id, permit, (&config.tcp, &password)).await;
    match outcome {
        Ok((server, welcome)) => {
            if pool.logged_in(Ok(())) {
                registry.postgres_is_back(&settings.database.server, began);
            }
            if config.log.connections {
                let local = server.stream.socket.addresses().1;
                let from = local.map(|address| format!(" (from {address})"));
                info!(
                    database = &*pool.database,
                    user = &*pool.user,
                    server = %id,
                    address = server.stream.place(),
                    "new connection to server{}",
                    from.unwrap_or_default()
                );
            }
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
            if config.log.disconnections {
                info!(
                    database = &*pool.database,
                    user = &*pool.user,
                    server = %id,
                    address = %settings.database.server,
                    "closing because: {} (age={}s)",
                    failure.brief(),
                    registry.clock.now().since(began).as_secs()
                );
            }
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
            if !pool.is_paused() {
                pool.logged_in(Err((error.clone(), registry.clock.now())));
            }
            let is_full = failure.is_full();
            let prospect = match settings.config.server_unreachable {
                Unreachable::Wait if failure.may_pass() => Failure::Passing,
                Unreachable::Wait | Unreachable::Refuse => Failure::Final,
            };
            registry.run_errand(|outbox, now| {
                let pool = PoolRef(pool.clone());
                outbox.failed(&*registry, &pool, now, id, (permit, is_full, prospect));
            });
            if pool.is_paused() {
                // PostgreSQL may be stopped; whoever waits goes on waiting.
                return;
            }
            // Logins hear of it even if the greeting stays: they may wait for a newer one.
            pool.greeting.send_modify(|greeting| {
                if !matches!(greeting, Greeting::Known(_)) {
                    *greeting = match prospect {
                        Failure::Final => Greeting::Failed(error),
                        // They ask for the next attempt.
                        Failure::Passing => Greeting::Unknown,
                    };
                }
            });
        }
    }
}
