//! `pgweir doctor fix`: mends what can be mended without surprise.
//!
//! Nothing is done unless `--apply` or `--yes` says so, and nothing that is not in the audit file first.

mod apply;
mod audit;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use pgweir_doctor::{Check, Given, Mend, Place, Sample, State, Undo};
use serde_json::json;

use super::address::Address;
use super::ask::{self, Asked, Patience};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use apply::{Hands, Outcome};
use audit::{Audit, Done};

/// Shows what can be put right without surprise, and does it where --apply or --yes says so.
///
/// Without CHECK all but cancels are proposed. The mildest comes first: settings for what comes next, then
/// pools through their consoles, then cancels, then the end of sessions that are idle in a transaction.
/// Warm connections of pools, replication and maintenance are never touched. Each statement is written to
/// the audit file before it is run, and its effect is read back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir doctor fix --url postgres://postgres:secret@db/app
  pgweir doctor fix missing-timeouts keepalives --apply
  pgweir doctor fix idle-in-transaction --yes --audit /var/log/pgweir-doctor.jsonl
  pgweir doctor fix --undo --apply

Exit codes:
  0  there is nothing to mend, or all was mended
  1  there is something to mend, and nothing was done
  2  the command line has mistakes, or the audit file cannot be written
  4  the server cannot be reached, or lets us in only with --reserved
  5  something was not mended: it was refused, is not in effect, or waits for a restart")]
pub(super) struct Options {
    /// Mend what these checks find
    #[arg(value_name = "CHECK")]
    checks: Vec<String>,
    /// postgres://USER:PASSWORD@HOST/DATABASE; without it DATABASE_URL counts
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Console of PgBouncer or pgweir, as an administrator; may be repeated
    #[arg(long, value_name = "URL")]
    console: Vec<String>,
    /// Mend what is older than this, instead of what the check warns of
    #[arg(long, value_name = "CHECK=TIME", value_parser = super::after)]
    after: Vec<(String, f64)>,
    /// Do it, and ask before each
    #[arg(long)]
    apply: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Take back what the last run did
    #[arg(long, conflicts_with_all = ["checks", "after"])]
    undo: bool,
    /// Where what is done is written, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "pgweir-doctor.jsonl")]
    audit: PathBuf,
    /// Stay in a slot that is reserved for superusers where no other is left
    #[arg(long)]
    reserved: bool,
    /// Print as JSON
    #[arg(long, conflicts_with = "apply")]
    json: bool,
}

/// Something to do, with how it was proposed.
struct Task {
    mend: Mend,
    /// The run that it takes back.
    undoes: Option<String>,
}

/// Mends.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    if options.apply && !options.yes && !std::io::stdin().is_terminal() {
        return Err(super::usage(
            "--apply asks, and standard input is no terminal; use --yes".to_owned(),
        ));
    }
    let checks = super::chosen(&options.checks)?;
    let (server, consoles) = super::places(options.url.as_deref(), &options.console)?;
    let runtime = super::runtime()?;
    let done = runtime.block_on(async {
        let mut interrupt = Interrupt::install().context("cannot handle signals")?;
        tokio::select! {
            done = mend(options, server.as_ref(), &consoles, &checks) => done,
            exit = interrupt.wait() => Ok(exit),
        }
    });
    // A question to the terminal may still wait for its answer.
    runtime.shutdown_background();
    done
}

async fn mend(
    options: &Options,
    server: Option<&Address>,
    consoles: &[Address],
    checks: &[&dyn Check],
) -> anyhow::Result<Exit> {
    let target = super::shown(server, consoles);
    let tasks = if options.undo {
        let undone = audit::last(&options.audit, &target)?;
        undone.into_iter().map(task_of).collect()
    } else {
        match asked(options, server, consoles, checks).await {
            Asked::Silent(why) => {
                let report = pgweir_doctor::unreachable(&target, &why);
                output::print(&super::written(&report, super::Format::Text, false))?;
                return Ok(Exit::Unreached);
            }
            Asked::Answered(sample) => tasks(&sample, checks, !options.checks.is_empty()),
        }
    };
    if tasks.is_empty() {
        let nothing = match options.undo {
            true => format!(
                "Nothing of {target} in {} can be taken back.\n",
                options.audit.display()
            ),
            false => "There is nothing to mend that can be mended without surprise.\n".to_owned(),
        };
        output::print(&if options.json {
            "[]\n".to_owned()
        } else {
            nothing
        })?;
        return Ok(Exit::Done);
    }
    let does = options.apply || options.yes;
    if !options.json {
        output::print(&proposal(&target, &tasks))?;
    }
    if !does {
        match options.json {
            true => output::print(&format!("{:#}\n", listed(&tasks, &[])))?,
            false => {
                output::print("\nNothing was done. --apply asks before each, --yes does all.\n")?
            }
        }
        return Ok(Exit::Mistakes);
    }
    let mut audit = Audit::open(&options.audit, &target)?;
    let mut hands = Hands::new(server, consoles);
    let mut outcomes = Vec::new();
    for task in &tasks {
        let outcome = match options.yes || agreed(&task.mend).await? {
            true => one(&mut hands, &mut audit, task).await?,
            false => Outcome::Declined,
        };
        if !options.json {
            output::print(&format!("{}: {}\n", task.mend.what, outcome.words()))?;
        }
        outcomes.push(outcome);
    }
    hands.close();
    if options.json {
        output::print(&format!("{:#}\n", listed(&tasks, &outcomes)))?;
    } else if !options.undo {
        again(options, server, consoles, checks).await?;
    }
    Ok(match outcomes.iter().all(Outcome::is_good) {
        true => Exit::Done,
        false => Exit::NotMended,
    })
}

async fn asked(
    options: &Options,
    server: Option<&Address>,
    consoles: &[Address],
    checks: &[&dyn Check],
) -> Asked {
    let given = Given {
        after_s: options.after.iter().cloned().collect(),
        ..Given::default()
    };
    let patience = Patience {
        login: Duration::from_secs(5),
        answer: Duration::from_secs(1),
        takes_reserved: options.reserved,
    };
    ask::ask(server, consoles, checks, given, patience).await
}

fn tasks(sample: &Sample, checks: &[&dyn Check], named: bool) -> Vec<Task> {
    let mends = pgweir_doctor::mends(sample, checks, named).into_iter();
    mends.map(|mend| Task { mend, undoes: None }).collect()
}

/// What takes back what was done.
fn task_of(done: Done) -> Task {
    Task {
        mend: Mend {
            check: "undo",
            rung: pgweir_doctor::Rung::Setting,
            what: format!("take back: {}", done.what),
            place: done.place,
            statements: done.undo,
            undo: Undo::Never,
            proof: None,
            caution: "",
        },
        undoes: Some(done.id),
    }
}

/// Runs one, with what is written before and after.
async fn one(hands: &mut Hands<'_>, audit: &mut Audit, task: &Task) -> anyhow::Result<Outcome> {
    let mend = &task.mend;
    let undo = match hands.undo(mend).await {
        Ok(undo) => undo,
        Err(why) => return Ok(Outcome::Refused(why)),
    };
    let id = audit.intend(mend, &undo, task.undoes.as_deref())?;
    let outcome = hands.run(mend).await;
    audit.result(&id, &outcome)?;
    Ok(outcome)
}

/// Looks at the checks once more.
async fn again(
    options: &Options,
    server: Option<&Address>,
    consoles: &[Address],
    checks: &[&dyn Check],
) -> anyhow::Result<()> {
    let target = super::shown(server, consoles);
    let Asked::Answered(sample) = asked(options, server, consoles, checks).await else {
        output::note("pgweir: the server could not be examined again");
        return Ok(());
    };
    let report = pgweir_doctor::examine(&target, &sample, checks);
    let left = report
        .checks
        .iter()
        .filter(|checked| checked.state > State::Skipped);
    let left: Vec<&str> = left.map(|checked| checked.about.id).collect();
    output::print(&match left.as_slice() {
        [] => "Examined again: no findings.\n".to_owned(),
        left => format!("Examined again: findings of {}.\n", left.join(", ")),
    })
}

fn proposal(target: &str, tasks: &[Task]) -> String {
    let mut text = format!("{target}\n");
    for (at, Task { mend, .. }) in tasks.iter().enumerate() {
        text += &format!(
            "\n{}. {} ({}, {})\n",
            at + 1,
            mend.what,
            mend.check,
            mend.rung.word()
        );
        if let Place::Console(shown) = &mend.place {
            text += &format!("   on console {shown}:\n");
        }
        for statement in &mend.statements {
            text += &format!("   {statement};\n");
        }
        if mend.undo == Undo::Never && mend.check != "undo" {
            text += "   This cannot be taken back.\n";
        }
        if !mend.caution.is_empty() {
            text += &format!("   Note: {}.\n", mend.caution);
        }
    }
    text
}

fn listed(tasks: &[Task], outcomes: &[Outcome]) -> serde_json::Value {
    let all = tasks.iter().enumerate().map(|(at, task)| {
        let mut object = task.mend.json();
        let outcome = outcomes
            .get(at)
            .map_or("proposed".to_owned(), Outcome::words);
        object["outcome"] = json!(outcome);
        object
    });
    all.collect()
}

/// Asks the person at the terminal, who may also press Ctrl-C.
async fn agreed(mend: &Mend) -> anyhow::Result<bool> {
    output::print(&format!("\n{}? [y/N] ", mend.what))?;
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map(|read| (read, line))
    });
    let (read, line) = line
        .await
        .context("cannot ask")?
        .context("cannot read the answer")?;
    if read == 0 {
        bail!("standard input ended");
    }
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
