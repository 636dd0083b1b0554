//! Who opens connections: programs in containers, and programs of which only settings are given.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pgweir_advisor::facts::{Observation, Origin, Ruling};

use super::directory::{Directory, Leads, What};
use super::reading;
use crate::apps;
use crate::file::{Belonging, belongs_to};
use crate::formats;
use crate::image::Image;
use crate::inventory::{
    Address, Container, Place, Program, Role, Scheme, Unknown, Variable, Workload,
};

/// Something that opens connections to one PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Names for it, the best first.
    pub(super) names: Vec<String>,
    /// Where its addresses lead.
    pub(super) leads: Leads,
    /// Databases that it uses there, at least one; each has a pool of its own.
    pub(super) dsns: u64,
    /// The first of its addresses; a program without any has none.
    pub(super) address: Option<Address>,
    /// What is said of its pools.
    pub(super) program: Program,
    /// The workload that it runs in.
    pub(super) workload: Option<usize>,
    /// Its image, as it is written.
    pub(super) image: String,
    /// Where it is described.
    pub(super) origin: Origin,
}

/// Those that open connections, and what is said of the others.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) all: Vec<Candidate>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) observations: Vec<Observation>,
}

/// Everybody who opens connections.
pub(super) fn all(directory: &Directory) -> Candidates {
    let mut found = Candidates::default();
    let mut apps = Apps::of(directory);
    for (at, workload) in directory.inventory.workloads.iter().enumerate() {
        found.of_workload(directory, at, workload, &mut apps);
    }
    for app in apps.left(&mut found) {
        found.of_app(directory, app);
    }
    found
}

/// An application of which only settings are given: its files together.
#[derive(Clone)]
struct App {
    belonging: Belonging,
    program: Program,
}

/// Applications by their folder.
struct Apps {
    by_root: BTreeMap<String, App>,
    order: Vec<String>,
    /// Those that consist of parts, as they are without them.
    whole: BTreeMap<String, App>,
    /// Roots that a workload runs.
    run: BTreeSet<String>,
}

impl Apps {
    fn of(directory: &Directory) -> Self {
        let mut apps = Self {
            by_root: BTreeMap::new(),
            order: Vec::new(),
            whole: BTreeMap::new(),
            run: BTreeSet::new(),
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
    fn run_by(&mut self, workload: &Workload, alone: bool) -> Option<String> {
        let known =
            |root: &String| self.by_root.contains_key(root) || self.whole.contains_key(root);
        let has_parts = |root: &String| {
            let parts = format!("{root}#");
            self.by_root.keys().any(|root| root.starts_with(&parts))
        };
        let built = workload.build.as_ref();
        let root = match built.filter(|root| known(root) || has_parts(root)) {
            Some(root) => root.clone(),
            None => {
                let name = crate::service_name(&workload.name);
                let mut all = self.by_root.iter();
                let called = all.find(|(_, app)| alone && app.belonging.names[0] == name);
                // What it runs may be called otherwise.
                let commanded = || {
                    let mut all = self.by_root.iter().filter(|(root, _)| {
                        let program = root.split_once('#').map(|(_, name)| name);
                        let mut containers = workload.containers.iter();
                        program.is_some_and(|name| containers.any(|one| runs(one, name)))
                    });
                    all.next().filter(|_| all.next().is_none())
                };
                let (root, _) = called.or_else(commanded)?;
                root.clone()
            }
        };
        self.run.insert(root.clone());
        Some(root)
    }

    /// What the files of an application say to the program of a container, which reads them with its own
    /// variables.
    fn say(&self, directory: &Directory, root: &str, container: &Container, program: &mut Program) {
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
        for (file, text) in &inventory.settings {
            if belongs_to(file).root != root {
                continue;
            }
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

    /// Applications that no workload runs.
    fn left(mut self, found: &mut Candidates) -> Vec<App> {
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
                    found.left(
                        format!("no command of a workload runs {}", app.belonging.names[0]),
                        "if something runs it, add [services.NAME] with its pool",
                        app.program.origin,
                    );
                }
                continue;
            }
            left.push(app);
        }
        left
    }
}

/// Whether the command of a container runs a program of this name.
fn runs(container: &Container, name: &str) -> bool {
    container.command.iter().any(|word| {
        let mut words = word
            .with_gaps()
            .split(|c: char| c.is_whitespace() || c == '/');
        words.any(|word| word == name)
    })
}

impl Candidates {
    fn of_workload(
        &mut self,
        directory: &Directory,
        at: usize,
        workload: &Workload,
        apps: &mut Apps,
    ) {
        let alone = directory.workloads_named(&workload.name).len() == 1;
        let root = apps.run_by(workload, alone);
        let what = directory.what_of(at);
        let mut of_pod = Vec::new();
        let programs = what
            .iter()
            .filter(|what| matches!(what, What::Program(_)))
            .count();
        for (container, what) in workload.containers.iter().zip(&what) {
            let What::Program(image) = what else { continue };
            let mut program = reading::of_container(container, *image);
            let main = container.role == Role::Main || programs == 1;
            if let Some(root) = root.as_ref().filter(|_| main) {
                apps.say(directory, root, container, &mut program);
            }
            if let Some(with) = &workload.only_with {
                self.only_with(directory, workload, &program, with);
                continue;
            }
            let found = self.of_program(directory, Some(at), &workload.place, program);
            if found.is_empty() {
                self.nothing_said(directory, workload, container, *image);
            }
            of_pod.push((container, found));
        }
        self.of_pod(directory, at, workload, of_pod);
    }

    /// Candidates of the containers of one pod. What runs before the others opens connections only when
    /// they have none.
    fn of_pod(
        &mut self,
        directory: &Directory,
        at: usize,
        workload: &Workload,
        found: Vec<(&Container, Vec<Candidate>)>,
    ) {
        let opens = |role: Role| {
            found
                .iter()
                .filter(move |(container, all)| container.role == role && !all.is_empty())
                .count()
        };
        let (main, init) = (opens(Role::Main), opens(Role::Init));
        let several = if main > 0 { main > 1 } else { init > 1 };
        for (container, candidates) in found {
            if container.role == Role::Init && main > 0 {
                continue;
            }
            for (number, mut candidate) in candidates.into_iter().enumerate() {
                candidate.names = names(directory, workload, container, several);
                if number > 0 {
                    let by = candidate.address.as_ref().map_or("", |address| &address.by);
                    let by = crate::service_name(by);
                    let longer = candidate.names.iter().map(|name| format!("{name}-{by}"));
                    candidate.names = longer.collect();
                }
                candidate.workload = Some(at);
                candidate.image = container.image.known().unwrap_or_default().to_owned();
                candidate.origin = workload.origin.clone();
                self.all.push(candidate);
            }
        }
    }

    fn of_app(&mut self, directory: &Directory, app: App) {
        let App { belonging, program } = app;
        let origin = program.origin.clone();
        let says_nothing = program.addresses.is_empty()
            && program.settings.is_empty()
            && program.unknown.is_empty()
            && program.defaults.is_empty()
            && program.unsaid.is_empty()
            && program.kind.is_none();
        if says_nothing {
            self.left(
                format!("{} says nothing of a database", belonging.names[0]),
                "if it opens connections, add [services.NAME] with its pool",
                origin,
            );
            self.observations.extend(program.observations);
            return;
        }
        let settings_alone = program.addresses.is_empty();
        let found = if settings_alone {
            vec![Candidate::new(Leads::Somewhere, None, program)]
        } else {
            self.of_program(directory, None, &Place::Outside, program)
        };
        for (number, mut candidate) in found.into_iter().enumerate() {
            candidate.names = belonging.names.clone();
            if number > 0 {
                let by = candidate.address.as_ref().map_or("", |address| &address.by);
                let by = crate::service_name(by);
                let longer = candidate.names.iter().map(|name| format!("{name}-{by}"));
                candidate.names = longer.collect();
            }
            candidate.origin = origin.clone();
            self.all.push(candidate);
        }
    }

    /// A candidate for each PostgreSQL, and each way there, that a program has an address of.
    fn of_program(
        &mut self,
        directory: &Directory,
        from: Option<usize>,
        place: &Place,
        program: Program,
    ) -> Vec<Candidate> {
        let leads = program.addresses.iter().map(|address| {
            let leads = directory.leads(place, from, address);
            (leads, address)
        });
        let leads: Vec<(Leads, &Address)> = leads.collect();
        let mut others = leads.iter().filter_map(|(leads, address)| match leads {
            Leads::Other(name) => Some((*name, *address)),
            _ => None,
        });
        if let Some((name, address)) = others.next() {
            self.left(
                format!("{} is an address of {name}, which is left out", address.by),
                "this plan is about PostgreSQL: nothing to do",
                address.origin.clone(),
            );
        }
        let meant = |address: &Address| !apps::address::is_side_door(&address.by);
        let of_postgres = leads
            .iter()
            .filter(|(leads, _)| !matches!(leads, Leads::Other(_)));
        let of_postgres: Vec<&(Leads, &Address)> = of_postgres.collect();
        let front = of_postgres.iter().any(|(_, address)| meant(address));
        let mut groups: BTreeMap<usize, (Leads, Vec<&Address>)> = BTreeMap::new();
        let mut places: HashMap<Leads, usize> = HashMap::new();
        for (leads, address) in of_postgres {
            if front && !meant(address) {
                continue;
            }
            let at = *places.entry(*leads).or_insert(groups.len());
            groups
                .entry(at)
                .or_insert_with(|| (*leads, Vec::new()))
                .1
                .push(address);
        }
        // What is not known joins what is.
        if groups.len() > 1
            && let Some(at) = places.get(&Leads::Somewhere)
        {
            groups.remove(at);
        }
        let groups = groups.into_values();
        groups
            .map(|(leads, addresses)| {
                let first = addresses.first().map(|address| (*address).clone());
                let mut candidate = Candidate::new(leads, first, program.clone());
                candidate.dsns = databases(&addresses);
                candidate
            })
            .collect()
    }

    fn only_with(
        &mut self,
        directory: &Directory,
        workload: &Workload,
        program: &Program,
        with: &str,
    ) {
        let found = self.of_program(directory, None, &workload.place, program.clone());
        if !found.is_empty() {
            self.left(
                format!(
                    "{} runs only with {with}, and is not counted",
                    workload.name
                ),
                "add it as [services.NAME] if it runs in production",
                workload.origin.clone(),
            );
        }
    }

    /// A container that says nothing of a PostgreSQL. It may open connections all the same.
    fn nothing_said(
        &mut self,
        directory: &Directory,
        workload: &Workload,
        container: &Container,
        image: Image,
    ) {
        let service = crate::service_name(&workload.name);
        let name = match workload.containers.as_slice() {
            [_] => workload.name.clone(),
            _ => format!("the container {} of {}", container.name, workload.name),
        };
        let add =
            format!("add [services.{service}] with its pool, or its address to its variables");
        let mut say = |what: String, origin: &Origin| {
            self.unknown.push(Unknown {
                what,
                add: add.clone(),
                key: None,
                origin: origin.clone(),
            });
        };
        let other_database = container
            .variables
            .iter()
            .filter_map(|variable| apps::address::address(&variable.name, &variable.value))
            .any(|address| matches!(address.scheme, Scheme::Other(_)));
        if let Some((missing, origin)) = container.missing.first() {
            let what =
                format!("{name} takes variables from {missing}, which is in none of the files");
            say(what, origin);
            return;
        }
        if image == Image::Harmless || other_database {
            return;
        }
        let waits = container.needs.iter();
        let mut waits = waits.filter(|need| directory.is_database(&workload.place, need));
        if let Some(need) = waits.next() {
            let what = format!("{name} waits for {need}, but does not say how it connects");
            say(what, &container.origin);
            return;
        }
        if let Some(mentioned) = mentioned(directory, workload, container) {
            let what = format!("{name} mentions {mentioned}, but not how it connects");
            say(what, &container.origin);
            return;
        }
        let about = |variable: &&Variable| apps::is_about_postgres(&variable.name);
        if let Some(variable) = container.variables.iter().find(about) {
            let what = format!("{name} has {}, but no address of a database", variable.name);
            say(what, &variable.value.origin);
            return;
        }
        if container.role == Role::Init || !directory.may_reach_a_database(workload) {
            return;
        }
        if container.variables.is_empty() {
            let what =
                format!("{name} has no variables: whether it uses a database is in its image");
            say(what, &container.origin);
        } else {
            self.left(
                format!("no variable of {name} is about a database: it is not counted"),
                "if it opens connections, add [services.NAME] with its pool",
                container.origin.clone(),
            );
        }
    }

    fn left(&mut self, what: String, advice: &'static str, origin: Origin) {
        self.observations.push(Observation {
            ruling: Ruling::Left(advice),
            what,
            origin,
        });
    }
}

impl Candidate {
    fn new(leads: Leads, address: Option<Address>, program: Program) -> Self {
        Self {
            names: Vec::new(),
            leads,
            dsns: 1,
            address,
            origin: program.origin.clone(),
            program,
            workload: None,
            image: String::new(),
        }
    }
}

/// The name of a database or pooler that a container has in a value that is no address.
fn mentioned<'a>(
    directory: &'a Directory,
    workload: &'a Workload,
    container: &Container,
) -> Option<&'a str> {
    let values = container
        .variables
        .iter()
        .map(|variable| variable.value.with_gaps());
    let words = container.command.iter().map(|word| word.with_gaps());
    let texts: Vec<&str> = values.chain(words).collect();
    let names = directory.names_of_databases(&workload.place)?;
    let parts = texts
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_'));
    let mut mentioned = parts.filter_map(|part| names.get(part));
    mentioned.next().map(String::as_str)
}

/// Names for a service: that of its workload, with the container's own where a pod has several, with the
/// place where that is not enough, with the kind where even that is not, and with the file at last.
fn names(
    directory: &Directory,
    workload: &Workload,
    container: &Container,
    several: bool,
) -> Vec<String> {
    let short = if several {
        format!("{}-{}", workload.name, container.name)
    } else {
        workload.name.clone()
    };
    let place = match &workload.place {
        Place::Namespace(name) => name.as_str(),
        Place::Project(folder) => folder.rsplit('/').next().unwrap_or(folder),
        Place::Outside => "",
    };
    let long = format!("{place}-{short}");
    let longest = format!("{long}-{}", workload.kind);
    let mut names = vec![short.clone(), long, longest];
    let named = directory.workloads_named(&workload.name).iter();
    let mut named = named.map(|at| &directory.inventory.workloads[*at]);
    let twins = named
        .any(|other| other.place == workload.place && !same_file(&other.origin, &workload.origin));
    if twins && let Origin::File { path, .. } = &workload.origin {
        let file = belongs_to(path).names;
        // The file says more than the namespace, which they share.
        let by_file = file.into_iter().map(|file| format!("{file}-{short}"));
        names.extend(by_file);
    }
    names
}

fn same_file(one: &Origin, other: &Origin) -> bool {
    match (one, other) {
        (Origin::File { path: one, .. }, Origin::File { path: other, .. }) => one == other,
        _ => true,
    }
}

/// How many databases addresses of one server are of: different names, as far as they are known.
fn databases(addresses: &[&Address]) -> u64 {
    let names = addresses
        .iter()
        .filter(|address| !address.database.is_empty());
    let mut names: Vec<&str> = names.map(|address| address.database.with_gaps()).collect();
    names.sort_unstable();
    names.dedup();
    u64::try_from(names.len()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests;
