//! pgweir: plans, serves, shows and diagnoses PostgreSQL connections.
//!
//! The only binary. It reads arguments and the environment, calls the crates that do the work, and
//! ends with an exit code.

mod check;
mod demo;
mod exit;
mod fleet;
mod interrupt;
mod load;
mod log;
mod mistakes;
mod output;
mod plan;
mod render;
mod serve;
mod source;
mod sources;
mod token;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, TOP_LEVEL};

/// A PostgreSQL connection pooler.
#[derive(Debug, Parser)]
#[command(
    name = "pgweir",
    version,
    after_help = TOP_LEVEL,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    Check(check::Options),
    Plan(plan::Options),
    Render(render::Options),
    Top(top::Options),
    Token(token::Options),
    Demo(demo::Options),
    /// Answers one question to PAM, for `serve`, which starts it
    #[command(name = pgweir_pam::ARGUMENT, hide = true)]
    AskPam,
}

fn main() -> ExitCode {
    let result = match &Arguments::parse().command {
        Command::Serve(options) => serve::run(options),
        Command::Check(options) => check::run(options),
        Command::Plan(options) => plan::run(options),
        Command::Render(options) => render::run(options),
        Command::Top(options) => top::run(options),
        Command::Token(options) => token::run(options),
        Command::Demo(options) => demo::run(options),
        Command::AskPam => ask_pam(),
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
