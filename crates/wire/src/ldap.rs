//! The part of LDAP that proves a password: bind, search, StartTLS (RFC 4511), filters (RFC 4515) and
//! the escaping of names (RFC 4514).
//!
//! A user's name reaches a filter as a value of its own and never as text, so nothing in it has a
//! meaning there. What a directory sends is bounded by [`MESSAGE_MAX`], and no bytes of it panic or
//! nest: only what a login needs is looked at.

mod ber;
mod filter;
mod message;
mod name;
#[cfg(test)]
mod tests;

pub use filter::Filter;
pub use message::{
    MESSAGE_MAX, Malformed, Outcome, Response, Scope, Search, frame, response, search, simple_bind,
    start_tls, unbind,
};
pub use name::bind_name;
