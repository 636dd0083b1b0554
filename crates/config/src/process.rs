//! What a `pgbouncer.ini` says of the process itself: its log and its owner.

use std::path::PathBuf;

/// What the file says of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Where its number is written (`pidfile`).
    pub pidfile: Option<PathBuf>,
    /// The user that it becomes once it listens (`user`).
    pub user: Option<String>,
}

impl Process {
    /// Takes a setting of `[pgbouncer]`.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        match name {
            "pidfile" => self.pidfile = text().map(PathBuf::from),
            "user" => self.user = text(),
            // The table has them, and nothing is read of them before they do something.
            _ => {}
        }
    }
}
