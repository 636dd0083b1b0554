//! Each service: its instances, its pools, and what its load needs.

use serde::Serialize;

use crate::facts::{Facts, Kind, Service, Sharing, Via};
use crate::fleet::presets::Preset;
use crate::formula::base;
use crate::formula::demand;
use crate::units::Connections;

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
    /// Connections busy on average, over all instances (F8): with a statement, or with a whole request
    /// where a process serves one at a time; `None`: the load is not known.
    pub busy: Option<f64>,
    /// Connections that one pool needs for the load while an instance is gone (F10, F7), or processes
    /// of an instance (octane, queue), or functions at once (serverless); `None`: not known, or more
    /// than any PostgreSQL serves.
    pub need: Option<Connections>,
    /// Mean wait for a connection, or a process, in milliseconds (F9); `None`: the load is not known, or
    /// more than they can do.
    pub mean_wait_ms: Option<f64>,
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
    let sharing = service.sharing();
    let need = sharing.map(
        |Sharing {
             load, parts_left, ..
         }| { load.need_of_pool(facts.operations.goal, parts_left, floor) },
    );
    let mean_wait = sharing.and_then(|Sharing { load, parts, .. }| {
        let connections = service.servers_of_part().times(service.dsns);
        load.shared_by(parts).mean_wait(connections.0)
    });
    let ceiling = service.work.requests.map(|requests| {
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
        busy: sharing.map(|sharing| sharing.load.busy()),
        need: need.flatten(),
        mean_wait_ms: mean_wait.map(|wait| wait.as_secs_f64() * 1000.0),
        ceiling,
        floor,
        overloaded: need == Some(None),
    }
}
