use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::OtlpMetrics;
use crate::exposition::Exposition;
use crate::metrics;
use crate::snapshot::tests::quiet;

/// What is pushed of a pooler that did something.
fn pushed() -> Value {
    let mut snapshot = quiet();
    let totals = &mut snapshot.pools[0].totals;
    totals.queries = 3;
    for us in [90, 890, 90_000_000] {
        totals.query_times.record_us(us);
    }
    let started = UNIX_EPOCH + Duration::from_nanos(7);
    let mut out = Exposition::otlp(OtlpMetrics::new(&snapshot, started));
    metrics::write(&snapshot, &mut out);
    serde_json::from_str(&out.finish()).unwrap()
}

fn metric<'a>(pushed: &'a Value, name: &str) -> &'a Value {
    let metrics = &pushed["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let mut found = metrics
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["name"] == name);
    let metric = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    metric
}

#[test]
fn metrics_have_the_shape_of_otlp() {
    let pushed = pushed();
    let resource = &pushed["resourceMetrics"][0]["resource"]["attributes"][0];
    assert_eq!(
        *resource,
        json!({"key": "service.name", "value": {"stringValue": "pgweir"}})
    );

    let queries = metric(&pushed, "pgweir_pool_queries_total");
    assert_eq!(queries["sum"]["isMonotonic"], true);
    assert_eq!(queries["sum"]["aggregationTemporality"], 2);
    let point = &queries["sum"]["dataPoints"][0];
    assert_eq!(point["asInt"], "3");
    assert_eq!(point["startTimeUnixNano"], "7");
    assert_eq!(
        point["attributes"],
        json!([
            {"key": "database", "value": {"stringValue": "app"}},
            {"key": "user", "value": {"stringValue": "bob"}},
        ])
    );
    assert_eq!(point["timeUnixNano"], "1000000000000");

    let times = metric(&pushed, "pgweir_pool_query_seconds");
    assert_eq!(times["unit"], "s");
    let point = &times["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], "3");
    assert_eq!(point["sum"], 90.00098);
    let bounds = point["explicitBounds"].as_array().unwrap();
    let counts = point["bucketCounts"].as_array().unwrap();
    assert_eq!(counts.len(), bounds.len() + 1);
    let number = |count: &Value| count.as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(counts.iter().map(number).sum::<u64>(), 3);
    assert_eq!((number(&counts[0]), number(&counts[bounds.len()])), (1, 1));

    let uptime = metric(&pushed, "pgweir_uptime_seconds");
    assert!(uptime["gauge"]["dataPoints"][0]["asDouble"].is_f64());
}
