//! Why a client waits for a server.

use crate::budget::Group;
use crate::pin::ByPin;

/// What keeps a server from a client. Its names are those of metrics and of SHOW.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Most servers run statements that wait for locks, or hold those locks.
    Locks,
    /// Most servers run statements that are slow.
    SlowStatements,
    /// Most servers are held by clients that do nothing inside a transaction.
    IdleInTransaction,
    /// Most servers are kept outside transactions: session mode, prepared statements.
    Pinned,
    /// All servers are busy with ordinary work: the pool's own limit.
    PoolLimit,
    /// `max_db_connections`.
    DatabaseLimit,
    /// `max_user_connections`.
    UserLimit,
    /// Servers are logging in.
    Opening,
    /// PostgreSQL cannot be reached, or refuses the login.
    LoginFailing,
    /// PostgreSQL has no connection left.
    PostgresFull,
    /// An administrator has paused the database, or everything.
    Paused,
}

impl Cause {
    /// All there are, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Locks,
        Self::SlowStatements,
        Self::IdleInTransaction,
        Self::Pinned,
        Self::PoolLimit,
        Self::DatabaseLimit,
        Self::UserLimit,
        Self::Opening,
        Self::LoginFailing,
        Self::PostgresFull,
        Self::Paused,
    ];

    /// Its name in metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::SlowStatements => "slow_statements",
            Self::IdleInTransaction => "idle_in_transaction",
            Self::Pinned => "pinned",
            Self::PoolLimit => "pool_limit",
            Self::DatabaseLimit => "database_limit",
            Self::UserLimit => "user_limit",
            Self::Opening => "opening",
            Self::LoginFailing => "login_failing",
            Self::PostgresFull => "postgres_full",
            Self::Paused => "paused",
        }
    }
}

/// Why no server can be opened for who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The pool has as many as it may have.
    Size,
    /// The budget has no connection left.
    Budget,
    /// The last login failed, and the pause after it is not over.
    Login,
    /// One is being opened.
    Opening,
    /// The pool is paused.
    Paused,
}

/// Clients that hold servers, by what they do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Inside a transaction, doing nothing.
    pub idle_in_transaction: u32,
    /// Running a statement that is slow by now, for another reason than a lock.
    pub slow: u32,
    /// Running a statement that waits for a lock.
    pub locked: u32,
    /// Holding, whatever else they do, a lock that others wait for.
    pub blocking: u32,
    /// Outside a transaction, doing nothing.
    pub pinned: u32,
    /// With state in the session that keeps the server, whatever they do.
    pub by_pin: ByPin<u32>,
    /// Doing nothing for longer than they should.
    pub leaks: u32,
}

impl Held {
    /// All of several.
    pub fn sum(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), |sum, held| Self {
            idle_in_transaction: sum.idle_in_transaction + held.idle_in_transaction,
            slow: sum.slow + held.slow,
            locked: sum.locked + held.locked,
            blocking: sum.blocking + held.blocking,
            pinned: sum.pinned + held.pinned,
            by_pin: sum.by_pin.with(&held.by_pin),
            leaks: sum.leaks + held.leaks,
        })
    }

    /// Servers that state in the session keeps.
    pub fn keeping_state(&self) -> u32 {
        self.by_pin.iter().map(|(_, many)| many).sum()
    }
}

/// Servers that clients hold, and what they do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// How many.
    pub active: u32,
    /// Those of them that do something of note.
    pub held: Held,
}

impl Load {
    /// This, and that of other pools.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            active: self.active + other.active,
            held: Held::sum(&[self.held, other.held]),
        }
    }

    /// What half of the servers are held for, or more of them.
    fn reason(self) -> Option<Cause> {
        let held = self.held;
        // Who blocks nobody here may still be idle here, and is then told of as that.
        let locks = match held.locked {
            0 => 0,
            locked => locked + held.blocking,
        };
        let reasons = [
            (held.idle_in_transaction, Cause::IdleInTransaction),
            (held.slow, Cause::SlowStatements),
            (held.pinned, Cause::Pinned),
            // The last, for of those that explain as much it says the most.
            (locks, Cause::Locks),
        ];
        let (most, reason) = reasons
            .into_iter()
            .max_by_key(|&(many, _)| many)
            .expect("there are some");
        (most > 0 && most * 2 >= self.active).then_some(reason)
    }
}

/// Tells why a client of a pool waits: `own` is the load of the pool, `others` that of the pools
/// that share a limit with it which was reached, and `full` that limit; `postgres_full` says that
/// the last login failed for want of a connection.
pub fn cause(
    shortage: Shortage,
    own: Load,
    others: Load,
    full: Option<&Group>,
    postgres_full: bool,
) -> Cause {
    match shortage {
        Shortage::Opening => Cause::Opening,
        Shortage::Paused => Cause::Paused,
        Shortage::Login if postgres_full => Cause::PostgresFull,
        Shortage::Login => Cause::LoginFailing,
        Shortage::Size => own.reason().unwrap_or(Cause::PoolLimit),
        Shortage::Budget => {
            let reason = own.reason().or_else(|| own.with(others).reason());
            reason.unwrap_or(match full {
                Some(Group::User(_)) => Cause::UserLimit,
                Some(Group::Database(_)) | None => Cause::DatabaseLimit,
            })
        }
    }
}

#[cfg(test)]
mod tests;
