//! A project: files laid over each other, what they include and extend, and its variables.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use pgweir_advisor::facts::{Observation, Ruling};

use super::service::{self, line_before, value};
use crate::file::{Library, SourceFile, beside, folder};
use crate::inventory::{Inventory, Place, Text, Unknown, Variable};
use crate::reference::expanded;
use crate::yaml::{Data, Manner, Node, documents};

/// What is known of a project so far.
pub(super) struct Project<'a, 'l> {
    home: String,
    library: &'a mut Library<'l>,
    inventory: &'a mut Inventory,
    services: BTreeMap<String, Described>,
    /// Their order of appearance.
    order: Vec<String>,
    /// Files that are being read, to notice circles.
    depth: u32,
}

/// A service as its files have it, and the variables that they may refer to.
struct Described {
    node: Node,
    variables: Vec<Variable>,
}

impl<'a, 'l> Project<'a, 'l> {
    pub(super) fn new(
        home: String,
        library: &'a mut Library<'l>,
        inventory: &'a mut Inventory,
    ) -> Self {
        Self {
            home,
            library,
            inventory,
            services: BTreeMap::new(),
            order: Vec::new(),
            depth: 0,
        }
    }

    /// Lays a file over those before it.
    pub(super) fn add(&mut self, document: &Node) {
        let home = folder(&document.file).to_owned();
        let variables = self.environment(&home, &[]);
        self.add_with(document, &variables);
    }

    fn add_with(&mut self, document: &Node, variables: &[Variable]) {
        for included in document.entries_at(&["include"]) {
            self.include(included, variables);
        }
        for (name, service) in document.fields_at(&["services"]) {
            let node = self.extended(service, document, DEPTH_MAX);
            let Some(known) = self.services.get_mut(name) else {
                self.order.push(name.clone());
                let variables = variables.to_vec();
                self.services
                    .insert(name.clone(), Described { node, variables });
                continue;
            };
            let stem = node.file.rsplit_once('.').map_or("", |(stem, _)| stem);
            if node.file != known.node.file && !stem.ends_with(".override") {
                self.inventory.observations.push(Observation {
                    ruling: Ruling::Left(
                        "if they are two, put their files into folders of their own",
                    ),
                    what: format!(
                        "{name} is also in {}; they count as one, and the later file counts",
                        line_before(&known.node)
                    ),
                    origin: line_before(&node),
                });
            }
            known.node = merged(&known.node, &node, "");
        }
    }

    /// Variables that files of a folder may refer to: those of `.env`, or of the files that are named.
    fn environment(&mut self, home: &str, named: &[String]) -> Vec<Variable> {
        let default: Vec<String> = [beside(home, ".env")]
            .into_iter()
            .chain(self.library.environments_in(home))
            .collect();
        let names = if named.is_empty() { &default } else { named };
        let mut all: Vec<Variable> = Vec::new();
        for name in names {
            if let Some(text) = self.library.look(name) {
                all.extend(super::variables_of(name, &text));
            }
        }
        all
    }

    fn include(&mut self, included: &Node, outer: &[Variable]) {
        let home = folder(&included.file).to_owned();
        let paths: Vec<&Node> = match (included.text(), included.get("path")) {
            (Some(_), _) => vec![included],
            (None, Some(path)) if path.text().is_some() => vec![path],
            (None, Some(paths)) => paths.entries().iter().collect(),
            (None, None) => Vec::new(),
        };
        let files = included.get("env_file");
        let files: Vec<String> = files
            .map(|files| files.entries().iter().chain([files]))
            .into_iter()
            .flatten()
            .filter_map(|file| Some(beside(&home, file.text()?)))
            .collect();
        for path in paths {
            let text = expanded(
                path.text().unwrap_or_default(),
                &path.origin(),
                &mut |name| value(outer, name),
            );
            let document = text
                .known()
                .and_then(|path| self.file(&beside(&home, path)));
            let Some(document) = document.filter(|_| self.depth < DEPTH_MAX) else {
                self.unread(path, "include", text.with_gaps());
                continue;
            };
            let home = folder(&document.file).to_owned();
            let mut variables = self.environment(&home, &files);
            variables.extend(outer.iter().cloned());
            self.depth += 1;
            self.add_with(&document, &variables);
            self.depth -= 1;
        }
    }

    /// A file of docker-compose that another one names.
    fn file(&mut self, name: &str) -> Option<Node> {
        let text = self.library.take(name)?;
        let text = &*text;
        let documents = documents(&SourceFile { name, text }).ok()?;
        documents.into_iter().next()
    }

    fn unread(&mut self, node: &Node, word: &str, path: &str) {
        self.inventory.unknown.push(Unknown {
            what: format!("{word} names {path}, which is not to be read"),
            add: "add that file to --from".to_owned(),
            key: None,
            origin: node.origin(),
        });
    }

    /// A service laid over the one that it extends.
    fn extended(&mut self, service: &Node, document: &Node, depth: u32) -> Node {
        let Some(extends) = service.get("extends") else {
            return service.clone();
        };
        let name = extends.text().unwrap_or(extends.text_at(&["service"]));
        let path = extends.text_at(&["file"]);
        let other;
        let document = if path.is_empty() {
            document
        } else {
            match self.file(&beside(folder(&service.file), path)) {
                Some(document) => {
                    other = document;
                    &other
                }
                None => {
                    self.unread(extends, "extends", path);
                    return service.clone();
                }
            }
        };
        match document.at(&["services", name]) {
            Some(base) if depth > 0 => {
                let base = self.extended(base, document, depth - 1);
                merged(&base, service, "")
            }
            _ => {
                self.unread(extends, "extends", name);
                service.clone()
            }
        }
    }

    /// Adds the services to the inventory.
    pub(super) fn finish(mut self) {
        let place = Place::Project(self.home.clone());
        let enabled = self.environment(&self.home.clone(), &[]);
        let profiles = value(&enabled, "COMPOSE_PROFILES");
        let profiles = profiles.as_ref().and_then(Text::known).unwrap_or_default();
        let profiles: Vec<String> = profiles.split(',').map(|p| p.trim().to_owned()).collect();
        let mut services = std::mem::take(&mut self.services);
        for name in std::mem::take(&mut self.order) {
            let Some(Described { node, variables }) = services.remove(&name) else {
                continue;
            };
            let reader = service::Reader {
                name: &name,
                node: &node,
                place: &place,
                variables: &variables,
                profiles: &profiles,
                used: Cell::new(false),
            };
            let used = reader.read(self.library, self.inventory);
            if used {
                let home = folder(&node.file).to_owned();
                let files = self.library.environments_in(&home);
                for file in files.into_iter().chain([beside(&home, ".env")]) {
                    self.library.take(&file);
                }
            }
        }
    }
}

/// A node over another, as docker lays files over each other.
fn merged(base: &Node, over: &Node, field: &str) -> Node {
    let replaced = ["command", "entrypoint", "test"].contains(&field);
    if over.manner == Manner::Replace || replaced {
        return over.clone();
    }
    let by_name = [
        "environment",
        "labels",
        "extra_hosts",
        "networks",
        "depends_on",
    ];
    let (base, over) = if by_name.contains(&field) {
        (named(base), named(over))
    } else {
        (base.clone(), over.clone())
    };
    match (base.data, &over.data) {
        (Data::Map(mut fields), Data::Map(added)) => {
            let names = fields.iter().map(|(name, _)| name.clone());
            let places: HashMap<String, usize> = names.zip(0..).collect();
            for (name, node) in added {
                match places.get(name) {
                    Some(at) if node.manner == Manner::Reset => {
                        fields[*at].1 = node.with(Data::Null)
                    }
                    Some(at) => fields[*at].1 = merged(&fields[*at].1, node, name),
                    None => fields.push((name.clone(), node.clone())),
                }
            }
            over.with(Data::Map(fields))
        }
        (Data::List(mut entries), Data::List(added)) => {
            entries.extend(added.iter().cloned());
            over.with(Data::List(entries))
        }
        _ => over,
    }
}

/// A list of `NAME=value` or of names as a mapping.
fn named(node: &Node) -> Node {
    let Data::List(entries) = &node.data else {
        return node.clone();
    };
    let fields = entries.iter().filter_map(|entry| {
        let text = entry.text()?;
        Some(match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), entry.with(Data::Text(value.to_owned()))),
            None => (text.to_owned(), entry.with(Data::Null)),
        })
    });
    node.with(Data::Map(fields.collect()))
}

/// Files that include files, and services that extend services.
const DEPTH_MAX: u32 = 16;
