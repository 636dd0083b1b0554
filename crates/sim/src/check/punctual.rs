//! Punctual: nothing happens before its time, and nothing more than one sweep after.
//!
//! * A wait is refused as too long at `wait_max` or later, and no input leaves an overdue one: so
//!   at most one sweep later, and at once where `wait_max` is zero.
//! * A server is closed as unused at `idle_max` or later and only above `size_min`, as old at its
//!   lifetime (less its jitter) or later; no sweep leaves one that is due, and one that is
//!   returned past its lifetime is not kept at all.
//! * After a failed login none is tried for `login_retry`, unless another succeeded or the servers
//!   were retired.

use pgweir_pool::pool::{Action, CloseReason, Counts, Refusal};

use super::{Input, Model, Rule};
use crate::check::model::State;

#[derive(Debug)]
pub(crate) struct Punctual;

impl Rule for Punctual {
    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        match *action {
            Action::Refuse(client, _, Refusal::Timeout) => {
                let overdue = model.waiter(client).is_some_and(|w| is_overdue(model, w));
                assert!(overdue, "punctual: {client} refused too soon");
            }
            Action::Close(id, CloseReason::Idle) => {
                let State::Idle { since, .. } = model.servers[&id].state else {
                    panic!("punctual: {id} is not idle");
                };
                let due = since + model.bounds.idle_max;
                assert!(due <= model.now, "punctual: {id} closed before idle_max");
                assert!(
                    model.total() > model.kept(),
                    "punctual: {id} closed below size_min"
                );
            }
            Action::Close(id, CloseReason::Lifetime) => {
                let expired = model.is_expired(&model.servers[&id]);
                assert!(expired, "punctual: {id} closed before its lifetime");
            }
            Action::Open(_) => {
                assert!(!model.is_retry_pause(), "punctual: login tried too soon");
            }
            Action::Close(..) | Action::Grant(_) | Action::Refuse(..) => {}
        }
    }

    fn settled(&mut self, model: &Model, input: &Input, _counts: Counts) {
        let overdue = model.queue.iter().find(|w| is_overdue(model, w));
        assert!(overdue.is_none(), "punctual: still queued: {overdue:?}");
        if let Input::Checkin { server, .. } = *input {
            let kept = model.servers.get(&server);
            let expired = kept.is_some_and(|server| model.is_expired(server));
            assert!(!expired, "punctual: {server} is kept past its lifetime");
        }
        if *input != Input::Tick {
            return;
        }
        for (id, since, ..) in model.idle() {
            let expired = model.is_expired(&model.servers[&id]);
            assert!(!expired, "punctual: {id} outlives its lifetime");
            assert!(
                model.now < since + model.bounds.idle_max || model.total() <= model.kept(),
                "punctual: {id} outlives idle_max"
            );
        }
    }
}

fn is_overdue(model: &Model, waiter: &super::model::Waiter) -> bool {
    waiter.since + model.bounds.wait_max <= model.now
}
