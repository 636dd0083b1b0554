//! What the process is to the system.

use std::path::{Path, PathBuf};

use super::level::Chain;

/// What the process is to the system. Not changed by a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// File that its number is written to (`pidfile`).
    pub pidfile: Option<PathBuf>,
    /// User of the system that it becomes once it listens (`run_as`).
    pub user: Option<String>,
}

impl Service {
    pub(super) fn read(globals: &Chain<'_>, folder: &Path) -> Self {
        let pidfile = globals.get::<Option<String>>("pidfile");
        Self {
            pidfile: pidfile.map(|file| folder.join(file)),
            user: globals.get("run_as"),
        }
    }
}
