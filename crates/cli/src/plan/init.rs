//! `pgweir plan init`: asks about a fleet and writes its description.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::keys::{Fallback, Key, Scope, find};
use pgweir_advisor::fleet::{self, Draft, Section, Value};

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
    let draft = ask(&mut io::stdin().lock(), &mut |question| {
        output::note(question)
    })
    .context("no more answers")?;
    let text = fleet::write(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&options.output)
        .with_context(|| format!("cannot make {}", options.output.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", options.output.display()))?;
    let file = options.output.display();
    output::note(&format!("Wrote {file}. Next: pgweir plan {file}"));
    Ok(Exit::Done)
}

/// Asks until its setting allows every answer.
fn ask(answers: &mut dyn BufRead, say: &mut dyn FnMut(&str)) -> io::Result<Draft> {
    let mut draft = Draft {
        database: Section::new(Origin::named("answer")),
        operations: Section::new(Origin::named("answer")),
        ..Draft::default()
    };
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
        // Check the name before five more questions, in a service that has nothing else.
        let mut named = Draft::default();
        named.service(&name, Origin::named("answer"));
        if let Err(problems) = fleet::resolve(&named, Vec::new()) {
            problems
                .iter()
                .for_each(|problem| say(&problem.to_string()));
            continue;
        }
        let mut section = Section::new(Origin::named("answer"));
        for key in ["kind", "replicas", "pool", "requests", "hold"] {
            setting(Scope::Service, key, &mut section, answers, say)?;
        }
        // Check the service as a whole, because values may contradict each other.
        let mut alone = Draft::default();
        *alone.service(&name, Origin::named("answer")) = section.clone();
        match fleet::resolve(&alone, Vec::new()) {
            Ok(_) => *draft.service(&name, Origin::named("answer")) = section,
            Err(problems) => problems
                .iter()
                .for_each(|problem| say(&problem.to_string())),
        }
    }
    say("A pooler in front of PostgreSQL: pgweir, pgbouncer or none [none]");
    loop {
        let answer = line(answers)?;
        match answer.as_str() {
            "" | "none" => break,
            "pgweir" | "pgbouncer" => {
                let mut pooler = Section::new(Origin::named("answer"));
                pooler.set("kind", answer);
                setting(Scope::Pooler, "instances", &mut pooler, answers, say)?;
                draft.pooler = Some(pooler);
                break;
            }
            _ => say("pgweir, pgbouncer or none?"),
        }
    }
    Ok(draft)
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
    loop {
        say(&format!("{}: {} [{default}]", key.name, key.about));
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

    fn asked(answers: &str) -> (io::Result<Draft>, String) {
        let mut said = String::new();
        let draft = ask(&mut answers.as_bytes(), &mut |line| {
            said.push_str(line);
            said.push('\n');
        });
        (draft, said)
    }

    #[test]
    fn answers_become_a_description_that_reads_back() {
        let answers =
            "17\n8\n32GB\n\napi\nsqlx\n3\n10\n50\n\nweb\nphp-fpm\n1\n\n\n\n\npgbouncer\n2\n";
        let (draft, _) = asked(answers);
        let text = fleet::write(&draft.unwrap());
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
        let (draft, said) = asked("twelve\n17\n\n\n\n\nBad Name\napi\n\n\n\n\n\n\nmaybe\nnone\n");
        assert_eq!(draft.unwrap().services.len(), 1);
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
    fn answers_that_end_are_an_error() {
        assert!(asked("17\n").0.is_err());
    }
}
