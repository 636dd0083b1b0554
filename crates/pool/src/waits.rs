//! Why a client waits for a server.

use crate::budget::Group;

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
}

impl Cause {
    /// All there are, in the order of their numbers.
    pub const ALL: [Self; 10] = [
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
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Locks => {
                "Most servers run statements that wait for locks: commit sooner in the transactions that hold them, and set idle_transaction_timeout here and lock_timeout in PostgreSQL."
            }
            Self::SlowStatements => {
                "Most servers run slow statements: make those faster (the slow-query log names them), or raise the pool's size if PostgreSQL has cores to spare."
            }
            Self::IdleInTransaction => {
                "Most servers are idle in transaction: commit before slow work that does not need the database, and set idle_transaction_timeout."
            }
            Self::Pinned => {
                "Most servers stay with clients outside transactions: use transaction mode, and unnamed prepared statements or none."
            }
            Self::PoolLimit => {
                "All servers of the pool are busy with short work: raise default_pool_size if PostgreSQL has cores to spare."
            }
            Self::DatabaseLimit => {
                "max_db_connections is reached: raise it if PostgreSQL has room, or make the pools of the database smaller."
            }
            Self::UserLimit => {
                "max_user_connections is reached: raise it if PostgreSQL has room, or make the pools of the user smaller."
            }
            Self::Opening => {
                "Servers are logging in: set min_pool_size so that they are there before the load is."
            }
            Self::LoginFailing => "Logins to PostgreSQL fail: see the pooler's log for the reason.",
            Self::PostgresFull => {
                "PostgreSQL has no connection left: raise its max_connections, or make the pools smaller."
            }
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
            leaks: sum.leaks + held.leaks,
        })
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
mod tests {
    use super::{Cause, Held, Load, Shortage, cause};
    use crate::budget::Group;

    #[test]
    fn the_cause_is_what_half_of_the_servers_do_or_what_stops_more() {
        let held = |idle_in_transaction, slow, pinned| Held {
            idle_in_transaction,
            slow,
            pinned,
            ..Held::default()
        };
        let (user, database) = (Group::User("u".into()), Group::Database("d".into()));
        let none = held(0, 0, 0);
        for (shortage, active, held, full, postgres_full, expected) in [
            (
                Shortage::Size,
                4,
                held(2, 1, 1),
                None,
                false,
                Cause::IdleInTransaction,
            ),
            (
                Shortage::Size,
                4,
                held(1, 2, 0),
                None,
                false,
                Cause::SlowStatements,
            ),
            (Shortage::Size, 4, held(0, 1, 3), None, false, Cause::Pinned),
            (
                Shortage::Size,
                5,
                held(2, 2, 1),
                None,
                false,
                Cause::PoolLimit,
            ),
            (Shortage::Size, 4, none, None, true, Cause::PoolLimit),
            (
                Shortage::Budget,
                4,
                held(3, 0, 0),
                Some(&user),
                false,
                Cause::IdleInTransaction,
            ),
            (
                Shortage::Budget,
                4,
                none,
                Some(&user),
                false,
                Cause::UserLimit,
            ),
            (
                Shortage::Budget,
                4,
                none,
                Some(&database),
                false,
                Cause::DatabaseLimit,
            ),
            (
                Shortage::Budget,
                0,
                none,
                Some(&database),
                false,
                Cause::DatabaseLimit,
            ),
            (
                Shortage::Login,
                1,
                held(1, 0, 0),
                None,
                false,
                Cause::LoginFailing,
            ),
            (Shortage::Login, 0, none, None, true, Cause::PostgresFull),
            (
                Shortage::Opening,
                1,
                held(1, 0, 0),
                None,
                false,
                Cause::Opening,
            ),
        ] {
            let own = Load { active, held };
            let found = cause(shortage, own, Load::default(), full, postgres_full);
            assert_eq!(found, expected, "{shortage:?} {active} {held:?}");
        }
    }

    #[test]
    fn locks_explain_those_that_wait_for_them_and_who_holds_them() {
        for (active, locked, blocking, idle_in_transaction, slow, expected) in [
            // One sits in its transaction, the others wait for it.
            (20, 19, 1, 1, 0, Cause::Locks),
            // The same in a pool of two, and of three with one that works.
            (2, 1, 1, 1, 0, Cause::Locks),
            (3, 1, 1, 1, 0, Cause::Locks),
            // Who holds the locks is in another pool, or no client of ours.
            (1, 1, 0, 0, 0, Cause::Locks),
            // Here it is the other pool: nobody waits for a lock, one sits idle.
            (1, 0, 1, 1, 0, Cause::IdleInTransaction),
            // A few locks among much else.
            (20, 3, 1, 1, 12, Cause::SlowStatements),
            (20, 3, 1, 11, 0, Cause::IdleInTransaction),
            (20, 3, 1, 1, 0, Cause::PoolLimit),
        ] {
            let held = Held {
                idle_in_transaction,
                slow,
                locked,
                blocking,
                ..Held::default()
            };
            let own = Load { active, held };
            let found = cause(Shortage::Size, own, Load::default(), None, false);
            assert_eq!(found, expected, "{active} {held:?}");
        }
    }

    #[test]
    fn behind_a_limit_of_several_pools_it_is_what_the_others_do() {
        let load = |active, locked, slow| Load {
            active,
            held: Held {
                locked,
                slow,
                ..Held::default()
            },
        };
        let database = Group::Database("d".into());
        for (shortage, own, others, expected) in [
            (Shortage::Budget, load(0, 0, 0), load(9, 8, 0), Cause::Locks),
            (Shortage::Budget, load(2, 2, 0), load(9, 0, 9), Cause::Locks),
            (
                Shortage::Budget,
                load(2, 0, 0),
                load(9, 3, 3),
                Cause::DatabaseLimit,
            ),
            // Its own limit is reached: what others do is nothing to it.
            (
                Shortage::Size,
                load(2, 0, 0),
                load(9, 9, 0),
                Cause::PoolLimit,
            ),
        ] {
            let found = cause(shortage, own, others, Some(&database), false);
            assert_eq!(found, expected, "{shortage:?} {own:?} {others:?}");
        }
    }

    #[test]
    fn causes_are_numbered_as_they_are_listed() {
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at);
        }
    }
}
