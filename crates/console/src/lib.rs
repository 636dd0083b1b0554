//! The admin console: what PgBouncer's database `pgbouncer` answers, and what pgweir adds to it.
//!
//! A text becomes a [`Command`] ([`parse`]): a table to show, or an [`Order`] that changes what the pooler does.
//! Nothing here has a lock, a clock, a socket or a file, and nothing here carries an order out.

mod answer;
mod averages;
pub mod command;
pub mod facts;
pub mod order;
mod parse;
pub mod problem;
mod query;
mod render;
mod rows;
mod session;
mod table;
mod words;

pub use averages::Averages;
pub use command::{Command, Role};
pub use order::{Done, Order, Refusal, ShutdownMode};
pub use parse::parse;
pub use problem::Problem;
pub use query::{Comparison, Condition, Query, Sort};
pub use render::rows;
pub use rows::{Cell, Row, Rows};
pub use session::{Identity, MESSAGE_MAX, PIECE, Session, Step, greeting};
pub use table::{Column, ColumnType, Table};

/// Names of the databases that are the console; PgBouncer's first.
pub const DATABASES: [&str; 2] = [DATABASE, "pgweir"];

/// The console's name in tables.
pub const DATABASE: &str = "pgbouncer";
