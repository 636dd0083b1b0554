//! What HTTP needs of a pooler, and what it is told of its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pgweir_telemetry::Snapshot;
use pgweir_telemetry::compat::ApplicationNames;
use pgweir_telemetry::findings::Findings;
use pgweir_telemetry::snapshot::Readiness;
use tokio::sync::oneshot;

use crate::jwt::Keys;
use crate::tls::Tls;

/// Characters of an administrator's name that are kept.
const NAME_MAX: usize = 64;

/// A pooler, as far as it is shown over HTTP. Everything is asked for from one thread, and must not
/// block it for longer than it takes to copy what is shown.
pub trait Pooler: Send + Sync + 'static {
    /// Everything at this moment.
    fn snapshot(&self) -> Snapshot;

    /// Whether clients are well served. Changes nothing, however often it is asked.
    fn readiness(&self) -> Readiness;

    /// What was found out about statements, holders and locks.
    fn findings(&self) -> Findings;

    /// What a reload may have changed of who is shown what.
    fn access(&self) -> Access;

    /// Does something to the client with this number; `None` if there is none. The answer's sender
    /// is dropped if the client was on its way to a worker: then it is to be asked again.
    fn administer(
        &self,
        client: u32,
        action: ClientAction,
        by: Administrator,
    ) -> Option<oneshot::Receiver<ActionOutcome>>;
}

/// Who is shown what, and how it is encrypted.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Keys of the tokens that statistics are shown for; without any they are shown to nobody.
    pub keys: Arc<Keys>,
    /// What a token must be good for before its bearer may do something to clients; `None` lets
    /// nobody.
    pub admin_scope: Option<String>,
    /// What connections are encrypted with; `None` is not.
    pub tls: Option<Tls>,
    /// Names of metrics besides our own and those of pgbouncer_exporter.
    pub names: ApplicationNames,
}

/// What stays as it is until a restart.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Connections at once, at 16 KiB each at most. Scrapers and probes are a few; the rest is room for
    /// those that open connections and say nothing.
    pub connections_max: usize,
    /// What stands before `/health` and `/stats/database`: empty, or a path that begins with a slash
    /// and does not end with one.
    pub path_prefix: String,
    /// Where metrics are pushed to, if anywhere.
    pub push: Option<Push>,
}

/// Pushing metrics.
#[derive(Debug, Clone)]
pub struct Push {
    /// To whom.
    pub to: Collector,
    /// Pause between pushes.
    pub interval: Duration,
}

/// A collector that takes OTLP over plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and port, as the header `Host` has them.
    pub authority: String,
    /// Path that metrics are posted to; begins with a slash.
    pub path: String,
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// What is done to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAction {
    /// What it runs, or waits for, is cancelled, as the client itself could.
    Cancel,
    /// Its session ends with 57P01; a transaction that is open is rolled back.
    End,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionOutcome {
    /// A cancel request is on its way to PostgreSQL, which promises nothing.
    CancelSent,
    /// It waited for a server, and does so no more.
    WaitEnded,
    /// It runs nothing.
    NothingRuns,
    /// The session is over.
    Ended,
}

impl ActionOutcome {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CancelSent => "cancel_sent",
            Self::WaitEnded => "wait_ended",
            Self::NothingRuns => "nothing_runs",
            Self::Ended => "ended",
        }
    }
}

/// Who does it: the subject of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator(String);

impl Administrator {
    /// By the `sub` of a token, which may have none.
    pub fn new(subject: Option<&str>) -> Self {
        let subject = subject.filter(|subject| !subject.is_empty());
        Self(subject.map_or_else(
            || "(no subject)".to_owned(),
            |subject| subject.chars().take(NAME_MAX).collect(),
        ))
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
