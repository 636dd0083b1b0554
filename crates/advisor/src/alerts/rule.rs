//! One alerting rule.

/// How soon an operator has to act.
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
    /// Its name, and that of its section in docs/alerts.md. Rules that differ only in urgency share it.
    pub alert: &'static str,
    /// PromQL, one line or several.
    pub expr: String,
    /// How long it must be true before it fires, in Prometheus' notation.
    pub hold: String,
    /// How soon an operator has to act.
    pub urgency: Urgency,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// The details, with the value.
    pub description: String,
}
