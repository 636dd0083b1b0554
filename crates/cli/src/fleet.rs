//! What `plan` and `render` are told of a fleet: a file, a preset, other programs' files, a live
//! database, suppositions. Later ones count.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use pgweir_advisor::facts::{Facts, Observation, Origin, Ruling};
use pgweir_advisor::fleet::presets::{PRESETS, Preset};
use pgweir_advisor::fleet::{self, Draft, Problem, Section};
use pgweir_advisor::profile::Profile;

use crate::live;

/// The arguments that name a fleet.
#[derive(Debug, Args)]
pub(crate) struct Fleet {
    /// Description of the fleet (TOML); without it and without --preset, fleet.toml
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Start from a column of the sizing table
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.name)))]
    preset: Option<String>,
    /// Whose rules fill in what is not said
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Profile::ALL.map(Profile::name)))]
    profile: Option<String>,
    /// Read what other programs' files say: docker-compose, Kubernetes, .env, php-fpm, pgbouncer.ini,
    /// Prisma schema, SQLx code, postgresql.conf; what FILE says counts more
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Ask a running PostgreSQL for its version, settings and who is connected; `-` takes the URL from
    /// DATABASE_URL, so that no password is in the list of processes
    #[arg(long, value_name = "URL")]
    from_database: Option<String>,
    /// Suppose a value: api.pool=20, services.*.pool=5, database.max_connections=200
    #[arg(long, value_name = "KEY=VALUE")]
    what_if: Vec<String>,
}

/// Why there are no facts.
#[derive(Debug)]
pub(crate) enum NoFacts {
    /// The command line is wrong.
    Usage(clap::Error),
    /// What was said of the fleet has mistakes.
    Mistakes(Vec<Problem>),
    /// Something that was asked did not answer.
    Failed(anyhow::Error),
}

impl Fleet {
    /// Reads everything and resolves it.
    ///
    /// # Errors
    /// Nothing names a fleet, or what does has mistakes, all of them.
    pub(crate) fn facts(&self) -> Result<Facts, NoFacts> {
        let mut asked = Draft::default();
        if let Some(url) = self.url().map_err(NoFacts::Usage)? {
            asked = live::read(&url).map_err(NoFacts::Failed)?;
        }
        let (draft, problems) = self.draft(asked).map_err(NoFacts::Usage)?;
        fleet::resolve(&draft, problems).map_err(NoFacts::Mistakes)
    }

    /// The URL of the database to ask.
    fn url(&self) -> Result<Option<String>, clap::Error> {
        match self.from_database.as_deref() {
            Some("-") => std::env::var("DATABASE_URL").map(Some).map_err(|_| {
                let message = "--from-database -: DATABASE_URL is not set\n";
                clap::Error::raw(ErrorKind::MissingRequiredArgument, message)
            }),
            url => Ok(url.map(str::to_owned)),
        }
    }

    fn draft(&self, asked: Draft) -> Result<(Draft, Vec<Problem>), clap::Error> {
        let mut draft = Draft::default();
        let mut problems = Vec::new();
        if let Some(preset) = self.preset.as_deref().and_then(Preset::named) {
            draft.overlay(preset.draft());
        }
        draft.overlay(asked);
        for file in &self.from {
            let (read, found) = read_as(file, pgweir_sources::read);
            let twice = described_twice(&draft, &read);
            draft.overlay(read);
            draft.observations.extend(twice);
            problems.extend(found);
        }
        if let Some(file) = self.file(Path::new(DEFAULT_FILE))? {
            let (read, found) = read(&file);
            draft.overlay(read);
            problems.extend(found);
        }
        if let Some(profile) = self.profile.as_deref().and_then(Profile::named) {
            draft.profile = Some(profile);
        }
        for supposition in &self.what_if {
            if let Err(problem) = draft.suppose(supposition) {
                problems.push(*problem);
            }
        }
        Ok((draft, problems))
    }

    /// The file to read, if one is to be read.
    fn file(&self, default: &Path) -> Result<Option<PathBuf>, clap::Error> {
        if self.file.is_some() || self.preset.is_some() {
            return Ok(self.file.clone());
        }
        if !self.from.is_empty() || self.from_database.is_some() {
            return Ok(None);
        }
        if default.is_file() {
            return Ok(Some(default.to_owned()));
        }
        Err(clap::Error::raw(
            ErrorKind::MissingRequiredArgument,
            format!(
                "no fleet: name a file, start from --preset small, or write {DEFAULT_FILE} with \
                 `pgweir plan init`\n"
            ),
        ))
    }
}

/// Services that both have a container of: they count as one, whatever was meant.
fn described_twice(before: &Draft, read: &Draft) -> Vec<Observation> {
    let container = |section: &Section| match section.get("image") {
        Some(given) if matches!(given.origin, Origin::File { .. }) => Some(given.origin.clone()),
        _ => None,
    };
    let known = before.services.iter();
    let known: HashMap<&str, Origin> = known
        .filter_map(|(name, section)| Some((name.as_str(), container(section)?)))
        .collect();
    let read = read.services.iter();
    read.filter_map(|(name, section)| {
        let (origin, known) = (container(section)?, known.get(name.as_str())?);
        Some(Observation {
            ruling: Ruling::Left("if they are two, plan them apart, or give one another name"),
            what: format!(
                "{name} is also in {known}; they count as one, and the later file counts"
            ),
            origin,
        })
    })
    .collect()
}

/// Reads one file; that it cannot be read is a problem like any other.
pub(crate) fn read(file: &Path) -> (Draft, Vec<Problem>) {
    read_as(file, fleet::read)
}

fn read_as(file: &Path, reader: fn(&str, &str) -> (Draft, Vec<Problem>)) -> (Draft, Vec<Problem>) {
    let name = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(text) => reader(&name, &text),
        Err(error) => {
            let origin = Origin::line(name.as_str().into(), 0);
            let problem = Problem::new(&origin, "", format!("cannot be read: {error}"));
            let torn = Draft {
                torn: true,
                ..Draft::default()
            };
            (torn, vec![problem])
        }
    }
}

/// What is read when nothing is named.
pub(crate) const DEFAULT_FILE: &str = "fleet.toml";
