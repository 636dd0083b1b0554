//! F11: the sizes of a pooler.

use super::queueing::survivors;
use crate::units::Connections;

/// What the sizes depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// Connections that ordinary roles get (F4).
    pub usable: Connections,
    /// Highest utilisation in percent.
    pub target: u32,
    /// Connections for operations: monitoring, migrations, backups.
    pub reserve: Connections,
    /// Connections of services that do not use the pooler.
    pub direct: Connections,
    /// What queueing asks for, over all services behind the pooler (F10).
    pub need: Connections,
    /// Active optimum of the database (F1).
    pub optimum: Connections,
    /// Multiple of the optimum that keeps the database busy while some connections wait: 2, or 1 where
    /// everything is cached.
    pub kappa: u64,
    /// Pairs of database and user.
    pub pairs: u64,
    /// Databases behind the pooler.
    pub databases: u64,
    /// Processes of the pooler.
    pub instances: u64,
    /// `max_db_connections`, where it is given.
    pub per_database: Option<Connections>,
    /// `reserve_pool_size`, where it is given.
    pub reserve_pool: Option<Connections>,
    /// Connections of clients to the pooler, rollout included.
    pub clients: Connections,
}

/// The sizes of each instance, and of all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Server connections that PostgreSQL has left for poolers.
    pub cap: Connections,
    /// Server connections that would be useful.
    pub want: Connections,
    /// Server connections of all poolers together, reserve included: within the cap, but for at least
    /// one for each database and instance.
    pub servers: Connections,
    /// `default_pool_size`.
    pub pool: Connections,
    /// `reserve_pool_size`.
    pub reserve_pool: Connections,
    /// `max_db_connections`, which caps all pools of a database: it leaves place for their reserves, or
    /// these would never be used.
    pub per_database: Connections,
    /// `max_client_conn`.
    pub clients: Connections,
    /// File descriptors that an instance needs.
    pub descriptors: u64,
}

/// F11.
pub fn sizes(inputs: &Inputs) -> Sizes {
    let allowed = u128::from(inputs.target) * u128::from(inputs.usable.0) / 100;
    let allowed = Connections(u64::try_from(allowed).unwrap_or(u64::MAX));
    let cap = allowed.less(inputs.reserve).less(inputs.direct);
    let instances = inputs.instances.max(1);
    let databases = inputs.databases.max(1);
    let pairs = inputs.pairs.max(1);
    let want = need_without_one(inputs.need, instances).max(inputs.optimum.times(inputs.kappa));
    // Each database gets one server at least: without any its clients would wait forever.
    let cap_of_database = Connections((cap.0 / instances / databases).max(1));
    let per_database = inputs.per_database.unwrap_or(cap_of_database);
    let room = per_database.min(cap_of_database).times(databases).0 / pairs;
    let wanted = want.0 / pairs / instances;
    let (pool, reserve_pool) = pool_within(room, wanted, inputs.reserve_pool);
    let of_pools = (pool + reserve_pool).times(pairs);
    let of_database = Connections(of_pools.0.div_ceil(databases)).min(cap_of_database);
    let per_database = inputs.per_database.unwrap_or(of_database);
    let of_instance = of_pools.min(per_database.times(databases));
    let clients = client_limit(inputs.clients);
    Sizes {
        cap,
        want,
        servers: of_instance.times(instances),
        pool,
        reserve_pool,
        per_database,
        clients,
        descriptors: descriptors(clients, of_instance),
    }
}

/// What all instances together need so that they carry the load while one of them is gone.
fn need_without_one(need: Connections, instances: u64) -> Connections {
    let each = need.0.div_ceil(survivors(instances));
    Connections(each).times(instances)
}

/// The largest pool of at most `wanted` that leaves place for its reserve within `room`.
fn pool_within(room: u64, wanted: u64, reserve: Option<Connections>) -> (Connections, Connections) {
    let most = match reserve {
        Some(reserve) => room.saturating_sub(reserve.0),
        // pool + ceil(pool / 5) <= room
        None => u64::try_from(u128::from(room) * 5 / 6).unwrap_or(u64::MAX),
    };
    let pool = wanted.min(most).max(1);
    let reserve = reserve.unwrap_or(Connections(pool.div_ceil(5).min(room.saturating_sub(pool))));
    (Connections(pool), reserve)
}

/// `max_client_conn` of each instance: a quarter more than all clients together, for one instance
/// carries them all while the others restart; not below PgBouncer's own default, as people and
/// monitoring connect too.
pub fn client_limit(clients: Connections) -> Connections {
    let quarter_more = (u128::from(clients.0) * 125).div_ceil(100);
    let limit = u64::try_from(quarter_more).unwrap_or(u64::MAX);
    Connections(limit).max(CLIENTS_MIN)
}

const CLIENTS_MIN: Connections = Connections(100);

/// File descriptors: those that PgBouncer's manual asks for, a fifth more, and some for listeners,
/// logs and resolvers.
pub fn descriptors(clients: Connections, servers: Connections) -> u64 {
    let least = u128::from((clients + servers).0);
    u64::try_from(least * 120 / 100 + 32).unwrap_or(u64::MAX)
}
