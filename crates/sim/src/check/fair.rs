//! Fair: first come, first served, up to a stated bound.
//!
//! * A waiter is passed only by one that lives on the worker where the server was opened, returned
//!   or idle, and that is at most `HOME_PREFERENCE` younger than the oldest.
//! * Among the waiters of one worker the order is strict.
//! * A client that comes back because its server was dead has the place it had before.
//! * `leave` says truly whether the client was queued, and a client that left is not served.

use pgweir_pool::pool::{Action, Grant, HOME_PREFERENCE};

use super::{Answer, Input, Model, Rule};
use crate::check::model::State;

#[derive(Debug)]
pub(crate) struct Fair;

impl Rule for Fair {
    fn input(&mut self, model: &Model, input: &Input, answer: Answer) {
        if let Input::Leave { client, .. } = *input {
            let was_queued = model.waiter(client).is_some();
            assert_eq!(answer, Answer::Truth(was_queued), "fair: leave of {client}");
        }
    }

    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        let Action::Grant(Grant {
            client,
            server,
            place,
            ..
        }) = *action
        else {
            return;
        };
        let (Some(oldest), Some(waiter)) = (model.queue.first(), model.waiter(client)) else {
            panic!("fair: {client} does not wait");
        };
        assert_eq!(
            model.asked[&client].2, place,
            "fair: {client} has another place"
        );
        if waiter.client == oldest.client {
            return;
        }
        let at_home = matches!(model.servers[&server].state,
            State::Idle { home, .. } if home == waiter.home);
        assert!(
            at_home,
            "fair: {client} passes {} from elsewhere",
            oldest.client
        );
        let first = model.oldest_at(waiter.home).map(|w| w.client);
        assert_eq!(first, Some(client), "fair: passed on one worker");
        let younger = waiter.since - oldest.since;
        assert!(
            younger <= HOME_PREFERENCE,
            "fair: {client} is {younger:?} younger"
        );
    }
}
