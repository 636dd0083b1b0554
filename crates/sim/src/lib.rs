//! Seeded simulation of the pooler's pure core, and the checkers that watch it.
//!
//! A seed decides everything: configuration, clients, faults and the moment of each event. Time is
//! virtual, so minutes of traffic take milliseconds, and a seed that fails fails again.
//!
//! * [`level`]: what can be simulated, and how one seed of it is run.
//! * [`pool`]: level 1, pools that share a budget, under the driver's contract.
//! * [`path`]: level 2, the whole data path between fake clients and a fake PostgreSQL.
//! * [`strange`]: sessions of which one side sends what nobody should.
//! * [`seeds`]: seeds that once failed, with what they showed.
//! * [`replay`]: tells how to repeat a run that failed.
//!
//! The rules live in `check`, one file each. A world feeds them every input and every action; a
//! rule that does not hold panics with what it saw.

mod check;
pub mod level;
mod log;
mod names;
pub mod path;
pub mod pool;
pub mod replay;
mod rng;
pub mod seeds;
pub mod strange;
mod swarm;

pub use log::{Outcome, Tally};
