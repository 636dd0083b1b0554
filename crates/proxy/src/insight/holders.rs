//! Who holds servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pgweir_pool::id::{ServerId, WorkerId};
use pgweir_pool::pin::Pin;
use pgweir_pool::relay::Hold;
use pgweir_pool::session::{Holding, Pinned};
use pgweir_pool::time::Time;
use pgweir_pool::waits::Held;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_telemetry::live::HolderState;
use tracing::warn;

use crate::insight::Author;
use crate::locks::Looks;
use crate::pool_handle::PoolHandle;
use pgweir_config::PoolConfig;

/// Holders that are shown per worker.
const HOLDERS_MAX: usize = 100;

/// A lease that is shorter is the ordinary case, and shown by no name.
pub(crate) const NOTED_AFTER: Duration = Duration::from_millis(100);

/// A client that holds a server.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) pool: Arc<PoolHandle>,
    pub(crate) author: Author,
    /// `None` over a unix socket.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) hold: Hold,
    /// When it got the server.
    pub(crate) since: Time,
    pub(crate) held: Duration,
    pub(crate) quiet: Duration,
    pub(crate) running: Duration,
    /// What it executed last.
    pub(crate) statement: Fingerprint,
    /// What state of its session keeps the server, if one does.
    pub(crate) pinned: Option<Pinned>,
    pub(crate) server: ServerId,
    /// PostgreSQL's process.
    pub(crate) server_pid: Option<u32>,
    /// What it has to do with locks, as a probe saw it.
    pub(crate) locking: Locking,
    pub(crate) is_leak: bool,
}

/// What a server has to do with locks that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locking {
    /// Nothing.
    Free,
    /// Its statement waits for one.
    Waits,
    /// So many sessions wait for one that it holds.
    Blocks(u32),
}

/// Those of one worker, and what they do by pool.
#[derive(Default)]
pub(crate) struct Holders {
    noted: Vec<Holder>,
    by_pool: Vec<(Arc<PoolHandle>, Held)>,
}

impl Holders {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Holder> {
        self.noted.iter()
    }

    /// Notes what a client of `pool` does with the server that it has `held` for so long.
    pub(crate) fn note(
        &mut self,
        pool: &Arc<PoolHandle>,
        config: &PoolConfig,
        held: Duration,
        holding: &Holding,
        locking: Locking,
    ) -> Noted {
        if let Some(pinned) = holding.pinned
            && let Some(many) = self.of(pool).by_pin.get_mut(pinned.pin)
        {
            *many += 1;
        }
        if held < NOTED_AFTER {
            return Noted::No;
        }
        let held = self.of(pool);
        let is_quiet = holding.quiet >= NOTED_AFTER;
        held.blocking += u32::from(matches!(locking, Locking::Blocks(_)));
        match holding.hold {
            Hold::Busy if locking == Locking::Waits => held.locked += 1,
            Hold::Busy => {
                let slow = config.slow_query_time.unwrap_or(Duration::MAX);
                held.slow += u32::from(holding.running >= slow);
            }
            Hold::InTransaction => held.idle_in_transaction += u32::from(is_quiet),
            Hold::Pinned(_) => held.pinned += u32::from(is_quiet),
            Hold::Asking | Hold::Free => {}
        }
        let bound = config.leak_time.unwrap_or(Duration::MAX);
        let is_leak = match holding.hold {
            // In session mode, and for replication, that is what was asked for.
            Hold::Pinned(Pin::Session | Pin::Replication)
            | Hold::Busy
            | Hold::Asking
            | Hold::Free => false,
            Hold::InTransaction | Hold::Pinned(_) => holding.quiet >= bound,
        };
        held.leaks += u32::from(is_leak);
        // Who is to blame is shown however many there are: a probe tells of few at once.
        if self.noted.len() < HOLDERS_MAX || matches!(locking, Locking::Blocks(_)) {
            Noted::Shown { is_leak }
        } else {
            Noted::No
        }
    }

    pub(crate) fn show(&mut self, holder: Holder) {
        self.noted.push(holder);
    }

    /// Tells the pools what their clients at `worker` do; `before` are those that were told last.
    pub(crate) fn tell(&self, worker: WorkerId, before: &mut Vec<Arc<PoolHandle>>) {
        for pool in before.drain(..) {
            if !self.by_pool.iter().any(|(p, _)| Arc::ptr_eq(p, &pool)) {
                pool.holding(worker, Held::default());
            }
        }
        for (pool, held) in &self.by_pool {
            pool.holding(worker, *held);
            before.push(pool.clone());
        }
    }

    fn of(&mut self, pool: &Arc<PoolHandle>) -> &mut Held {
        let known = self.by_pool.iter().position(|(p, _)| Arc::ptr_eq(p, pool));
        let at = known.unwrap_or_else(|| {
            self.by_pool.push((pool.clone(), Held::default()));
            self.by_pool.len() - 1
        });
        &mut self.by_pool[at].1
    }
}

/// What [`Holders::note`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Nothing to show.
    No,
    /// To be shown.
    Shown {
        /// It holds the server for longer than it should.
        is_leak: bool,
    },
}

impl Locking {
    /// As the looks of the probes say of a client and its server.
    pub(crate) fn of(looks: &Looks, now: Time, holding: &Holding) -> Self {
        if looks.is_empty() {
            return Self::Free;
        }
        let running = u64::try_from(holding.running.as_micros()).unwrap_or(u64::MAX);
        let began = Time(now.0.saturating_sub(running));
        let is_busy = holding.hold == Hold::Busy;
        match looks.behind(holding.server, holding.since) {
            _ if is_busy && looks.is_blocked(holding.server, began) => Self::Waits,
            0 => Self::Free,
            sessions => Self::Blocks(sessions),
        }
    }

    /// Sessions that wait for locks it holds.
    pub(crate) fn behind(self) -> u32 {
        match self {
            Self::Free | Self::Waits => 0,
            Self::Blocks(sessions) => sessions,
        }
    }
}

impl Holder {
    /// Writes a leak into the log.
    pub(crate) fn warn(&self, text: &str) {
        let waiting = self.pool.counts().waiting;
        warn!(
            database = &*self.author.database,
            user = &*self.author.user,
            client = self.author.client,
            address = self.address.map(|address| address.to_string()),
            application_name = self.author.application,
            server_pid = self.server_pid,
            statement = text,
            waiting,
            "leak suspected: a client holds a server, {}, and has done nothing for {} s",
            self.state().words(),
            self.quiet.as_secs(),
        );
    }

    /// How long state of its session has kept the server, if it does.
    pub(crate) fn pinned_for(&self) -> Option<Duration> {
        let pinned = self.pinned?;
        Some(self.held.saturating_sub(pinned.since - self.since))
    }

    /// What it does.
    pub(crate) fn state(&self) -> HolderState {
        match self.hold {
            Hold::Busy if self.locking == Locking::Waits => HolderState::WaitingForLock,
            Hold::Busy => HolderState::Active,
            Hold::InTransaction => HolderState::IdleInTransaction,
            Hold::Asking | Hold::Pinned(_) | Hold::Free => HolderState::IdlePinned,
        }
    }
}

#[cfg(test)]
mod tests;
