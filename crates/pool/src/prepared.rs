//! Prepared statements of clients on servers that they share.
//!
//! A client has statements by the names it gave them ([`ClientStatements`]), a server has statements by
//! numbers ([`ServerStatements`]), and both hold the same [`Entry`]: its text and what else decides
//! its meaning. A client that moves from one server to another finds its statements there, or has
//! them parsed anew in front of the message that wants one.
//!
//! Both sides note what a message does when it is sent. What the server skips, because something
//! before it failed, is undone.

mod client;
mod description;
mod entry;
mod server;

pub use client::{CLIENT_STATEMENTS_MAX, ClientState, ClientStatement, ClientStatements};
pub use description::Description;
pub use entry::{Entry, Identity};
pub use server::Slot;
pub(crate) use server::{
    ServerStatements, mentions_ours, push_close, push_name, push_parse, starts_like_ours,
};

/// The name of a prepared statement.
pub type StatementName = Box<[u8]>;

/// Longest Parse whose statement is shared, as the length of its body. A longer one stays with the server on
/// which it was parsed, and keeps that for its client.
pub const SHARED_MAX: usize = 16 * 1024;

/// Bytes of a statement's name that make a difference to PostgreSQL (`NAMEDATALEN - 1`).
const NAME_SIGNIFICANT: usize = 63;

/// The bytes of a name that PostgreSQL looks at.
pub(crate) fn significant(name: &[u8]) -> &[u8] {
    &name[..name.len().min(NAME_SIGNIFICANT)]
}

#[cfg(test)]
mod tests;
