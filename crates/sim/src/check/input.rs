//! What can happen to a pool, as data, so that it can be given to the pool and to its observer.

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{
    Action, Bounds, Checkout, CloseReason, Condition, Failure, Grant, Place, Pool,
};
use pgweir_pool::time::Time;

/// One call of a pool's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Checkout {
        client: ClientId,
        home: WorkerId,
    },
    Requeue {
        client: ClientId,
        home: WorkerId,
        place: Place,
    },
    Leave {
        client: ClientId,
        home: WorkerId,
        place: Place,
    },
    Opened {
        server: ServerId,
        home: WorkerId,
        jitter_permille: u32,
    },
    Failed(ServerId, Failure),
    Denied(ServerId),
    BudgetFreed,
    Checkin {
        server: ServerId,
        home: WorkerId,
        condition: Condition,
    },
    Lost(ServerId),
    ClientIn,
    ClientOut,
    Warm,
    Tick,
    SetBounds(Bounds),
    Retire,
    Vacate,
    Pause,
    Resume,
    Surrender,
}

/// What the pool returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    Checkout(Checkout),
    Truth(bool),
}

impl Answer {
    /// The client's place, if it was given one; who is served at once has one for a moment.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Checkout(Checkout::Granted(Grant { place, .. }) | Checkout::Waits(place)) => {
                Some(place)
            }
            Self::Checkout(Checkout::Refused(_)) | Self::Nothing | Self::Truth(_) => None,
        }
    }

    pub(crate) fn is_true(self) -> bool {
        self == Self::Truth(true)
    }
}

impl Input {
    /// Makes the call; with the answer, all that the pool did. A server that is the answer is among
    /// that, where it was taken: behind those that were too old to be.
    pub(crate) fn give(&self, pool: &mut Pool, now: Time) -> (Answer, Vec<Action>) {
        let answer = self.apply(pool, now);
        let mut actions: Vec<_> = std::iter::from_fn(|| pool.poll_action()).collect();
        if let Answer::Checkout(Checkout::Granted(grant)) = answer {
            let too_old =
                |action: &Action| matches!(action, Action::Close(_, CloseReason::Lifetime));
            let at = actions.iter().take_while(|action| too_old(action)).count();
            actions.insert(at, Action::Grant(grant));
        }
        (answer, actions)
    }

    /// Makes the call.
    fn apply(&self, pool: &mut Pool, now: Time) -> Answer {
        match *self {
            Self::Checkout { client, home } => {
                return Answer::Checkout(pool.checkout(now, client, home));
            }
            Self::Leave { home, place, .. } => {
                return Answer::Truth(pool.leave(now, home, place));
            }
            Self::Warm => return Answer::Truth(pool.warm(now)),
            Self::Surrender => return Answer::Truth(pool.surrender(now)),
            Self::Requeue {
                client,
                home,
                place,
            } => return Answer::Checkout(pool.requeue(now, client, home, place)),
            Self::Opened {
                server,
                home,
                jitter_permille,
            } => pool.opened(now, server, home, jitter_permille),
            Self::Failed(server, failure) => pool.failed(now, server, failure),
            Self::Denied(server) => pool.denied(now, server),
            Self::BudgetFreed => pool.budget_freed(now),
            Self::Checkin {
                server,
                home,
                condition,
            } => pool.checkin(now, server, home, condition),
            Self::Lost(server) => pool.lost(now, server),
            Self::ClientIn => pool.client_in(now),
            Self::ClientOut => pool.client_out(now),
            Self::Tick => pool.tick(now),
            Self::SetBounds(ref bounds) => pool.set_bounds(now, bounds.clone()),
            Self::Retire => pool.retire(now),
            Self::Vacate => pool.vacate(now),
            Self::Pause => pool.pause(now),
            Self::Resume => pool.resume(now),
        }
        Answer::Nothing
    }

    /// Its name in the tally.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Checkout { .. } => "checkout",
            Self::Requeue { .. } => "requeue",
            Self::Leave { .. } => "leave",
            Self::Opened { .. } => "opened",
            Self::Failed(_, Failure::Final) => "failed",
            Self::Failed(_, Failure::Passing) => "unreached",
            Self::Denied(_) => "denied",
            Self::BudgetFreed => "budget freed",
            Self::Checkin {
                condition: Condition::Clean,
                ..
            } => "checkin clean",
            Self::Checkin {
                condition: Condition::Dirty,
                ..
            } => "checkin dirty",
            Self::Lost(_) => "lost",
            Self::ClientIn => "client in",
            Self::ClientOut => "client out",
            Self::Warm => "warm",
            Self::Tick => "tick",
            Self::SetBounds(_) => "set bounds",
            Self::Retire => "retire",
            Self::Vacate => "vacate",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Surrender => "surrender",
        }
    }
}
