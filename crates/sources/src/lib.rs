//! Reads files of other programs (docker-compose, Kubernetes, settings of applications) into drafts of
//! fleets: texts in, drafts out.
//!
//! Readers only collect what files say ([`inventory`]). What that means is decided afterwards from all
//! files together, so that it does not depend on their order. Whatever could open connections to
//! PostgreSQL is counted, or named as not understood.

pub mod apps;
mod compose;
mod file;
mod formats;
mod image;
pub mod inventory;
mod kubernetes;
mod lines;
mod names;
mod pgbouncer;
mod postgresql;
mod reference;
mod resolve;
mod said;
mod url;
mod yaml;

use pgweir_advisor::fleet::{self, Draft, Problem};

use file::{Library, SourceFile, belongs_to, without_mark};
use inventory::{Count, Inventory, Place, Pooler, Server};
pub use names::{Names, service_name};
pub use postgresql::server_setting;

/// What files say.
#[derive(Debug)]
pub struct Reading {
    /// A fleet for each PostgreSQL, that with the most connections first; at least one.
    pub fleets: Vec<Draft>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads files, each a name and a text. `fetch` gets a file that one of them names, such as an `env_file`,
/// if there is one.
pub fn read(files: &[(String, String)], fetch: &dyn Fn(&str) -> Option<String>) -> Reading {
    let mut library = Library::new(files, fetch);
    let mut reader = Reader::default();
    reader.inventory.variables = formats::variables(files);
    let of_kind = |yaml: bool| files.iter().filter(move |(name, _)| is_yaml(name) == yaml);
    for (name, text) in of_kind(true) {
        reader.yaml(name, without_mark(text));
    }
    let Reader {
        composes, objects, ..
    } = &mut reader;
    let (composes, objects) = (std::mem::take(composes), std::mem::take(objects));
    compose::read(composes, &mut library, &mut reader.inventory);
    kubernetes::read(&objects, &mut reader.inventory);
    for (name, text) in of_kind(false) {
        if !library.is_taken(name) {
            reader.other(name, without_mark(text), &mut library);
        }
    }
    let mut fleets = resolve::drafts(reader.inventory);
    fleets[0].torn |= reader.torn;
    for given in reader.given {
        fleets[0].overlay(given);
    }
    Reading {
        fleets,
        problems: reader.problems,
    }
}

fn is_yaml(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("yml" | "yaml"))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    composes: Vec<compose::File>,
    objects: Vec<yaml::Node>,
    inventory: Inventory,
    /// Fleets as the planner has them.
    given: Vec<Draft>,
    problems: Vec<Problem>,
    /// Whether parts could not be read at all.
    torn: bool,
}

impl Reader {
    fn yaml(&mut self, name: &str, text: &str) {
        let source = SourceFile { name, text };
        let documents = match yaml::documents(&source) {
            Ok(documents) => documents,
            Err((line, message)) => {
                // Ruby puts more into its files than YAML knows.
                if let Some(programs) = self.settings(name, text) {
                    return self.programs(name, text, programs);
                }
                let mut problem = Problem::new(&source.line(line), "", message);
                if text.contains("{{") {
                    problem = problem.with_suggestion("give what `helm template` writes of it");
                }
                return self.torn(problem);
            }
        };
        let mut known = documents.is_empty();
        for document in documents {
            if compose::is_compose(&document) {
                known = true;
                let name = name.to_owned();
                let node = document;
                self.composes.push(compose::File { name, node });
            } else if kubernetes::is_object(&document) {
                known = true;
                self.objects.push(document);
            } else {
                known |= document.fields().is_empty();
            }
        }
        if !known {
            match self.settings(name, text) {
                Some(programs) => self.programs(name, text, programs),
                None => self.unknown_kind(&source),
            }
        }
    }

    fn other(&mut self, name: &str, text: &str, library: &mut Library<'_>) {
        let source = SourceFile { name, text };
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        match extension {
            Some("toml") if self.settings(name, text).is_none() => {
                let (draft, problems) = fleet::read(name, text);
                self.given.push(draft);
                self.problems.extend(problems);
            }
            Some("ini") if text.contains("[databases]") || text.contains("[pgbouncer]") => {
                let read = pgbouncer::read(&source, library);
                self.inventory.observations.extend(read.observations);
                self.inventory.poolers.push(Pooler {
                    place: Place::Outside,
                    name: String::new(),
                    replicas: Count::default(),
                    section: read.section,
                    upstream: read.upstream,
                });
            }
            Some("json") if text.contains("\"apiVersion\"") => self.yaml(name, text),
            _ => match self.settings(name, text) {
                Some(programs) => self.programs(name, text, programs),
                None if extension == Some("conf") => {
                    let read = postgresql::read(&source);
                    self.inventory.observations.extend(read.observations);
                    self.inventory.servers.push(Server {
                        place: Place::Outside,
                        name: String::new(),
                        section: read.database,
                    });
                }
                None => self.unknown_kind(&source),
            },
        }
    }

    /// What a file of settings says, read with the variables beside it.
    fn settings(&self, name: &str, text: &str) -> Option<Vec<inventory::Program>> {
        let variables = self.inventory.variables.get(&belongs_to(name).root);
        formats::programs(name, text, variables.map_or(&[], Vec::as_slice))
    }

    fn programs(&mut self, name: &str, text: &str, programs: Vec<inventory::Program>) {
        let file = (name.to_owned(), text.to_owned());
        self.inventory.settings.push(file);
        let programs = programs.into_iter();
        self.inventory
            .programs
            .extend(programs.map(|program| (name.to_owned(), program)));
    }

    fn unknown_kind(&mut self, source: &SourceFile<'_>) {
        let problem = Problem::new(&source.line(0), "", "is not a known kind of file")
            .with_suggestion(
                "known are docker-compose and Kubernetes (.yaml), .env, php-fpm and PostgreSQL (.conf), \
                 pgbouncer.ini, settings and source files of applications (the manual has a table), and fleet.toml",
            );
        self.torn(problem);
    }

    fn torn(&mut self, problem: Problem) {
        self.torn = true;
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests;
