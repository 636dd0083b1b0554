//! The driver's side of the contract: it tells pools what happened, carries out their actions, and
//! stands between them and the budget.
//!
//! * After every input all actions are drained before any is carried out.
//! * A connection is given back to the budget when its socket is gone and its pool knows. Whoever
//!   is fed by that is told, and carries out its actions, before anything else: else the pool that
//!   gave a server up could take the room itself.
//! * A pool that is denied has a rival give up an idle server, and each sweep ticks every pool and
//!   then has rivals of hungry pools give one up; which, the budget says.

use std::collections::BTreeMap;

use pgweir_pool::budget::{Budget, Permit, PoolId, Standing, rival_served_before, rival_with_idle};
use pgweir_pool::id::{ClientId, ServerId};
use pgweir_pool::pool::{Action, Bounds, Checkout, Failure, Grant, Pool};
use pgweir_pool::time::Time;

use super::options::LOGIN_SLOW;
use super::{Event, Phase, SWEEP, World};
use crate::check::{Answer, Input, Need, Watch};
use crate::names::{close_name, refusal_name};

/// A pool and what the driver knows of it.
#[derive(Debug)]
pub(super) struct Site {
    pool: Pool,
    pub(super) watch: Watch,
    permits: BTreeMap<ServerId, Permit>,
    /// How often a client was given a server.
    served: u64,
    /// A server told its parameters once, so clients can be greeted.
    pub(super) parameters_known: bool,
    /// Clients that wait to be greeted, and since when.
    pub(super) greeting: Vec<(ClientId, Time)>,
}

impl Site {
    pub(super) fn new(bounds: Bounds, workers: usize, at: usize) -> Self {
        // Names of different pools differ, so that a trace is easier to read.
        let first_name = ServerId(100_000 * at as u64);
        Self {
            pool: Pool::new(bounds.clone(), workers, first_name),
            watch: Watch::new(bounds),
            permits: BTreeMap::new(),
            served: 0,
            parameters_known: false,
            greeting: Vec::new(),
        }
    }

    /// Since when someone waits for a server here.
    fn waiting_since(&self) -> Option<Time> {
        let greeting = self.greeting.iter().map(|&(_, since)| since);
        let queued = self.pool.counts().waiting_since;
        greeting.chain(queued).min()
    }
}

/// When a permit is asked for, for a server that a pool opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errands {
    /// After as long as the seed says.
    Take,
    /// Before anything else, as for a pool that was told of room.
    AtOnce,
}

impl World {
    /// Gives one input to a pool, and carries out what it does.
    pub(super) fn tell(&mut self, at: usize, input: Input) -> Answer {
        self.tell_with(at, input, Errands::Take)
    }

    fn tell_with(&mut self, at: usize, input: Input, errands: Errands) -> Answer {
        let now = self.now;
        let site = &mut self.sites[at];
        self.log.count(input.name());
        if input != Input::Tick {
            self.log.line(now, format_args!("pool {at}: {input:?}"));
        }
        let (answer, actions) = input.give(&mut site.pool, now);
        if let Answer::Checkout(Checkout::Refused(refusal)) = answer {
            self.log.count(refusal_name(refusal));
        }
        for action in &actions {
            self.log
                .line(now, format_args!("pool {at}:     {action:?}"));
        }
        if let Answer::Checkout(Checkout::Granted(_)) = answer {
            site.served += 1;
        }
        let counts = site.pool.counts();
        for what in site.watch.notable(&input, answer, &actions) {
            self.log.count(what);
        }
        site.watch.observe(now, &input, answer, &actions, counts);
        for action in actions {
            self.sites[at].served += u64::from(matches!(action, Action::Grant(_)));
            self.carry_out(at, action, errands);
        }
        answer
    }

    fn carry_out(&mut self, at: usize, action: Action, errands: Errands) {
        self.log.count(name(&action));
        match action {
            Action::Open(server) => {
                self.log.mix(1 << 32 | server.0);
                let errand = self.rng.duration(self.options.errand);
                if errand.is_zero() || errands == Errands::AtOnce {
                    self.open(at, server);
                } else {
                    self.schedule(errand, Event::Open(at, server));
                }
            }
            Action::Close(server, _) => {
                self.log.mix(2 << 32 | server.0);
                let goodbye = self.rng.duration(self.options.goodbye);
                if goodbye.is_zero() {
                    self.gone(at, server);
                } else {
                    self.schedule(goodbye, Event::Gone(at, server));
                }
            }
            Action::Grant(Grant {
                client,
                server,
                place,
                ..
            }) => {
                self.log.mix(3 << 32 | server.0);
                self.granted(client, server, place);
            }
            Action::Refuse(client, ..) => {
                self.log.mix(4 << 32 | client.0);
                self.refused(client);
            }
        }
    }

    /// Begins a login, if the budget permits it.
    pub(super) fn open(&mut self, at: usize, server: ServerId) {
        let permit = self.budget.acquire(pool_id(at));
        self.budget_watch.asked(pool_id(at), permit.is_some());
        let Some(permit) = permit else {
            self.tell(at, Input::Denied(server));
            self.make_room(at);
            return;
        };
        self.sites[at].permits.insert(server, permit);
        let slow = self.rng.happens(self.options.login_slow);
        let spread = if slow { LOGIN_SLOW } else { self.options.login };
        let delay = self.rng.duration(spread);
        self.schedule(delay, Event::LoginEnd(at, server));
    }

    pub(super) fn login_end(&mut self, at: usize, server: ServerId) {
        let faulty = self.phase == Phase::Faults;
        if faulty && (self.outage || self.rng.happens(self.options.login_fails)) {
            // By its number, and not drawn, so that seeds go on meaning what they meant.
            let failure = match server.0 % 2 {
                0 => Failure::Final,
                _ => Failure::Passing,
            };
            self.tell(at, Input::Failed(server, failure));
            self.gone(at, server);
            if failure == Failure::Passing && !self.sites[at].greeting.is_empty() {
                // They go on waiting, and say so.
                self.tell(at, Input::Warm);
                return;
            }
            if self.sites[at].watch.model.paused {
                // PostgreSQL may be stopped: whoever waits is greeted after the pause.
                return;
            }
            for (client, _) in std::mem::take(&mut self.sites[at].greeting) {
                self.turn_away(client);
            }
            return;
        }
        let jitter = self
            .rng
            .between(0, u64::from(self.options.jitter_permille_max));
        let opened = Input::Opened {
            server,
            home: self.worker(),
            jitter_permille: u32::try_from(jitter).expect("at most what was asked for"),
        };
        self.sites[at].parameters_known = true;
        self.tell(at, opened);
        for (client, _) in std::mem::take(&mut self.sites[at].greeting) {
            self.greet(client);
        }
    }

    /// The socket of a server is gone.
    pub(super) fn gone(&mut self, at: usize, server: ServerId) {
        let permit = self.sites[at].permits.remove(&server);
        self.budget
            .release(permit.expect("an open server has its permit"));
        self.budget_watch.released(pool_id(at));
        self.feed();
    }

    /// Tells hungry pools of room, one after the other.
    pub(super) fn feed(&mut self) {
        loop {
            let fed = self.budget.next_fed();
            self.budget_watch.fed(fed);
            let Some(PoolId(at)) = fed else {
                break;
            };
            self.log.count("fed");
            self.tell_with(at as usize, Input::BudgetFreed, Errands::AtOnce);
        }
    }

    /// A pool was denied: lets the rival give up the server that was unused for longest.
    fn make_room(&mut self, at: usize) {
        let rival = rival_with_idle(self.standing(at), self.rivals(at));
        self.press(rival);
    }

    pub(super) fn sweep(&mut self) {
        for at in 0..self.sites.len() {
            self.tell(at, Input::Tick);
        }
        let hungry: Vec<_> = self.budget.hungry().collect();
        for PoolId(at) in hungry {
            let at = at as usize;
            let rival = rival_served_before(self.standing(at), self.rivals(at));
            self.press(rival);
        }
        if let Some(watch) = &mut self.calm_watch {
            let needs: Vec<_> = (0..self.sites.len())
                .map(|at| Need {
                    since: self.sites[at].waiting_since(),
                    rivals_since: rivals(&self.budget, at)
                        .filter_map(|rival| self.sites[rival].waiting_since())
                        .min(),
                    servers: self.sites[at].watch.model.total(),
                    served: self.sites[at].served,
                })
                .collect();
            watch.sweep(self.now, &needs);
        }
        self.schedule(SWEEP, Event::Sweep);
    }

    fn press(&mut self, rival: Option<usize>) {
        if let Some(rival) = rival {
            self.tell(rival, Input::Surrender);
        }
    }

    fn standing(&self, at: usize) -> Standing {
        self.sites[at].pool.standing()
    }

    fn rivals(&self, at: usize) -> Vec<(usize, Standing)> {
        let rivals = rivals(&self.budget, at);
        rivals.map(|rival| (rival, self.standing(rival))).collect()
    }
}

fn rivals(budget: &Budget, at: usize) -> impl Iterator<Item = usize> + use<> {
    let rivals = budget.rivals(pool_id(at)).into_iter();
    rivals.map(|PoolId(rival)| rival as usize)
}

fn pool_id(at: usize) -> PoolId {
    PoolId(u32::try_from(at).expect("few pools"))
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Open(_) => "open",
        Action::Grant(_) => "grant",
        Action::Close(_, reason) => close_name(*reason),
        Action::Refuse(_, _, refusal) => refusal_name(*refusal),
    }
}
