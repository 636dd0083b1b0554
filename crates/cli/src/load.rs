//! A load of real transactions by many clients at once.
//!
//! Everything runs on one thread of one runtime: [`Fleet::connect`] logs clients in,
//! [`Fleet::drive`] lets them work for a time and gives an [`outcome`]. What they do is a
//! [`mix`]; how they speak is a [`client`].

pub(crate) mod client;
mod fleet;
pub(crate) mod mix;
mod outcome;

pub(crate) use fleet::Fleet;
pub(crate) use outcome::Refusals;
