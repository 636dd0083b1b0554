//! What is logged of the comings and goings.

use std::time::Duration;

use super::level::Chain;

/// What is logged of the comings and goings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What the log lets through (`log_level`); `None` is what the command line says.
    pub level: Option<&'static str>,
    /// Logins (`log_connections`).
    pub connections: bool,
    /// Ends of connections with their reason (`log_disconnections`).
    pub disconnections: bool,
    /// Refusals and errors sent to clients (`log_pooler_errors`).
    pub pooler_errors: bool,
    /// Period of the statistics line (`stats_period`); `None` with `log_stats = 0`.
    pub stats_period: Option<Duration>,
}

impl Log {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        let level = globals.get::<&str>("log_level");
        let has_stats = globals.get::<bool>("log_stats");
        Self {
            level: (level != "auto").then_some(level),
            connections: globals.get("log_connections"),
            disconnections: globals.get("log_disconnections"),
            pooler_errors: globals.get("log_pooler_errors"),
            stats_period: globals
                .get::<Option<Duration>>("stats_period")
                .filter(|_| has_stats),
        }
    }
}
