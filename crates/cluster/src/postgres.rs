//! Where PostgreSQL's server binaries are.
//!
//! In this order: `PGWEIR_POSTGRES_BIN`, PATH, the folders of Debian, Red Hat and Homebrew, the
//! cache folders. What is found counts only if it runs, as the user that will run it. Getting
//! binaries where there are none is [`crate::install`]'s work.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::RunAs;
use crate::install;

/// PostgreSQL server binaries that run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    bin_dir: PathBuf,
    /// Folder of bundled shared libraries, for binaries from the cache.
    lib_dir: Option<PathBuf>,
    version: String,
}

/// There is no PostgreSQL and it could not be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresMissing {
    /// What was tried, with why it did not help.
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
            // Someone chose this one; another in its place would be a surprise.
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

    /// Finds PostgreSQL, or installs it: with the system's package manager where that is allowed,
    /// else by unpacking binaries into a cache folder. `progress` is told each step that takes time.
    ///
    /// # Errors
    /// None runs here and every way to get one failed.
    pub fn find_or_install(progress: &mut dyn FnMut(&str)) -> Result<Self, PostgresMissing> {
        Self::find().or_else(|missing| {
            if env::var_os(BIN_VARIABLE).is_some() {
                return Err(missing);
            }
            install::install(missing.tried, progress)
        })
    }

    /// Takes the binaries in `bin_dir` if they are there and run.
    pub(crate) fn in_folder(bin_dir: &Path, lib_dir: Option<PathBuf>) -> Result<Self, String> {
        let name = bin_dir.display();
        for program in ["initdb", "postgres"] {
            if !bin_dir.join(program).is_file() {
                return Err(format!("{name}: there is no `{program}`"));
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
                .ok_or_else(|| format!("{name}: `{program}` gives no version"))?;
        }
        Ok(postgres)
    }

    /// A server program, run as the user that runs PostgreSQL, free of the caller's settings.
    pub(crate) fn server_command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        for (variable, _) in env::vars_os() {
            // PGDATA, PGPORT, PGOPTIONS and their like are meant for another server.
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

    /// Finds a client program (`psql`, `pgbench`): beside the server, in PATH, or with another
    /// version of PostgreSQL. Binaries from the cache come without them.
    pub fn client_program(&self, program: &str) -> Option<PathBuf> {
        std::iter::once(self.bin_dir.clone())
            .chain(candidates().into_iter().map(|candidate| candidate.bin_dir))
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
    }
}

/// A folder worth a look.
struct Candidate {
    bin_dir: PathBuf,
    lib_dir: Option<PathBuf>,
}

fn candidates() -> Vec<Candidate> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    // A PATH folder without PostgreSQL is nothing to report, and relative ones are not ours to run.
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
    let cached = install::cache_folders()
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

/// Takes `15.18` out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<String> {
    text.split_whitespace()
        .nth(2)
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// Names the folder of the binaries to use, and no others.
pub(crate) const BIN_VARIABLE: &str = "PGWEIR_POSTGRES_BIN";

const LIBRARY_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};

#[cfg(test)]
mod tests;
