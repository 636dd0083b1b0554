//! Suspending a worker: what was begun is brought to an end, then nothing is read or written for a client.
//!
//! A session is still once it keeps no byte of either side; what peers say from then on waits in the
//! kernel. Events are noted as ever, so that nothing is missed when it goes on. Servers without a client
//! are looked after meanwhile, and limits of time end no session.

use super::clients::NeedOf;
use super::shell::{Farewell, Shell};
use super::{Client, Driver};
use crate::session::Need;
use crate::time::Time;

impl<S: Shell> Driver<S> {
    /// Lets sessions become still.
    pub fn suspend(&mut self, now: Time) {
        self.now = now;
        self.suspended = true;
    }

    /// Whether nothing moves: every session is still, and no server is on its way back.
    pub fn is_still(&self) -> bool {
        let mut clients = self.clients.iter();
        self.suspended
            && self.returning.is_empty()
            && clients.all(|(_, client)| client.session.is_still())
    }

    /// Ends the sessions that have not become still.
    pub fn end_moving(&mut self, now: Time) {
        self.now = now;
        for slot in self.clients.occupied() {
            let Some(client) = self.clients.take(slot) else {
                continue;
            };
            if client.session.is_still() {
                self.clients.put(slot, client);
            } else {
                self.end_client(slot, client, Farewell::Suspension);
            }
        }
        self.handle_local();
    }

    /// Goes on with all sessions.
    pub fn resume(&mut self, now: Time) {
        self.now = now;
        self.go_on();
        self.handle_local();
    }

    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.suspended) {
            for slot in self.clients.occupied() {
                self.pump_client(slot);
            }
        }
    }

    /// Lets a session do what can be done now, unless it has to stay still.
    pub(super) fn pump(&mut self, client: &mut Client<S::Platform>) -> NeedOf<S> {
        if self.suspended && client.session.is_still() {
            return Need::Nothing;
        }
        client.session.pump(self.now, &mut self.scratch)
    }
}
