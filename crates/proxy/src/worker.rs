//! A data-plane thread: its epoll loop, its clients, and the servers that live with it.

mod clients;
mod endings;
mod servers;
mod slots;
mod sweeps;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};
use pgweir_pool::id::WorkerId;
use pgweir_pool::time::Time;

pub(crate) use clients::Client;

use crate::effects::Effect;
use crate::outbox::{Message, Outbox};
use crate::pool_handle::PoolHandle;
use crate::registry::Registry;
use pgweir_config::Workers;
use servers::Entry;
use slots::Slots;

/// The token of the wake-up; clients have even tokens, servers odd ones below it.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// How often timeouts are looked at. They are promised to a tenth of a second, and in return
/// nothing is armed or disarmed for a query.
pub(crate) const SWEEP: Duration = Duration::from_millis(100);

/// Bytes read at once. One buffer per worker serves all its streams; large enough that a bulk
/// transfer is bound by the kernel's copying and not by the number of calls.
const SCRATCH_LEN: usize = 128 * 1024;

/// Readiness events taken at once.
const EVENTS_MAX: usize = 1024;

/// Busy share above which `workers = "auto"` moves clients to the next worker.
const OVERLOADED_PERMILLE: u32 = 850;

/// Busy share above which a worker takes none of them.
const TAKING_PERMILLE: u32 = 600;

pub(crate) struct Worker {
    id: WorkerId,
    poll: Poll,
    registry: Arc<Registry>,
    clients: Slots<Box<Client>>,
    servers: Slots<Entry>,
    scratch: Vec<u8>,
    outbox: Outbox,
    effects: Vec<Effect>,
    /// Clients that gave others a turn.
    turns: BTreeSet<u32>,
    /// Entries of `servers` that are on their way back to their pool.
    returning: Vec<u32>,
    /// Clients that may move to this worker when they are idle, before the next sweep.
    leaving: Option<(WorkerId, u32)>,
    draining: bool,
    /// Pools that know what their clients here hold.
    told: Vec<Arc<PoolHandle>>,
    now: Time,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, poll: Poll, registry: Arc<Registry>) -> Self {
        Self {
            id,
            poll,
            now: registry.clock.now(),
            registry,
            clients: Slots::default(),
            servers: Slots::default(),
            scratch: vec![0; SCRATCH_LEN],
            outbox: Outbox {
                here: Some(id),
                ..Outbox::default()
            },
            effects: Vec::new(),
            turns: BTreeSet::new(),
            returning: Vec::new(),
            leaving: None,
            draining: false,
            told: Vec::new(),
        }
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// Waiting for events fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut messages = Vec::new();
        let mut swept = self.now;
        let mut waited = Duration::ZERO;
        loop {
            let before = self.registry.clock.now();
            let patience = self.patience(swept, before);
            if patience.is_none() {
                // No sweep will say so while it sleeps, and nobody is sent to a busy worker.
                let own = &self.registry.workers[self.id.index()];
                own.busy_permille.store(0, Ordering::Relaxed);
            }
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            self.now = self.registry.clock.now();
            waited += self.now - before;
            for event in &events {
                self.ready(event);
            }
            self.registry.workers[self.id.index()].take(&mut messages);
            for message in messages.drain(..) {
                if !self.handle(message) {
                    return Ok(());
                }
            }
            for slot in std::mem::take(&mut self.turns) {
                self.pump_client(slot);
            }
            self.handle_local();
            if self.now - swept >= SWEEP {
                self.sweep(self.now - swept, waited);
                swept = self.now;
                waited = Duration::ZERO;
            }
        }
    }

    /// How long to wait for events.
    fn patience(&self, swept: Time, now: Time) -> Option<Duration> {
        if !self.turns.is_empty() {
            return Some(Duration::ZERO);
        }
        // Pools that were told of holders have to be told when the last of them has left.
        if self.clients.is_empty() && self.returning.is_empty() && self.told.is_empty() {
            return None;
        }
        Some(
            SWEEP
                .saturating_sub(now - swept)
                .max(Duration::from_millis(1)),
        )
    }

    fn ready(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKE {
            return;
        }
        let slot = (token.0 >> 1) as u32;
        if token.0 & 1 == 0 {
            self.client_ready(slot, event);
        } else {
            self.server_ready(slot, event);
        }
    }

    /// Handles what this worker has sent to itself, and what that causes.
    fn handle_local(&mut self) {
        while let Some(message) = self.outbox.local.pop_front() {
            let goes_on = self.handle(message);
            assert!(goes_on, "a worker does not tell itself to stop");
        }
    }

    /// Handles a message; false when it says to stop.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Adopt(client) => self.adopt(client),
            Message::Grant(pool, grant) => self.granted(&pool, grant),
            Message::Refuse(client, refusal) => self.refused(client, refusal),
            Message::Cancel(client, pending) => {
                self.cancel(client, Some(pending));
            }
            Message::Administer(client, request) => self.administer(client, request),
            Message::CancelDone(id, slot) => self.cancel_done(id, slot),
            Message::TakeHome(pool, id) => self.watch_parked(&pool, id),
            Message::Unhome(id, slot) => self.forget_server(id, slot),
            Message::Reloaded => self.reloaded(),
            Message::Drain => {
                self.draining = true;
                self.end_resting();
            }
            Message::Stop => {
                self.end_all();
                return false;
            }
        }
        true
    }

    fn sweep(&mut self, elapsed: Duration, waited: Duration) {
        let busy = elapsed.saturating_sub(waited).as_micros() * 1000 / elapsed.as_micros().max(1);
        let busy = u32::try_from(busy).expect("a share in thousandths");
        let own = &self.registry.workers[self.id.index()];
        own.busy_permille.store(busy, Ordering::Relaxed);
        self.leaving = self.relief(busy);
        self.count_work();
        self.sweep_clients();
        self.sweep_holders();
        self.sweep_waiters();
        self.sweep_returning();
        self.handle_local();
    }

    /// Where clients should go, and how many, when this worker has too much to do.
    fn relief(&self, busy: u32) -> Option<(WorkerId, u32)> {
        if busy < OVERLOADED_PERMILLE || self.registry.config().workers != Workers::Auto {
            return None;
        }
        let others = self.registry.workers.iter().filter(|w| w.id != self.id);
        let least = others.min_by_key(|w| w.busy())?;
        let some = u32::try_from(self.clients.len() / 8)
            .unwrap_or(u32::MAX)
            .max(1);
        (least.busy() < TAKING_PERMILLE).then_some((least.id, some))
    }
}
