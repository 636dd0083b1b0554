//! Every decision of the pooler, as state machines without I/O, clock or randomness.
//!
//! Callers say what happened and when (`checkout`, `checkin`, `opened`, `tick`), and get back what
//! to do. A run is a pure function of its inputs and can be replayed from a seed; `pgweir-sim`
//! does that.
//!
//! * [`pool`]: who gets which server, and when servers are opened and closed.
//! * [`halts`]: what an administrator has stopped.
//! * [`budget`]: how many servers the pools of one database or one user may open together.
//! * [`relay`]: one client session over changing servers: what to forward, swallow, answer.
//! * [`upstream`]: what a server connection owes and what state its session is in.
//! * [`prepared`]: statements of clients on servers that they share.
//! * [`session`] moves bytes between a client's and a server's stream, whatever these are.
//! * [`recovery`]: making a server usable again after its client is gone.
//! * [`observer`] is told what happens on a server and sees to all that is counted and found out.
//! * [`work`] and [`histogram`]: what is counted, and durations in buckets.
//! * [`trace`] and [`statements`]: what is executed, how long it takes, what is slow; [`repeats`]
//!   finds N+1, [`waits`] says why a client waits.
//! * [`parameters`]: settings that belong to a client and are applied to the server it gets.

pub mod accepted;
pub mod budget;
pub mod driver;
pub mod halts;
pub mod histogram;
pub mod id;
mod inflow;
mod notable;
pub mod observer;
pub mod parameters;
mod passing;
pub mod pin;
pub mod pool;
pub mod prepared;
mod question;
pub mod recovery;
pub mod relay;
pub mod repeats;
pub mod replies;
pub mod reported;
pub mod server;
pub mod session;
pub mod spelling;
pub mod statements;
pub mod stock;
pub mod stream;
mod text;
pub mod time;
pub mod trace;
pub mod upstream;
mod waiters;
pub mod waits;
pub mod work;
