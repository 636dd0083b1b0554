//! What the fleet's load needs in separate pools and in a shared one, and the limits that a load test
//! shows.

use std::time::Duration;

use serde::Serialize;

use super::finding::{Finding, Severity};
use super::services::ServicePlan;
use crate::facts::{Facts, Service, Via};
use crate::formula::queueing::{self, Load};
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
    /// What the fleet needs if statements take longer than was assumed; empty where their time was
    /// given.
    pub slower: Vec<Slower>,
    /// How long a request may wait, in milliseconds.
    pub wait_ms: f64,
    /// Share of requests that may wait longer.
    pub wait_share: f64,
}

/// What the fleet needs if statements take longer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slower {
    /// How much longer: `2x` or `5x`.
    pub name: &'static str,
    /// Connections needed when every pool serves its own share.
    pub separate: Connections,
    /// Connections needed when all share one pool; `None`: more than any PostgreSQL serves.
    pub shared: Option<Connections>,
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

/// Loads added up: what one pool would be asked for in their place.
#[derive(Default)]
struct Sum {
    rate: f64,
    busy: f64,
    /// Variations, each weighed by its rate.
    variation: f64,
}

impl Sum {
    fn of<'a>(services: impl Iterator<Item = &'a Service>) -> Self {
        let loads = services.filter_map(|service| service.work.checkouts());
        loads.fold(Self::default(), |sum, load| Self {
            rate: sum.rate + load.rate.0,
            busy: sum.busy + load.busy(),
            variation: sum.variation + load.rate.0 * load.variation,
        })
    }

    fn load(&self) -> Load {
        let each = |sum: f64| {
            if self.rate > 0.0 {
                sum / self.rate
            } else {
                0.0
            }
        };
        Load {
            rate: Rate(self.rate),
            hold: Duration::try_from_secs_f64(each(self.busy)).unwrap_or_default(),
            variation: each(self.variation),
        }
    }
}

pub(super) fn plan(facts: &Facts, services: &[ServicePlan]) -> QueueingPlan {
    let goal = facts.operations.goal;
    let all = Sum::of(facts.services.iter()).load();
    let behind = facts.services.iter().filter(|s| s.via == Via::Pooler);
    let pooled = Sum::of(behind).load();
    let known = all.rate.0 > 0.0;
    let separate = known.then(|| {
        let parts = facts.services.iter().zip(services);
        parts
            .filter_map(|(service, plan)| Some(plan.need?.times(service.sharing()?.parts)))
            .sum()
    });
    let shared = known.then(|| all.need(goal)).flatten();
    let overloaded = services.iter().any(|service| service.overloaded) || known && shared.is_none();
    let assumed = known && facts.assumes("services.*.hold");
    let slower = [("2x", 2), ("5x", 5)].into_iter().filter(|_| assumed);
    QueueingPlan {
        rate_per_second: all.rate,
        hold_ms: all.hold.as_secs_f64() * 1000.0,
        busy: all.busy(),
        unknown: facts
            .services
            .iter()
            .filter(|service| service.work.requests.is_none())
            .count() as u64,
        separate,
        shared,
        gain: separate
            .zip(shared)
            .and_then(|(separate, shared): (Connections, Connections)| separate.ratio(shared)),
        pooled: if pooled.rate.0 > 0.0 {
            pooled
                .need(goal)
                .unwrap_or(Connections(queueing::CONNECTIONS_MAX))
        } else {
            Connections(1)
        },
        overloaded,
        slower: slower
            .map(|(name, times)| self::slower(facts, services, name, times))
            .collect(),
        wait_ms: goal.wait.as_secs_f64() * 1000.0,
        wait_share: goal.probability,
    }
}

/// What is needed if every statement takes `times` as long. Processes that serve whole requests stay
/// as they are: their time is another.
fn slower(facts: &Facts, services: &[ServicePlan], name: &'static str, times: u32) -> Slower {
    let goal = facts.operations.goal;
    let slow = |load: Load| Load {
        hold: load.hold.saturating_mul(times),
        ..load
    };
    let separate = facts.services.iter().zip(services);
    let separate = separate.filter_map(|(service, plan)| {
        let sharing = service.sharing()?;
        let need = if service.kind.one_per_process() {
            plan.need?
        } else {
            slow(sharing.load).need_of_pool(goal, sharing.parts_left, plan.floor)?
        };
        Some(need.times(sharing.parts))
    });
    Slower {
        name,
        separate: separate.sum(),
        shared: slow(Sum::of(facts.services.iter()).load()).need(goal),
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
