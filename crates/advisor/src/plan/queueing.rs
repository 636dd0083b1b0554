//! What the fleet's load needs in separate pools and in a shared one, and the limits that a load test
//! shows.

use std::time::Duration;

use serde::Serialize;

use super::finding::{Finding, Severity};
use super::services::ServicePlan;
use crate::facts::{Facts, Via};
use crate::formula::queueing::{self, Goal};
use crate::formula::scaling::{self, Law, Unfit};
use crate::units::{Connections, Rate, short};

/// What the load needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueingPlan {
    /// Queries or transactions per second of the services whose load is known.
    pub rate_per_second: Rate,
    /// Their mean hold time in milliseconds.
    pub hold_ms: f64,
    /// Connections busy on average (F8).
    pub busy: f64,
    /// Services whose load is not known.
    pub unknown: u64,
    /// Connections needed when every pool serves its own share (F10); `None`: not known.
    pub separate: Option<Connections>,
    /// Connections needed when all share one pool (F10); `None`: not known, or more than any
    /// PostgreSQL serves.
    pub shared: Option<Connections>,
    /// `separate / shared`: what sharing saves.
    pub gain: Option<f64>,
    /// Connections that the services behind the pooler need together (F10).
    pub pooled: Connections,
    /// Whether there is a load that no number of connections carries.
    pub overloaded: bool,
    /// How long a request may wait, in milliseconds.
    pub wait_ms: f64,
    /// Share of requests that may wait longer.
    pub wait_share: f64,
}

/// The result of a load test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalingPlan {
    /// Throughput of one (F12).
    pub lambda: f64,
    /// Contention (F12).
    pub sigma: f64,
    /// Coherence (F12).
    pub kappa: f64,
    /// Share of the variance that the law explains.
    pub r_squared: f64,
    /// Concurrency with the highest throughput.
    pub peak: f64,
    /// The highest throughput per second.
    pub throughput_max: f64,
    /// The smallest concurrency with 95 % of it.
    pub operating_point: Connections,
    /// Concurrency that carries the present load within the goal; `None`: no load is known, or no
    /// number of connections carries it.
    pub need: Option<Connections>,
    /// Whether the load is known and no number of connections carries it.
    pub infeasible: bool,
}

struct Load {
    rate: f64,
    busy: f64,
}

impl Load {
    fn of<'a>(
        services: impl Iterator<Item = (&'a crate::facts::Service, &'a ServicePlan)>,
    ) -> Self {
        services.fold(
            Self {
                rate: 0.0,
                busy: 0.0,
            },
            |sum, (service, plan)| {
                let requests = service.requests.unwrap_or_default().0;
                Self {
                    rate: sum.rate + requests * service.queries_per_request,
                    busy: sum.busy + plan.busy.unwrap_or(0.0),
                }
            },
        )
    }

    fn hold(&self) -> Duration {
        if self.rate > 0.0 {
            Duration::try_from_secs_f64(self.busy / self.rate).unwrap_or_default()
        } else {
            Duration::ZERO
        }
    }

    fn need(&self, goal: Goal) -> Option<Connections> {
        queueing::need(Rate(self.rate), self.hold(), goal)
    }
}

pub(super) fn plan(facts: &Facts, services: &[ServicePlan]) -> QueueingPlan {
    let goal = facts.operations.goal;
    let pairs = || facts.services.iter().zip(services);
    let all = Load::of(pairs());
    let pooled = Load::of(pairs().filter(|(service, _)| service.via == Via::Pooler));
    let known = all.rate > 0.0;
    let separate = known.then(|| {
        pairs()
            .filter_map(|(service, plan)| {
                let pools = service.replicas.max(1).saturating_mul(service.processes);
                Some(plan.need?.times(pools))
            })
            .sum()
    });
    let shared = known.then(|| all.need(goal)).flatten();
    let overloaded = services.iter().any(|service| service.overloaded) || known && shared.is_none();
    QueueingPlan {
        rate_per_second: Rate(all.rate),
        hold_ms: all.hold().as_secs_f64() * 1000.0,
        busy: all.busy,
        unknown: facts
            .services
            .iter()
            .filter(|service| service.requests.is_none())
            .count() as u64,
        separate,
        shared,
        gain: separate
            .zip(shared)
            .and_then(|(separate, shared): (Connections, Connections)| separate.ratio(shared)),
        pooled: if pooled.rate > 0.0 {
            pooled
                .need(goal)
                .unwrap_or(Connections(queueing::CONNECTIONS_MAX))
        } else {
            Connections(1)
        },
        overloaded,
        wait_ms: goal.wait.as_secs_f64() * 1000.0,
        wait_share: goal.probability,
    }
}

/// The law fitted to the load test, or why none fits.
pub(super) fn scaling(
    facts: &Facts,
    queueing: &QueueingPlan,
) -> (Option<ScalingPlan>, Option<Finding>) {
    if facts.measured.steps.is_empty() {
        return (None, None);
    }
    let fit = match scaling::fit(&facts.measured.steps) {
        Ok(fit) => fit,
        Err(unfit) => return (None, Some(refused(unfit))),
    };
    let law: Law = fit.law;
    let load = queueing.rate_per_second;
    let known = load.0 > 0.0;
    let need = known
        .then(|| scaling::need(&law, load, facts.operations.goal))
        .flatten();
    let plan = ScalingPlan {
        lambda: law.lambda,
        sigma: law.sigma,
        kappa: law.kappa,
        r_squared: fit.r_squared,
        peak: law.peak().unwrap_or_default(),
        throughput_max: law.throughput_max().unwrap_or_default(),
        operating_point: law.operating_point().unwrap_or_default(),
        need,
        infeasible: known && need.is_none(),
    };
    (Some(plan), None)
}

fn refused(unfit: Unfit) -> Finding {
    let (message, remedy) = match unfit {
        Unfit::Few { steps } => (
            format!("the load test has {steps} steps, too few to fit a law"),
            format!("measure at {} or more concurrencies", scaling::STEPS_MIN),
        ),
        Unfit::Nonsense { step } => (
            format!(
                "step {} of the load test is not a pair of positive numbers",
                step + 1
            ),
            "remove it".to_owned(),
        ),
        Unfit::Loose { r_squared } => (
            format!(
                "the law explains only {} of the load test's variance, less than {}",
                short(r_squared),
                scaling::R_SQUARED_MIN
            ),
            "measure longer at each concurrency, on a quiet machine".to_owned(),
        ),
        Unfit::Short { measured, peak } => (
            format!(
                "the load test ends at {}, but the fitted peak is at {}",
                short(measured),
                short(peak)
            ),
            "measure up to twice the concurrency of the peak".to_owned(),
        ),
    };
    Finding::new("F12", None, Severity::Info, message, remedy)
}
