//! The one form that every source of configuration is read into.
//!
//! A source says which settings were given, with which value and where; it does not know what they may
//! be. That is decided once, in `resolve`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pgweir_settings::toml::{self, Layout};
use pgweir_settings::{Origin, Problem, Section};

use crate::{pgbouncer, settings};

/// What one source says.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// Settings of the whole pooler (`[pgweir]`).
    pub globals: Section,
    /// Settings by database (`[databases.NAME]`).
    pub databases: BTreeMap<String, Section>,
    /// Settings by user (`[users.NAME]`).
    pub users: BTreeMap<String, Section>,
    /// Settings by peer (`[peers.NUMBER]`).
    pub peers: BTreeMap<String, Section>,
    /// Folder that relative paths start from: that of the file.
    pub folder: PathBuf,
    /// Whether parts could not be read at all. What is missing then is no mistake of its own.
    pub torn: bool,
    /// In whose words it is.
    pub dialect: Dialect,
    /// What is allowed and does not do what whoever wrote it expects.
    pub warnings: Vec<Problem>,
}

/// In whose words a configuration is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `pgweir.toml`, or the environment.
    #[default]
    Pgweir,
    /// `pgbouncer.ini`: what PgBouncer starts with is no mistake.
    PgBouncer,
}

/// Reads `text`, the content of the file at `path`, with the problems met on the way.
pub(super) fn read_file(path: &Path, text: &str) -> (Raw, Vec<Problem>) {
    let layout = Layout {
        plain: &["pgweir"],
        named: &["databases", "users", "peers"],
        outside: &[],
        foreign: &[("pgbouncer", "is called [pgweir] in this file")],
        advice: "settings go below [pgweir]",
        settings: settings::all_names()
            .chain(pgbouncer::ROWS.iter().map(|row| row.name))
            .collect(),
    };
    let name = path.display().to_string();
    let file = toml::read(&name, text, &layout);
    let mut raw = Raw {
        globals: Section::new(Origin::line(name.into(), 0)),
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        torn: file.torn,
        ..Raw::default()
    };
    for (_, section) in file.plain {
        raw.globals = section;
    }
    for (kind, name, section) in file.named {
        let sections = match kind {
            "databases" => &mut raw.databases,
            "peers" => &mut raw.peers,
            _ => &mut raw.users,
        };
        sections.insert(name, section);
    }
    (raw, file.problems)
}
