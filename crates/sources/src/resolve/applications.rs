//! Applications: files of settings that speak of one program, and which workload runs it.

use std::collections::{BTreeMap, BTreeSet};

use pgweir_advisor::facts::{Observation, Ruling};

use super::directory::Directory;
use super::reading;
use crate::file::{Belonging, belongs_to};
use crate::formats;
use crate::inventory::{Container, Program, Text, Workload};

/// An application of which only settings are given: its files together.
#[derive(Clone)]
pub(super) struct App {
    pub(super) belonging: Belonging,
    pub(super) program: Program,
}

/// Applications by their folder.
pub(super) struct Apps {
    by_root: BTreeMap<String, App>,
    order: Vec<String>,
    /// Those that consist of parts, as they are without them.
    whole: BTreeMap<String, App>,
    /// Roots that a workload runs.
    run: BTreeSet<String>,
    index: Index,
}

/// Applications by what workloads know of them.
#[derive(Default)]
struct Index {
    /// Roots by the first name of their application.
    by_name: BTreeMap<String, String>,
    /// Roots, those of programs beside an application left out, by the folder that they are in. What a
    /// workload is built from has its own.
    below: BTreeMap<String, Vec<String>>,
    /// Roots of programs that have a name of their own, by that name.
    programs: BTreeMap<String, Vec<String>>,
    /// Roots that have anything, programs beside included.
    known: BTreeSet<String>,
    /// Files of settings by their roots.
    files: BTreeMap<String, Vec<usize>>,
}

impl Index {
    fn of(directory: &Directory, apps: &Apps) -> Self {
        let mut index = Self::default();
        let builds = directory.inventory.workloads.iter();
        let builds: BTreeSet<&String> = builds.filter_map(|one| one.build.as_ref()).collect();
        for (root, app) in &apps.by_root {
            let name = app.belonging.names[0].clone();
            index.by_name.entry(name).or_insert_with(|| root.clone());
            match root.split_once('#') {
                Some((outer, program)) => {
                    index.known.insert(outer.to_owned());
                    let programs = index.programs.entry(program.to_owned()).or_default();
                    programs.push(root.clone());
                }
                None => {
                    index.known.insert(root.clone());
                    let parent = root.rsplit_once('/').map_or("", |(parent, _)| parent);
                    if !builds.contains(root) && !root.is_empty() {
                        let below = index.below.entry(parent.to_owned()).or_default();
                        below.push(root.clone());
                    }
                }
            }
        }
        index.known.extend(apps.whole.keys().cloned());
        for (at, (file, _)) in directory.inventory.settings.iter().enumerate() {
            let root = belongs_to(file).root;
            index.files.entry(root).or_default().push(at);
        }
        index
    }

    /// What is built from a folder: its own files, and those of the only folder below that nothing else is
    /// built from.
    fn of_build(&self, root: &String) -> Vec<String> {
        let mut roots: Vec<String> = self.known.get(root).cloned().into_iter().collect();
        if let Some([only]) = self.below.get(root).map(Vec::as_slice) {
            roots.push(only.clone());
        }
        roots
    }

    /// The only program of that name that a command of a workload runs.
    fn commanded(&self, workload: &Workload) -> Option<&String> {
        let words = workload.containers.iter().flat_map(|one| &one.command);
        let mut words = words.flat_map(names_in);
        match words
            .find_map(|word| self.programs.get(word))
            .map(Vec::as_slice)
        {
            Some([only]) => Some(only),
            _ => None,
        }
    }
}

impl Apps {
    pub(super) fn of(directory: &Directory) -> Self {
        let mut apps = Self {
            by_root: BTreeMap::new(),
            order: Vec::new(),
            whole: BTreeMap::new(),
            run: BTreeSet::new(),
            index: Index::default(),
        };
        let files = directory.inventory.programs.iter();
        let files = files.map(|(file, _)| file.as_str());
        for (file, program) in &directory.inventory.programs {
            let mut program = program.clone();
            if !program.includes.is_empty() {
                let others = files.clone().filter(|other| other != file);
                reading::includes(&mut program, others);
                if program.kind.is_none() && program.unsaid.is_empty() {
                    continue;
                }
            }
            let mut belonging = belongs_to(file);
            if let Some(name) = &program.name {
                belonging.root = format!("{}#{name}", belonging.root);
                let own = crate::service_name(name);
                let longer = belonging.names.iter().map(|outer| format!("{outer}-{own}"));
                belonging.names = [own.clone()].into_iter().chain(longer).collect();
            }
            let root = belonging.root.clone();
            match apps.by_root.get_mut(&root) {
                Some(app) => reading::merge(&mut app.program, program),
                None => {
                    apps.order.push(root.clone());
                    apps.by_root.insert(root, App { belonging, program });
                }
            }
        }
        apps.share();
        apps.index = Index::of(directory, &apps);
        apps
    }

    /// Gives the programs of an application that have names of their own what the application has: the
    /// parts that it consists of everything, and what runs beside it its addresses.
    fn share(&mut self) {
        let roots: Vec<String> = self.by_root.keys().cloned().collect();
        for root in &roots {
            let Some((outer, _)) = root.split_once('#') else {
                continue;
            };
            let whole = self
                .by_root
                .get(outer)
                .or_else(|| self.whole.get(outer))
                .cloned();
            let Some(whole) = whole else { continue };
            let Some(part) = self.by_root.get_mut(root) else {
                continue;
            };
            if part.program.is_part {
                reading::merge(&mut part.program, whole.program.clone());
                if self.by_root.remove(outer).is_some() {
                    self.order.retain(|known| known != outer);
                }
                self.whole.insert(outer.to_owned(), whole);
            } else if part.program.addresses.is_empty() {
                part.program.addresses.clone_from(&whole.program.addresses);
            }
        }
    }

    /// The application that runs in a workload: what it is built from, or what is called as it is.
    pub(super) fn run_by(&mut self, workload: &Workload, alone: bool) -> Vec<String> {
        let mut roots = match &workload.build {
            Some(root) => self.index.of_build(root),
            None => Vec::new(),
        };
        if roots.is_empty() {
            let name = crate::service_name(&workload.name);
            let called = self.index.by_name.get(&name).filter(|_| alone);
            roots.extend(called.or_else(|| self.index.commanded(workload)).cloned());
        }
        self.run.extend(roots.iter().cloned());
        roots
    }

    /// What the files of an application say to the program of a container, which reads them with its own
    /// variables.
    pub(super) fn say(
        &self,
        directory: &Directory,
        root: &str,
        container: &Container,
        program: &mut Program,
    ) {
        let inventory = &directory.inventory;
        if root.contains('#') {
            // The workload is called as one of the programs of an application.
            if let Some(app) = self.by_root.get(root) {
                reading::merge(program, app.program.clone());
            }
            return;
        }
        let mut variables = container.variables.clone();
        let beside = inventory.variables.get(root).map_or(&[][..], Vec::as_slice);
        let known: BTreeSet<&str> = container
            .variables
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        variables.extend(
            beside
                .iter()
                .filter(|one| !known.contains(one.name.as_str()))
                .cloned(),
        );
        let files = self.index.files.get(root).map_or(&[][..], Vec::as_slice);
        for (file, text) in files.iter().map(|at| &inventory.settings[*at]) {
            for mut read in formats::programs(file, text, &variables).unwrap_or_default() {
                // What runs beside the application is said to the container that runs it.
                let other = read
                    .name
                    .as_deref()
                    .is_some_and(|name| !runs(container, name));
                let other_server = read.server.is_some()
                    && program.server.is_some()
                    && read.server != program.server;
                if read.is_part || other || other_server {
                    continue;
                }
                read.includes.clear();
                reading::merge(program, read);
            }
        }
    }

    /// Applications that no workload runs, and what is left out of those that one runs.
    pub(super) fn left(mut self) -> (Vec<App>, Vec<Observation>) {
        let mut observations = Vec::new();
        let order = std::mem::take(&mut self.order);
        let mut left = Vec::new();
        for root in order {
            let Some(app) = self.by_root.remove(&root) else {
                continue;
            };
            let outer = root.split_once('#').map(|(outer, _)| outer);
            if self.run.contains(&root) {
                continue;
            }
            if outer.is_some_and(|outer| self.run.contains(outer)) {
                // Some workload runs the application, and says which of its programs.
                if !app.program.is_part {
                    observations.push(Observation {
                        ruling: Ruling::Left(
                            "if something runs it, add [services.NAME] with its pool",
                        ),
                        what: format!("no command of a workload runs {}", app.belonging.names[0]),
                        origin: app.program.origin,
                    });
                }
                continue;
            }
            left.push(app);
        }
        (left, observations)
    }
}

/// Whether the command of a container runs a program of this name.
fn runs(container: &Container, name: &str) -> bool {
    container
        .command
        .iter()
        .flat_map(names_in)
        .any(|word| word == name)
}

/// What in a word of a command may be the name of a program.
fn names_in(word: &Text) -> impl Iterator<Item = &str> {
    word.with_gaps()
        .split(|c: char| c.is_whitespace() || c == '/')
}

#[cfg(test)]
mod tests;
