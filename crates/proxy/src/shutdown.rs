//! How the pooler ends: what a shutdown waits for, and which signal means which.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pgweir_console::ShutdownMode;
use pgweir_pool::driver::{Draining, Message};
use tokio::time::Instant;
use tracing::info;

use crate::halt;
use crate::registry::Registry;
use crate::slots::Slots;

/// What SIGTERM and SIGINT mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// Both let transactions finish, for `shutdown_timeout` at most.
    Own,
    /// SIGTERM waits for clients to leave, SIGINT for servers to come back, and SIGQUIT for nothing.
    PgBouncer,
}

/// What a shutdown waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Transactions to end, for `shutdown_timeout` at most; clients are closed behind them.
    Transactions,
    /// Servers to come back. Who needs one is refused.
    Servers,
    /// Clients to leave.
    Clients,
    /// The same, for `shutdown_timeout` at most: new ones go to another process. Then transactions to end.
    Succeeded,
}

impl Wait {
    /// In PgBouncer's words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Transactions => "waiting for transactions to end",
            Self::Servers => "waiting for all servers connections to be released",
            Self::Clients | Self::Succeeded => "waiting for all clients disconnect",
        }
    }

    /// Whether it lasts until others do something, so that an administrator has to be able to look what it waits for.
    pub(crate) fn has_no_end(self) -> bool {
        match self {
            Self::Servers | Self::Clients => true,
            Self::Transactions | Self::Succeeded => false,
        }
    }

    /// What an administrator wants waited for; `None` is nothing.
    pub(crate) fn of(mode: ShutdownMode) -> Option<Self> {
        match mode {
            ShutdownMode::Immediate => None,
            ShutdownMode::WaitForServers => Some(Self::Servers),
            ShutdownMode::WaitForClients => Some(Self::Clients),
        }
    }
}

/// A shutdown under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopping {
    wait: Wait,
    /// When it ends whatever it waits for.
    pub(crate) ends: Option<Instant>,
}

impl Stopping {
    /// Begins a shutdown, or has one wait for something else from now on. New clients are refused.
    pub(crate) fn begin(registry: &Registry, wait: Wait) -> Self {
        let clients = registry.clients_count();
        // What is suspended would never end.
        let is_suspended = registry.halts().everything() == Some(pgweir_pool::halts::Stop::Suspend);
        if is_suspended {
            halt::resume(registry, None).expect("just seen to be stopped");
        }
        // Who was accepted before the successor did is let in.
        let is_closed = wait != Wait::Succeeded;
        registry.draining.store(is_closed, Ordering::Release);
        let drain = |draining| {
            for worker in &registry.workers {
                worker.send(Message::Drain(draining));
            }
        };
        let mut ends = None;
        match wait {
            Wait::Transactions => {
                info!(clients, "shutting down; transactions may finish");
                drain(Draining::Clients);
                ends = Some(Instant::now() + registry.config().shutdown_timeout);
            }
            Wait::Servers => {
                info!(
                    clients,
                    "shutting down when all servers are back; no other is given out"
                );
                // It may be paused already.
                let _ = halt::pause(registry, None);
                drain(Draining::Waiters);
            }
            Wait::Clients => info!(clients, "shutting down when all clients have left"),
            Wait::Succeeded => {
                info!(
                    clients,
                    "another process has taken over; shutting down when all clients have left"
                );
                ends = Some(Instant::now() + registry.config().shutdown_timeout);
            }
        }
        Self { wait, ends }
    }

    /// Whether what it waits for has come.
    pub(crate) fn is_over(&self, registry: &Registry, slots: &Slots) -> bool {
        match self.wait {
            Wait::Transactions | Wait::Clients => registry.clients_count() == 0,
            Wait::Succeeded => registry.has_no_clients() && slots.count() == 0,
            Wait::Servers => {
                let mut pools = registry.pools().into_iter();
                pools.all(|pool| pool.counts().active == 0)
            }
        }
    }
}

impl Stopping {
    /// Whether another process serves in the place of this one, which waits for its clients to leave.
    pub(crate) fn is_succeeded(&self) -> bool {
        self.wait == Wait::Succeeded
    }
}

/// A moment that no shutdown lasts to, where none has a time of its own.
pub(crate) const FAR: Duration = Duration::from_secs(3600);
