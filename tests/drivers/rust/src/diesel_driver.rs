//! diesel over libpq. It names the statements of its query builder `__diesel_stmt_0` and so on; those of `sql_query` have no name.

use std::collections::HashMap;

use diesel::connection::{
    DefaultLoadingMode, LoadConnection, SimpleConnection, TransactionManager,
};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::row::{Field as _, Row as _};
use diesel::sql_types::{Integer, Text};
use serde_json::{Value, json};

use crate::{Answer, Driver, Failure, text};

diesel::table! {
    account (id) {
        id -> Integer,
        name -> Text,
    }
}

type Manager = <PgConnection as Connection>::TransactionManager;

#[derive(Default)]
pub struct Diesel {
    connections: HashMap<u64, PgConnection>,
}

/// diesel keeps no SQLSTATE, so what it says has to do.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let known = [
            ("division by zero", "22012"),
            ("does not exist", "42P01"),
            ("current transaction is aborted", "25P02"),
            ("cached plan must not change", "0A000"),
            ("canceling statement", "57014"),
            ("not yet defined in this session", "55000"),
        ];
        let code = match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => "23505",
            _ if message.starts_with("prepared statement") => "26000",
            _ => known
                .iter()
                .find(|(words, _)| message.contains(words))
                .map_or("error", |(_, code)| code),
        };
        Failure::new(code, message)
    }
}

fn query(connection: &mut PgConnection, sql: &str, given: &Value) -> Answer {
    let mut query = diesel::sql_query(sql).into_boxed::<Pg>();
    for value in given.as_array().into_iter().flatten() {
        query = match value.as_i64() {
            Some(number) => query.bind::<Integer, _>(i32::try_from(number).unwrap()),
            None => query.bind::<Text, _>(value.as_str().unwrap().to_owned()),
        };
    }
    let mut found = Vec::new();
    for row in LoadConnection::<DefaultLoadingMode>::load(connection, query)? {
        let row = row?;
        let mut fields = Vec::new();
        for at in 0..row.field_count() {
            let field = row.get(at).unwrap();
            let value = field.value();
            fields.push(value.map_or(Value::Null, |value| {
                text::binary(value.get_oid().get(), value.as_bytes())
            }));
        }
        found.push(fields);
    }
    Ok(json!(found))
}

fn simple(connection: &mut PgConnection, sql: &str) -> Answer {
    let gives_rows = ["select", "show", "fetch", "execute"]
        .iter()
        .any(|word| sql.starts_with(word));
    if gives_rows && !sql.contains(';') {
        return query(connection, sql, &Value::Null);
    }
    connection.batch_execute(sql)?;
    Ok(Value::Null)
}

fn objects(connection: &mut PgConnection, key: i32) -> Answer {
    diesel::insert_into(account::table)
        .values((account::id.eq(key), account::name.eq("created")))
        .execute(connection)?;
    diesel::update(account::table.find(key))
        .set(account::name.eq("created, changed"))
        .execute(connection)?;
    let found: Vec<(i32, String)> = account::table
        .filter(account::id.eq(key).or(account::id.eq(1)))
        .order(account::id)
        .load(connection)?;
    diesel::delete(account::table.find(key)).execute(connection)?;
    let count: i64 = account::table
        .filter(account::id.eq(key))
        .count()
        .get_result(connection)?;
    Ok(json!([found, count]))
}

fn nested(connection: &mut PgConnection, key: i32) -> Answer {
    let name = connection.transaction(|connection| {
        let insert = |name: &'static str| {
            diesel::insert_into(account::table)
                .values((account::id.eq(key), account::name.eq(name)))
        };
        insert("outer").execute(connection)?;
        let inner = connection.transaction(|connection| insert("inner").execute(connection));
        assert!(inner.is_err(), "the key is taken");
        diesel::update(account::table.find(key))
            .set(account::name.eq("outer!"))
            .execute(connection)?;
        account::table
            .find(key)
            .select(account::name)
            .get_result::<String>(connection)
    })?;
    Ok(json!(name))
}

impl Driver for Diesel {
    fn answer(&mut self, op: &str, client: u64, request: &Value) -> Answer {
        match op {
            "hello" => return Ok(json!(["objects", "nested"])),
            "open" => {
                let connection = PgConnection::establish(&std::env::var("DATABASE_URL").unwrap());
                let connection = connection.map_err(|error| Failure::new("connect", error))?;
                self.connections.insert(client, connection);
                return Ok(Value::Null);
            }
            "reset" => {
                self.connections.clear();
                return Ok(Value::Null);
            }
            "drop" => {
                self.connections.remove(&client);
                return Ok(Value::Null);
            }
            _ => {}
        }
        let connection = self.connections.get_mut(&client).unwrap();
        let sql = request["sql"].as_str().unwrap_or_default();
        let key = i32::try_from(request["key"].as_i64().unwrap_or_default()).unwrap();
        match op {
            "query" => return query(connection, sql, &request["parameters"]),
            "simple" => return simple(connection, sql),
            "begin" => Manager::begin_transaction(connection)?,
            "commit" => Manager::commit_transaction(connection)?,
            "rollback" => Manager::rollback_transaction(connection)?,
            "objects" => return objects(connection, key),
            "nested" => return nested(connection, key),
            _ => return Err(Failure::new("unknown", op)),
        }
        Ok(Value::Null)
    }
}
