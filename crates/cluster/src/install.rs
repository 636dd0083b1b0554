//! Gets PostgreSQL onto a machine that has none.
//!
//! Root asks the package manager; so does the owner of a Homebrew. Everyone else, and root where
//! that fails, unpacks the published [`package`].

use std::env;
use std::process::Command;

use crate::account::RunAs;
use crate::command::{in_path, run};
use crate::find::{BIN_VARIABLE, PostgresMissing};
use crate::package;
use crate::postgres::Postgres;

impl Postgres {
    /// Finds PostgreSQL, or installs it: with the system's package manager where that is allowed,
    /// else by unpacking binaries into a cache folder. Calls `progress` with each step that takes
    /// time.
    ///
    /// # Errors
    /// None runs here and every way to get one failed.
    pub fn find_or_install(progress: &mut dyn FnMut(&str)) -> Result<Self, PostgresMissing> {
        Self::find().or_else(|missing| {
            if env::var_os(BIN_VARIABLE).is_some() {
                return Err(missing);
            }
            install(missing.tried, progress)
        })
    }
}

/// Installs PostgreSQL. `tried` is what failed before; it is part of the error.
fn install(
    mut tried: Vec<String>,
    progress: &mut dyn FnMut(&str),
) -> Result<Postgres, PostgresMissing> {
    for manager in managers(RunAs::detect()) {
        match manager.install(progress) {
            Ok(()) => match Postgres::find() {
                Ok(postgres) => return Ok(postgres),
                Err(missing) => tried.extend(missing.tried),
            },
            Err(why) => tried.push(why),
        }
    }
    match package::unpack(progress) {
        Ok(postgres) => Ok(postgres),
        Err(why) => {
            tried.push(why);
            Err(PostgresMissing { tried })
        }
    }
}

/// A system package manager: commands to run one after the other.
struct Manager {
    program: &'static str,
    commands: &'static [&'static [&'static str]],
}

impl Manager {
    fn install(&self, progress: &mut dyn FnMut(&str)) -> Result<(), String> {
        for arguments in self.commands {
            let line = format!("{} {}", self.program, arguments.join(" "));
            progress(&format!("installing PostgreSQL: {line}"));
            let mut command = Command::new(self.program);
            command
                .args(*arguments)
                .env("DEBIAN_FRONTEND", "noninteractive");
            run(&mut command).map_err(|why| format!("`{line}`: {why}"))?;
        }
        Ok(())
    }
}

fn managers(run_as: RunAs) -> impl Iterator<Item = &'static Manager> {
    match run_as {
        RunAs::Caller => FOR_USERS,
        RunAs::Other(_) => FOR_ROOT,
    }
    .iter()
    .filter(|manager| in_path(manager.program))
}

const FOR_ROOT: &[Manager] = &[
    Manager {
        program: "apt-get",
        commands: &[
            &["update"],
            &["install", "-y", "--no-install-recommends", "postgresql"],
        ],
    },
    Manager {
        program: "dnf",
        commands: &[&["install", "-y", "postgresql-server"]],
    },
];

/// Homebrew refuses root.
const FOR_USERS: &[Manager] = &[Manager {
    program: "brew",
    commands: &[&["install", "postgresql@17"]],
}];
