//! A data-plane thread: its epoll loop around a driver.

mod list;
mod observe;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};
use pgweir_pool::driver::{Cancelled, Driver, Farewell, Peer, Readiness};
use pgweir_pool::id::{ClientId, WorkerId};
use pgweir_pool::time::Time;
use tracing::info;

use crate::admin::{Action, Outcome, Request};
use crate::mailbox::Letter;
use crate::pool_handle::PoolHandle;
use crate::registry::Registry;
use crate::shell::author;
use pgweir_config::Workers;

/// The token of the wake-up; clients have even tokens, servers odd ones below it.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// How often timeouts are looked at. They are promised to a tenth of a second, and in return
/// nothing is armed or disarmed for a query.
pub(crate) const SWEEP: Duration = Duration::from_millis(100);

/// Bytes read at once. One buffer per worker serves all its streams; large enough that a bulk
/// transfer is bound by the kernel's copying and not by the number of calls.
pub(crate) const SCRATCH_LEN: usize = 128 * 1024;

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
    driver: Driver<Registry>,
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
            driver: Driver::new(id, registry.clone(), SCRATCH_LEN),
            registry,
            told: Vec::new(),
        }
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// Waiting for events fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut letters = Vec::new();
        let mut swept = self.now;
        let mut waited = Duration::ZERO;
        loop {
            let before = self.registry.clock.now();
            let patience = self.patience(swept, before);
            if patience.is_none() {
                // No sweep will say so while it sleeps, and nobody is sent to a busy worker.
                self.set_busy(0);
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
            self.registry.workers[self.id.index()].take(&mut letters);
            for letter in letters.drain(..) {
                match letter {
                    Letter::Message(message) => self.driver.message(self.now, message),
                    Letter::Administer(client, request) => self.administer(client, request),
                    Letter::Suspend(answer) => {
                        self.driver.suspend(self.now);
                        // Who asked may have given up.
                        let _ = answer.send(self.driver.is_still());
                    }
                    Letter::EndMoving => self.driver.end_moving(self.now),
                    Letter::Resume => self.driver.resume(self.now),
                    Letter::List(request) => self.list(request),
                    Letter::Stop => {
                        self.driver.end_all(self.now);
                        self.carry_out();
                        return Ok(());
                    }
                }
                self.carry_out();
            }
            self.driver.take_turns(self.now);
            self.carry_out();
            if self.now - swept >= SWEEP {
                self.sweep(self.now - swept, waited);
                swept = self.now;
                waited = Duration::ZERO;
            }
            self.count_clients();
        }
    }

    /// How long to wait for events.
    fn patience(&self, swept: Time, now: Time) -> Option<Duration> {
        if self.driver.has_turns() {
            return Some(Duration::ZERO);
        }
        // Pools that were told of holders have to be told when the last of them has left.
        if self.driver.is_resting() && self.told.is_empty() {
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
        let peer = if token.0 & 1 == 0 {
            Peer::Client(slot)
        } else {
            Peer::Server(slot)
        };
        let readiness = Readiness {
            readable: event.is_readable(),
            hung_up: event.is_read_closed() || event.is_error(),
        };
        self.driver.ready(self.now, peer, readiness);
        self.carry_out();
    }

    /// Carries out what the driver ordered.
    fn carry_out(&mut self) {
        while let Some(order) = self.driver.poll_order() {
            self.registry.carry_out(order);
        }
    }

    fn sweep(&mut self, elapsed: Duration, waited: Duration) {
        let busy = elapsed.saturating_sub(waited).as_micros() * 1000 / elapsed.as_micros().max(1);
        let busy = u32::try_from(busy).expect("a share in thousandths");
        self.set_busy(busy);
        self.count_work();
        self.driver.sweep(self.now, self.relief(busy));
        self.carry_out();
        self.note_holders();
        self.note_waiters();
        self.note_services();
    }

    /// Where clients should go, and how many, when this worker has too much to do.
    fn relief(&self, busy: u32) -> Option<(WorkerId, u32)> {
        if busy < OVERLOADED_PERMILLE || self.registry.config().workers != Workers::Auto {
            return None;
        }
        let others = self.registry.workers.iter().filter(|w| w.id != self.id);
        let least = others.min_by_key(|w| w.busy())?;
        let some = u32::try_from(self.driver.clients_count() / 8)
            .unwrap_or(u32::MAX)
            .max(1);
        (least.busy() < TAKING_PERMILLE).then_some((least.id, some))
    }

    /// Does what an administrator asks for.
    fn administer(&mut self, name: ClientId, request: Request) {
        let Some(author) = self.driver.client(name).map(author) else {
            return;
        };
        let outcome = match request.action {
            Action::Cancel => self.driver.cancel(self.now, name).map(|it| match it {
                Cancelled::Sent => Outcome::CancelSent,
                Cancelled::WaitEnded => Outcome::WaitEnded,
                Cancelled::NothingRuns => Outcome::NothingRuns,
            }),
            Action::End => self
                .driver
                .end(self.now, name, Farewell::Administrator)
                .then_some(Outcome::Ended),
        };
        let outcome = outcome.expect("a client that was there a moment ago");
        let asked = match request.action {
            Action::Cancel => "to cancel what a client does",
            Action::End => "to end a client",
        };
        info!(
            database = &*author.database,
            user = &*author.user,
            client = author.client,
            application_name = author.application,
            by = %request.by,
            outcome = outcome.name(),
            "an administrator asked {asked}",
        );
        // The administrator may have gone; it is done all the same.
        let _ = request.answer.send(outcome);
    }

    fn set_busy(&self, permille: u32) {
        let own = &self.registry.workers[self.id.index()];
        own.busy_permille.store(permille, Ordering::Relaxed);
    }

    /// Shows how many clients live here, for whoever chooses a worker for the next one.
    fn count_clients(&self) {
        let own = &self.registry.workers[self.id.index()];
        let clients = u32::try_from(self.driver.clients_count()).unwrap_or(u32::MAX);
        own.clients.store(clients, Ordering::Relaxed);
    }
}
