//! What ends a client's query or session from outside: its own cancel requests, limits, an
//! administrator, and the end of the pooler.

use super::outbox::Order;
use super::shell::{Farewell, Platform, ServerStreamOf, SharedPool, Shell};
use super::{Client, Draining, Driver, NeedOf};
use crate::id::{ClientId, ClientRef};
use crate::relay::Hold;
use crate::server::Server;
use crate::session::{End, Overdue};
use crate::time::Time;

/// Cancel requests under way for one client: one for the statement that runs, and one that may
/// still be on its way for the statement before in the same transaction. Each is a connection to
/// PostgreSQL, and more of them cancel nothing more.
const CANCELS_MAX: u32 = 2;

/// What came of the wish to cancel what a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// A cancel request is on its way to PostgreSQL, which promises nothing.
    Sent,
    /// It waited for a server, and does so no more.
    WaitEnded,
    /// It runs nothing.
    NothingRuns,
}

impl<S: Shell> Driver<S> {
    /// Cancels what a client is doing; `None` if it does not live here.
    pub fn cancel(&mut self, now: Time, client: ClientId) -> Option<Cancelled> {
        self.now = now;
        let cancelled = self.cancel_for(client, None);
        self.handle_local();
        cancelled
    }

    /// Ends a client's session; false if it does not live here.
    pub fn end(&mut self, now: Time, client: ClientId, why: Farewell) -> bool {
        self.now = now;
        let name = ClientRef::from(client);
        let Some(client) = self.take_client(name) else {
            return false;
        };
        self.end_client(name.slot, client, why);
        self.handle_local();
        true
    }

    /// The pooler stops at once: ends all sessions.
    pub fn end_all(&mut self, now: Time) {
        self.now = now;
        for slot in self.clients.occupied() {
            if let Some(client) = self.clients.take(slot) {
                self.end_client(slot, client, Farewell::Shutdown);
            }
        }
        self.handle_local();
    }

    /// Cancels for whoever holds `ticket`. Dropping it answers the request.
    pub(super) fn cancel_for(
        &mut self,
        client: ClientId,
        ticket: Option<<S::Platform as Platform>::Ticket>,
    ) -> Option<Cancelled> {
        let name = ClientRef::from(client);
        let mut client = self.take_client(name)?;
        if !client.session.is_greeted() {
            // Its login waits for a server, and no query of its own does.
            self.clients.put(name.slot, client);
            return Some(Cancelled::NothingRuns);
        }
        if let Some(place) = client.session.place() {
            self.leave_queue(&client.pool, place);
            client.session.cancel_wait(self.now);
            let need = self.pump(&mut client);
            self.drive(name.slot, client, need);
            return Some(Cancelled::WaitEnded);
        }
        let mut runs = client.session.hold() == Some(Hold::Busy);
        if let Some(server) = client.session.cancel() {
            // A stream of replication runs too, although it rests.
            runs = true;
            self.send_cancel(server, ticket);
        }
        self.clients.put(name.slot, client);
        Some(if runs {
            Cancelled::Sent
        } else {
            Cancelled::NothingRuns
        })
    }

    /// Sends a client's cancel request that had to be put off, if it is due.
    pub(super) fn send_due_cancel(&mut self, client: &mut Client<S::Platform>) {
        if let Some(server) = client.session.due_cancel() {
            self.send_cancel(server, None);
        }
    }

    /// Sends a cancel request for what a client's server does. Until it has arrived the server
    /// cannot go to another client.
    fn send_cancel(
        &mut self,
        server: &mut Server<ServerStreamOf<S>>,
        ticket: Option<<S::Platform as Platform>::Ticket>,
    ) {
        if server.cancels.under_way() < CANCELS_MAX {
            self.order_cancel(server, ticket);
        }
    }

    pub(super) fn order_cancel(
        &mut self,
        server: &mut Server<ServerStreamOf<S>>,
        ticket: Option<<S::Platform as Platform>::Ticket>,
    ) {
        let target = self.shell.cancel_target(&server.stream);
        if let (Some(target), Some(home)) = (target, server.home) {
            server.cancels.began();
            self.outbox.order(Order::Cancel {
                target,
                server: server.id,
                home,
                ticket,
            });
        }
    }

    /// Ends sessions that have passed a limit, and takes servers from them that do not answer the
    /// pooler.
    pub(super) fn sweep_clients(&mut self) {
        let now = self.now;
        let due: Vec<_> = self
            .clients
            .iter()
            .filter_map(|(slot, client)| Some((slot, client.due(now)?)))
            .collect();
        for (slot, due) in due {
            if let Some(mut client) = self.clients.take(slot) {
                let need = match due {
                    Due::Notice => match self.tell_of_wait(&mut client) {
                        Some(need) => need,
                        None => {
                            self.clients.put(slot, client);
                            continue;
                        }
                    },
                    Due::GiveUpServer => client.session.give_server_up(),
                    Due::Part => client.session.end(End::Terminated, None),
                    Due::Retired => self.bid_farewell(&mut client, Farewell::Retired),
                    Due::Limit(passed) => self.bid_farewell(&mut client, Farewell::Overdue(passed)),
                };
                self.drive(slot, client, need);
            }
        }
    }

    /// Tells a client that it waits; ends the session of one that is gone.
    fn tell_of_wait(&mut self, client: &mut Client<S::Platform>) -> Option<NeedOf<S>> {
        let policy = client.policy.clone();
        let notice = policy.wait_notice.as_ref()?;
        let place = client.session.place()?;
        if client.session.tell_of_wait(&notice.message) {
            return None;
        }
        self.leave_queue(&client.pool, place);
        Some(client.session.end(End::ClientGone, None))
    }

    /// The pooler shuts down: ends the sessions that it should, now and from now on.
    pub(super) fn drain(&mut self, draining: Draining) {
        self.draining = Some(draining);
        self.go_on();
        for slot in self.clients.occupied() {
            let Some(client) = self.clients.take(slot) else {
                continue;
            };
            if client.session.place().is_some() || self.is_to_leave(&client) {
                self.end_client(slot, client, Farewell::Shutdown);
            } else {
                self.clients.put(slot, client);
            }
        }
    }

    /// Whether the pooler shuts down, and a client that is outside a transaction has to leave.
    pub(super) fn is_to_leave(&self, client: &Client<S::Platform>) -> bool {
        self.draining == Some(Draining::Clients) && client.rests()
    }

    /// Ends a session with a last message.
    pub(super) fn bid_farewell(
        &mut self,
        client: &mut Client<S::Platform>,
        why: Farewell,
    ) -> NeedOf<S> {
        let words = self.shell.farewell(client, why);
        client.session.end(End::Ended, Some(&words.fields()))
    }

    pub(super) fn end_client(
        &mut self,
        slot: u32,
        mut client: Box<Client<S::Platform>>,
        why: Farewell,
    ) {
        if let Some(place) = client.session.place() {
            self.leave_queue(&client.pool, place);
        }
        let need = self.bid_farewell(&mut client, why);
        self.drive(slot, client, need);
    }
}

/// What time has come for in a client's session.
enum Due {
    /// Its server does not answer the pooler.
    GiveUpServer,
    /// It said goodbye, and has waited long enough for its answers.
    Part,
    /// It has waited for a server for long enough to be told.
    Notice,
    /// It has passed a limit.
    Limit(Overdue),
    /// Its server is one that nobody else is given.
    Retired,
}

impl<P: Platform> Client<P> {
    fn due(&self, now: Time) -> Option<Due> {
        if self.session.is_stuck(now) {
            return Some(Due::GiveUpServer);
        }
        if self.session.has_parted(now) {
            return Some(Due::Part);
        }
        let notice = self.policy.wait_notice.as_ref();
        if notice.is_some_and(|notice| self.session.waits_untold(now, notice.after)) {
            return Some(Due::Notice);
        }
        let passed = self.session.overdue(now, &self.policy.limits);
        let is_retired = || self.policy.closes_fast && self.rests() && self.keeps_retired_server();
        passed
            .map(Due::Limit)
            .or_else(|| is_retired().then_some(Due::Retired))
    }

    fn keeps_retired_server(&self) -> bool {
        let is_retired = |id| self.pool.with(|stock| stock.core.is_retired(id));
        self.session.server_id().is_some_and(is_retired)
    }

    /// Whether the client is outside a transaction, and has what the last one answered.
    pub(super) fn rests(&self) -> bool {
        let (_, unsent) = self.session.buffered();
        match self.session.hold() {
            None | Some(Hold::Asking | Hold::Pinned(_) | Hold::Free) => unsent == 0,
            Some(Hold::Busy | Hold::InTransaction) => false,
        }
    }
}
