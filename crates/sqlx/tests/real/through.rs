//! Behind pgweir in transaction mode.

use pgweir_e2e::{Pooler as Process, shared};
use pgweir_sqlx::sqlx::{self, Connection as _, Row};
use pgweir_sqlx::{Pooler, Session};

use crate::{block_on, connect, ms, settings};

#[test]
fn connections_share_a_server_between_queries_with_arguments() {
    let role = shared().role();
    let process = Process::start(&role.config().set("default_pool_size", 1));
    block_on(async {
        let settings = settings(&role.through(&process))
            .pooler(Pooler::Pgweir)
            .socket_timeout(ms(5000));
        let pool = connect(settings).await;
        // All are held, so none may keep the only server.
        let mut connections = Vec::new();
        for _ in 0..5 {
            connections.push(pool.acquire().await.unwrap());
        }
        for round in 0..3_i32 {
            for (number, connection) in connections.iter_mut().enumerate() {
                let sent = round * 10 + number as i32;
                let got: i32 = sqlx::query_scalar("SELECT $1::int4")
                    .bind(sent)
                    .fetch_one(&mut **connection)
                    .await
                    .unwrap();
                assert_eq!(got, sent);
            }
        }
        assert_eq!(shared().pids(&role).len(), 1);
    });
}

/// A query that fails if it runs another client's unnamed statement: each has a different number or type
/// of arguments.
async fn ask(session: &mut Session<'_>, number: i32, named: bool) {
    let text = format!("of {number}");
    let query = match number % 3 {
        0 => sqlx::query("SELECT $1::int4, 'of ' || $1").bind(number),
        1 => sqlx::query("SELECT $2::int4, $1::text")
            .bind(&text)
            .bind(number),
        _ => sqlx::query("SELECT length($3::text)::int4 + $2::int4, $1::text")
            .bind(&text)
            .bind(number - 2)
            .bind("ab"),
    };
    let row = if named {
        // Bypass this crate, which would leave out the name.
        query.fetch_one(&mut **session).await
    } else {
        query.fetch_one(session).await
    };
    let row = row.unwrap();
    let got: (i32, &str) = (row.get(0), row.get(1));
    assert_eq!(got, (number, text.as_str()));
}

#[test]
fn statements_of_many_do_not_meet() {
    let role = shared().role();
    let process = Process::start(&role.config().set("default_pool_size", 2));
    block_on(async {
        let behind = settings(&role.through(&process)).max_connections(9);
        let pool = connect(behind.pooler(Pooler::Pgweir)).await;
        let mut tasks = tokio::task::JoinSet::new();
        // Nine clients take turns on two servers, one of which holds the first client's named statements.
        for task in 0..9 {
            let pool = pool.clone();
            tasks.spawn(async move {
                let mut connection = pool.acquire().await.unwrap();
                for round in 0..150 {
                    ask(&mut connection, task + round, task == 0).await;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert!(shared().pids(&role).len() <= 2);

        // The pool itself, and transactions, with the same statements.
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..9_i32 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for round in 0..30 {
                    let sum: i32 = sqlx::query_scalar("SELECT $1::int4 + $2::int4")
                        .bind(task)
                        .bind(round)
                        .fetch_one(&pool)
                        .await
                        .unwrap();
                    assert_eq!(sum, task + round);
                    let mut transaction = pool.begin().await.unwrap();
                    let text: String = sqlx::query_scalar("SELECT $1::text")
                        .bind(format!("{task} {round}"))
                        .fetch_one(&mut *transaction)
                        .await
                        .unwrap();
                    assert_eq!(text, format!("{task} {round}"));
                    transaction.commit().await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(pool.snapshot().query_errors, 0);
    });
}

#[test]
fn an_unused_connection_is_tested_and_a_used_one_is_not() {
    let role = shared().role();
    let mut process = Process::start(&role.config());
    block_on(async {
        let settings = settings(&role.through(&process))
            .pooler(Pooler::Pgweir)
            .max_connections(1)
            .min_connections(0);
        let pool = connect(settings).await;
        sqlx::query("SELECT 1").execute(&pool).await.unwrap();
        let before = pool.snapshot().opened;
        // pgweir goes away: a connection used a moment ago is not pinged.
        process.signal(pgweir_e2e::Signal::KILL);
        process.wait();
        tokio::time::sleep(ms(1200)).await;
        let timed = tokio::time::timeout(ms(500), pool.acquire()).await;
        assert!(
            timed.is_err(),
            "a dead connection was handed out: {timed:?}"
        );
        assert_eq!(pool.snapshot().opened, before);
    });
}

#[test]
fn settings_of_a_session_hold_in_transactions_behind_pgbouncer() {
    // What is sent to PgBouncer works with PostgreSQL as well.
    let role = shared().role();
    block_on(async {
        let settings = settings(&role.direct())
            .pooler(Pooler::PgBouncer)
            .statement_timeout(ms(300));
        let pool = connect(settings).await;
        let mut connection = pool.acquire().await.unwrap();
        connection.ping().await.unwrap();
        let outside: String = sqlx::query_scalar("SHOW statement_timeout")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(outside, "0");
        for mut transaction in [
            pool.begin().await.unwrap(),
            pool.begin_with("BEGIN READ ONLY").await.unwrap(),
        ] {
            let inside: String = sqlx::query_scalar("SHOW statement_timeout")
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
            assert_eq!(inside, "300ms");
            transaction.rollback().await.unwrap();
        }
    });
}
