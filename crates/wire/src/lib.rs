//! PostgreSQL's wire protocol, version 3, as pure functions and small state machines.
//!
//! Nothing here opens a socket, reads a clock or draws a random number: what is random (salts,
//! nonces, cancel keys) comes in as an argument. Bytes from a peer never panic and never make this
//! crate hold more than the bound stated at each parser.
//!
//! * [`frame`] finds the borders of messages, also of messages larger than any buffer.
//! * [`login`] is the client's side of logging in to a server.
//! * [`proxy_header`] reads what a load balancer may send before a client's own bytes.
//! * [`startup`] reads what a client may send before it is logged in.
//! * [`ldap`] is what a directory is asked about a password.
//! * [`backend`] gives borrowed views of the few server messages a pooler has to understand.
//! * [`frontend`] does the same for client messages.
//! * [`encode`] writes messages.
//! * [`auth`] is SCRAM-SHA-256 and MD5, both sides.
//! * [`sqlstate`] names the error codes that are sent to clients.

pub mod auth;
pub mod backend;
pub mod encode;
pub mod frame;
pub mod frontend;
pub mod ldap;
pub mod login;
pub mod proxy_header;
pub mod sqlstate;
pub mod startup;
