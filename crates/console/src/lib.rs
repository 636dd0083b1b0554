//! The admin console: what PgBouncer's database `pgbouncer` answers, and what pgweir adds to it.
//!
//! A text becomes a [`Command`] ([`parse`]): a table to show, or an [`Order`] that changes what the pooler does.
//! Nothing here has a lock, a clock, a socket or a file, and nothing here carries an order out.

pub mod command;
pub mod order;
mod parse;
pub mod problem;
mod query;
mod table;
mod words;

pub use command::{Command, Fixed};
pub use order::{Done, Order, Refusal, ShutdownMode};
pub use parse::parse;
pub use problem::Problem;
pub use query::{Comparison, Condition, Query, Sort};
pub use table::{Column, ColumnType, Table};
