//! What each PostgreSQL was seen to do, where the probes write and all others read.

pub(crate) mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pgweir_config::{Config, ServerAddress};
use pgweir_telemetry::postgres::{PostgresSnapshot, Seen, Sight};
use tokio::sync::{Notify, broadcast};

use target::Target;

/// What the last look at a PostgreSQL came to.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Seen(Arc<Seen>),
    /// No connection could be made.
    Unreachable,
}

/// What all probes saw last.
#[derive(Debug)]
pub(crate) struct Probes {
    /// By the PostgreSQL's name; one that was not asked yet, or does not answer, is not among them.
    known: Mutex<BTreeMap<Arc<str>, Known>>,
    changed: Notify,
    again: Notify,
    /// Something was stopped, or goes on.
    halted: Notify,
    /// Databases that clients need for themselves.
    wanted: broadcast::Sender<(ServerAddress, Vec<u8>)>,
}

/// Databases that a busy probe may hear of later. One that missed some leaves its own.
const WANTED_MAX: usize = 16;

impl Default for Probes {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            changed: Notify::default(),
            again: Notify::default(),
            halted: Notify::default(),
            wanted: broadcast::Sender::new(WANTED_MAX),
        }
    }
}

impl Probes {
    /// A client needs a database for itself: a probe that is there leaves.
    pub(crate) fn leave(&self, server: &ServerAddress, database: &[u8]) {
        // Nobody hears it where nothing is probed.
        let _ = self.wanted.send((server.clone(), database.to_vec()));
    }

    /// What clients need for themselves from here on.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted(self.wanted.subscribe())
    }

    /// The configuration was read again.
    pub(crate) fn reconfigured(&self) {
        self.changed.notify_one();
    }

    /// Something was stopped, or goes on.
    pub(crate) fn halted(&self) {
        self.halted.notify_waiters();
    }

    /// Waits until something is stopped, or goes on, that makes it so.
    pub(crate) async fn wait_for_halt(&self, is_so: impl Fn() -> bool) {
        loop {
            let halted = self.halted.notified();
            if is_so() {
                return;
            }
            halted.await;
        }
    }

    /// Every PostgreSQL of the configuration.
    pub(crate) fn snapshot(&self, config: &Config) -> Vec<PostgresSnapshot> {
        let is_off = config.probe_interval.is_none() || config.http.listen.is_none();
        let known = self.known.lock().expect("no panic under the lock");
        let look = |target: Target| PostgresSnapshot {
            sight: match known.get(&target.name) {
                _ if is_off => Sight::Off,
                Some(Known::Seen(seen)) => Sight::Seen(seen.clone()),
                _ if target.account.is_none() => Sight::NoUser,
                Some(Known::Unreachable) | None => Sight::Away,
            },
            server: target.name,
            cores: target.cores,
        };
        target::all(config).into_iter().map(look).collect()
    }

    /// Has probes that failed try again, without the rest of their pause.
    pub(crate) fn try_again(&self) {
        self.again.notify_waiters();
    }

    /// Whether none of the PostgreSQLs of the configuration can be reached. One that refuses the probe
    /// can be; of one that is not probed nothing is known.
    pub(crate) fn reach_none(&self, config: &Config) -> bool {
        if config.probe_interval.is_none() || config.http.listen.is_none() {
            return false;
        }
        let targets = target::all(config);
        let known = self.known.lock().expect("no panic under the lock");
        let is_away = |target: &Target| matches!(known.get(&target.name), Some(Known::Unreachable));
        !targets.is_empty() && targets.iter().all(is_away)
    }

    /// Notes what the last look at a PostgreSQL came to; `None` if there is nothing to tell.
    pub(crate) fn set(&self, server: &Arc<str>, known: Option<Known>) {
        let mut all = self.known.lock().expect("no panic under the lock");
        match known {
            Some(known) => all.insert(server.clone(), known),
            None => all.remove(server),
        };
    }

    /// Waits until the configuration was read again.
    pub(crate) async fn wait_for_config(&self) {
        self.changed.notified().await;
    }

    /// Waits until probes that failed are to try again.
    pub(crate) async fn wait_for_retry(&self) {
        self.again.notified().await;
    }
}

/// Hears which databases clients need for themselves.
pub(crate) struct Wanted(broadcast::Receiver<(ServerAddress, Vec<u8>)>);

impl Wanted {
    /// Waits until a client may need this database.
    pub(crate) async fn wait_for(&mut self, server: &ServerAddress, database: &str) {
        loop {
            match self.0.recv().await {
                Ok((at, name)) if at != *server || name != database.as_bytes() => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
