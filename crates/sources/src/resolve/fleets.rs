//! A fleet for each PostgreSQL: its database, its pooler, its services.

use std::collections::{BTreeMap, HashMap};

use pgweir_advisor::facts::{Observation, Ruling};
use pgweir_advisor::fleet::keys::Scope;
use pgweir_advisor::fleet::{Draft, Section, Value};

use super::candidates::{Candidate, Candidates};
use super::directory::Directory;
use super::hosts::is_local;
use super::leads::Leads;
use super::{defaults, give, poolers};
use crate::inventory::{Address, Setting, Text, Unknown};
use crate::names::{Names, service_name};
use crate::said::Sayings;

/// The fleets, that with the most connections first.
pub(super) fn of(directory: Directory, found: Candidates) -> Vec<Draft> {
    let fleets = Fleets::of(&directory, &found.all);
    let names = names(&found.all);
    let mut drafts: Vec<(u64, Draft)> = fleets
        .servers
        .iter()
        .map(|server| fleets.draft(*server, &names))
        .collect();
    if drafts.is_empty() {
        drafts.push((0, Draft::default()));
    }
    // Of equals the first one that was met.
    drafts.sort_by_key(|(connections, _)| std::cmp::Reverse(*connections));
    let mut drafts: Vec<Draft> = drafts.into_iter().map(|(_, draft)| draft).collect();
    let first = &mut drafts[0];
    first.observations.extend(directory.inventory.observations);
    first.observations.extend(found.observations);
    let unknown = directory.inventory.unknown.into_iter().chain(found.unknown);
    first.observations.extend(unknown.map(not_understood));
    drafts
}

/// What is to be told of something that is not understood.
fn not_understood(unknown: Unknown) -> Observation {
    Observation {
        ruling: Ruling::NotUnderstood(unknown.add),
        what: unknown.what,
        origin: unknown.origin,
    }
}

/// Who uses which PostgreSQL.
struct Fleets<'a> {
    directory: &'a Directory,
    candidates: &'a [Candidate],
    /// Servers that somebody uses; `None` where nobody knows of any.
    servers: Vec<Option<usize>>,
    /// The one that is meant where it is not said.
    main: Option<usize>,
    /// The servers of poolers.
    upstream: Vec<Option<usize>>,
}

impl<'a> Fleets<'a> {
    fn of(directory: &'a Directory, candidates: &'a [Candidate]) -> Self {
        let upstream = directory
            .poolers
            .iter()
            .map(|pooler| match directory.upstream(pooler) {
                Leads::Server(server) => Some(server),
                _ => None,
            });
        let mut fleets = Self {
            directory,
            candidates,
            servers: Vec::new(),
            main: None,
            upstream: upstream.collect(),
        };
        let mut weights: BTreeMap<usize, u64> = BTreeMap::new();
        for candidate in candidates {
            if let Some(server) = fleets.known_server(candidate) {
                *weights.entry(server).or_default() += connections(directory, candidate);
            }
        }
        for server in fleets.upstream.iter().flatten() {
            weights.entry(*server).or_default();
        }
        // A server that nobody is known to use is meant where nothing else is.
        let described = (0..directory.servers.len()).filter(|at| !weights.contains_key(at));
        let described: Vec<usize> = described.collect();
        if weights.is_empty() {
            weights.extend(described.first().map(|at| (*at, 0)));
        }
        let heaviest = weights
            .iter()
            .max_by_key(|(at, weight)| (**weight, std::cmp::Reverse(**at)));
        fleets.main = heaviest.map(|(at, _)| *at);
        let used = candidates
            .iter()
            .any(|one| fleets.known_server(one).is_none());
        let mut servers: Vec<Option<usize>> = weights
            .iter()
            .filter(|(at, weight)| **weight > 0 || Some(**at) == fleets.main)
            .map(|(at, _)| Some(*at))
            .collect();
        if servers.is_empty() && (used || !directory.poolers.is_empty()) {
            servers.push(None);
        }
        fleets.servers = servers;
        fleets
    }

    fn known_server(&self, candidate: &Candidate) -> Option<usize> {
        match candidate.leads {
            Leads::Server(server) => Some(server),
            Leads::Pooler(pooler) => self.upstream[pooler],
            Leads::Somewhere | Leads::Other(_) => None,
        }
    }

    fn server(&self, candidate: &Candidate) -> Option<usize> {
        self.known_server(candidate).or(self.main)
    }

    /// The fleet of a server, and its connections.
    fn draft(&self, server: Option<usize>, names: &[String]) -> (u64, Draft) {
        let mut draft = Draft::default();
        if let Some(at) = server {
            draft.database = self.directory.servers[at].section.clone();
        }
        let is_main = server == self.main;
        if is_main {
            // A file without a name is about the server that is meant.
            for nameless in &self.directory.servers {
                if nameless.name.is_empty() {
                    draft.database.overlay(nameless.section.clone());
                }
            }
        }
        let pooler = self.pooler(server);
        if let Some(at) = pooler {
            let pooler = &self.directory.poolers[at];
            let mut section = pooler.section.clone();
            poolers::instances(pooler, &mut section);
            draft.pooler = Some(section);
        }
        let mut total = 0;
        let mut through: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (candidate, name) in self.candidates.iter().zip(names) {
            if self.server(candidate) != server {
                continue;
            }
            if let Leads::Pooler(other) = candidate.leads
                && Some(other) != pooler
            {
                through.entry(other).or_default().push(name);
                continue;
            }
            total += connections(self.directory, candidate);
            self.add(candidate, name, &mut draft);
        }
        for (at, clients) in through {
            total += self.add_pooler(at, &clients, &mut draft);
        }
        (total, draft)
    }

    /// The pooler of a fleet: that with the most services.
    fn pooler(&self, server: Option<usize>) -> Option<usize> {
        let all = 0..self.directory.poolers.len();
        let near = all.filter(|at| self.upstream[*at].or(self.main) == server);
        near.max_by_key(|at| {
            let clients = self.candidates.iter();
            let clients = clients
                .filter(|one| one.leads == Leads::Pooler(*at))
                .count();
            (clients, std::cmp::Reverse(*at))
        })
    }

    fn add(&self, candidate: &Candidate, name: &str, draft: &mut Draft) {
        let mut section = Section::new(candidate.origin.clone());
        let program = &candidate.program;
        if !candidate.image.is_empty() {
            let image = Value::from(candidate.image.as_str());
            give(
                Scope::Service,
                &mut section,
                "image",
                image,
                candidate.origin.clone(),
            );
        }
        if let Some((kind, origin)) = &program.kind {
            section.give("kind", (*kind).into(), origin.clone());
        }
        if let Some(kind) = self.label(candidate, "pgweir.kind") {
            let origin = candidate.origin.clone();
            give(Scope::Service, &mut section, "kind", kind.into(), origin);
        }
        let mut sayings = Sayings::default();
        for Setting {
            key,
            value,
            by,
            origin,
        } in program.settings.iter().chain(&program.processes)
        {
            if !defaults::counts(program, by) {
                continue;
            }
            sayings.add(key, value.clone(), by, origin);
        }
        let remedy = "only one can be meant: keep that one";
        draft
            .observations
            .extend(sayings.decide(&mut section, remedy));
        let unsaid = defaults::fill(program, &mut section);
        draft.observations.extend(unsaid.map(not_understood));
        if candidate.dsns > 1 && !section.has("dsns") {
            section.give(
                "dsns",
                Value::from(candidate.dsns),
                candidate.origin.clone(),
            );
        }
        self.count(candidate, name, &mut section, draft);
        if let Some(address) = &candidate.address {
            let parts = [("database", &address.database), ("user", &address.user)];
            for (key, text) in parts {
                if let Some(known) = text.known().filter(|known| !known.is_empty()) {
                    give(
                        Scope::Service,
                        &mut section,
                        key,
                        known.into(),
                        address.origin.clone(),
                    );
                }
            }
            let unknown = self.unknown_place(candidate, address, name);
            draft.observations.extend(unknown.map(not_understood));
        }
        if draft.pooler.is_some() {
            let via = match candidate.leads {
                Leads::Pooler(_) => Some("pooler"),
                Leads::Server(_) => Some("direct"),
                Leads::Somewhere | Leads::Other(_) => None,
            };
            if let Some(via) = via {
                section.give("via", via.into(), candidate.origin.clone());
            }
        }
        draft
            .observations
            .extend(program.observations.iter().cloned());
        let unknown = program.unknown.iter().cloned();
        draft.observations.extend(unknown.map(not_understood));
        draft.services.push((name.to_owned(), section));
    }

    /// A label of its workload. Files that `render` writes have the kind of a service in one.
    fn label(&self, candidate: &Candidate, name: &str) -> Option<&str> {
        let workload = &self.directory.inventory.workloads[candidate.workload?];
        let mut labels = workload.labels.iter();
        let (_, value) = labels.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// What is not known of the place that an address leads to.
    fn unknown_place(
        &self,
        candidate: &Candidate,
        address: &Address,
        name: &str,
    ) -> Option<Unknown> {
        if candidate.leads != Leads::Somewhere {
            return None;
        }
        let by = &address.by;
        let what = match address.host.known() {
            None => format!(
                "where {by} of {name} leads is in {}, which none of the files has",
                address.host.gaps().join(" and ")
            ),
            Some(host) if is_local(host) && self.is_usual(candidate) => return None,
            Some(host) if is_local(host) => format!(
                "{by} of {name} leads to its own machine, where nothing in the files listens"
            ),
            Some(host) => format!("{by} of {name} leads to {host}, which is in none of the files"),
        };
        Some(Unknown {
            what,
            add: format!("add its file to --from, or set via and pool of [services.{name}]"),
            key: None,
            origin: address.origin.clone(),
        })
    }

    /// Whether an address of the own machine needs no word: on a developer's machine, and beside a proxy
    /// such as that of Cloud SQL.
    fn is_usual(&self, candidate: &Candidate) -> bool {
        let workload = candidate.workload;
        workload.is_none_or(|at| {
            let mut containers = self.directory.inventory.workloads[at].containers.iter();
            containers.any(|container| container.image.with_gaps().contains("proxy"))
        })
    }

    /// Instances, and what a rollout adds.
    fn count(&self, candidate: &Candidate, name: &str, section: &mut Section, draft: &mut Draft) {
        let Some(at) = candidate.workload else { return };
        let workload = &self.directory.inventory.workloads[at];
        let mut number = |key: &'static str, text: &Text| match text.known() {
            Some(known) => {
                section.give(key, Value::from_text(known), text.origin.clone());
            }
            None => draft.observations.push(not_understood(Unknown {
                what: format!(
                    "{key} of {name} is {}, which none of the files says: one is counted",
                    text.gaps().join(" and ")
                ),
                add: format!("set {key} of [services.{name}]"),
                key: Some(key),
                origin: text.origin.clone(),
            })),
        };
        if let Some(text) = &workload.replicas.max {
            number("replicas", text);
        }
        if let Some(text) = &workload.replicas.min {
            number("replicas_min", text);
        }
        if let Some((surge, origin)) = &workload.surge {
            section.give("surge", Value::from_text(surge), origin.clone());
        }
    }

    /// Another pooler of the same server counts as a service: it opens as many connections as its pool has.
    /// Returns how many.
    fn add_pooler(&self, at: usize, clients: &[&str], draft: &mut Draft) -> u64 {
        let pooler = &self.directory.poolers[at];
        let origin = pooler.section.origin.clone();
        let mut names = Names::default();
        for (known, _) in &draft.services {
            names.take(&[known]);
        }
        let name = names.take(&[&pooler.name]);
        let mut section = Section::new(origin.clone());
        section.give("pool", Value::from(pooler.size()), origin.clone());
        section.give("surge", Value::Integer(0), origin.clone());
        section.give("via", "direct".into(), origin.clone());
        let max = pooler.replicas.max.as_ref();
        if let Some(known) = max.and_then(Text::known) {
            section.give("replicas", Value::from_text(known), origin.clone());
        }
        draft.observations.push(Observation {
            ruling: Ruling::Left("a plan has one pooler: give others a plan of their own"),
            what: format!(
                "{name} is another pooler; it counts as a service with its own pool, and {} behind it do not",
                clients.join(", ")
            ),
            origin,
        });
        draft.services.push((name, section));
        pooler.size()
    }
}

/// About how many connections somebody opens, to tell which server is the main one.
fn connections(directory: &Directory, candidate: &Candidate) -> u64 {
    let number = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let program = &candidate.program;
    let settings = program.settings.iter().chain(&program.defaults);
    let pools = settings.filter(|setting| setting.key == "pool");
    let pool = pools.filter_map(|setting| number(&setting.value)).max();
    let processes = candidate.program.processes.iter();
    let processes = processes.filter_map(|setting| number(&setting.value)).max();
    let workload = candidate
        .workload
        .map(|at| &directory.inventory.workloads[at]);
    let replicas = workload.and_then(|workload| workload.replicas.max.as_ref());
    let replicas = replicas.and_then(|text| text.known()?.parse().ok());
    pool.unwrap_or(10)
        .saturating_mul(processes.unwrap_or(1))
        .saturating_mul(replicas.unwrap_or(1))
        .max(1)
}

/// A name for each. Nobody gets a name that several want, so that names do not depend on the order.
fn names(candidates: &[Candidate]) -> Vec<String> {
    let mut shared: HashMap<String, u64> = HashMap::new();
    for candidate in candidates {
        let wanted = candidate.names.iter().map(|name| service_name(name));
        let mut wanted: Vec<String> = wanted.collect();
        wanted.sort();
        wanted.dedup();
        for name in wanted {
            *shared.entry(name).or_insert(0) += 1;
        }
    }
    let mut names = Names::default();
    let choose = |candidate: &Candidate| {
        let all: Vec<&str> = candidate.names.iter().map(String::as_str).collect();
        let alone = all.iter().copied();
        let alone: Vec<&str> = alone
            .filter(|name| shared[&service_name(name)] == 1)
            .collect();
        let last = all.len().saturating_sub(1);
        names.take(if alone.is_empty() {
            &all[last..]
        } else {
            &alone
        })
    };
    candidates.iter().map(choose).collect()
}
