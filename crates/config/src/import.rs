//! Configurations of other poolers as `pgweir.toml`, with what became of each of their settings.
//!
//! A file is read into its values with their sections; each format has rules of how its settings are carried
//! over. What was made is read as any `pgweir.toml`, so that mistakes show here and not at the first start.

mod bouncer;
mod doorman;
mod draft;
mod odyssey;
mod pgcat;
mod pgdog;

#[cfg(test)]
mod tests;

use std::path::Path;

use pgweir_settings::toml::leaves;
use pgweir_settings::{Origin, Problem};

use super::outside::Outside;
use super::{raw, resolve_all};
use draft::Draft;
pub use draft::{Finding, Verdict};

/// A form of configuration that can be carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `pgbouncer.ini`.
    PgBouncer,
    /// `pgcat.toml`.
    PgCat,
    /// `odyssey.conf`.
    Odyssey,
    /// `pgdog.toml`, with `users.toml` beside it.
    PgDog,
    /// `pg_doorman.toml`.
    PgDoorman,
}

/// What was made of a file.
#[derive(Debug)]
pub struct Imported {
    /// The text of the `pgweir.toml`. It has the passwords that the other file had.
    pub text: String,
    /// What became of each setting, in the order of the file.
    pub findings: Vec<Finding>,
    /// What is left to correct in the text, as `pgweir check` says it.
    pub problems: Vec<Problem>,
}

impl Format {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("pgbouncer", Self::PgBouncer),
        ("pgcat", Self::PgCat),
        ("odyssey", Self::Odyssey),
        ("pgdog", Self::PgDog),
        ("pg_doorman", Self::PgDoorman),
    ];

    /// The format of a file, by its name or else by what is in it.
    pub fn of(path: &Path, text: &str) -> Option<Self> {
        let file = path.file_name()?.to_string_lossy().to_lowercase();
        let file = file.replace('-', "_");
        let by_name = Self::ALL.iter().find(|(name, _)| file.contains(name));
        if let Some((_, format)) = by_name {
            return Some(*format);
        }
        let has = |what: &str| text.lines().any(|line| line.trim_start().starts_with(what));
        if file.contains("doorman") {
            Some(Self::PgDoorman)
        } else if file.ends_with(".ini") || has("[pgbouncer]") {
            Some(Self::PgBouncer)
        } else if has("[[databases]]") {
            Some(Self::PgDog)
        } else if has("server_host") {
            Some(Self::PgDoorman)
        } else if has("[pools.") {
            Some(Self::PgCat)
        } else if has("storage ") {
            Some(Self::Odyssey)
        } else {
            None
        }
    }
}

/// Makes a `pgweir.toml`, to be written at `target`, of the files of another pooler: its own, and `users.toml` for
/// PgDog.
///
/// # Errors
/// A file cannot be read as what it is said to be.
pub fn import(
    format: Format,
    files: &[(&Path, &str)],
    target: &Path,
    outside: &Outside<'_>,
) -> Result<Imported, Vec<Problem>> {
    let mut all = Vec::new();
    for (path, text) in files {
        let name = path.display().to_string();
        all.extend(match format {
            Format::PgBouncer => Vec::new(),
            Format::Odyssey => odyssey::leaves(&name, text)?,
            Format::PgCat | Format::PgDog | Format::PgDoorman => leaves(&name, text)?,
        });
    }
    let mut draft = Draft::default();
    match format {
        Format::PgBouncer => bouncer::carry(files, outside, &mut draft)?,
        Format::PgCat => pgcat::carry(&all, &mut draft),
        Format::Odyssey => odyssey::carry(&all, &mut draft),
        Format::PgDog => pgdog::carry(&all, &mut draft),
        Format::PgDoorman => doorman::carry(&all, &mut draft),
    }
    let text = draft.text();
    let (raw, problems) = raw::read_file(target, &text);
    let problems = resolve_all(&raw, problems, outside)
        .err()
        .unwrap_or_default();
    let mut findings = draft.findings;
    findings.sort_by(|a, b| {
        (a.origin == Origin::Default, &a.origin).cmp(&(b.origin == Origin::Default, &b.origin))
    });
    Ok(Imported {
        text,
        findings,
        problems,
    })
}
