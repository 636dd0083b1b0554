//! Where an address leads: to a PostgreSQL, a pooler, another database.

use super::directory::{Directory, What};
use super::hosts::is_local;
use super::poolers::Pooler;
use crate::inventory::{Address, Container, Place, Scheme, Target, Text};

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
}

fn listens(container: &Container, usual: &str, port: &str) -> bool {
    let mut ports = container.ports.iter();
    let named = ports.any(|(name, number)| !port.is_empty() && (name == port || number == port));
    let declared = !container.ports.is_empty();
    named || (!declared && usual == port)
}
