//! The parameters of the rules, by name.

use std::fmt;

/// When the alerts fire.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// Clients that wait in one pool.
    pub waiters: f64,
    /// Seconds that an application waits for a connection before it gives up. Half of it is critical.
    pub acquire_timeout: f64,
    /// Share of a pool's servers that are pinned while clients wait.
    pub pinned_share: f64,
    /// Share of a pool's limit that is free.
    pub free_share: f64,
    /// 95th percentile of waits, in seconds.
    pub wait_p95: f64,
    /// Share of queries that are slow.
    pub slow_share: f64,
    /// Fewer slow queries than this within `window` raise no alert.
    pub slow_min: f64,
    /// Bursts of the same statement per minute.
    pub n_plus_one_per_minute: f64,
    /// Errors of a class per second.
    pub errors_per_second: f64,
    /// Share of PostgreSQL's usable connections: three steps.
    pub sessions_warning: f64,
    /// See `sessions_warning`.
    pub sessions_critical: f64,
    /// See `sessions_warning`.
    pub sessions_page: f64,
    /// Share of `max_client_conn`.
    pub clients_share: f64,
    /// Days for which a certificate is still good.
    pub certificate_days: f64,
    /// Restarts within 15 minutes (within `window`, where that is shorter).
    pub restarts: f64,
    /// Time over which rates are taken, in Prometheus' notation.
    pub window: String,
    /// How long each alert must be true; empty keeps each rule's own time.
    pub hold: String,
    /// Prometheus' name of the scrape job.
    pub job: String,
    /// The URL of docs/alerts.md, where the team reads it; empty names the chapter of `pgweir help`.
    pub runbook: String,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            waiters: 5.0,
            acquire_timeout: 10.0,
            pinned_share: 0.5,
            free_share: 0.10,
            wait_p95: 0.1,
            slow_share: 0.01,
            slow_min: 5.0,
            n_plus_one_per_minute: 1.0,
            errors_per_second: 0.1,
            sessions_warning: 0.8,
            sessions_critical: 0.9,
            sessions_page: 1.0,
            clients_share: 0.8,
            certificate_days: 14.0,
            restarts: 2.0,
            window: "5m".to_owned(),
            hold: String::new(),
            job: "pgweir".to_owned(),
            runbook: String::new(),
        }
    }
}

/// A parameter, for the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is, with its default.
    pub meaning: &'static str,
}

/// All parameters.
#[rustfmt::skip]
pub const PARAMETERS: &[Parameter] = &[
    Parameter { name: "waiters", meaning: "clients that wait in one pool (5)" },
    Parameter { name: "acquire_timeout", meaning: "seconds an application waits for a connection (10); half of it is critical" },
    Parameter { name: "pinned_share", meaning: "share of a pool's servers that are pinned (0.5), if clients wait" },
    Parameter { name: "free_share", meaning: "free share of a pool (0.1), if clients wait" },
    Parameter { name: "wait_p95", meaning: "95th percentile of waits in seconds (0.1)" },
    Parameter { name: "slow_share", meaning: "share of slow queries (0.01)" },
    Parameter { name: "slow_min", meaning: "fewer slow queries within the window raise no alert (5)" },
    Parameter { name: "n_plus_one_per_minute", meaning: "bursts of one statement per minute (1)" },
    Parameter { name: "errors_per_second", meaning: "errors of one class per second (0.1)" },
    Parameter { name: "sessions_warning", meaning: "share of PostgreSQL's connections (0.8)" },
    Parameter { name: "sessions_critical", meaning: "share of PostgreSQL's connections (0.9)" },
    Parameter { name: "sessions_page", meaning: "share of PostgreSQL's connections (1)" },
    Parameter { name: "clients_share", meaning: "share of max_client_conn (0.8)" },
    Parameter { name: "certificate_days", meaning: "days for which a certificate is still good (14)" },
    Parameter { name: "restarts", meaning: "restarts within 15 minutes, or the window if it is shorter (2)" },
    Parameter { name: "window", meaning: "time over which rates are taken (5m)" },
    Parameter { name: "for", meaning: "how long every alert must be true (each its own)" },
    Parameter { name: "job", meaning: "Prometheus' name of the scrape job (pgweir)" },
    Parameter { name: "runbook", meaning: "URL of docs/alerts.md, where your team reads it (none: `pgweir help alerts`)" },
];

/// Why a parameter was not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// No parameter has this name.
    Unknown,
    /// It takes a number of 0 or more.
    NotANumber,
    /// It takes a duration such as 30s, 5m or 1h.
    NotADuration,
    /// It takes text without quotes, backslashes and line ends.
    NotText,
    /// It takes a URL that begins with https:// or http://.
    NotAUrl,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "is not a parameter of the alerts",
            Self::NotANumber => "must be a number of 0 or more",
            Self::NotADuration => "must be a duration such as 30s, 5m or 1h",
            Self::NotAUrl => "must be a URL that begins with https:// or http://",
            Self::NotText => "must be text without quotes, backslashes and line ends",
        })
    }
}

impl std::error::Error for SetError {}

impl Thresholds {
    /// Sets a parameter.
    ///
    /// # Errors
    /// There is no such parameter, or it does not take this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SetError> {
        let number = match name {
            "waiters" => &mut self.waiters,
            "acquire_timeout" => &mut self.acquire_timeout,
            "pinned_share" => &mut self.pinned_share,
            "free_share" => &mut self.free_share,
            "wait_p95" => &mut self.wait_p95,
            "slow_share" => &mut self.slow_share,
            "slow_min" => &mut self.slow_min,
            "n_plus_one_per_minute" => &mut self.n_plus_one_per_minute,
            "errors_per_second" => &mut self.errors_per_second,
            "sessions_warning" => &mut self.sessions_warning,
            "sessions_critical" => &mut self.sessions_critical,
            "sessions_page" => &mut self.sessions_page,
            "clients_share" => &mut self.clients_share,
            "certificate_days" => &mut self.certificate_days,
            "restarts" => &mut self.restarts,
            _ => return self.set_text(name, value),
        };
        *number = value
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0)
            .ok_or(SetError::NotANumber)?;
        Ok(())
    }

    fn set_text(&mut self, name: &str, value: &str) -> Result<(), SetError> {
        let text = match name {
            "window" | "for" => {
                if seconds(value).is_none_or(|seconds| name == "window" && seconds == 0) {
                    return Err(SetError::NotADuration);
                }
                if name == "window" {
                    &mut self.window
                } else {
                    &mut self.hold
                }
            }
            "job" | "runbook" => {
                if value.contains(['"', '\\']) || value.contains(char::is_control) {
                    return Err(SetError::NotText);
                }
                let absolute = ["https://", "http://"]
                    .iter()
                    .any(|start| value.starts_with(start));
                if name == "runbook" && !absolute {
                    return Err(SetError::NotAUrl);
                }
                if name == "job" {
                    &mut self.job
                } else {
                    &mut self.runbook
                }
            }
            _ => return Err(SetError::Unknown),
        };
        value.clone_into(text);
        Ok(())
    }

    /// The window of restarts.
    pub(super) fn restart_window(&self) -> &str {
        match seconds(&self.window) {
            Some(seconds) if seconds < 15 * 60 && self.window != Self::default().window => {
                &self.window
            }
            _ => "15m",
        }
    }
}

/// Seconds of a duration of one number and one unit.
fn seconds(text: &str) -> Option<u64> {
    let (unit, factor) = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(factor)
}
