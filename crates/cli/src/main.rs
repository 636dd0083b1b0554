//! pgweir: plans, serves, shows and diagnoses PostgreSQL connections.
//!
//! The only binary. It reads arguments and the environment, calls the crates that do the work, and
//! ends with an exit code.

mod check;
mod demo;
mod doctor;
mod exit;
mod fleet;
mod help;
mod import;
mod interrupt;
mod live;
mod load;
mod log;
mod mistakes;
mod output;
mod pgbouncer;
mod plan;
mod render;
mod serve;
mod service;
mod source;
mod token;
mod top;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, TOP_LEVEL};

/// A PostgreSQL connection pooler.
#[derive(Debug, Parser)]
#[command(
    name = "pgweir",
    version = version::line(),
    long_version = version::lines(),
    // The manual is in ours.
    disable_help_subcommand = true,
    after_help = TOP_LEVEL,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    // As getopt_long, which PgBouncer reads its line with.
    infer_long_args = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    line: pgbouncer::Line,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    Check(check::Options),
    Import(import::Options),
    Plan(plan::Options),
    Render(render::Options),
    Doctor(doctor::Options),
    Top(top::Options),
    Token(token::Options),
    Demo(demo::Options),
    Help(help::Options),
    /// Answers one question to PAM, for `serve`, which starts it
    #[command(name = pgweir_pam::ARGUMENT, hide = true)]
    AskPam,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        None => arguments.line.run(),
        Some(Command::Serve(options)) => serve::run(options),
        Some(Command::Check(options)) => check::run(options),
        Some(Command::Import(options)) => import::run(options),
        Some(Command::Plan(options)) => plan::run(options),
        Some(Command::Render(options)) => render::run(options),
        Some(Command::Doctor(options)) => doctor::run(options),
        Some(Command::Top(options)) => top::run(options),
        Some(Command::Token(options)) => token::run(options),
        Some(Command::Demo(options)) => demo::run(options),
        Some(Command::Help(options)) => help::run::<Arguments>(options),
        Some(Command::AskPam) => ask_pam(),
    };
    result
        .unwrap_or_else(|error| match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => {
                output::note(&format!("pgweir: {error:#}"));
                Exit::Failed
            }
        })
        .into()
}

fn ask_pam() -> anyhow::Result<Exit> {
    pgweir_pam::answer(std::io::stdin(), std::io::stdout())?;
    Ok(Exit::Done)
}
