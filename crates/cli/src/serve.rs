//! `pgweir serve`: the pooler itself.

use std::env;
use std::fs::File;
use std::io::{self, stderr};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::error::ErrorKind;
use pgweir_config::Source;
use pgweir_proxy::SetLogLevel;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::exit::Exit;
use crate::log::{Fields, Queue};
use crate::mistakes::{self, Mistake};
use crate::output;
use crate::source::Configuration;

/// Serves clients until SIGTERM; SIGHUP reads the configuration again.
///
/// The log goes to standard error. Its level is `info` unless -v, -q or PGWEIR_LOG set another: `error`,
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
    /// How lines of the log look
    #[arg(long, value_enum, default_value_t, env = "PGWEIR_LOG_FORMAT")]
    log_format: Format,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Serves.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    let source = options.configuration.source()?;
    let level = options.quiet.then_some("warn");
    let lines = (options.verbose, options.log_format);
    start(source, (level, false), lines, options.takeover)
}

/// Serves with the command line of PgBouncer; a log that is `silenced` stays so, whatever the file says.
pub(crate) fn with_log(
    source: Source,
    silenced: Option<&'static str>,
    verbose: u8,
    format: Format,
    takes_over: bool,
) -> anyhow::Result<Exit> {
    let level = (silenced, silenced.is_some());
    start(source, level, (verbose, format), takes_over)
}

fn start(
    source: Source,
    (level, is_fixed): (Option<&'static str>, bool),
    (verbose, format): (u8, Format),
    takes_over: bool,
) -> anyhow::Result<Exit> {
    let directives = directives(level, verbose, env::var(LOG_VARIABLE).ok());
    let (set_level, log) = start_log(directives, format)?;
    let set_level = match is_fixed {
        true => Box::new(|_: Option<&str>| {}),
        false => set_level,
    };
    let outcome = serve(source, set_level, takes_over);
    log.flush(LAST_LINES_MAX);
    outcome
}

fn serve(source: Source, set_level: SetLogLevel, takes_over: bool) -> anyhow::Result<Exit> {
    let resolved = match pgweir_proxy::load(&source) {
        Ok(resolved) => resolved,
        Err(problems) => {
            let mistakes: Vec<Mistake> = problems.iter().map(Mistake::from).collect();
            output::note(&mistakes::text(&mistakes, output::stderr_terminal()));
            return Ok(Exit::Mistakes);
        }
    };
    let signals = pgweir_proxy::Signals::Own;
    pgweir_proxy::run(source, resolved, set_level, signals, takes_over)?;
    Ok(Exit::Done)
}

/// Starts the log; returns what changes its level at run time, and its lines.
fn start_log(directives: String, format: Format) -> anyhow::Result<(SetLogLevel, Queue)> {
    let filter = filter(&directives).map_err(|why| {
        let message = format!(
            "{LOG_VARIABLE}={directives}: {why}; try info or debug, or info,pgweir_proxy=debug\n"
        );
        clap::Error::raw(ErrorKind::InvalidValue, message)
    })?;
    let (filter, handle) = reload::Layer::new(filter);
    // Another handle of standard error: a thread that is stuck there must not have its lock.
    let sink: Box<dyn io::Write + Send> = match stderr().as_fd().try_clone_to_owned() {
        Ok(handle) => Box::new(File::from(handle)),
        Err(_) => Box::new(io::sink()),
    };
    let queue = Queue::start(sink).context("the log cannot be started")?;
    flush_at_panic(queue.clone());
    let lines = fmt::layer()
        .with_writer(queue.clone())
        .with_ansi(output::stderr_has_colours())
        // Without standard error, reporting an error there would panic.
        .log_internal_errors(false);
    let lines = match format {
        Format::Text => lines.fmt_fields(Fields::default()).boxed(),
        Format::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
    let set_level = move |level: Option<&str>| {
        // Cannot fail: the directives were parsed before, and the log lives as long as the process.
        let _ = handle.reload(EnvFilter::new(level.unwrap_or(&directives)));
    };
    Ok((Box::new(set_level), queue))
}

/// What was logged before a panic stands before its report.
fn flush_at_panic(queue: Queue) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        queue.flush(LAST_LINES_MAX);
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
