//! One pool of server connections: a database and a user.
//!
//! Callers feed it what happened together with the current [`Time`], then drain
//! [`Pool::poll_action`] until `None` and carry out each [`Action`]. There is one pool, one limit
//! and one queue whatever the number of workers; where a server and a client live only decides
//! between candidates that are equal otherwise.

mod action;
mod servers;

use std::collections::VecDeque;
use std::time::Duration;

pub use action::{
    Action, Bounds, Checkout, CloseReason, Condition, Counts, Failure, Grant, Refusal,
};
use servers::Servers;

use crate::budget::Standing;
use crate::id::{ClientId, ServerId, WorkerId};
use crate::time::Time;
pub use crate::waiters::Place;
use crate::waiters::{Waiter, Waiters};
use crate::waits::Shortage;

/// How much younger a waiter may be than the oldest of all and still be served before it, when it
/// lives on the worker that returns the server and the oldest does not.
///
/// Moving a server to another worker costs a wake-up and two `epoll_ctl`, some 20 µs; a bound well
/// above that keeps servers at home under load, and is small against any wait that hurts.
pub const HOME_PREFERENCE: Duration = Duration::from_millis(2);

/// Logins that one pool has under way at once. A login costs PostgreSQL about 5 ms of one core
/// (fork, catalog caches, SCRAM), so ten fill a pool of 100 in a tenth of a second on few cores
/// and a cold start does not fork a hundred processes at once.
pub const OPENING_MAX: u32 = 10;

/// Time for which a pool that was vacated opens servers only for clients that wait: as long as PostgreSQL
/// waits for a database to be left (`CountOtherDBBackends`).
pub const VACANT: Duration = Duration::from_secs(5);

/// How often a pool can be vacated. Any client of any database can ask for it, also without the right to
/// drop one, and must not cost others more than a login now and then. PostgreSQL waits for longer.
pub const VACATE_PAUSE: Duration = Duration::from_secs(1);

/// Servers, waiters and the limit of one database and user. See the module's description.
#[derive(Debug)]
pub struct Pool {
    bounds: Bounds,
    servers: Servers,
    waiters: Waiters,
    clients: u32,
    /// Since when someone needs to know the server's parameters before it can log in.
    warm: Option<Time>,
    /// The next server that is returned is closed in favour of another pool.
    surrendering: bool,
    /// The budget said no; nothing is opened until it says that something was freed.
    denied: bool,
    /// The last login failed, and when the next may be tried.
    retry_at: Option<Time>,
    /// What that login said of the next.
    failure: Failure,
    /// When it was vacated last, and whether it has to be again.
    vacated: Option<Time>,
    vacate_again: bool,
    /// Nothing is opened or given out, and what is not in use is closed.
    paused: bool,
    /// When a pause ended last.
    resumed: Option<Time>,
    actions: VecDeque<Action>,
}

impl Pool {
    /// An empty pool for `workers` workers, whose servers are numbered from `first_id`.
    ///
    /// # Panics
    /// If `workers` is zero.
    pub fn new(bounds: Bounds, workers: usize, first_id: ServerId) -> Self {
        assert!(workers > 0, "a pool serves at least one worker");
        Self {
            bounds,
            servers: Servers::new(workers, first_id),
            waiters: Waiters::new(workers),
            clients: 0,
            warm: None,
            surrendering: false,
            denied: false,
            retry_at: None,
            failure: Failure::Passing,
            vacated: None,
            vacate_again: false,
            paused: false,
            resumed: None,
            actions: VecDeque::new(),
        }
    }

    /// A client on worker `home` needs a server for its next transaction.
    pub fn checkout(&mut self, now: Time, client: ClientId, home: WorkerId) -> Checkout {
        let place = self.waiters.next_place(now);
        if self.waiters.len() >= self.bounds.waiters_max && self.servers.idle() == 0 {
            return self.refuse_now(now, Refusal::QueueFull);
        }
        self.serve(
            now,
            Waiter {
                client,
                home,
                place,
            },
        )
    }

    /// The server granted to a client was dead before a byte of the client's was sent: the client
    /// goes back to the place it had. The server is reported with `lost`, separately and first.
    pub fn requeue(
        &mut self,
        now: Time,
        client: ClientId,
        home: WorkerId,
        place: Place,
    ) -> Checkout {
        self.serve(
            now,
            Waiter {
                client,
                home,
                place,
            },
        )
    }

    /// A queued client went away. False if it is not queued, so it holds a server or was refused.
    pub fn leave(&mut self, now: Time, home: WorkerId, place: Place) -> bool {
        let was_queued = self.waiters.remove(home, place);
        self.settle(now);
        was_queued
    }

    /// Login succeeded; with nobody waiting the server is kept at `home`. Of its lifetime,
    /// `jitter_permille` thousandths are taken off, so that servers opened together do not end
    /// together.
    pub fn opened(&mut self, now: Time, id: ServerId, home: WorkerId, jitter_permille: u32) {
        assert!(jitter_permille <= 1000, "jitter is at most the whole life");
        let is_retired = self.servers.opened(now, id, jitter_permille);
        self.warm = None;
        if is_retired {
            self.close(id, CloseReason::Retired);
        } else if self.paused {
            self.close(id, CloseReason::Paused);
        } else {
            self.retry_at = None;
            self.servers.make_idle(now, id, home);
        }
        self.settle(now);
    }

    /// Connecting or logging in failed. Who waits for a greeting has to ask for it again (`warm`).
    pub fn failed(&mut self, now: Time, id: ServerId, failure: Failure) {
        let is_retired = self.servers.forget_opening(id);
        if self.paused {
            // PostgreSQL may be stopped. Whoever waits is tried for once the pause is over.
            return self.settle(now);
        }
        self.warm = None;
        // A login begun before a retirement says nothing about the present address.
        if !is_retired {
            self.retry_at = Some(now + self.bounds.login_retry);
            self.failure = failure;
        }
        if self.login_failing(now) {
            while let Some(waiter) = self.waiters.pop_oldest() {
                self.refuse(waiter, Refusal::LoginFailing);
            }
        }
        self.settle(now);
    }

    /// The login that failed last was tried only to see what a server reports: whoever needs a server may try
    /// again at once.
    pub fn forgive(&mut self) {
        self.retry_at = None;
    }

    /// The budget has no connection for this server. Nothing is opened until `budget_freed`.
    pub fn denied(&mut self, now: Time, id: ServerId) {
        self.servers.forget_opening(id);
        self.denied = true;
        self.settle(now);
    }

    /// A connection of the budget that this pool shares became free.
    pub fn budget_freed(&mut self, now: Time) {
        self.denied = false;
        self.settle(now);
    }

    /// A client returned its server on worker `home`.
    pub fn checkin(&mut self, now: Time, id: ServerId, home: WorkerId, condition: Condition) {
        assert!(
            self.servers.is_active(id),
            "a server that is returned was in use"
        );
        let is_retired = self.servers.is_retired(id);
        let is_over = self.servers.is_over(now, id, self.bounds.lifetime);
        match condition {
            Condition::Dirty => self.close(id, CloseReason::Dirty),
            Condition::Clean if is_retired => self.close(id, CloseReason::Retired),
            Condition::Clean if is_over => self.close(id, CloseReason::Lifetime),
            Condition::Clean if self.paused => self.close(id, CloseReason::Paused),
            Condition::Clean if self.surrendering => self.close(id, CloseReason::Evicted),
            Condition::Clean => self.servers.make_idle(now, id, home),
        }
        self.settle(now);
    }

    /// A server that was idle or held by a client broke.
    pub fn lost(&mut self, now: Time, id: ServerId) {
        self.remove(id);
        self.settle(now);
    }

    /// A client logged in to this pool.
    pub fn client_in(&mut self, now: Time) {
        self.clients += 1;
        self.settle(now);
    }

    /// A client of this pool logged out.
    pub fn client_out(&mut self, now: Time) {
        assert!(self.clients > 0, "a client that leaves has come");
        self.clients -= 1;
        self.settle(now);
    }

    /// A client cannot be greeted before one server has told its parameters: open one. False when
    /// logins fail and the pause after the last failure is not over.
    pub fn warm(&mut self, now: Time) -> bool {
        let none_open = self.servers.logged_in() == 0;
        let is_failing = self.login_failing(now);
        let is_wanted = none_open && !is_failing;
        self.warm = is_wanted.then(|| self.warm.unwrap_or(now));
        self.settle(now);
        !is_failing
    }

    /// Time passed. Called at least once per sweep; what is due is at most one sweep late.
    pub fn tick(&mut self, now: Time) {
        if self.vacate_again {
            self.vacate(now);
        }
        self.close_overdue(now);
        self.settle(now);
    }

    /// The configuration was reloaded.
    pub fn set_bounds(&mut self, now: Time, bounds: Bounds) {
        self.bounds = bounds;
        self.settle(now);
    }

    /// Servers opened so far are not used again: the address or the credentials changed.
    pub fn retire(&mut self, now: Time) {
        self.servers.retire();
        self.retry_at = None;
        self.close_overdue(now);
        self.settle(now);
    }

    /// No server is given out until [`Pool::resume`]: those that are free are closed, the others when they
    /// come back. Clients wait, for `wait_max` at most, and no failed login ends their wait.
    pub fn pause(&mut self, now: Time) {
        self.paused = true;
        self.settle(now);
    }

    /// Ends a pause. A login that failed before says nothing any more.
    pub fn resume(&mut self, now: Time) {
        if std::mem::take(&mut self.paused) {
            self.resumed = Some(now);
            self.retry_at = None;
        }
        self.settle(now);
    }

    /// Somebody needs the database for itself: servers opened so far are not used again, and none is opened
    /// that no client waits for, for [`VACANT`]. Within [`VACATE_PAUSE`] of the last time that is put off.
    pub fn vacate(&mut self, now: Time) {
        let is_early = self.vacated.is_some_and(|at| now < at + VACATE_PAUSE);
        self.vacate_again = is_early;
        if !is_early {
            self.vacated = Some(now);
            self.servers.retire();
            self.close_overdue(now);
        }
        self.settle(now);
    }

    /// Gives one connection up to another pool of the shared budget: the server that was unused
    /// for longest, or else the next one that is returned. False when there is none to give.
    pub fn surrender(&mut self, now: Time) -> bool {
        let has_servers = self.servers.logged_in() > 0;
        match self.longest_idle() {
            Some((_, id)) => self.close(id, CloseReason::Evicted),
            None => self.surrendering = has_servers,
        }
        self.settle(now);
        has_servers
    }

    /// What to do next; `None` when everything is done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        let idle = self.servers.idle();
        Counts {
            active: self.servers.logged_in() - idle,
            idle,
            opening: self.servers.opening(),
            waiting: u32::try_from(self.waiters.len()).unwrap_or(u32::MAX),
            waiting_since: self.waiters.oldest().map(|w| w.place.since),
        }
    }

    /// Since when someone wants a server that is not there: the oldest waiter, or a client that
    /// cannot be greeted before the pool has its first server.
    ///
    /// While paused it wants none, or a rival would give one up for nothing.
    fn wanted_since(&self) -> Option<Time> {
        if self.paused {
            return None;
        }
        let greeted = self.warm.filter(|_| self.servers.is_empty());
        let waiting = self.waiters.oldest().map(|w| w.place.since);
        greeted.into_iter().chain(waiting).min()
    }

    /// The name that its next server has: where a pool that takes its number goes on counting.
    pub fn next_server(&self) -> ServerId {
        self.servers.next()
    }

    /// Clients logged in.
    pub fn clients(&self) -> u32 {
        self.clients
    }

    /// Since when the longest unused server is idle, and which it is.
    pub fn longest_idle(&self) -> Option<(Time, ServerId)> {
        self.servers.longest_idle()
    }

    /// Whether a server is closed when it comes back, because the configuration changed since.
    pub fn is_retired(&self, id: ServerId) -> bool {
        self.servers.is_known(id) && self.servers.is_retired(id)
    }

    /// What decides between this pool and others of a shared limit.
    pub fn standing(&self) -> Standing {
        Standing {
            wanted_since: self.wanted_since(),
            servers: self.servers.logged_in(),
            longest_idle: self.longest_idle().map(|(since, _)| since),
        }
    }

    /// Since when a server is idle; `None` if it is not, or not known.
    pub fn idle_from(&self, id: ServerId) -> Option<Time> {
        self.servers.idle_from(id)
    }

    /// Whether servers are neither opened nor given out.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a pause ended after `since`.
    pub fn was_paused_after(&self, since: Time) -> bool {
        self.resumed.is_some_and(|at| since < at)
    }

    /// Servers that are not used again once they come back, or have logged in.
    pub fn retired(&self) -> usize {
        self.servers.retired()
    }

    /// Why no server can be opened for who waits now.
    pub fn shortage(&self, now: Time) -> Shortage {
        if self.paused {
            Shortage::Paused
        } else if self.servers.len() >= self.limit(now) {
            Shortage::Size
        } else if self.denied {
            Shortage::Budget
        } else if self.retry_at.is_some_and(|at| now < at) {
            Shortage::Login
        } else {
            Shortage::Opening
        }
    }

    /// Whether logins fail now, so that a client that comes has nothing to wait for.
    fn login_failing(&self, now: Time) -> bool {
        !self.paused
            && self.failure == Failure::Final
            && self.retry_at.is_some_and(|at| now < at)
            && !self.has_servers_to_come_back()
    }

    /// Whether there is a server that somebody may get, now or later: one that is retired is not given out again.
    fn has_servers_to_come_back(&self) -> bool {
        self.servers.len() > self.servers.retired()
    }

    /// Gives a client that comes an idle server, or a place in the queue. While a server is idle
    /// nobody waits, so nobody is passed over.
    fn serve(&mut self, now: Time, waiter: Waiter) -> Checkout {
        if self.login_failing(now) {
            return self.refuse_now(now, Refusal::LoginFailing);
        }
        let granted = self.take_idle(now, waiter);
        if granted.is_none() {
            self.waiters.insert(waiter);
        }
        self.settle(now);
        granted.map_or(Checkout::Waits(waiter.place), Checkout::Granted)
    }

    fn refuse_now(&mut self, now: Time, refusal: Refusal) -> Checkout {
        self.settle(now);
        Checkout::Refused(refusal)
    }

    /// The idle server that suits a client best: the one used last at its own worker, else one
    /// from elsewhere; or the one whose turn it is.
    fn take_idle(&mut self, now: Time, waiter: Waiter) -> Option<Grant> {
        loop {
            let id = if self.bounds.round_robin {
                self.servers.longest_idle()?.1
            } else {
                let at_home = self.servers.last_idle_at(waiter.home);
                at_home.or_else(|| self.servers.any_idle().map(|(id, _)| id))?
            };
            if let Some(grant) = self.grant_one(now, waiter, id) {
                return Some(grant);
            }
        }
    }

    /// Hands an idle server to a client; `None` if its life is over and it was closed.
    fn grant_one(&mut self, now: Time, waiter: Waiter, id: ServerId) -> Option<Grant> {
        if self.servers.is_over(now, id, self.bounds.lifetime) {
            self.close(id, CloseReason::Lifetime);
            return None;
        }
        let (idle_since, is_new) = self.servers.make_active(id);
        Some(Grant {
            client: waiter.client,
            server: id,
            idle_since,
            place: waiter.place,
            is_new,
        })
    }

    /// The only place where waiters, idle servers and the limit meet.
    fn settle(&mut self, now: Time) {
        if self.paused {
            self.close_idle();
        }
        // The reserve may be granted on while clients wait; what is beyond it, after the limits
        // were lowered, may not, or a busy pool would never shrink.
        let most = self.bounds.size_max as usize + self.bounds.reserve_max as usize;
        self.close_surplus(most);
        self.grant(now);
        self.refuse_overdue(now);
        self.close_surplus(self.bounds.size_max as usize);
        while self.wants_open(now) {
            let id = self.servers.open(now);
            self.actions.push_back(Action::Open(id));
        }
        self.check(now);
    }

    fn refuse_overdue(&mut self, now: Time) {
        while let Some(waiter) = self.waiters.oldest() {
            if now < waiter.place.since + self.bounds.wait_max {
                break;
            }
            self.waiters.remove(waiter.home, waiter.place);
            self.refuse(waiter, Refusal::Timeout);
        }
    }

    fn close_overdue(&mut self, now: Time) {
        let mut due = Vec::new();
        for id in self.servers.all_idle() {
            if self.servers.is_retired(id) {
                due.push((id, CloseReason::Retired));
            } else if self.servers.is_over(now, id, self.bounds.lifetime) {
                due.push((id, CloseReason::Lifetime));
            } else if self.servers.idle_since(id) + self.bounds.idle_max <= now
                && self.servers.len() - due.len() > self.kept_open()
            {
                due.push((id, CloseReason::Idle));
            }
        }
        for (id, reason) in due {
            self.close(id, reason);
        }
    }

    /// Gives idle servers to waiters until one of the two runs out. A waiter whose time is over
    /// but was not refused yet still gets one.
    fn grant(&mut self, now: Time) {
        while let Some(oldest) = self.waiters.oldest() {
            let Some((waiter, id)) = self.next_match(oldest) else {
                break;
            };
            if let Some(grant) = self.grant_one(now, waiter, id) {
                self.waiters.remove(waiter.home, waiter.place);
                self.actions.push_back(Action::Grant(grant));
            }
        }
    }

    /// Which waiter gets which server: the oldest waiter one of its own worker if there is one;
    /// else a waiter that lives where a server is idle, if it is nearly as old; else the oldest
    /// waiter a server from elsewhere.
    fn next_match(&self, oldest: Waiter) -> Option<(Waiter, ServerId)> {
        if let Some(id) = self.servers.last_idle_at(oldest.home) {
            return Some((oldest, id));
        }
        let (id, home) = self.servers.any_idle()?;
        let local = self
            .waiters
            .oldest_at(home)
            .filter(|w| w.place.since - oldest.place.since <= HOME_PREFERENCE);
        Some((local.unwrap_or(oldest), id))
    }

    /// Closes idle servers beyond `most`; the reserve does not outlive its need.
    fn close_surplus(&mut self, most: usize) {
        while self.servers.len() > most {
            let Some((_, id)) = self.longest_idle() else {
                break;
            };
            self.close(id, CloseReason::OverLimit);
        }
    }

    fn close_idle(&mut self) {
        while let Some((_, id)) = self.longest_idle() {
            self.close(id, CloseReason::Paused);
        }
    }

    fn wants_open(&self, now: Time) -> bool {
        let open = self.servers.len();
        let opening = self.servers.opening();
        let needed = self.waiters.len() > opening as usize
            || (open < self.kept_open() && !self.is_vacant(now))
            || (self.warm.is_some() && open == 0);
        needed
            && !self.paused
            && !self.denied
            && self.retry_at.is_none_or(|at| at <= now)
            && opening < OPENING_MAX
            && open < self.limit(now)
    }

    /// Servers that may be open now.
    fn limit(&self, now: Time) -> usize {
        let reserve_due = self
            .waiters
            .oldest()
            .is_some_and(|w| w.place.since + self.bounds.reserve_after <= now);
        let reserve = if reserve_due {
            self.bounds.reserve_max
        } else {
            0
        };
        self.bounds.size_max as usize + reserve as usize
    }

    /// Servers that stay open although nobody uses them.
    fn kept_open(&self) -> usize {
        if self.clients == 0 && !self.bounds.keeps_min_unused {
            return 0;
        }
        self.bounds.size_min as usize
    }

    fn is_vacant(&self, now: Time) -> bool {
        self.vacated.is_some_and(|at| now < at + VACANT)
    }

    fn remove(&mut self, id: ServerId) {
        self.servers.remove(id);
        // Whatever the reason, a connection became free for the pool that asked for one.
        self.surrendering = false;
    }

    fn close(&mut self, id: ServerId, reason: CloseReason) {
        self.remove(id);
        self.actions.push_back(Action::Close(id, reason));
    }

    fn refuse(&mut self, waiter: Waiter, refusal: Refusal) {
        self.actions
            .push_back(Action::Refuse(waiter.client, waiter.place, refusal));
    }

    /// What holds between any two inputs.
    fn check(&self, now: Time) {
        assert!(
            self.servers.idle() == 0 || self.waiters.is_empty(),
            "nobody waits beside an idle server"
        );
        assert!(
            !self.paused || self.servers.idle() == 0,
            "a paused pool keeps no server"
        );
        if let Some(oldest) = self.waiters.oldest() {
            let deadline = oldest.place.since + self.bounds.wait_max;
            assert!(now < deadline, "nobody waits past the deadline");
        }
        self.servers.check();
    }
}

#[cfg(test)]
mod tests;
