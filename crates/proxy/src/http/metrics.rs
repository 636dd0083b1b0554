//! Our own metrics. docs/metrics.md explains each of them.

mod findings;

use super::exposition::{Column, Exposition, Kind, Label, Value};
use super::postgres;
use crate::snapshot::{PoolSnapshot, Snapshot};

/// Bounds of the buckets of all our histograms, in microseconds.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 60_000_000,
];

/// Writes everything there is to say in our own names.
pub(super) fn write(snapshot: &Snapshot, out: &mut Exposition) {
    process(snapshot, out);
    pools(snapshot, out);
    totals(snapshot, out);
    findings::write(snapshot, out);
    postgres::write(snapshot, out);
}

fn process(snapshot: &Snapshot, out: &mut Exposition) {
    out.family(Kind::Gauge, "pgweir_build_info", "The version that runs.")
        .sample(&[("version", snapshot.version)], 1u32);
    out.family(
        Kind::Gauge,
        "pgweir_uptime_seconds",
        "Time since the start.",
    )
    .sample(&[], snapshot.uptime);
    out.family(Kind::Gauge, "pgweir_draining", "Whether it shuts down.")
        .sample(&[], snapshot.readiness.draining);
    out.family(Kind::Gauge, "pgweir_ready", "Whether /readyz says so.")
        .sample(&[], snapshot.readiness.is_ready());
    out.family(Kind::Gauge, "pgweir_clients", "Clients logged in.")
        .sample(&[], snapshot.clients);
    out.family(
        Kind::Gauge,
        "pgweir_clients_limit",
        "Limit of clients: max_client_conn.",
    )
    .sample(&[], snapshot.clients_max);
    out.family(
        Kind::Gauge,
        "pgweir_pools",
        "Pools, each of a database and a user.",
    )
    .sample(&[], snapshot.pools_count);
    let workers: Vec<_> = snapshot
        .workers
        .iter()
        .enumerate()
        .map(|(index, worker)| (index.to_string(), worker))
        .collect();
    let help = "Share of its time that a worker did not wait, lately.";
    let mut family = out.family(Kind::Gauge, "pgweir_worker_busy_ratio", help);
    for (index, worker) in &workers {
        let busy = Value::Real(f64::from(worker.busy_permille) / 1000.0);
        family.sample(&[("worker", index)], busy);
    }
    let help = "Clients that live on a worker.";
    let mut family = out.family(Kind::Gauge, "pgweir_worker_clients", help);
    for (index, worker) in &workers {
        family.sample(&[("worker", index)], worker.clients);
    }
    let help = "Errors of the pooler that clients were sent, by SQLSTATE.";
    let mut family = out.family(Kind::Counter, "pgweir_errors", help);
    for (sqlstate, count) in &snapshot.errors {
        family.sample(&[("sqlstate", sqlstate)], *count);
    }
}

fn pools(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Servers by what they do: held by a client, free, logging in.";
    let mut family = out.family(Kind::Gauge, "pgweir_pool_servers", help);
    for pool in &snapshot.pools {
        for (state, count) in [
            ("active", pool.counts.active),
            ("idle", pool.counts.idle),
            ("opening", pool.counts.opening),
        ] {
            let [database, user] = labels(pool);
            family.sample(&[database, user, ("state", state)], count);
        }
    }
    let help = "Limit of servers, where there is one: pool_size.";
    let mut family = out.family(Kind::Gauge, "pgweir_pool_servers_limit", help);
    for pool in &snapshot.pools {
        if let Some(size) = pool.size_max {
            family.sample(&labels(pool), size);
        }
    }
    let gauges: [Column<PoolSnapshot, u32>; 4] = [
        (
            "pgweir_pool_reserve_limit",
            "Servers beyond the limit for clients that waited long: reserve_pool_size.",
            |pool| pool.reserve_max,
        ),
        ("pgweir_pool_clients", "Clients logged in.", |pool| {
            pool.clients
        }),
        (
            "pgweir_pool_waiters",
            "Clients that wait for a server.",
            |pool| pool.counts.waiting,
        ),
        (
            "pgweir_pool_login_failing",
            "Whether the last login to PostgreSQL failed.",
            |pool| pool.login_failing.into(),
        ),
    ];
    for (name, help, value) in gauges {
        let mut family = out.family(Kind::Gauge, name, help);
        for pool in &snapshot.pools {
            family.sample(&labels(pool), value(pool));
        }
    }
    let help = "How long the client that is first in the queue has waited.";
    let mut family = out.family(Kind::Gauge, "pgweir_pool_oldest_wait_seconds", help);
    for pool in &snapshot.pools {
        family.sample(&labels(pool), pool.oldest_wait.unwrap_or_default());
    }
}

fn totals(snapshot: &Snapshot, out: &mut Exposition) {
    let counters: [Column<PoolSnapshot, u64>; 10] = [
        (
            "pgweir_pool_transactions",
            "Transactions that ended.",
            |pool| pool.totals.transactions,
        ),
        ("pgweir_pool_queries", "Queries that ended.", |pool| {
            pool.totals.queries
        }),
        (
            "pgweir_pool_errors",
            "Errors of PostgreSQL that clients were sent.",
            |pool| pool.totals.errors,
        ),
        ("pgweir_pool_parses", "Parse messages of clients.", |pool| {
            pool.totals.parses
        }),
        ("pgweir_pool_binds", "Bind messages of clients.", |pool| {
            pool.totals.binds
        }),
        (
            "pgweir_pool_received_bytes",
            "Bytes from clients to servers.",
            |pool| pool.totals.received_bytes,
        ),
        (
            "pgweir_pool_sent_bytes",
            "Bytes from servers to clients.",
            |pool| pool.totals.sent_bytes,
        ),
        (
            "pgweir_pool_client_logins",
            "Clients that logged in.",
            |pool| pool.totals.client_logins,
        ),
        (
            "pgweir_pool_server_logins",
            "Servers that logged in.",
            |pool| pool.totals.server_logins,
        ),
        (
            "pgweir_pool_server_login_failures",
            "Logins of servers that failed.",
            |pool| pool.totals.server_login_failures,
        ),
    ];
    for (name, help, value) in counters {
        let mut family = out.family(Kind::Counter, name, help);
        for pool in &snapshot.pools {
            family.sample(&labels(pool), value(pool));
        }
    }
    let help = "Clients that did not get a server, by the reason.";
    let mut family = out.family(Kind::Counter, "pgweir_pool_refusals", help);
    for pool in &snapshot.pools {
        for (reason, count) in [
            ("queue_full", pool.totals.refusals_queue_full),
            ("timeout", pool.totals.refusals_timeout),
            ("login_failing", pool.totals.refusals_login_failing),
        ] {
            let [database, user] = labels(pool);
            family.sample(&[database, user, ("reason", reason)], count);
        }
    }
    let help = "Waits of clients for the server they got; 0 where one was free.";
    let mut family = out.family(Kind::Histogram, "pgweir_pool_wait_seconds", help);
    for pool in &snapshot.pools {
        family.histogram(&labels(pool), &pool.totals.wait_times, &BOUNDS_US);
    }
    let help = "Transactions, from the first byte to the last answer.";
    let mut family = out.family(Kind::Histogram, "pgweir_pool_transaction_seconds", help);
    for pool in &snapshot.pools {
        family.histogram(&labels(pool), &pool.totals.transaction_times, &BOUNDS_US);
    }
    let help = "Queries, from sending to the answer; waits for a server are apart.";
    let mut family = out.family(Kind::Histogram, "pgweir_pool_query_seconds", help);
    for pool in &snapshot.pools {
        family.histogram(&labels(pool), &pool.totals.query_times, &BOUNDS_US);
    }
}

fn labels(pool: &PoolSnapshot) -> [Label<'_>; 2] {
    [("database", &pool.database), ("user", &pool.user)]
}

#[cfg(test)]
mod tests;
