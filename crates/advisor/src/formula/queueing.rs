//! F8 to F10: how many connections the load needs, and how long it waits for them.
//!
//! The model is a queue with `c` servers and Poisson arrivals of exponential length (M/M/c), corrected
//! for other arrivals and lengths by Allen and Cunneen (G/G/c).

use std::time::Duration;

use crate::units::{Connections, Rate};

/// What comes to a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Checkouts.
    pub rate: Rate,
    /// Mean time from checkout to checkin.
    pub hold: Duration,
    /// Half the sum of the squared coefficients of variation of arrivals and of hold times: 1 for
    /// Poisson arrivals of exponential length, more for bursts, 0 for clockwork.
    pub variation: f64,
}

/// How long a request may wait, and how many may wait longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The wait.
    pub wait: Duration,
    /// Share of requests that may wait longer, between 0 and 1.
    pub probability: f64,
}

impl Load {
    /// One of `parts` even shares of it.
    pub fn shared_by(self, parts: u64) -> Self {
        Self {
            rate: self.rate.shared_by(parts),
            ..self
        }
    }

    /// F8: connections busy on average.
    pub fn busy(self) -> f64 {
        self.rate.0 * self.hold.as_secs_f64()
    }

    /// F9: the mean wait for one of `c` connections; `None`: the load is more than they can do, and
    /// waits grow without end.
    pub fn mean_wait(self, c: u64) -> Option<Duration> {
        let a = self.busy();
        if a <= 0.0 {
            return Some(Duration::ZERO);
        }
        let spare = c as f64 / self.hold.as_secs_f64() - self.rate.0;
        if spare.is_nan() || spare <= 0.0 {
            return None;
        }
        Duration::try_from_secs_f64(erlang_c(c, a) / spare * self.variation).ok()
    }

    /// F10: the smallest number of connections with which the goal is reached. `None`: more than
    /// [`CONNECTIONS_MAX`], which no PostgreSQL serves.
    pub fn need(self, goal: Goal) -> Option<Connections> {
        let a = self.busy();
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
            if c as f64 > a && self.tail(from_erlang_b(b, c, a), c, goal.wait) <= goal.probability {
                return Some(Connections(c));
            }
        }
        None
    }

    /// F10 for one of `pools` that share the load evenly: at least 2, so that one slow query
    /// does not stop an instance, and at least the deadlock floor.
    pub fn need_of_pool(self, goal: Goal, pools: u64, floor: Connections) -> Option<Connections> {
        let need = self.shared_by(pools).need(goal)?;
        Some(need.max(floor).max(Connections(2)))
    }

    /// Share of requests that wait longer than `wait`, if `busy_all` find all connections busy.
    fn tail(self, busy_all: f64, c: u64, wait: Duration) -> f64 {
        let spare = c as f64 / self.hold.as_secs_f64() - self.rate.0;
        if spare <= 0.0 {
            return 1.0;
        }
        if self.variation <= 0.0 {
            return 0.0;
        }
        busy_all * (-spare * wait.as_secs_f64() / self.variation).exp()
    }
}

/// Instances that carry the load while one of them is gone: a rollout, a crash or a lost node must
/// not make requests wait.
pub fn survivors(instances: u64) -> u64 {
    instances.saturating_sub(1).max(1)
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

fn from_erlang_b(b: f64, c: u64, a: f64) -> f64 {
    let c = c as f64;
    b * c / (c - a * (1.0 - b))
}

/// Where the search ends: ten times what the largest PostgreSQL machines are run with.
pub const CONNECTIONS_MAX: u64 = 100_000;
