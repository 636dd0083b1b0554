//! Home: a server changes its worker only where that serves someone sooner.
//!
//! * Nobody waits beside an idle server.
//! * The oldest waiter gets an idle server of its own worker where there is one.
//! * A server goes to a waiter elsewhere only if no waiter of its own worker is within
//!   `HOME_PREFERENCE` of the oldest.
//! * Of a worker's idle servers the one used last is granted, so that a quiet pool shrinks.
//! * Where servers take turns it is the one of all that has been idle for longest, wherever it is.

use pgweir_pool::pool::{Action, Counts, Grant, HOME_PREFERENCE};

use super::{Input, Model, Rule};
use crate::check::model::State;

#[derive(Debug)]
pub(crate) struct Home;

impl Rule for Home {
    fn action(&mut self, model: &Model, _input: &Input, action: &Action) {
        let Action::Grant(Grant { client, server, .. }) = *action else {
            return;
        };
        let (Some(oldest), Some(waiter)) = (model.queue.first(), model.waiter(client)) else {
            panic!("home: {client} does not wait");
        };
        let State::Idle { since, home, turn } = model.servers[&server].state else {
            panic!("home: {server} is not idle");
        };
        let takes_turns = model.bounds.round_robin;
        if home != oldest.home && !takes_turns {
            let spare = model.idle().find(|&(_, _, at, _)| at == oldest.home);
            assert_eq!(spare, None, "home: {server} is elsewhere, this one is not");
        }
        if home != waiter.home {
            let local = model
                .oldest_at(home)
                .filter(|w| w.since - oldest.since <= HOME_PREFERENCE);
            assert!(local.is_none(), "home: {server} left {local:?} behind");
        }
        if takes_turns {
            let longest = model.idle().map(|(_, since, _, _)| since).min();
            assert_eq!(longest, Some(since), "home: it is not the turn of {server}");
            return;
        }
        let last_used = model
            .idle()
            .filter(|&(_, _, at, _)| at == home)
            .map(|(_, _, _, turn)| turn)
            .max();
        assert_eq!(last_used, Some(turn), "home: {server} was not used last");
    }

    fn settled(&mut self, model: &Model, _input: &Input, _counts: Counts) {
        let idle = model.idle().next();
        assert!(
            model.queue.is_empty() || idle.is_none(),
            "home: someone waits beside {idle:?}"
        );
    }
}
