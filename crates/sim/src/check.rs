//! The rules, one file each, and what they are fed with.
//!
//! A [`Watch`] stands beside one pool: it hears every [`Input`] with the pool's [`Answer`], then
//! every action, keeps the [`Model`] of what an omniscient observer knows, and asks each rule
//! about each step before the model takes it. Rules panic.

mod budget;
mod capacity;
mod closings;
mod exclusive;
mod fair;
mod home;
mod input;
mod live;
mod model;
mod paused;
mod punctual;
mod refusals;

use std::fmt;

use pgweir_pool::pool::{Action, Bounds, Counts, Grant};
use pgweir_pool::time::Time;

pub(crate) use budget::BudgetWatch;
pub(crate) use input::{Answer, Input};
pub(crate) use live::{CalmWatch, Need};
pub(crate) use model::Model;

/// One rule about one pool. The model is always as it was before the step in question.
pub(crate) trait Rule: fmt::Debug {
    /// Something happened, and the pool answered.
    fn input(&mut self, _model: &Model, _input: &Input, _answer: Answer) {}

    /// The pool did something, because of the input before.
    fn action(&mut self, _model: &Model, _input: &Input, _action: &Action) {}

    /// The pool did all it had to do for this input.
    fn settled(&mut self, _model: &Model, _input: &Input, _counts: Counts) {}
}

/// The observer of one pool.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) model: Model,
    rules: Vec<Box<dyn Rule>>,
}

impl Watch {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            model: Model::new(bounds),
            rules: vec![
                Box::new(capacity::Capacity),
                Box::new(closings::Closings::default()),
                Box::new(exclusive::Exclusive::default()),
                Box::new(fair::Fair),
                Box::new(home::Home),
                Box::new(live::Live),
                Box::new(paused::Paused),
                Box::new(punctual::Punctual),
                Box::new(refusals::Refusals::default()),
            ],
        }
    }

    /// Names what is worth counting about a step and is not seen in the actions alone. Called
    /// before `observe`.
    pub(crate) fn notable(
        &self,
        input: &Input,
        answer: Answer,
        actions: &[Action],
    ) -> Vec<&'static str> {
        let model = &self.model;
        let mut notable = Vec::new();
        if matches!(input, Input::Leave { .. }) && !answer.is_true() {
            notable.push("leave: too late");
        }
        let total = model.total() as u64;
        let size_max = u64::from(model.bounds.size_max);
        if let [Action::Open(_)] = actions
            && *input == Input::Tick
            && total >= size_max
        {
            notable.push("open: reserve");
        }
        if let (&Input::Checkin { home, .. }, [Action::Grant(Grant { client, .. })]) =
            (input, actions)
        {
            let oldest = model.queue.first().map(|w| (w.client, w.home));
            if oldest.is_some_and(|(oldest, _)| oldest != *client) {
                notable.push("grant: home first");
            }
            if oldest.is_some_and(|(oldest, at)| oldest == *client && at != home) {
                notable.push("grant: moved");
            }
        }
        notable
    }

    /// Follows one input through all its actions.
    pub(crate) fn observe(
        &mut self,
        now: Time,
        input: &Input,
        answer: Answer,
        actions: &[Action],
        counts: Counts,
    ) {
        self.model.now = now;
        for rule in &mut self.rules {
            rule.input(&self.model, input, answer);
        }
        self.model.input(input, answer);
        for action in actions {
            for rule in &mut self.rules {
                rule.action(&self.model, input, action);
            }
            self.model.action(action);
        }
        for rule in &mut self.rules {
            rule.settled(&self.model, input, counts);
        }
    }
}
