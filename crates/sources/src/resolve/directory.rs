//! Where an address leads: to a PostgreSQL, a pooler, another database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::poolers::{self, Pooler};
use super::servers::{self, Server};
use crate::apps;
use crate::image::{Image, image};
use crate::inventory::{Address, Container, Inventory, Place, Scheme, Target, Text, Workload};

/// What containers are, and the names by which they are reached.
pub(super) struct Directory {
    pub(super) inventory: Inventory,
    pub(super) servers: Vec<Server>,
    pub(super) poolers: Vec<Pooler>,
    /// What each container of each workload is.
    what: HashMap<(usize, usize), What>,
    /// Endpoints by name.
    names: HashMap<String, Vec<usize>>,
    /// Workloads by name.
    workloads: HashMap<String, Vec<usize>>,
    /// Workloads behind each endpoint.
    reached: Vec<Vec<usize>>,
    /// Names that lead to a server or a pooler, by their place.
    databases: HashMap<Place, BTreeSet<String>>,
    /// Servers that only addresses tell of, by host.
    hosts: BTreeMap<String, usize>,
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

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Leads {
    /// To this server.
    Server(usize),
    /// To this pooler.
    Pooler(usize),
    /// To another database.
    Other(&'static str),
    /// To a PostgreSQL, but which is not known.
    Somewhere,
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
        let mut directory = Self {
            inventory,
            servers,
            poolers,
            what: HashMap::new(),
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
                    Image::Postgres(version) => {
                        self.servers.push(servers::of(
                            workload,
                            container,
                            version,
                            &mut self.inventory.observations,
                        ));
                        What::Server(self.servers.len() - 1)
                    }
                    Image::Pooler(program) => {
                        let pooler =
                            poolers::of(at, workload, container, program, &mut self.inventory);
                        self.poolers.push(pooler);
                        What::Pooler(self.poolers.len() - 1)
                    }
                    Image::OtherDatabase(name) => What::Other(name),
                    Image::Unknown if servers::looks_like_one(container) => {
                        self.servers.push(servers::of(
                            workload,
                            container,
                            None,
                            &mut self.inventory.observations,
                        ));
                        What::Server(self.servers.len() - 1)
                    }
                    other => What::Program(other),
                };
                self.what.insert((at, number), what);
            }
        }
        self.inventory.workloads = workloads;
    }

    /// An image that nobody knows is a PostgreSQL if somebody's URL of one leads to it.
    fn believe_addresses(&mut self) {
        let mut meant = Vec::new();
        for (at, workload) in self.inventory.workloads.iter().enumerate() {
            for container in &workload.containers {
                let program = apps::environment(&container.variables);
                let addresses = program.addresses.iter();
                let of_postgres = addresses.filter(|address| address.scheme == Scheme::Postgres);
                meant.extend(of_postgres.flat_map(|address| self.pointed(address, at)));
            }
        }
        meant.sort_unstable();
        meant.dedup();
        for at in meant {
            let workload = self.inventory.workloads[at].clone();
            let unknown = workload
                .containers
                .iter()
                .enumerate()
                .all(|(number, container)| {
                    self.what[&(at, number)] == What::Program(Image::Unknown)
                        && apps::environment(&container.variables).addresses.is_empty()
                });
            if let Some(container) = workload.containers.first().filter(|_| unknown) {
                let seen = &mut self.inventory.observations;
                self.servers
                    .push(servers::of(&workload, container, None, seen));
                self.what
                    .insert((at, 0), What::Server(self.servers.len() - 1));
            }
        }
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

    /// Makes servers of hosts that no file describes.
    fn find_hosts(&mut self) {
        let mut found = Vec::new();
        for (at, workload) in self.inventory.workloads.iter().enumerate() {
            for (number, container) in workload.containers.iter().enumerate() {
                let addresses = match self.what[&(at, number)] {
                    What::Program(_) => apps::environment(&container.variables).addresses,
                    What::Pooler(pooler) => self.poolers[pooler].upstream.clone(),
                    What::Server(_) | What::Other(_) => continue,
                };
                let place = &workload.place;
                found.extend(
                    addresses
                        .into_iter()
                        .map(|address| (place.clone(), address)),
                );
            }
        }
        for (_, program) in &self.inventory.programs {
            let addresses = program.addresses.iter().cloned();
            found.extend(addresses.map(|address| (Place::Outside, address)));
        }
        for pooler in self
            .poolers
            .iter()
            .filter(|pooler| pooler.workload.is_none())
        {
            let addresses = pooler.upstream.iter().cloned();
            found.extend(addresses.map(|address| (pooler.place.clone(), address)));
        }
        let mut hosts: BTreeMap<String, (bool, Address)> = BTreeMap::new();
        let mut order = Vec::new();
        for (place, address) in found {
            if let Some(host) = self.foreign(&place, &address)
                && !hosts.contains_key(&host)
            {
                let inside = place != Place::Outside
                    && (!host.contains('.') || host.ends_with(".svc") || host.contains(".svc."));
                order.push(host.clone());
                hosts.insert(host, (inside, address));
            }
        }
        // A name of the cluster or project that none of the files has may be that of the server, or of a
        // pooler in front of it. Only where there is nothing else it is a server of its own.
        let alone = hosts.len() + self.servers.len() == 1;
        for host in order {
            let (inside, address) = &hosts[&host];
            if alone || !inside {
                self.servers.push(Server::host(&host, address));
                self.hosts.insert(host, self.servers.len() - 1);
            }
        }
    }

    /// The host of an address of PostgreSQL, or of nobody says what, that is in none of the files.
    fn foreign(&self, place: &Place, address: &Address) -> Option<String> {
        if matches!(address.scheme, Scheme::Other(_)) {
            return None;
        }
        let host = address.host.known()?.trim().to_ascii_lowercase();
        if is_local(&host) || self.endpoint(place, &host).is_some() {
            return None;
        }
        if let Some(Target::Host(to)) = self.alias(place, &host) {
            return Some(to);
        }
        Some(host)
    }

    /// Where an address leads. `from` is the workload that has it.
    pub(super) fn leads(&self, place: &Place, from: Option<usize>, address: &Address) -> Leads {
        if let Scheme::Other(name) = address.scheme {
            return Leads::Other(name);
        }
        let Some(host) = address.host.known() else {
            return Leads::Somewhere;
        };
        let host = host.trim().to_ascii_lowercase();
        if is_local(&host) {
            return self.local(from, address);
        }
        if let Some(endpoint) = self.endpoint(place, &host) {
            return self.behind(endpoint, &address.port);
        }
        let host = match self.alias(place, &host) {
            Some(Target::Host(to)) => to,
            _ => host,
        };
        self.outside(&host, address)
    }

    /// On the machine of the program, or in its pod.
    fn local(&self, from: Option<usize>, address: &Address) -> Leads {
        if let Some(at) = from {
            let found = self.in_workload(at, address.port.known().unwrap_or_default());
            if let Some(leads) = found {
                return leads;
            }
        }
        let port = address.port.known().unwrap_or("5432");
        let published = self.names.get("localhost").map_or(&[][..], Vec::as_slice);
        let endpoint = published.iter().copied().find(|at| {
            let endpoint = &self.inventory.endpoints[*at];
            let mut ports = endpoint.ports.iter();
            endpoint.place == Place::Outside && ports.any(|(outside, _)| outside == port)
        });
        if let Some(endpoint) = endpoint {
            return self.behind(endpoint, &address.port);
        }
        self.nameless(address).unwrap_or(Leads::Somewhere)
    }

    /// A host that no file describes. It may be that of a `pgbouncer.ini`, which has no name.
    fn outside(&self, host: &str, address: &Address) -> Leads {
        let server = self.hosts.get(host).copied();
        let upstream = server.is_some_and(|server| {
            self.poolers.iter().any(|pooler| {
                pooler.name.is_empty() && self.upstream(pooler) == Leads::Server(server)
            })
        });
        let pooler = self.nameless(address);
        match (pooler, server) {
            (Some(Leads::Pooler(at)), _) if !upstream || self.is_at(at, &address.port) => {
                Leads::Pooler(at)
            }
            (_, Some(server)) => Leads::Server(server),
            (_, None) => Leads::Somewhere,
        }
    }

    /// The only pooler without a name, if the address may be its own.
    fn nameless(&self, address: &Address) -> Option<Leads> {
        let mut all = self.poolers.iter().enumerate();
        let (at, _) = all.find(|(_, pooler)| pooler.name.is_empty())?;
        let fits = address.port.is_empty() || self.is_at(at, &address.port);
        fits.then_some(Leads::Pooler(at))
    }

    fn is_at(&self, pooler: usize, port: &Text) -> bool {
        port.known() == Some(self.poolers[pooler].port().as_str())
    }

    /// Where a pooler connects to.
    pub(super) fn upstream(&self, pooler: &Pooler) -> Leads {
        let mut leads = pooler.upstream.iter().map(|address| {
            let Some(host) = address.host.known() else {
                return Leads::Somewhere;
            };
            let host = host.trim().to_ascii_lowercase();
            if is_local(&host) {
                let inside = pooler.workload.and_then(|at| {
                    let what = self.what_of(at);
                    what.into_iter()
                        .find(|what| matches!(what, What::Server(_)))
                });
                return match inside {
                    Some(What::Server(server)) => Leads::Server(server),
                    _ => Leads::Somewhere,
                };
            }
            match self.endpoint(&pooler.place, &host) {
                Some(endpoint) => self.behind(endpoint, &address.port),
                None => match self.hosts.get(&host) {
                    Some(server) => Leads::Server(*server),
                    None => Leads::Somewhere,
                },
            }
        });
        let first = leads.find(|leads| matches!(leads, Leads::Server(_)));
        first.unwrap_or(Leads::Somewhere)
    }

    /// The endpoint of a name, its domain included.
    fn endpoint(&self, place: &Place, host: &str) -> Option<usize> {
        let mut labels = host.split('.');
        let (first, second) = (labels.next()?, labels.next());
        let in_namespace = |namespace: &str| Place::Namespace(namespace.to_owned());
        let tries = match (place, second) {
            // `postgres-0.postgres` is a pod of the Service `postgres`.
            (Place::Namespace(_), Some(second)) => {
                vec![(in_namespace(second), first), (place.clone(), second)]
            }
            (Place::Outside, Some(second)) if host.contains(".svc") => {
                vec![(in_namespace(second), first)]
            }
            (_, None) => vec![(place.clone(), first)],
            (_, Some(_)) => vec![(place.clone(), host)],
        };
        let exact = tries.into_iter().find_map(|(place, name)| {
            let places = self.names.get(name)?.iter();
            places.copied().find(|at| {
                let endpoint = &self.inventory.endpoints[*at];
                endpoint.place == place && !matches!(endpoint.target, Target::Host(_))
            })
        });
        // Manifests do not always say their namespace, and projects share networks: then the name is enough
        // if it is the only one.
        exact.or_else(|| {
            let inside = second.is_none() || host.contains(".svc") || labels.next().is_none();
            let kubernetes = matches!(place, Place::Namespace(_) | Place::Outside);
            let name = if second.is_some() && !kubernetes {
                host
            } else {
                first
            };
            let places = self.names.get(name).filter(|_| inside)?;
            let mut endpoints = places.iter().map(|at| &self.inventory.endpoints[*at]);
            let first = *places.first()?;
            let one = endpoints.next()?;
            let alone = endpoints.all(|other| other.place == one.place);
            let known = one.name != "localhost" && !matches!(one.target, Target::Host(_));
            let fits = second.is_none()
                || matches!(one.place, Place::Namespace(_))
                    && (host.contains(".svc") || kubernetes);
            (alone && known && fits).then_some(first)
        })
    }

    /// What a Service of type ExternalName stands for.
    fn alias(&self, place: &Place, host: &str) -> Option<Target> {
        let first = host.split('.').next()?;
        let places = self.names.get(first)?.iter();
        let mut endpoints = places.map(|at| &self.inventory.endpoints[*at]);
        let found = endpoints.find(|endpoint| {
            endpoint.place == *place && matches!(endpoint.target, Target::Host(_))
        })?;
        Some(found.target.clone())
    }

    /// What is behind an endpoint, at this port of it.
    fn behind(&self, at: usize, port: &Text) -> Leads {
        let endpoint = &self.inventory.endpoints[at];
        match &endpoint.target {
            Target::Server(name) => {
                let mut all = self.servers.iter();
                let found =
                    all.position(|server| server.name == *name && server.place == endpoint.place);
                return found.map_or(Leads::Somewhere, Leads::Server);
            }
            Target::Pooler(name) => {
                let mut all = self.poolers.iter();
                let found =
                    all.position(|pooler| pooler.name == *name && pooler.place == endpoint.place);
                return found.map_or(Leads::Somewhere, Leads::Pooler);
            }
            _ => {}
        }
        let port = port.known().unwrap_or_default();
        let mut ports = endpoint.ports.iter();
        let inside = ports.find(|(own, _)| own == port);
        let inside = inside.map_or(port, |(_, inside)| inside);
        let mut found = self.reached[at]
            .iter()
            .filter_map(|at| self.in_workload(*at, inside));
        found.next().unwrap_or_else(|| {
            // HAProxy and the like in front of the only PostgreSQL of the place.
            let mut all = self.servers.iter().enumerate();
            let mut near = all
                .by_ref()
                .filter(|(_, server)| server.place == endpoint.place);
            match (near.next(), near.next()) {
                (Some((only, _)), None) => Leads::Server(only),
                _ => Leads::Somewhere,
            }
        })
    }

    /// What listens in a workload at this port; the number of the port or its name.
    fn in_workload(&self, at: usize, port: &str) -> Option<Leads> {
        let workload = &self.inventory.workloads[at];
        let mut found = Vec::new();
        for (number, container) in workload.containers.iter().enumerate() {
            let (leads, usual) = match self.what[&(at, number)] {
                What::Server(server) => (Leads::Server(server), "5432".to_owned()),
                What::Pooler(pooler) => (Leads::Pooler(pooler), self.poolers[pooler].port()),
                What::Other(name) => (Leads::Other(name), String::new()),
                What::Program(_) => continue,
            };
            found.push((leads, listens(container, &usual, port)));
        }
        let exact = found.iter().find(|(_, fits)| *fits);
        let poolers_first = found
            .iter()
            .find(|(leads, _)| matches!(leads, Leads::Pooler(_)));
        let chosen = exact.or(poolers_first).or(found.first());
        chosen.map(|(leads, _)| *leads)
    }

    /// What the containers of a workload are.
    pub(super) fn what_of(&self, at: usize) -> Vec<What> {
        let count = self.inventory.workloads[at].containers.len();
        (0..count).map(|number| self.what[&(at, number)]).collect()
    }

    /// Whether a name leads to a server or a pooler.
    pub(super) fn is_database(&self, place: &Place, name: &str) -> bool {
        let Some(endpoint) = self.endpoint(place, &name.to_ascii_lowercase()) else {
            return false;
        };
        match &self.inventory.endpoints[endpoint].target {
            Target::Server(_) | Target::Pooler(_) => true,
            Target::Host(_) => false,
            _ => self.reached[endpoint].iter().any(|at| {
                let what = self.what_of(*at);
                what.iter()
                    .any(|what| matches!(what, What::Server(_) | What::Pooler(_)))
            }),
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
                let what = self.what_of(at);
                let database = |what: &What| matches!(what, What::Server(_) | What::Pooler(_));
                let shared = |name: &String| workload.networks.contains(name);
                what.iter().any(database)
                    && (other.networks.is_empty() || other.networks.iter().any(shared))
            })
    }

    /// Names of a place that lead to a server or a pooler.
    pub(super) fn names_of_databases(&self, place: &Place) -> Option<&BTreeSet<String>> {
        self.databases.get(place)
    }
}

fn listens(container: &Container, usual: &str, port: &str) -> bool {
    let mut ports = container.ports.iter();
    let named = ports.any(|(name, number)| !port.is_empty() && (name == port || number == port));
    let declared = !container.ports.is_empty();
    named || (!declared && usual == port)
}

/// Whether a host is the program's own machine, or a socket on it.
pub(super) fn is_local(host: &str) -> bool {
    host.is_empty()
        || host.starts_with('/')
        || host.starts_with("127.")
        || [
            "localhost",
            "::1",
            "[::1]",
            "0.0.0.0",
            "host.docker.internal",
        ]
        .contains(&host)
}
