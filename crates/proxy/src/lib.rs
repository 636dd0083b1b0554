//! Sockets, timers and configuration around the pure core.
//!
//! The **data plane** is one thread per worker ([`worker`]), each with its own epoll loop around a
//! driver of `pgweir-pool`, which decides; nothing on a query's way crosses threads. The **control plane** is the thread that called [`run`]: it accepts, logs
//! clients and servers in, sweeps the pools ten times a second, and sees to signals. Sessions
//! reach the workers, and servers the pools, when they are logged in.

mod access;
mod accounts;
mod admin;
mod ailing;
mod attempts;
mod authentication;
mod backends;
mod blocker;
mod caller;
mod cancel;
mod cancel_key;
mod clients;
mod clock;
mod connect;
mod connections;
mod console;
mod consoles;
mod dial;
mod errors;
mod examine;
mod files;
mod halt;
mod host;
mod insight;
mod interview;
mod judges;
mod latest;
mod link;
mod listen;
mod locks;
mod login;
mod login_end;
mod lookups;
mod mailbox;
mod neighbour;
mod orders;
mod outside;
mod peers;
mod pins;
mod platform;
mod pool_handle;
mod probe;
mod probes;
mod program;
mod proxied;
mod recovery;
mod registry;
mod reload;
mod replication;
mod run;
mod shell;
mod shown;
mod shutdown;
mod slots;
mod snapshot;
mod socket;
mod stats;
mod takeover;
mod texts;
mod tls;
mod vault;
mod watched;
mod wire_io;
mod worker;
#[cfg(test)]
mod world;

pub use access::token_keys;
pub use examine::{DatabaseFacts, Examined, Found, RoleFacts, examine};
pub use host::{Handed, Host, Notice};
pub use interview::{Interview, Silence, Table};
pub use outside::{import, load};
pub use reload::SetLog;
pub use run::{RunError, run};
pub use shutdown::Signals;
pub use tls::trust::Trust;
