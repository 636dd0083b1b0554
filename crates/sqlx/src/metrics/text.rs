//! Prometheus text, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use super::{BOUNDS, Count, Metric, MetricNames, Times};

/// Metrics as text. Those that share a name must be added one after another.
pub(crate) struct Text {
    names: MetricNames,
    /// The service's label, ready to print.
    service: String,
    text: String,
    last: String,
}

impl Text {
    /// Empty text for `service`.
    pub(crate) fn new(names: MetricNames, service: &str) -> Self {
        let service = format!("{}=\"{}\"", plain(names.label()), escaped(service));
        Self {
            names,
            service,
            text: String::with_capacity(8 * 1024),
            last: String::new(),
        }
    }

    /// A gauge.
    pub(crate) fn gauge(&mut self, metric: Metric, value: u64) -> &mut Self {
        let name = plain(metric.name(self.names));
        self.head(&name, "gauge", metric);
        self.sample(&name, &self.labels(metric), &value.to_string());
        self
    }

    /// A counter.
    pub(crate) fn count(&mut self, metric: Metric, count: &Count) -> &mut Self {
        let mut name = plain(metric.name(self.names));
        if !name.ends_with("_total") {
            name.push_str("_total");
        }
        self.head(&name, "counter", metric);
        self.sample(&name, &self.labels(metric), &count.value().to_string());
        self
    }

    /// A histogram.
    pub(crate) fn times(&mut self, metric: Metric, times: &Times) -> &mut Self {
        let mut name = plain(metric.name(self.names));
        if !name.ends_with("_seconds") {
            name.push_str("_seconds");
        }
        self.head(&name, "histogram", metric);
        let labels = self.labels(metric);
        let bucket = format!("{name}_bucket");
        let counts = times.counts();
        let mut total = 0;
        let bounds = BOUNDS.iter().map(|bound| bound.1).chain(["+Inf"]);
        for (count, bound) in counts.iter().zip(bounds) {
            total += count;
            let labels = format!("{labels},le=\"{bound}\"");
            self.sample(&bucket, &labels, &total.to_string());
        }
        let sum = times.sum().as_secs_f64();
        self.sample(&format!("{name}_sum"), &labels, &sum.to_string());
        self.sample(&format!("{name}_count"), &labels, &total.to_string());
        self
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, metric: Metric) {
        if self.last != name {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "# HELP {name} {}.", metric.help);
            let _ = writeln!(self.text, "# TYPE {name} {kind}");
            name.clone_into(&mut self.last);
        }
    }

    fn sample(&mut self, name: &str, labels: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{name}{{{labels}}} {value}");
    }

    fn labels(&self, metric: Metric) -> String {
        match metric.label(self.names) {
            Some((name, value)) => format!("{},{}=\"{value}\"", self.service, plain(name)),
            None => self.service.clone(),
        }
    }
}

fn plain(name: &str) -> String {
    name.replace('.', "_")
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
