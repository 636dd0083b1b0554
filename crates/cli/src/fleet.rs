//! What `plan` and `render` are told of a fleet: a file, a preset, other programs' files, a live
//! database, suppositions. Later ones count.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use pgweir_advisor::facts::{Facts, Origin};
use pgweir_advisor::fleet::presets::{PRESETS, Preset};
use pgweir_advisor::fleet::{self, Draft, Problem};
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
    /// Reads everything and resolves it: a fleet for each PostgreSQL, the main one first.
    ///
    /// # Errors
    /// Nothing names a fleet, or what does has mistakes, all of them.
    pub(crate) fn facts(&self) -> Result<Vec<Facts>, NoFacts> {
        let mut asked = Draft::default();
        if let Some(url) = self.url().map_err(NoFacts::Usage)? {
            asked = live::read(&url).map_err(NoFacts::Failed)?;
        }
        let (drafts, mut problems) = self.drafts(asked).map_err(NoFacts::Usage)?;
        let mut all = Vec::new();
        let mut mistakes = Vec::new();
        for draft in drafts {
            match fleet::resolve(&draft, std::mem::take(&mut problems)) {
                Ok(facts) => all.push(facts),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            Ok(all)
        } else {
            Err(NoFacts::Mistakes(mistakes))
        }
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

    fn drafts(&self, asked: Draft) -> Result<(Vec<Draft>, Vec<Problem>), clap::Error> {
        let mut draft = Draft::default();
        let mut others = Vec::new();
        let mut problems = Vec::new();
        if let Some(preset) = self.preset.as_deref().and_then(Preset::named) {
            draft.overlay(preset.draft());
        }
        draft.overlay(asked);
        if !self.from.is_empty() {
            let (mut fleets, found) = read_all(&self.from);
            others = fleets.split_off(1);
            fleets.into_iter().for_each(|main| draft.overlay(main));
            problems.extend(found);
        }
        if let Some(file) = self.file(Path::new(DEFAULT_FILE))? {
            let (read, found) = read(&file);
            draft.overlay(read);
            problems.extend(found);
        }
        let mut drafts = vec![draft];
        drafts.append(&mut others);
        if let Some(profile) = self.profile.as_deref().and_then(Profile::named) {
            drafts
                .iter_mut()
                .for_each(|draft| draft.profile = Some(profile));
        }
        for supposition in &self.what_if {
            problems.extend(suppose(&mut drafts, supposition));
        }
        Ok((drafts, problems))
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

/// Supposes a value of the main fleet, or of another one that has such a service.
fn suppose(drafts: &mut [Draft], supposition: &str) -> Option<Problem> {
    let mut refusals = drafts
        .iter_mut()
        .map(|draft| draft.suppose(supposition).err());
    let first = refusals.next().flatten()?;
    let elsewhere = refusals.any(|refusal| refusal.is_none());
    (!elsewhere).then_some(*first)
}

/// Reads other programs' files, and those that they name: a fleet for each PostgreSQL, at least one.
fn read_all(names: &[PathBuf]) -> (Vec<Draft>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match fs::read(name) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                files.push((name.display().to_string(), text));
            }
            Err(error) => problems.push(unreadable(name, &error)),
        }
    }
    let torn = !problems.is_empty();
    let reading = pgweir_sources::read(&files, &|name| fs::read_to_string(name).ok());
    problems.extend(reading.problems);
    let mut fleets = reading.fleets;
    fleets[0].torn |= torn;
    (fleets, problems)
}

fn unreadable(file: &Path, error: &io::Error) -> Problem {
    let origin = Origin::line(file.display().to_string().into(), 0);
    Problem::new(&origin, "", format!("cannot be read: {error}"))
}

/// Reads one file; that it cannot be read is a problem like any other.
pub(crate) fn read(file: &Path) -> (Draft, Vec<Problem>) {
    match fs::read_to_string(file) {
        Ok(text) => fleet::read(&file.display().to_string(), &text),
        Err(error) => {
            let torn = Draft {
                torn: true,
                ..Draft::default()
            };
            (torn, vec![unreadable(file, &error)])
        }
    }
}

/// What is read when nothing is named.
pub(crate) const DEFAULT_FILE: &str = "fleet.toml";
