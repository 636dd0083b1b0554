//! `pgweir render`: files for the programs around the pooler.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use pgweir_advisor::{alerts, grafana};
use serde::Serialize;

use crate::exit::Exit;
use crate::output;

/// Writes files for other programs: alerting rules, a dashboard.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct Options {
    /// What to write
    #[arg(value_enum, value_name = "WHAT", required = true)]
    targets: Vec<Target>,
    /// Folder to write to; without it the text goes to standard output
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print names and texts of the files as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Sets a parameter of the alerts; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Alerting rules for Prometheus.
    Alerts,
    /// A dashboard for Grafana.
    Grafana,
}

/// A file as it is to be written.
#[derive(Debug, Serialize)]
struct File {
    name: &'static str,
    text: String,
}

/// Writes what was asked for.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let thresholds = thresholds(&options.set)?;
    let files: Vec<File> = options
        .targets
        .iter()
        .map(|target| target.file(&thresholds))
        .collect();
    if options.json {
        #[derive(Serialize)]
        struct Files {
            files: Vec<File>,
        }
        let text = serde_json::to_string_pretty(&Files { files }).context("cannot write JSON")?;
        output::print(&format!("{text}\n"))?;
        return Ok(Exit::Done);
    }
    for file in &files {
        match &options.output {
            Some(folder) => write(folder, file)?,
            None => output::print(&file.text)?,
        }
    }
    Ok(Exit::Done)
}

impl Target {
    fn file(self, thresholds: &alerts::Thresholds) -> File {
        match self {
            Self::Alerts => File {
                name: "pgweir-alerts.yml",
                text: alerts::render(thresholds),
            },
            Self::Grafana => File {
                name: "pgweir-grafana.json",
                text: grafana::render(),
            },
        }
    }
}

fn write(folder: &Path, file: &File) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(file.name);
    std::fs::write(&path, &file.text)
        .with_context(|| format!("cannot write {}", path.display()))?;
    output::note(&format!("wrote {}", path.display()));
    Ok(())
}

/// The usual thresholds with these changes.
fn thresholds(changes: &[String]) -> Result<alerts::Thresholds, clap::Error> {
    let mut thresholds = alerts::Thresholds::default();
    for change in changes {
        let wrong = |what: &str| {
            let message = format!("--set {change}: {what}; see pgweir render --help\n");
            clap::Error::raw(ErrorKind::InvalidValue, message)
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
  pgweir render alerts > /etc/prometheus/pgweir-alerts.yml
  pgweir render alerts grafana -o monitoring --set waiters=10 --set job=poolers

Parameters of the alerts:
"
    .to_owned();
    for parameter in alerts::PARAMETERS {
        text.push_str(&format!("  {:22} {}\n", parameter.name, parameter.meaning));
    }
    text.trim_end().to_owned()
}
