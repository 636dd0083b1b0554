//! Refusals: each has its cause, and where the cause is there, so is the refusal.
//!
//! * `QueueFull` answers a checkout alone, when `waiters_max` others are queued and no server is
//!   idle; then it always does, or `LoginFailing`.
//! * `LoginFailing` answers only in the time after a login that failed for good and without any server that comes
//!   back, and never while the pool is paused; a client that comes or comes back then is refused and not queued.
//! * `warm` is answered with no exactly then, too.

use pgweir_pool::id::ClientId;
use pgweir_pool::pool::{Action, Checkout, Counts, Refusal};

use super::{Answer, Input, Model, Rule};

/// What the pool was like when the client came.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    queue_full: bool,
    login_failing: bool,
}

impl Rule for Refusals {
    fn input(&mut self, model: &Model, input: &Input, answer: Answer) {
        let none_idle = model.idle().next().is_none();
        self.queue_full = none_idle && model.queue.len() >= model.bounds.waiters_max;
        self.login_failing = model.is_login_failing();
        if let Answer::Checkout(Checkout::Refused(refusal)) = answer {
            let came = matches!(input, Input::Checkout { .. });
            match refusal {
                Refusal::QueueFull => {
                    assert!(came && self.queue_full, "refusals: the queue was not full")
                }
                Refusal::LoginFailing => {
                    assert!(self.login_failing, "refusals: no login failed");
                }
                Refusal::Timeout => panic!("refusals: a client that comes has time"),
            }
        }
        if *input == Input::Warm {
            let expected = Answer::Truth(!self.login_failing);
            assert_eq!(
                answer, expected,
                "refusals: a login that waits for a server"
            );
        }
    }

    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        match *action {
            Action::Refuse(client, _, Refusal::QueueFull) => {
                panic!("refusals: {client} was queued already");
            }
            Action::Refuse(_, _, Refusal::LoginFailing) => {
                assert!(
                    model.is_login_failing(),
                    "refusals: no login failed, or there are servers"
                );
            }
            Action::Refuse(_, _, Refusal::Timeout)
            | Action::Open(_)
            | Action::Close(..)
            | Action::Grant(_) => {}
        }
    }

    fn settled(&mut self, model: &Model, input: &Input, _counts: Counts) {
        let queued = |client: ClientId| model.waiter(client).is_some();
        match *input {
            Input::Checkout { client, .. } => {
                let refused = self.queue_full || self.login_failing;
                assert!(
                    !(refused && queued(client)),
                    "refusals: {client} was queued"
                );
            }
            Input::Requeue { client, .. } => {
                let refused = self.login_failing;
                assert!(
                    !(refused && queued(client)),
                    "refusals: {client} was queued"
                );
            }
            Input::Failed(..) => {
                let hopeless = model.is_login_failing();
                assert!(
                    !hopeless || model.queue.is_empty(),
                    "refusals: left waiting"
                );
            }
            _ => {}
        }
    }
}
