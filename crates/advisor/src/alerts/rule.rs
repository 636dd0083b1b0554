//! One alerting rule.

/// How soon somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Some day.
    Info,
    /// Today.
    Warning,
    /// At once, in working hours.
    Critical,
    /// At once, whatever the hour.
    Page,
}

impl Urgency {
    /// The value of the label `severity`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Page => "page",
        }
    }
}

/// One alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name, and that of its section in docs/alerts.md. Rules that differ in their severity
    /// alone share it.
    pub alert: &'static str,
    /// PromQL, one line or several.
    pub expr: String,
    /// How long it has to be true before it fires, in Prometheus' notation.
    pub hold: String,
    /// How soon somebody has to look.
    pub urgency: Urgency,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What exactly, with the value.
    pub description: String,
}
