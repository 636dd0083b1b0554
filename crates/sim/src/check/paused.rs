//! Paused: a pool that is paused has no server but those that clients hold.
//!
//! * Nothing is opened and nobody is given a server until it is resumed.
//! * A server that is free, comes back or has logged in is closed at once; and only for that reason, unless
//!   there is another.
//! * How often it is asked for a server or told of failures ends no wait: only `wait_max` does, and a full
//!   queue turns a client away that comes.

use pgweir_pool::pool::{Action, CloseReason, Counts, Refusal};

use super::{Input, Model, Rule};

#[derive(Debug)]
pub(crate) struct Paused;

impl Rule for Paused {
    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        match *action {
            Action::Close(id, CloseReason::Paused) => {
                assert!(model.paused, "paused: {id} was closed without a pause");
                let is_free = model.idle().any(|(idle, ..)| idle == id);
                assert!(is_free, "paused: {id} was in use");
            }
            Action::Open(_) | Action::Grant(_) => {
                assert!(!model.paused, "paused: {action:?}");
            }
            Action::Refuse(client, _, refusal) => {
                let is_late = refusal == Refusal::Timeout;
                assert!(
                    !model.paused || is_late,
                    "paused: {client} was refused as {refusal:?}"
                );
            }
            Action::Close(..) => {}
        }
    }

    fn settled(&mut self, model: &Model, _input: &Input, _counts: Counts) {
        let free = model.idle().next();
        assert!(
            !model.paused || free.is_none(),
            "paused: kept although it is free: {free:?}"
        );
    }
}
