//! Who holds the locks, in words.

use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::ServerId;
use pgweir_pool::relay::Hold;
use pgweir_pool::time::Time;
use tracing::warn;

use crate::insight::Holder;
use crate::locks::{LockOwner, Sighting, Stranger};
use crate::pool_handle::{PoolHandle, pool_of};
use crate::registry::Registry;

/// Somebody who holds locks that others wait for, as he is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// The PostgreSQL where that is.
    pub(crate) postgres: Arc<str>,
    pub(crate) kind: LockHolder,
    /// PostgreSQL's process; `None` for a prepared transaction.
    pub(crate) pid: Option<u32>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application: String,
    /// What it does; empty where that is hidden.
    pub(crate) state: String,
    /// For how long.
    pub(crate) since: Option<Duration>,
    /// What it executed last, without literals; empty where that is hidden.
    pub(crate) text: String,
    /// Sessions that wait for its locks, also those behind others that do.
    pub(crate) sessions: u32,
}

/// What a [`Blocker`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockHolder {
    /// A client of ours, by its number for cancel requests.
    Client(u32),
    /// Clients of ours that hold a server for moments only, one after another.
    Clients,
    /// A server of ours that no client holds.
    Server,
    /// A session that does not come through here.
    Elsewhere,
    /// A transaction that was prepared.
    Prepared,
}

impl Registry {
    /// Whose locks most of the pool's servers wait for that wait for any; or else those of the pools
    /// that may share a limit with it.
    pub(crate) fn blocker_of(&self, pool: &PoolHandle) -> Option<Blocker> {
        let looks = self.locks.looks();
        let own = looks.main_root(|server| pool.owns(server));
        let seen = own.or_else(|| {
            let is_rival = |server| {
                let of = self.live_pool(pool_of(server));
                of.is_some_and(|of| of.database == pool.database || of.user == pool.user)
            };
            looks.main_root(is_rival)
        })?;
        Some(self.blocker(seen))
    }

    /// All who hold locks that others wait for, the one that most wait for first.
    pub(crate) fn blockers(&self) -> Vec<Blocker> {
        let looks = self.locks.looks();
        let mut all: Vec<Blocker> = looks.sightings().map(|seen| self.blocker(seen)).collect();
        all.sort_by_key(|blocker| std::cmp::Reverse(blocker.sessions));
        all
    }

    /// Names the one who holds locks.
    pub(crate) fn blocker(&self, seen: Sighting<'_>) -> Blocker {
        let Sighting { postgres, at, root } = seen;
        let nobody = Blocker {
            postgres: postgres.clone(),
            kind: LockHolder::Elsewhere,
            pid: root.pid,
            database: String::new(),
            user: String::new(),
            application: String::new(),
            state: String::new(),
            since: None,
            text: String::new(),
            sessions: root.sessions,
        };
        match &root.session {
            LockOwner::Gone => nobody,
            LockOwner::Prepared => Blocker {
                kind: LockHolder::Prepared,
                ..nobody
            },
            LockOwner::Stranger(stranger) => nobody.of_stranger(stranger),
            LockOwner::Ours(server) => match self.insight.holder_of(*server) {
                Some((holder, text)) if holder.since < at => nobody.of_client(&holder, text),
                // The next one has the server already.
                Some(_) | None => self.unheld(nobody, *server, at),
            },
        }
    }

    fn unheld(&self, nobody: Blocker, server: ServerId, at: Time) -> Blocker {
        let Some(pool) = self.live_pool(pool_of(server)) else {
            return nobody;
        };
        Blocker {
            kind: match pool.idle_from(server) {
                Some(since) if since < at => LockHolder::Server,
                Some(_) | None => LockHolder::Clients,
            },
            database: pool.database.to_string(),
            user: pool.user.to_string(),
            ..nobody
        }
    }
}

impl Blocker {
    fn of_client(self, holder: &Holder, text: String) -> Self {
        Self {
            kind: LockHolder::Client(holder.author.client),
            database: holder.author.database.to_string(),
            user: holder.author.user.to_string(),
            application: holder.author.application.clone(),
            state: holder.state().words().to_owned(),
            since: Some(match holder.hold {
                Hold::Busy => holder.running,
                Hold::InTransaction | Hold::Asking | Hold::Pinned(_) | Hold::Free => holder.quiet,
            }),
            text,
            ..self
        }
    }

    fn of_stranger(self, stranger: &Stranger) -> Self {
        Self {
            database: stranger.database.clone(),
            user: stranger.user.clone(),
            application: stranger.application.clone(),
            state: stranger.state.clone(),
            since: stranger.since,
            text: stranger.text.clone(),
            ..self
        }
    }

    /// Who it is, what it does, and its last statement.
    pub(crate) fn sentence(&self) -> String {
        self.sentence_with(&self.text)
    }

    /// The same for a client of `pool`, which reads the statements of its own user only: to others
    /// PostgreSQL does not show them either.
    pub(crate) fn sentence_for(&self, pool: &PoolHandle) -> String {
        let is_own = *self.user == *pool.user;
        self.sentence_with(if is_own { &self.text } else { "" })
    }

    /// Writes it into the log.
    pub(crate) fn warn(&self) {
        warn!(
            server = &*self.postgres,
            server_pid = self.pid,
            database = self.database,
            user = self.user,
            client = self.client(),
            application_name = self.application,
            statement = self.text,
            "{} for locks held by {}",
            sessions_wait(self.sessions),
            self.who(),
        );
    }

    /// The client's number, if it is one of ours.
    pub(crate) fn client(&self) -> Option<u32> {
        match self.kind {
            LockHolder::Client(number) => Some(number),
            LockHolder::Clients
            | LockHolder::Server
            | LockHolder::Elsewhere
            | LockHolder::Prepared => None,
        }
    }

    fn sentence_with(&self, text: &str) -> String {
        let mut sentence = format!("The locks are held by {}", self.who());
        if !text.is_empty() {
            sentence += &format!("; its last statement: {text}");
        }
        sentence + "."
    }

    /// Who it is, and what it does.
    fn who(&self) -> String {
        let name = format!("{}/{}", self.database, self.user);
        let who = match self.kind {
            LockHolder::Client(number) => format!("client {number} of {name}"),
            LockHolder::Clients => format!("clients of {name}, each for a moment"),
            LockHolder::Server => format!(
                "a free server of {name}, on which a client left them as pg_advisory_lock does"
            ),
            LockHolder::Elsewhere if self.user.is_empty() => {
                "a process that does not serve the pooler".to_owned()
            }
            LockHolder::Elsewhere => {
                format!("a session of {name} that does not come through the pooler")
            }
            LockHolder::Prepared => "a prepared transaction (see pg_prepared_xacts)".to_owned(),
        };
        let mut marks = Vec::new();
        if !self.application.is_empty() {
            marks.push(format!("application_name {}", self.application));
        }
        marks.extend(self.pid.map(|pid| format!("server process {pid}")));
        let mut text = who;
        if !marks.is_empty() {
            text += &format!(" ({})", marks.join(", "));
        }
        if !self.state.is_empty() {
            text += &format!(", {}", self.state);
            if let Some(since) = self.since {
                text += &format!(" for {} s", since.as_secs());
            }
        }
        text
    }
}

fn sessions_wait(sessions: u32) -> String {
    if sessions == 1 {
        "1 session waits".to_owned()
    } else {
        format!("{sessions} sessions wait")
    }
}

#[cfg(test)]
mod tests;
