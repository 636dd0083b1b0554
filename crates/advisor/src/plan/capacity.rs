//! Demand against what PostgreSQL gives.

use serde::Serialize;

use super::pooling::PoolerPlan;
use super::services::ServicePlan;
use crate::facts::{Facts, Via};
use crate::formula::demand::{self, Verdict};
use crate::formula::{base, pooler};
use crate::units::{Connections, percent_text};

/// Demand against what PostgreSQL gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// `max_connections`.
    pub max_connections: Connections,
    /// `superuser_reserved_connections`.
    pub superuser_reserved: Connections,
    /// `reserved_connections`.
    pub reserved: Connections,
    /// What ordinary roles get (F4).
    pub usable: Connections,
    /// What is kept for operations.
    pub reserve: Connections,
    /// Services without a pooler, without a rollout.
    pub direct: Connections,
    /// Services without a pooler, during a rollout.
    pub direct_rollout: Connections,
    /// Servers of the pooler.
    pub pooler: Connections,
    /// Everything without a rollout.
    pub steady: Connections,
    /// Everything during a rollout.
    pub rollout: Connections,
    /// The larger of the two; the steady one where rollouts do not count.
    pub peak: Connections,
    /// Highest utilisation in percent.
    pub target_percent: u32,
    /// The smallest `max_connections` that is OK (F5).
    pub need: Connections,
    /// The same, rounded up as an operator would set it (F5).
    pub recommended_max_connections: Connections,
    /// Connections that can usefully be active (F1).
    pub optimum: Connections,
    /// The same as both documents count it (F1 with one spindle).
    pub optimum_of_documents: Connections,
    /// Peak demand as a multiple of the optimum.
    pub oversubscription: Option<f64>,
    /// Whether it fits (F5).
    pub verdict: Verdict,
}

impl Capacity {
    /// The verdict in a sentence.
    pub fn reason(&self) -> String {
        let percent = percent_text(self.peak + self.reserve, self.usable);
        let Self {
            peak,
            usable,
            reserve,
            target_percent,
            ..
        } = self;
        match self.verdict {
            Verdict::Fail => format!(
                "the fleet opens {peak} connections at its peak, but PostgreSQL gives ordinary roles only \
                 {usable}"
            ),
            Verdict::Warn => format!(
                "the fleet opens {peak} connections at its peak; with {reserve} for operations that is {percent} \
                 of the {usable} that PostgreSQL gives, above the target of {target_percent} %"
            ),
            Verdict::Ok => format!(
                "the fleet opens {peak} connections at its peak; with {reserve} for operations that is {percent} \
                 of the {usable} that PostgreSQL gives"
            ),
        }
    }

    /// Connections that may be opened with the verdict OK; zero if the reserve alone is too much.
    pub fn allowed(&self) -> Connections {
        let share = u128::from(self.target_percent) * u128::from(self.usable.0) / 100;
        Connections(u64::try_from(share).unwrap_or(u64::MAX)).less(self.reserve)
    }
}

pub(super) fn plan(
    facts: &Facts,
    services: &[ServicePlan],
    pooler: Option<&PoolerPlan>,
) -> Capacity {
    let database = &facts.database;
    let operations = &facts.operations;
    let usable = demand::usable(
        database.max_connections,
        database.superuser_reserved,
        database.reserved,
    );
    let direct = || services.iter().filter(|service| service.via == Via::Direct);
    let steady_direct: Connections = direct().map(|service| service.steady).sum();
    let rollout_direct: Connections = direct().map(|service| service.rollout).sum();
    let servers = pooler.map_or(Connections::ZERO, |pooler| {
        let used = services.iter().any(|service| service.via == Via::Pooler);
        if used {
            pooler.servers
        } else {
            Connections::ZERO
        }
    });
    let steady = steady_direct + servers;
    let rollout = rollout_direct + servers;
    let peak = if operations.surge {
        steady.max(rollout)
    } else {
        steady
    };
    let need = demand::need(
        peak,
        operations.reserve,
        database.superuser_reserved,
        database.reserved,
        operations.target,
    );
    let spindles = base::effective_spindles(database.storage, database.cache_hit);
    let optimum = base::active_optimum(database.physical_cores, spindles);
    Capacity {
        max_connections: database.max_connections,
        superuser_reserved: database.superuser_reserved,
        reserved: database.reserved,
        usable,
        reserve: operations.reserve,
        direct: steady_direct,
        direct_rollout: rollout_direct,
        pooler: servers,
        steady,
        rollout,
        peak,
        target_percent: operations.target,
        need,
        recommended_max_connections: demand::recommended_max_connections(need),
        optimum,
        optimum_of_documents: base::active_optimum_of_documents(database.physical_cores),
        oversubscription: peak.ratio(optimum),
        verdict: demand::verdict(peak, operations.reserve, usable, operations.target),
    }
}

/// What a pooler would open if all services used it.
pub(super) fn with_pooler(facts: &Facts, need: Connections, clients: Connections) -> pooler::Sizes {
    let database = &facts.database;
    let spindles = base::effective_spindles(database.storage, database.cache_hit);
    pooler::sizes(&pooler::Inputs {
        usable: demand::usable(
            database.max_connections,
            database.superuser_reserved,
            database.reserved,
        ),
        target: facts.operations.target,
        reserve: facts.operations.reserve,
        direct: Connections::ZERO,
        need,
        optimum: base::active_optimum(database.physical_cores, spindles),
        kappa: 2,
        pairs: 1,
        databases: 1,
        instances: 1,
        per_database: None,
        reserve_pool: None,
        clients,
    })
}
