//! `pgweir doctor explain`: what an error means.

use std::io::Read;

use anyhow::Context;
use clap::Args;

use crate::exit::Exit;
use crate::output;

/// Says what an error means, its usual cause, and what to do first.
///
/// Knows texts and codes of PostgreSQL, PgBouncer, pgweir, Prisma, SQLx, PDO, asyncpg, HikariCP and
/// node-postgres. Connects to nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir doctor explain P2024
  pgweir doctor explain \"FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute\"
  tail -1 app.log | pgweir doctor explain -

Exit codes:
  0  it is known
  1  it is not known
  2  the command line has mistakes")]
pub(super) struct Options {
    /// Error text, SQLSTATE or number; `-` reads standard input
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Explains.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    // Words without quotes are one text, too.
    let mut text = options.text.join(" ");
    if text == "-" {
        let mut bytes = Vec::new();
        let mut stdin = std::io::stdin().lock().take(INPUT_MAX);
        stdin
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    let meanings = pgweir_doctor::explain(&text);
    if options.json {
        output::print(&format!(
            "{:#}\n",
            pgweir_doctor::explanation_json(&meanings)
        ))?;
    } else {
        output::print(&pgweir_doctor::explanation(&meanings))?;
    }
    if meanings.is_empty() {
        output::note(
            "pgweir: not an error that is known here; give the server's own words, or its SQLSTATE \
             (psql: \\set VERBOSITY verbose)",
        );
        return Ok(Exit::Mistakes);
    }
    Ok(Exit::Done)
}

const INPUT_MAX: u64 = 256 * 1024;
