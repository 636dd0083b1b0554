//! `pgweir plan`: how many connections a fleet opens, and whether PostgreSQL gives them.

mod init;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{self, Problem};
use pgweir_advisor::formula::demand::Verdict;
use pgweir_advisor::plan::SCHEMA;
use pgweir_advisor::show::{self, Colours, Derivation, Difference};
use pgweir_advisor::{Plan, plan};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::fleet::{Fleet, NoFacts, read};
use crate::mistakes::{self, Mistake};
use crate::output;

/// Plans how many connections each service opens and what PostgreSQL must allow.
///
/// Reads a description of the fleet in which every value may be left out, and lists what it assumed.
/// docs/planning.md has every setting, formula and source.
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
  2  the command line or the description has mistakes, which are all listed; or there is no plan,
     because the database did not answer or a file cannot be written
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
    /// Print everything: table, recommendations, findings, where the documents differ, every default
    #[arg(long, short)]
    verbose: bool,
    /// Add the derivation of each number: formula, inputs, source
    #[arg(long)]
    explain: bool,
    /// Show what differs from the plan of another fleet, which is the earlier one
    #[arg(long, value_name = "OTHER")]
    diff: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Options),
}

/// Plans. Every error ends with [`Exit::Usage`], because 3 is a verdict.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    match answer(options) {
        Ok(exit) => Ok(exit),
        // clap formats its own errors, and exits with the same code.
        Err(error) if error.is::<clap::Error>() && !options.json => Err(error),
        Err(error) => report_failure(&error, options.json),
    }
}

fn answer(options: &Options) -> anyhow::Result<Exit> {
    if let Some(Command::Init(options)) = &options.command {
        return init::run(options);
    }
    let plans = match planned(&options.fleet) {
        Ok(plans) => plans,
        Err(NoFacts::Usage(error)) => return Err(error.into()),
        Err(NoFacts::Failed(error)) => return Err(error),
        Err(NoFacts::Mistakes(problems)) => return report_mistakes(&problems, options.json),
    };
    let before = match &options.diff {
        None => None,
        Some(file) => {
            let (draft, problems) = read(file);
            match fleet::resolve(&draft, problems) {
                Ok(facts) => Some(plan(facts)),
                Err(problems) => return report_mistakes(&problems, options.json),
            }
        }
    };
    let text = if options.json {
        json_of(&plans, before.as_ref(), options.explain)?
    } else {
        text_of(&plans, before.as_ref(), options)
    };
    output::print(&text)?;
    let worst = plans.iter().map(|plan| plan.verdict).max();
    let exit = exit(worst.unwrap_or(Verdict::Ok));
    // The process ends here. Freeing a plan of ten thousand services piece by piece would take a third
    // as long as making it.
    std::mem::forget((plans, before));
    Ok(exit)
}

/// Plans the fleet that the arguments name: a plan for each PostgreSQL, the main one first, at least one.
pub(crate) fn planned(fleet: &Fleet) -> Result<Vec<Plan>, NoFacts> {
    Ok(fleet.facts()?.into_iter().map(plan).collect())
}

/// Reports why there is no plan; with `json` as a problem without a file.
pub(crate) fn report_failure(error: &anyhow::Error, json: bool) -> anyhow::Result<Exit> {
    if json {
        let text = match error.downcast_ref::<clap::Error>() {
            Some(usage) => usage.to_string(),
            None => format!("{error:#}"),
        };
        let text = text.trim().trim_start_matches("error: ");
        return report_mistakes(&[Problem::new(&Origin::named("fleet"), "", text)], true);
    }
    output::note(&format!("pgweir: {error:#}"));
    Ok(Exit::Usage)
}

/// Reports all mistakes.
pub(crate) fn report_mistakes(problems: &[Problem], json: bool) -> anyhow::Result<Exit> {
    if json {
        let problems: Vec<Value> = problems
            .iter()
            .map(|problem| {
                let (file, line, column) = place(&problem.origin);
                json!({
                    "origin": problem.origin.to_string(),
                    "file": file,
                    "line": line,
                    "column": column,
                    "key": problem.key,
                    "value": problem.value,
                    "message": problem.message,
                    "allowed": problem.allowed,
                    "suggestion": problem.suggestion,
                })
            })
            .collect();
        let answer = json!({ "schema": SCHEMA, "ok": false, "problems": problems });
        output::print(&format!("{answer:#}\n"))?;
    } else {
        let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
        output::note(&mistakes::text(&mistakes, output::stderr_terminal()));
    }
    Ok(Exit::Usage)
}

/// File, line and column, as far as they are known. Lines and columns count from 1.
fn place(origin: &Origin) -> (Option<&str>, Option<u32>, Option<u32>) {
    match origin {
        Origin::File {
            path,
            line,
            columns,
        } => {
            let column = (!columns.name.is_empty()).then(|| u32::from(columns.name.start) + 1);
            (Some(path), Some(*line).filter(|line| *line > 0), column)
        }
        Origin::Url
        | Origin::UrlParameter(_)
        | Origin::Variable(_)
        | Origin::Named(_)
        | Origin::Default => (None, None, None),
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Ok => Exit::Done,
        Verdict::Warn => Exit::Mistakes,
        Verdict::Fail => Exit::Failed,
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    derivations: Option<Vec<Derivation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<Difference>>,
    /// Plans of the other PostgreSQL that the fleet uses.
    #[serde(skip_serializing_if = "<[Plan]>::is_empty")]
    others: &'a [Plan],
}

fn json_of(plans: &[Plan], before: Option<&Plan>, explain: bool) -> serde_json::Result<String> {
    let (plan, others) = (&plans[0], &plans[1..]);
    let answer = Answer {
        plan,
        derivations: explain.then(|| show::explain(plan)),
        differences: before.map(|before| show::diff(before, plan)),
        others,
    };
    let mut text = serde_json::to_string_pretty(&answer)?;
    text.push('\n');
    Ok(text)
}

fn text_of(plans: &[Plan], before: Option<&Plan>, options: &Options) -> String {
    if let Some(before) = before {
        let plan = &plans[0];
        let mut text = show::diff_text(&show::diff(before, plan));
        text.push_str(&format!("\n{} -> {}\n", before.verdict, plan.verdict));
        return text;
    }
    let mut text = String::new();
    for plan in plans {
        if plans.len() > 1 {
            let host = &plan.facts.database.host;
            let above = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{above}--- PostgreSQL on {host} ---\n"));
        }
        text.push_str(&text_of_one(plan, options));
    }
    text
}

fn text_of_one(plan: &Plan, options: &Options) -> String {
    let colours = Colours(output::stdout_has_colours());
    let mut text = if options.verbose {
        show::text(plan, colours)
    } else {
        show::brief(plan, colours)
    };
    if options.explain {
        text.push_str(&show::explain_text(plan));
    }
    text
}
