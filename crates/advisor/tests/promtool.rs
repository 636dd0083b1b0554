//! The rules as Prometheus' own tool sees them: well formed, firing for a fault, silent for
//! healthy full load.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see helpers"
)]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the tests write files for promtool and run it"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use pgweir_advisor::alerts::{Thresholds, render, rules};
use pgweir_advisor::grafana;

/// Runs promtool in `folder`.
#[track_caller]
fn promtool(folder: &Path, arguments: &[&str]) {
    let output = match Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        Ok(output) => output,
        Err(error) => panic!("promtool: {error}; on Debian: apt-get install prometheus"),
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "promtool {arguments:?}:\n{text}");
}

/// The labels of the one pool and the one PostgreSQL of all cases.
const POOL: &str = "instance=\"a:6433\",job=\"pgweir\",database=\"app\",user=\"bob\"";
const PROCESS: &str = "instance=\"a:6433\",job=\"pgweir\"";
const POSTGRES: &str = "instance=\"a:6433\",job=\"pgweir\",server=\"db:5432\"";

/// A series without its instance's labels: `name{own labels}`, and its values at each 15 s.
type Series = (&'static str, &'static str);

struct Case {
    alert: &'static str,
    /// What goes wrong. The alert fires in the end, and did not at the beginning.
    fault: &'static [Series],
    /// When, in minutes, it fires.
    at: u32,
    /// What looks similar and is healthy. The alert never fires.
    healthy: &'static [Series],
}

/// Cases for every alert. `_xN` repeats the value before it N times.
const CASES: &[Case] = &[
    Case {
        alert: "PgweirDown",
        fault: &[("up", "1 0x40")],
        at: 1,
        // A single failed scrape is not a fault.
        healthy: &[("up", "1 0 1x40")],
    },
    Case {
        alert: "PgweirNotReady",
        fault: &[("pgweir_ready", "1 0x40"), ("pgweir_draining", "0x41")],
        at: 1,
        healthy: &[("pgweir_ready", "0x41"), ("pgweir_draining", "1x41")],
    },
    Case {
        alert: "PgweirLoginFailing",
        fault: &[("pgweir_pool_login_failing", "0 1x40")],
        at: 1,
        healthy: &[("pgweir_pool_login_failing", "0 1 0x40")],
    },
    Case {
        alert: "PgweirRestarts",
        fault: &[("pgweir_uptime_seconds", "100 115 5 20 5 20 5 20 35 50x40")],
        at: 3,
        // An update.
        healthy: &[("pgweir_uptime_seconds", "100 115 5 20 35 50x40")],
    },
    Case {
        alert: "PgweirClientsNearLimit",
        fault: &[
            ("pgweir_clients", "10 90x40"),
            ("pgweir_clients_limit", "100x41"),
        ],
        at: 2,
        healthy: &[
            ("pgweir_clients", "80x41"),
            ("pgweir_clients_limit", "100x41"),
        ],
    },
    Case {
        alert: "PgweirClientsWait",
        fault: &[("pgweir_pool_waiters", "0 6x40")],
        at: 1,
        healthy: &[("pgweir_pool_waiters", "0 5x40")],
    },
    Case {
        alert: "PgweirWaitLong",
        fault: &[("pgweir_pool_oldest_wait_seconds", "0 6x40")],
        at: 1,
        healthy: &[("pgweir_pool_oldest_wait_seconds", "0 4x40")],
    },
    Case {
        alert: "PgweirAcquireTimeouts",
        fault: &[("pgweir_pool_refusals_total{reason=\"timeout\"}", "0 0 3x40")],
        at: 1,
        // Those of an hour ago, and another reason.
        healthy: &[
            ("pgweir_pool_refusals_total{reason=\"timeout\"}", "7x41"),
            (
                "pgweir_pool_refusals_total{reason=\"login_failing\"}",
                "0+1x41",
            ),
        ],
    },
    Case {
        alert: "PgweirPoolExhausted",
        fault: &[
            ("pgweir_pool_servers{state=\"active\"}", "1 10x40"),
            ("pgweir_pool_servers{state=\"idle\"}", "9 0x40"),
            ("pgweir_pool_servers_limit", "10x41"),
            ("pgweir_pool_waiters", "0 1x40"),
        ],
        at: 2,
        // Full, and nobody waits.
        healthy: &[
            ("pgweir_pool_servers{state=\"active\"}", "10x41"),
            ("pgweir_pool_servers{state=\"idle\"}", "0x41"),
            ("pgweir_pool_servers_limit", "10x41"),
            ("pgweir_pool_waiters", "0x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"0.001\"}", "0+1000x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"1.0\"}", "0+1000x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"+Inf\"}", "0+1000x41"),
        ],
    },
    Case {
        alert: "PgweirPoolExhausted",
        // Nobody waits at the moment of a scrape, but many did between two of them.
        fault: &[
            ("pgweir_pool_servers{state=\"active\"}", "10x41"),
            ("pgweir_pool_servers_limit", "10x41"),
            ("pgweir_pool_waiters", "0x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"0.001\"}", "0+900x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"1.0\"}", "0+1000x41"),
            ("pgweir_pool_wait_seconds_bucket{le=\"+Inf\"}", "0+1000x41"),
        ],
        at: 3,
        // Three servers in use, of ten allowed: that none is idle is not exhaustion.
        healthy: &[
            ("pgweir_pool_servers{state=\"active\"}", "3x41"),
            ("pgweir_pool_servers{state=\"idle\"}", "0x41"),
            ("pgweir_pool_servers_limit", "10x41"),
            ("pgweir_pool_waiters", "1x41"),
        ],
    },
    Case {
        alert: "PgweirCertificateExpires",
        fault: &[(
            "pgweir_tls_certificate_days_left{side=\"clients\"}",
            "13x41",
        )],
        at: 2,
        healthy: &[(
            "pgweir_tls_certificate_days_left{side=\"clients\"}",
            "14x41",
        )],
    },
    Case {
        alert: "PgweirPinned",
        fault: &[
            ("pgweir_pool_pinned_servers{reason=\"listen\"}", "2x41"),
            (
                "pgweir_pool_pinned_servers{reason=\"advisory_lock\"}",
                "1x41",
            ),
            ("pgweir_pool_servers{state=\"active\"}", "4x41"),
            ("pgweir_pool_servers{state=\"idle\"}", "0x41"),
            ("pgweir_pool_waiters_behind_pins", "2x41"),
        ],
        at: 2,
        // Most are pinned and nobody waits, then somebody waits while most are not.
        healthy: &[
            ("pgweir_pool_pinned_servers{reason=\"listen\"}", "3x20 1x21"),
            ("pgweir_pool_servers{state=\"active\"}", "4x41"),
            ("pgweir_pool_servers{state=\"idle\"}", "0x41"),
            ("pgweir_pool_waiters_behind_pins", "0x20 2x21"),
        ],
    },
    Case {
        alert: "PgweirLeak",
        fault: &[("pgweir_pool_leaks", "0 1x40")],
        at: 2,
        healthy: &[("pgweir_pool_leaks", "0 1 0x40")],
    },
    Case {
        alert: "PgweirConnectionErrors",
        fault: &[
            ("pgweir_errors_total{sqlstate=\"53300\"}", "0+5x41"),
            ("pgweir_errors_total{sqlstate=\"53400\"}", "0+5x41"),
        ],
        at: 2,
        // A wrong password now and then, and errors of another class.
        healthy: &[
            ("pgweir_errors_total{sqlstate=\"28P01\"}", "0 0 1x39"),
            ("pgweir_errors_total{sqlstate=\"25P03\"}", "0+100x41"),
            ("pgweir_errors_total{sqlstate=\"57014\"}", "0+100x41"),
        ],
    },
    Case {
        alert: "PgweirSlowQueries",
        fault: &[
            (
                "pgweir_pool_slow_statements_total{level=\"slow\"}",
                "0+1x41",
            ),
            (
                "pgweir_pool_slow_statements_total{level=\"very_slow\"}",
                "0+1x41",
            ),
            ("pgweir_pool_queries_total", "0+100x41"),
        ],
        at: 4,
        healthy: &[
            (
                "pgweir_pool_slow_statements_total{level=\"slow\"}",
                "0+1x41",
            ),
            (
                "pgweir_pool_slow_statements_total{level=\"very_slow\"}",
                "0x41",
            ),
            ("pgweir_pool_queries_total", "0+10000x41"),
        ],
    },
    Case {
        alert: "PgweirVerySlowQueries",
        fault: &[
            (
                "pgweir_pool_slow_statements_total{level=\"very_slow\"}",
                "0+2x41",
            ),
            ("pgweir_pool_queries_total", "0+100x41"),
        ],
        at: 4,
        // All of one nightly report, which is three queries.
        healthy: &[
            (
                "pgweir_pool_slow_statements_total{level=\"slow\"}",
                "0+50x41",
            ),
            (
                "pgweir_pool_slow_statements_total{level=\"very_slow\"}",
                "0 0 3x39",
            ),
            ("pgweir_pool_queries_total", "0 0 3x39"),
        ],
    },
    Case {
        alert: "PgweirNPlusOne",
        fault: &[("pgweir_pool_n_plus_one_total", "0+1x41")],
        at: 8,
        healthy: &[("pgweir_pool_n_plus_one_total", "0x10 1x30")],
    },
    Case {
        alert: "PgweirMaxConnectionsNear",
        // With the probe's own: 80 + 1 of 97 are 83.5 %.
        fault: &[
            (
                "pgweir_postgres_sessions{origin=\"pools\",state=\"active\"}",
                "10 60x40",
            ),
            (
                "pgweir_postgres_sessions{origin=\"elsewhere\",state=\"idle\"}",
                "20x41",
            ),
            ("pgweir_postgres_sessions_limit", "97x41"),
        ],
        at: 2,
        healthy: &[
            (
                "pgweir_postgres_sessions{origin=\"pools\",state=\"active\"}",
                "70x41",
            ),
            ("pgweir_postgres_sessions_limit", "97x41"),
        ],
    },
    Case {
        alert: "PgweirPostgresOverloaded",
        fault: &[
            (
                "pgweir_postgres_active_sessions{wait_event_type=\"Lock\",wait_event=\"tuple\"}",
                "3x80",
            ),
            (
                "pgweir_postgres_active_sessions{wait_event_type=\"CPU\",wait_event=\"running\"}",
                "2x80",
            ),
            ("pgweir_postgres_cores", "4x80"),
        ],
        at: 11,
        // Without server_cores there is nothing to compare with.
        healthy: &[(
            "pgweir_postgres_active_sessions{wait_event_type=\"CPU\",wait_event=\"running\"}",
            "90x80",
        )],
    },
    Case {
        alert: "PgweirProbeAway",
        fault: &[("pgweir_postgres_probe{state=\"away\"}", "0 1x40")],
        at: 3,
        healthy: &[
            ("pgweir_postgres_probe{state=\"away\"}", "0x41"),
            ("pgweir_postgres_probe{state=\"reduced\"}", "1x41"),
        ],
    },
];

/// Writes series with the labels of what they belong to.
fn write_series(text: &mut String, series: &[Series]) {
    text.push_str("  input_series:\n");
    for (name, values) in series {
        let labels = match name {
            name if name.starts_with("pgweir_pool_") => POOL,
            name if name.starts_with("pgweir_postgres_") => POSTGRES,
            _ => PROCESS,
        };
        let (name, own) = name.split_once('{').unwrap_or((name, "}"));
        let separator = if own == "}" { "" } else { "," };
        writeln!(
            text,
            "  - series: '{name}{{{labels}{separator}{own}'\n    values: '{values}'"
        )
        .unwrap();
    }
}

/// Writes how many alerts fire at a time.
fn write_firing(text: &mut String, alert: &str, at: &str, firing: bool) {
    let query = format!("count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}) > bool 0");
    writeln!(text, "  - expr: '{query}'\n    eval_time: {at}").unwrap();
    if firing {
        text.push_str("    exp_samples:\n    - labels: '{}'\n      value: 1\n");
    }
}

#[test]
fn the_rules_are_well_formed_whatever_the_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let mut thresholds = Thresholds::default();
    for (name, value) in [
        ("waiters", "1e-7"),
        ("acquire_timeout", "2.5"),
        ("window", "10s"),
        ("for", "0s"),
        ("job", "pgweir/'{{ }}"),
        ("runbook", "https://example.org/runbooks/'pgweir': #"),
    ] {
        thresholds.set(name, value).unwrap();
    }
    for (name, thresholds) in [("usual", Thresholds::default()), ("odd", thresholds)] {
        std::fs::write(folder.path().join(name), render(&thresholds)).unwrap();
        promtool(folder.path(), &["check", "rules", name]);
    }
}

#[test]
fn every_alert_fires_for_its_fault_and_is_silent_in_health() {
    let covered: BTreeSet<&str> = CASES.iter().map(|case| case.alert).collect();
    let rules = rules(&Thresholds::default());
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| rule.alert).collect();
    assert_eq!(covered, alerts, "a case for every alert");

    let mut text = "rule_files:\n- rules.yml\nevaluation_interval: 15s\ntests:\n".to_owned();
    for case in CASES {
        text.push_str("- interval: 15s\n");
        write_series(&mut text, case.fault);
        text.push_str("  promql_expr_test:\n");
        write_firing(&mut text, case.alert, "0s", false);
        write_firing(&mut text, case.alert, &format!("{}m", case.at), true);
        text.push_str("- interval: 15s\n");
        write_series(&mut text, case.healthy);
        text.push_str("  promql_expr_test:\n");
        for minute in 1..=20 {
            write_firing(&mut text, case.alert, &format!("{minute}m"), false);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("rules.yml"),
        render(&Thresholds::default()),
    )
    .unwrap();
    std::fs::write(folder.path().join("tests.yml"), text).unwrap();
    promtool(folder.path(), &["test", "rules", "tests.yml"]);
}

#[test]
fn an_alert_says_where_what_and_how_much() {
    let mut text = "rule_files:\n- rules.yml\nevaluation_interval: 15s\ntests:\n\
                    - interval: 15s\n"
        .to_owned();
    let series: &[Series] = &[
        ("pgweir_pool_waiters", "7x41"),
        (
            "pgweir_postgres_sessions{origin=\"pools\",state=\"idle\"}",
            "88x41",
        ),
        ("pgweir_postgres_sessions_limit", "97x41"),
    ];
    write_series(&mut text, series);
    text.push_str(
        "  alert_rule_test:
  - alertname: PgweirClientsWait
    eval_time: 2m
    exp_alerts:
    - exp_labels: {severity: warning, instance: 'a:6433', job: pgweir, database: app, user: bob}
      exp_annotations:
        summary: clients wait for a server
        description: 7 clients of the pool app/bob wait.
        runbook: 'pgweir help alerts, PgweirClientsWait'
  - alertname: PgweirMaxConnectionsNear
    eval_time: 2m
    exp_alerts:
    - exp_labels: {severity: warning, instance: 'a:6433', job: pgweir, server: 'db:5432'}
      exp_annotations: &near
        summary: PostgreSQL's limit of connections is near
        description: 91.75% of the connections that db:5432 has for ordinary users are in use.
        runbook: 'pgweir help alerts, PgweirMaxConnectionsNear'
    - exp_labels: {severity: critical, instance: 'a:6433', job: pgweir, server: 'db:5432'}
      exp_annotations: *near
",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("rules.yml"),
        render(&Thresholds::default()),
    )
    .unwrap();
    std::fs::write(folder.path().join("tests.yml"), text).unwrap();
    promtool(folder.path(), &["test", "rules", "tests.yml"]);
}

#[test]
fn every_query_of_the_dashboard_is_well_formed() {
    let dashboard: serde_json::Value = serde_json::from_str(&grafana::render()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let mut text = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, target) in targets.enumerate() {
        let query = target["expr"].as_str().unwrap();
        let query = serde_json::Value::from(query.replace("$__rate_interval", "5m"));
        writeln!(text, "  - record: panel:query:{number}\n    expr: {query}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queries.yml"), text).unwrap();
    promtool(folder.path(), &["check", "rules", "queries.yml"]);
}
