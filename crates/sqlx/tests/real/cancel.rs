//! Futures that are dropped before their end.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::poll_immediate;
use pgweir_sqlx::Pool;
use pgweir_sqlx::sqlx::{self, Executor};

use crate::{Setup, block_on, connect, eventually, ms};

/// Whether the pool's only connection is outside of any transaction and gives the right answer.
async fn is_clean(pool: &Pool) -> bool {
    let mut connection = pool.acquire().await.unwrap();
    let row = connection
        .fetch_one("SELECT now() = statement_timestamp(), 42")
        .await
        .unwrap();
    use sqlx::Row;
    // Simple queries are answered in text.
    assert_eq!(row.try_get_unchecked::<&str, _>(1).unwrap(), "42");
    row.get(0)
}

#[test]
fn cancelled_acquires_leave_nothing_behind() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(1).min_connections(0)).await;
            let held = pool.acquire().await.unwrap();
            let mut waiters = Vec::new();
            for _ in 0..100 {
                let mut waiter = Box::pin(pool.acquire());
                assert!(poll_immediate(waiter.as_mut()).await.is_none());
                waiters.push(waiter);
            }
            assert_eq!(pool.snapshot().waiting, 100);
            drop(waiters);
            let now = pool.snapshot();
            assert_eq!((now.waiting, now.cancelled, now.active), (0, 100, 1));
            drop(held);
            assert!(is_clean(&pool).await);

            // Cancel at every point of an acquire that could succeed.
            for polls in 1..8 {
                let mut waiter = Box::pin(pool.acquire());
                for _ in 0..polls {
                    if poll_immediate(waiter.as_mut()).await.is_some() {
                        break;
                    }
                    tokio::time::sleep(ms(1)).await;
                }
                drop(waiter);
            }
            assert!(is_clean(&pool).await);
            assert_eq!(pool.snapshot().waiting, 0);
        });
    }
}

#[test]
fn cancelled_queries_do_not_answer_the_next_one() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(1).min_connections(0)).await;
            // On the pool.
            let query = sqlx::query("SELECT pg_sleep(0.3), 'of the first'").execute(&pool);
            assert!(tokio::time::timeout(ms(100), query).await.is_err());
            assert!(is_clean(&pool).await);
            // On a connection, which is used again.
            let mut connection = pool.acquire().await.unwrap();
            let query = sqlx::query("SELECT pg_sleep(0.3)").fetch_optional(&mut *connection);
            assert!(tokio::time::timeout(ms(100), query).await.is_err());
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            assert_eq!(one, 1);
            // A stream of which one row is read.
            {
                let mut rows =
                    sqlx::query("SELECT generate_series(1, 100000)").fetch(&mut *connection);
                rows.next().await.unwrap().unwrap();
            }
            drop(connection);
            assert!(is_clean(&pool).await);
            // In a transaction.
            let mut transaction = pool.begin().await.unwrap();
            let query = sqlx::query("SELECT pg_sleep(0.3)").execute(&mut *transaction);
            assert!(tokio::time::timeout(ms(100), query).await.is_err());
            drop(transaction);
            assert!(is_clean(&pool).await);
            let now = pool.snapshot();
            assert_eq!((now.discarded, now.opened), (0, 1), "{now:?}");
        });
    }
}

#[test]
fn a_query_that_does_not_end_costs_its_connection_and_not_the_pool() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let settings = settings
                .max_connections(1)
                .min_connections(0)
                // The server ends it after the test.
                .statement_timeout(ms(15_000));
            let pool = connect(settings).await;
            let query = sqlx::query("SELECT pg_sleep(30)").execute(&pool);
            assert!(tokio::time::timeout(ms(100), query).await.is_err());
            // The check takes five seconds, and the connection is held until then.
            assert_eq!(pool.holders().len(), 1);
            let start = Instant::now();
            assert!(is_clean(&pool).await);
            assert!(start.elapsed() < ms(12_000), "{:?}", start.elapsed());
            let now = pool.snapshot();
            assert_eq!((now.discarded, now.active), (1, 0), "{now:?}");
        });
    }
}

#[test]
fn a_cancelled_begin_does_not_leave_a_transaction() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(1).min_connections(0)).await;
            for polls in 1..12 {
                let mut begin = Box::pin(pool.begin());
                for _ in 0..polls {
                    if poll_immediate(begin.as_mut()).await.is_some() {
                        break;
                    }
                    tokio::time::sleep(ms(1)).await;
                }
                drop(begin);
                assert!(is_clean(&pool).await, "after {polls} polls");
            }
            // The same on a connection that is held.
            for polls in 1..6 {
                let mut connection = pool.acquire().await.unwrap();
                {
                    let mut begin = Box::pin(connection.begin());
                    for _ in 0..polls {
                        if poll_immediate(begin.as_mut()).await.is_some() {
                            break;
                        }
                        // Without a pause, so that no answer is read.
                    }
                }
                drop(connection);
                assert!(is_clean(&pool).await, "after {polls} polls on a connection");
            }
        });
    }
}

#[test]
fn a_transaction_that_was_begun_by_hand_is_noticed() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(1).min_connections(0)).await;
            for (statement, discarded) in [("BEGIN", 1), ("BEGIN; SELECT 1/0", 2), ("SELECT 1", 2)]
            {
                let mut connection = pool.acquire().await.unwrap();
                // One of them must fail.
                let _ = connection.execute(statement).await;
                drop(connection);
                assert!(is_clean(&pool).await, "{statement}");
                assert_eq!(pool.snapshot().discarded, discarded, "{statement}");
            }
            eventually(&pool, "nobody", |now| now.active == 0).await;
        });
    }
}
