//! Closings: each has its reason.
//!
//! * `Dirty`: it was returned so; and such a server is closed at once.
//! * `Retired`: it was opened before a retirement, or before its database was wanted; once that, it is closed as soon as it is free.
//! * `OverLimit`: there are more than `size_max`, and none was unused for longer.
//! * `Evicted`: another pool asked; it is the one that was unused for longest, or the next that is
//!   returned. Each request costs at most one server, and one that ends for another reason counts.

use pgweir_pool::pool::{Action, CloseReason, Counts};
use pgweir_pool::time::Time;

use super::{Answer, Input, Model, Rule};
use crate::check::model::{Server, State};

#[derive(Debug, Default)]
pub(crate) struct Closings {
    /// Servers closed for the surrender under way.
    evicted: u32,
    had_idle: bool,
}

impl Rule for Closings {
    fn input(&mut self, model: &Model, input: &Input, answer: Answer) {
        self.evicted = 0;
        self.had_idle = model.idle().next().is_some();
        if *input == Input::Surrender {
            let expected = Answer::Truth(model.open() > 0);
            assert_eq!(answer, expected, "closings: surrender without a server");
        }
    }

    fn action(&mut self, model: &Model, input: &Input, action: &Action) {
        let Action::Close(id, reason) = *action else {
            return;
        };
        let server = &model.servers[&id];
        match reason {
            CloseReason::Dirty => {
                assert_eq!(server.state, State::Dirty, "closings: {id} was clean");
            }
            CloseReason::Retired => assert!(server.retired, "closings: {id} was not retired"),
            CloseReason::OverLimit => {
                let most = model.bounds.size_max as usize;
                assert!(model.total() > most, "closings: {id} was within the limit");
                let longest = longest_idle(model);
                assert_eq!(
                    idle_since(server),
                    longest,
                    "closings: {id} was not idle longest"
                );
            }
            CloseReason::Evicted => {
                self.evicted += 1;
                match *input {
                    Input::Surrender => {
                        let longest = longest_idle(model);
                        assert_eq!(
                            idle_since(server),
                            longest,
                            "closings: {id} not idle longest"
                        );
                    }
                    Input::Checkin {
                        server: returned, ..
                    } => {
                        assert_eq!(returned, id, "closings: not the one returned");
                        assert!(model.promised, "closings: nobody asked for {id}");
                    }
                    _ => panic!("closings: nobody asked for {id}"),
                }
            }
            CloseReason::Idle | CloseReason::Lifetime | CloseReason::Paused => {}
        }
    }

    fn settled(&mut self, model: &Model, input: &Input, _counts: Counts) {
        for (id, server) in &model.servers {
            assert_ne!(
                server.state,
                State::Dirty,
                "closings: {id} is dirty and kept"
            );
            let free = idle_since(server).is_some();
            assert!(
                !(free && server.retired),
                "closings: {id} is retired and kept"
            );
        }
        if *input == Input::Surrender {
            let expected = u32::from(self.had_idle);
            assert_eq!(
                self.evicted, expected,
                "closings: one is given up per request"
            );
        }
        if let Input::Checkin { server, .. } = *input {
            let kept = model.promised && model.servers.contains_key(&server);
            assert!(!kept, "closings: {server} was promised");
        }
    }
}

fn longest_idle(model: &Model) -> Option<Time> {
    model.idle().map(|(_, since, ..)| since).min()
}

fn idle_since(server: &Server) -> Option<Time> {
    match server.state {
        State::Idle { since, .. } => Some(since),
        State::Opening | State::Held(_) | State::Dirty => None,
    }
}
