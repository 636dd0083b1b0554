//! What clients are told when they do not get what they want: the cause, the number, what to do.

use std::time::Duration;

use pgweir_pool::driver::LastWords;
use pgweir_pool::pin::Pin;
use pgweir_pool::pool::{CloseReason, Counts, Refusal};
use pgweir_pool::prepared::CLIENT_STATEMENTS_MAX;
use pgweir_pool::relay::{NAME_MAX, Violation};
use pgweir_pool::session::{Fault, Limits, Overdue, Sentences};
use pgweir_pool::trace::Unseen;
use pgweir_pool::waits::Cause;
use pgweir_sql::effects::Kinds;
use pgweir_telemetry::remedies::remedy;
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::sqlstate::SqlState;

use pgweir_config::PoolConfig;

/// An error for a client.
pub(crate) type ClientError = LastWords;

/// Why a client did not get a server, for which `cause` says why none was free, and `blocker` who
/// holds the locks if it is that. `login_error` is the last failed login of the pool.
///
/// 53300 and 57P03 are what PostgreSQL itself answers when it is full or not ready, and what
/// drivers treat as worth another attempt.
pub(crate) fn refusal(
    refusal: Refusal,
    config: &PoolConfig,
    counts: Counts,
    cause: Cause,
    blocker: Option<String>,
    login_error: Option<&ClientError>,
) -> ClientError {
    let hint = match blocker {
        Some(blocker) => format!("{} {blocker}", remedy(cause)),
        None => remedy(cause).to_owned(),
    };
    match refusal {
        Refusal::QueueFull => {
            let bound = config
                .max_waiting_clients
                .map_or(0, std::num::NonZeroU32::get);
            ClientError::new(
                SqlState::TOO_MANY_CONNECTIONS,
                format!(
                    "too many clients wait for a server connection (max_waiting_clients {bound})"
                ),
            )
            .detail(pool_state(config, counts))
            .hint(hint)
        }
        Refusal::Timeout => {
            let waited = config.query_wait_timeout.unwrap_or(Duration::MAX);
            ClientError::new(
                SqlState::CANNOT_CONNECT_NOW,
                format!(
                    "no server connection became free within query_wait_timeout ({})",
                    seconds(waited)
                ),
            )
            .detail(pool_state(config, counts))
            .hint(hint)
        }
        Refusal::LoginFailing => login_error.cloned().unwrap_or_else(|| {
            ClientError::new(
                SqlState::CANNOT_CONNECT_NOW,
                "the last login to PostgreSQL failed (server_login_retry)",
            )
        }),
    }
}

fn pool_state(config: &PoolConfig, counts: Counts) -> String {
    let limit = config
        .pool_size
        .map_or_else(|| "no limit".to_owned(), |size| size.to_string());
    format!(
        "Pool size {limit}: {} servers in use, {} idle, {} logging in; {} clients wait.",
        counts.active, counts.idle, counts.opening, counts.waiting
    )
}

/// Nothing leads to a database of this name.
pub(crate) fn no_such_database(name: &str) -> ClientError {
    ClientError::new(
        SqlState::INVALID_CATALOG_NAME,
        format!("no such database: {name}"),
    )
    .hint("Add it to [databases] in the pooler's configuration, or correct the name.")
}

/// The database lets nobody in (`DISABLE`).
pub(crate) fn disabled(name: &str) -> ClientError {
    ClientError::new(
        SqlState::CANNOT_CONNECT_NOW,
        format!("database \"{name}\" is disabled"),
    )
    .hint("An administrator enables it again (ENABLE).")
}

/// The client did not take, or complete, what was under way when everything was suspended.
pub(crate) fn suspended() -> ClientError {
    ClientError::new(SqlState::ADMIN_SHUTDOWN, "suspend_timeout")
        .detail("The pooler is being suspended, and what this client sends or is sent was not complete in time.")
        .hint("Connect again.")
}

/// What a session has to tell its client.
pub(crate) fn fault(fault: Fault<'_>) -> Sentences<'_> {
    let (detail, hint) = match fault {
        Fault::Violation(Violation::TooManyStatements) => (
            None,
            Some(
                "Close statements that are not used, or prepare fewer (the driver's statement cache).",
            ),
        ),
        Fault::Violation(_) => (None, None),
        Fault::ServerGone => (
            Some("The query may or may not have been executed."),
            Some("See PostgreSQL's log for the reason, and connect again."),
        ),
        Fault::ServerBroken => (None, Some("See the pooler's log for the message.")),
        // The rest is PostgreSQL's own words, at the place where it says them.
        Fault::Settings(_) => (
            Some("PostgreSQL refused the settings of this session."),
            None,
        ),
        Fault::Transaction => (None, Some("Use a pool with pool_mode = \"transaction\".")),
        Fault::Rejected(pin) => (None, Some(way_out(pin))),
        Fault::Pinned(pin) => (
            Some("A function did that, or a text that did not show it."),
            Some(way_out(pin)),
        ),
        Fault::WaitCanceled => (Some("It was still waiting for a server connection."), None),
    };
    let message = match fault {
        Fault::Violation(violation) => violated(violation).into(),
        Fault::ServerGone => "server closed the connection unexpectedly".into(),
        Fault::ServerBroken => {
            "the server sent a message that answers nothing; its connection was closed".into()
        }
        Fault::Settings(error) => (&*error.message).into(),
        Fault::Transaction => "transaction blocks not allowed in statement pooling mode".into(),
        Fault::Rejected(pin) => format!(
            "not allowed in this pool, because it would keep a server connection (session_state = \"reject\"): {pin}"
        )
        .into(),
        Fault::Pinned(pin) => format!(
            "the session kept a server connection, which is not allowed in this pool (session_state = \"reject\"): {pin}"
        )
        .into(),
        Fault::WaitCanceled => "canceling statement due to user request".into(),
    };
    Sentences {
        sqlstate: None,
        message,
        detail,
        hint,
    }
}

/// The same with PgBouncer's code where PostgreSQL's is one that drivers do not take for the end of the session.
pub(crate) fn fault_as_pgbouncer(fault: Fault<'_>) -> Sentences<'_> {
    let is_end = matches!(fault, Fault::Transaction);
    Sentences {
        sqlstate: is_end.then_some(SqlState::PROTOCOL_VIOLATION),
        ..self::fault(fault)
    }
}

/// How a client broke the protocol, in PostgreSQL's words where it has some.
fn violated(violation: Violation) -> String {
    match violation {
        Violation::UnknownMessage { kind } => {
            format!("invalid frontend message type {kind} after login")
        }
        Violation::BadLength { kind, length } => format!(
            "invalid length {length} in message of type \"{}\"",
            kind.escape_ascii()
        ),
        Violation::SimpleQuery => {
            "PQexec disallowed: simple queries are not taken here (disable_pqexec)".to_owned()
        }
        Violation::TooLong { max } => {
            format!("a message may have at most {max} bytes (max_packet_size)")
        }
        Violation::Unreachable => {
            "the session cannot go on behind messages that COPY does not expect: what the server answers is not known"
                .to_owned()
        }
        Violation::UnknownNumber => {
            "currval or lastval may be another client's behind messages without a Sync, on a server that was shared; connect again"
                .to_owned()
        }
        Violation::TooManyStatements => {
            format!("a client may have at most {CLIENT_STATEMENTS_MAX} prepared statements")
        }
        Violation::BadName { kind } => format!(
            "statement name of message type \"{}\" is missing or longer than {NAME_MAX} bytes",
            kind.escape_ascii()
        ),
    }
}

/// What a function has left in a session.
pub(crate) fn left(unseen: &Unseen) -> String {
    let mut parts = Vec::new();
    if !unseen.settings.is_empty() {
        parts.push(format!("settings ({})", unseen.settings.join(", ")));
    }
    for (kind, name) in [
        (Kinds::TEMPORARY, "temporary objects"),
        (Kinds::ADVISORY_LOCK, "advisory locks"),
        (Kinds::CURSOR, "cursors with hold"),
        (Kinds::LISTEN, "channels it listens to"),
    ] {
        if unseen.held.any(kind) {
            parts.push(name.to_owned());
        }
    }
    parts.join(", ")
}

/// Why a session was ended by a timeout.
pub(crate) fn overdue(overdue: Overdue, limits: &Limits) -> ClientError {
    match overdue {
        Overdue::Query => ClientError::new(
            SqlState::QUERY_CANCELED,
            format!(
                "query timeout: it ran longer than query_timeout ({})",
                seconds(limits.query)
            ),
        )
        .hint("Make the query faster, or raise query_timeout."),
        Overdue::IdleInTransaction => ClientError::new(
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            format!(
                "idle transaction timeout: nothing was sent for idle_transaction_timeout ({})",
                seconds(limits.idle_in_transaction)
            ),
        )
        .hint("Commit before slow work that does not need the database."),
        Overdue::Transaction => ClientError::new(
            SqlState::TRANSACTION_TIMEOUT,
            format!(
                "transaction timeout: it took longer than transaction_timeout ({})",
                seconds(limits.transaction)
            ),
        )
        .hint("Split the transaction, or raise transaction_timeout."),
        Overdue::Idle => ClientError::new(
            SqlState::IDLE_SESSION_TIMEOUT,
            format!(
                "client idle timeout: nothing was sent for client_idle_timeout ({})",
                seconds(limits.idle)
            ),
        ),
        Overdue::Pin(pin) => ClientError::new(
            SqlState::IDLE_SESSION_TIMEOUT,
            format!(
                "pin timeout: the session kept its server connection for pin_timeout ({}): {pin}",
                seconds(limits.pin)
            ),
        )
        .hint(way_out(pin)),
    }
}

/// What to do so that a session does not keep its server for this reason.
pub(crate) fn way_out(pin: Pin) -> &'static str {
    match pin {
        Pin::TemporaryObject => {
            "Use CREATE TEMP TABLE ... ON COMMIT DROP inside a transaction, drop temporary objects when done with them, or use a pool with pool_mode = \"session\"."
        }
        Pin::AdvisoryLock => {
            "Use pg_advisory_xact_lock, which ends with its transaction, unlock sooner, or use a pool with pool_mode = \"session\"."
        }
        Pin::Listen => {
            "Listen on a connection of its own: directly to PostgreSQL, or through a pool with pool_mode = \"session\"."
        }
        Pin::HeldCursor => {
            "Declare the cursor without WITH HOLD inside a transaction, close it when done, or use a pool with pool_mode = \"session\"."
        }
        Pin::Library => {
            "Load the library for every session (session_preload_libraries), or use a pool with pool_mode = \"session\"."
        }
        Pin::SessionFunction => {
            "Use a pool with pool_mode = \"session\" for functions that keep a connection, a slot or an origin for their session."
        }
        Pin::UnnamedSetting => {
            "Write the name of the setting into the text of set_config(), and pass the value alone as a parameter."
        }
        Pin::PreparedStatement => {
            "Prepare by the protocol and not by SQL (PREPARE), see max_prepared_statements, and close statements that are not used."
        }
        Pin::Uncertain | Pin::Session | Pin::Replication => {
            "Connect again. A statement_timeout that cancels what the pooler asks behind a transaction causes this, or a client that breaks the protocol."
        }
    }
}

/// What a client is told that has waited for a server for `query_wait_notify`.
pub(crate) fn wait_notice() -> Vec<u8> {
    let words = ClientError::new(
        SqlState::SUCCESSFUL_COMPLETION,
        "No server connection available in postgres backend, client being queued",
    );
    notice(&words)
}

/// A notice, as it is sent.
pub(crate) fn notice(words: &ClientError) -> Vec<u8> {
    let mut out = Vec::new();
    let fields = ErrorFields {
        severity: Severity::Notice,
        ..words.fields()
    };
    encode::notice(&mut out, &fields);
    out
}

/// Why a server was closed, for the log; `None` is that its connection was lost, or of no use any more.
pub(crate) fn closed(reason: Option<CloseReason>) -> &'static str {
    match reason {
        Some(CloseReason::Idle) => "server idle timeout",
        Some(CloseReason::Lifetime) => "server lifetime over",
        Some(CloseReason::OverLimit) => "too many servers in the pool",
        Some(CloseReason::Dirty) => "its session cannot be cleaned",
        Some(CloseReason::Retired) => "database configuration changed",
        Some(CloseReason::Evicted) => "evicted",
        Some(CloseReason::Paused) => "pause mode",
        None => "server conn crashed?",
    }
}

/// A session ended because its server is of an old configuration.
pub(crate) fn reconfigured() -> ClientError {
    ClientError::new(SqlState::ADMIN_SHUTDOWN, "database configuration changed")
        .detail("The session kept a server of the old configuration (server_fast_close).")
        .hint("Connect again.")
}

/// A session ended because the pooler stops.
pub(crate) fn shutting_down() -> ClientError {
    ClientError::new(SqlState::ADMIN_SHUTDOWN, "the pooler is shutting down")
        .hint("Connect again.")
        .logged_as("server shutting down")
}

/// A session that an administrator ended.
pub(crate) fn ended_by_administrator() -> ClientError {
    ClientError::new(
        SqlState::ADMIN_SHUTDOWN,
        "terminating connection due to administrator command",
    )
    .detail("An administrator of the pooler has ended this session.")
    .hint("Connect again.")
}

/// A duration for people: `5 s`, `0.2 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
