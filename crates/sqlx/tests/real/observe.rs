//! Metrics and statistics of a pool at work.

use pgweir_sqlx::sqlx;

use crate::{Setup, block_on, connect, ms};

#[test]
fn health_has_the_documented_body() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings).await;
            sqlx::query("SELECT 1").execute(&pool).await.unwrap();
            assert!(sqlx::query("SELECT 1/0").execute(&pool).await.is_err());
            let health = serde_json::to_value(pool.health().await).unwrap();
            let names: Vec<&String> = health.as_object().unwrap().keys().collect();
            assert_eq!(
                names,
                [
                    "healthy",
                    "poolInfo",
                    "timestamp",
                    "totalErrors",
                    "totalQueries"
                ]
            );
            assert_eq!(health["healthy"], true);
            assert_eq!(health["totalErrors"], 1);
            assert!(health["totalQueries"].as_u64().unwrap() >= 2);
            assert_eq!(
                health["poolInfo"],
                "Limit: 10, Pool Timeout: 20s, Connect Timeout: 20s"
            );
            let timestamp = health["timestamp"].as_str().unwrap();
            assert_eq!((timestamp.len(), &timestamp[23..]), (24, "Z"));

            let held = pool.acquire().await.unwrap();
            let statistics = serde_json::to_value(pool.statistics().await).unwrap();
            assert_eq!(statistics["active"], 1);
            assert_eq!(statistics["healthy"], true);
            let place = statistics["holders"][0]["place"].as_str().unwrap();
            assert!(place.contains("observe.rs"), "{place}");
            drop(held);
        });
    }
}

#[test]
fn histograms_add_up() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings).await;
            for _ in 0..5 {
                sqlx::query("SELECT 1").execute(&pool).await.unwrap();
            }
            sqlx::query("SELECT pg_sleep(0.3)")
                .execute(&pool)
                .await
                .unwrap();
            let text = pool.prometheus_text();
            let value = |line: &str| -> f64 {
                let found = text.lines().find_map(|got| got.strip_prefix(line));
                found
                    .unwrap_or_else(|| panic!("{line} in\n{text}"))
                    .trim()
                    .parse()
                    .unwrap()
            };
            let query = "sqlx_pool_query_seconds";
            assert_eq!(value(&format!("{query}_count{{service=\"real\"}}")), 6.0);
            let below = value(&format!("{query}_bucket{{service=\"real\",le=\"0.25\"}}"));
            assert!(below <= 5.0, "{text}");
            let sum = value(&format!("{query}_sum{{service=\"real\"}}"));
            assert!((0.3..10.0).contains(&sum), "{text}");
            assert_eq!(value("sqlx_pool_held_seconds_count{service=\"real\"}"), 6.0);
            assert_eq!(
                value("sqlx_pool_acquire_seconds_count{service=\"real\"}"),
                6.0
            );
        });
    }
}

#[cfg(feature = "metrics")]
mod facade {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
        Recorder, SharedString, Unit,
    };
    use pgweir_sqlx::{MetricNames, PoolSettings};

    use super::{Setup, block_on, connect, ms, sqlx};

    /// The last value of each gauge, the sum of each counter, the count of each histogram.
    #[derive(Clone, Default)]
    struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

    struct One(Values, String);

    impl One {
        fn change(&self, change: impl FnOnce(f64) -> f64) {
            let mut values = self.0.0.lock().unwrap();
            let value = values.entry(self.1.clone()).or_default();
            *value = change(*value);
        }
    }

    impl CounterFn for One {
        fn increment(&self, by: u64) {
            self.change(|value| value + by as f64);
        }
        fn absolute(&self, to: u64) {
            self.change(|_| to as f64);
        }
    }

    impl GaugeFn for One {
        fn increment(&self, by: f64) {
            self.change(|value| value + by);
        }
        fn decrement(&self, by: f64) {
            self.change(|value| value - by);
        }
        fn set(&self, to: f64) {
            self.change(|_| to);
        }
    }

    impl HistogramFn for One {
        fn record(&self, _: f64) {
            self.change(|value| value + 1.0);
        }
    }

    impl Values {
        fn one(&self, key: &Key) -> Arc<One> {
            let labels: Vec<String> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            Arc::new(One(
                self.clone(),
                format!("{} {}", key.name(), labels.join(",")),
            ))
        }

        fn of(&self, name: &str) -> Option<f64> {
            self.0.lock().unwrap().get(name).copied()
        }
    }

    impl Recorder for Values {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.one(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.one(key))
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.one(key))
        }
    }

    fn measured(settings: PoolSettings) -> Values {
        let values = Values::default();
        metrics::with_local_recorder(&values, || {
            block_on(async {
                let settings = settings.max_connections(1).min_connections(0);
                let pool = connect(settings.acquire_timeout(ms(300))).await;
                sqlx::query("SELECT 1").execute(&pool).await.unwrap();
                let _held = pool.acquire().await.unwrap();
                assert!(pool.acquire().await.is_err());
                // The gauges come every five seconds.
                tokio::time::sleep(ms(5500)).await;
            });
        });
        values
    }

    #[test]
    fn the_facade_gets_the_documented_names() {
        let [settings, _] = Setup::new().both();
        let values = measured(settings);
        for (name, value) in [
            ("sqlx_pool_connections_active service=real", 1.0),
            ("sqlx_pool_connections_idle service=real", 0.0),
            ("sqlx_pool_connections_max service=real", 1.0),
            ("sqlx_pool_acquire_timeouts_total service=real", 1.0),
            ("sqlx_pool_acquire_seconds service=real", 2.0),
            ("sqlx_pool_query_seconds service=real", 1.0),
        ] {
            assert_eq!(values.of(name), Some(value), "{name}");
        }
    }

    #[test]
    fn the_facade_gets_opentelemetrys_names() {
        let [settings, _] = Setup::new().both();
        let values = measured(settings.metric_names(MetricNames::OpenTelemetry));
        let pool = "db.client.connection.pool.name=real";
        for (name, value) in [
            (
                format!("db.client.connection.count {pool},db.client.connection.state=used"),
                1.0,
            ),
            (
                format!("db.client.connection.count {pool},db.client.connection.state=idle"),
                0.0,
            ),
            (format!("db.client.connection.max {pool}"), 1.0),
            (format!("db.client.connection.timeouts {pool}"), 1.0),
            (format!("db.client.connection.wait_time {pool}"), 2.0),
            (
                format!("db.client.operation.duration {pool},db.system.name=postgresql"),
                1.0,
            ),
        ] {
            assert_eq!(values.of(&name), Some(value), "{name}");
        }
    }
}
