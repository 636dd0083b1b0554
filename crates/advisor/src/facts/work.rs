//! What a service has to do: requests, what each of them asks of PostgreSQL, and how long that takes.

use std::time::Duration;

use crate::formula::queueing::Load;
use crate::units::Rate;

/// The load of a service, over all its instances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Requests, or jobs; `None`: not known.
    pub requests: Option<Rate>,
    /// Mean time of a request, from its arrival to its answer.
    pub request_time: Duration,
    /// Queries, or transactions, of one request.
    pub queries_per_request: f64,
    /// Mean time from checkout to checkin.
    pub hold: Duration,
    /// Squared coefficient of variation of the times between arrivals.
    pub arrival_variation: f64,
    /// Squared coefficient of variation of the hold time.
    pub hold_variation: f64,
}

impl Work {
    /// What it asks of a pool: checkouts, each for the time of its statements.
    pub fn checkouts(&self) -> Option<Load> {
        let requests = self.requests?;
        Some(self.load(Rate(requests.0 * self.queries_per_request), self.hold))
    }

    /// What it asks of processes that serve one request at a time.
    pub fn requests(&self) -> Option<Load> {
        Some(self.load(self.requests?, self.request_time))
    }

    fn load(&self, rate: Rate, hold: Duration) -> Load {
        Load {
            rate,
            hold,
            variation: (self.arrival_variation + self.hold_variation) / 2.0,
        }
    }
}
