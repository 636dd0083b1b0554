//! Where PostgreSQL's server binaries are.
//!
//! In this order: `PGWEIR_POSTGRES_BIN`, PATH, the folders of Debian, Red Hat and Homebrew, the
//! cache folders. What is found counts only if it runs, as the user that will run it.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::package;
use crate::postgres::Postgres;

/// There is no PostgreSQL and it could not be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresMissing {
    /// What was tried, and why it failed.
    pub tried: Vec<String>,
}

impl fmt::Display for PostgresMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no PostgreSQL server found on this machine")?;
        for attempt in &self.tried {
            writeln!(f, "  tried {attempt}")?;
        }
        write!(
            f,
            "install it (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install \
             postgresql-server; macOS: brew install postgresql), or set {BIN_VARIABLE} to the \
             folder that holds `initdb` and `postgres`"
        )
    }
}

impl std::error::Error for PostgresMissing {}

impl Postgres {
    /// Finds PostgreSQL without changing anything on this machine.
    ///
    /// # Errors
    /// None runs here.
    pub fn find() -> Result<Self, PostgresMissing> {
        let mut tried = Vec::new();
        if let Some(bin_dir) = env::var_os(BIN_VARIABLE) {
            // The user chose this one; another one would be a surprise.
            return Self::in_folder(Path::new(&bin_dir), None).map_err(|why| PostgresMissing {
                tried: vec![format!("{BIN_VARIABLE}: {why}")],
            });
        }
        for candidate in candidates() {
            match Self::in_folder(&candidate.bin_dir, candidate.lib_dir) {
                Ok(postgres) => return Ok(postgres),
                Err(why) => tried.push(why),
            }
        }
        Err(PostgresMissing { tried })
    }

    /// Finds a client program (`psql`, `pgbench`): next to the server, in PATH, or with another
    /// version of PostgreSQL. Binaries from the cache have none.
    pub fn client_program(&self, program: &str) -> Option<PathBuf> {
        std::iter::once(self.bin_dir().to_owned())
            .chain(candidates().into_iter().map(|candidate| candidate.bin_dir))
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
    }
}

/// A folder that may have the binaries.
struct Candidate {
    bin_dir: PathBuf,
    lib_dir: Option<PathBuf>,
}

fn candidates() -> Vec<Candidate> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    // A PATH folder without PostgreSQL is not worth a report, and relative ones are not safe to run.
    folders.retain(|folder| folder.is_absolute() && folder.join("postgres").is_file());
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ] {
        folders.extend(versions(Path::new(parent), prefix));
    }
    let system = folders.into_iter().map(|bin_dir| Candidate {
        bin_dir,
        lib_dir: None,
    });
    let cached = package::cache_folders()
        .into_iter()
        .filter(|folder| folder.exists())
        .map(|folder| Candidate {
            bin_dir: folder.join("native/bin"),
            lib_dir: Some(folder.join("native/lib")),
        });
    system.chain(cached).collect()
}

/// Folders `PARENT/PREFIX*/bin`, the newest version first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = parent.read_dir() else {
        return Vec::new();
    };
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| (version_key(&entry.file_name()), entry.path().join("bin")))
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// The numbers in a folder's name, so that 9.6 sorts before 10.
fn version_key(name: &OsStr) -> Vec<u32> {
    name.to_string_lossy()
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Names the only folder to use binaries from.
pub(crate) const BIN_VARIABLE: &str = "PGWEIR_POSTGRES_BIN";

#[cfg(test)]
mod tests;
