//! Server binaries of PostgreSQL, and how they are run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::RunAs;

/// PostgreSQL server binaries that run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    bin_dir: PathBuf,
    /// Folder of bundled shared libraries, for binaries from the cache.
    lib_dir: Option<PathBuf>,
    version: String,
}

impl Postgres {
    /// The binaries in `bin_dir`, if they exist and run.
    pub(crate) fn in_folder(bin_dir: &Path, lib_dir: Option<PathBuf>) -> Result<Self, String> {
        let name = bin_dir.display();
        for program in ["initdb", "postgres"] {
            if !bin_dir.join(program).is_file() {
                return Err(format!("{name}: `{program}` is missing"));
            }
        }
        let mut postgres = Self {
            bin_dir: bin_dir.to_owned(),
            lib_dir,
            version: String::new(),
        };
        for program in ["initdb", "postgres"] {
            let output = postgres
                .server_command(program)
                .arg("--version")
                .output()
                .map_err(|e| format!("{name}: `{program}` does not start: {e}"))?;
            if !output.status.success() {
                let why = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{name}: `{program}` fails: {}", why.trim()));
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            postgres.version = parse_version(&text)
                .ok_or_else(|| format!("{name}: `{program}` prints no version"))?;
        }
        Ok(postgres)
    }

    /// A server program, run as the user that runs PostgreSQL, free of the caller's settings.
    pub(crate) fn server_command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        for (variable, _) in env::vars_os() {
            // PGDATA, PGPORT, PGOPTIONS and so on are meant for another server.
            if variable.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(variable);
            }
        }
        if let Some(lib_dir) = &self.lib_dir {
            command.env(LIBRARY_PATH, lib_dir);
        }
        command
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        RunAs::detect().apply(&mut command);
        command
    }

    /// The folder with `postgres` and `initdb`.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The version, as in `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Takes `15.18` out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<String> {
    text.split_whitespace()
        .nth(2)
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

const LIBRARY_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};

#[cfg(test)]
mod tests;
