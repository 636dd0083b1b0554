//! `--from`: what files of other programs say of a fleet.
//!
//! Each kind of file is read into a draft by a function of its own, from text alone. Only plain values
//! count: what refers to a variable is left out.

mod compose;
mod container;
pub(crate) mod database;
mod kubernetes;
mod lines;
mod pgbouncer;
mod postgresql;
mod said;
mod sqlx_code;
mod yaml;

use std::collections::HashSet;
use std::path::Path;

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{self, Draft, Problem};

/// A file's name and text, for the readers.
pub(crate) struct Source<'a> {
    /// As the operator named it.
    pub(crate) name: &'a str,
    /// What is in it.
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// A line of it, counted from 1.
    pub(crate) fn line(&self, line: usize) -> Origin {
        Origin::line(self.name.into(), u32::try_from(line).unwrap_or(u32::MAX))
    }

    /// A name for the service that it belongs to: the file's own, or that of its folder.
    fn service(&self) -> String {
        let path = Path::new(self.name);
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let generic = stem.starts_with('.') || ["schema", "www", "main", "env"].contains(&stem);
        let folders = path
            .ancestors()
            .skip(1)
            .filter_map(|folder| folder.file_name()?.to_str());
        let mut folders = folders.filter(|name| !["prisma", "src"].contains(name));
        let name = if generic {
            folders.next().unwrap_or("app")
        } else {
            stem
        };
        service_name(name)
    }
}

/// A name that the planner takes.
pub(crate) fn service_name(name: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    let name: String = name.chars().map(letter).take(53).collect();
    let name = name.trim_matches('-');
    match name.chars().next() {
        Some(first) if first.is_ascii_lowercase() => name.to_owned(),
        Some(_) => format!("service-{name}"),
        None => "app".to_owned(),
    }
}

/// Names of services that were given out. One that was is never given again: two services under one name
/// would count as one.
#[derive(Debug, Default)]
struct Names(HashSet<String>);

impl Names {
    /// The first of these that is free, as a name that the planner takes; else the last with a number.
    fn take(&mut self, wanted: &[&str]) -> String {
        let wanted = wanted.iter().map(|name| service_name(name));
        let mut name = String::new();
        for wanted in wanted {
            name = wanted;
            if self.0.insert(name.clone()) {
                return name;
            }
        }
        let mut number = 2_u64;
        loop {
            let numbered = format!("{}-{number}", &name[..name.len().min(NUMBERED_MAX)]);
            if self.0.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }
}

/// Letters of a name that has a number behind it.
const NUMBERED_MAX: usize = 45;

/// Reads a file by what it looks like.
pub(crate) fn read(name: &str, text: &str) -> (Draft, Vec<Problem>) {
    let source = Source { name, text };
    let path = Path::new(name);
    let file = path
        .file_name()
        .and_then(|file| file.to_str())
        .unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str());
    let draft = match extension {
        Some("toml") => return fleet::read(name, text),
        Some("prisma") => lines::prisma_schema(&source),
        Some("ini") => pgbouncer::read(&source),
        Some("conf") if text.contains("pm.max_children") => lines::php_fpm(&source),
        Some("conf") => postgresql::read(&source),
        Some("rs") => sqlx_code::read(&source),
        Some("env") => lines::environment(&source),
        _ if file.starts_with(".env") => lines::environment(&source),
        Some("yml" | "yaml") => {
            let documents = match yaml::documents(text) {
                Ok(documents) => documents,
                Err((line, message)) => {
                    let origin = source.line(line);
                    return (torn(), vec![Problem::new(&origin, "", message)]);
                }
            };
            if documents
                .iter()
                .any(|document| document.get("services").is_some())
            {
                compose::read(&source, &documents)
            } else {
                kubernetes::read(&source, &documents)
            }
        }
        _ => {
            let problem = Problem::new(&source.line(0), "", "is no kind of file that is known")
                .with_suggestion(
                    "known are docker-compose and Kubernetes (.yaml), .env, php-fpm and PostgreSQL (.conf), \
                     pgbouncer.ini, schema.prisma, Rust with SQLx (.rs) and fleet.toml",
                );
            return (torn(), vec![problem]);
        }
    };
    (draft, Vec::new())
}

fn torn() -> Draft {
    Draft {
        torn: true,
        ..Draft::default()
    }
}

#[cfg(test)]
mod tests;
