//! `pgweir check`: every setting as it will be used, or every mistake; with `--connect` also what each
//! PostgreSQL gives.

mod servers;

use clap::Args;
use pgweir_config::{Resolved, check};
use pgweir_proxy::Examined;

use crate::exit::Exit;
use crate::mistakes::{self, Mistake};
use crate::output;
use crate::source::Configuration;

/// Shows every setting as `serve` would use it, with where it comes from, or every mistake.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir check /etc/pgweir.toml
  pgweir check --connect /etc/pgweir.toml
  DATABASE_URL=postgres://app:secret@db/app?connection_limit=20 pgweir check --json")]
pub(crate) struct Options {
    #[command(flatten)]
    configuration: Configuration,
    /// Show settings that nobody gave, too (JSON always has them)
    #[arg(long)]
    all: bool,
    /// Log in to each PostgreSQL, and say what it gives and what will go wrong; nothing is changed there
    #[arg(long)]
    connect: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Checks a configuration.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let resolved = match pgweir_proxy::load(&options.configuration.source()?) {
        Ok(resolved) => resolved,
        Err(problems) => {
            let text = if options.json {
                check::render_problems_json(&problems)
            } else {
                let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
                mistakes::text(&mistakes, output::stdout_terminal())
            };
            print(&text)?;
            return Ok(Exit::Mistakes);
        }
    };
    let servers = match options.connect {
        true => Some(servers::examine(&resolved.config)?),
        false => None,
    };
    let text = if options.json {
        let servers = servers.as_deref().map(servers::json);
        check::render_json(&resolved, servers.map(|servers| ("servers", servers)))
    } else {
        for warning in &resolved.warnings {
            output::note(&format!("warning: {warning}"));
        }
        in_words(&resolved, servers.as_deref(), options.all)
    };
    print(&text)?;
    Ok(match servers.as_deref().map(problems) {
        Some(1..) => Exit::Failed,
        None | Some(0) => Exit::Done,
    })
}

fn print(text: &str) -> anyhow::Result<()> {
    output::print(text.trim_end())?;
    output::print("\n")
}

fn problems(servers: &[Examined]) -> usize {
    servers.iter().map(|server| server.problems.len()).sum()
}

fn in_words(resolved: &Resolved, servers: Option<&[Examined]>, all: bool) -> String {
    let mut text = check::render_text(resolved, all, output::stdout_has_colours());
    for server in servers.unwrap_or_default() {
        text.push('\n');
        text.push_str(&servers::text(server));
    }
    let mut verdict = vec![match resolved.warnings.len() {
        0 => "The configuration is good.".to_owned(),
        1 => "The configuration can be used; there is 1 warning.".to_owned(),
        more => format!("The configuration can be used; there are {more} warnings."),
    }];
    match check::defaults(resolved) {
        0 => {}
        defaults if !all => verdict.push(format!(
            "{defaults} settings have their defaults (--all shows them)."
        )),
        _ => {}
    }
    match servers.map(problems) {
        None => verdict.push("PostgreSQL was not asked (--connect does).".to_owned()),
        Some(0) => verdict.push("PostgreSQL gives what it asks for.".to_owned()),
        Some(1) => verdict.push("With PostgreSQL there is 1 problem.".to_owned()),
        Some(more) => verdict.push(format!("With PostgreSQL there are {more} problems.")),
    }
    format!("{text}\n{}\n", verdict.join(" "))
}
