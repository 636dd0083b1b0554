//! Where the log goes, and what is logged of the comings and goings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::level::Chain;

/// How lines of the log look (`log_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// pgweir's own, for people.
    Text,
    /// One JSON object per line.
    Json,
    /// PgBouncer's.
    PgBouncer,
}

/// The system's log as one more place for lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// Name of the program there (`syslog_ident`).
    pub ident: String,
    /// Facility there (`syslog_facility`), as RFC 5424 numbers it.
    pub facility: u8,
}

/// Where the log goes and what is logged of the comings and goings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What the log lets through (`log_level`); `None` is what the command line says.
    pub level: Option<&'static str>,
    /// How lines look (`log_format`). Not changed by a reload.
    pub format: LogFormat,
    /// File that lines are appended to (`logfile`).
    pub file: Option<PathBuf>,
    /// The system's log, if lines go there.
    pub syslog: Option<Syslog>,
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
    pub(super) fn read(globals: &Chain<'_>, folder: &Path) -> Self {
        let level = globals.get::<&str>("log_level");
        let file = globals.get::<Option<String>>("logfile");
        let syslog = globals.get::<bool>("syslog").then(|| Syslog {
            ident: globals.get("syslog_ident"),
            facility: facility(globals.get("syslog_facility")),
        });
        let has_stats = globals.get::<bool>("log_stats");
        Self {
            level: (level != "auto").then_some(level),
            format: match globals.get::<&str>("log_format") {
                "json" => LogFormat::Json,
                "pgbouncer" => LogFormat::PgBouncer,
                _ => LogFormat::Text,
            },
            file: file.map(|file| folder.join(file)),
            syslog,
            connections: globals.get("log_connections"),
            disconnections: globals.get("log_disconnections"),
            pooler_errors: globals.get("log_pooler_errors"),
            stats_period: globals
                .get::<Option<Duration>>("stats_period")
                .filter(|_| has_stats),
        }
    }
}

/// The number of a facility (RFC 5424, 6.2.1).
fn facility(name: &str) -> u8 {
    match name {
        "user" => 1,
        "auth" => 4,
        "authpriv" => 10,
        local => match local
            .strip_prefix("local")
            .and_then(|it| it.parse::<u8>().ok())
        {
            Some(number) => 16 + number,
            None => 3,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::facility;
    use crate::settings::FACILITIES;

    #[test]
    fn facilities_have_the_numbers_of_syslog() {
        let numbers = FACILITIES.map(facility);
        assert_eq!(numbers, [3, 4, 10, 1, 16, 17, 18, 19, 20, 21, 22, 23]);
    }
}
