//! Closing a pool.

use std::time::Instant;

use pgweir_sqlx::sqlx;

use crate::{Log, Setup, block_on, connect, ms};

#[test]
fn a_close_says_who_did_not_let_go() {
    let setup = Setup::new();
    for settings in setup.both() {
        let log = Log::new();
        block_on(async {
            let settings = settings.max_connections(1).min_connections(0);
            let pool = connect(settings).await;
            let line = line!() + 1;
            let held = pool.acquire().await.unwrap();
            let waiting = tokio::spawn(pool.acquire());
            tokio::task::yield_now().await;

            let start = Instant::now();
            let left = pool.close_with_timeout(ms(300)).await.unwrap_err();
            assert!(start.elapsed() >= ms(300) && start.elapsed() < ms(5000));
            assert_eq!((left.holders.len(), left.open), (1, 1));
            let place = format!("crates/sqlx/tests/real/close.rs:{line}:");
            assert!(left.to_string().contains(&place), "{left}");
            assert!(log.line("connections are still open").contains(&place));

            // Nobody waits any longer, and later callers are refused.
            let waited = waiting.await.unwrap().map(drop);
            assert!(matches!(waited, Err(sqlx::Error::PoolClosed)), "{waited:?}");
            let late = pool.acquire().await.map(drop);
            assert!(matches!(late, Err(sqlx::Error::PoolClosed)), "{late:?}");
            assert!(pool.is_closed() && !pool.health().await.healthy);

            drop(held);
            pool.close_with_timeout(ms(10_000)).await.unwrap();
            assert_eq!(pool.sqlx().size(), 0);
        });
    }
}

#[test]
fn a_close_waits_for_work_in_progress() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings).await;
            let work = {
                let pool = pool.clone();
                tokio::spawn(
                    async move { sqlx::query("SELECT pg_sleep(0.5)").execute(&pool).await },
                )
            };
            tokio::time::sleep(ms(200)).await;
            pool.close_with_timeout(ms(20_000)).await.unwrap();
            work.await.unwrap().unwrap();
        });
    }
}
