//! What a pool is made of: its limits, its timeouts, what it reports and what stands behind it.
//!
//! Settings come from the environment ([`PoolSettings::from_env`]), from a URL
//! ([`PoolSettings::from_url`]), from options of SQLx ([`PoolSettings::new`]), and from the methods
//! that change one each. The defaults are the recommended ones of a service with one small
//! database, not SQLx's: two connections are kept, and five seconds are enough to wait.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::metrics::MetricNames;
use crate::sqlx::ConnectOptions;
use crate::sqlx::postgres::PgConnectOptions;
use crate::version;

mod check;
mod problem;
mod read;
mod setting;
mod url;
mod value;

pub use problem::{Origin, Problem, SettingsError};

/// What a pool is made of.
///
/// ```
/// use std::time::Duration;
/// use pgweir_sqlx::{PoolSettings, Pooler};
///
/// let settings = PoolSettings::from_url("postgres://app:hush@db/iss?connection_limit=20&pool_timeout=3")?
///     .service("rust-iss")
///     .statement_timeout(Duration::from_secs(30))
///     .pooler(Pooler::Pgweir);
/// assert_eq!(
///     settings.line(),
///     "Connection Pool: Limit: 20, Pool Timeout: 3s, Connect Timeout: 5s",
/// );
/// # Ok::<(), pgweir_sqlx::SettingsError>(())
/// ```
#[derive(Clone)]
pub struct PoolSettings {
    pub(crate) connect: PgConnectOptions,
    pub(crate) max_connections: u32,
    pub(crate) min_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) lifetime_jitter: f64,
    pub(crate) test_before_acquire: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) socket_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) idle_in_transaction_timeout: Option<Duration>,
    pub(crate) leak_after: Option<Duration>,
    pub(crate) slow_acquire: Slow,
    pub(crate) slow_query: Slow,
    pub(crate) pooler: Pooler,
    pub(crate) service: String,
    pub(crate) replicas: Option<NonZeroU32>,
    pub(crate) metric_names: MetricNames,
    /// What was read and left out, for the log.
    pub(crate) left_out: Vec<String>,
}

/// From when on something is slow, and from when on very slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slow {
    pub(crate) slow: Duration,
    pub(crate) very_slow: Duration,
}

/// What stands between this pool and PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// Nothing, or a pooler in session mode.
    #[default]
    None,
    /// pgweir in transaction mode. Settings of the session are sent, since pgweir applies them to the server of
    /// each transaction.
    Pgweir,
    /// PgBouncer 1.21 or later in transaction mode, with `max_prepared_statements` above 0 (newer
    /// versions have 200 by default). Statements are prepared under a name; settings of the session are not
    /// sent, since PgBouncer refuses them, and are set in each transaction that [`crate::Pool::begin`]
    /// opens.
    PgBouncer,
}

impl PoolSettings {
    /// Reads `DATABASE_URL` and the `DB_*` variables of this process; docs/sqlx.md of the repository
    /// lists them. A variable and a parameter of the URL that differ are a mistake, since nobody can
    /// know which was meant. So is a `DB_*` variable that misses a known name by a letter or two.
    ///
    /// # Errors
    /// Every mistake at once, with the variable's name. Values are shown only where they are plain
    /// numbers, so that nothing secret gets into a log.
    pub fn from_env() -> Result<Self, SettingsError> {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Self::from_variables(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value).unwrap_or_default()))),
        )
    }

    /// As [`PoolSettings::from_env`], of other variables than this process's.
    ///
    /// ```
    /// use pgweir_sqlx::PoolSettings;
    ///
    /// let error = PoolSettings::from_variables([
    ///     ("DATABASE_URL", "postgres://app:hush@db/iss?connection_limit=ten"),
    ///     ("DB_MIN_CONNECTIONS", "-1"),
    /// ])
    /// .unwrap_err();
    /// assert_eq!(error.problems.len(), 2);
    /// assert!(!error.to_string().contains("hush"));
    /// ```
    ///
    /// # Errors
    /// As [`PoolSettings::from_env`].
    pub fn from_variables<N, V>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SettingsError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        read::variables(&variables)
    }

    /// Reads a URL, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE&...`. The parameters of
    /// a pool are taken out before SQLx sees the URL, which would log each with its value and ignore
    /// it.
    ///
    /// # Errors
    /// Every mistake at once; nothing of the URL but names and plain numbers is in it.
    pub fn from_url(url: &str) -> Result<Self, SettingsError> {
        read::url(url)
    }

    /// The defaults, with SQLx's options for a connection.
    pub fn new(connect: PgConnectOptions) -> Self {
        let service = match connect.get_application_name() {
            Some(name) => name.to_owned(),
            None => program(),
        };
        Self {
            connect,
            max_connections: 10,
            min_connections: 2,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(600)),
            max_lifetime: Some(Duration::from_secs(1800)),
            lifetime_jitter: 0.1,
            test_before_acquire: true,
            connect_timeout: CONNECT_TIMEOUT,
            socket_timeout: None,
            statement_timeout: None,
            lock_timeout: None,
            idle_in_transaction_timeout: None,
            leak_after: Some(Duration::from_secs(60)),
            slow_acquire: Slow {
                slow: Duration::from_millis(500),
                very_slow: Duration::from_millis(2500),
            },
            slow_query: Slow {
                slow: Duration::from_secs(1),
                very_slow: Duration::from_secs(3),
            },
            pooler: Pooler::None,
            service,
            replicas: None,
            metric_names: MetricNames::default(),
            left_out: Vec::new(),
        }
    }

    /// The most connections that are open at once, 1 to 10,000; 10 by default. `DB_MAX_CONNECTIONS`,
    /// `connection_limit`.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Connections that are opened ahead and kept open; 2 by default. SQLx does its best: while the
    /// database is away there are none. `DB_MIN_CONNECTIONS`.
    #[must_use]
    pub fn min_connections(mut self, connections: u32) -> Self {
        self.min_connections = connections;
        self
    }

    /// How long an acquire waits for a connection, opening one included; 5 s by default, which is
    /// what a request has rather than what a queue might need. `DB_ACQUIRE_TIMEOUT`, `pool_timeout`.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// From when on an unused connection is closed; 600 s by default, `None` is never. SQLx looks
    /// once in that time, so it may take twice as long. `DB_IDLE_TIMEOUT`.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// The age at which a connection is replaced when it comes back; 1800 s by default, `None` is
    /// never. None that is older is handed out. `DB_MAX_LIFETIME`.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = lifetime.into();
        self
    }

    /// The part of [`PoolSettings::max_lifetime`] by which connections may end sooner, each by
    /// another; 0 to 0.5, 0.1 by default. It keeps the replicas of a service that started together
    /// from reconnecting together. `DB_LIFETIME_JITTER`.
    #[must_use]
    pub fn lifetime_jitter(mut self, part: f64) -> Self {
        self.lifetime_jitter = part;
        self
    }

    /// Whether a connection is asked for a sign of life before it is handed out, which costs a round
    /// trip; on by default. Behind a [`Pooler`] only one that was unused for a second is asked.
    /// `DB_TEST_BEFORE_ACQUIRE`.
    #[must_use]
    pub fn test_before_acquire(mut self, test: bool) -> Self {
        self.test_before_acquire = test;
        self
    }

    /// How long [`crate::Pool::connect`] waits for the database to be there; 5 s by default. It
    /// bounds the start only: a connection that an acquire opens later may take the whole
    /// [`PoolSettings::acquire_timeout`], since SQLx opens it inside of the acquire and has no other
    /// bound for it. Whoever wants later attempts to fail sooner shortens that one.
    /// `DB_CONNECT_TIMEOUT`, `connect_timeout`.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a query may take before the service gives it up and closes the connection; unset by
    /// default. `COMMIT` and `ROLLBACK` are not bounded by it. The server goes on with such a query and keeps its locks, so
    /// [`PoolSettings::statement_timeout`] should be shorter; where it is unset it becomes this one,
    /// and the service waits five seconds more. `DB_SOCKET_TIMEOUT`, `socket_timeout`.
    #[must_use]
    pub fn socket_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.socket_timeout = timeout.into();
        self
    }

    /// PostgreSQL's `statement_timeout`: it cancels a statement that takes longer, with SQLSTATE
    /// 57014; unset by default. `DB_STATEMENT_TIMEOUT`.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.statement_timeout = timeout.into();
        self
    }

    /// PostgreSQL's `lock_timeout`: it ends a statement that waits longer for a lock, with SQLSTATE
    /// 55P03; unset by default. `DB_LOCK_TIMEOUT`.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lock_timeout = timeout.into();
        self
    }

    /// PostgreSQL's `idle_in_transaction_session_timeout`: it closes a connection that does nothing
    /// inside a transaction for longer, with SQLSTATE 25P03; unset by default.
    /// `DB_IDLE_IN_TRANSACTION_TIMEOUT`.
    #[must_use]
    pub fn idle_in_transaction_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_in_transaction_timeout = timeout.into();
        self
    }

    /// From when on a held connection counts as leaked: it is logged once, with its place, and
    /// counted; 60 s by default, `None` is never. `DB_LEAK_AFTER`.
    #[must_use]
    pub fn leak_after(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.leak_after = bound.into();
        self
    }

    /// From when on an acquire is logged, as a warning and as an error; 0.5 s and 2.5 s by default.
    /// Each at most once a second, with how many were not.
    /// `DB_SLOW_ACQUIRE`, `DB_VERY_SLOW_ACQUIRE`.
    #[must_use]
    pub fn slow_acquire(mut self, slow: Duration, very_slow: Duration) -> Self {
        self.slow_acquire = Slow { slow, very_slow };
        self
    }

    /// From when on a query is logged, as a warning and as an error; 1 s and 3 s by default. Only
    /// the text of the statement is logged, never its arguments. `DB_SLOW_QUERY`,
    /// `DB_VERY_SLOW_QUERY`.
    #[must_use]
    pub fn slow_query(mut self, slow: Duration, very_slow: Duration) -> Self {
        self.slow_query = Slow { slow, very_slow };
        self
    }

    /// What stands between this pool and PostgreSQL; nothing by default. `DB_POOLER` (`none`,
    /// `pgweir`, `pgbouncer`), `pgbouncer=true`.
    #[must_use]
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// The service's name: the label of its metrics, and its `application_name` unless the URL has
    /// one. By default that one, or the program's name. `DB_SERVICE`.
    #[must_use]
    pub fn service(mut self, name: &str) -> Self {
        name.clone_into(&mut self.service);
        self
    }

    /// How many replicas of the service there are at most; unset by default. If it is set,
    /// [`crate::Pool::connect`] asks the database once what it gives and warns when it is too little
    /// ([`crate::Pool::capacity`]). `DB_REPLICAS`.
    #[must_use]
    pub fn replicas(mut self, replicas: Option<NonZeroU32>) -> Self {
        self.replicas = replicas;
        self
    }

    /// What metrics are called; `sqlx_pool_*` by default. `DB_METRIC_NAMES` (`sqlx`,
    /// `opentelemetry`).
    #[must_use]
    pub fn metric_names(mut self, names: MetricNames) -> Self {
        self.metric_names = names;
        self
    }

    /// Changes SQLx's options for a connection, for what is not a setting here (TLS, a password that
    /// changes).
    #[must_use]
    pub fn connect_options(
        mut self,
        change: impl FnOnce(PgConnectOptions) -> PgConnectOptions,
    ) -> Self {
        self.connect = change(self.connect);
        self
    }

    /// The pool in one line, as it is logged at the start and shown as `poolInfo`.
    pub fn line(&self) -> String {
        format!(
            "Connection Pool: Limit: {}, Pool Timeout: {}, Connect Timeout: {}",
            self.max_connections,
            value::in_seconds(self.acquire_timeout),
            value::in_seconds(self.connect_timeout),
        )
    }

    /// SQLx's options for a connection, with everything of these settings that goes to the server.
    pub(crate) fn server_options(&self) -> PgConnectOptions {
        // Slow queries are logged here, and SQLx's other lines would be one per query.
        let mut options = self.connect.clone().disable_statement_logging();
        if options.get_application_name().is_none() {
            options = options.application_name(&self.service);
        }
        match self.pooler {
            Pooler::None => options.options(self.session_settings()),
            // Poolers do not know it (PgBouncer refuses it), and PostgreSQL has printed floats
            // exactly without it since version 12.
            Pooler::Pgweir => options
                .extra_float_digits(None)
                .options(self.session_settings()),
            Pooler::PgBouncer => options.extra_float_digits(None),
        }
    }

    /// Settings of PostgreSQL for each session, in milliseconds, which is their unit.
    pub(crate) fn session_settings(&self) -> Vec<(&'static str, u128)> {
        [
            ("statement_timeout", self.server_statement_timeout()),
            ("lock_timeout", self.lock_timeout),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout,
            ),
        ]
        .into_iter()
        // Zero would switch the timeout off.
        .filter_map(|(name, timeout)| Some((name, timeout?.as_millis().max(1))))
        .collect()
    }

    /// The statement that begins a transaction if it has to bring the session's settings along.
    pub(crate) fn begin_statement(&self) -> Option<String> {
        let settings = self.session_settings();
        if self.pooler != Pooler::PgBouncer || settings.is_empty() {
            return None;
        }
        let mut statement = "BEGIN".to_owned();
        for (name, value) in settings {
            statement.push_str(&format!("; SET LOCAL {name} = {value}"));
        }
        Some(statement)
    }

    fn server_statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout.or(self.socket_timeout)
    }

    /// How long a query is waited for before its connection is given up.
    pub(crate) fn query_limit(&self) -> Option<Duration> {
        let given = self.socket_timeout?;
        // The server's own cancel leaves the connection usable, so it gets the first go.
        Some(match self.statement_timeout {
            Some(_) => given,
            None => given + SERVER_FIRST,
        })
    }
}

/// Without the options for a connection, of which SQLx prints the password.
impl fmt::Debug for PoolSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolSettings")
            .field("line", &self.to_string())
            .finish_non_exhaustive()
    }
}

/// [`PoolSettings::line`] and the rest of what decides about the pool, without secrets.
impl fmt::Display for PoolSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_never = |timeout: Option<Duration>| match timeout {
            Some(timeout) => value::in_seconds(timeout),
            None => "never".to_owned(),
        };
        write!(
            f,
            "{}, Min: {}, Idle Timeout: {}, Max Lifetime: {}, Test: {} (service {}, SQLx {}, {})",
            self.line(),
            self.min_connections,
            or_never(self.idle_timeout),
            or_never(self.max_lifetime),
            if self.test_before_acquire {
                "on"
            } else {
                "off"
            },
            self.service,
            version::SQLX,
            match self.pooler {
                Pooler::None => "direct",
                Pooler::Pgweir => "through pgweir",
                Pooler::PgBouncer => "through PgBouncer",
            },
        )
    }
}

/// The program's name.
fn program() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "app".to_owned())
}

/// The default of [`PoolSettings::connect_timeout`].
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What the server's timeout is shorter by than the service's.
const SERVER_FIRST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
