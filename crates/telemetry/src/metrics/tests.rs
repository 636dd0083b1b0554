use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pgweir_pool::pin::Pin;

use crate::compat::{self, ApplicationNames};
use crate::exposition::{Exposition, TextFormat};
use crate::snapshot::tests::{pool, quiet};
use crate::snapshot::{SHOWN_MAX, Snapshot};

const ALL: ApplicationNames = ApplicationNames {
    prisma: true,
    sqlx: true,
    postgres_exporter: true,
};

fn render(snapshot: &Snapshot, format: TextFormat) -> String {
    let mut out = Exposition::new(format);
    super::write(snapshot, &mut out);
    compat::write_pgbouncer(snapshot, &mut out);
    compat::write_applications(snapshot, ALL, &mut out);
    out.finish()
}

/// A pooler that has done something.
fn busy() -> Snapshot {
    let mut snapshot = quiet();
    snapshot.errors = vec![("53300".to_owned(), 1)];
    snapshot.paused = true;
    snapshot.certificates = vec![("clients", 63)];
    snapshot.databases[0].paused = true;
    let pool = &mut snapshot.pools[0];
    pool.counts.waiting = 4;
    *pool.held.by_pin.get_mut(Pin::Listen).unwrap() = 2;
    let pins = pool.totals.pins.get_mut(Pin::AdvisoryLock).unwrap();
    (pins.count, pins.us) = (5, 1_500_000);
    let totals = &mut snapshot.pools[0].totals;
    totals.queries = 3;
    for us in [90, 890, 90_000] {
        totals.query_times.record_us(us);
    }
    snapshot
}

/// Reads a text as strictly as the formats are written down; values by series.
fn parse(text: &str, format: TextFormat) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind) = ("", "");
    let mut helped = "";
    let body = match format {
        TextFormat::OpenMetrics => text.strip_suffix("# EOF\n").expect("ends with # EOF"),
        TextFormat::Prometheus => text,
    };
    assert!(body.ends_with('\n'));
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').expect("a name and a text").0;
            assert!(families.insert(helped), "{helped} comes once");
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            (family, kind) = typed.split_once(' ').expect("a name and a kind");
            assert_eq!(family, helped);
            let counted = family.ends_with("_total");
            assert_eq!(
                counted,
                kind == "counter" && format == TextFormat::Prometheus
            );
        } else if let Some(unit) = line.strip_prefix("# UNIT ") {
            let (name, unit) = unit.split_once(' ').expect("a name and a unit");
            assert_eq!(name, family);
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
            assert_eq!(format, TextFormat::OpenMetrics);
        } else {
            let (id, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = id.split('{').next().expect("never empty");
            let suffix = name.strip_prefix(family).expect("belongs to its family");
            let fits = match (kind, format) {
                ("counter", TextFormat::OpenMetrics) => suffix == "_total",
                ("histogram", _) => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            };
            assert!(fits, "{line} in {family}");
            let value: f64 = value.parse().expect("a number");
            assert!(value >= 0.0, "{line}");
            assert!(series.insert(id.to_owned(), value).is_none(), "{id} twice");
        }
    }
    series
}

#[test]
fn both_formats_are_well_formed_and_say_the_same() {
    let snapshot = busy();
    let [prometheus, open] = [TextFormat::Prometheus, TextFormat::OpenMetrics]
        .map(|format| parse(&render(&snapshot, format), format));
    assert_eq!(prometheus, open);
    let pool = "{database=\"app\",user=\"bob\"";
    for (series, value) in [
        ("pgweir_errors_total{sqlstate=\"53300\"}".to_owned(), 1.0),
        (format!("pgweir_pool_queries_total{pool}}}"), 3.0),
        ("pgweir_paused".to_owned(), 1.0),
        (
            "pgweir_tls_certificate_days_left{side=\"clients\"}".to_owned(),
            63.0,
        ),
        (format!("pgweir_pool_waiters_behind_pins{pool}}}"), 4.0),
        (
            format!("pgweir_pool_pinned_servers{pool},reason=\"listen\"}}"),
            2.0,
        ),
        (
            format!("pgweir_pool_pinned_servers{pool},reason=\"advisory_lock\"}}"),
            0.0,
        ),
        (
            format!("pgweir_pool_pins_total{pool},reason=\"advisory_lock\"}}"),
            5.0,
        ),
        (
            format!("pgweir_pool_pins_seconds_total{pool},reason=\"advisory_lock\"}}"),
            1.5,
        ),
        (format!("pgweir_pool_query_seconds_count{pool}}}"), 3.0),
        (format!("pgweir_pool_query_seconds_sum{pool}}}"), 0.09098),
        (
            format!("pgweir_pool_query_seconds_bucket{pool},le=\"0.001\"}}"),
            2.0,
        ),
        (
            "prisma_query_duration_seconds_bucket{le=\"0.1\"}".to_owned(),
            3.0,
        ),
        (
            "pgbouncer_stats_totals_queries_duration_seconds_total{database=\"app\"}".to_owned(),
            0.09098,
        ),
    ] {
        assert_eq!(prometheus.get(&series), Some(&value), "{series}");
    }
}

#[test]
fn the_names_of_pgbouncer_exporter_are_exact() {
    let text = render(&busy(), TextFormat::Prometheus);
    for name in [
        "pgbouncer_up ",
        "pgbouncer_version_info{version=",
        "pgbouncer_databases_pool_size{name=\"app\",host=\"127.0.0.1\",port=\"5432\",database=\"app\",force_user=\"\",pool_mode=\"session\"} 50\n",
        "pgbouncer_databases_reserve_pool{",
        "pgbouncer_databases_max_connections{",
        "pgbouncer_databases_current_connections{",
        "pgbouncer_databases_paused{",
        "pgbouncer_databases_disabled{",
        "pgbouncer_stats_totals_queries_pooled_total{database=\"app\"} 3\n",
        "pgbouncer_stats_totals_queries_duration_seconds_total{",
        "pgbouncer_stats_totals_received_bytes_total{",
        "pgbouncer_stats_totals_sent_bytes_total{",
        "pgbouncer_stats_totals_client_wait_seconds_total{",
        "pgbouncer_stats_totals_sql_transactions_pooled_total{",
        "pgbouncer_stats_totals_server_in_transaction_seconds_total{",
        "pgbouncer_stats_totals_client_parses_total{",
        "pgbouncer_stats_totals_server_parses_total{",
        "pgbouncer_stats_totals_binds_total{",
        "pgbouncer_stats_totals_server_assignments_total{",
        "pgbouncer_pools_client_active_connections{database=\"app\",user=\"bob\"} 0\n",
        "pgbouncer_pools_client_waiting_connections{",
        "pgbouncer_pools_server_active_connections{",
        "pgbouncer_pools_server_idle_connections{",
        "pgbouncer_pools_server_used_connections{",
        "pgbouncer_pools_server_testing_connections{",
        "pgbouncer_pools_server_login_connections{",
        "pgbouncer_pools_client_maxwait_seconds{",
        "pgbouncer_databases ",
        "pgbouncer_users ",
        "pgbouncer_pools ",
        "pgbouncer_used_clients ",
        "pgbouncer_used_servers ",
        "pgbouncer_config_max_client_connections ",
        "pgbouncer_config_max_client_conn ",
        "pgbouncer_config_max_user_connections 0\n",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name}");
    }
    let mut limited = quiet();
    limited.user_servers_max = Some(7);
    let text = render(&limited, TextFormat::Prometheus);
    assert!(text.contains("\npgbouncer_config_max_user_connections 7\n"));
}

#[test]
fn more_pools_than_are_shown_one_by_one_are_well_formed_too() {
    let mut snapshot = quiet();
    for user in 0..SHOWN_MAX + 5 {
        snapshot.add_pool(pool("app", &format!("user{user}")));
    }
    let series = parse(
        &render(&snapshot, TextFormat::Prometheus),
        TextFormat::Prometheus,
    );
    let others = "pgweir_pool_clients{database=\"(other)\",user=\"(other)\"}";
    assert!(series.contains_key(others));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "reads the manual")]
fn the_manual_explains_every_metric() {
    let text = render(&busy(), TextFormat::Prometheus);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let manual = std::fs::read_to_string(path).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(
            manual.contains(&format!("`{name}`")),
            "docs/metrics.md does not explain {name}"
        );
    }
}
