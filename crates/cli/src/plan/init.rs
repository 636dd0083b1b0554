//! `pgweir plan init`: asks about a fleet and writes its description.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::keys::{Fallback, Key, Scope, find};
use pgweir_advisor::fleet::{self, Draft, Kind, Problem, Section, Value};

use crate::exit::Exit;
use crate::fleet::DEFAULT_FILE;
use crate::output;

/// Asks a few questions and writes a description of the fleet.
///
/// An empty answer takes the default. Answers are read from standard input, so a file with one
/// answer per line works as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pgweir plan init --output fleet.toml")]
pub(crate) struct Options {
    /// File to write; it must not exist
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    output: PathBuf,
}

/// Asks and writes.
pub(crate) fn run(options: &Options) -> anyhow::Result<Exit> {
    if options.output.exists() {
        bail!(
            "{} exists; name another with --output",
            options.output.display()
        );
    }
    let mut draft = Draft {
        database: Section::new(Origin::named("answer")),
        operations: Section::new(Origin::named("answer")),
        ..Draft::default()
    };
    let asked = ask(&mut draft, &mut io::stdin().lock(), &mut |question| {
        output::note(question)
    });
    match asked {
        Ok(()) => {}
        // Answers are not thrown away because the next one did not come.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            output::note("The answers end here: the rest keeps its defaults.");
        }
        Err(error) => return Err(error).context("answers cannot be read"),
    }
    let text = fleet::write(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&options.output)
        .with_context(|| format!("cannot make {}", options.output.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", options.output.display()))?;
    let file = options.output.display();
    if draft.services.is_empty() {
        output::note(&format!(
            "Wrote {file}, but it has no service yet: add [services.NAME] with its kind, replicas and pool"
        ));
        return Ok(Exit::Usage);
    }
    output::note(&format!("Wrote {file}. Next: pgweir plan {file}"));
    Ok(Exit::Done)
}

/// Asks until its setting allows every answer. What was answered is in the draft whatever comes.
fn ask(draft: &mut Draft, answers: &mut dyn BufRead, say: &mut dyn FnMut(&str)) -> io::Result<()> {
    say("The database. An empty answer takes the default.");
    for name in ["version", "physical_cores", "ram", "max_connections"] {
        setting(Scope::Database, name, &mut draft.database, answers, say)?;
    }
    loop {
        say("Name of a service (empty: no more services)");
        let name = line(answers)?;
        if name.is_empty() {
            if draft.services.is_empty() {
                say("A fleet has at least one service.");
                continue;
            }
            break;
        }
        service(&name, draft, answers, say)?;
    }
    pooler(draft, answers, say)
}

fn service(
    name: &str,
    draft: &mut Draft,
    answers: &mut dyn BufRead,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let alone = |section: Section| {
        let mut alone = Draft::default();
        *alone.service(name, Origin::named("answer")) = section;
        fleet::resolve(&alone, Vec::new())
    };
    let mut section = Section::new(Origin::named("answer"));
    // Check the name before more questions, in a service that has nothing else.
    if let Err(problems) = alone(section.clone()) {
        tell(&problems, say);
        return Ok(());
    }
    let asked = facts_of_service(&mut section, answers, say);
    // Check the service as a whole, because values may contradict each other.
    match alone(section.clone()) {
        Ok(_) => *draft.service(name, Origin::named("answer")) = section,
        Err(problems) => tell(&problems, say),
    }
    asked
}

/// Its kind, and then what counts for that kind.
fn facts_of_service(
    section: &mut Section,
    answers: &mut dyn BufRead,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let mut ask =
        |name: &str, section: &mut Section| setting(Scope::Service, name, section, answers, say);
    ask("kind", section)?;
    ask("replicas", section)?;
    let kind = section.get("kind").map(|given| given.value.to_string());
    let (size, time) = match kind.as_deref().map(|kind| kind.trim_matches('"')) {
        Some("php-fpm") => ("pool", "request_time"),
        Some("octane" | "queue") => ("processes", "request_time"),
        Some("serverless") => ("pool", "request_time"),
        _ => ("pool", "hold"),
    };
    ask(size, section)?;
    ask("requests", section)?;
    ask(time, section)
}

fn pooler(
    draft: &mut Draft,
    answers: &mut dyn BufRead,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    say("A pooler in front of PostgreSQL: pgweir, pgbouncer or none [none]");
    loop {
        let answer = line(answers)?;
        match answer.as_str() {
            "" | "none" => return Ok(()),
            "pgweir" | "pgbouncer" => {
                let mut pooler = Section::new(Origin::named("answer"));
                pooler.set("kind", answer);
                let asked = setting(Scope::Pooler, "instances", &mut pooler, answers, say);
                draft.pooler = Some(pooler);
                return asked;
            }
            _ => say("pgweir, pgbouncer or none?"),
        }
    }
}

fn tell(problems: &[Problem], say: &mut dyn FnMut(&str)) {
    for problem in problems {
        say(&problem.to_string());
    }
}

fn setting(
    scope: Scope,
    name: &str,
    section: &mut Section,
    answers: &mut dyn BufRead,
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let key: &Key = find(scope, name).expect("the table has every setting that is asked for");
    let default = match key.fallback {
        Fallback::Is(text) => text.trim_matches('"').to_owned(),
        Fallback::Follows => key.why.to_owned(),
        Fallback::Unknown => "not known".to_owned(),
    };
    let choices = match key.kind {
        Kind::Choice(words) => format!(": {}", words.join(", ")),
        _ => String::new(),
    };
    loop {
        say(&format!("{}: {}{choices} [{default}]", key.name, key.about));
        let answer = line(answers)?;
        if answer.is_empty() {
            return Ok(());
        }
        let value = Value::from_text(&answer);
        if key.kind.allows(&value) {
            section.set(name, value);
            return Ok(());
        }
        say(&format!("It must be {}.", key.kind.allowed()));
    }
}

fn line(answers: &mut dyn BufRead) -> io::Result<String> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &str) -> (Draft, io::Result<()>, String) {
        let mut said = String::new();
        let mut draft = Draft::default();
        let ended = ask(&mut draft, &mut answers.as_bytes(), &mut |line| {
            said.push_str(line);
            said.push('\n');
        });
        (draft, ended, said)
    }

    #[test]
    fn answers_become_a_description_that_reads_back() {
        let answers =
            "17\n8\n32GB\n\napi\nsqlx\n3\n10\n50\n\nweb\nphp-fpm\n1\n\n\n\n\npgbouncer\n2\n";
        let (draft, ended, said) = asked(answers);
        ended.unwrap();
        assert!(said.contains("made of: prisma6, prisma7, sqlx"), "{said}");
        let text = fleet::write(&draft);
        let (back, problems) = fleet::read("fleet.toml", &text);
        assert_eq!(problems, []);
        let facts = fleet::resolve(&back, problems).unwrap();
        assert_eq!(facts.services.len(), 2);
        assert_eq!(facts.services[0].pool.0, 10);
        assert_eq!(facts.database.physical_cores, 8);
        assert_eq!(facts.pooler.unwrap().instances, 2);
    }

    #[test]
    fn a_wrong_answer_is_asked_for_again() {
        let (draft, _, said) =
            asked("twelve\n17\n\n\n\n\nBad Name\napi\n\n\n\n\n\n\nmaybe\nnone\n");
        assert_eq!(draft.services.len(), 1);
        for words in [
            "It must be a whole number from 13 to 18.",
            "A fleet has at least one service.",
            "call it bad-name",
            "pgweir, pgbouncer or none?",
        ] {
            assert!(said.contains(words), "{words} in\n{said}");
        }
    }

    #[test]
    fn answers_that_end_early_are_kept() {
        let (draft, ended, _) = asked("17\n8\n");
        assert!(ended.is_err());
        assert_eq!(
            draft.database.get("physical_cores").unwrap().value,
            Value::Integer(8)
        );
        let (draft, ended, said) = asked("\n\n\n\njobs\nqueue\n3\n");
        assert!(ended.is_err());
        assert!(
            said.ends_with("workers for octane and queue [1]\n"),
            "{said}"
        );
        let (name, service) = &draft.services[0];
        assert_eq!(
            (
                name.as_str(),
                service.get("replicas").unwrap().value.clone()
            ),
            ("jobs", Value::Integer(3))
        );
        let (draft, ended, _) = asked("\n\n\n\na\n\n\n\n\n\n\npgweir\n");
        assert!(ended.is_err() && draft.pooler.is_some());
    }
}
