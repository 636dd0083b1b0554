//! The command line of PgBouncer: `pgweir [-d] [-R] [-q] [-v] [-u USER] FILE.ini`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::error::ErrorKind;
use pgweir_config::Source;
use pgweir_settings::nearest;

use crate::exit::Exit;
use crate::serve::{self, Wanted};
use crate::service::{Background, send_to_background};

/// What PgBouncer takes.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Serve from a file in PgBouncer's form, as PgBouncer would
    #[arg(value_name = "FILE.ini")]
    file: Option<PathBuf>,
    /// Run in the background; the file has to set pidfile, and logfile or syslog
    #[arg(short, long)]
    daemon: bool,
    /// Take the sockets of the process that runs over: nobody is refused in between
    #[arg(short = 'R', long)]
    reboot: bool,
    /// Log nothing to standard error
    #[arg(short, long)]
    quiet: bool,
    /// Log more; twice for even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Become this user once it listens
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
        let source = match file.extension() {
            Some(end) if end == "toml" => Source::File(file.clone()),
            _ => Source::Ini(file.clone()),
        };
        if self.daemon {
            return self.go_to_background(file, &source);
        }
        let wanted = Wanted::as_pgbouncer(
            self.quiet,
            self.verbose,
            self.user.clone(),
            Background::find(),
            self.reboot,
        );
        serve::serve(source, wanted)
    }
}

impl Line {
    /// Has another process serve, and waits until it does.
    fn go_to_background(&self, file: &Path, source: &Source) -> anyhow::Result<Exit> {
        let Some(resolved) = serve::load(source) else {
            return Ok(Exit::Mistakes);
        };
        let config = resolved.config;
        if config.service.pidfile.is_none() {
            bail!("daemon needs pidfile configured; set pidfile");
        }
        if config.log.file.is_none() && config.log.syslog.is_none() {
            bail!("daemon needs a place for its log; set logfile, or syslog = 1");
        }
        let mut arguments: Vec<OsString> = Vec::new();
        arguments.extend((0..self.verbose).map(|_| "-v".into()));
        if let Some(user) = &self.user {
            arguments.extend(["-u".into(), user.into()]);
        }
        if self.reboot {
            arguments.push("-R".into());
        }
        arguments.push(file.into());
        send_to_background(&arguments)
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
