//! F8 to F10: how many connections the load needs.
//!
//! The model is a queue with `c` servers, Poisson arrivals and exponential service (M/M/c).

use std::time::Duration;

use crate::units::{Connections, Rate};

/// How long a request may wait, and how many may wait longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The wait.
    pub wait: Duration,
    /// Share of requests that may wait longer, between 0 and 1.
    pub probability: f64,
}

/// F8: connections busy on average.
pub fn busy(rate: Rate, hold: Duration) -> f64 {
    rate.0 * hold.as_secs_f64()
}

/// F9: probability that a request finds all `c` connections busy. 1 where the load is as large as
/// what they can do.
pub fn erlang_c(c: u64, a: f64) -> f64 {
    if a <= 0.0 {
        return 0.0;
    }
    if c as f64 <= a {
        return 1.0;
    }
    let mut b = 1.0;
    for k in 1..=c {
        b = a * b / (k as f64 + a * b);
    }
    from_erlang_b(b, c, a)
}

/// F10: the smallest number of connections with which the goal is reached. `None`: more than
/// [`CONNECTIONS_MAX`], which no PostgreSQL serves.
pub fn need(rate: Rate, hold: Duration, goal: Goal) -> Option<Connections> {
    let a = busy(rate, hold);
    if a <= 0.0 {
        return Some(Connections(1));
    }
    if !a.is_finite() || a >= CONNECTIONS_MAX as f64 {
        return None;
    }
    // One pass: the recursion visits every c anyway.
    let mut b = 1.0;
    for c in 1..=CONNECTIONS_MAX {
        b = a * b / (c as f64 + a * b);
        if c as f64 > a {
            let busy_all = from_erlang_b(b, c, a);
            if tail(busy_all, c, rate, hold, goal.wait) <= goal.probability {
                return Some(Connections(c));
            }
        }
    }
    None
}

/// F10 for one of `instances` pools that share the load evenly: at least 2, so that one slow query
/// does not stop an instance, and at least the deadlock floor.
pub fn need_of_instance(
    rate: Rate,
    hold: Duration,
    goal: Goal,
    instances: u64,
    floor: Connections,
) -> Option<Connections> {
    let need = need(rate.shared_by(instances), hold, goal)?;
    Some(need.max(floor).max(Connections(2)))
}

fn from_erlang_b(b: f64, c: u64, a: f64) -> f64 {
    let c = c as f64;
    b * c / (c - a * (1.0 - b))
}

fn tail(busy_all: f64, c: u64, rate: Rate, hold: Duration, wait: Duration) -> f64 {
    let spare = c as f64 / hold.as_secs_f64() - rate.0;
    if spare <= 0.0 {
        return 1.0;
    }
    busy_all * (-spare * wait.as_secs_f64()).exp()
}

/// Where the search ends: ten times what the largest PostgreSQL machines are run with.
pub const CONNECTIONS_MAX: u64 = 100_000;
