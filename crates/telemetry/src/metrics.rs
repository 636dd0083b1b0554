//! Our own metrics. docs/metrics.md explains each of them.

mod findings;
mod postgres;

pub(crate) use postgres::seen;

use pgweir_pool::histogram::Histogram;

use crate::exposition::Exposition;
use crate::pools::{self, PoolSnapshot};
use crate::sample::{Label, MetricKind, SampleValue};
use crate::snapshot::Snapshot;

/// A histogram of each pool: its name, its help, and how it is read.
type Times = (&'static str, &'static str, fn(&PoolSnapshot) -> &Histogram);

/// Bounds of the buckets of all our histograms, in microseconds.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 60_000_000,
];

/// Writes everything there is to say in our own names.
pub fn write(snapshot: &Snapshot, out: &mut Exposition) {
    process(snapshot, out);
    servers(snapshot, out);
    plain(snapshot, out);
    refusals(snapshot, out);
    times(snapshot, out);
    findings::write(snapshot, out);
    postgres::write(snapshot, out);
}

fn process(snapshot: &Snapshot, out: &mut Exposition) {
    out.family(
        MetricKind::Gauge,
        "pgweir_build_info",
        "The version that runs.",
    )
    .sample(&[("version", snapshot.version)], 1u32);
    out.family(
        MetricKind::Gauge,
        "pgweir_uptime_seconds",
        "Time since the start.",
    )
    .sample(&[], snapshot.uptime);
    out.family(
        MetricKind::Gauge,
        "pgweir_draining",
        "Whether it shuts down.",
    )
    .sample(&[], snapshot.readiness.draining);
    out.family(
        MetricKind::Gauge,
        "pgweir_paused",
        "Whether it is paused: no pool may have a server.",
    )
    .sample(&[], snapshot.paused);
    out.family(
        MetricKind::Gauge,
        "pgweir_suspended",
        "Whether it is suspended: nothing is read or written.",
    )
    .sample(&[], snapshot.suspended);
    out.family(
        MetricKind::Gauge,
        "pgweir_ready",
        "Whether /readyz says so.",
    )
    .sample(&[], snapshot.readiness.is_ready());
    out.family(MetricKind::Gauge, "pgweir_clients", "Clients logged in.")
        .sample(&[], snapshot.clients);
    out.family(
        MetricKind::Gauge,
        "pgweir_clients_limit",
        "Limit of clients: max_client_conn.",
    )
    .sample(&[], snapshot.clients_max);
    let help = "Days for which a certificate of pgweir is good, rounded down.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_tls_certificate_days_left", help);
    for (side, days) in &snapshot.certificates {
        family.sample(&[("side", side)], *days);
    }
    out.family(
        MetricKind::Gauge,
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
    let mut family = out.family(MetricKind::Gauge, "pgweir_worker_busy_ratio", help);
    for (index, worker) in &workers {
        let busy = SampleValue::Real(f64::from(worker.busy_permille) / 1000.0);
        family.sample(&[("worker", index)], busy);
    }
    let help = "Clients that live on a worker.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_worker_clients", help);
    for (index, worker) in &workers {
        family.sample(&[("worker", index)], worker.clients);
    }
    let help = "Errors of the pooler that clients were sent, by SQLSTATE.";
    let mut family = out.family(MetricKind::Counter, "pgweir_errors", help);
    for (sqlstate, count) in &snapshot.errors {
        family.sample(&[("sqlstate", sqlstate)], *count);
    }
    let logins = &snapshot.logins;
    for (name, help, count) in [
        (
            "pgweir_login_failures",
            "Logins of clients whose proof was wrong, or whose user is unknown.",
            logins.failed,
        ),
        (
            "pgweir_logins_delayed",
            "Logins that had to wait because many from their address failed.",
            logins.delayed,
        ),
        (
            "pgweir_logins_queued",
            "Logins that had to wait because many from their address were under way.",
            logins.queued,
        ),
        (
            "pgweir_logins_ejected",
            "Logins that had to make room for others.",
            logins.ejected,
        ),
    ] {
        out.family(MetricKind::Counter, name, help)
            .sample(&[], count);
    }
}

fn servers(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Servers by what they do: held by a client, free, logging in.";
    let mut family = out.family(MetricKind::Gauge, "pgweir_pool_servers", help);
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
}

/// What needs no label beside those of the pool.
fn plain(snapshot: &Snapshot, out: &mut Exposition) {
    for (kind, name, help, value) in pools::METRICS {
        let mut family = out.family(kind, name, help);
        for pool in &snapshot.pools {
            if let Some(value) = value(pool) {
                family.sample(&labels(pool), value);
            }
        }
    }
}

fn refusals(snapshot: &Snapshot, out: &mut Exposition) {
    let help = "Clients that did not get a server, by the reason.";
    let mut family = out.family(MetricKind::Counter, "pgweir_pool_refusals", help);
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
}

fn times(snapshot: &Snapshot, out: &mut Exposition) {
    let histograms: [Times; 3] = [
        (
            "pgweir_pool_wait_seconds",
            "Waits of clients for the server they got; 0 where one was free.",
            |pool| &pool.totals.wait_times,
        ),
        (
            "pgweir_pool_transaction_seconds",
            "Transactions, from the first byte to the last answer.",
            |pool| &pool.totals.transaction_times,
        ),
        (
            "pgweir_pool_query_seconds",
            "Queries, from sending to the answer; waits for a server are apart.",
            |pool| &pool.totals.query_times,
        ),
    ];
    for (name, help, of) in histograms {
        let mut family = out.family(MetricKind::Histogram, name, help);
        for pool in &snapshot.pools {
            family.histogram(&labels(pool), of(pool), &BOUNDS_US);
        }
    }
}

fn labels(pool: &PoolSnapshot) -> [Label<'_>; 2] {
    [("database", &pool.database), ("user", &pool.user)]
}

#[cfg(test)]
mod tests;
