//! `pgweir help`: the manual, which is in the binary, for there an installed one has nothing else.

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use pgweir_config::settings::{Scope, find};

use crate::exit::Exit;
use crate::output;

/// Prints a chapter of the manual, what a setting means, or the help of a command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgweir help                 lists the chapters
  pgweir help configuration
  pgweir help pool_mode
  pgweir help serve")]
pub(crate) struct Options {
    /// A chapter, a setting or a command
    topic: Option<String>,
}

/// A chapter: its name, what it is about, and its text.
type Chapter = (&'static str, &'static str, &'static str);

macro_rules! chapter {
    ($name:literal, $about:literal) => {
        (
            $name,
            $about,
            include_str!(concat!("../../../docs/", $name, ".md")),
        )
    };
}

/// The manual.
const CHAPTERS: &[Chapter] = &[
    chapter!(
        "configuration",
        "settings, where they may stand, what they do"
    ),
    chapter!(
        "pgbouncer",
        "coming from PgBouncer: its settings, signals and files"
    ),
    chapter!("console", "the admin console: SHOW, PAUSE, RELOAD …"),
    chapter!(
        "peers",
        "several processes at one address, and restarts that refuse nobody"
    ),
    chapter!("tls", "encryption of both sides"),
    chapter!("security", "who is let in, and what keeps others out"),
    chapter!("dashboard", "the page, pgweir top, and their tokens"),
    chapter!("metrics", "every metric, the paths of HTTP"),
    chapter!(
        "alerts",
        "rules for Prometheus, and what to do when one fires"
    ),
    chapter!("logs", "every line of the log"),
    chapter!("planning", "pgweir plan: facts, formulas, files"),
    chapter!(
        "doctor",
        "pgweir doctor: what is wrong with a running PostgreSQL"
    ),
    chapter!("sqlx", "pgweir-sqlx, the pool for services in Rust"),
];

/// Prints it.
pub(crate) fn run<C: CommandFactory>(options: &Options) -> anyhow::Result<Exit> {
    let Some(topic) = options.topic.as_deref() else {
        output::print(&contents())?;
        return Ok(Exit::Done);
    };
    let Some(text) = text::<C>(topic) else {
        let message = format!(
            "there is no chapter, setting or command {topic:?}\n{}",
            contents()
        );
        return Err(clap::Error::raw(ErrorKind::InvalidValue, message).into());
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

/// What is known of a topic.
fn text<C: CommandFactory>(topic: &str) -> Option<String> {
    // As the manual calls its files.
    let name = topic.strip_prefix("docs/").unwrap_or(topic);
    let name = name.strip_suffix(".md").unwrap_or(name);
    let mut chapters = CHAPTERS.iter();
    if let Some((.., text)) = chapters.find(|(known, ..)| *known == name) {
        return Some((*text).to_owned());
    }
    let mut commands = C::command();
    if let Some(command) = commands.find_subcommand_mut(topic) {
        let name = format!("pgweir {topic}");
        let help: StyledStr = command.clone().bin_name(name).render_long_help();
        return Some(help.to_string());
    }
    setting(topic)
}

/// What a setting means, wherever it may stand.
fn setting(name: &str) -> Option<String> {
    let scopes = [Scope::Global, Scope::Database, Scope::User];
    let found: Vec<_> = (scopes.iter())
        .filter_map(|scope| Some((scope, find(*scope, name)?)))
        .collect();
    let (_, setting) = found.first()?;
    let places: Vec<&str> = found.iter().map(|(scope, _)| scope.title()).collect();
    let default = match setting.default {
        "" => "unset",
        default => default,
    };
    let reload = match setting.reload {
        true => "a reload (SIGHUP) changes it",
        false => "needs a restart",
    };
    Some(format!(
        "{name}: {}\n\n  takes    {}\n  default  {default}\n  in       {}\n  {reload}\n\n\
         All settings: pgweir help configuration\n",
        setting.meaning,
        setting.kind.describe(),
        places.join(", "),
    ))
}

/// What there is.
fn contents() -> String {
    let mut text = "The manual:\n".to_owned();
    for (name, about, _) in CHAPTERS {
        text += &format!("  pgweir help {name:<14} {about}\n");
    }
    text + "\nOf one setting: pgweir help NAME; of a command: pgweir help COMMAND.\n"
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{CHAPTERS, text};

    #[derive(Parser)]
    #[command(name = "pgweir")]
    enum Commands {
        /// Serves.
        Serve,
    }

    #[test]
    fn chapters_settings_and_commands_are_found_under_their_names() {
        let said = |topic| text::<Commands>(topic).unwrap_or_default();
        for (name, ..) in CHAPTERS {
            assert!(said(name).starts_with("# "), "{name}");
        }
        assert_eq!(said("docs/metrics.md"), said("metrics"));
        assert!(
            said("pool_mode").contains("[databases.NAME]"),
            "{}",
            said("pool_mode")
        );
        assert!(said("serve").contains("Serves"));
        assert_eq!(said("poolmode"), "");
    }

    #[test]
    fn every_chapter_of_the_manual_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let files = std::fs::read_dir(folder).unwrap();
        for file in files {
            let name = file.unwrap().file_name().into_string().unwrap();
            if let Some(chapter) = name.strip_suffix(".md") {
                assert!(
                    CHAPTERS.iter().any(|(known, ..)| *known == chapter),
                    "{name}"
                );
            }
        }
    }
}
