//! What containers are: a PostgreSQL, a pooler, another database, or a program.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::poolers::{self, Pooler};
use super::servers::{self, Server};
use crate::apps;
use crate::image::{Image, image};
use crate::inventory::{Address, Container, Inventory, Place, Scheme, Target, Workload};

/// What containers are, and the names by which they are reached.
pub(super) struct Directory {
    pub(super) inventory: Inventory,
    pub(super) servers: Vec<Server>,
    pub(super) poolers: Vec<Pooler>,
    /// What each container of each workload is.
    pub(super) what: HashMap<(usize, usize), What>,
    /// Addresses in the variables of each container of each workload.
    addresses: HashMap<(usize, usize), Vec<Address>>,
    /// Endpoints by name.
    pub(super) names: HashMap<String, Vec<usize>>,
    /// Workloads by name.
    workloads: HashMap<String, Vec<usize>>,
    /// Workloads behind each endpoint.
    pub(super) reached: Vec<Vec<usize>>,
    /// Names that lead to a server or a pooler, by their place.
    databases: HashMap<Place, BTreeSet<String>>,
    /// Servers that only addresses tell of, by host.
    pub(super) hosts: BTreeMap<String, usize>,
}

/// What a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// This server.
    Server(usize),
    /// This pooler.
    Pooler(usize),
    /// Another database.
    Other(&'static str),
    /// A program.
    Program(Image),
}

impl Directory {
    pub(super) fn of(mut inventory: Inventory) -> Self {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, endpoint) in inventory.endpoints.iter().enumerate() {
            let name = endpoint.name.to_ascii_lowercase();
            names.entry(name).or_default().push(at);
        }
        let mut workloads: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, workload) in inventory.workloads.iter().enumerate() {
            let name = workload.name.clone();
            workloads.entry(name).or_default().push(at);
        }
        let servers = std::mem::take(&mut inventory.servers);
        let servers = servers.into_iter().map(Server::described).collect();
        let poolers = std::mem::take(&mut inventory.poolers);
        let poolers = poolers.into_iter().map(Pooler::described).collect();
        let mut addresses = HashMap::new();
        for (at, workload) in inventory.workloads.iter().enumerate() {
            for (number, container) in workload.containers.iter().enumerate() {
                let found = apps::environment(&container.variables).addresses;
                addresses.insert((at, number), found);
            }
        }
        let mut directory = Self {
            inventory,
            servers,
            poolers,
            what: HashMap::new(),
            addresses,
            names,
            workloads,
            reached: Vec::new(),
            databases: HashMap::new(),
            hosts: BTreeMap::new(),
        };
        directory.reached = directory.reach();
        directory.classify();
        directory.believe_addresses();
        directory.find_hosts();
        directory.databases = directory.named_databases();
        directory
    }

    /// Workloads behind each endpoint. Those that a selector means are found by one of its labels, for a
    /// look at all of them for each endpoint would take the square of their number.
    fn reach(&self) -> Vec<Vec<usize>> {
        let mut by_label: HashMap<(&Place, &str, &str), Vec<usize>> = HashMap::new();
        for (at, workload) in self.inventory.workloads.iter().enumerate() {
            for (name, value) in &workload.labels {
                let label = (&workload.place, name.as_str(), value.as_str());
                by_label.entry(label).or_default().push(at);
            }
        }
        let named = |place: &Place, name: &str| -> Vec<usize> {
            let all = self.workloads_named(name).iter().copied();
            all.filter(|at| self.inventory.workloads[*at].place == *place)
                .collect()
        };
        let endpoints = self.inventory.endpoints.iter();
        let reached = endpoints.map(|endpoint| match &endpoint.target {
            Target::Workload(name) => named(&endpoint.place, name),
            Target::Elsewhere(place, name) => named(place, name),
            Target::Selector(wanted) => {
                let labels = wanted.iter().map(|(name, value)| {
                    let label = (&endpoint.place, name.as_str(), value.as_str());
                    by_label.get(&label).map_or(&[][..], Vec::as_slice)
                });
                let fewest = labels.min_by_key(|found| found.len()).unwrap_or_default();
                let fits = |at: &usize| {
                    let labels = &self.inventory.workloads[*at].labels;
                    wanted.iter().all(|label| labels.contains(label))
                };
                fewest.iter().copied().filter(fits).collect()
            }
            Target::Server(_) | Target::Pooler(_) | Target::Host(_) => Vec::new(),
        });
        reached.collect()
    }

    /// Addresses in the variables of a container.
    pub(super) fn addresses(&self, at: usize, number: usize) -> &[Address] {
        self.addresses.get(&(at, number)).map_or(&[], Vec::as_slice)
    }

    /// Workloads of this name, in any place.
    pub(super) fn workloads_named(&self, name: &str) -> &[usize] {
        self.workloads.get(name).map_or(&[], Vec::as_slice)
    }

    fn named_databases(&self) -> HashMap<Place, BTreeSet<String>> {
        let mut found: HashMap<Place, BTreeSet<String>> = HashMap::new();
        for endpoint in &self.inventory.endpoints {
            if self.is_database(&endpoint.place, &endpoint.name) {
                let names = found.entry(endpoint.place.clone()).or_default();
                names.insert(endpoint.name.clone());
            }
        }
        found
    }

    /// What containers are by their images and variables.
    fn classify(&mut self) {
        let workloads = std::mem::take(&mut self.inventory.workloads);
        for (at, workload) in workloads.iter().enumerate() {
            for (number, container) in workload.containers.iter().enumerate() {
                let what = match image(container.image.with_gaps()) {
                    Image::Postgres(version) => self.add_server(workload, container, version),
                    Image::Pooler(program) => {
                        let upstream = self.addresses(at, number).to_vec();
                        let container = poolers::Part {
                            at,
                            workload,
                            container,
                            upstream,
                        };
                        let pooler = poolers::of(container, program, &mut self.inventory);
                        self.poolers.push(pooler);
                        What::Pooler(self.poolers.len() - 1)
                    }
                    Image::OtherDatabase(name) => What::Other(name),
                    Image::Unknown
                        if servers::looks_like_one(container, self.addresses(at, number)) =>
                    {
                        self.add_server(workload, container, None)
                    }
                    other => What::Program(other),
                };
                self.what.insert((at, number), what);
            }
        }
        self.inventory.workloads = workloads;
    }

    fn add_server(
        &mut self,
        workload: &Workload,
        container: &Container,
        version: Option<u32>,
    ) -> What {
        let seen = &mut self.inventory.observations;
        let server = servers::of(workload, container, version, seen);
        self.servers.push(server);
        What::Server(self.servers.len() - 1)
    }

    /// An image that nobody knows is a PostgreSQL if somebody's URL of one leads to it.
    fn believe_addresses(&mut self) {
        let mut meant = Vec::new();
        for ((at, _), addresses) in &self.addresses {
            let addresses = addresses.iter();
            let of_postgres = addresses.filter(|address| address.scheme == Scheme::Postgres);
            meant.extend(of_postgres.flat_map(|address| self.pointed(address, *at)));
        }
        meant.sort_unstable();
        meant.dedup();
        let workloads = std::mem::take(&mut self.inventory.workloads);
        for at in meant {
            let workload = &workloads[at];
            let unknown = (0..workload.containers.len()).all(|number| {
                self.what[&(at, number)] == What::Program(Image::Unknown)
                    && self.addresses(at, number).is_empty()
            });
            if let Some(container) = workload.containers.first().filter(|_| unknown) {
                let server = self.add_server(workload, container, None);
                self.what.insert((at, 0), server);
            }
        }
        self.inventory.workloads = workloads;
    }

    /// Workloads that an address of a workload leads to.
    fn pointed(&self, address: &Address, from: usize) -> Vec<usize> {
        let Some(host) = address.host.known() else {
            return Vec::new();
        };
        let place = &self.inventory.workloads[from].place;
        let endpoint = self.endpoint(place, host);
        endpoint.map_or_else(Vec::new, |endpoint| self.reached[endpoint].clone())
    }

    /// What the containers of a workload are.
    pub(super) fn what_of(&self, at: usize) -> Vec<What> {
        let count = self.inventory.workloads[at].containers.len();
        (0..count).map(|number| self.what[&(at, number)]).collect()
    }

    /// Whether a server or a pooler runs in a workload.
    fn has_database(&self, at: usize) -> bool {
        let what = self.what_of(at);
        what.iter()
            .any(|what| matches!(what, What::Server(_) | What::Pooler(_)))
    }

    /// Whether a name leads to a server or a pooler.
    pub(super) fn is_database(&self, place: &Place, name: &str) -> bool {
        let Some(endpoint) = self.endpoint(place, &name.to_ascii_lowercase()) else {
            return false;
        };
        match &self.inventory.endpoints[endpoint].target {
            Target::Server(_) | Target::Pooler(_) => true,
            Target::Host(_) => false,
            _ => self.reached[endpoint]
                .iter()
                .any(|at| self.has_database(*at)),
        }
    }

    /// Whether a workload is in a network of a database, or no network tells.
    pub(super) fn may_reach_a_database(&self, workload: &Workload) -> bool {
        if workload.networks.is_empty() {
            return true;
        }
        let others = self.inventory.workloads.iter().enumerate();
        let mut near = others.filter(|(_, other)| other.place == workload.place);
        let outside = self
            .servers
            .iter()
            .any(|server| server.place == Place::Outside);
        outside
            || near.any(|(at, other)| {
                let shared = |name: &String| workload.networks.contains(name);
                self.has_database(at)
                    && (other.networks.is_empty() || other.networks.iter().any(shared))
            })
    }

    /// Names of a place that lead to a server or a pooler.
    pub(super) fn names_of_databases(&self, place: &Place) -> Option<&BTreeSet<String>> {
        self.databases.get(place)
    }
}
