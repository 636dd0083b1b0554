use super::*;

fn text_of(names: MetricNames) -> String {
    let acquire = Times::new(ACQUIRE, names, "rust-iss");
    acquire.record(Duration::from_micros(400));
    acquire.record(Duration::from_millis(1));
    acquire.record(Duration::from_secs(31));
    let query = Times::new(QUERY, names, "rust-iss");
    query.record(Duration::from_millis(3));
    let slow = Count::new(QUERIES_SLOW, names, "rust-iss");
    slow.add();
    let very_slow = Count::new(QUERIES_VERY_SLOW, names, "rust-iss");
    let mut text = Text::new(names, "rust-iss");
    text.gauge(ACTIVE, 3)
        .gauge(IDLE, 2)
        .times(ACQUIRE, &acquire)
        .times(QUERY, &query)
        .count(QUERIES_SLOW, &slow)
        .count(QUERIES_VERY_SLOW, &very_slow);
    text.finish()
}

#[test]
fn the_documented_names_come_with_the_service() {
    let text = text_of(MetricNames::Sqlx);
    for line in [
        "# TYPE sqlx_pool_connections_active gauge",
        "sqlx_pool_connections_active{service=\"rust-iss\"} 3",
        "sqlx_pool_connections_idle{service=\"rust-iss\"} 2",
        "# TYPE sqlx_pool_acquire_seconds histogram",
        "sqlx_pool_acquire_seconds_bucket{service=\"rust-iss\",le=\"0.0005\"} 1",
        "sqlx_pool_acquire_seconds_bucket{service=\"rust-iss\",le=\"0.001\"} 2",
        "sqlx_pool_acquire_seconds_bucket{service=\"rust-iss\",le=\"30\"} 2",
        "sqlx_pool_acquire_seconds_bucket{service=\"rust-iss\",le=\"+Inf\"} 3",
        "sqlx_pool_acquire_seconds_sum{service=\"rust-iss\"} 31.0014",
        "sqlx_pool_acquire_seconds_count{service=\"rust-iss\"} 3",
        "sqlx_pool_query_seconds_count{service=\"rust-iss\"} 1",
        "sqlx_pool_slow_queries_total{service=\"rust-iss\",level=\"slow\"} 1",
        "sqlx_pool_slow_queries_total{service=\"rust-iss\",level=\"very_slow\"} 0",
    ] {
        assert!(text.lines().any(|got| got == line), "{line}\n{text}");
    }
    // Two series, one head.
    assert_eq!(
        text.matches("# TYPE sqlx_pool_slow_queries_total").count(),
        1
    );
}

#[test]
fn opentelemetry_counts_connections_by_state() {
    let text = text_of(MetricNames::OpenTelemetry);
    let pool = "db_client_connection_pool_name=\"rust-iss\"";
    for line in [
        format!("db_client_connection_count{{{pool},db_client_connection_state=\"used\"}} 3"),
        format!("db_client_connection_count{{{pool},db_client_connection_state=\"idle\"}} 2"),
        format!("db_client_connection_wait_time_seconds_count{{{pool}}} 3"),
        format!(
            "db_client_operation_duration_seconds_count{{{pool},db_system_name=\"postgresql\"}} 1"
        ),
        format!("sqlx_pool_slow_queries_total{{{pool},level=\"slow\"}} 1"),
    ] {
        assert!(text.lines().any(|got| got == line), "{line}\n{text}");
    }
    assert_eq!(text.matches("# TYPE db_client_connection_count").count(), 1);
}

#[test]
fn a_label_cannot_break_out() {
    let mut text = Text::new(MetricNames::Sqlx, "a\"b\\c\nd");
    text.gauge(SIZE, 1);
    let text = text.finish();
    assert!(text.contains(r#"service="a\"b\\c\nd"} 1"#), "{text}");
}

#[test]
fn bounds_ascend_and_are_written_as_they_are() {
    assert!(BOUNDS.is_sorted_by(|a, b| a.0 < b.0));
    for (bound, text) in BOUNDS {
        assert_eq!(text.parse::<f64>().unwrap(), bound.as_secs_f64());
    }
}
