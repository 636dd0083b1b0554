//! Hosts in addresses: which of them a file describes, and servers of those that none does.

use std::collections::BTreeMap;

use super::directory::{Directory, What};
use super::servers::Server;
use crate::inventory::{Address, Place, Scheme, Target};

impl Directory {
    /// Makes servers of hosts that no file describes.
    pub(super) fn find_hosts(&mut self) {
        let mut found = Vec::new();
        for (at, workload) in self.inventory.workloads.iter().enumerate() {
            for number in 0..workload.containers.len() {
                let addresses = match self.what[&(at, number)] {
                    What::Program(_) => self.addresses(at, number).to_vec(),
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

    /// The endpoint of a name, its domain included.
    pub(super) fn endpoint(&self, place: &Place, host: &str) -> Option<usize> {
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
    pub(super) fn alias(&self, place: &Place, host: &str) -> Option<Target> {
        let first = host.split('.').next()?;
        let places = self.names.get(first)?.iter();
        let mut endpoints = places.map(|at| &self.inventory.endpoints[*at]);
        let found = endpoints.find(|endpoint| {
            endpoint.place == *place && matches!(endpoint.target, Target::Host(_))
        })?;
        Some(found.target.clone())
    }
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
