//! `pgweir render`: writes a plan as files for the programs that read them.

mod difference;
mod folder;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, error};
use pgweir_advisor::formula::demand::Verdict;
use pgweir_advisor::render::{self, File, TARGETS};
use pgweir_advisor::{Plan, alerts};
use serde_json::json;

use crate::exit::Exit;
use crate::fleet::{Fleet, NoFacts};
use crate::output;
use crate::plan::{planned, report_failure, report_mistakes};

/// Writes a plan as configuration files of other programs.
///
/// The same plan gives the same bytes. No password is written: files refer to variables and secrets.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct Options {
    /// What to write, or `all`
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(names()))]
    target: String,
    #[command(flatten)]
    fleet: Fleet,
    /// Write below this folder, in a folder for each target; without it, print
    #[arg(short, long, value_name = "DIR", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Print paths and contents of the files as JSON
    #[arg(long, conflicts_with_all = ["output", "check"])]
    json: bool,
    /// Set a parameter of the alerts; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Compare with the files below this folder; show what differs or is left from an earlier plan
    #[arg(long, value_name = "DIR")]
    check: Option<PathBuf>,
}

/// Says which PostgreSQL the files are for, where the fleet has several.
fn only_one_is_written(main: Option<&Plan>, others: &[Plan]) {
    let host = |plan: &Plan| plan.facts.database.host.clone();
    if let Some(main) = main.filter(|_| !others.is_empty()) {
        let others: Vec<String> = others.iter().map(host).collect();
        output::note(&format!(
            "pgweir: this is for PostgreSQL on {}; for that on {} give --from only the files that use it",
            host(main),
            others.join(" and on ")
        ));
    }
}

fn names() -> Vec<&'static str> {
    let targets = TARGETS.iter().map(|target| target.name);
    targets.chain(["all"]).collect()
}

/// Renders.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let thresholds = thresholds(&options.set)?;
    // Monitoring of the pooler is the same for every fleet and needs no plan.
    let plan = match options.target.as_str() {
        "alerts" | "grafana" => None,
        _ => match planned(&options.fleet) {
            Ok(mut plans) => {
                let others = plans.split_off(1);
                let main = plans.pop();
                only_one_is_written(main.as_ref(), &others);
                main
            }
            Err(NoFacts::Usage(error)) if options.json => {
                return report_failure(&error.into(), true);
            }
            Err(NoFacts::Usage(error)) => return Err(error.into()),
            Err(NoFacts::Failed(error)) => return report_failure(&error, options.json),
            Err(NoFacts::Mistakes(problems)) => return report_mistakes(&problems, options.json),
        },
    };
    let files = files(&options.target, plan.as_ref(), &thresholds);
    if options.json {
        let listed: Vec<_> = files
            .iter()
            .map(|file| json!({ "path": file.path, "content": file.content }))
            .collect();
        output::print(&format!("{:#}\n", json!({ "files": listed })))?;
        return Ok(Exit::Done);
    }
    if files.is_empty() {
        let name = &options.target;
        output::note(&format!(
            "Nothing to write: the fleet has nothing for {name}."
        ));
    }
    if let Some(folder) = &options.check {
        return check(folder, &options.target, &files);
    }
    match &options.output {
        Some(folder) => write(folder, &options.target, &files)?,
        None if files.is_empty() => {}
        None => output::print(&printed(&files))?,
    }
    if let Some(plan) = plan.as_ref().filter(|_| !files.is_empty()) {
        report_verdict(plan);
    }
    Ok(Exit::Done)
}

/// The files of a target; alerts have these thresholds. `plan` is there for every target that needs
/// one.
fn files(target: &str, plan: Option<&Plan>, thresholds: &alerts::Thresholds) -> Vec<File> {
    let mut files = match (target, plan) {
        ("alerts", _) => vec![render::alerts(thresholds)],
        (_, None) => vec![render::grafana()],
        ("all", Some(plan)) => render::all(plan),
        (name, Some(plan)) => render::target(name).map_or_else(Vec::new, |t| (t.files)(plan)),
    };
    let alerts = render::alerts(thresholds);
    for file in files.iter_mut().filter(|file| file.path == alerts.path) {
        file.content.clone_from(&alerts.content);
    }
    files
}

/// The usual thresholds with these changes.
fn thresholds(changes: &[String]) -> Result<alerts::Thresholds, clap::Error> {
    let mut thresholds = alerts::Thresholds::default();
    for change in changes {
        let wrong = |what: &str| {
            let message = format!("--set {change}: {what}; see pgweir render --help\n");
            clap::Error::raw(error::ErrorKind::InvalidValue, message)
        };
        let Some((name, value)) = change.split_once('=') else {
            return Err(wrong("must be NAME=VALUE"));
        };
        thresholds
            .set(name.trim(), value.trim())
            .map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(thresholds)
}

fn after_help() -> String {
    let mut text = "\
Examples:
  pgweir render all fleet.toml -o deploy
  pgweir render all fleet.toml --check deploy
  pgweir render pgbouncer --preset large --what-if pooler.kind=pgbouncer
  pgweir render alerts --set waiters=10 --set job=poolers > pgweir-alerts.yml

Exit codes:
  0  written, or nothing differs
  1  --check found differences, or files left from an earlier plan
  2  the command line or the description of the fleet has mistakes, or the database did not answer
  3  a file cannot be read or written

Targets:
"
    .to_owned();
    for target in TARGETS {
        text.push_str(&format!("  {:22} {}\n", target.name, target.about));
    }
    text.push_str("\nParameters of the alerts:\n");
    for parameter in alerts::PARAMETERS {
        text.push_str(&format!("  {:22} {}\n", parameter.name, parameter.meaning));
    }
    text.trim_end().to_owned()
}

/// Files are written even for a plan that does not fit, because they show what was planned.
fn report_verdict(plan: &Plan) {
    if plan.verdict != Verdict::Ok {
        let reason = plan.reasons.first().map_or("", String::as_str);
        output::note(&format!("The plan's verdict is {}: {reason}", plan.verdict));
    }
}

fn printed(files: &[File]) -> String {
    match files {
        [one] => one.content.clone(),
        many => many
            .iter()
            .map(|file| format!("==> {} <==\n{}\n", file.path, file.content))
            .collect(),
    }
}

fn check(folder: &Path, target: &str, files: &[File]) -> anyhow::Result<Exit> {
    let mut shown = folder::compare(folder, files)?;
    for path in folder::leftovers(folder, target, files)? {
        let path = path.display();
        shown.push_str(&format!("Left from an earlier plan: {path}\n"));
    }
    if shown.is_empty() {
        output::note("Nothing differs.");
        return Ok(Exit::Done);
    }
    output::print(&shown)?;
    Ok(Exit::Mistakes)
}

/// Writes the files, and reports those that an earlier plan left. They are not deleted: they may be in
/// use.
fn write(folder: &Path, target: &str, files: &[File]) -> anyhow::Result<()> {
    folder::write(folder, files, |path| {
        output::note(&format!("wrote {}", path.display()));
    })?;
    for path in folder::leftovers(folder, target, files)? {
        let path = path.display();
        output::note(&format!(
            "{path} is left from an earlier plan; delete it if it is not in use"
        ));
    }
    Ok(())
}
