//! Whether the server notices that a client is gone.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::server::SERVER;
use crate::checks::settings::SETTINGS;
use crate::mend::Mend;
use crate::question::{Missing, Question};
use crate::sample::Sample;
use crate::words::span;

/// How soon the connection of a client that vanished is given up.
pub(super) struct DeadClients;

impl Check for DeadClients {
    fn about(&self) -> About {
        About {
            id: "keepalives",
            title: "vanished clients are noticed",
            why: "a client whose machine or network is gone says no goodbye: its session, locks and slot stay until the \
                  system gives the connection up, after more than two hours by default",
            worst: Severity::Warning,
            source: "S2 section 4 and issue 3; C14",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, SETTINGS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let (detection, seen) = detection(sample)?;
        let mut judgement = Judgement::seen(seen.clone());
        if detection > DETECTION_MAX_S {
            judgement.findings.push(Finding {
                severity: Severity::Warning,
                observation: seen,
                numbers: vec![("detection_s", detection)],
                evidence: Vec::new(),
                conclusion: "sessions of clients that are gone hold slots, and open transactions their locks, for that \
                             long; firewalls forget idle connections earlier (350 s is common)"
                    .to_owned(),
                recommendation: "let the server probe idle connections".to_owned(),
                commands: [
                    "ALTER SYSTEM SET tcp_keepalives_idle = 60;",
                    "ALTER SYSTEM SET tcp_keepalives_interval = 10;",
                    "ALTER SYSTEM SET tcp_keepalives_count = 6;",
                    "SELECT pg_reload_conf(); -- for new connections",
                ]
                .map(str::to_owned)
                .into(),
            });
        }
        judgement.findings.extend(unnoticed(sample)?);
        Ok(judgement)
    }

    fn mends(&self, sample: &Sample) -> Vec<Mend> {
        let id = self.about().id;
        let mut mends = Vec::new();
        if matches!(detection(sample), Ok((seconds, _)) if seconds > DETECTION_MAX_S) {
            for (name, value) in [
                ("tcp_keepalives_idle", "60"),
                ("tcp_keepalives_interval", "10"),
                ("tcp_keepalives_count", "6"),
            ] {
                mends.push(Mend::of_system(id, name, value, value));
            }
        }
        if matches!(unnoticed(sample), Ok(Some(_))) {
            mends.push(Mend::of_system(
                id,
                "client_connection_check_interval",
                "10s",
                "10000",
            ));
        }
        mends
    }
}

/// After how many seconds an idle client that vanished is noticed, and that in words.
fn detection(sample: &Sample) -> Result<(f64, String), Missing> {
    let rows = sample.rows(&SETTINGS)?;
    // 0 means the system's value; Linux has these. Our own session may have others, so what a new one gets
    // counts.
    let or = |name: &str, system: f64| -> Result<f64, Missing> {
        let row = rows.iter().find(|row| row.get("name") == Some(name));
        let row = row.ok_or_else(|| Missing(format!("the setting {name}")))?;
        let value = row.number("reset_val").unwrap_or_default();
        Ok(if value > 0.0 { value } else { system })
    };
    let idle = or("tcp_keepalives_idle", 7200.0)?;
    let interval = or("tcp_keepalives_interval", 75.0)?;
    let count = or("tcp_keepalives_count", 9.0)?;
    let seconds = idle + interval * count;
    let seen = format!(
        "an idle client that vanished is noticed after {} ({idle} s + {count} × {interval} s)",
        span(seconds)
    );
    Ok((seconds, seen))
}

/// Keepalives do not help while a statement runs: nobody reads the connection then.
fn unnoticed(sample: &Sample) -> Result<Option<Finding>, Missing> {
    let interval = sample.setting("client_connection_check_interval")?;
    if interval != Some(0.0) {
        return Ok(None);
    }
    Ok(Some(Finding {
        severity: Severity::Warning,
        observation: "client_connection_check_interval is 0".to_owned(),
        numbers: vec![("interval_ms", 0.0)],
        evidence: Vec::new(),
        conclusion: "a statement whose client is gone runs to its end, and keeps its connection and its locks until then"
            .to_owned(),
        recommendation: "have running statements look every 10 s whether their client is still there (PostgreSQL 14 and \
                         later)"
            .to_owned(),
        commands: vec![
            "ALTER SYSTEM SET client_connection_check_interval = '10s';".to_owned(),
            "SELECT pg_reload_conf();".to_owned(),
        ],
    }))
}

/// Two and a half minutes: 60 s, and 6 probes 10 s apart, are two.
const DETECTION_MAX_S: f64 = 150.0;
