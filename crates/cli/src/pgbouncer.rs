//! The command line of PgBouncer: `pgweir [-d] [-R] [-q] [-v] [-u USER] FILE.ini`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::error::ErrorKind;
use pgweir_config::Source;
use pgweir_settings::nearest;

use crate::exit::Exit;
use crate::serve;

/// What PgBouncer takes.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Serve from a file in PgBouncer's form, as PgBouncer would
    #[arg(value_name = "FILE.ini")]
    file: Option<PathBuf>,
    /// Run in the background: not supported yet
    #[arg(short, long)]
    daemon: bool,
    /// Take over from the process that runs: not supported yet
    #[arg(short = 'R', long)]
    reboot: bool,
    /// Log nothing to standard error
    #[arg(short, long)]
    quiet: bool,
    /// Log more; twice for even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Become this user once it listens: not supported yet
    #[arg(short, long)]
    user: Option<String>,
}

impl Line {
    /// Serves.
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        let Some(file) = &self.file else {
            let message = "name a file: pgweir FILE.ini, or a command, see pgweir --help\n";
            return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, message).into());
        };
        refuse_command(file)?;
        for (is_given, option, way_out) in [
            (
                self.daemon,
                "-d",
                "let systemd or a container keep it running",
            ),
            (
                self.reboot,
                "-R",
                "stop the process that runs and start this one",
            ),
            (self.user.is_some(), "-u", "start it as that user"),
        ] {
            if is_given {
                bail!("{option} is not supported yet; {way_out}");
            }
        }
        let source = match file.extension() {
            Some(end) if end == "toml" => Source::File(file.clone()),
            _ => Source::Ini(file.clone()),
        };
        serve::as_pgbouncer(source, self.quiet, self.verbose)
    }
}

/// A word that is neither a file nor a command is a command that was misspelt.
fn refuse_command(file: &Path) -> Result<(), clap::Error> {
    let Some(word) = file.to_str().filter(|word| !word.contains(['.', '/'])) else {
        return Ok(());
    };
    if file.exists() {
        return Ok(());
    }
    let meant = match nearest(word, COMMANDS.into_iter()) {
        Some(near) => format!("did you mean pgweir {near}?"),
        None => "see pgweir --help".to_owned(),
    };
    let message = format!("there is no file and no command {word:?}; {meant}\n");
    Err(clap::Error::raw(ErrorKind::InvalidSubcommand, message))
}

/// What may stand in the place of a file.
const COMMANDS: [&str; 8] = [
    "serve", "check", "import", "plan", "render", "top", "token", "demo",
];
