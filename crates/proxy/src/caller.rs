//! Who wants to come in, as the log names it from its first byte on.

use std::net::SocketAddr;
use std::time::Instant;

use pgweir_wire::startup::Startup;
use tracing::{info, warn};

use crate::cancel_key::random_pid;
use crate::texts::ClientError;
use pgweir_config::Log;

/// Who wants to come in.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Its number, which it keeps once it is let in.
    pub(crate) number: u32,
    since: Instant,
    /// The database and the user that it asked for.
    asked: Option<(String, String)>,
}

impl Caller {
    /// Somebody who has just connected.
    pub(crate) fn new() -> Self {
        Self {
            number: random_pid(),
            since: Instant::now(),
            asked: None,
        }
    }

    /// It has said where it wants to, over a connection that `tls` encrypts.
    pub(crate) fn asks(
        &mut self,
        startup: &Startup,
        (peer, tls): (Option<SocketAddr>, Option<String>),
        log: &Log,
    ) {
        let (database, user) = (startup.database.clone(), startup.user.clone());
        if log.connections {
            let replication = match startup.replication.as_deref() {
                None => "no",
                Some("database") => "logical",
                Some(_) => "physical",
            };
            info!(
                database,
                user,
                client = self.number,
                peer = place(peer),
                "login attempt: db={database} user={user} tls={} replication={replication}",
                tls.as_deref().unwrap_or("no"),
            );
        }
        self.asked = Some((database, user));
    }

    /// It was refused.
    pub(crate) fn refused(&self, peer: Option<SocketAddr>, error: &ClientError, log: &Log) {
        if log.pooler_errors {
            warn!(
                database = self.database(),
                user = self.user(),
                client = self.number,
                peer = place(peer),
                sqlstate = %error.sqlstate,
                "pooler error: {}",
                error.message
            );
        }
        self.ended(peer, error.reason(), log);
    }

    /// It left before it was let in. Of one that never said anything, such as who looks whether the port is open,
    /// nothing is said.
    pub(crate) fn left(&self, peer: Option<SocketAddr>, log: &Log) {
        if self.asked.is_some() {
            self.ended(peer, "client unexpected eof", log);
        }
    }

    fn ended(&self, peer: Option<SocketAddr>, why: &str, log: &Log) {
        if log.disconnections {
            info!(
                database = self.database(),
                user = self.user(),
                client = self.number,
                peer = place(peer),
                "closing because: {why} (age={}s)",
                self.since.elapsed().as_secs()
            );
        }
    }

    fn database(&self) -> Option<&str> {
        self.asked.as_ref().map(|(database, _)| &**database)
    }

    fn user(&self) -> Option<&str> {
        self.asked.as_ref().map(|(_, user)| &**user)
    }
}

/// Where a client is, for the log.
pub(crate) fn place(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "unix".to_owned(), |address| address.to_string())
}
