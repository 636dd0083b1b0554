//! Settings that are not what somebody meant them to be.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::question::{Missing, Question};
use crate::sample::Sample;
use crate::words::{flat, identifier, plural};

/// Every setting that this role may see.
pub(crate) const SETTINGS: Question = Question {
    name: "settings",
    sql: "\
SELECT name, setting, unit, context, source, sourcefile, sourceline, reset_val, pending_restart \
FROM pg_settings ORDER BY name LIMIT 2000",
};

impl Sample {
    /// What the server has for a setting, in the unit of `pg_settings`; `None` if this version has no such
    /// setting.
    ///
    /// # Errors
    /// The settings are not known.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<f64>, Missing> {
        let rows = self.rows(&SETTINGS)?;
        let row = rows.iter().find(|row| row.get("name") == Some(name));
        Ok(row.and_then(|row| row.number("reset_val").or_else(|| row.number("setting"))))
    }
}

/// Settings that wait for a restart.
pub(super) struct PendingRestart;

impl Check for PendingRestart {
    fn about(&self) -> About {
        About {
            id: "pending-restart",
            title: "every changed setting is in effect",
            why: "ALTER SYSTEM SET max_connections and pg_reload_conf() change nothing until a restart: the server \
                  goes on with the old value",
            worst: Severity::Warning,
            source: "S1 problem 3, S2 issue 1; C1",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SETTINGS, FILES]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&SETTINGS)?;
        let judgement = Judgement::seen(plural(rows.values.len(), "setting"));
        let pending: Vec<_> = rows
            .iter()
            .filter(|row| row.is("pending_restart"))
            .collect();
        if pending.is_empty() {
            return Ok(judgement);
        }
        // Which value waits is in the files, which not everybody may read.
        let files = sample.rows(&FILES).ok();
        let evidence = pending.iter().map(|row| {
            let name = row.text("name");
            let waiting = files.and_then(|files| {
                let of_name = files.iter().filter(|file| file.get("name") == Some(name));
                of_name.last()
            });
            let waiting = waiting.map_or("another value waits".to_owned(), |file| {
                format!(
                    "{} waits, from {}:{}",
                    flat(file.text("setting")),
                    flat(file.text("file")),
                    file.text("line")
                )
            });
            format!("{name} is {}; {waiting}", flat(row.text("setting")))
        });
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!("{} for a restart", match pending.len() {
                1 => "1 changed setting waits".to_owned(),
                more => format!("{more} changed settings wait"),
            }),
            numbers: vec![("settings", pending.len() as f64)],
            evidence: evidence.collect(),
            conclusion: "the server still works with the old values, whatever the files and SHOW's readers say".to_owned(),
            recommendation: "restart PostgreSQL when it suits you, standbys first where max_connections, \
                             max_worker_processes, max_wal_senders, max_prepared_transactions or \
                             max_locks_per_transaction grow; or take the change back"
                .to_owned(),
            commands: std::iter::once("pg_ctl restart -m fast -D DATA  # or: systemctl restart postgresql".to_owned())
                .chain(pending.iter().take(3).map(|row| {
                    format!("ALTER SYSTEM RESET {};", identifier(row.text("name")))
                }))
                .collect(),
        }]))
    }
}

/// Lines of the configuration files that cannot be used.
pub(super) struct FileErrors;

impl Check for FileErrors {
    fn about(&self) -> About {
        About {
            id: "configuration-files",
            title: "the configuration files can be read",
            why: "with an error in postgresql.conf a reload changes nothing, and the next start fails: comments begin \
                  with #, and -- is none",
            worst: Severity::Critical,
            source: "S2 section 4; C3",
            privilege: Privilege::Superuser,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[FILES]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&FILES).map_err(|_| {
            Missing("a superuser, to read pg_file_settings (or GRANT SELECT ON pg_file_settings and EXECUTE ON \
                     FUNCTION pg_show_all_file_settings())".to_owned())
        })?;
        let judgement = Judgement::seen(format!(
            "{} in configuration files",
            plural(rows.values.len(), "setting")
        ));
        let wrong: Vec<_> = rows
            .iter()
            // What waits for a restart is an error here, too, and has a check of its own.
            .filter(|row| {
                row.get("error")
                    .is_some_and(|error| error != "setting could not be applied")
            })
            .collect();
        if wrong.is_empty() {
            return Ok(judgement);
        }
        Ok(judgement.with([Finding {
            severity: Severity::Critical,
            observation: format!(
                "{} of the configuration files cannot be used",
                plural(wrong.len(), "line")
            ),
            numbers: vec![("lines", wrong.len() as f64)],
            evidence: wrong
                .iter()
                .take(10)
                .map(|row| {
                    // Not its value, which may be a secret.
                    format!(
                        "{}:{} {}: {}",
                        flat(row.text("file")),
                        row.text("line"),
                        flat(row.get("name").unwrap_or("(no setting)")),
                        flat(row.text("error"))
                    )
                })
                .collect(),
            conclusion:
                "a reload changes nothing as long as they stand there, and the next start may fail"
                    .to_owned(),
            recommendation: "correct these lines, then reload and look again".to_owned(),
            commands: vec!["SELECT pg_reload_conf();".to_owned()],
        }]))
    }
}

const FILES: Question = Question {
    name: "files",
    sql: "\
SELECT sourcefile AS file, sourceline AS line, name, \
       CASE WHEN name ~ 'conninfo|command|passphrase|password' THEN '***' ELSE setting END AS setting, applied, error \
FROM pg_file_settings ORDER BY seqno LIMIT 2000",
};

/// Where ALTER SYSTEM writes.
const AUTO_CONF: &str = "postgresql.auto.conf";

/// Values of ALTER SYSTEM that the command line wins over.
pub(super) struct Masked;

impl Check for Masked {
    fn about(&self) -> About {
        About {
            id: "masked-settings",
            title: "no setting is masked",
            why: "a value on the command line of the server (compose: command) wins over postgresql.conf and ALTER \
                  SYSTEM, so that editing those changes nothing",
            worst: Severity::Warning,
            source: "PostgreSQL: setting parameters; C2",
            privilege: Privilege::Superuser,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SETTINGS, FILES]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let settings = sample.rows(&SETTINGS)?;
        let files = sample
            .rows(&FILES)
            .map_err(|_| Missing("a superuser, to compare with pg_file_settings".to_owned()))?;
        let on_line: Vec<_> = settings
            .iter()
            .filter(|row| {
                matches!(
                    row.get("source"),
                    Some("command line" | "environment variable")
                )
            })
            .collect();
        let judgement = Judgement::seen(plural(on_line.len(), "setting of the command line"));
        let mut commands = Vec::new();
        let masked: Vec<_> = on_line
            .iter()
            .filter_map(|row| {
                let name = row.text("name");
                // initdb writes max_connections and others into postgresql.conf, and images are told on the
                // command line: only ALTER SYSTEM says that somebody meant another value.
                let of_name = files.iter().filter(|file| {
                    file.get("name") == Some(name) && file.text("file").ends_with(AUTO_CONF)
                });
                let file = of_name.last()?;
                commands.push(format!("ALTER SYSTEM RESET {};", identifier(name)));
                Some(format!(
                    "{name} is {} by the command line, not {} of {}:{}",
                    flat(row.text("setting")),
                    flat(file.text("setting")),
                    flat(file.text("file")),
                    file.text("line")
                ))
            })
            .collect();
        if masked.is_empty() {
            return Ok(judgement);
        }
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!(
                "{} of ALTER SYSTEM {} no effect: the command line has another",
                plural(masked.len(), "value"),
                if masked.len() == 1 { "has" } else { "have" }
            ),
            numbers: vec![("settings", masked.len() as f64)],
            evidence: masked,
            conclusion: "ALTER SYSTEM, and whoever edits the files, changes nothing".to_owned(),
            recommendation: "keep each setting in one place: change the command line (compose: command, Kubernetes: \
                             args), or take the setting out there"
                .to_owned(),
            commands,
        }]))
    }
}
