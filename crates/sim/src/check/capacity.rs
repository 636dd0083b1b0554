//! Capacity: how many servers there may be, and what they are opened for.
//!
//! * Open and opening servers never exceed `size_max`, or `size_max + reserve_max` while the
//!   oldest waiter has waited `reserve_after`. A lowered limit closes nothing that is in use, but
//!   nothing is opened above it.
//! * At most `OPENING_MAX` logins are under way.
//! * A server is opened for a waiter that no login under way is for, for `size_min` (not while its
//!   database is wanted), or to learn its parameters; never for nobody, and never between a denial of the budget and its recall.
//! * Above `size_max` no server stays idle; above `size_max + reserve_max` none is granted.
//! * What the pool counts is what there is.

use pgweir_pool::pool::{Action, Counts, OPENING_MAX};

use super::{Input, Model, Rule};
use crate::check::model::State;

#[derive(Debug)]
pub(crate) struct Capacity;

impl Rule for Capacity {
    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        match action {
            Action::Open(_) => {
                assert!(model.total() < model.limit(), "capacity: past the limit");
                let opening = model.opening();
                assert!(opening < OPENING_MAX as usize, "capacity: too many logins");
                assert!(model.needs_server(), "capacity: opened for nobody");
                assert!(!model.denied, "capacity: opened against the budget");
            }
            Action::Grant(_) => {
                let most = model.bounds.size_max as usize + model.bounds.reserve_max as usize;
                assert!(model.total() <= most, "capacity: granted past the limit");
            }
            Action::Close(..) | Action::Refuse(..) => {}
        }
    }

    fn settled(&mut self, model: &Model, _input: &Input, counts: Counts) {
        let idle = model.idle().count();
        assert!(
            model.total() <= model.bounds.size_max as usize || idle == 0,
            "capacity: idle above size_max"
        );
        let held = |s: &&super::model::Server| matches!(s.state, State::Held(_));
        let known = Counts {
            active: number(model.servers.values().filter(held).count()),
            idle: number(idle),
            opening: number(model.opening()),
            waiting: number(model.queue.len()),
            waiting_since: model.queue.first().map(|w| w.since),
        };
        assert_eq!(counts, known, "capacity: the pool miscounts");
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a simulated pool is small")
}
