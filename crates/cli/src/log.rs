//! The log of `pgweir serve`: how its lines look, and how they reach standard error.
//!
//! Names come from peers who need not have proven anything, so a line in text has no character that
//! could end it, move a terminal's cursor or change the order of what is read. A standard error that
//! nobody reads costs lines, and never time of who logs.

mod fields;
mod queue;

pub(crate) use fields::Fields;
pub(crate) use queue::Queue;
