//! Dashboards that were made for applications' own metrics and for postgres_exporter: their queries, as
//! they stand, in a real Prometheus that scrapes a real pooler.

use pgweir_e2e::{Client, Pooler, Postgres, Prometheus, eventually, free_port};

/// The queries of a guide to pooling for a service in Rust with SQLx (section "Grafana Dashboard Queries"),
/// and what each is to give here.
const QUERIES: [(&str, f64); 4] = [
    ("sqlx_pool_connections_active{service=\"rust-iss\"}", 1.0),
    ("sqlx_pool_connections_idle{service=\"rust-iss\"}", 1.0),
    ("sum(pg_stat_activity_count{datname=\"iss_tracker\"})", 2.0),
    ("pg_settings_max_connections", 400.0),
];

/// The metrics of a guide to Prisma's pool (section "Prometheus Metrics"), by service and for all.
const METRICS: [(&str, f64); 6] = [
    ("prisma_pool_size{service=\"rust-iss\"}", 5.0),
    ("prisma_active_connections{service=\"rust-iss\"}", 1.0),
    ("prisma_waiting_requests{service=\"rust-iss\"}", 0.0),
    ("prisma_pool_size{service=\"\"}", 5.0),
    ("prisma_active_connections{service=\"\"}", 1.0),
    (
        "prisma_query_duration_seconds_bucket{le=\"5.0\"} > bool 0",
        1.0,
    ),
];

#[test]
fn the_queries_of_both_guides_give_what_they_are_to_give() {
    let postgres = Postgres::start();
    postgres.sql("create database iss_tracker").success();
    let role = postgres.role();
    let http = free_port();
    let config = role
        .config()
        .set("http_listen", &format!("127.0.0.1:{http}"))
        .set("default_pool_size", 5)
        .set("probe_interval", 1)
        .set("metrics_compat", "prisma, sqlx, postgres_exporter")
        .database("app", "dbname", "iss_tracker");
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let names = [("application_name", "rust-iss")];
    let mut busy = Client::log_in_with(&target, &names);
    let mut other = Client::log_in_with(&target, &names);
    busy.query("begin").success();
    other.query("select 1").success();
    let prometheus = Prometheus::start(http, "groups: []");
    for (query, expected) in QUERIES.into_iter().chain(METRICS) {
        eventually(&format!("{query} is {expected}"), || {
            (prometheus.value(query) == Some(expected)).then_some(())
        });
    }
}
