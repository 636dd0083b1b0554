use std::time::Duration;

use pgweir_pool::histogram::Histogram;

use super::{Exposition, TextFormat, permille};
use crate::sample::MetricKind;

fn example(format: TextFormat) -> String {
    let mut histogram = Histogram::default();
    for us in [1, 2, 1000, 70_000_000] {
        histogram.record_us(us);
    }
    let mut out = Exposition::new(format);
    out.family(MetricKind::Gauge, "up", "Always 1.")
        .sample(&[], true);
    let mut family = out.family(MetricKind::Counter, "sent_bytes", "Bytes.");
    family.sample(&[("user", "a\"b\\c\nd"), ("é", "ü")], 7u64);
    out.family(MetricKind::Gauge, "age_seconds", "Age.")
        .sample(&[], Duration::from_millis(1500));
    out.family(MetricKind::Histogram, "wait_seconds", "Waits.")
        .histogram(&[("db", "x")], &histogram, &[500, 1_000_000]);
    out.finish()
}

#[test]
fn prometheus_text_is_as_documented() {
    assert_eq!(
        example(TextFormat::Prometheus),
        "# HELP up Always 1.\n\
         # TYPE up gauge\n\
         up 1\n\
         # HELP sent_bytes_total Bytes.\n\
         # TYPE sent_bytes_total counter\n\
         sent_bytes_total{user=\"a\\\"b\\\\c\\nd\",é=\"ü\"} 7\n\
         # HELP age_seconds Age.\n\
         # TYPE age_seconds gauge\n\
         age_seconds 1.5\n\
         # HELP wait_seconds Waits.\n\
         # TYPE wait_seconds histogram\n\
         wait_seconds_bucket{db=\"x\",le=\"0.0005\"} 2\n\
         wait_seconds_bucket{db=\"x\",le=\"1.0\"} 3\n\
         wait_seconds_bucket{db=\"x\",le=\"+Inf\"} 4\n\
         wait_seconds_sum{db=\"x\"} 70.001003\n\
         wait_seconds_count{db=\"x\"} 4\n"
    );
}

#[test]
fn open_metrics_names_the_family_and_the_unit_and_ends() {
    let text = example(TextFormat::OpenMetrics);
    for line in [
        "# TYPE sent_bytes counter",
        "# UNIT sent_bytes bytes",
        "# UNIT age_seconds seconds",
        "# TYPE wait_seconds histogram",
        "# UNIT wait_seconds seconds",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.contains("\nsent_bytes_total{"));
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn the_format_is_the_scrapers_choice() {
    let open = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    for (accept, format) in [
        ("", TextFormat::Prometheus),
        ("*/*", TextFormat::Prometheus),
        ("text/plain", TextFormat::Prometheus),
        (open, TextFormat::OpenMetrics),
        (
            "text/plain;q=0.8, application/OpenMetrics-Text; Q=0.9",
            TextFormat::OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            TextFormat::OpenMetrics,
        ),
        (
            "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4",
            TextFormat::Prometheus,
        ),
        (
            "text/plain, application/openmetrics-text;q=0.9",
            TextFormat::Prometheus,
        ),
        (
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
            TextFormat::OpenMetrics,
        ),
        ("text/plain;q=0, application/*", TextFormat::OpenMetrics),
        ("text/plain;q=0.1, */*;q=0.1", TextFormat::Prometheus),
        // The closest range counts, not the greatest weight.
        (
            "application/openmetrics-text;q=0, */*",
            TextFormat::Prometheus,
        ),
        ("text/html,*/*;q=0.8", TextFormat::Prometheus),
        ("openmetrics, ;q=1, /", TextFormat::Prometheus),
    ] {
        assert_eq!(TextFormat::accepted(accept), format, "{accept}");
    }
    for zero in ["0", "0.", "0.0", "0.00", "0.000"] {
        for accept in [
            format!("application/openmetrics-text;q={zero}"),
            format!("application/openmetrics-text;q={zero},text/plain;q=0"),
        ] {
            assert_eq!(
                TextFormat::accepted(&accept),
                TextFormat::Prometheus,
                "{accept}"
            );
        }
    }
}

#[test]
fn a_weight_has_three_digits_and_is_one_at_most() {
    for (text, expected) in [
        ("1", Some(1000)),
        ("1.000", Some(1000)),
        ("0.5", Some(500)),
        ("0.05", Some(50)),
        ("0.123", Some(123)),
        ("0", Some(0)),
        ("0.1234", None),
        ("1.001", None),
        ("2", None),
        (".5", None),
        ("0.-1", None),
        ("+1", None),
        ("", None),
    ] {
        assert_eq!(permille(text), expected, "{text}");
    }
}
