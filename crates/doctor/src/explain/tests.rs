//! Errors as they are logged, and what is said of them first.

use super::{Speaker, all, explain, explanation, matched};
use crate::named;

#[test]
fn errors_are_recognised_in_the_words_of_each_program() {
    use Speaker::*;
    for (error, speaker, word) in [
        (
            "FATAL:  sorry, too many clients already",
            Postgres,
            "max_connections",
        ),
        (
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
            Postgres,
            "reserved",
        ),
        (
            "FATAL: remaining connection slots are reserved for non-replication superuser connections",
            Postgres,
            "reserved",
        ),
        (
            "psql: error: FATAL:  remaining connection slots are reserved for roles with privileges of the \"pg_use_reserved_connections\" role",
            Postgres,
            "reserved",
        ),
        (
            "too many connections for role \"app\"",
            Postgres,
            "CONNECTION LIMIT",
        ),
        ("53300", Postgres, "slot"),
        ("SQLSTATE 25P03", Postgres, "idle in a transaction"),
        (
            "ERROR: prepared statement \"S_1\" already exists",
            Postgres,
            "already has",
        ),
        (
            "ERROR: canceling statement due to lock timeout",
            Postgres,
            "lock_timeout",
        ),
        ("query_wait_timeout", PgBouncer, "query_wait_timeout"),
        (
            "FATAL: no server connection became free within query_wait_timeout (5 s)",
            Pgweir,
            "HINT",
        ),
        (
            "FATAL: no more connections allowed (max_client_conn)",
            PgBouncer,
            "max_client_conn",
        ),
        (
            "unsupported startup parameter: extra_float_digits",
            PgBouncer,
            "startup parameter",
        ),
        (
            "pin timeout: the session kept its server",
            Pgweir,
            "pin_timeout",
        ),
        ("P2024", Prisma, "pool_timeout"),
        (
            "PrismaClientKnownRequestError: Timed out fetching a new connection from the connection pool. (More info: …)",
            Prisma,
            "pool_timeout",
        ),
        ("p2037", Prisma, "53300"),
        (
            "Can't reach database server at `db`:`5432`",
            Prisma,
            "not exhaustion",
        ),
        (
            "Error: pool timed out while waiting for an open connection",
            Sqlx,
            "acquire_timeout",
        ),
        (
            "SQLSTATE[HY000]: General error: 7 no connection to the server",
            Pdo,
            "ended",
        ),
        (
            "SQLSTATE[26000]: Invalid sql statement name: 7 ERROR:  prepared statement \"pdo_stmt_00000001\" does not exist",
            Pdo,
            "another server",
        ),
        (
            "asyncpg.exceptions.InvalidSQLStatementNameError: prepared statement \"__asyncpg_stmt_3__\" does not exist",
            Asyncpg,
            "cached statement",
        ),
        (
            "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
            Asyncpg,
            "overflow",
        ),
        (
            "HikariPool-1 - Connection is not available, request timed out after 30000ms (total=10, active=10)",
            Hikari,
            "connectionTimeout",
        ),
        (
            "Error: timeout exceeded when trying to connect",
            NodePostgres,
            "connectionTimeoutMillis",
        ),
        (
            "connect ECONNREFUSED 127.0.0.1:5432",
            Network,
            "nobody listens",
        ),
        ("53999", Postgres, "class 53"),
        ("ERROR XX002", Postgres, "class XX"),
    ] {
        let found = explain(error);
        let first = found.first().unwrap_or_else(|| panic!("{error}: nothing"));
        assert_eq!(first.speaker, speaker, "{error}: {first:?}");
        let text = format!("{} {}", first.means, first.cause);
        assert!(text.contains(word), "{error}: {text}");
        assert!(explanation(&found).contains("first"));
    }
    // Both layers are explained where one wraps the other, the one that has the code first.
    let wrapped = explain(
        "P2037: Too many database connections opened: FATAL: sorry, too many clients already",
    );
    let speakers: Vec<_> = wrapped.iter().map(|meaning| meaning.speaker).collect();
    assert_eq!(speakers, [Prisma, Postgres]);
    for unknown in [
        "",
        "all is well",
        "12345",
        "hello world",
        "worker 53124 has nothing to do",
    ] {
        assert_eq!(explain(unknown), [], "{unknown}");
    }
    // A long text is cut, also within a character.
    assert_eq!(explain(&"ü".repeat(200_000)), []);
}

#[test]
fn patterns_are_lower_case_specific_and_name_checks_that_exist() {
    for meaning in all() {
        assert!(
            !meaning.code.is_empty() || !meaning.texts.is_empty(),
            "{meaning:?}"
        );
        for text in meaning.texts {
            assert_eq!(*text, text.to_lowercase());
            assert!(text.len() >= 8, "{text}");
            assert!(matched(&text.replace('*', " x "), text).is_some());
            let first = explain(&text.replace('*', " x "));
            assert!(first.contains(&meaning), "{text} finds {first:?}");
        }
        for check in meaning.checks {
            assert!(named(check).is_some(), "{check}");
        }
        for part in [meaning.means, meaning.cause, meaning.first] {
            assert!(!part.is_empty() && !part.ends_with('.'), "{part}");
        }
    }
}
