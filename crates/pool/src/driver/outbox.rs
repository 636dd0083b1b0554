//! What decisions cause: messages to drivers and orders to the shell.
//!
//! A driver has an [`Outbox`], and so has whoever else tells pools something: the control plane for
//! each of its errands. Everything that happens between pools and the budget happens here, in this
//! order: a pool decides, its effects are taken out under its lock, then they are carried out. The
//! budget's lock is taken before a pool's, and no two pools' at once.

use std::collections::VecDeque;

use super::shell::{Platform, PoolOf, ServerStreamOf, SharedPool, Shell};
use super::{Client, Policy};
use crate::budget::{Group, Permit, PoolId, Standing, rival_served_before, rival_with_idle};
use crate::id::{ClientId, ClientRef, ServerId, WorkerId};
use crate::pool::{self, CloseReason, Failure, Place, Refusal};
use crate::server::{Delivery, Home, Server};
use crate::stock::{Effect, Granted, Stock};
use crate::time::Time;
use crate::waits::Load;

/// Whose sessions a shutdown ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draining {
    /// Everybody's, as soon as they are outside a transaction.
    Clients,
    /// Those of clients that wait for a server, or need one. Who has one keeps it, and who needs none stays.
    Waiters,
}

/// What a driver is told.
pub enum Message<P: Platform> {
    /// A client that has logged in, or comes from another worker, lives here from now on.
    Adopt(Box<Client<P>>),
    /// A client gets a server. With the pool, should the client be gone.
    Grant(P::Pool, Granted<P::ServerStream>),
    /// A client that waited at this place does not get a server.
    Refuse(ClientId, Place, Refusal),
    /// A client asks to cancel what it is doing.
    Cancel(ClientId, P::Ticket),
    /// What became of a cancel request for the server in this slot.
    CancelDone(ServerId, u32, Delivery),
    /// An idle server lives here from now on.
    TakeHome(P::Pool, ServerId),
    /// A server that lived in this slot is closed or lives elsewhere.
    Unhome(ServerId, u32),
    /// Pools have new rules.
    Reloaded,
    /// The pooler shuts down.
    Drain(Draining),
}

/// What the shell is to do.
pub enum Order<P: Platform> {
    /// Bring a message to the driver of another worker.
    Send(WorkerId, Message<P>),
    /// Open a server; then [`Outbox::opened`] or [`Outbox::failed`].
    Open(P::Pool, ServerId, Permit),
    /// Send a cancel request for the server that lives there; then [`Message::CancelDone`].
    Cancel {
        /// Where it goes.
        target: P::CancelTarget,
        /// The server.
        server: ServerId,
        /// Who is told when it has arrived.
        home: Home,
        /// Who asked for it.
        ticket: Option<P::Ticket>,
    },
}

/// Messages and orders that are not carried out yet.
///
/// Both queues are emptied after each input, and one input causes at most a few per server and
/// waiter of the pools it touches.
pub struct Outbox<P: Platform> {
    /// The worker whose driver this is; `None` on the control plane.
    here: Option<WorkerId>,
    local: VecDeque<Message<P>>,
    orders: VecDeque<Order<P>>,
}

impl<P: Platform> Outbox<P> {
    /// The outbox of a worker's driver, or of the control plane.
    pub fn new(here: Option<WorkerId>) -> Self {
        Self {
            here,
            local: VecDeque::new(),
            orders: VecDeque::new(),
        }
    }

    /// What the shell has to do next.
    pub fn poll_order(&mut self) -> Option<Order<P>> {
        self.orders.pop_front()
    }

    /// The next message of a driver to itself, which needs no thread.
    pub(super) fn poll_local(&mut self) -> Option<Message<P>> {
        self.local.pop_front()
    }

    /// Whether a driver has a message to itself.
    pub(super) fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// Sends a message to a driver.
    pub fn send(&mut self, to: WorkerId, message: Message<P>) {
        if self.here == Some(to) {
            self.local.push_back(message);
        } else {
            self.orders.push_back(Order::Send(to, message));
        }
    }

    /// Gives the shell an order.
    pub(super) fn order(&mut self, order: Order<P>) {
        self.orders.push_back(order);
    }

    /// Tells a pool what happened and carries out what it decides.
    pub fn decide<S: Shell<Platform = P>, T>(
        &mut self,
        shell: &S,
        pool: &P::Pool,
        now: Time,
        decide: impl FnOnce(&mut Stock<P::ServerStream>) -> T,
    ) -> T {
        // Empty as a rule, and then nothing is allocated.
        let mut effects = Vec::new();
        let outcome = pool.with(|stock| {
            let outcome = decide(stock);
            effects.extend(std::iter::from_fn(|| stock.poll_effect(now)));
            outcome
        });
        for effect in effects {
            self.carry_out(shell, pool, now, effect);
        }
        outcome
    }

    fn carry_out<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        pool: &P::Pool,
        now: Time,
        effect: Effect<P::ServerStream>,
    ) {
        match effect {
            Effect::Grant(granted) => {
                let home = ClientRef::from(granted.client).home();
                self.send(home, Message::Grant(pool.clone(), granted));
            }
            Effect::Refuse(client, place, refusal) => {
                let home = ClientRef::from(client).home();
                self.send(home, Message::Refuse(client, place, refusal));
            }
            Effect::Open(id) => self.open(shell, pool, now, id),
            Effect::Close(server, reason) => self.close(shell, now, server, Some(reason)),
        }
    }

    /// Closes a server that its pool has forgotten.
    pub fn close<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        now: Time,
        mut server: Box<Server<ServerStreamOf<S>>>,
        reason: Option<CloseReason>,
    ) {
        server.say_goodbye();
        if let Some(home) = server.home {
            self.send(home.worker, Message::Unhome(server.id, home.slot));
        }
        let permit = shell.close(server, reason);
        self.release(shell, now, permit);
    }

    /// Gives a connection back to the budget, and has the pools that wait for one ask again.
    pub fn release<S: Shell<Platform = P>>(&mut self, shell: &S, now: Time, permit: Permit) {
        shell.budget(|budget| budget.release(permit));
        self.feed(shell, now);
    }

    /// Tells the pools that wait for the budget that there is room.
    pub fn feed<S: Shell<Platform = P>>(&mut self, shell: &S, now: Time) {
        while let Some(pool) = shell.budget(|budget| budget.next_fed()) {
            let pool = shell.pool(pool);
            self.decide(shell, &pool, now, |stock| stock.core.budget_freed(now));
        }
    }

    /// Limits how many servers the pools of a group have together.
    pub fn limit<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        now: Time,
        group: Group,
        limit: Option<u32>,
    ) {
        shell.budget(|budget| budget.set_limit(group, limit));
        self.feed(shell, now);
    }

    /// Asks the budget for a connection; denied, a rival with an idle server gives it up.
    fn open<S: Shell<Platform = P>>(&mut self, shell: &S, pool: &P::Pool, now: Time, id: ServerId) {
        let mut effects = Vec::new();
        let (permit, rivals) = shell.budget(|budget| {
            let permit = budget.acquire(pool.id());
            if permit.is_some() {
                return (permit, Vec::new());
            }
            // Under the budget's lock, so that nobody feeds the pool before it knows that it is
            // hungry.
            let full = budget.full(pool.id()).cloned();
            pool.with(|stock| {
                stock.full = full;
                stock.core.denied(now, id);
                effects.extend(std::iter::from_fn(|| stock.poll_effect(now)));
            });
            (None, budget.rivals(pool.id()))
        });
        for effect in effects {
            self.carry_out(shell, pool, now, effect);
        }
        match permit {
            Some(permit) => self.order(Order::Open(pool.clone(), id, permit)),
            None => {
                let rivals = rivals.into_iter().map(|id| standing(shell, id));
                let rival = rival_with_idle(pool.with(|stock| stock.core.standing()), rivals);
                self.surrender(shell, now, rival);
            }
        }
    }

    /// Lets pools that stay hungry have servers of rivals whose clients came later.
    pub fn press<S: Shell<Platform = P>>(&mut self, shell: &S, now: Time) {
        let hungry: Vec<(PoolId, Vec<PoolId>)> = shell.budget(|budget| {
            let hungry = budget.hungry();
            hungry.map(|pool| (pool, budget.rivals(pool))).collect()
        });
        for (id, rivals) in hungry {
            let pool = shell.pool(id);
            let claim = pool.with(|stock| stock.core.standing());
            if claim.wanted_since.is_none() {
                continue;
            }
            let loads = rivals
                .iter()
                .map(|&rival| shell.pool(rival).with(|stock| stock.load(now)));
            let load = loads.fold(Load::default(), Load::with);
            pool.with(|stock| stock.rivals = load);
            let rivals = rivals.into_iter().map(|id| standing(shell, id));
            self.surrender(shell, now, rival_served_before(claim, rivals));
        }
    }

    fn surrender<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        now: Time,
        rival: Option<PoolOf<S>>,
    ) {
        if let Some(rival) = rival {
            self.decide(shell, &rival, now, |stock| stock.core.surrender(now));
        }
    }

    /// Sees to what is due in `pools`, then to pools that the budget keeps hungry. Called once per
    /// sweep.
    pub fn sweep<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        now: Time,
        pools: impl IntoIterator<Item = P::Pool>,
    ) {
        for pool in pools {
            self.decide(shell, &pool, now, |stock| stock.core.tick(now));
        }
        self.press(shell, now);
    }

    /// A server has logged in; nobody heard its events so far. If no waiter takes it at once, the
    /// worker `home` hears them.
    pub fn opened<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        pool: &P::Pool,
        now: Time,
        server: Box<Server<P::ServerStream>>,
        (home, jitter_permille): (WorkerId, u32),
    ) {
        let id = server.id;
        self.decide(shell, pool, now, |stock| {
            stock.totals.server_logins += 1;
            stock.parked.insert(id, server);
            stock.core.opened(now, id, home, jitter_permille);
        });
        self.send(home, Message::TakeHome(pool.clone(), id));
    }

    /// A server could not be opened. `is_full`: PostgreSQL had no connection left.
    pub fn failed<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        pool: &P::Pool,
        now: Time,
        id: ServerId,
        (permit, is_full, failure): (Permit, bool, Failure),
    ) {
        // First, or the connection that becomes free lets the pool try again without a pause.
        self.decide(shell, pool, now, |stock| {
            stock.totals.server_login_failures += 1;
            stock.postgres_full = is_full;
            stock.core.failed(now, id, failure);
        });
        self.release(shell, now, permit);
    }

    /// A pool has new settings; with `retire`, its servers have to be opened anew for them.
    pub fn reconfigure<S: Shell<Platform = P>>(
        &mut self,
        shell: &S,
        pool: &P::Pool,
        now: Time,
        (bounds, policy, retire): (pool::Bounds, &Policy, bool),
    ) {
        self.decide(shell, pool, now, |stock| {
            stock.reconfigure(now, bounds, policy.check_delay, retire);
        });
    }
}

fn standing<S: Shell>(shell: &S, id: PoolId) -> (PoolOf<S>, Standing) {
    let pool = shell.pool(id);
    let standing = pool.with(|stock| stock.core.standing());
    (pool, standing)
}
