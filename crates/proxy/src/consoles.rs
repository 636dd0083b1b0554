//! The sessions of the admin console there are: how many may be, what they did, how they end and are cancelled.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use pgweir_console::{Averages, Role};
use pgweir_telemetry::Snapshot;
use pgweir_wire::sqlstate::SqlState;
use pgweir_wire::startup::Startup;
use tokio::sync::{Notify, watch};

use crate::cancel_key::{CancelSecret, peered, random_pid};
use crate::texts::ClientError;

/// Sessions at once. Each may hold a message of 64 KiB and a piece of an answer.
const SESSIONS_MAX: usize = 64;

/// Sessions that are kept for administrators, however many look.
const RESERVED: usize = 16;

/// Time for the sessions to say goodbye when the pooler ends.
const PARTING_MAX: Duration = Duration::from_secs(1);

/// All sessions.
pub(crate) struct Consoles {
    open: Mutex<BTreeMap<u32, Arc<Open>>>,
    /// Commands that were done.
    commands: AtomicU64,
    averages: Mutex<Averages>,
    /// The pooler ends.
    ending: watch::Sender<bool>,
    /// A session ended.
    left: Notify,
}

impl Default for Consoles {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            commands: AtomicU64::new(0),
            averages: Mutex::default(),
            ending: watch::Sender::new(false),
            left: Notify::new(),
        }
    }
}

/// One session, as others see it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) user: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) application: String,
    /// What encrypts it; empty in the clear.
    pub(crate) tls: String,
    pub(crate) since: SystemTime,
    asked: Mutex<SystemTime>,
    secret: Mutex<Option<CancelSecret>>,
    cancel: Notify,
}

impl Open {
    /// When it asked for something last.
    pub(crate) fn asked(&self) -> SystemTime {
        *self.asked.lock().expect("no panic under the lock")
    }
}

impl Consoles {
    /// Lets a session begin.
    ///
    /// # Errors
    /// There are as many as may be.
    pub(crate) fn enter(
        &self,
        startup: &Startup,
        role: Role,
        (address, tls): (Option<SocketAddr>, String),
        peer: Option<NonZeroU16>,
    ) -> Result<Visit<'_>, ClientError> {
        let max = match role {
            Role::Admin => SESSIONS_MAX,
            Role::Stats => SESSIONS_MAX - RESERVED,
        };
        let mut open = self.lock();
        if open.len() >= max {
            let message = format!("too many sessions of the console ({max})");
            return Err(ClientError::new(SqlState::TOO_MANY_CONNECTIONS, message)
                .hint("Close some of them; SHOW CLIENTS lists them."));
        }
        let number = || peer.map_or_else(random_pid, |peer| peered(random_pid(), peer));
        let mut pid = number();
        while open.contains_key(&pid) {
            pid = number();
        }
        let parameters = &startup.parameters;
        let application = parameters
            .iter()
            .rfind(|(name, _)| name == "application_name");
        let now = SystemTime::now();
        let session = Arc::new(Open {
            user: startup.user.clone(),
            address,
            application: application
                .map(|(_, value)| value.clone())
                .unwrap_or_default(),
            tls,
            since: now,
            asked: Mutex::new(now),
            secret: Mutex::default(),
            cancel: Notify::new(),
        });
        open.insert(pid, session.clone());
        Ok(Visit {
            consoles: self,
            session,
            pid,
        })
    }

    /// A cancel request came; false if it is for no session.
    pub(crate) fn cancel(&self, pid: u32, key: &[u8]) -> bool {
        let session = self.lock().get(&pid).cloned();
        session.is_some_and(|session| {
            let secret = *session.secret.lock().expect("no panic under the lock");
            let is_its = secret.is_some_and(|secret| secret.is(key));
            if is_its {
                session.cancel.notify_waiters();
            }
            is_its
        })
    }

    /// The sessions there are, by their numbers.
    pub(crate) fn open(&self) -> Vec<(u32, Arc<Open>)> {
        let open = self.lock();
        open.iter()
            .map(|(pid, session)| (*pid, session.clone()))
            .collect()
    }

    /// So many more commands were done.
    pub(crate) fn did(&self, commands: u64) {
        self.commands.fetch_add(commands, Ordering::Relaxed);
    }

    /// Commands that were done.
    pub(crate) fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// What was done per second lately.
    pub(crate) fn averages(&self) -> Averages {
        let averages = self.averages.lock().expect("no panic under the lock");
        averages.clone()
    }

    /// A period of the averages is over.
    pub(crate) fn look(&self, snapshot: &Snapshot) {
        let mut averages = self.averages.lock().expect("no panic under the lock");
        averages.look(snapshot, self.commands());
    }

    /// Tells sessions when the pooler ends.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Has all sessions say goodbye.
    pub(crate) async fn part(&self) {
        self.ending.send_replace(true);
        let all = async {
            while !self.lock().is_empty() {
                self.left.notified().await;
            }
        };
        // Who does not take the last words goes without.
        let _ = tokio::time::timeout(PARTING_MAX, all).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Open>>> {
        self.open.lock().expect("no panic under the lock")
    }
}

/// A session while it lasts: it counts until this is dropped.
pub(crate) struct Visit<'a> {
    consoles: &'a Consoles,
    session: Arc<Open>,
    /// Its number for cancel requests.
    pub(crate) pid: u32,
}

impl Visit<'_> {
    /// What a cancel request has to know.
    pub(crate) fn may_be_cancelled_by(&self, secret: CancelSecret) {
        *self.session.secret.lock().expect("no panic under the lock") = Some(secret);
    }

    /// It asks for something.
    pub(crate) fn asks(&self) {
        *self.session.asked.lock().expect("no panic under the lock") = SystemTime::now();
    }

    /// Ends when what it does is cancelled.
    pub(crate) async fn canceled(&self) {
        self.session.cancel.notified().await;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.consoles.lock().remove(&self.pid);
        self.consoles.left.notify_one();
    }
}
