//! Metrics in the shape of OTLP, as JSON.
//!
//! Source: opentelemetry-proto, `metrics.proto`, and its JSON encoding.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgweir_pool::histogram::Histogram;
use serde_json::{Value as Json, json};

use crate::sample::{Label, MetricKind, SampleValue};
use crate::snapshot::Snapshot;

/// Counters are since the start, never since the push before.
const CUMULATIVE: u32 = 2;

/// The metrics so far.
pub struct OtlpMetrics {
    version: &'static str,
    started_ns: String,
    now_ns: String,
    families: Vec<OtlpFamily>,
}

struct OtlpFamily {
    kind: MetricKind,
    name: String,
    help: String,
    points: Vec<Json>,
}

impl OtlpMetrics {
    /// None yet. `started` is when the counters began.
    pub fn new(snapshot: &Snapshot, started: SystemTime) -> Self {
        Self {
            version: snapshot.version,
            started_ns: nanoseconds(started),
            now_ns: nanoseconds(snapshot.taken_at),
            families: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, kind: MetricKind, name: &str, help: &str) {
        self.families.push(OtlpFamily {
            kind,
            name: name.to_owned(),
            help: help.to_owned(),
            points: Vec::new(),
        });
    }

    pub(crate) fn sample(&mut self, labels: &[Label<'_>], value: SampleValue) {
        let mut point = self.point(labels);
        match value {
            // 64-bit numbers are text in protobuf's JSON.
            SampleValue::Count(count) => point["asInt"] = json!(count.to_string()),
            SampleValue::Real(real) => point["asDouble"] = json!(real),
        }
        self.push(point);
    }

    pub(crate) fn histogram(&mut self, labels: &[Label<'_>], of: &Histogram, bounds_us: &[u64]) {
        let mut counts = Vec::new();
        let mut below = 0;
        for &bound in bounds_us {
            let to = of.count_to(Duration::from_micros(bound));
            counts.push((to - below).to_string());
            below = to;
        }
        counts.push((of.count() - below).to_string());
        let bounds: Vec<f64> = bounds_us.iter().map(|bound| *bound as f64 / 1e6).collect();
        let mut point = self.point(labels);
        point["count"] = json!(of.count().to_string());
        point["sum"] = json!(of.sum_us() as f64 / 1e6);
        point["bucketCounts"] = json!(counts);
        point["explicitBounds"] = json!(bounds);
        self.push(point);
    }

    fn point(&self, labels: &[Label<'_>]) -> Json {
        let attributes: Vec<Json> = labels
            .iter()
            .map(|(name, value)| attribute(name, value))
            .collect();
        json!({
            "attributes": attributes,
            "startTimeUnixNano": self.started_ns,
            "timeUnixNano": self.now_ns,
        })
    }

    fn push(&mut self, point: Json) {
        let family = self.families.last_mut().expect("a family was begun");
        family.points.push(point);
    }

    pub(crate) fn finish(self) -> String {
        let metrics = self.families.into_iter().filter(|f| !f.points.is_empty());
        let metrics: Vec<Json> = metrics.map(OtlpFamily::json).collect();
        json!({
            "resourceMetrics": [{
                "resource": { "attributes": [
                    attribute("service.name", "pgweir"),
                    attribute("service.version", self.version),
                ]},
                "scopeMetrics": [{
                    "scope": { "name": "pgweir", "version": self.version },
                    "metrics": metrics,
                }],
            }],
        })
        .to_string()
    }
}

impl OtlpFamily {
    fn json(self) -> Json {
        let unit = match self.name.rsplit('_').next() {
            Some("seconds") => "s",
            Some("bytes") => "By",
            Some("ratio") => "1",
            _ => "",
        };
        let mut metric = json!({ "name": self.name, "description": self.help, "unit": unit });
        let points = self.points;
        match self.kind {
            MetricKind::Gauge => metric["gauge"] = json!({ "dataPoints": points }),
            MetricKind::Counter => {
                metric["sum"] = json!({
                    "aggregationTemporality": CUMULATIVE,
                    "isMonotonic": true,
                    "dataPoints": points,
                });
            }
            MetricKind::Histogram => {
                metric["histogram"] = json!({
                    "aggregationTemporality": CUMULATIVE,
                    "dataPoints": points,
                });
            }
        }
        metric
    }
}

fn attribute(name: &str, value: &str) -> Json {
    json!({ "key": name, "value": { "stringValue": value } })
}

fn nanoseconds(time: SystemTime) -> String {
    // A clock before 1970 is wrong anyway.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

#[cfg(test)]
mod tests;
