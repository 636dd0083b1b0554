//! Sessions of the admin console: who may open one, and how it runs on the control plane.
//!
//! What is said there is `pgweir_console`'s. A session reads one message at a time and holds no more of an answer
//! than a piece; it looks at the pooler only when it is asked to.

mod facts;

use std::net::SocketAddr;
use std::time::Duration;

use pgweir_config::Config;
use pgweir_config::access::{Channel, Peer};
use pgweir_console::{
    DATABASES, Done, Identity, MESSAGE_MAX, Order, PIECE, Refusal, Role, Session, Step, greeting,
    rows,
};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::{MINOR_NEWEST, Startup};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::debug;

use crate::admin::Administrator;
use crate::cancel_key::CancelSecret;
use crate::consoles::Visit;
use crate::login_end::{LoginEnd, violation};
use crate::orders::Orders;
use crate::registry::Registry;
use crate::slots::Slots;
use crate::texts::{self, ClientError};
use crate::tls::{self, stream::MaybeTls};
use crate::wire_io::{Inbound, ReadError, send};

/// Time in which a client has to take a piece of an answer.
const SEND_MAX: Duration = Duration::from_secs(60);

/// Somebody who may use the console.
pub(crate) struct ConsoleEntry {
    startup: Startup,
    role: Role,
    /// What goes before the greeting.
    out: Vec<u8>,
    inbound: Inbound,
}

impl ConsoleEntry {
    pub(crate) fn new(startup: Startup, role: Role, (out, inbound): (Vec<u8>, Inbound)) -> Self {
        Self {
            startup,
            role,
            out,
            inbound,
        }
    }

    pub(crate) fn user(&self) -> &str {
        &self.startup.user
    }
}

/// Whether a client that asks for this database wants the console.
pub(crate) fn is_console(database: &str) -> bool {
    DATABASES.contains(&database)
}

/// Whether it is the pooler's own user who comes over a unix socket and calls itself `pgbouncer` or `pgweir`. Who
/// that is could do anything to the process, and needs no password.
pub(crate) fn is_owner(user: &str, channel: &Channel) -> bool {
    let own = rustix::process::geteuid().as_raw();
    DATABASES.contains(&user) && channel.peer == Peer::Unix(Some(own))
}

/// What a user may do there that has proven who it is.
///
/// # Errors
/// Nothing.
pub(crate) fn role(config: &Config, startup: &Startup) -> Result<Role, ClientError> {
    let is_in = |list: &[String]| list.contains(&startup.user);
    if startup.replication.is_some() {
        return Err(violation("the console has no replication"));
    }
    if is_in(&config.admin_users) {
        return Ok(Role::Admin);
    }
    if is_in(&config.stats_users) {
        return Ok(Role::Stats);
    }
    Err(
        ClientError::new(SqlState::PROTOCOL_VIOLATION, "not allowed")
            .hint("The console is for those in admin_users and stats_users."),
    )
}

/// Why a session ended before its client said goodbye.
enum End {
    /// The client is told, and goes.
    Told(ClientError),
    /// Its stream ended or failed, or takes nothing.
    Gone,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match LoginEnd::from(error) {
            LoginEnd::Refused(error) | LoginEnd::Discovered(error) => Self::Told(error),
            LoginEnd::Gone(_) | LoginEnd::Cancelled => Self::Gone,
        }
    }
}

/// What a session needs of the pooler.
pub(crate) struct Behind<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) orders: &'a Orders,
    /// Those who log in.
    pub(crate) slots: &'a Slots,
}

/// Serves a session to its end.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: MaybeTls<S>,
    (entry, address): (ConsoleEntry, Option<SocketAddr>),
    behind: &Behind<'_>,
) {
    let registry = behind.registry;
    let tls = stream.connection().map(tls::words).unwrap_or_default();
    let (startup, role) = (&entry.startup, entry.role);
    let open = || registry.consoles.open().into_iter();
    let sessions = |of: Option<&str>| {
        let counted = open().filter(|(_, session)| of.is_none_or(|user| session.user == user));
        u32::try_from(counted.count()).expect("a few")
    };
    let may_enter = registry.console_in(&startup.user, role, &sessions);
    let peer = registry.config().peer_id;
    let entered = may_enter.and_then(|()| {
        let from = (address, tls);
        registry.consoles.enter(startup, role, from, peer)
    });
    let outcome = match entered {
        Ok(visit) => serve(&mut stream, entry, (behind, &visit)).await,
        Err(error) => Err(End::Told(error)),
    };
    match outcome {
        Ok(()) => {}
        Err(End::Gone) => debug!("a session of the console broke off"),
        Err(End::Told(error)) => {
            registry.errors.count(error.sqlstate);
            let mut out = Vec::new();
            encode::error(&mut out, &error.fields());
            // A client that does not take its error goes without.
            let _ = tokio::time::timeout(Duration::from_secs(1), send(&mut stream, &out)).await;
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MaybeTls<S>,
    entry: ConsoleEntry,
    (behind, visit): (&Behind<'_>, &Visit<'_>),
) -> Result<(), End> {
    let consoles = &behind.registry.consoles;
    let identity = Identity {
        role: entry.role,
        user: entry.startup.user,
        database: entry.startup.database,
        pid: visit.pid,
        version: env!("CARGO_PKG_VERSION"),
    };
    let by = Administrator::new(Some(&identity.user));
    let peer = behind.registry.config().peer_id;
    let secret = CancelSecret::random(entry.startup.minor.min(MINOR_NEWEST), peer);
    visit.may_be_cancelled_by(secret);
    let mut inbound = entry.inbound.with_bound(MESSAGE_MAX);
    let mut out = entry.out;
    greeting(&identity, secret.bytes(), &mut out);
    let mut session = Session::new(identity);
    let mut ending = consoles.ending();
    deliver(stream, &mut out).await?;
    loop {
        let (kind, body) = tokio::select! {
            message = inbound.message(stream) => message?,
            () = ended(&mut ending) => return Err(End::Told(texts::shutting_down())),
        };
        visit.asks();
        let mut step = session.message(kind, &body, &mut out);
        step = loop {
            step = match step {
                Step::Show(query) => {
                    let facts = facts::gather(behind, query.table.needs()).await;
                    session.show(rows(facts, &query), &mut out)
                }
                Step::Order(order) => {
                    deliver(stream, &mut out).await?;
                    let peer = (&mut *stream, &mut inbound);
                    let carried_out = carry_out(peer, behind.orders, (order, &by), visit);
                    session.ordered(carried_out.await?, &mut out)
                }
                Step::More => {
                    deliver(stream, &mut out).await?;
                    session.more(&mut out)
                }
                done @ (Step::Next | Step::Flush | Step::Leave) => break done,
            };
        };
        consoles.did(session.take_commands());
        if step != Step::Next || out.len() >= PIECE {
            deliver(stream, &mut out).await?;
        }
        if step == Step::Leave {
            return Ok(());
        }
    }
}

/// Has an order carried out, unless it is taken back: by a request for cancelling, or because who gave it has left.
async fn carry_out<S: AsyncRead + AsyncWrite + Unpin>(
    (stream, inbound): (&mut MaybeTls<S>, &mut Inbound),
    orders: &Orders,
    (order, by): (Order, &Administrator),
    visit: &Visit<'_>,
) -> Result<Result<Done, Refusal>, End> {
    let left = async {
        loop {
            if let Err(error) = inbound.more(stream).await {
                if error.kind() != std::io::ErrorKind::OutOfMemory {
                    return;
                }
                // It has sent as much as it may ahead of the answer.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        outcome = orders.administer(order, by) => Ok(outcome),
        () = visit.canceled() => {
            let why = "on request of the administrator".to_owned();
            Ok(Err(Refusal::Canceled(why)))
        }
        () = left => Err(End::Gone),
    }
}

/// Ends when the pooler ends.
async fn ended(ending: &mut watch::Receiver<bool>) {
    // Without its sender the pooler is gone as well.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Sends what there is.
async fn deliver<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MaybeTls<S>,
    out: &mut Vec<u8>,
) -> Result<(), End> {
    if out.is_empty() {
        return Ok(());
    }
    let sent = tokio::time::timeout(SEND_MAX, send(stream, out)).await;
    out.clear();
    out.shrink_to(PIECE);
    Ok(sent.map_err(|_| End::Gone)??)
}
