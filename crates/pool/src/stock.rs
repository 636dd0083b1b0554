//! A pool with the servers that nobody holds and what is counted of it: what stands behind one lock.
//!
//! Whoever shares it holds the lock for one decision at a time and never across I/O that can block.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::accepted::Known;
use crate::budget::Group;
use crate::id::{ClientId, ServerId, WorkerId};
use crate::pool::{self, Action, Checkout, CloseReason, Condition, Place, Pool, Refusal};
use crate::server::Server;
use crate::stream::Stream;
use crate::time::Time;
use crate::upstream::audit::{HUNT, News, SUSPECTS_MAX, Suspects};
use crate::upstream::sequences::Readers;
use crate::waits::{self, Cause, Held, Load};
use crate::work::Totals;

/// A server for a client, taken out of the stock.
#[derive(Debug)]
pub struct Granted<S> {
    /// Who gets it.
    pub client: ClientId,
    /// The server.
    pub server: Box<Server<S>>,
    /// The client's place, should the server turn out to be dead.
    pub place: Place,
    /// It was idle for so long that it is checked first.
    pub check: bool,
}

/// What a client gets that asks for a server.
#[derive(Debug)]
pub enum Answer<S> {
    /// A server.
    Granted(Granted<S>),
    /// A place in the queue.
    Waits(Place),
    /// Nothing.
    Refused(Refusal),
}

/// An action of the pool with the server it acts on.
#[derive(Debug)]
pub enum Effect<S> {
    /// A client that waited gets a server.
    Grant(Granted<S>),
    /// A client that waited at this place does not get one.
    Refuse(ClientId, Place, Refusal),
    /// A server is to be opened.
    Open(ServerId),
    /// A server is to be closed; the pool has forgotten it.
    Close(Box<Server<S>>, CloseReason),
}

/// How long after its login a server that nobody had yet is known to answer, without a check.
const FRESH: Duration = Duration::from_secs(1);

/// A pool, its parked servers and its totals. `S` is the stream of a server.
#[derive(Debug)]
pub struct Stock<S> {
    /// The state machine. Servers that it names in actions are in `parked`.
    pub core: Pool,
    /// Idle servers, and those just being handed over.
    pub parked: BTreeMap<ServerId, Box<Server<S>>>,
    /// Since the start; a server's work is added when it is returned.
    pub totals: Totals,
    /// The limit that the budget named when it said no last.
    pub full: Option<Group>,
    /// The last login failed because PostgreSQL had no connection left.
    pub postgres_full: bool,
    /// Settings of clients that its servers have accepted.
    pub known: Known,
    /// Load of the rival pools that hold the shared limit this pool is waiting on, as of the last
    /// sweep that found it hungry.
    pub rivals: Load,
    /// Texts that left something behind unseen.
    suspects: Suspects,
    /// So many leases are audited because it is not known which text did.
    hunted: u32,
    /// What clients do with the servers they hold, by worker, as of its last sweep.
    held: Vec<Held>,
    /// Servers seen waiting for locks in statements too short to be noted, and until when that may
    /// be taken for the present.
    contended: (u32, Time),
    check_delay: Duration,
    wait_max: Duration,
}

impl<S: Stream> Stock<S> {
    /// An empty pool for `workers` workers whose servers are numbered from `first`. A server that
    /// was idle for `check_delay` is checked before it is used.
    pub fn new(
        bounds: pool::Bounds,
        check_delay: Duration,
        workers: usize,
        first: ServerId,
    ) -> Self {
        Self {
            wait_max: bounds.wait_max,
            core: Pool::new(bounds, workers, first),
            parked: BTreeMap::new(),
            totals: Totals::default(),
            full: None,
            postgres_full: false,
            known: Known::default(),
            rivals: Load::default(),
            suspects: Suspects::default(),
            hunted: 0,
            held: vec![Held::default(); workers],
            contended: (0, Time::default()),
            check_delay,
        }
    }

    /// Takes over a reloaded configuration; with `retire`, servers opened so far are not used
    /// again.
    pub fn reconfigure(
        &mut self,
        now: Time,
        bounds: pool::Bounds,
        check_delay: Duration,
        retire: bool,
    ) {
        self.check_delay = check_delay;
        self.wait_max = bounds.wait_max;
        self.core.set_bounds(now, bounds);
        if retire {
            self.core.retire(now);
        }
    }

    /// A client on worker `home` needs a server.
    pub fn check_out(&mut self, now: Time, client: ClientId, home: WorkerId) -> Answer<S> {
        let checkout = self.core.checkout(now, client, home);
        self.answer(now, checkout)
    }

    /// A client whose server was dead goes back to its place. The server was reported lost before.
    pub fn requeue(
        &mut self,
        now: Time,
        client: ClientId,
        home: WorkerId,
        place: Place,
    ) -> Answer<S> {
        let checkout = self.core.requeue(now, client, home, place);
        self.answer(now, checkout)
    }

    /// A server comes back clean, or as one that cannot be used again.
    ///
    /// # Panics
    /// If a server that is returned as clean is in use.
    pub fn check_in(
        &mut self,
        now: Time,
        mut server: Box<Server<S>>,
        home: WorkerId,
        condition: Condition,
    ) {
        if condition == Condition::Clean {
            assert!(
                server.is_reusable(),
                "a server in use went back to its pool"
            );
        }
        let id = server.id;
        self.count(&mut server);
        self.parked.insert(id, server);
        self.core.checkin(now, id, home, condition);
    }

    /// A server that a client held is gone; its work is counted.
    pub fn lost(&mut self, now: Time, server: &mut Server<S>) {
        self.count(server);
        self.forget(server);
        self.core.lost(now, server.id);
    }

    /// A parked server is gone. It is given out, to be closed.
    pub fn lost_parked(&mut self, now: Time, id: ServerId) -> Option<Box<Server<S>>> {
        self.core.lost(now, id);
        let mut server = self.parked.remove(&id)?;
        self.forget(&mut server);
        Some(server)
    }

    /// Reads what came from a parked server. Its end makes it lost: then it is given out, to be
    /// closed.
    pub fn drain(
        &mut self,
        now: Time,
        id: ServerId,
        hung_up: bool,
        scratch: &mut [u8],
    ) -> Option<Box<Server<S>>> {
        let server = self.parked.get_mut(&id)?;
        server.ready(true, hung_up);
        if server.drain(scratch) {
            return None;
        }
        self.lost_parked(now, id)
    }

    /// What the pool wants done next, with the server it concerns.
    pub fn poll_effect(&mut self, now: Time) -> Option<Effect<S>> {
        let action = self.core.poll_action()?;
        Some(match action {
            Action::Open(id) => Effect::Open(id),
            Action::Close(id, reason) => {
                let mut server = self.unpark(id);
                self.forget(&mut server);
                Effect::Close(server, reason)
            }
            Action::Grant(grant) => Effect::Grant(self.hand_out(now, grant)),
            Action::Refuse(client, place, refusal) => {
                self.refused(now, refusal);
                Effect::Refuse(client, place, refusal)
            }
        })
    }

    /// Counts work of a server that stays with its client.
    pub fn count(&mut self, server: &mut Server<S>) {
        let observer = &mut server.upstream.observer;
        self.totals.take(&mut observer.work);
        self.totals.take_found(&mut observer.trace.found);
        self.forget(server);
        server.counted_statements = server.upstream.statements();
        self.totals.statements += server.counted_statements;
        if let Some(news) = server.upstream.audit.take_news() {
            self.learn(&news);
        }
    }

    /// What a server keeps is no longer counted.
    fn forget(&mut self, server: &mut Server<S>) {
        self.totals.statements -= std::mem::take(&mut server.counted_statements);
    }

    /// Something was left on a server that no text told of.
    #[cold]
    fn learn(&mut self, news: &News) {
        if news.hunts {
            self.hunted = HUNT;
        }
        let suspects = Arc::make_mut(&mut self.suspects);
        for hash in &news.suspects {
            if !suspects.contains(hash) {
                if suspects.len() == SUSPECTS_MAX {
                    suspects.remove(0);
                }
                suspects.push(*hash);
            }
        }
    }

    /// Counts a client that did not get a server.
    pub fn refused(&mut self, now: Time, refusal: Refusal) {
        let totals = &mut self.totals;
        let (count, time) = match refusal {
            // It did not wait.
            Refusal::QueueFull => (&mut totals.refusals_queue_full, None),
            Refusal::Timeout => (&mut totals.refusals_timeout, Some(self.wait_max)),
            // How long is not known, and not what matters.
            Refusal::LoginFailing => (&mut totals.refusals_login_failing, Some(Duration::ZERO)),
        };
        *count += 1;
        if let Some(time) = time {
            let cause = self.cause(now);
            self.totals.waited(cause, time);
        }
    }

    /// What clients of one worker do with the servers they hold.
    pub fn holding(&mut self, worker: WorkerId, held: Held) {
        self.held[worker.index()] = held;
    }

    /// Of so many servers the statement had just begun to wait for a lock when a probe looked; that
    /// is worth something until `until`.
    pub fn contended(&mut self, servers: u32, until: Time) {
        self.contended = (servers, until);
    }

    /// What clients do with the servers they hold.
    pub fn held(&self) -> Held {
        Held::sum(&self.held)
    }

    /// Servers in use, and what is done there.
    pub fn load(&self, now: Time) -> Load {
        let mut held = self.held();
        let (contended, until) = self.contended;
        if now < until {
            // Not added: some may have waited for so long since that they are noted.
            held.locked = held.locked.max(contended);
        }
        Load {
            active: self.core.counts().active,
            held,
        }
    }

    /// Why a client that needs a server has to wait, if none is free.
    pub fn cause(&self, now: Time) -> Cause {
        waits::cause(
            self.core.shortage(now),
            self.load(now),
            self.rivals,
            self.full.as_ref(),
            self.postgres_full,
        )
    }

    fn answer(&mut self, now: Time, checkout: Checkout) -> Answer<S> {
        match checkout {
            Checkout::Granted(grant) => Answer::Granted(self.hand_out(now, grant)),
            Checkout::Waits(place) => Answer::Waits(place),
            Checkout::Refused(refusal) => {
                self.refused(now, refusal);
                Answer::Refused(refusal)
            }
        }
    }

    fn hand_out(&mut self, now: Time, grant: pool::Grant) -> Granted<S> {
        self.waited(now, grant.place.since, grant.is_new);
        let mut server = self.unpark(grant.server);
        server.upstream.tables_as_of(self.totals.reshaped);
        let is_wanted = self.hunted > 0;
        self.hunted -= u32::from(is_wanted);
        server.upstream.given(&self.suspects, is_wanted);
        let readers = Readers::of(self.totals.sequence_reads, self.totals.transactions);
        server.upstream.sequences.given(grant.client, readers);
        let idle = now - grant.idle_since;
        // One that was opened for this client, or its greeting, has just answered.
        let is_fresh = grant.is_new && idle < FRESH;
        Granted {
            client: grant.client,
            server,
            place: grant.place,
            check: idle >= self.check_delay && !is_fresh,
        }
    }

    /// Counts a client that got a server and came `since`.
    fn waited(&mut self, now: Time, since: Time, is_new: bool) {
        let time = now - since;
        self.totals.wait_times.record(time);
        if !time.is_zero() {
            let cause = if self.core.was_paused_after(since) {
                Cause::Paused
            } else if is_new {
                Cause::Opening
            } else {
                self.cause(now)
            };
            self.totals.waited(cause, time);
        }
    }

    fn unpark(&mut self, id: ServerId) -> Box<Server<S>> {
        self.parked
            .remove(&id)
            .expect("the pool names parked servers")
    }
}
