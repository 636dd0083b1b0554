//! Queries run as they do on SQLx's own pool, and are timed.

use std::time::Instant;

use futures_util::TryStreamExt;
use pgweir_sqlx::sqlx::{self, Executor, PgConnection, Row};

use crate::{Log, Setup, block_on, connect, ms};

async fn count(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM t")
        .persistent(false)
        .fetch_one(connection)
        .await
        .unwrap()
}

#[test]
fn a_session_of_a_service() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(2)).await;
            pool.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
                .await
                .unwrap();
            for number in 0..10_i32 {
                let done = sqlx::query("INSERT INTO t VALUES ($1, $2)")
                    .bind(number)
                    .bind(format!("row {number}"))
                    .execute(&pool)
                    .await
                    .unwrap();
                assert_eq!(done.rows_affected(), 1);
            }
            let rows: Vec<String> = sqlx::query_scalar("SELECT b FROM t WHERE a < $1 ORDER BY a")
                .bind(2)
                .fetch_all(&pool)
                .await
                .unwrap();
            assert_eq!(rows, ["row 0", "row 1"]);
            let numbers: Vec<i32> = sqlx::query("SELECT a FROM t ORDER BY a")
                .fetch(&pool)
                .map_ok(|row| row.get::<i32, _>(0))
                .try_collect()
                .await
                .unwrap();
            assert_eq!(numbers, (0..10).collect::<Vec<_>>());
            let none = sqlx::query("SELECT 1 FROM t WHERE a = 77").fetch_optional(&pool);
            assert!(none.await.unwrap().is_none());

            let error = sqlx::query("INSERT INTO t VALUES (0, 'again')").execute(&pool);
            let error = error.await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23505");

            // A dropped transaction is rolled back, and so is a savepoint inside a committed one.
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("DELETE FROM t")
                .execute(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(count(&mut transaction).await, 0);
            drop(transaction);
            let mut transaction = pool
                .begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE")
                .await
                .unwrap();
            let level: String = sqlx::query_scalar("SHOW transaction_isolation")
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(level, "serializable");
            sqlx::query("INSERT INTO t VALUES (100, 'kept')")
                .execute(&mut *transaction)
                .await
                .unwrap();
            let mut nested = transaction.begin().await.unwrap();
            assert!(
                sqlx::query("SELECT 1/0")
                    .execute(&mut *nested)
                    .await
                    .is_err()
            );
            nested.rollback().await.unwrap();
            let mut nested = transaction.begin().await.unwrap();
            sqlx::query("DELETE FROM t")
                .execute(&mut *nested)
                .await
                .unwrap();
            drop(nested);
            transaction.commit().await.unwrap();

            let mut connection = pool.acquire().await.unwrap();
            assert_eq!(count(&mut connection).await, 11);
            let mut own = connection.begin().await.unwrap();
            sqlx::query("DELETE FROM t WHERE a < 5")
                .execute(&mut *own)
                .await
                .unwrap();
            own.commit().await.unwrap();
            assert_eq!(count(&mut connection).await, 6);
            let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.unwrap();
            copy.send(b"1000\tx\n1001\ty\n".as_slice()).await.unwrap();
            assert_eq!(copy.finish().await.unwrap(), 2);
            drop(connection);

            let now = pool.snapshot();
            assert_eq!(now.query_errors, 2, "{now:?}");
            assert!(now.queries > 20, "{now:?}");
            assert!(pool.holders().is_empty());
            pool.execute("DROP TABLE t").await.unwrap();
        });
    }
}

#[test]
fn slow_queries_are_logged_on_two_levels_without_their_arguments() {
    let setup = Setup::new();
    for settings in setup.both() {
        let log = Log::new();
        block_on(async {
            let pool = connect(settings.slow_query(ms(200), ms(600))).await;
            let sleep = "SELECT pg_sleep($1), $2";
            let on_pool = sqlx::query(sleep).bind(0.3_f64).bind("hush");
            on_pool.execute(&pool).await.unwrap();
            let mut transaction = pool.begin().await.unwrap();
            let in_transaction = sqlx::query(sleep).bind(0.8_f64).bind("hush");
            in_transaction.fetch_one(&mut *transaction).await.unwrap();
            let quick = sqlx::query(sleep).bind(0.0_f64).bind("hush");
            quick.execute(&mut *transaction).await.unwrap();
        });
        let slow = log.line(": slow query");
        assert!(
            slow.contains("WARN") && slow.contains("SELECT pg_sleep($1), $2"),
            "{slow}"
        );
        let very_slow = log.line(": very slow query");
        assert!(
            very_slow.contains("ERROR") && very_slow.contains("failed=false"),
            "{very_slow}"
        );
        assert!(!log.text().contains("hush"));
    }
}

#[test]
fn the_server_ends_a_query_first_and_the_connection_lives() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let settings = settings
                .max_connections(1)
                .min_connections(0)
                .socket_timeout(ms(400));
            let pool = connect(settings).await;
            let start = Instant::now();
            let error = sqlx::query("SELECT pg_sleep(20)")
                .execute(&pool)
                .await
                .unwrap_err();
            assert!(start.elapsed() < ms(5000), "{:?}", start.elapsed());
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57014");
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(one, 1);
            assert_eq!(pool.snapshot().opened, 1);
        });
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let settings = settings
                .max_connections(1)
                .min_connections(0)
                .statement_timeout(ms(15_000))
                .socket_timeout(ms(400));
            let pool = connect(settings).await;
            for query in [
                sqlx::query("SELECT pg_sleep(20)"),
                sqlx::query("SELECT pg_sleep($1)").bind(20.0_f64),
            ] {
                let start = Instant::now();
                let error = query.execute(&pool).await.unwrap_err();
                assert!(start.elapsed() < ms(5000), "{:?}", start.elapsed());
                let sqlx::Error::Io(error) = error else {
                    panic!("{error}");
                };
                assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            }
            let mut connection = pool.acquire().await.unwrap();
            let rows = sqlx::query("SELECT pg_sleep(20)").fetch_optional(&mut *connection);
            assert!(rows.await.is_err());
            assert_eq!(pool.snapshot().query_errors, 3);
            drop(connection);
            // Behind pgweir both servers are busy; the pool must continue to work.
            assert_eq!(pool.snapshot().discarded, 3);
        });
    }
}
