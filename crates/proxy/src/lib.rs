//! Sockets and timers around the pure core.
//!
//! The **data plane** is one thread per worker ([`worker`]), each with its own epoll loop, its own
//! clients and the servers they hold; it decides through `pgweir-pool` and nothing on a query's way
//! crosses threads. The **control plane** is the thread that called [`run`]: it accepts, logs
//! clients and servers in, sweeps the pools ten times a second, and sees to signals. Sessions
//! reach the workers, and servers the pools, when they are logged in.

mod admin;
mod backends;
mod cancel;
mod clients;
mod clock;
mod connect;
mod effects;
mod errors;
mod http;
mod insight;
mod link;
mod listen;
mod locks;
mod login;
mod outbox;
mod outside;
mod pool_handle;
mod probe;
mod registry;
mod reload;
mod run;
mod snapshot;
mod socket;
mod stats;
mod texts;
mod wire_io;
mod worker;

pub use http::Keys;
pub use outside::load;
pub use run::{RunError, SetLogLevel, run};
