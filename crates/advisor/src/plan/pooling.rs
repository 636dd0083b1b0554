//! The pooler's sizes: those given, and those of F11 for the rest.

use std::collections::BTreeSet;

use serde::Serialize;

use super::queueing::QueueingPlan;
use super::services::ServicePlan;
use crate::facts::{Facts, PoolMode, Pooler, PoolerKind, Via};
use crate::formula::{base, demand, pooler};
use crate::units::Connections;

/// The pooler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolerPlan {
    /// Which.
    pub kind: PoolerKind,
    /// When it takes a server back.
    pub pool_mode: PoolMode,
    /// Its processes.
    pub instances: u64,
    /// Pairs of database and user behind it.
    pub pairs: u64,
    /// Databases behind it.
    pub databases: u64,
    /// Server connections that PostgreSQL has left for it (F11).
    pub cap: Connections,
    /// Server connections that would be useful (F11).
    pub want: Connections,
    /// Server connections of all instances together at most.
    pub servers: Connections,
    /// `default_pool_size`: servers of one pair and instance.
    pub default_pool_size: Connections,
    /// `reserve_pool_size`.
    pub reserve_pool_size: Connections,
    /// `max_db_connections`: servers of one database and instance.
    pub max_db_connections: Connections,
    /// `max_client_conn` of one instance.
    pub max_client_conn: Connections,
    /// Connections that clients open at the peak.
    pub clients: Connections,
    /// File descriptors that one instance needs.
    pub descriptors: u64,
    /// Whether the sizes follow from F11, or were given.
    pub chosen: bool,
}

pub(super) fn plan(
    facts: &Facts,
    services: &[ServicePlan],
    queueing: &QueueingPlan,
) -> Option<PoolerPlan> {
    let pooler = facts.pooler.as_ref()?;
    let inputs = inputs(facts, pooler, services, queueing);
    let sizes = pooler::sizes(&inputs);
    // A pool size that was given stands, whether it fits or not: the verdict is about it.
    let given = pooler.pool.map(|pool| {
        let fifth = Connections(pool.0.div_ceil(5));
        (pool, pooler.reserve_pool.unwrap_or(fifth))
    });
    let (pool, reserve) = given.unwrap_or((sizes.pool, sizes.reserve_pool));
    // Without a cap, a given pool size would multiply unnoticed.
    let of_pools = (pool + reserve).times(inputs.pairs);
    let per_database = match (pooler.per_database, given) {
        (Some(limit), _) => limit,
        (None, Some(_)) => Connections(of_pools.0.div_ceil(inputs.databases)),
        (None, None) => sizes.per_database,
    };
    let of_instance = of_pools.min(per_database.times(inputs.databases));
    let max_client_conn = pooler.clients.unwrap_or(sizes.clients);
    Some(PoolerPlan {
        kind: pooler.kind,
        pool_mode: pooler.pool_mode,
        instances: pooler.instances,
        pairs: inputs.pairs,
        databases: inputs.databases,
        cap: sizes.cap,
        want: sizes.want,
        servers: of_instance.times(pooler.instances),
        default_pool_size: pool,
        reserve_pool_size: reserve,
        max_db_connections: per_database,
        max_client_conn,
        clients: inputs.clients,
        descriptors: pooler::descriptors(max_client_conn, of_instance),
        chosen: pooler.pool.is_none() && pooler.per_database.is_none(),
    })
}

fn inputs(
    facts: &Facts,
    pooler: &Pooler,
    services: &[ServicePlan],
    queueing: &QueueingPlan,
) -> pooler::Inputs {
    let surge = facts.operations.surge;
    let peak = |via: Via| -> Connections {
        let behind = services.iter().filter(|service| service.via == via);
        behind.map(|service| service.peak(surge)).sum()
    };
    let pairs: BTreeSet<(&str, &str)> = facts
        .services
        .iter()
        .filter(|service| service.via == Via::Pooler)
        .map(|service| (service.database.as_str(), service.user.as_str()))
        .collect();
    let databases: BTreeSet<&str> = pairs.iter().map(|(database, _)| *database).collect();
    let database = &facts.database;
    let spindles = base::effective_spindles(database.storage, database.cache_hit);
    pooler::Inputs {
        usable: demand::usable(
            database.max_connections,
            database.superuser_reserved,
            database.reserved,
        ),
        target: facts.operations.target,
        reserve: facts.operations.reserve,
        direct: peak(Via::Direct),
        need: queueing.pooled,
        optimum: base::active_optimum(database.physical_cores, spindles),
        kappa: pooler.kappa,
        pairs: pairs.len().max(1) as u64,
        databases: databases.len().max(1) as u64,
        instances: pooler.instances,
        per_database: pooler.per_database,
        reserve_pool: pooler.reserve_pool,
        clients: peak(Via::Pooler),
    }
}
