//! What PostgreSQL says.
//!
//! Source: PostgreSQL documentation, "PostgreSQL Error Codes" and "Client Connection Defaults"; texts as 13 to 18
//! print them.

use super::Meaning;
use super::Speaker::Postgres;

pub(super) const MEANINGS: &[Meaning] = &[
    Meaning {
        speaker: Postgres,
        code: "53300",
        texts: &["too many clients already"],
        means: "every slot of max_connections is taken, the reserved ones too",
        cause: "the pools of all services together may open more than the server has slots; or pools grew behind slow \
                statements, locks or open transactions",
        first: "as a superuser see who holds the slots and what they do; shrink the largest pool, or put a pooler in \
                transaction mode in front. A higher max_connections takes a restart, not pg_reload_conf()",
        checks: &["connections", "idle-in-transaction", "blocking"],
    },
    Meaning {
        speaker: Postgres,
        code: "53300",
        texts: &["remaining connection slots are reserved for"],
        means: "only slots that are reserved for superusers, or for pg_use_reserved_connections, are left",
        cause: "ordinary roles get max_connections less superuser_reserved_connections and reserved_connections, and \
                all of these are taken",
        first: "log in as a superuser, for whom the slots are kept, and see who holds the others; then shrink pools",
        checks: &["connections", "superuser-sessions"],
    },
    Meaning {
        speaker: Postgres,
        code: "53300",
        texts: &["too many connections for role"],
        means: "the role has as many connections as its CONNECTION LIMIT allows; the server may have free slots",
        cause: "the pools that log in as this role are larger than its limit, rollouts included",
        first: "compare the limit with the sum of the pools of this role; raise it, or lower them",
        checks: &["role-limits"],
    },
    Meaning {
        speaker: Postgres,
        code: "53300",
        texts: &["too many connections for database"],
        means: "the database has as many connections as its CONNECTION LIMIT allows; the server may have free slots",
        cause: "the pools of this database are larger than its limit",
        first: "compare the limit with the sum of the pools of this database; raise it, or lower them",
        checks: &["role-limits"],
    },
    Meaning {
        speaker: Postgres,
        code: "57P01",
        texts: &["terminating connection due to administrator command"],
        means: "the session was ended: by pg_terminate_backend, by a shutdown or restart, or by an administrator of \
                the pooler",
        cause: "a restart or failover, or a script that ends idle sessions, which are the warm connections of pools",
        first: "look into the server's log for a shutdown at that moment; remove scripts that end idle sessions; have \
                the pool test or renew connections",
        checks: &["idle-session-timeout"],
    },
    Meaning {
        speaker: Postgres,
        code: "57P02",
        texts: &["terminating connection because of crash of another server process"],
        means: "a server process died, so PostgreSQL ended all sessions and recovered",
        cause: "most often the kernel's out-of-memory killer (signal 9), else a bug in an extension",
        first: "look into the server's log for \"was terminated by signal\" and into the kernel's for OOM",
        checks: &["memory"],
    },
    Meaning {
        speaker: Postgres,
        code: "57P03",
        texts: &[
            "the database system is starting up",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "the database system is not accepting connections",
            "the database system is not yet accepting connections",
        ],
        means: "the server runs and lets nobody in yet, or no more",
        cause: "a start, a shutdown, or recovery after a crash; a standby that has not reached a consistent state",
        first: "wait and retry with a pause; if it lasts, read the server's log for how far recovery is",
        checks: &["replay"],
    },
    Meaning {
        speaker: Postgres,
        code: "25P03",
        texts: &["terminating connection due to idle-in-transaction timeout"],
        means: "the session was idle in a transaction for idle_in_transaction_session_timeout, and was ended",
        cause: "the application began a transaction and did something else: a call to another service, a wait for a \
                user, or an error path without ROLLBACK",
        first: "find the code by its last statement; commit before slow work. Do not switch the limit off",
        checks: &["idle-in-transaction"],
    },
    Meaning {
        speaker: Postgres,
        code: "25P04",
        texts: &["terminating connection due to transaction timeout"],
        means: "the transaction took longer than transaction_timeout (PostgreSQL 17 and later), and the session was \
                ended",
        cause: "a long batch in one transaction, or one that waits for locks",
        first: "split the transaction; give roles for migrations and batches a longer limit",
        checks: &["long-transactions", "blocking"],
    },
    Meaning {
        speaker: Postgres,
        code: "57P05",
        texts: &["terminating connection due to idle-session timeout"],
        means: "the session was idle for idle_session_timeout, and was ended",
        cause: "the limit is set for a role that pools use: it ends their warm connections",
        first: "set idle_session_timeout to 0 for roles of pools; let the pool's own idle_timeout close what is not \
                needed",
        checks: &["idle-session-timeout"],
    },
    Meaning {
        speaker: Postgres,
        code: "57014",
        texts: &["canceling statement due to statement timeout"],
        means: "the statement ran longer than statement_timeout and was cancelled; the session goes on",
        cause: "a missing index, a lock it waited for, or an overloaded server",
        first: "run EXPLAIN (ANALYZE, BUFFERS) on it; set lock_timeout shorter than statement_timeout, so that waits \
                for locks say so",
        checks: &["slow-statements", "blocking", "timeout-races"],
    },
    Meaning {
        speaker: Postgres,
        code: "57014",
        texts: &["canceling statement due to user request"],
        means: "somebody sent a cancel request: the client, its driver's time limit, a pooler's, or \
                pg_cancel_backend",
        cause: "a time limit of the client (query_timeout, socketTimeout, a closed HTTP request)",
        first: "find whose limit it is; where it should act, statement_timeout names itself and acts without a client",
        checks: &["long-queries", "timeout-races"],
    },
    Meaning {
        speaker: Postgres,
        code: "55P03",
        texts: &[
            "canceling statement due to lock timeout",
            "could not obtain lock on",
        ],
        means: "a lock was not free within lock_timeout (or at once, with NOWAIT)",
        cause: "a transaction that was left open, or DDL beside traffic",
        first: "see who holds the lock; retry DDL with a short lock_timeout until it gets in",
        checks: &["blocking", "idle-in-transaction"],
    },
    Meaning {
        speaker: Postgres,
        code: "40P01",
        texts: &["deadlock detected"],
        means: "two transactions waited for each other, and PostgreSQL ended this one after deadlock_timeout",
        cause: "rows or tables are locked in different orders",
        first: "run the transaction again; lock rows in one order (ORDER BY … FOR UPDATE). Client time limits do not \
                prevent deadlocks",
        checks: &["blocking"],
    },
    Meaning {
        speaker: Postgres,
        code: "40001",
        texts: &[
            "could not serialize access",
            "canceling statement due to conflict with recovery",
            "terminating connection due to conflict with recovery",
        ],
        means: "the transaction collided with another (REPEATABLE READ, SERIALIZABLE), or with replay on a standby",
        cause: "concurrent changes of the same rows; on a standby, vacuum on the primary",
        first: "run the whole transaction again; on a standby see max_standby_streaming_delay and \
                hot_standby_feedback",
        checks: &["replay", "long-transactions"],
    },
    Meaning {
        speaker: Postgres,
        code: "25P02",
        texts: &["current transaction is aborted, commands ignored until end of transaction block"],
        means: "an earlier statement of this transaction failed, and nothing but ROLLBACK is taken",
        cause: "the application caught the first error and went on; or a persistent connection came back from a pool \
                within a failed transaction",
        first: "find the first error; roll back in error paths before the connection goes back",
        checks: &["idle-in-transaction"],
    },
    Meaning {
        speaker: Postgres,
        code: "25006",
        texts: &["in a read-only transaction"],
        means: "a write came to a session that only reads",
        cause: "the connection leads to a standby, often after a failover; or default_transaction_read_only is on",
        first: "SELECT pg_is_in_recovery(); connect with target_session_attrs=read-write, and have pools renew their \
                connections after a failover",
        checks: &["replay"],
    },
    Meaning {
        speaker: Postgres,
        code: "42P05",
        texts: &["prepared statement * already exists"],
        means: "the session already has a prepared statement of this name",
        cause: "a pooler in transaction mode that does not keep prepared statements gave the client a server on which \
                another had prepared under the same name",
        first: "PgBouncer 1.21 and later: max_prepared_statements above 0; pgweir keeps them. Else switch the \
                driver's cache off (asyncpg statement_cache_size=0, pgjdbc prepareThreshold=0, SQLx \
                statement-cache-capacity=0, Prisma pgbouncer=true)",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "26000",
        texts: &["prepared statement * does not exist"],
        means: "the session has no prepared statement of this name",
        cause: "a pooler in transaction mode gave the client another server than the one it prepared on; or \
                DEALLOCATE ALL / DISCARD ALL came between; or SQL-level PREPARE, which PgBouncer does not keep",
        first: "PgBouncer 1.21 and later: max_prepared_statements above 0; pgweir keeps them. Else switch the \
                driver's cache off; prepare by the protocol, not by SQL",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "0A000",
        texts: &["cached plan must not change result type"],
        means: "a prepared statement would return other columns than when it was prepared",
        cause: "a migration changed a table under open connections (SELECT *)",
        first: "renew connections after migrations that change columns; name columns in place of *",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "28P01",
        texts: &["password authentication failed for user"],
        means: "the password is wrong, has expired, or the role has none",
        cause: "an unescaped character in a URL (write %40 for @), a changed password, or a pooler's userlist that is \
                old",
        first: "log in with psql from the same machine; the server's log says which of these it is",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "28000",
        texts: &["no pg_hba.conf entry for", "pg_hba.conf rejects connection"],
        means: "no rule of pg_hba.conf lets this role in from this address, to this database, with or without TLS",
        cause: "a new subnet, TLS that is demanded (hostssl), or a pooler whose address is not the application's",
        first: "SELECT * FROM pg_hba_file_rules as a superuser; the first rule that fits counts; then reload",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "28000",
        texts: &["role * does not exist", "is not permitted to log in"],
        means: "there is no such role, or it may not log in",
        cause: "a wrong user name, or another server than expected",
        first: "SELECT rolname, rolcanlogin FROM pg_roles on the server that the URL names",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "3D000",
        texts: &["database * does not exist"],
        means: "there is no such database",
        cause: "a wrong name: without one, that of the user counts",
        first: "check the name behind the last / of the URL",
        checks: &[],
    },
    Meaning {
        speaker: Postgres,
        code: "53200",
        texts: &["out of shared memory"],
        means: "the table of locks is full: max_locks_per_transaction × (max_connections + max_prepared_transactions)",
        cause: "a transaction that touches thousands of tables or partitions (pg_dump, a migration)",
        first: "raise max_locks_per_transaction, which takes a restart, or touch fewer objects in one transaction",
        checks: &["prepared-transactions"],
    },
    Meaning {
        speaker: Postgres,
        code: "53200",
        texts: &["out of memory"],
        means: "the system refused memory to one server process",
        cause: "work_mem times nodes times connections exceeds the machine, or a limit of the container",
        first: "compare the worst case with the machine; lower work_mem for the server and raise it for single roles",
        checks: &["memory"],
    },
    Meaning {
        speaker: Postgres,
        code: "53100",
        texts: &["no space left on device"],
        means: "the disk, or /dev/shm in a container, is full",
        cause: "WAL that a replication slot keeps, temporary files of large sorts, or Docker's 64 MB of /dev/shm \
                (\"could not resize shared memory segment\")",
        first: "look at replication slots first; in a container set shm_size",
        checks: &["replication-slots", "prepared-transactions"],
    },
    Meaning {
        speaker: Postgres,
        code: "55P02",
        texts: &[
            "cannot be changed without restarting the server",
            "setting could not be applied",
        ],
        means: "the setting takes effect at the next start only",
        cause: "ALTER SYSTEM or an edited file, then a reload",
        first: "SELECT name, setting FROM pg_settings WHERE pending_restart; restart when it suits you",
        checks: &["pending-restart"],
    },
    Meaning {
        speaker: Postgres,
        code: "54000",
        texts: &[
            "is not accepting commands * wraparound",
            "is not accepting commands that assign new",
        ],
        means: "transaction numbers have run out: no more writes until old ones are frozen",
        cause: "something held vacuum back for very long: a session, a prepared transaction or a replication slot",
        first: "remove what holds vacuum back, then VACUUM (without FULL) in that database, the oldest tables first",
        checks: &["wraparound", "prepared-transactions", "replication-slots"],
    },
    Meaning {
        speaker: Postgres,
        code: "42704",
        texts: &["unrecognized configuration parameter"],
        means: "the server knows no setting of this name",
        cause: "a setting of a later version, or a parameter of a pool that was passed on to the server",
        first: "compare the name with pg_settings of this version",
        checks: &["configuration-files"],
    },
    Meaning {
        speaker: Postgres,
        code: "08006",
        texts: &[
            "could not receive data from client: connection reset by peer",
            "unexpected eof on client connection",
        ],
        means: "the client's connection ended without a goodbye (a line of the server's log)",
        cause: "the client was killed or crashed, its pool gave up, or a firewall or balancer cut an idle connection",
        first: "see whose address it is, and whether it comes after a fixed idle time: then lower keepalives below it",
        checks: &["keepalives"],
    },
];
