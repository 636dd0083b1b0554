//! F11: the sizes of a pooler.

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
    /// Server connections of all poolers together: the smaller of the two, and at least one for each
    /// database and instance.
    pub servers: Connections,
    /// `default_pool_size`.
    pub pool: Connections,
    /// `reserve_pool_size`.
    pub reserve_pool: Connections,
    /// `max_db_connections`, which caps all pools of a database.
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
    let want = inputs.need.max(inputs.optimum.times(inputs.kappa));
    let instances = inputs.instances.max(1);
    let databases = inputs.databases.max(1);
    let pairs = inputs.pairs.max(1);
    let least = instances.saturating_mul(databases);
    let servers = cap.min(want).max(Connections(least));
    let pool = Connections((servers.0 / pairs.saturating_mul(instances)).max(1));
    let per_database = Connections((servers.0 / least).max(1));
    let clients = client_limit(inputs.clients, instances);
    Sizes {
        cap,
        want,
        servers,
        pool,
        reserve_pool: Connections(pool.0.div_ceil(5)),
        per_database,
        clients,
        descriptors: descriptors(clients, per_database.times(databases)),
    }
}

/// `max_client_conn` of each instance: a quarter more than its even share, because
/// balance is never even.
pub fn client_limit(clients: Connections, instances: u64) -> Connections {
    let quarter_more = u128::from(clients.0) * 125;
    let limit = quarter_more.div_ceil(100 * u128::from(instances.max(1)));
    Connections(u64::try_from(limit).unwrap_or(u64::MAX).max(1))
}

/// File descriptors: those that PgBouncer's manual asks for, a fifth more, and some for listeners,
/// logs and resolvers.
pub fn descriptors(clients: Connections, servers: Connections) -> u64 {
    let least = u128::from((clients + servers).0);
    u64::try_from(least * 120 / 100 + 32).unwrap_or(u64::MAX)
}
