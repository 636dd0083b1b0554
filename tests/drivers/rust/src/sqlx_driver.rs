//! SQLx, which names its statements `sqlx_s_1`, `sqlx_s_2` … and keeps a hundred of them.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgRow, PgValueFormat};
use sqlx::{Connection as _, Executor as _, Row as _, ValueRef as _};
use tokio::runtime::{Builder, Runtime};

use crate::{Answer, Driver, Failure, text};

pub struct Sqlx {
    runtime: Runtime,
    connections: HashMap<u64, PgConnection>,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        let code = code.map_or_else(|| "error".to_owned(), |code| code.into_owned());
        Failure::new(code, error)
    }
}

fn field(row: &PgRow, at: usize) -> Value {
    let value = row.try_get_raw(at).unwrap();
    if value.is_null() {
        return Value::Null;
    }
    let oid = value.type_info().oid().map_or(0, |oid| oid.0);
    let bytes = value.as_bytes().unwrap();
    match value.format() {
        PgValueFormat::Text => json!(String::from_utf8_lossy(bytes)),
        PgValueFormat::Binary => text::binary(oid, bytes),
    }
}

fn rows(found: &[PgRow]) -> Value {
    let fields = |row: &PgRow| (0..row.len()).map(|at| field(row, at)).collect::<Vec<_>>();
    json!(found.iter().map(fields).collect::<Vec<_>>())
}

async fn query(connection: &mut PgConnection, sql: &str, given: &Value) -> Answer {
    let mut query = sqlx::query(sql);
    for value in given.as_array().into_iter().flatten() {
        query = match value.as_i64() {
            Some(number) => query.bind(i32::try_from(number).unwrap()),
            None => query.bind(value.as_str().unwrap().to_owned()),
        };
    }
    Ok(rows(&query.fetch_all(connection).await?))
}

async fn nested(connection: &mut PgConnection, key: i64) -> Answer {
    let insert = "insert into account values ($1::int, $2::text)";
    let mut outer = connection.begin().await?;
    query(&mut outer, insert, &json!([key, "outer"])).await?;
    let mut inner = outer.begin().await?;
    let taken = query(&mut inner, insert, &json!([key, "inner"])).await;
    assert!(taken.is_err(), "the key is taken");
    inner.rollback().await?;
    query(
        &mut outer,
        "update account set name = name || '!' where id = $1::int",
        &json!([key]),
    )
    .await?;
    outer.commit().await?;
    query(
        connection,
        "select name from account where id = $1::int",
        &json!([key]),
    )
    .await
}

async fn answer(connection: &mut PgConnection, op: &str, request: &Value) -> Answer {
    let sql = request["sql"].as_str().unwrap_or_default();
    match op {
        "query" => query(connection, sql, &request["parameters"]).await,
        "simple" => Ok(rows(&connection.fetch_all(sqlx::raw_sql(sql)).await?)),
        "begin" | "commit" | "rollback" => {
            connection.execute(sqlx::raw_sql(op)).await?;
            Ok(Value::Null)
        }
        "nested" => nested(connection, request["key"].as_i64().unwrap()).await,
        _ => Err(Failure::new("unknown", op)),
    }
}

impl Sqlx {
    pub fn new() -> Self {
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            connections: HashMap::new(),
        }
    }
}

impl Driver for Sqlx {
    fn answer(&mut self, op: &str, client: u64, request: &Value) -> Answer {
        match op {
            "hello" => Ok(json!(["nested"])),
            "open" => {
                let url = std::env::var("DATABASE_URL").unwrap();
                let connection = self.runtime.block_on(PgConnection::connect(&url))?;
                self.connections.insert(client, connection);
                Ok(Value::Null)
            }
            "reset" => {
                for (_, connection) in self.connections.drain() {
                    // One that hangs, or broke, is gone with the program.
                    let _ = self.runtime.block_on(async {
                        tokio::time::timeout(Duration::from_secs(1), connection.close()).await
                    });
                }
                Ok(Value::Null)
            }
            "drop" => {
                // Closes the socket without a word.
                let _guard = self.runtime.enter();
                self.connections.remove(&client);
                Ok(Value::Null)
            }
            _ => {
                let connection = self.connections.get_mut(&client).unwrap();
                self.runtime.block_on(answer(connection, op, request))
            }
        }
    }
}
