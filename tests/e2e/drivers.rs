//! Real drivers: tokio-postgres and SQLx.

use std::future::Future;
use std::io::Cursor;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use pgweir_e2e::{Pooler, Role, Target, eventually, shared};
use sqlx::{Connection, Executor, Row};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, CancelToken, NoTls};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), future)
            .await
            .expect("in a minute")
    })
}

fn pooler(role: &Role, mode: &str) -> Pooler {
    Pooler::start(
        &role
            .config()
            .set("pool_mode", mode)
            .set("auth_type", "scram-sha-256")
            .set("default_pool_size", 2),
    )
}

/// A client, and what came besides the answers.
async fn connect(
    target: &Target,
) -> (
    tokio_postgres::Client,
    mpsc::UnboundedReceiver<AsyncMessage>,
) {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&target.host)
        .port(target.port)
        .user(&target.user)
        .password(&target.password)
        .dbname(&target.database);
    let (client, mut connection) = config.connect(NoTls).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages =
            futures_util::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            // Nobody has to listen.
            let _ = sender.send(message);
        }
    });
    (client, receiver)
}

fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}

async fn tokio_postgres_session(target: &Target) {
    let (mut client, mut messages) = connect(target).await;
    client
        .batch_execute("create table t (a int primary key, b text)")
        .await
        .unwrap();

    let insert = client
        .prepare("insert into t values ($1, $2)")
        .await
        .unwrap();
    for number in 0..10 {
        let text = format!("row {number}");
        assert_eq!(client.execute(&insert, &[&number, &text]).await.unwrap(), 1);
    }
    let rows = client
        .query("select a, b from t where a >= $1 order by a", &[&7])
        .await
        .unwrap();
    let got: Vec<(i32, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(got, [(7, "row 7"), (8, "row 8"), (9, "row 9")]);

    let error = client.execute(&insert, &[&0, &"again"]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "23505");
    let error = client.query("select 1 / $1::int", &[&0]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "22012");
    let error = client.batch_execute("selekt").await.unwrap_err();
    assert_eq!(sqlstate(&error), "42601");

    let transaction = client.transaction().await.unwrap();
    transaction.execute("delete from t", &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("insert into t values (100, 'kept')", &[])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let count: i64 = client
        .query_one("select count(*) from t", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 11);

    // Portals of a transaction, a few rows at a time.
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("select generate_series(1, 5)", &[])
        .await
        .unwrap();
    let mut sizes = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 2).await.unwrap();
        if rows.is_empty() {
            break;
        }
        sizes.push(rows.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    drop(transaction);

    let sink = client.copy_in("copy t from stdin").await.unwrap();
    futures_util::pin_mut!(sink);
    for number in 1000..2000 {
        sink.send(Cursor::new(format!("{number}\tcopied\n").into_bytes()))
            .await
            .unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 1000);
    // A COPY that is dropped half way is failed by the driver, and nothing of it stays.
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    {
        let mut sink = Box::pin(sink);
        sink.send(Cursor::new(b"5000\tlost\n".to_vec()))
            .await
            .unwrap();
    }
    let stream = client.copy_out("copy (select a from t where a >= 1000 order by a) to stdout");
    let chunks: Vec<_> = stream.await.unwrap().try_collect().await.unwrap();
    let text = String::from_utf8(chunks.concat()).unwrap();
    let expected: String = (1000..2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(text, expected);

    client
        .batch_execute("do $$ begin raise notice 'look'; end $$")
        .await
        .unwrap();
    let notice = messages.recv().await.unwrap();
    assert!(matches!(notice, AsyncMessage::Notice(notice) if notice.message() == "look"));

    // Pipelined: all are sent before the first is answered.
    let statement = client.prepare("select $1::int * 2").await.unwrap();
    let queries = (0..200).map(|number: i32| {
        let (client, statement) = (&client, &statement);
        async move {
            client
                .query_one(statement, &[&number])
                .await
                .unwrap()
                .get::<_, i32>(0)
        }
    });
    let doubled = futures_util::future::join_all(queries).await;
    assert_eq!(
        doubled,
        (0..200).map(|number| number * 2).collect::<Vec<_>>()
    );
    client.batch_execute("drop table t").await.unwrap();
}

#[test]
fn tokio_postgres_in_transaction_and_session_mode() {
    for mode in ["transaction", "session"] {
        let role = shared().role();
        let pooler = pooler(&role, mode);
        block_on(tokio_postgres_session(&role.through(&pooler)));
    }
}

#[test]
fn tokio_postgres_cancels() {
    let role = shared().role();
    let pooler = pooler(&role, "transaction");
    block_on(async {
        let (client, _messages) = connect(&role.through(&pooler)).await;
        let token: CancelToken = client.cancel_token();
        let start = Instant::now();
        let sleep = client.batch_execute("select pg_sleep(60)");
        let cancel = async {
            // Waiting blocks, and the connection is driven by this thread.
            let runs = move || {
                let state = shared().activity(&role, "state");
                state.filter(|state| state == "active")
            };
            tokio::task::spawn_blocking(move || eventually("the query runs", runs))
                .await
                .unwrap();
            token.cancel_query(NoTls).await.unwrap();
        };
        let (slept, ()) = tokio::join!(sleep, cancel);
        assert_eq!(sqlstate(&slept.unwrap_err()), "57014");
        assert!(start.elapsed() < Duration::from_secs(5));
        client.batch_execute("select 1").await.unwrap();
    });
}

async fn sqlx_session(target: &Target) {
    let options = sqlx::postgres::PgConnectOptions::new()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(&target.password)
        .database(&target.database)
        .ssl_mode(sqlx::postgres::PgSslMode::Prefer);
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(2)
        .connect_with(options)
        .await
        .unwrap();
    pool.execute("create table t (a int primary key, b text)")
        .await
        .unwrap();
    for number in 0..10_i32 {
        sqlx::query("insert into t values ($1, $2)")
            .bind(number)
            .bind(format!("row {number}"))
            .execute(&pool)
            .await
            .unwrap();
    }
    let rows = sqlx::query("select b from t where a < $1 order by a")
        .bind(2)
        .fetch_all(&pool)
        .await
        .unwrap();
    let got: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(got, ["row 0", "row 1"]);

    let error = sqlx::query("insert into t values (0, 'again')")
        .execute(&pool)
        .await
        .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23505");

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("delete from t")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    // Dropped without a word is rolled back too.
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("delete from t")
        .execute(&mut *transaction)
        .await
        .unwrap();
    drop(transaction);
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("insert into t values (100, 'kept')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let mut nested = transaction.begin().await.unwrap();
    assert!(
        sqlx::query("select 1/0")
            .execute(&mut *nested)
            .await
            .is_err()
    );
    nested.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let count: i64 = sqlx::query_scalar("select count(*) from t")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(count, 11);

    let mut connection = pool.acquire().await.unwrap();
    let mut copy = connection.copy_in_raw("copy t from stdin").await.unwrap();
    copy.send(b"1000\tx\n1001\ty\n".as_slice()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 2);
    let mut copy = connection.copy_in_raw("copy t from stdin").await.unwrap();
    copy.send(b"5000\tlost\n".as_slice()).await.unwrap();
    copy.abort("changed my mind").await.unwrap();
    let stream = connection.copy_out_raw("copy (select a from t where a >= 1000) to stdout");
    let chunks: Vec<_> = stream.await.unwrap().try_collect().await.unwrap();
    assert_eq!(chunks.concat(), b"1000\n1001\n");
    connection.ping().await.unwrap();
    drop(connection);
    pool.execute("drop table t").await.unwrap();
    pool.close().await;
}

#[test]
fn sqlx_in_transaction_and_session_mode() {
    for mode in ["transaction", "session"] {
        let role = shared().role();
        let pooler = pooler(&role, mode);
        block_on(sqlx_session(&role.through(&pooler)));
    }
}
