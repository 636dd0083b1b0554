//! F12: how throughput grows with concurrency, fitted to a load test, and how many connections a
//! load needs when service slows down under it.

use std::time::Duration;

use super::queueing::{Goal, erlang_c};
use crate::units::{Connections, Rate};

/// One step of a load test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Requests in progress at once.
    pub concurrency: f64,
    /// Throughput measured.
    pub throughput: Rate,
}

/// The universal scalability law with its three parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Throughput of one.
    pub lambda: f64,
    /// Contention: the share that is done one after the other.
    pub sigma: f64,
    /// Coherence: the price of each pair.
    pub kappa: f64,
}

/// A law fitted to measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The law.
    pub law: Law,
    /// Share of the variance it explains.
    pub r_squared: f64,
}

/// Why measurements give no law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unfit {
    /// Fewer steps than [`STEPS_MIN`].
    Few {
        /// How many there are.
        steps: usize,
    },
    /// A step is not a pair of positive numbers.
    Nonsense {
        /// Which, counted from 0.
        step: usize,
    },
    /// The law explains too little of what was measured.
    Loose {
        /// Share of the variance it explains.
        r_squared: f64,
    },
    /// The steps end before twice the peak, so what lies beyond it is a guess.
    Short {
        /// The largest concurrency measured.
        measured: f64,
        /// Where the fitted law has its peak.
        peak: f64,
    },
}

impl Law {
    /// Throughput at a concurrency.
    pub fn throughput(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The concurrency with the highest throughput; `None`: it never falls.
    pub fn peak(&self) -> Option<f64> {
        let square = (1.0 - self.sigma) / self.kappa;
        (square.is_finite() && square > 0.0).then(|| square.sqrt())
    }

    /// The highest throughput at a whole concurrency; `None`: it never falls.
    pub fn throughput_max(&self) -> Option<f64> {
        let peak = self.peak()?;
        let (below, above) = (peak.floor().max(1.0), peak.ceil().max(1.0));
        Some(self.throughput(below).max(self.throughput(above)))
    }

    /// The smallest concurrency with 95 % of the highest throughput: beyond it, little more is done
    /// and everything takes longer.
    pub fn operating_point(&self) -> Option<Connections> {
        let goal = 0.95 * self.throughput_max()?;
        let peak = self.peak()?.ceil().min(CONCURRENCY_MAX) as u64;
        (1..=peak)
            .find(|n| self.throughput(*n as f64) >= goal)
            .map(Connections)
    }
}

/// F12 coupled with F10: the smallest concurrency, at most at the peak, that carries `rate` within
/// the goal when each request takes `c / X(c)`. `None`: no number of connections does; only less
/// work or a larger machine helps.
pub fn need(law: &Law, rate: Rate, goal: Goal) -> Option<Connections> {
    let peak = law
        .peak()
        .map_or(CONCURRENCY_MAX, |peak| peak.ceil())
        .min(CONCURRENCY_MAX) as u64;
    (1..=peak)
        .find(|&c| {
            let x = law.throughput(c as f64);
            if x <= rate.0 {
                return false;
            }
            let a = rate.0 * c as f64 / x;
            let wait = Duration::as_secs_f64(&goal.wait);
            erlang_c(c, a) * (-(x - rate.0) * wait).exp() <= goal.probability
        })
        .map(Connections)
}

/// Fits the law by Levenberg's and Marquardt's method, with contention and coherence not below zero.
///
/// # Errors
/// The measurements are too few, too scattered, or end before twice the peak.
pub fn fit(steps: &[Step]) -> Result<Fit, Unfit> {
    let nonsense = |step: &Step| {
        let good = |x: f64| x.is_finite() && x > 0.0;
        !good(step.concurrency) || !good(step.throughput.0)
    };
    if let Some(step) = steps.iter().position(nonsense) {
        return Err(Unfit::Nonsense { step });
    }
    if steps.len() < STEPS_MIN {
        return Err(Unfit::Few { steps: steps.len() });
    }
    let first = steps[0];
    let mut law = Law {
        lambda: first.throughput.0 / first.concurrency,
        sigma: 0.01,
        kappa: 0.0001,
    };
    let mut damping = 1e-3;
    let mut error = squared_error(&law, steps);
    for _ in 0..ITERATIONS_MAX {
        let Some(next) = step_from(&law, steps, damping) else {
            damping *= 10.0;
            continue;
        };
        let next_error = squared_error(&next, steps);
        if next_error < error {
            let done = (error - next_error) <= error * 1e-14;
            (law, error) = (next, next_error);
            damping = (damping / 10.0).max(1e-12);
            if done {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    let mean = steps.iter().map(|s| s.throughput.0).sum::<f64>() / steps.len() as f64;
    let spread: f64 = steps.iter().map(|s| (s.throughput.0 - mean).powi(2)).sum();
    let r_squared = if spread > 0.0 {
        1.0 - error / spread
    } else {
        0.0
    };
    if r_squared < R_SQUARED_MIN {
        return Err(Unfit::Loose { r_squared });
    }
    let measured = steps.iter().map(|s| s.concurrency).fold(0.0, f64::max);
    match law.peak() {
        Some(peak) if measured >= 2.0 * peak => Ok(Fit { law, r_squared }),
        peak => Err(Unfit::Short {
            measured,
            peak: peak.unwrap_or(f64::INFINITY),
        }),
    }
}

fn squared_error(law: &Law, steps: &[Step]) -> f64 {
    steps
        .iter()
        .map(|step| (step.throughput.0 - law.throughput(step.concurrency)).powi(2))
        .sum()
}

/// One step of the method: solves (JᵀJ + damping · diag(JᵀJ)) δ = Jᵀr. `None`: it has no solution.
fn step_from(law: &Law, steps: &[Step], damping: f64) -> Option<Law> {
    let mut matrix = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for step in steps {
        let n = step.concurrency;
        let below = 1.0 + law.sigma * (n - 1.0) + law.kappa * n * (n - 1.0);
        let gradient = [
            n / below,
            -law.lambda * n * (n - 1.0) / (below * below),
            -law.lambda * n * n * (n - 1.0) / (below * below),
        ];
        let rest = step.throughput.0 - law.throughput(n);
        for i in 0..3 {
            right[i] += gradient[i] * rest;
            for j in 0..3 {
                matrix[i][j] += gradient[i] * gradient[j];
            }
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] *= 1.0 + damping;
    }
    let delta = solve(matrix, right)?;
    let next = Law {
        lambda: law.lambda + delta[0],
        sigma: (law.sigma + delta[1]).max(0.0),
        kappa: (law.kappa + delta[2]).max(0.0),
    };
    (next.lambda > 0.0 && next.lambda.is_finite()).then_some(next)
}

/// Cramer's rule; three unknowns need no more.
fn solve(m: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let det = determinant(&m);
    if !det.is_normal() {
        return None;
    }
    let mut solution = [0.0; 3];
    for (column, unknown) in solution.iter_mut().enumerate() {
        let mut replaced = m;
        for (row, value) in replaced.iter_mut().zip(right) {
            row[column] = value;
        }
        *unknown = determinant(&replaced) / det;
    }
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

fn determinant(m: &[[f64; 3]; 3]) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

/// Fewer steps than this cannot tell three parameters from noise.
pub const STEPS_MIN: usize = 6;
/// Share of the variance below which a law is refused.
pub const R_SQUARED_MIN: f64 = 0.95;
const ITERATIONS_MAX: usize = 1_000;
const CONCURRENCY_MAX: f64 = 10_000.0;
