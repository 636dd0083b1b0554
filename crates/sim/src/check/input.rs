//! What can happen to a pool, as data, so that it can be given to the pool and to its observer.

use pgweir_pool::id::{ClientId, ServerId, WorkerId};
use pgweir_pool::pool::{Condition, Config, Place, Pool};
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
    Failed(ServerId),
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
    SetConfig(Config),
    Retire,
    Surrender,
}

/// What the pool returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    Place(Place),
    Truth(bool),
}

impl Answer {
    pub(crate) fn is_true(self) -> bool {
        self == Self::Truth(true)
    }
}

impl Input {
    /// Makes the call.
    pub(crate) fn apply(&self, pool: &mut Pool, now: Time) -> Answer {
        match *self {
            Self::Checkout { client, home } => {
                return Answer::Place(pool.checkout(now, client, home));
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
            } => pool.requeue(now, client, home, place),
            Self::Opened {
                server,
                home,
                jitter_permille,
            } => pool.opened(now, server, home, jitter_permille),
            Self::Failed(server) => pool.failed(now, server),
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
            Self::SetConfig(ref config) => pool.set_config(now, config.clone()),
            Self::Retire => pool.retire(now),
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
            Self::Failed(_) => "failed",
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
            Self::SetConfig(_) => "set config",
            Self::Retire => "retire",
            Self::Surrender => "surrender",
        }
    }
}
