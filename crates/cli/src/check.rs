//! `pgweir check`: every setting as it will be used, or every mistake.

use clap::Args;
use pgweir_config::check;

use crate::exit::Exit;
use crate::mistakes::{self, Mistake};
use crate::output;
use crate::source::Configuration;

/// Shows every setting as `serve` would use it, with where it comes from, or every mistake.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir check /etc/pgweir.toml
  DATABASE_URL=postgres://app:secret@db/app?connection_limit=20 pgweir check --json")]
pub(crate) struct Options {
    #[command(flatten)]
    configuration: Configuration,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Checks a configuration.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let colours = output::stdout_has_colours();
    let (text, exit) = match pgweir_proxy::load(&options.configuration.source()?) {
        Ok(resolved) if options.json => (check::render_json(&resolved), Exit::Done),
        Ok(resolved) => {
            for warning in &resolved.warnings {
                output::note(&format!("warning: {warning}"));
            }
            (check::render_text(&resolved, colours), Exit::Done)
        }
        Err(problems) if options.json => (check::render_problems_json(&problems), Exit::Mistakes),
        Err(problems) => {
            let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
            let text = mistakes::text(&mistakes, output::stdout_terminal());
            (text, Exit::Mistakes)
        }
    };
    output::print(text.trim_end())?;
    output::print("\n")?;
    Ok(exit)
}
