//! What operators and networks do, until they stop.

use std::time::Duration;

use super::options::{self, LOGIN_SLOW};
use super::{Event, Phase, SWEEP, World};
use crate::check::{CalmWatch, Input};

impl World {
    /// One of the things that may go wrong or be changed, at one pool.
    pub(super) fn disturb(&mut self) {
        if self.phase != Phase::Faults {
            return;
        }
        let at = self.rng.below(self.sites.len() as u64);
        let at = usize::try_from(at).expect("few pools");
        if self.rng.happens(self.options.outage) {
            self.outage = !self.outage;
        }
        if self.rng.happens(self.options.lost_idle) {
            let idle: Vec<_> = self.sites[at].watch.model.idle().map(|i| i.0).collect();
            if let Some(server) = self.rng.pick(&idle) {
                self.tell(at, Input::Lost(server));
                self.gone(at, server);
            }
        }
        if self.rng.happens(self.options.retire) {
            self.tell(at, Input::Retire);
        }
        if self.rng.happens(self.options.vacate) {
            self.tell(at, Input::Vacate);
        }
        if self.rng.happens(self.options.reconfigure) {
            let bounds = options::bounds(&mut self.rng, self.options.clients, self.options.grid);
            self.tell(at, Input::SetBounds(bounds));
        }
        if self.rng.happens(self.options.change_limit) {
            let group = options::group(&mut self.rng);
            let limit = options::limit(&mut self.rng);
            self.log
                .line(self.now, format_args!("{group:?}: limit {limit:?}"));
            self.limit(group, limit);
        }
        if self.rng.happens(self.options.warm_again) {
            self.tell(at, Input::Warm);
        }
        if self.rng.aside().happens(self.options.pause) {
            let is_paused = self.sites[at].watch.model.paused;
            let input = if is_paused {
                Input::Resume
            } else {
                Input::Pause
            };
            self.tell(at, input);
        }
        let pause = self.rng.duration(self.options.disturb);
        self.schedule(pause, Event::Disturb);
    }

    /// The faults stop; from here on everyone must be served.
    pub(super) fn calm_down(&mut self) {
        self.outage = false;
        for at in 0..self.sites.len() {
            self.tell(at, Input::Resume);
        }
        let options = &self.options;
        // What one transaction of a pool without servers may take: two sweeps until a rival is
        // asked and another pool was served first, its transaction, its goodbye, a permit, a login.
        let turn = 2 * SWEEP
            + options.hold.most()
            + options.goodbye.most()
            + options.errand.most()
            + LOGIN_SLOW.most();
        // A pause that began just before the calm.
        let pauses = self.sites.iter().map(|s| s.watch.model.bounds.login_retry);
        let pause = Duration::from_millis(400).max(pauses.max().unwrap_or_default());
        let clients = u32::try_from(options.clients).expect("few clients");
        let pools = u32::try_from(self.sites.len()).expect("few pools");
        self.calm_watch = Some(CalmWatch::new(
            self.now,
            self.sites.len(),
            pause + turn * (clients + 1),
            pause + turn * pools,
        ));
    }
}
