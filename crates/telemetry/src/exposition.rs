//! The text that metrics are scraped as, Prometheus' format 0.0.4 and OpenMetrics 1.0, or pushed as.
//!
//! Source: prometheus.io, "Exposition formats", and the OpenMetrics specification. They differ in
//! how a counter's family is named, in units, and in how the text ends.

use std::fmt::Write as _;
use std::time::Duration;

use pgweir_pool::histogram::Histogram;

use crate::otlp::OtlpMetrics;
use crate::sample::{Label, MetricKind, SampleValue};

/// Which of the two formats is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl TextFormat {
    /// The format for a client that says what it accepts: the one of greater weight, and OpenMetrics
    /// of two equal ones if it is named, as Prometheus does unless told otherwise. Who accepts
    /// neither gets Prometheus' own, for something to read is better than nothing.
    pub fn accepted(accept: &str) -> Self {
        let open_metrics = weight(accept, "application", "openmetrics-text");
        let prometheus = weight(accept, "text", "plain");
        let is_named = matches!(open_metrics, Some((Specificity::Type, _)));
        let [open_metrics, prometheus] =
            [open_metrics, prometheus].map(|found| found.map_or(0, |(_, permille)| permille));
        if open_metrics > prometheus || (is_named && open_metrics > 0 && open_metrics == prometheus)
        {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The header that goes with it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How closely a media range names a type; the closest one counts (RFC 9110, section 12.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    /// `*/*`
    Anything,
    /// `text/*`
    Family,
    /// `text/plain`, of whichever version: of several the greatest weight counts.
    Type,
}

/// The weight of a type, in thousandths, by the range that names it most closely; `None` if none
/// does.
fn weight(accept: &str, family: &str, kind: &str) -> Option<(Specificity, u16)> {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (range_family, range_kind) = parts.next()?.split_once('/')?;
        let specificity = match (range_family, range_kind) {
            ("*", "*") => Specificity::Anything,
            (of, "*") if of.eq_ignore_ascii_case(family) => Specificity::Family,
            (of, exactly)
                if of.eq_ignore_ascii_case(family) && exactly.eq_ignore_ascii_case(kind) =>
            {
                Specificity::Type
            }
            _ => return None,
        };
        let said = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.eq_ignore_ascii_case("q").then(|| permille(value))
        });
        // Without a weight it is 1; so it is with one that cannot be read.
        Some((specificity, said.flatten().unwrap_or(1000)))
    });
    ranges.max()
}

/// A weight (RFC 9110, section 12.4.2): 0 to 1 with at most three digits behind the point.
fn permille(value: &str) -> Option<u16> {
    let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
    let whole: u16 = matches!(whole, "0" | "1").then(|| whole.parse().ok())??;
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{rest:0<3}").parse().ok()?;
    Some(whole * 1000 + thousandths).filter(|permille| *permille <= 1000)
}

/// What is written so far.
pub enum Exposition {
    /// To be scraped.
    Text(TextFormat, String),
    /// To be pushed.
    Otlp(OtlpMetrics),
}

/// A family that is being written.
pub(crate) struct Family<'a> {
    out: &'a mut Exposition,
    name: &'a str,
    suffix: &'static str,
}

impl Exposition {
    /// Text to be scraped.
    pub fn new(format: TextFormat) -> Self {
        Self::Text(format, String::new())
    }

    /// To be pushed.
    pub fn otlp(metrics: OtlpMetrics) -> Self {
        Self::Otlp(metrics)
    }

    /// Begins a family. A unit is the last word of its name.
    pub(crate) fn family<'a>(
        &'a mut self,
        kind: MetricKind,
        name: &'a str,
        help: &str,
    ) -> Family<'a> {
        let suffix = if kind == MetricKind::Counter {
            "_total"
        } else {
            ""
        };
        let (format, text) = match self {
            Self::Text(format, text) => (*format, text),
            Self::Otlp(metrics) => {
                metrics.begin(kind, &format!("{name}{suffix}"), help);
                return Family {
                    out: self,
                    name,
                    suffix,
                };
            }
        };
        let named = match format {
            TextFormat::Prometheus => suffix,
            TextFormat::OpenMetrics => "",
        };
        let word = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        push(text, format_args!("# HELP {name}{named} {help}\n"));
        push(text, format_args!("# TYPE {name}{named} {word}\n"));
        let unit = UNITS.iter().find(|unit| {
            name.strip_suffix(**unit)
                .is_some_and(|rest| rest.ends_with('_'))
        });
        if let (Some(unit), TextFormat::OpenMetrics) = (unit, format) {
            push(text, format_args!("# UNIT {name} {unit}\n"));
        }
        Family {
            out: self,
            name,
            suffix,
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        match self {
            Self::Text(TextFormat::Prometheus, text) => text,
            Self::Text(TextFormat::OpenMetrics, text) => text + "# EOF\n",
            Self::Otlp(metrics) => metrics.finish(),
        }
    }
}

impl Family<'_> {
    /// Writes one sample.
    pub(crate) fn sample(&mut self, labels: &[Label<'_>], value: impl Into<SampleValue>) {
        let text = match &mut self.out {
            Exposition::Text(_, text) => text,
            Exposition::Otlp(metrics) => return metrics.sample(labels, value.into()),
        };
        push(text, format_args!("{}{}", self.name, self.suffix));
        write_labels(text, labels, None);
        push(text, format_args!(" {}\n", value.into()));
    }

    /// Writes a histogram with these bounds, in microseconds and rising.
    pub(crate) fn histogram(&mut self, labels: &[Label<'_>], of: &Histogram, bounds_us: &[u64]) {
        let name = self.name;
        let text = match &mut self.out {
            Exposition::Text(_, text) => text,
            Exposition::Otlp(metrics) => return metrics.histogram(labels, of, bounds_us),
        };
        let mut bucket = |le: &str, count: u64| {
            push(text, format_args!("{name}_bucket"));
            write_labels(text, labels, Some(("le", le)));
            push(text, format_args!(" {count}\n"));
        };
        for &bound in bounds_us {
            let le = SampleValue::micros(bound).to_string();
            bucket(&le, of.count_to(Duration::from_micros(bound)));
        }
        bucket("+Inf", of.count());
        push(text, format_args!("{name}_sum"));
        write_labels(text, labels, None);
        push(
            text,
            format_args!(" {}\n", SampleValue::micros(of.sum_us())),
        );
        push(text, format_args!("{name}_count"));
        write_labels(text, labels, None);
        push(text, format_args!(" {}\n", of.count()));
    }
}

fn write_labels(text: &mut String, labels: &[Label<'_>], last: Option<Label<'_>>) {
    let mut open = '{';
    for (name, value) in labels.iter().chain(&last) {
        text.push(open);
        text.push_str(name);
        text.push_str("=\"");
        let mut rest = *value;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            text.push_str(&rest[..at]);
            text.push_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'"' => "\\\"",
                _ => "\\n",
            });
            rest = &rest[at + 1..];
        }
        text.push_str(rest);
        text.push('"');
        open = ',';
    }
    if open == ',' {
        text.push('}');
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes any text");
}

const UNITS: [&str; 3] = ["seconds", "bytes", "ratio"];

#[cfg(test)]
mod tests;
