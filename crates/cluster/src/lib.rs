//! A real PostgreSQL for the demo, the tests and the benchmarks, on any machine.
//!
//! * [`Postgres`] finds the server binaries, or installs them where there are none.
//! * [`Cluster`] is a throw-away cluster on a free port. Dropping it stops it and removes its folder.
//! * [`Watchdog`] does the same when this process dies without dropping anything.
//!
//! Deliberately not here: SQL. Callers bring their own client. Nothing here is asynchronous;
//! callers inside a runtime use a blocking thread.

mod account;
mod cluster;
mod command;
mod find;
mod install;
mod package;
mod postgres;
mod random;
mod watchdog;

pub use cluster::{Cluster, ClusterError, ClusterOptions};
pub use find::PostgresMissing;
pub use postgres::Postgres;
pub use random::random_hex;
pub use watchdog::{EndSignal, Watchdog};
