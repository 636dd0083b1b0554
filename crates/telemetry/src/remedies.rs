//! What to do about what keeps clients waiting.

use pgweir_pool::waits::Cause;

/// What to do about the cause of a wait.
pub fn remedy(cause: Cause) -> &'static str {
    match cause {
        Cause::Locks => {
            "Most servers run statements that wait for locks: commit sooner in the transactions that hold them, and set idle_transaction_timeout here and lock_timeout in PostgreSQL."
        }
        Cause::SlowStatements => {
            "Most servers run slow statements: make those faster (the slow-query log names them), or raise the pool's size if PostgreSQL has cores to spare."
        }
        Cause::IdleInTransaction => {
            "Most servers are idle in transaction: commit before slow work that does not need the database, and set idle_transaction_timeout."
        }
        Cause::Pinned => {
            "Most servers stay with clients outside transactions: use transaction mode; there, the pooler's log says what keeps them (pinned), and pin_timeout ends it."
        }
        Cause::PoolLimit => {
            "All servers of the pool are busy with short work: raise default_pool_size if PostgreSQL has cores to spare."
        }
        Cause::DatabaseLimit => {
            "max_db_connections is reached: raise it if PostgreSQL has room, or make the pools of the database smaller."
        }
        Cause::UserLimit => {
            "max_user_connections is reached: raise it if PostgreSQL has room, or make the pools of the user smaller."
        }
        Cause::Opening => {
            "Servers are logging in: set min_pool_size so that they are there before the load is."
        }
        Cause::LoginFailing => {
            "Logins to PostgreSQL fail: the pool's alarm, and the pooler's log (server login failed), have its reason."
        }
        Cause::Paused => {
            "An administrator has paused the database, or everything: RESUME on the console, or SIGUSR2, goes on."
        }
        Cause::PostgresFull => {
            "PostgreSQL has no connection left for the pooler: make the pools smaller, or raise its max_connections, or the CONNECTION LIMIT of the role or the database (the pooler's log says which)."
        }
    }
}
