//! What is shown of a pooler over HTTP: probes, health, statistics, metrics, the live view and its
//! page; and the little an administrator can do to a client. Nothing else here changes anything.
//!
//! What a pooler is, this crate knows by the trait [`Pooler`] alone: it takes no lock of a pool.
//! It has a thread and a runtime of its own, so a scrape of many pools delays neither a login nor
//! a query. Everything a stranger can do is bounded: connections, the size of a request's head, the
//! time for it, and the life of a connection. Bodies of requests are never read.

mod admin;
mod answers;
mod feed;
mod jwt;
mod live;
mod openapi;
mod page;
mod places;
mod pooler;
mod push;
mod routes;
mod serve;
mod tls;
mod view;

pub use jwt::{Keys, Token};
pub use pooler::{
    Access, ActionOutcome, Administrator, ClientAction, Collector, HttpOptions, Pooler, Push,
};
pub use serve::{Bound, Serving, bind, start};
pub use tls::{Tls, Unusable};

#[cfg(test)]
mod tests;
