//! What a `pgbouncer.ini` says of the process itself: its log and its owner.

use std::path::PathBuf;

use pgweir_settings::text::boolean;

/// What the file says of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Where the log goes (`logfile`).
    pub logfile: Option<PathBuf>,
    /// Where its number is written (`pidfile`).
    pub pidfile: Option<PathBuf>,
    /// The user that it becomes once it listens (`user`).
    pub user: Option<String>,
    /// Whether the log goes to syslog (`syslog`).
    pub syslog: bool,
    /// Its name there (`syslog_ident`).
    pub syslog_ident: Option<String>,
    /// Its facility there (`syslog_facility`).
    pub syslog_facility: Option<String>,
}

impl Process {
    /// Takes a setting of `[pgbouncer]`.
    ///
    /// # Errors
    /// What the value has to be.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        let fact = || boolean(value).ok_or_else(|| "must be 0 or 1".to_owned());
        match name {
            "logfile" => self.logfile = text().map(PathBuf::from),
            "pidfile" => self.pidfile = text().map(PathBuf::from),
            "user" => self.user = text(),
            "syslog" => self.syslog = fact()?,
            "syslog_ident" => self.syslog_ident = text(),
            "syslog_facility" => self.syslog_facility = text(),
            // The table has them, and nothing is read of them before they do something.
            _ => {}
        }
        Ok(())
    }
}
