//! What ends a client's query or session from outside: its own cancel requests, limits, an
//! administrator, and the end of the pooler.

use pgweir_pool::id::ClientId;
use pgweir_pool::relay::Hold;
use pgweir_pool::session::{End, Need};
use tokio::sync::oneshot;
use tracing::info;

use super::Worker;
use super::clients::Client;
use crate::admin::{Action, Outcome, Request};
use crate::effects::ClientRef;
use crate::link::{Link, Server};
use crate::registry::Order;
use crate::texts::{self, ClientError};

/// Cancel requests under way for one client: one for the statement that runs, and one that may
/// still be on its way for the statement before in the same transaction. Each is a connection to
/// PostgreSQL, and more of them cancel nothing more.
const CANCELS_MAX: u32 = 2;

impl Worker {
    /// Cancels what a client is doing; `None` if it does not live here. Dropping `pending` answers
    /// the request.
    pub(super) fn cancel(
        &mut self,
        client: ClientId,
        pending: Option<oneshot::Sender<()>>,
    ) -> Option<Outcome> {
        let name = ClientRef::from(client);
        let mut client = self.take_client(name)?;
        if let Some(place) = client.session.place() {
            self.leave_queue(&client.pool, place);
            client.session.cancel_wait(self.now);
            let need = client.session.pump(self.now, &mut self.scratch);
            self.drive(name.slot, client, need);
            return Some(Outcome::WaitEnded);
        }
        let runs = client.session.hold() == Some(Hold::Busy);
        if let Some(server) = client.session.cancel() {
            self.send_cancel(server, pending);
        }
        self.clients.put(name.slot, client);
        Some(if runs {
            Outcome::CancelSent
        } else {
            Outcome::NothingRuns
        })
    }

    /// Sends a cancel request for what a client's server does. Until it has arrived the server
    /// cannot go to another client.
    pub(super) fn send_cancel(&self, server: &mut Server, pending: Option<oneshot::Sender<()>>) {
        if server.cancels < CANCELS_MAX
            && let (Some(target), Some(home)) = (server.stream.cancel.clone(), server.stream.home)
        {
            server.cancels += 1;
            self.registry
                .order(Order::Cancel(target, server.id, home, pending));
        }
    }

    /// Does what an administrator asks for.
    pub(super) fn administer(&mut self, client: ClientId, request: Request) {
        let name = ClientRef::from(client);
        let Some(author) = self.clients.get(name.slot).map(|client| client.author()) else {
            return;
        };
        let outcome = match request.action {
            Action::Cancel => self.cancel(client, None),
            Action::End => self.take_client(name).map(|client| {
                let error = texts::ended_by_administrator();
                self.registry.errors.count(error.sqlstate);
                self.end_client(name.slot, client, &error);
                Outcome::Ended
            }),
        };
        // Without an outcome another client lives in the slot by now.
        let Some(outcome) = outcome else {
            return;
        };
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

    /// Ends sessions that have passed a limit.
    pub(super) fn sweep_clients(&mut self) {
        let now = self.now;
        let overdue = |client: &Client| client.session.overdue(now, &client.settings.limits);
        let due: Vec<_> = self
            .clients
            .iter()
            .filter_map(|(slot, client)| Some((slot, overdue(client)?)))
            .collect();
        for (slot, what) in due {
            let Some(mut client) = self.clients.take(slot) else {
                continue;
            };
            let error = texts::overdue(what, &client.settings.limits);
            self.note_error(&client, &error);
            let need = end_with(&mut client, &error);
            self.drive(slot, client, need);
        }
    }

    /// The pooler shuts down: ends sessions that are outside a transaction.
    pub(super) fn end_resting(&mut self) {
        for slot in self.clients.occupied() {
            let Some(client) = self.clients.take(slot) else {
                continue;
            };
            if client.session.place().is_some() || rests(&client) {
                self.end_client(slot, client, &texts::shutting_down());
            } else {
                self.clients.put(slot, client);
            }
        }
    }

    /// The pooler stops at once.
    pub(super) fn end_all(&mut self) {
        for slot in self.clients.occupied() {
            if let Some(client) = self.clients.take(slot) {
                self.end_client(slot, client, &texts::shutting_down());
            }
        }
    }

    fn end_client(&mut self, slot: u32, mut client: Box<Client>, error: &ClientError) {
        if let Some(place) = client.session.place() {
            self.leave_queue(&client.pool, place);
        }
        let need = end_with(&mut client, error);
        self.drive(slot, client, need);
    }

    /// Takes a client out of its slot, if it still lives there.
    fn take_client(&mut self, name: ClientRef) -> Option<Box<Client>> {
        if !self.is(name) {
            return None;
        }
        self.clients.take(name.slot)
    }
}

/// Whether the client is outside a transaction, and has what the last one answered.
pub(super) fn rests(client: &Client) -> bool {
    let (_, unsent) = client.session.buffered();
    match client.session.hold() {
        None | Some(Hold::Pinned(_) | Hold::Free) => unsent == 0,
        Some(Hold::Busy | Hold::InTransaction) => false,
    }
}

pub(super) fn end_with(client: &mut Client, error: &ClientError) -> Need<Link> {
    client.session.end(End::Ended, Some(&error.fields()))
}
