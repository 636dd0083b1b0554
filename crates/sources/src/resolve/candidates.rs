//! Who opens connections: programs in containers, and programs of which only settings are given.

use std::collections::{BTreeMap, HashMap};

use pgweir_advisor::facts::{Observation, Origin, Ruling};

use super::applications::{App, Apps};
use super::directory::{Directory, What};
use super::leads::Leads;
use super::reading;
use crate::apps;
use crate::file::belongs_to;
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
    let (left, observations) = apps.left();
    found.observations.extend(observations);
    for app in left {
        found.of_app(directory, app);
    }
    found
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
        let roots = apps.run_by(workload, alone);
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
            for root in roots.iter().filter(|_| main) {
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
                let names = names(directory, workload, container, several);
                candidate.call(names, number);
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
            candidate.call(belonging.names.clone(), number);
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

    /// Names it. Those behind the first of one program are told apart by what has their address.
    fn call(&mut self, mut names: Vec<String>, number: usize) {
        if number > 0 {
            let by = self.address.as_ref().map_or("", |address| &address.by);
            let by = crate::service_name(by);
            names.iter_mut().for_each(|name| *name += &format!("-{by}"));
        }
        self.names = names;
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
