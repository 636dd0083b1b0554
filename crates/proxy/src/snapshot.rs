//! Takes a look at everything: one short lock per pool, for the time it takes to copy three kilobytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use pgweir_pool::budget::PoolId;
use pgweir_pool::halts::Stop;
use pgweir_pool::time::Time;
use pgweir_telemetry::Snapshot;
use pgweir_telemetry::live::LiveMode;
use pgweir_telemetry::pools::PoolSnapshot;
use pgweir_telemetry::snapshot::{DatabaseSnapshot, Readiness, UserSnapshot, WorkerSnapshot};

use crate::pool_handle::{PoolHandle, Replication};
use crate::registry::Registry;
use pgweir_config::{Config, Database, PoolMode, ServerAddress, User, pool_info};

/// How much is listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What page and metrics show, which is done each second.
    Page,
    /// All pools, databases and users.
    Whole,
}

/// Everything at this moment, apart from what is known of certificates.
pub(crate) fn take(registry: &Registry, extent: Extent) -> Snapshot {
    let config = registry.config();
    let now = registry.clock.now();
    let mut snapshot = Snapshot::new(env!("CARGO_PKG_VERSION"), SystemTime::now());
    snapshot.uptime = Duration::from_micros(now.0);
    snapshot.readiness = readiness_apart_from_pools(registry, &config);
    let stopped = registry.halts().everything();
    snapshot.paused = stopped == Some(Stop::Pause);
    snapshot.suspended = stopped == Some(Stop::Suspend);
    snapshot.connect = connect(&config);
    snapshot.clients = registry.clients_count();
    snapshot.clients_max = config.max_client_conn;
    snapshot.user_servers_max = config.max_user_connections.map(|max| max.get());
    snapshot.users = config.users.len();
    let workers = registry.workers.iter().map(|worker| WorkerSnapshot {
        busy_permille: worker.busy(),
        clients: worker.clients.load(Ordering::Relaxed),
    });
    snapshot.workers = workers.collect();
    snapshot.errors = registry.errors.counts();
    snapshot.logins = registry.attempts.counts();
    if extent == Extent::Whole {
        snapshot.shown_max = usize::MAX;
    }
    let mut databases = BTreeMap::<Arc<str>, Used>::new();
    let mut users = BTreeMap::<Arc<str>, Used>::new();
    let mut servers = BTreeMap::<PoolId, (u32, u32)>::new();
    let mut pools = registry.pools();
    let replication: Vec<_> = pools
        .extract_if(.., |pool| pool.replication.is_some())
        .collect();
    for handle in pools {
        let mut pool = pool(&handle, now);
        let open = pool.counts.active + pool.counts.idle;
        servers.insert(handle.id, (pool.size_max.unwrap_or(open), pool.counts.idle));
        add_replication(&mut pool, &handle, &replication, now);
        databases
            .entry(pool.database.clone())
            .or_default()
            .add(&pool);
        users.entry(pool.user.clone()).or_default().add(&pool);
        snapshot.add_pool(pool);
    }
    let listed = config.databases.values().chain(&config.fallback_database);
    snapshot.databases_count = listed.clone().count();
    let listed = listed.take(snapshot.shown_max);
    let used = |name: &str| databases.get(name).copied().unwrap_or_default();
    let halts = registry.halts();
    let shown = listed.map(|one| DatabaseSnapshot {
        paused: halts.is_paused(&one.name),
        disabled: halts.is_disabled(&one.name),
        ..database(one, used(&one.name))
    });
    snapshot.databases = shown.collect();
    drop(halts);
    if extent == Extent::Whole {
        let mut clients = registry.clients_by_user();
        for (_, session) in registry.consoles.open() {
            *clients.entry(session.user.as_str().into()).or_default() += 1;
        }
        let used = |name: &str| Used {
            clients: clients.get(name).copied().unwrap_or(0),
            servers: users.get(name).map_or(0, |used| used.servers),
        };
        let listed = config.users.values();
        snapshot.user_list = listed.map(|one| user(one, used(&one.name))).collect();
    }
    let compat = config.http.compat;
    if compat.prisma || compat.sqlx {
        let known = |pool| servers.get(&pool).copied().unwrap_or_default();
        snapshot.services = registry.insight.services(known);
    }
    snapshot.postgres = registry.probes.snapshot(&config);
    snapshot
}

/// Adds what the replication connections of a pool's database and user do, which have no limit of their
/// own.
fn add_replication(
    pool: &mut PoolSnapshot,
    base: &Arc<PoolHandle>,
    replication: &[Arc<PoolHandle>],
    now: Time,
) {
    for handle in replication {
        let its_base = handle.replication.as_ref().and_then(Replication::base);
        if its_base.is_some_and(|it| Arc::ptr_eq(&it, base)) {
            let mut one = self::pool(handle, now);
            one.size_max = Some(0);
            one.wait_max = None;
            (one.login_failing, one.login_failure) = (false, None);
            pool.add(&one);
        }
    }
}

/// Whether clients are well served; looks at all pools, and changes none.
pub(crate) fn readiness(registry: &Registry) -> Readiness {
    let now = registry.clock.now();
    let mut readiness = readiness_apart_from_pools(registry, &registry.config());
    for pool in registry.pools() {
        // A replication connection that is refused says nothing of PostgreSQL.
        if pool.replication.is_some() {
            continue;
        }
        readiness.add(&pool.counts(), pool.login_failure(now).is_some());
    }
    readiness
}

fn readiness_apart_from_pools(registry: &Registry, config: &Config) -> Readiness {
    Readiness {
        draining: registry.draining.load(Ordering::Acquire),
        probes_fail: registry.probes.reach_none(config),
        ..Readiness::default()
    }
}

fn pool(handle: &PoolHandle, now: Time) -> PoolSnapshot {
    let (clients, counts, totals) = handle.figures();
    let settings = handle.settings();
    let login_failure = handle.login_failure(now);
    PoolSnapshot {
        database: handle.database.clone(),
        user: handle.user.clone(),
        mode: Some(mode(settings.config.pool_mode)),
        size_max: settings.config.pool_size.map(|size| size.get()),
        reserve_max: settings.config.reserve_pool_size,
        clients,
        counts,
        cancels: handle.cancels.load(Ordering::Relaxed),
        oldest_wait: counts.waiting_since.map(|since| now.since(since)),
        wait_max: settings.config.query_wait_timeout,
        slow_from: settings.config.slow_query_time,
        login_failing: login_failure.is_some(),
        login_failure,
        held: handle.held(),
        cause: (counts.waiting > 0).then(|| handle.cause(now)),
        totals,
    }
}

/// A command that connects to the first database as the first user who may log in.
fn connect(config: &Config) -> Option<String> {
    let listen = &config.listen;
    let address = listen.addresses.first();
    let host = match (address, &listen.unix_socket_dir) {
        (Some(address), _) if address.is_unspecified() => "127.0.0.1".to_owned(),
        (Some(address), _) => address.to_string(),
        (None, Some(folder)) => folder.display().to_string(),
        (None, None) => return None,
    };
    let database = config.databases.keys().next();
    let database = database.map_or("DATABASE", String::as_str);
    let user = config.users.keys().next();
    let user = user.map_or("USER", String::as_str);
    let port = listen.port;
    Some(format!("psql -h {host} -p {port} -U {user} {database}"))
}

/// Clients and servers of several pools.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    clients: u32,
    servers: u32,
}

impl Used {
    fn add(&mut self, pool: &PoolSnapshot) {
        let counts = &pool.counts;
        self.clients += pool.clients;
        self.servers += counts.active + counts.idle + counts.opening;
    }
}

fn user(user: &User, used: Used) -> UserSnapshot {
    UserSnapshot {
        name: user.name.clone(),
        pool_size: user.pool_size,
        reserve: user.reserve_pool_size,
        mode: user.pool_mode.map(mode),
        servers_max: user.max_user_connections.map(|max| max.get()),
        servers: used.servers,
        clients_max: user.max_user_client_connections.map(|max| max.get()),
        clients: used.clients,
    }
}

fn database(database: &Database, used: Used) -> DatabaseSnapshot {
    let (host, port) = match &database.server {
        ServerAddress::Tcp { host, port } => (host.clone(), port.to_string()),
        ServerAddress::Unix(path) => (path.display().to_string(), String::new()),
    };
    let dbname = database.dbname.as_ref().unwrap_or(&database.name);
    DatabaseSnapshot {
        name: database.name.clone(),
        load_balance: (!database.other_servers.is_empty()).then_some(
            match database.balances_hosts {
                true => "round-robin",
                false => "disable",
            },
        ),
        dbname: dbname.clone(),
        host,
        port,
        forced_user: database.forced_user.clone().unwrap_or_default(),
        mode: mode(database.pool.pool_mode),
        pool_size: database.pool.pool_size.map(|size| size.get()),
        pool_size_min: database.pool.min_pool_size,
        reserve: database.pool.reserve_pool_size,
        lifetime: database.pool.server_lifetime,
        clients_max: database.max_db_client_connections.map(|max| max.get()),
        clients: used.clients,
        disabled: false,
        servers_max: database.max_db_connections.map(|max| max.get()),
        servers: used.servers,
        paused: false,
        limits: pool_info(&database.pool),
    }
}

fn mode(mode: PoolMode) -> LiveMode {
    match mode {
        PoolMode::Session => LiveMode::Session,
        PoolMode::Transaction => LiveMode::Transaction,
        PoolMode::Statement => LiveMode::Statement,
    }
}

#[cfg(test)]
mod tests;
