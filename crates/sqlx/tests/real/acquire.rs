//! Exhaustion, leaks, lifetimes: what happens around acquires.

use std::time::Instant;

use pgweir_sqlx::sqlx;
use pgweir_sqlx::{Connection, Place};

use crate::{Log, Setup, block_on, connect, eventually, ms};

async fn pid(connection: &mut Connection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut **connection)
        .await
        .unwrap()
}

#[test]
fn an_exhausted_pool_says_who_holds_it() {
    let setup = Setup::new();
    for settings in setup.both() {
        let log = Log::new();
        block_on(async {
            let settings = settings
                .max_connections(2)
                .min_connections(0)
                .acquire_timeout(ms(400));
            let pool = connect(settings).await;
            let first = pool.acquire().await.unwrap();
            let line = line!() + 1;
            let second = pool.begin().await.unwrap();
            let start = Instant::now();
            let error = pool.acquire().await.unwrap_err();
            let waited = start.elapsed();
            assert!(matches!(error, sqlx::Error::PoolTimedOut), "{error}");
            assert!(waited >= ms(400) && waited < ms(5000), "{waited:?}");
            let now = pool.snapshot();
            assert_eq!((now.timeouts, now.active, now.waiting), (1, 2, 0));
            let logged = log.line("no connection within the pool's timeout");
            assert!(logged.contains("limit=2 open=2 held=2"), "{logged}");
            let place = format!("1 x crates/sqlx/tests/real/acquire.rs:{line}:");
            assert!(logged.contains(&place), "{place} in {logged}");

            let text = pool.prometheus_text();
            for line in [
                "sqlx_pool_connections_active{service=\"real\"} 2",
                "sqlx_pool_connections_idle{service=\"real\"} 0",
                "sqlx_pool_connections_max{service=\"real\"} 2",
                "sqlx_pool_acquire_timeouts_total{service=\"real\"} 1",
            ] {
                assert!(text.contains(line), "{line} in\n{text}");
            }
            drop((first, second));
            pool.acquire().await.unwrap();
        });
    }
}

#[test]
fn a_leak_is_logged_once_with_its_place() {
    let setup = Setup::new();
    for settings in setup.both() {
        let log = Log::new();
        block_on(async {
            let pool = connect(settings.leak_after(ms(300))).await;
            let line = line!() + 1;
            let held = pool.acquire().await.unwrap();
            tokio::time::sleep(ms(100)).await;
            assert_eq!(pool.snapshot().leaks, 0);
            eventually(&pool, "a leak", |now| now.leaks == 1).await;
            let holders = pool.holders();
            assert_eq!(holders.len(), 1);
            assert!(holders[0].leaked && holders[0].held_for >= ms(300));
            let Place::Code(location) = holders[0].place else {
                panic!("{holders:?}");
            };
            assert!(location.file().ends_with("tests/real/acquire.rs"));
            assert_eq!(location.line(), line);
            tokio::time::sleep(ms(500)).await;
            let logged = log.line("connection held too long");
            assert!(logged.contains(&format!("acquire.rs:{line}:")), "{logged}");
            drop(held);
            assert!(pool.holders().is_empty());
            assert_eq!(pool.snapshot().leaks, 1);

            // A forgotten connection never comes back.
            std::mem::forget(pool.acquire().await.unwrap());
            eventually(&pool, "a second leak", |now| now.leaks == 2).await;
            assert_eq!(pool.holders().len(), 1);
        });
    }
}

#[test]
fn queries_on_the_pool_are_held_by_their_statement() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.leak_after(ms(200))).await;
            let query = sqlx::query("SELECT pg_sleep($1)").bind(0.6_f64);
            let look = async {
                eventually(&pool, "a leak", |now| now.leaks == 1).await;
                pool.holders()
            };
            let (outcome, holders) = tokio::join!(query.execute(&pool), look);
            outcome.unwrap();
            assert_eq!(
                holders[0].place.to_string(),
                "statement SELECT pg_sleep($1)"
            );
            assert!(pool.holders().is_empty());
        });
    }
}

#[test]
fn connections_end_within_their_lifetime() {
    let setup = Setup::new();
    // Behind pgweir the connection has no process of its own.
    let [settings, _] = setup.both();
    block_on(async {
        let settings = settings
            .max_connections(1)
            .min_connections(0)
            .max_lifetime(ms(2000))
            .lifetime_jitter(0.5);
        let pool = connect(settings).await;
        let opened = Instant::now();
        let first = pid(&mut pool.acquire().await.unwrap()).await;
        let mut last = opened;
        let ended = loop {
            let mut connection = pool.acquire().await.unwrap();
            if pid(&mut connection).await != first {
                break Instant::now();
            }
            last = Instant::now();
            drop(connection);
            tokio::time::sleep(ms(20)).await;
        };
        assert!(last.duration_since(opened) < ms(2000), "not too old");
        assert!(ended.duration_since(opened) >= ms(950), "not too young");
        let now = pool.snapshot();
        assert_eq!((now.expired, now.opened), (1, 2));

        // An unused one is not handed out either.
        let second = pid(&mut pool.acquire().await.unwrap()).await;
        tokio::time::sleep(ms(2500)).await;
        assert_ne!(pid(&mut pool.acquire().await.unwrap()).await, second);
    });
}

#[test]
fn slow_acquires_are_logged_on_two_levels() {
    let setup = Setup::new();
    for settings in setup.both() {
        let log = Log::new();
        block_on(async {
            let settings = settings
                .max_connections(1)
                .min_connections(0)
                .slow_acquire(ms(150), ms(500));
            let pool = connect(settings).await;
            for wait in [250, 700] {
                let held = pool.acquire().await.unwrap();
                let release = async {
                    tokio::time::sleep(ms(wait)).await;
                    drop(held);
                };
                let (acquired, ()) = tokio::join!(pool.acquire(), release);
                acquired.unwrap();
            }
            assert!(log.line(": slow acquire").contains("WARN"));
            assert!(log.line(": very slow acquire").contains("ERROR"));
            let text = pool.prometheus_text();
            let count = "sqlx_pool_slow_acquires_total{service=\"real\",level=";
            assert!(text.contains(&format!("{count}\"slow\"}} 1")), "{text}");
            assert!(
                text.contains(&format!("{count}\"very_slow\"}} 1")),
                "{text}"
            );
        });
    }
}

#[test]
fn a_connection_can_be_taken_out_or_closed() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings.max_connections(1).min_connections(0)).await;
            let mut own = pool.acquire().await.unwrap().detach();
            assert_eq!(pool.snapshot().active, 0);
            // The pool opens another one.
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(&pool)
                .await
                .unwrap();
            let two: i32 = sqlx::query_scalar("SELECT 2")
                .persistent(false)
                .fetch_one(&mut own)
                .await
                .unwrap();
            assert_eq!((one, two), (1, 2));
            pool.acquire().await.unwrap().close().await.unwrap();
            assert_eq!(pool.sqlx().size(), 0);
            assert!(pool.try_acquire().is_none());
        });
    }
}
