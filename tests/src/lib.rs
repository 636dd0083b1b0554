//! The end-to-end tests' tools: a real PostgreSQL, the real `pgweir`, and peers for both.
//!
//! * [`Postgres`] is a throw-away cluster; [`shared`] is the one that most tests use, each with a
//!   [`Role`] of its own.
//! * [`Pooler`] is a `pgweir serve` of one test, made from a [`Config`].
//! * [`Client`] speaks the protocol byte by byte; [`Batch`] writes its messages, and
//!   [`Transcript`] shows what came back in one line.
//! * [`Fake`] is a server that answers what a test tells it to.
//!
//! Everything here panics when it cannot do its work: that fails the test. The tests themselves
//! are in `e2e/`.

mod authority;
mod batch;
mod client;
mod config;
mod directory;
mod fake;
mod ini;
mod pooler;
mod postgres;
mod process;
mod programs;
mod prometheus;
mod scrape;
mod stream;
mod transcript;
mod wait;

pub use authority::{Authority, Fault, Identity, as_version_one, self_signed, write};
pub use batch::Batch;
pub use client::{Client, Target};
pub use config::{Config, Value};
pub use directory::Directory;
pub use fake::{Fake, Peer};
pub use ini::ini;
pub use pooler::{Pooler, free_port, pgweir};
pub use postgres::{Postgres, Role, shared};
pub use process::{Signal, kill, memory_now, memory_peak, try_kill};
pub use programs::{Output, pgbench, pgbench_with, psql, psql_with, replicate};
pub use prometheus::Prometheus;
pub use scrape::Scrape;
pub use stream::Stream;
pub use transcript::{Message, Transcript};
pub use wait::{PATIENCE, eventually, eventually_every, throughout};
