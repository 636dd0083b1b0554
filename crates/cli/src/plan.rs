//! `pgweir plan`: how many connections a fleet opens, and whether PostgreSQL gives them.

mod init;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pgweir_advisor::fleet::{self, Problem};
use pgweir_advisor::formula::demand::Verdict;
use pgweir_advisor::plan::SCHEMA;
use pgweir_advisor::show::{self, Colours};
use pgweir_advisor::{Plan, plan};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::fleet::{Fleet, NoFacts, problems_text, read};
use crate::output;

/// Plans how many connections each service opens and what PostgreSQL must allow.
///
/// Reads a description of the fleet in which every value may be left out; what was assumed is
/// listed. docs/planning.md has every setting, formula and source.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  pgweir plan init
  pgweir plan
  pgweir plan --preset medium --what-if app.pool=20 --explain
  pgweir plan fleet.toml --diff fleet-next.toml

Exit codes:
  0  the fleet fits
  1  it fits, but a rule is broken (WARN)
  2  the command line or the description has mistakes; all of them are listed
  3  it does not fit (FAIL)"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    fleet: Fleet,
    /// Print as JSON (docs/plan.schema.json)
    #[arg(long)]
    json: bool,
    /// Add how each number came about: formula, inputs, source
    #[arg(long)]
    explain: bool,
    /// Show what differs from the plan of another fleet, which counts as the one before
    #[arg(long, value_name = "OTHER")]
    diff: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Options),
}

/// Plans.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    if let Some(Command::Init(options)) = &options.command {
        return init::run(options);
    }
    let plan = match planned(&options.fleet) {
        Ok(plan) => plan,
        Err(NoFacts::Usage(error)) => return Err(error.into()),
        Err(NoFacts::Failed(error)) => return Err(error),
        Err(NoFacts::Mistakes(problems)) => return mistakes(&problems, options.json),
    };
    let before = match &options.diff {
        None => None,
        Some(file) => {
            let (draft, problems) = read(file);
            match fleet::resolve(&draft, problems) {
                Ok(facts) => Some(pgweir_advisor::plan(&facts)),
                Err(problems) => return mistakes(&problems, options.json),
            }
        }
    };
    let text = if options.json {
        format!("{:#}\n", json_of(&plan, before.as_ref(), options.explain)?)
    } else {
        text_of(&plan, before.as_ref(), options.explain)
    };
    output::print(&text)?;
    Ok(exit(plan.verdict))
}

/// The plan of what the arguments say.
pub(crate) fn planned(fleet: &Fleet) -> Result<Plan, NoFacts> {
    Ok(plan(&fleet.facts()?))
}

/// Tells all mistakes.
pub(crate) fn mistakes(problems: &[Problem], json: bool) -> anyhow::Result<Exit> {
    if json {
        let problems: Vec<Value> = problems
            .iter()
            .map(|problem| {
                json!({
                    "origin": problem.origin.to_string(),
                    "key": problem.key,
                    "value": problem.value,
                    "message": problem.message,
                    "suggestion": problem.suggestion,
                })
            })
            .collect();
        let answer = json!({ "schema": SCHEMA, "ok": false, "problems": problems });
        output::print(&format!("{answer:#}\n"))?;
    } else {
        output::note(&problems_text(problems, output::stderr_has_colours()));
    }
    Ok(Exit::Usage)
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Ok => Exit::Done,
        Verdict::Warn => Exit::Mistakes,
        Verdict::Fail => Exit::Failed,
    }
}

fn json_of(plan: &Plan, before: Option<&Plan>, explain: bool) -> anyhow::Result<Value> {
    let mut answer = serde_json::to_value(plan)?;
    if explain {
        answer["derivations"] = serde_json::to_value(show::explain(plan))?;
    }
    if let Some(before) = before {
        answer["differences"] = serde_json::to_value(show::diff(before, plan))?;
    }
    Ok(answer)
}

fn text_of(plan: &Plan, before: Option<&Plan>, explain: bool) -> String {
    if let Some(before) = before {
        let mut text = show::diff_text(&show::diff(before, plan));
        text.push_str(&format!("\n{} -> {}\n", before.verdict, plan.verdict));
        return text;
    }
    let mut text = show::text(plan, Colours(output::stdout_has_colours()));
    if explain {
        text.push_str(&show::explain_text(plan));
    }
    text
}
