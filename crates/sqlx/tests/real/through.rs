//! What is special behind pgweir in transaction mode.

use pgweir_e2e::{Pooler as Process, shared};
use pgweir_sqlx::Pooler;
use pgweir_sqlx::sqlx::{self, Connection as _};

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
        // All are held, so none of them may keep the only server.
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
        // pgweir goes away: what was used a moment ago is not asked for a sign of life.
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
