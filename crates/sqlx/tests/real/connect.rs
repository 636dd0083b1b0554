//! How a pool starts, and what it survives.

use std::error::Error as _;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Instant;

use pgweir_e2e::{Postgres, Target, shared};
use pgweir_sqlx::sqlx;
use pgweir_sqlx::{ConnectError, Pool, PoolSettings, Verdict};
use tokio::net::{TcpListener, TcpStream};

use crate::{Log, Setup, block_on, connect, ms, settings};

fn url(target: &Target) -> String {
    let mut password = String::new();
    for byte in target.password.bytes() {
        write!(password, "%{byte:02x}").unwrap();
    }
    let Target {
        host,
        port,
        user,
        database,
        ..
    } = target;
    format!("postgres://{user}:{password}@{host}:{port}/{database}?sslmode=disable")
}

#[test]
fn three_lines_are_enough() {
    let setup = Setup::new();
    for (target, pooler) in [
        (setup.role.direct(), "none"),
        (setup.role.through(&setup.process), "pgweir"),
    ] {
        let log = Log::new();
        block_on(async {
            let url = format!("{}&connection_limit=4&pool_timeout=3&foo=bar", url(&target));
            let settings = PoolSettings::from_variables([
                ("DATABASE_URL", url.as_str()),
                ("DB_POOLER", pooler),
                ("DB_MIN_CONNECTIONS", "1"),
                ("DB_SERVICE", "rust-iss"),
            ])
            .unwrap();
            let pool = Pool::connect(settings).await.unwrap();
            let name: String = sqlx::query_scalar("SELECT current_setting('application_name')")
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(name, "rust-iss");
        });
        let line = log.line("Connection Pool: ");
        assert!(
            line.contains("Limit: 4, Pool Timeout: 3s, Connect Timeout: 5s, Min: 1"),
            "{line}"
        );
        log.line("Database connected");
        let left_out = log.line("left out");
        assert!(left_out.contains("foo") && !left_out.contains("bar"));
        let text = log.text();
        assert!(
            !text.contains("hush") && !text.contains("ignoring"),
            "{text}"
        );
    }
}

#[test]
fn a_database_that_is_not_there_is_an_error_with_its_cause() {
    let mut target = shared().role().direct();
    // Nothing listens on it: the port was free a moment ago.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    target.port = listener.local_addr().unwrap().port();
    drop(listener);
    block_on(async {
        let start = Instant::now();
        let settings = settings(&target).connect_timeout(ms(500));
        let error = Pool::connect(settings).await.unwrap_err();
        assert!(start.elapsed() >= ms(500) && start.elapsed() < ms(5000));
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("no connection to the database within 0.5 s"),
            "{text}"
        );
        assert!(text.contains("refused"), "{text}");
        assert!(error.source().is_some());
    });
}

#[test]
fn a_server_that_hangs_up_at_first_is_waited_for() {
    let mut target = shared().role().direct();
    block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = (target.host.clone(), target.port);
        target.host = "127.0.0.1".to_owned();
        target.port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for number in 0.. {
                let (mut client, _) = listener.accept().await.unwrap();
                // Like a server that shuts down or is still starting.
                if number < 2 {
                    continue;
                }
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        let settings = settings(&target).min_connections(0);
        let pool = connect(settings).await;
        assert_eq!(pool.snapshot().opened, 1);
    });
}

#[test]
fn a_wrong_password_is_reported_at_once_and_not_shown() {
    let role = shared().role();
    let target = role.direct().password("not the one");
    block_on(async {
        let start = Instant::now();
        let error = Pool::connect(settings(&target)).await.unwrap_err();
        assert!(start.elapsed() < ms(10_000));
        assert!(matches!(error, ConnectError::Database(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("not the one"));
    });
}

#[test]
fn contradicting_settings_make_no_pool() {
    let settings = settings(&shared().role().direct()).min_connections(11);
    let error = block_on(Pool::connect(settings)).unwrap_err();
    assert!(matches!(error, ConnectError::Settings(_)), "{error}");
}

#[test]
fn what_the_database_gives_is_compared_with_what_replicas_want() {
    let role = shared().role();
    shared().sql(&format!("ALTER ROLE {} CONNECTION LIMIT 20", role.name));
    let log = Log::new();
    block_on(async {
        let settings = settings(&role.direct());
        let three = settings.clone().replicas(NonZeroU32::new(3));
        let pool = connect(three).await;
        let capacity = pool.capacity().await.unwrap();
        assert_eq!((capacity.max_connections, capacity.reserved), (400, 3));
        assert_eq!(
            (capacity.role_limit, capacity.database_limit),
            (Some(20), None)
        );
        assert_eq!((capacity.wanted, capacity.usable()), (30, 20));
        assert_eq!(capacity.verdict(), Verdict::TooMany);
        let line = log.line("connections will be refused");
        assert!(line.contains("WARN") && line.contains("30"), "{line}");

        let one = settings.max_connections(5).replicas(NonZeroU32::new(1));
        connect(one).await;
        log.line("may open 5 connections, and the database gives 20");
    });
}

#[test]
fn a_restart_of_the_server_is_survived() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    let process = pgweir_e2e::Pooler::start(&role.config());
    let direct = settings(&role.direct());
    let behind = settings(&role.through(&process)).pooler(pgweir_sqlx::Pooler::Pgweir);
    block_on(async {
        let pools = [connect(direct).await, connect(behind).await];
        for pool in &pools {
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!(one, 1);
        }
        let running: Vec<_> = pools
            .iter()
            .cloned()
            .map(|pool| {
                tokio::spawn(async move { sqlx::query("SELECT pg_sleep(60)").execute(&pool).await })
            })
            .collect();
        tokio::time::sleep(ms(300)).await;
        tokio::task::spawn_blocking(move || {
            postgres.restart();
            // It stops when it is dropped.
            std::mem::forget(postgres);
        })
        .await
        .unwrap();
        for query in running {
            assert!(query.await.unwrap().is_err());
        }
        for pool in &pools {
            // The pool replaces the dead idle connection unnoticed. pgweir reopens its servers.
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!(one, 1);
            let now = pool.snapshot();
            assert_eq!((now.active, now.waiting), (0, 0), "{now:?}");
            assert!(now.query_errors >= 1);
        }
    });
}
