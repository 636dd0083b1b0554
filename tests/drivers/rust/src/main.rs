//! Rust's drivers: requests on standard input, answers on standard output; ../README.md lists them.
//!
//! The argument names the driver: `tokio-postgres`, `sqlx`, `diesel`.

mod diesel_driver;
mod sqlx_driver;
mod text;
mod tokio_postgres_driver;

use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// An error as it is answered.
pub struct Failure {
    /// The SQLSTATE, or a word where there is none.
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(code: impl Into<String>, message: impl ToString) -> Self {
        Self {
            code: code.into(),
            message: message.to_string(),
        }
    }
}

pub type Answer = Result<Value, Failure>;

pub trait Driver {
    fn answer(&mut self, op: &str, client: u64, request: &Value) -> Answer;
}

fn main() {
    let mut driver: Box<dyn Driver> = match std::env::args().nth(1).as_deref() {
        Some("tokio-postgres") => Box::new(tokio_postgres_driver::TokioPostgres::new()),
        Some("sqlx") => Box::new(sqlx_driver::Sqlx::new()),
        Some("diesel") => Box::new(diesel_driver::Diesel::default()),
        other => panic!("no driver {other:?}"),
    };
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let op = request["op"].as_str().unwrap();
        let client = request["client"].as_u64().unwrap_or_default();
        let answer = match driver.answer(op, client, &request) {
            Ok(result) => json!({ "result": result }),
            Err(failure) => json!({ "error": failure.code, "message": failure.message }),
        };
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}").unwrap();
        output.flush().unwrap();
    }
}
