//! `pgweir doctor`: what is wrong with a running PostgreSQL, and what to do about it.

mod address;
mod ask;
mod explain;
mod fix;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, Subcommand, ValueEnum};
use pgweir_advisor::show::Colours;
use pgweir_advisor::units::Bytes;
use pgweir_doctor::{Check, Given, Report, Severity, State};
use serde_json::json;

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use address::Address;
use ask::{Asked, Patience};
use watch::Watch;

/// Finds out what is wrong with a running PostgreSQL, and what to do about it.
///
/// Asks over one connection, in transactions that only read, and changes nothing. What the role may not
/// see is reported as skipped, with the privilege that it takes. docs/doctor.md explains every check.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  pgweir doctor postgres://postgres:secret@db/app
  DATABASE_URL=postgres://app:secret@db/app pgweir doctor --format markdown
  pgweir doctor --json --ram 16GB --after idle-in-transaction=10s postgres://db/app?user=monitor
  pgweir doctor --console postgres://stats:secret@pooler:6432/pgbouncer postgres://postgres:secret@db/app
  pgweir doctor --watch --every 5s
  pgweir doctor --format junit > doctor.xml
  pgweir doctor --list
  pgweir doctor explain \"FATAL: sorry, too many clients already\"
  pgweir doctor fix missing-timeouts --url postgres://postgres:secret@db/app

Exit codes:
  0  nothing is wrong with what was seen
  1  warnings
  2  the command line has mistakes
  3  something is critical
  4  the server cannot be reached, or lets us in only with --reserved"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// postgres://USER:PASSWORD@HOST/DATABASE; `-` or nothing takes it from DATABASE_URL, and a
    /// missing password from PGPASSWORD
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Console of PgBouncer or pgweir, postgres://USER:PASSWORD@HOST:6432/pgbouncer; may be repeated.
    /// Without a URL of PostgreSQL consoles alone are examined
    #[arg(long, value_name = "URL")]
    console: Vec<String>,
    /// Only these checks
    #[arg(long, value_name = "CHECK,…", value_delimiter = ',')]
    check: Vec<String>,
    /// Form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json (docs/doctor.schema.json)
    #[arg(long)]
    json: bool,
    /// Show checks that are ok, too (JSON and Markdown always have them)
    #[arg(long, short)]
    all: bool,
    /// Stay in a slot that is reserved for superusers where no other is left
    #[arg(long)]
    reserved: bool,
    /// Memory of PostgreSQL's machine, such as 16GB
    #[arg(long, value_parser = bytes)]
    ram: Option<Bytes>,
    /// Physical cores of PostgreSQL's machine
    #[arg(long)]
    cores: Option<u32>,
    /// Warn from this age on, instead of the check's own
    #[arg(long, value_name = "CHECK=TIME", value_parser = after)]
    after: Vec<(String, f64)>,
    /// Time for the login
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    connect_timeout: Duration,
    /// Time for each question
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    timeout: Duration,
    /// Look again and again, and print what changes, a line each (with --json an object each)
    #[arg(long)]
    watch: bool,
    /// Pause between two looks of --watch
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    every: Duration,
    /// End --watch after so many looks, with the exit code of the last
    #[arg(long, value_name = "LOOKS", requires = "watch")]
    rounds: Option<u32>,
    /// List the checks, and connect to nothing
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explain(explain::Options),
    Fix(fix::Options),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
    Sarif,
    Junit,
}

/// Examines. Every other error ends with [`Exit::Usage`], because 3 is a verdict.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    match answer(options) {
        Ok(exit) => Ok(exit),
        Err(error) if error.is::<clap::Error>() => Err(error),
        Err(error) => {
            output::note(&format!("pgweir: {error:#}"));
            Ok(Exit::Usage)
        }
    }
}

fn answer(options: &Options) -> anyhow::Result<Exit> {
    match &options.command {
        Some(Command::Explain(options)) => return explain::run(options),
        Some(Command::Fix(options)) => return fix::run(options),
        None => {}
    }
    let checks = chosen(&options.check)?;
    let format = if options.json {
        Format::Json
    } else {
        options.format
    };
    if options.list {
        output::print(&list(&checks, format))?;
        return Ok(Exit::Done);
    }
    let (server, consoles) = places(options.url.as_deref(), &options.console)?;
    let given = Given {
        ram: options.ram,
        cores: options.cores,
        after_s: options.after.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    let patience = Patience {
        login: options.connect_timeout,
        answer: options.timeout,
        takes_reserved: options.reserved,
    };
    let runtime = runtime()?;
    if options.watch {
        let watch = Watch {
            server: server.as_ref(),
            consoles: &consoles,
            checks: &checks,
            given,
            patience,
            pause: options.every,
            format,
            rounds: options.rounds,
        };
        let target = shown(server.as_ref(), &consoles);
        return runtime.block_on(async {
            let mut interrupt = Interrupt::install().context("cannot handle signals")?;
            tokio::select! {
                last = watch.run(&target) => Ok(last?.map_or(Exit::Unreached, exit)),
                exit = interrupt.wait() => Ok(exit),
            }
        });
    }
    let asked = runtime.block_on(async {
        let mut interrupt = Interrupt::install().context("cannot handle signals")?;
        // Dropping the questions closes their connection; what still runs there ends at its limit of time.
        tokio::select! {
            asked = ask::ask(server.as_ref(), &consoles, &checks, given, patience) => Ok(Ok(asked)),
            exit = interrupt.wait() => anyhow::Ok(Err(exit)),
        }
    })?;
    let shown = shown(server.as_ref(), &consoles);
    let (report, exit) = match asked {
        Err(interrupted) => return Ok(interrupted),
        Ok(Asked::Silent(why)) => (pgweir_doctor::unreachable(&shown, &why), Exit::Unreached),
        Ok(Asked::Answered(sample)) => {
            let report = pgweir_doctor::examine(&shown, &sample, &checks);
            let exit = exit(report.state);
            (report, exit)
        }
    };
    output::print(&written(&report, format, options.all))?;
    Ok(exit)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("cannot start")
}

/// PostgreSQL, which may be left out where there are consoles, and the consoles.
fn places(
    url: Option<&str>,
    consoles: &[String],
) -> anyhow::Result<(Option<Address>, Vec<Address>)> {
    let consoles = consoles
        .iter()
        .map(|url| Address::of_console(url).map_err(usage));
    let consoles = consoles.collect::<anyhow::Result<Vec<_>>>()?;
    let alone = url.is_none() && !consoles.is_empty() && std::env::var_os("DATABASE_URL").is_none();
    let server = match alone {
        true => None,
        false => Some(Address::read(url).map_err(usage)?),
    };
    Ok((server, consoles))
}

/// What is examined, without secrets.
fn shown(server: Option<&Address>, consoles: &[Address]) -> String {
    match server {
        Some(server) => server.shown.clone(),
        None => {
            let consoles = consoles.iter().map(|console| console.shown.as_str());
            consoles.collect::<Vec<_>>().join(", ")
        }
    }
}

fn exit(state: State) -> Exit {
    match state {
        State::Ok | State::Skipped => Exit::Done,
        State::Warning => Exit::Mistakes,
        State::Critical => Exit::Failed,
    }
}

fn written(report: &Report, format: Format, all: bool) -> String {
    match format {
        Format::Text => {
            let colours = Colours(output::stdout_has_colours());
            pgweir_doctor::text(report, all, colours)
        }
        Format::Markdown => pgweir_doctor::markdown(report),
        Format::Json => format!("{:#}\n", pgweir_doctor::json(report)),
        Format::Sarif => format!("{:#}\n", pgweir_doctor::sarif(report)),
        Format::Junit => pgweir_doctor::junit(report),
    }
}

fn chosen(ids: &[String]) -> anyhow::Result<Vec<&'static dyn Check>> {
    if ids.is_empty() {
        return Ok(pgweir_doctor::all().to_vec());
    }
    let named = |id: &String| {
        let check = pgweir_doctor::named(id);
        check.ok_or_else(|| {
            usage(format!(
                "there is no check {id:?}; pgweir doctor --list lists them"
            ))
        })
    };
    ids.iter().map(named).collect()
}

fn usage(message: String) -> anyhow::Error {
    clap::Error::raw(ErrorKind::InvalidValue, message + "\n").into()
}

fn list(checks: &[&dyn Check], format: Format) -> String {
    let abouts = checks.iter().map(|check| check.about());
    if format == Format::Json {
        let all = abouts.map(|about| {
            json!({
                "id": about.id,
                "title": about.title,
                "why": about.why,
                "worst": word(about.worst),
                "source": about.source,
                "privilege": about.privilege.words(),
            })
        });
        return format!("{:#}\n", json!(all.collect::<Vec<_>>()));
    }
    abouts
        .map(|about| {
            format!(
                "{}: {}\n  at worst {}, needs {}; {}\n  {}\n",
                about.id,
                about.title,
                word(about.worst),
                about.privilege.words(),
                about.source,
                about.why
            )
        })
        .collect()
}

fn word(severity: Severity) -> &'static str {
    State::from(severity).word()
}

fn time(text: &str) -> Result<Duration, String> {
    let time = pgweir_settings::time::read(text, &pgweir_settings::time::UNITS);
    match time {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("not a time above zero, such as 500ms, 10s or 5min".to_owned()),
    }
}

fn after(text: &str) -> Result<(String, f64), String> {
    let (id, text) = text
        .split_once('=')
        .ok_or("write CHECK=TIME, such as blocking=1s")?;
    if pgweir_doctor::named(id).is_none() {
        return Err(format!(
            "there is no check {id:?}; pgweir doctor --list lists them"
        ));
    }
    Ok((id.to_owned(), time(text)?.as_secs_f64()))
}

fn bytes(text: &str) -> Result<Bytes, String> {
    let wrong = || "not an amount of memory, such as 16GB or 512MB".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let kib = match unit.trim() {
        "kB" | "KB" | "k" => 1,
        "MB" | "M" | "MiB" | "Mi" => 1 << 10,
        "GB" | "G" | "GiB" | "Gi" => 1 << 20,
        "TB" | "T" | "TiB" | "Ti" => 1 << 30,
        _ => return Err(wrong()),
    };
    match number.checked_mul(kib) {
        Some(1..) => Ok(Bytes::kib(number * kib)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::{after, bytes};
    use pgweir_advisor::units::Bytes;

    #[test]
    fn amounts_and_ages_are_read_with_their_units() {
        for (text, expected) in [
            ("16GB", Ok(Bytes::gib(16))),
            ("512MiB", Ok(Bytes::mib(512))),
            ("0GB", Err(())),
            ("16", Err(())),
            ("much", Err(())),
            ("99999999999999999999GB", Err(())),
        ] {
            assert_eq!(bytes(text).map_err(|_| ()), expected, "{text}");
        }
        for (text, expected) in [
            ("blocking=500ms", Ok(("blocking".to_owned(), 0.5))),
            ("blocking", Err(())),
            ("blocking=0s", Err(())),
            ("nothing=1s", Err(())),
        ] {
            assert_eq!(after(text).map_err(|_| ()), expected, "{text}");
        }
    }
}
