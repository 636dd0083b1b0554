//! `pgweir serve`: the pooler itself.

use std::cell::RefCell;
use std::env;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use clap::error::ErrorKind;
use pgweir_config::raw::Dialect;
use pgweir_config::{Config, Log, LogFormat, Resolved, Source};
use pgweir_proxy::{Host, Notice, SetLog, Signals};
use tracing::warn;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::exit::Exit;
use crate::log::{BouncerForm, Fields, Lines};
use crate::mistakes::{self, Mistake};
use crate::output;
use crate::service::{Account, Background, Pidfile, ServiceManager, handed};
use crate::source::Configuration;

/// Serves clients until SIGTERM; SIGHUP reads the configuration again.
///
/// The log goes to standard error, and to `logfile` and `syslog` where the configuration says so. Its level is `info` unless -v, -q or PGWEIR_LOG set another: `error`,
/// `warn`, `info`, `debug`, `trace`, or one level per module. `log_level` in the configuration overrides
/// all of these, and a reload changes it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir serve /etc/pgweir.toml
  DATABASE_URL=postgres://app:secret@db/app?connection_limit=20 pgweir serve")]
pub(crate) struct Options {
    #[command(flatten)]
    configuration: Configuration,
    /// Log more; twice for even more
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log warnings and errors only
    #[arg(short, long)]
    quiet: bool,
    /// Take the sockets of the process that runs over: nobody is refused in between
    #[arg(short = 'R', long)]
    takeover: bool,
    /// How lines of the log look, in place of what `log_format` says
    #[arg(long, value_enum, env = "PGWEIR_LOG_FORMAT")]
    log_format: Option<Format>,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object per line
    Json,
    /// As PgBouncer writes them
    #[value(name = "pgbouncer")]
    PgBouncer,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
            Format::PgBouncer => Self::PgBouncer,
        }
    }
}

/// Serves.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let source = options.configuration.source()?;
    let level = options.quiet.then_some("warn");
    let wanted = Wanted {
        directives: directives(level, options.verbose, env::var(LOG_VARIABLE).ok()),
        form: options.log_format.map(LogFormat::from),
        has_stderr: true,
        user: None,
        background: None,
        takes_over: options.takeover,
    };
    serve(source, wanted)
}

/// What the command line says of the log and the process.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// What the log lets through, unless the configuration says.
    directives: String,
    /// How lines look; `None` is what the configuration says.
    form: Option<LogFormat>,
    /// Whether lines go to standard error.
    has_stderr: bool,
    /// The user to become, in place of the configuration's.
    user: Option<String>,
    /// Whether this is a process in the background.
    background: Option<Background>,
    /// Whether it takes the sockets of the process that runs.
    takes_over: bool,
}

impl Wanted {
    /// With the command line of PgBouncer: where it is `quiet`, nothing is logged to standard error.
    pub(crate) fn as_pgbouncer(
        quiet: bool,
        verbose: u8,
        user: Option<String>,
        background: Option<Background>,
        takes_over: bool,
    ) -> Self {
        Self {
            directives: directives(None, verbose, env::var(LOG_VARIABLE).ok()),
            form: None,
            has_stderr: !quiet && background.is_none(),
            user,
            background,
            takes_over,
        }
    }
}

/// Reads the configuration; its mistakes have been told where there is none.
pub(crate) fn load(source: &Source) -> Option<Resolved> {
    match pgweir_proxy::load(source) {
        Ok(resolved) => Some(resolved),
        Err(problems) => {
            let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
            output::note(&mistakes::text(&mistakes, output::stderr_terminal()));
            None
        }
    }
}

/// Serves.
pub(crate) fn serve(source: Source, wanted: Wanted) -> anyhow::Result<Exit> {
    check(&wanted.directives)?;
    let Some(resolved) = load(&source) else {
        return Ok(Exit::Mistakes);
    };
    let form = wanted.form.unwrap_or(resolved.config.log.format);
    let lines = Lines::new(form, wanted.has_stderr);
    let set_log = set_up_log(wanted.directives, &lines, &resolved.config);
    let process = Process {
        user: wanted.user.or_else(|| resolved.config.service.user.clone()),
        background: wanted.background,
        takes_over: wanted.takes_over,
        lines: lines.clone(),
    };
    let outcome = process.run(source, resolved, set_log);
    let outcome = match outcome {
        Err(error) if form == LogFormat::PgBouncer => {
            lines.fatal(&format!("{error:#}"));
            Ok(Exit::Failed)
        }
        outcome => outcome.map(|()| Exit::Done),
    };
    lines.flush(LAST_LINES_MAX);
    outcome
}

/// The process that is to serve.
struct Process {
    user: Option<String>,
    background: Option<Background>,
    takes_over: bool,
    lines: Lines,
}

impl Process {
    fn run(self, source: Source, resolved: Resolved, set_log: SetLog) -> anyhow::Result<()> {
        let account = self.user.as_deref().map(Account::find).transpose()?;
        let path = resolved.config.service.pidfile.clone();
        let takes_over = self.takes_over;
        if !takes_over {
            path.as_deref().map(Pidfile::look).transpose()?;
        }
        let manager = ServiceManager::find();
        let sockets = handed()?;
        if !sockets.is_empty() {
            warn!(
                "sockets passed from service manager; listen_addr, listen_port and unix_socket_dir are ignored"
            );
        }
        let signals = match resolved.raw.dialect {
            Dialect::Pgweir => Signals::Own,
            Dialect::PgBouncer => Signals::PgBouncer,
        };
        let pidfile = Rc::new(RefCell::new(None));
        let written = pidfile.clone();
        let (lines, config) = (self.lines, &resolved.config);
        let (log, listen) = (config.log.clone(), config.listen.clone());
        let has_sockets = !sockets.is_empty();
        let settle = move || {
            if let Some(account) = &account {
                if !has_sockets && let Some(folder) = &listen.unix_socket_dir {
                    account.own(&folder.join(format!(".s.PGSQL.{}", listen.port)))?;
                }
                account.become_it()?;
            }
            if let Some(path) = &path {
                *written.borrow_mut() = Some(match takes_over {
                    true => Pidfile::take_over(path)?,
                    false => Pidfile::write(path)?,
                });
            }
            lines.start(&log).map_err(|error| match &log.file {
                Some(path) => {
                    let message = format!("logfile {} cannot be opened: {error}", path.display());
                    io::Error::new(error.kind(), message)
                }
                None => error,
            })
        };
        let watchdog = manager.watchdog;
        let background = RefCell::new(self.background);
        let notify = move |notice: Notice<'_>| {
            manager.tell(notice);
            if notice == Notice::Ready
                && let Some(background) = background.take()
                && let Err(error) = background.is_up()
            {
                warn!(%error, "the terminal cannot be left");
            }
        };
        let host = Host {
            set_log,
            signals,
            sockets,
            takes_over,
            settle: Box::new(settle),
            notify: Box::new(notify),
            watchdog,
        };
        let outcome = pgweir_proxy::run(source, resolved, host);
        // Not before: another process may start as soon as it is gone.
        drop(pidfile);
        Ok(outcome?)
    }
}

/// Has events become lines; returns what changes that at run time.
fn set_up_log(directives: String, all: &Lines, config: &Config) -> SetLog {
    let filter = EnvFilter::new(config.log.level.unwrap_or(&directives));
    let (filter, handle) = reload::Layer::new(filter);
    flush_at_panic(all.clone());
    let lines = fmt::layer()
        .with_writer(all.clone())
        .with_ansi(output::stderr_has_colours())
        // Without standard error, reporting an error there would panic.
        .log_internal_errors(false);
    let lines = match all.form() {
        LogFormat::Text => lines.fmt_fields(Fields::default()).boxed(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
        LogFormat::PgBouncer => {
            let form = BouncerForm {
                port: config.listen.port,
            };
            lines.event_format(form).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
    let changed = all.clone();
    Box::new(move |settings: &Log| {
        // Cannot fail: the directives were parsed before, and the log lives as long as the process.
        let _ = handle.reload(EnvFilter::new(settings.level.unwrap_or(&directives)));
        changed.change(settings);
    })
}

/// What was logged before a panic stands before its report.
fn flush_at_panic(lines: Lines) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        lines.flush(LAST_LINES_MAX);
        report(info);
    }));
}

/// Time for the last lines, should nobody read them.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);

/// What the log lets through at first: `level`, or what -v or the variable says.
fn directives(level: Option<&'static str>, verbose: u8, variable: Option<String>) -> String {
    let level = match (level, verbose) {
        (Some(level), _) => level,
        (None, 0) => {
            let said = variable.filter(|text| !text.trim().is_empty());
            return said.unwrap_or_else(|| "info".to_owned());
        }
        (None, 1) => "debug",
        (None, _) => "trace",
    };
    level.to_owned()
}

/// Looks whether the log's directives can be meant.
///
/// # Errors
/// One of them does not end in a level, as the message says.
fn check(directives: &str) -> Result<(), clap::Error> {
    filter(directives).map(|_| ()).map_err(|why| {
        let message = format!(
            "{LOG_VARIABLE}={directives}: {why}; try info or debug, or info,pgweir_proxy=debug\n"
        );
        clap::Error::raw(ErrorKind::InvalidValue, message)
    })
}

/// The filter of the log.
///
/// # Errors
/// A directive does not end in a level. `EnvFilter` would take such a word for the name of a module and
/// silently switch off the rest of the log.
fn filter(directives: &str) -> Result<EnvFilter, String> {
    for directive in directives.split(',').filter(|part| !part.is_empty()) {
        // A span's fields, in brackets, may have equals signs too.
        let (module, level) = match directive.rsplit_once('=') {
            Some((module, level)) if !level.contains(']') => (module, level),
            _ => ("", directive),
        };
        let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if !is_level || (module.is_empty() && level != directive) {
            return Err(format!("{directive:?} has no level"));
        }
    }
    EnvFilter::try_new(directives).map_err(|error| error.to_string())
}

const LOG_VARIABLE: &str = "PGWEIR_LOG";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn arguments_win_over_the_variable() {
        let level = |line: &[&str], variable: Option<&str>| {
            let line = std::iter::once("serve").chain(line.iter().copied());
            let options = Line::try_parse_from(line).ok()?.options;
            let level = options.quiet.then_some("warn");
            let variable = variable.map(str::to_owned);
            Some(directives(level, options.verbose, variable))
        };
        assert_eq!(level(&[], None).as_deref(), Some("info"));
        assert_eq!(level(&[], Some("error")).as_deref(), Some("error"));
        assert_eq!(level(&["-v"], Some("error")).as_deref(), Some("debug"));
        assert_eq!(level(&["-vv"], None).as_deref(), Some("trace"));
        assert_eq!(level(&["-q"], Some("trace")).as_deref(), Some("warn"));
        assert_eq!(level(&["-q", "-v"], None), None);
        assert_eq!(level(&[], Some(" ")).as_deref(), Some("info"));
    }

    #[test]
    fn a_word_that_is_not_a_level_is_refused() {
        for good in [
            "warn",
            "WARN",
            "off",
            "3",
            "info,pgweir_proxy=debug",
            "info,pgweir_proxy::worker=trace,",
            "info,pgweir_proxy[client{id=7}]=trace",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in [
            "warning",
            "infos",
            "9",
            "pgweir_proxy",
            "pgweir_proxy=",
            "pgweir_proxy=warning",
            "info,pgweir_proxy=9",
            "info,debugg",
            "info,[client{id=7}]",
            "=info",
            "info, pgweir_proxy=debug",
        ] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
