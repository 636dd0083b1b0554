//! Proof of who a client is, both sides.
//!
//! * [`scram`] is SCRAM-SHA-256.
//! * [`md5`] is PostgreSQL's older challenge, still in use where verifiers were never renewed.
//! * [`clear`] is the password itself.
//! * [`oauthbearer`] is a token in its place, the server's side.
//!
//! Salts and nonces are arguments. Secrets and proofs are compared in constant time and never
//! appear in `Debug` output.

pub mod clear;
pub mod md5;
pub mod oauthbearer;
pub mod scram;
