//! Each service: its instances, its pools, and what its load needs.

use serde::Serialize;

use crate::facts::{Facts, Kind, Service, Via};
use crate::fleet::presets::Preset;
use crate::formula::base;
use crate::formula::demand;
use crate::formula::queueing;
use crate::units::{Connections, Rate};

/// What one service opens and needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServicePlan {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// How it reaches PostgreSQL.
    pub via: Via,
    /// Instances at most (F2 without a rollout).
    pub replicas: u64,
    /// Instances during a rollout (F2).
    pub replicas_rollout: u64,
    /// Processes of one instance.
    pub processes: u64,
    /// Connections of one pool.
    pub pool: Connections,
    /// Whether the planner chose the pool.
    pub pool_chosen: bool,
    /// Data source names of one process.
    pub dsns: u64,
    /// Connections without a rollout (F3).
    pub steady: Connections,
    /// Connections during a rollout (F3).
    pub rollout: Connections,
    /// Connections busy on average, over all instances (F8); `None`: the load is not known.
    pub busy: Option<f64>,
    /// Connections that one pool needs for the load (F10, F7); `None`: not known, or more than any
    /// PostgreSQL serves.
    pub need: Option<Connections>,
    /// The pool that S1's sizing table allows at most for this load; `None`: the load is not known.
    pub ceiling: Option<Connections>,
    /// The smallest pool that nested checkouts cannot block (F7).
    pub floor: Connections,
    /// Whether the load is known and no number of connections carries it.
    pub overloaded: bool,
}

impl ServicePlan {
    /// Pools that hold connections at the peak, including a rollout if `surge`.
    pub fn pools(&self, surge: bool) -> u64 {
        let replicas = if surge {
            self.replicas_rollout
        } else {
            self.replicas
        };
        replicas
            .saturating_mul(self.processes)
            .saturating_mul(self.dsns)
    }

    /// Connections at the peak, including a rollout if `surge`.
    pub fn peak(&self, surge: bool) -> Connections {
        if surge {
            self.steady.max(self.rollout)
        } else {
            self.steady
        }
    }
}

pub(super) fn plan(facts: &Facts) -> Vec<ServicePlan> {
    facts
        .services
        .iter()
        .map(|service| one(facts, service))
        .collect()
}

fn one(facts: &Facts, service: &Service) -> ServicePlan {
    let replicas_rollout = demand::replicas_during_rollout(service.replicas, service.surge);
    let demand = |replicas| demand::demand(replicas, service.processes, service.pool, service.dsns);
    let floor = base::deadlock_floor(service.tasks, service.connections_per_task);
    let rate = service
        .requests
        .map(|requests| Rate(requests.0 * service.queries_per_request));
    let pools = service.replicas.max(1).saturating_mul(service.processes);
    let need = rate.map(|rate| {
        queueing::need_of_instance(rate, service.hold, facts.operations.goal, pools, floor)
    });
    let ceiling = service.requests.map(|requests| {
        let (_, most) = Preset::for_requests(requests.0).pool;
        Connections(most)
    });
    ServicePlan {
        name: service.name.clone(),
        kind: service.kind,
        via: service.via,
        replicas: service.replicas,
        replicas_rollout,
        processes: service.processes,
        pool: service.pool,
        pool_chosen: !service.pool_given,
        dsns: service.dsns,
        steady: demand(service.replicas),
        rollout: demand(replicas_rollout),
        busy: rate.map(|rate| queueing::busy(rate, service.hold)),
        need: need.flatten(),
        ceiling,
        floor,
        overloaded: need == Some(None),
    }
}
