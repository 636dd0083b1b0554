//! `pgweir import`: makes a `pgweir.toml` of another pooler's configuration.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use pgweir_config::Problem;
use pgweir_config::import::{Finding, Format, Imported, Verdict};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::mistakes::{self, Mistake};
use crate::output;

/// Makes a pgweir.toml of the configuration of PgBouncer, PgCat, Odyssey, PgDog or PgDoorman.
///
/// What becomes of each setting goes to standard error. The text has the passwords that the other file had;
/// a file that is written is its owner's alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir import /etc/pgbouncer/pgbouncer.ini -o /etc/pgweir.toml
  pgweir import pgdog.toml users.toml > pgweir.toml

Exit codes:
  0  every setting is carried over
  1  the text was made, but settings have no counterpart, or something is left to correct in it
  2  the command line has mistakes
  3  a file cannot be read or written")]
pub(crate) struct Options {
    /// Configuration of the other pooler; for PgDog also its users.toml
    #[arg(value_name = "FILE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Write to this file, which must not exist; without it, print
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Whose configuration it is, if its name and content do not say
    #[arg(long, value_name = "POOLER", value_parser = PossibleValuesParser::new(names()))]
    from: Option<String>,
    /// Print text and findings as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

fn names() -> Vec<&'static str> {
    Format::ALL.iter().map(|(name, _)| *name).collect()
}

/// Imports.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let mut files = Vec::new();
    for path in &options.files {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        files.push((path.as_path(), text));
    }
    let format = format(options, &files)?;
    let files: Vec<(&Path, &str)> = files.iter().map(|(path, text)| (*path, &**text)).collect();
    let target = options
        .output
        .as_deref()
        .unwrap_or(Path::new("pgweir.toml"));
    let imported = match pgweir_proxy::import(format, &files, target) {
        Ok(imported) => imported,
        Err(problems) => {
            let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
            output::note(&mistakes::text(&mistakes, output::stderr_terminal()));
            return Ok(Exit::Failed);
        }
    };
    match &options.output {
        Some(path) => write(path, &imported.text)?,
        None if options.json => output::print(&format!("{:#}\n", as_json(&imported)))?,
        None => output::print(&imported.text)?,
    }
    if !options.json {
        output::note(report(&imported).trim_end());
    }
    let is_whole = |finding: &Finding| !matches!(finding.verdict, Verdict::Dropped(_));
    Ok(
        match imported.problems.is_empty() && imported.findings.iter().all(is_whole) {
            true => Exit::Done,
            false => Exit::Mistakes,
        },
    )
}

fn format(options: &Options, files: &[(&Path, String)]) -> anyhow::Result<Format> {
    if let Some(from) = &options.from {
        let named = Format::ALL.iter().find(|(name, _)| name == from);
        return Ok(named.expect("clap takes no other name").1);
    }
    let found = files.iter().find_map(|(path, text)| Format::of(path, text));
    found.ok_or_else(|| {
        let message = "neither name nor content say whose configuration this is; add --from\n";
        clap::Error::raw(ErrorKind::MissingRequiredArgument, message).into()
    })
}

/// Writes a file that was not there, for its owner alone: it has passwords.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// What became of each setting, a line each, and what is left to do.
fn report(imported: &Imported) -> String {
    let mut text = String::new();
    let width = imported.findings.iter().map(|finding| finding.key.len());
    let width = width.filter(|width| *width <= 48).max().unwrap_or(0);
    for Finding { key, verdict, .. } in &imported.findings {
        let what = match verdict {
            Verdict::Carried(to) => format!("carried over   {to}"),
            Verdict::Changed(to, why) => format!("changed        {to}: {why}"),
            Verdict::Dropped(why) => format!("not carried    {why}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key:width$}  {what}");
    }
    for problem in &imported.problems {
        let _ = writeln!(text, "to correct: {problem}");
    }
    let count = |is: fn(&Verdict) -> bool| {
        let all = imported.findings.iter();
        all.filter(|finding| is(&finding.verdict)).count()
    };
    let _ = writeln!(
        text,
        "{} carried over, {} changed, {} not carried over, {} to correct",
        count(|verdict| matches!(verdict, Verdict::Carried(_))),
        count(|verdict| matches!(verdict, Verdict::Changed(..))),
        count(|verdict| matches!(verdict, Verdict::Dropped(_))),
        imported.problems.len(),
    );
    text
}

fn as_json(imported: &Imported) -> Value {
    let findings = imported.findings.iter().map(|Finding { key, origin, verdict }| {
        let (verdict, to, why) = match verdict {
            Verdict::Carried(to) => ("carried", Some(to), None),
            Verdict::Changed(to, why) => ("changed", Some(to), Some(why)),
            Verdict::Dropped(why) => ("dropped", None, Some(why)),
        };
        json!({ "setting": key, "origin": origin.to_string(), "verdict": verdict, "to": to, "why": why })
    });
    let problems = imported.problems.iter().map(Problem::to_string);
    json!({
        "schema": "pgweir-import/1",
        "text": imported.text,
        "findings": findings.collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
    })
}
