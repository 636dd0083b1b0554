//! Exclusive: a server belongs to one client at a time, and only while it is fit for use.
//!
//! * Only an idle server is granted, to one client, and only to one that waits.
//! * No server is granted that is dirty, lost, past its lifetime or retired; a lifetime of zero
//!   is one use.
//! * No server is closed under a client, while it logs in, or twice.
//! * A server's name is used once.
//! * A grant says truly since when the server was idle.

use pgweir_pool::id::ServerId;
use pgweir_pool::pool::{Action, Grant};

use super::{Input, Model, Rule};
use crate::check::model::State;

#[derive(Debug, Default)]
pub(crate) struct Exclusive {
    last_name: Option<ServerId>,
}

impl Rule for Exclusive {
    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        match *action {
            Action::Open(id) => {
                let fresh = self.last_name.is_none_or(|last| last < id);
                assert!(fresh, "exclusive: {id} was used before");
                self.last_name = Some(id);
            }
            Action::Close(id, reason) => {
                let server = model.servers.get(&id);
                let server = server.unwrap_or_else(|| panic!("exclusive: {id} is not open"));
                match server.state {
                    State::Idle { .. } | State::Dirty => {}
                    State::Opening => panic!("exclusive: {id} closed while it logs in: {reason:?}"),
                    State::Held(client) => panic!("exclusive: {id} closed under {client}"),
                }
            }
            Action::Grant(Grant {
                client,
                server: id,
                idle_since,
                ..
            }) => {
                let server = model.servers.get(&id);
                let server = server.unwrap_or_else(|| panic!("exclusive: {id} is not open"));
                let State::Idle { since, .. } = server.state else {
                    panic!("exclusive: {id} granted while {:?}", server.state);
                };
                assert!(
                    model.waiter(client).is_some(),
                    "exclusive: {client} does not wait"
                );
                assert!(!server.retired, "exclusive: {id} was retired");
                assert!(
                    !model.is_expired(server),
                    "exclusive: {id} is past its life"
                );
                assert_eq!(idle_since, since, "exclusive: {id} was not idle since then");
            }
            Action::Refuse(client, ..) => {
                assert!(
                    model.waiter(client).is_some(),
                    "exclusive: {client} does not wait"
                );
            }
        }
    }
}
