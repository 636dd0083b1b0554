//! Metrics under names that dashboards and alerts have already: those of pgbouncer_exporter, those
//! that applications with Prisma and SQLx give their own pools, and two of postgres_exporter.
//!
//! Only what is known is written. What cannot occur here (disabled databases, servers that are tested
//! apart from the pool) is 0, for sums over it would come out empty without. Left out is
//! `pgbouncer_client_connections` too: its label `application_name` is the clients' choice, and
//! so would be the number of series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pgweir_pool::work::Totals;

use crate::exposition::Exposition;
use crate::metrics::seen;
use crate::pools::PoolSnapshot;
use crate::postgres::SessionState;
use crate::sample::{Label, MetricKind, Reading, SampleValue};
use crate::services::ServiceSnapshot;
use crate::snapshot::{DatabaseSnapshot, Snapshot};

/// Names that applications give their own metrics, shown where a dashboard expects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplicationNames {
    /// `prisma_pool_size` and the like.
    pub prisma: bool,
    /// `sqlx_pool_connections_active` and the like.
    pub sqlx: bool,
    /// `pg_stat_activity_count` and the like.
    pub postgres_exporter: bool,
}

/// Bounds of `prisma_query_duration_seconds`, in microseconds.
const PRISMA_BOUNDS_US: [u64; 7] = [
    1_000, 10_000, 100_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
];

/// Writes what pgbouncer_exporter would.
pub fn write_pgbouncer(snapshot: &Snapshot, out: &mut Exposition) {
    let version = format!("pgweir {}", snapshot.version);
    out.family(MetricKind::Gauge, "pgbouncer_up", "Always 1.")
        .sample(&[], 1u32);
    let help = "The version that runs.";
    out.family(MetricKind::Gauge, "pgbouncer_version_info", help)
        .sample(&[("version", &version)], 1u32);
    for name in [
        "pgbouncer_config_max_client_connections",
        // By this name alert rules ask for it that were written for another exporter.
        "pgbouncer_config_max_client_conn",
    ] {
        out.family(
            MetricKind::Gauge,
            name,
            "Limit of clients: max_client_conn.",
        )
        .sample(&[], snapshot.clients_max);
    }
    let name = "pgbouncer_config_max_user_connections";
    let help = "Servers of a user at most: max_user_connections; 0 is no limit.";
    let max = snapshot.user_servers_max.unwrap_or(0);
    out.family(MetricKind::Gauge, name, help).sample(&[], max);
    let sum = snapshot.sum();
    let servers = sum.counts.active + sum.counts.idle + sum.counts.opening;
    for (name, help, value) in [
        (
            "pgbouncer_databases",
            "Databases of the configuration.",
            snapshot.databases.len(),
        ),
        ("pgbouncer_users", "Users that may log in.", snapshot.users),
        ("pgbouncer_pools", "Pools.", snapshot.pools_count),
        (
            "pgbouncer_used_clients",
            "Clients logged in.",
            snapshot.clients as usize,
        ),
        ("pgbouncer_used_servers", "Servers.", servers as usize),
    ] {
        out.family(MetricKind::Gauge, name, help).sample(&[], value);
    }
    databases(snapshot, out);
    pools(snapshot, out);
    stats(snapshot, out);
}

fn databases(snapshot: &Snapshot, out: &mut Exposition) {
    let gauges: [Reading<DatabaseSnapshot, u32>; 6] = [
        (
            "pgbouncer_databases_pool_size",
            "Servers of one pool at most; 0 is no limit.",
            |of| of.pool_size.unwrap_or(0),
        ),
        (
            "pgbouncer_databases_reserve_pool",
            "Servers beyond that for clients that waited long.",
            |of| of.reserve,
        ),
        (
            "pgbouncer_databases_max_connections",
            "Servers of the database at most; 0 is no limit.",
            |of| of.servers_max.unwrap_or(0),
        ),
        (
            "pgbouncer_databases_current_connections",
            "Servers of the database.",
            |of| of.servers,
        ),
        (
            "pgbouncer_databases_paused",
            "Whether the database, or everything, is paused.",
            |of| u32::from(of.paused),
        ),
        (
            "pgbouncer_databases_disabled",
            "Whether new clients of the database are refused.",
            |of| u32::from(of.disabled),
        ),
    ];
    for (name, help, value) in gauges {
        let mut family = out.family(MetricKind::Gauge, name, help);
        for of in &snapshot.databases {
            let labels = [
                ("name", of.name.as_str()),
                ("host", &of.host),
                ("port", &of.port),
                ("database", &of.dbname),
                ("force_user", &of.forced_user),
                ("pool_mode", of.mode.word()),
            ];
            family.sample(&labels, value(of));
        }
    }
}

fn pools(snapshot: &Snapshot, out: &mut Exposition) {
    let gauges: [Reading<PoolSnapshot, u32>; 7] = [
        (
            "pgbouncer_pools_client_active_connections",
            "Clients that do not wait for a server.",
            |pool| pool.clients.saturating_sub(pool.counts.waiting),
        ),
        (
            "pgbouncer_pools_client_waiting_connections",
            "Clients that wait for a server.",
            |pool| pool.counts.waiting,
        ),
        (
            "pgbouncer_pools_server_active_connections",
            "Servers held by clients.",
            |pool| pool.counts.active,
        ),
        (
            "pgbouncer_pools_server_idle_connections",
            "Servers free for use.",
            |pool| pool.counts.idle,
        ),
        (
            "pgbouncer_pools_server_used_connections",
            "Always 0: they are counted as idle.",
            |_| 0,
        ),
        (
            "pgbouncer_pools_server_testing_connections",
            "Always 0: they are counted as active.",
            |_| 0,
        ),
        (
            "pgbouncer_pools_server_login_connections",
            "Servers logging in.",
            |pool| pool.counts.opening,
        ),
    ];
    let labels = |pool: &PoolSnapshot| [pool.database.clone(), pool.user.clone()];
    for (name, help, value) in gauges {
        let mut family = out.family(MetricKind::Gauge, name, help);
        for pool in &snapshot.pools {
            let [database, user] = &labels(pool);
            family.sample(&[("database", database), ("user", user)], value(pool));
        }
    }
    let name = "pgbouncer_pools_client_maxwait_seconds";
    let help = "How long the client that is first in the queue has waited.";
    let mut family = out.family(MetricKind::Gauge, name, help);
    for pool in &snapshot.pools {
        let [database, user] = &labels(pool);
        let wait = pool.oldest_wait.unwrap_or_default();
        family.sample(&[("database", database), ("user", user)], wait);
    }
}

fn stats(snapshot: &Snapshot, out: &mut Exposition) {
    let mut totals: BTreeMap<&str, Totals> = BTreeMap::new();
    for pool in &snapshot.pools {
        totals.entry(&pool.database).or_default().add(&pool.totals);
    }
    let counters: [Reading<Totals, SampleValue>; 11] = [
        (
            "pgbouncer_stats_totals_queries_pooled",
            "Queries that ended.",
            |totals| totals.queries.into(),
        ),
        (
            "pgbouncer_stats_totals_queries_duration_seconds",
            "Time that queries took.",
            |totals| SampleValue::micros(totals.query_times.sum_us()),
        ),
        (
            "pgbouncer_stats_totals_received_bytes",
            "Bytes from clients.",
            |totals| totals.received_bytes.into(),
        ),
        (
            "pgbouncer_stats_totals_sent_bytes",
            "Bytes to clients.",
            |totals| totals.sent_bytes.into(),
        ),
        (
            "pgbouncer_stats_totals_client_wait_seconds",
            "Time that clients waited for a server.",
            |totals| SampleValue::micros(totals.wait_times.sum_us()),
        ),
        (
            "pgbouncer_stats_totals_sql_transactions_pooled",
            "Transactions that ended.",
            |totals| totals.transactions.into(),
        ),
        (
            "pgbouncer_stats_totals_server_in_transaction_seconds",
            "Time that transactions took.",
            |totals| SampleValue::micros(totals.transaction_times.sum_us()),
        ),
        (
            "pgbouncer_stats_totals_client_parses",
            "Parse messages of clients.",
            |totals| totals.parses.into(),
        ),
        (
            "pgbouncer_stats_totals_server_parses",
            "Parse messages that servers were sent.",
            |totals| totals.server_parses().into(),
        ),
        (
            "pgbouncer_stats_totals_binds",
            "Bind messages of clients.",
            |totals| totals.binds.into(),
        ),
        (
            "pgbouncer_stats_totals_server_assignments",
            "Servers given to clients.",
            |totals| totals.wait_times.count().into(),
        ),
    ];
    for (name, help, value) in counters {
        let mut family = out.family(MetricKind::Counter, name, help);
        for (database, totals) in &totals {
            let labels: [Label<'_>; 1] = [("database", database)];
            family.sample(&labels, value(totals));
        }
    }
}

/// Writes what applications would about their own pools: for all together without a label, and for
/// each service with its name.
pub fn write_applications(snapshot: &Snapshot, names: ApplicationNames, out: &mut Exposition) {
    let sum = snapshot.sum();
    let open = sum.counts.active + sum.counts.idle;
    let all = ServiceSnapshot {
        service: Arc::default(),
        size: sum.size_max.unwrap_or(open),
        active: sum.counts.active,
        idle: sum.counts.idle,
        waiting: sum.counts.waiting,
    };
    let mut gauges: Vec<Reading<ServiceSnapshot, u32>> = Vec::new();
    if names.prisma {
        gauges.extend::<[Reading<ServiceSnapshot, u32>; 3]>([
            (
                "prisma_pool_size",
                "Servers at most; without a limit, servers open.",
                |of| of.size,
            ),
            (
                "prisma_active_connections",
                "Servers held by clients.",
                |of| of.active,
            ),
            (
                "prisma_waiting_requests",
                "Clients that wait for a server.",
                |of| of.waiting,
            ),
        ]);
    }
    if names.sqlx {
        gauges.extend::<[Reading<ServiceSnapshot, u32>; 2]>([
            (
                "sqlx_pool_connections_active",
                "Servers held by clients.",
                |of| of.active,
            ),
            (
                "sqlx_pool_connections_idle",
                "Servers free for use.",
                |of| of.idle,
            ),
        ]);
    }
    for (name, help, value) in gauges {
        let mut family = out.family(MetricKind::Gauge, name, help);
        family.sample(&[], value(&all));
        for service in &snapshot.services {
            family.sample(&[("service", &service.service)], value(service));
        }
    }
    if names.prisma {
        let help = "Queries, from sending to the answer.";
        out.family(MetricKind::Histogram, "prisma_query_duration_seconds", help)
            .histogram(&[], &sum.totals.query_times, &PRISMA_BOUNDS_US);
    }
    if names.postgres_exporter {
        postgres_exporter(snapshot, out);
    }
}

/// Writes what postgres_exporter would of sessions and their limit, as the probes saw them last.
fn postgres_exporter(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Sessions of clients by database, state and application; without the probe's.";
    let mut family = out.family(MetricKind::Gauge, "pg_stat_activity_count", help);
    for (server, seen) in seen(snapshot) {
        let sessions = &seen.activity.applications;
        let databases: BTreeSet<_> = sessions.keys().map(|(database, ..)| database).collect();
        for database in databases {
            for state in SessionState::ALL {
                let with_it = sessions
                    .iter()
                    .filter(|((of, is, _), _)| of == database && *is == state);
                let mut with_it = with_it.peekable();
                let labels = |application| {
                    [
                        ("server", server),
                        ("datname", &**database),
                        ("state", state.in_postgres()),
                        ("application_name", application),
                    ]
                };
                // So that a sum over a state that nobody is in is 0 and not missing.
                if with_it.peek().is_none() && state != SessionState::Unknown {
                    family.sample(&labels(""), 0u32);
                }
                for ((_, _, application), count) in with_it {
                    family.sample(&labels(application), *count);
                }
            }
        }
    }
    let help = "PostgreSQL's max_connections.";
    let mut family = out.family(MetricKind::Gauge, "pg_settings_max_connections", help);
    for (server, seen) in seen(snapshot) {
        family.sample(&[("server", server)], seen.activity.max_connections);
    }
}
