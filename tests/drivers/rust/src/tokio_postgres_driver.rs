//! tokio-postgres: statements are prepared once for each client and text, with names that it counts up.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io::Cursor;
use std::pin::pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, TryStreamExt, future, stream};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Row, SimpleQueryMessage, Statement};

use crate::{Answer, Driver, Failure, text};

struct Connection {
    client: std::sync::Arc<Client>,
    statements: HashMap<String, Statement>,
    heard: mpsc::UnboundedReceiver<Value>,
    task: JoinHandle<()>,
    running: Option<JoinHandle<Result<(), Error>>>,
}

pub struct TokioPostgres {
    runtime: Runtime,
    connections: HashMap<u64, Connection>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.code().map_or("error", |code| code.code());
        Failure::new(
            code,
            format!("{error}: {:?}", error.source().map(ToString::to_string)),
        )
    }
}

struct Field(Value);

impl<'a> FromSql<'a> for Field {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(text::binary(ty.oid(), raw)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn rows(found: &[Row]) -> Value {
    let fields = |row: &Row| -> Vec<Value> {
        (0..row.len())
            .map(|at| {
                row.get::<_, Option<Field>>(at)
                    .map_or(Value::Null, |field| field.0)
            })
            .collect()
    };
    json!(found.iter().map(fields).collect::<Vec<_>>())
}

/// Parameters as the statements of the cases declare them: `int` or `text`.
fn parameters(given: &Value) -> Vec<Box<dyn ToSql + Sync + Send>> {
    given
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| match value.as_i64() {
            Some(number) => {
                Box::new(i32::try_from(number).unwrap()) as Box<dyn ToSql + Sync + Send>
            }
            None => Box::new(value.as_str().unwrap().to_owned()),
        })
        .collect()
}

async fn open() -> Result<Connection, Error> {
    let url = std::env::var("DATABASE_URL").unwrap();
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await?;
    let (sender, heard) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(told) = message {
                // Nobody has to listen.
                let _ = sender.send(json!([told.channel(), told.payload()]));
            }
        }
    });
    Ok(Connection {
        client: client.into(),
        statements: HashMap::new(),
        heard,
        task,
        running: None,
    })
}

impl Connection {
    async fn query(&mut self, sql: &str, given: &Value) -> Answer {
        if !self.statements.contains_key(sql) {
            let statement = self.client.prepare(sql).await?;
            self.statements.insert(sql.to_owned(), statement);
        }
        let values = parameters(given);
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as _).collect();
        Ok(rows(
            &self.client.query(&self.statements[sql], &values).await?,
        ))
    }

    async fn simple(&self, sql: &str) -> Answer {
        let mut found = Vec::new();
        for message in self.client.simple_query(sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                found.push(
                    (0..row.len())
                        .map(|at| json!(row.get(at)))
                        .collect::<Vec<_>>(),
                );
            }
        }
        Ok(json!(found))
    }

    /// Queries that are sent before the answers of earlier ones: tokio-postgres does so by itself.
    async fn batch(&self, statements: &Value) -> Answer {
        let one = async |entry: &Value| -> Answer {
            let values = parameters(&entry[1]);
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| &**value as _).collect();
            Ok(rows(
                &self
                    .client
                    .query(entry[0].as_str().unwrap(), &values)
                    .await?,
            ))
        };
        let all = future::join_all(statements.as_array().unwrap().iter().map(one)).await;
        Ok(json!(all.into_iter().collect::<Result<Vec<_>, _>>()?))
    }

    async fn copy_in(&self, sql: &str, data: &str) -> Answer {
        let sink = self.client.copy_in(sql).await?;
        let mut sink = pin!(sink);
        sink.send(Cursor::new(data.as_bytes().to_vec())).await?;
        sink.finish().await?;
        Ok(Value::Null)
    }

    async fn copy_out(&self, sql: &str) -> Answer {
        let parts: Vec<_> = self.client.copy_out(sql).await?.try_collect().await?;
        let data: Vec<u8> = parts.concat();
        Ok(json!(String::from_utf8_lossy(&data)))
    }

    async fn answer(&mut self, op: &str, request: &Value) -> Answer {
        let word = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let sql = word("sql");
        match op {
            "query" => self.query(&sql, &request["parameters"]).await,
            "simple" => self.simple(&sql).await,
            "begin" | "commit" | "rollback" => self.simple(op).await,
            "batch" => self.batch(&request["statements"]).await,
            "copy_in" => self.copy_in(&sql, &word("data")).await,
            "copy_out" => self.copy_out(&sql).await,
            "listen" | "unlisten" => self.simple(&format!("{op} {}", word("channel"))).await,
            "notification" => {
                let heard = tokio::time::timeout(Duration::from_secs(5), self.heard.recv()).await;
                Ok(heard.ok().flatten().unwrap_or(json!("nothing")))
            }
            "start" => {
                let client = self.client.clone();
                self.running = Some(tokio::spawn(
                    async move { client.batch_execute(&sql).await },
                ));
                // The task has to send it.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(Value::Null)
            }
            "cancel" => {
                self.client.cancel_token().cancel_query(NoTls).await?;
                Ok(Value::Null)
            }
            "wait" => {
                self.running.take().unwrap().await.unwrap()?;
                Ok(json!("done"))
            }
            _ => Err(Failure::new("unknown", op)),
        }
    }
}

impl TokioPostgres {
    pub fn new() -> Self {
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            connections: HashMap::new(),
        }
    }
}

impl Driver for TokioPostgres {
    fn answer(&mut self, op: &str, client: u64, request: &Value) -> Answer {
        match op {
            "hello" => Ok(json!(["batch", "copy", "copy_failed", "listen", "cancel"])),
            "open" => {
                let connection = self.runtime.block_on(open())?;
                self.connections.insert(client, connection);
                Ok(Value::Null)
            }
            "reset" => {
                let tasks: Vec<_> = self
                    .connections
                    .drain()
                    .map(|(_, connection)| connection.task)
                    .collect();
                self.runtime.block_on(async {
                    let closed = future::join_all(tasks);
                    // One that hangs is gone with the program.
                    let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
                });
                Ok(Value::Null)
            }
            "drop" => {
                // The connection, with its socket, is in the task.
                self.connections.remove(&client).unwrap().task.abort();
                self.runtime.block_on(tokio::task::yield_now());
                Ok(Value::Null)
            }
            _ => {
                let connection = self.connections.get_mut(&client).unwrap();
                self.runtime.block_on(connection.answer(op, request))
            }
        }
    }
}
