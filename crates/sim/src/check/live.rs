//! Live: everyone is served or refused in bounded time.
//!
//! * At every moment: where one more server is needed and may be opened, it is.
//! * After the faults stopped: no wait ends later than a bound that grows with the number of
//!   clients, and a pool without any server whose oldest waiter is older than those of all its
//!   rivals gets one within a bound that does not.

use std::time::Duration;

use pgweir_pool::pool::{Counts, OPENING_MAX};
use pgweir_pool::time::Time;

use super::{Input, Model, Rule};

#[derive(Debug)]
pub(crate) struct Live;

impl Rule for Live {
    fn settled(&mut self, model: &Model, _input: &Input, _counts: Counts) {
        let may_open = !model.denied
            && !model.paused
            && !model.is_retry_pause()
            && model.opening() < OPENING_MAX as usize
            && model.total() < model.limit();
        assert!(
            !(may_open && model.needs_server()),
            "live: a server is needed, none is opened"
        );
    }
}

/// What one pool waits for at a sweep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// Since when someone waits.
    pub(crate) since: Option<Time>,
    /// Since when someone waits at the rivals.
    pub(crate) rivals_since: Option<Time>,
    /// Open and opening servers.
    pub(crate) servers: usize,
    /// How often it served a client so far.
    pub(crate) served: u64,
}

/// The part of the rule that holds once the faults stopped.
#[derive(Debug)]
pub(crate) struct CalmWatch {
    began: Time,
    wait_max: Duration,
    starving_max: Duration,
    /// Per pool, since when it has the oldest claim and no server, and how often it had served then. A sweep
    /// that comes whenever its one server was just given to another sees none, though it serves in between.
    starving_since: Vec<Option<(Time, u64)>>,
}

impl CalmWatch {
    pub(crate) fn new(
        began: Time,
        pools: usize,
        wait_max: Duration,
        starving_max: Duration,
    ) -> Self {
        Self {
            began,
            wait_max,
            starving_max,
            starving_since: vec![None; pools],
        }
    }

    /// Looks at every pool, in order, once per sweep.
    pub(crate) fn sweep(&mut self, now: Time, needs: &[Need]) {
        for (pool, need) in needs.iter().enumerate() {
            let Some(since) = need.since else {
                self.starving_since[pool] = None;
                continue;
            };
            let waited = now - since.max(self.began);
            assert!(
                waited <= self.wait_max,
                "live: someone waits at pool {pool} since {since:?}"
            );
            let first = need.rivals_since.is_none_or(|rival| since < rival);
            if !first || need.servers > 0 {
                self.starving_since[pool] = None;
                continue;
            }
            let began = self.starving_since[pool].filter(|&(_, served)| served == need.served);
            let began = began.unwrap_or((now, need.served));
            self.starving_since[pool] = Some(began);
            let starved = now - began.0;
            assert!(
                starved <= self.starving_max,
                "live: pool {pool} starves for {starved:?}"
            );
        }
    }
}
