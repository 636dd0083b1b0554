//! A service of docker-compose.

use std::cell::Cell;

use pgweir_advisor::facts::Origin;

use crate::apps::dockerfile::{self, Dockerfile};
use crate::file::{Library, SourceFile, beside, folder, line_of};
use crate::inventory::{
    Container, Count, Endpoint, Inventory, Mounted, Place, Role, Target, Text, Variable, Workload,
    last_of_each,
};
use crate::reference::{expanded, words};
use crate::yaml::{Data, Node};

/// What a service is read with.
pub(super) struct Reader<'a> {
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
    pub(super) place: &'a Place,
    /// What its files may refer to.
    pub(super) variables: &'a [Variable],
    /// Profiles that are on.
    pub(super) profiles: &'a [String],
    /// Whether it refers to one of the variables.
    pub(super) used: Cell<bool>,
}

impl Reader<'_> {
    /// Adds it to the inventory; returns whether it refers to the project's variables.
    pub(super) fn read(&self, library: &mut Library<'_>, inventory: &mut Inventory) -> bool {
        let mut missing = Vec::new();
        let mut variables = Vec::new();
        for (path, required, origin) in self.environment_files() {
            match library.take(&path) {
                Some(text) => variables.extend(super::variables_of(&path, &text)),
                None if required => missing.push((format!("the file {path}"), origin)),
                None => {}
            }
        }
        variables.extend(self.environment());
        let image = self.image_built(library);
        if !image.variables.is_empty() {
            variables.splice(0..0, image.variables.clone());
        }
        let container = Container {
            name: self.name.to_owned(),
            image: self.text(self.node.get("image")),
            command: self.command(&image),
            variables: last_of_each(variables),
            missing,
            files: self.files(library),
            ports: Vec::new(),
            memory: self.memory(),
            needs: self.needs(),
            role: Role::Main,
            origin: self.origin(),
        };
        self.endpoints(inventory);
        inventory.workloads.push(Workload {
            place: self.place.clone(),
            kind: "service".to_owned(),
            name: self.name.to_owned(),
            labels: self.labels(),
            replicas: self.replicas(),
            surge: self.surge(),
            containers: vec![container],
            build: self.build(),
            networks: self.networks(),
            only_with: self.only_with(),
            origin: self.origin(),
        });
        self.used.get()
    }

    fn origin(&self) -> Origin {
        line_before(self.node)
    }

    fn text(&self, node: Option<&Node>) -> Text {
        let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else {
            return Text::default();
        };
        expanded(text, &node.origin(), &mut |name| {
            let value = value(self.variables, name);
            self.used.set(self.used.get() || value.is_some());
            value
        })
    }

    /// Files of variables: path, whether it must be there, where it is named.
    fn environment_files(&self) -> Vec<(String, bool, Origin)> {
        let Some(files) = self.node.get("env_file") else {
            return Vec::new();
        };
        let entries = files.entries().iter();
        let all = entries.chain(files.text().map(|_| files));
        let mut found = Vec::new();
        for file in all {
            let (path, required) = match file.get("path") {
                Some(path) => (path, file.text_at(&["required"]) != "false"),
                None => (file, true),
            };
            let text = self.text(Some(path));
            found.push((
                beside(folder(&path.file), text.with_gaps()),
                required,
                path.origin(),
            ));
        }
        found
    }

    /// Variables as a mapping or as a list of `NAME=value`. Without a value it is that of the shell.
    fn environment(&self) -> Vec<Variable> {
        let Some(environment) = self.node.get("environment") else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in environment.entries() {
            let Some(text) = entry.text() else { continue };
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            found.push((name.to_owned(), value.map(str::to_owned), entry));
        }
        for (name, value) in environment.fields() {
            found.push((name.clone(), value.text().map(str::to_owned), value));
        }
        let variables = found.into_iter().map(|(name, text, node)| {
            let value = match text {
                Some(text) => self.text(Some(&node.with(Data::Text(text)))),
                None => value(self.variables, &name).unwrap_or_else(|| {
                    Text::gap(format!("the variable {name} of the shell"), node.origin())
                }),
            };
            Variable { name, value }
        });
        variables.collect()
    }

    /// Its entry point and arguments, where it has none of its own those of the image that it builds.
    fn command(&self, image: &Dockerfile) -> Vec<Text> {
        let words_of = |field: &str| {
            let node = self.node.get(field)?;
            let mut found = Vec::new();
            if node.text().is_some() {
                found.extend(words(&self.text(Some(node))));
            }
            for entry in node.entries() {
                found.push(self.text(Some(entry)));
            }
            Some(found)
        };
        let (entrypoint, command) = (words_of("entrypoint"), words_of("command"));
        // Its own entry point takes the image's command away.
        let default = if entrypoint.is_some() {
            &[][..]
        } else {
            &image.command
        };
        let command = command.unwrap_or_else(|| default.to_vec());
        let mut whole = entrypoint.unwrap_or_else(|| image.entrypoint.clone());
        whole.extend(command);
        whole
    }

    /// The image that it builds, if its Dockerfile is there.
    fn image_built(&self, library: &mut Library<'_>) -> Dockerfile {
        let (Some(build), Some(context)) = (self.node.get("build"), self.build()) else {
            return Dockerfile::default();
        };
        let named = |key: &str| {
            let text = self.text(build.get(key));
            text.known()
                .filter(|known| !known.is_empty())
                .map(str::to_owned)
        };
        let file = named("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned());
        let target = named("target");
        let path = beside(&context, &file);
        let Some(text) = library.take(&path) else {
            return Dockerfile::default();
        };
        let source = SourceFile {
            name: &path,
            text: &text,
        };
        dockerfile::stage(&source, target.as_deref())
    }

    /// Files of the project that are mounted: volumes, configs and secrets.
    fn files(&self, library: &mut Library<'_>) -> Vec<Mounted> {
        let mut found = Vec::new();
        for volume in self.node.entries_at(&["volumes"]) {
            let (from, at) = match volume.text() {
                Some(_) => {
                    let text = self.text(Some(volume));
                    let text = text.with_gaps();
                    let mut parts = text.split(':');
                    match (parts.next(), parts.next()) {
                        (Some(from), Some(at)) => (from.to_owned(), at.to_owned()),
                        _ => continue,
                    }
                }
                None => {
                    let part = |name| self.text(volume.get(name));
                    let from = part("source").with_gaps().to_owned();
                    (from, part("target").with_gaps().to_owned())
                }
            };
            // Named volumes have no dot and no slash.
            if !from.starts_with(['.', '/']) || !is_of_interest(&at) {
                continue;
            }
            let name = beside(folder(&volume.file), &from);
            if let Some(text) = library.take(&name) {
                let text = text.into_owned();
                found.push(Mounted { at, name, text });
            }
        }
        found
    }

    /// Labels as a mapping or as a list of `NAME=value`.
    fn labels(&self) -> Vec<(String, String)> {
        let labels = self.node.get("labels");
        let fields = labels.map_or(&[][..], Node::fields).iter();
        let mut found = Vec::new();
        for (name, value) in fields {
            let value = self.text(Some(value));
            found.push((name.clone(), value.with_gaps().to_owned()));
        }
        for entry in labels.map_or(&[][..], Node::entries) {
            let text = self.text(Some(entry));
            if let Some((name, value)) = text.with_gaps().split_once('=') {
                found.push((name.to_owned(), value.to_owned()));
            }
        }
        found
    }

    fn memory(&self) -> Option<(String, Origin)> {
        let limit = self.node.at(&["deploy", "resources", "limits", "memory"]);
        let node = limit.or_else(|| self.node.get("mem_limit"))?;
        let text = self.text(Some(node));
        Some((text.known()?.to_owned(), node.origin()))
    }

    fn needs(&self) -> Vec<String> {
        let depends = self.node.get("depends_on");
        let fields = depends.map_or(&[][..], Node::fields);
        let fields = fields.iter().map(|(name, _)| name.clone());
        let depends = depends.map_or(&[][..], Node::entries).iter();
        let links = self.node.entries_at(&["links"]).iter();
        let listed = depends.chain(links).filter_map(|entry| {
            let name = entry.text()?.split(':').next()?;
            Some(name.to_owned())
        });
        fields.chain(listed).collect()
    }

    fn replicas(&self) -> Count {
        let global = self.node.text_at(&["deploy", "mode"]).starts_with("global");
        let node = self.node.at(&["deploy", "replicas"]);
        let node = node.or_else(|| self.node.get("scale"));
        Count {
            max: node.map(|node| self.text(Some(node))),
            min: None,
            unknown: global.then_some("one for each node of the swarm"),
        }
    }

    /// docker ends a container before it starts the next one, unless it is told to start first.
    fn surge(&self) -> Option<(String, Origin)> {
        let update = self.node.at(&["deploy", "update_config"])?;
        let order = update.get("order")?;
        Some(match order.text() {
            Some("start-first") => {
                let parallel = update.text_at(&["parallelism"]);
                let parallel = match parallel {
                    "" => "1",
                    // All at once.
                    "0" => "100%",
                    number => number,
                };
                (parallel.to_owned(), order.origin())
            }
            _ => ("0".to_owned(), order.origin()),
        })
    }

    fn build(&self) -> Option<String> {
        let build = self.node.get("build")?;
        let context = build.get("context").unwrap_or(build);
        let text = self.text(Some(context));
        let path = text.known().filter(|path| !path.contains("://"))?;
        Some(beside(folder(&build.file), path))
    }

    /// Without a word it is in the project's own network.
    fn networks(&self) -> Vec<String> {
        let networks = self.node.get("networks");
        let fields = networks.map_or(&[][..], Node::fields).iter();
        let fields = fields.map(|(name, _)| name.clone());
        let entries = networks.map_or(&[][..], Node::entries).iter();
        let entries = entries.filter_map(|entry| Some(entry.text()?.to_owned()));
        let mut names: Vec<String> = fields.chain(entries).collect();
        if self.node.text_at(&["network_mode"]).is_empty() && names.is_empty() {
            names.push("default".to_owned());
        }
        names
    }

    fn only_with(&self) -> Option<String> {
        let profiles = self.node.entries_at(&["profiles"]);
        let names: Vec<&str> = profiles.iter().filter_map(Node::text).collect();
        let on = |name: &&str| self.profiles.iter().any(|on| on == name || on == "*");
        let first = names.first()?;
        (!names.iter().any(on)).then(|| format!("the profile {first}"))
    }

    fn endpoints(&self, inventory: &mut Inventory) {
        let mut names = vec![self.name.to_owned()];
        for field in ["container_name", "hostname"] {
            let text = self.text(self.node.get(field));
            names.extend(text.known().map(str::to_owned));
        }
        for (_, network) in self.node.fields_at(&["networks"]) {
            let aliases = network.entries_at(&["aliases"]).iter();
            names.extend(aliases.filter_map(|alias| Some(alias.text()?.to_owned())));
        }
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        for name in names {
            self.endpoint(
                inventory,
                name,
                Target::Workload(self.name.to_owned()),
                Vec::new(),
            );
        }
        for link in self.node.entries_at(&["links"]) {
            if let Some((to, alias)) = link.text().and_then(|text| text.split_once(':')) {
                let to = Target::Workload(to.to_owned());
                self.endpoint(inventory, alias.to_owned(), to, Vec::new());
            }
        }
        let ports = self.ports();
        if !ports.is_empty() {
            inventory.endpoints.push(Endpoint {
                place: Place::Outside,
                name: "localhost".to_owned(),
                target: Target::Elsewhere(self.place.clone(), self.name.to_owned()),
                ports,
                origin: self.origin(),
            });
        }
    }

    fn endpoint(
        &self,
        inventory: &mut Inventory,
        name: String,
        target: Target,
        ports: Vec<(String, String)>,
    ) {
        inventory.endpoints.push(Endpoint {
            place: self.place.clone(),
            name,
            target,
            ports,
            origin: self.origin(),
        });
    }

    /// Ports of the machine, each with that of the container.
    fn ports(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for port in self.node.entries_at(&["ports"]) {
            let text = self.text(Some(port));
            let text = text.with_gaps().split('/').next().unwrap_or_default();
            let mut parts = text.rsplit(':');
            match (parts.next(), parts.next()) {
                (Some(inside), Some(outside)) => {
                    found.push((outside.to_owned(), inside.to_owned()));
                }
                _ => {
                    let published = self.text(port.get("published"));
                    let target = self.text(port.get("target"));
                    if let (Some(outside), Some(inside)) = (published.known(), target.known()) {
                        found.push((outside.to_owned(), inside.to_owned()));
                    }
                }
            }
        }
        found.retain(|(outside, inside)| !outside.is_empty() && !inside.is_empty());
        found
    }
}

/// The line of a name, which is before its content.
pub(super) fn line_before(node: &Node) -> Origin {
    line_of(&node.file, node.line.saturating_sub(1).max(1))
}

/// The value of a variable, of which the last counts.
pub(super) fn value(variables: &[Variable], name: &str) -> Option<Text> {
    let mut all = variables.iter().rev();
    let found = all.find(|variable| variable.name == name)?;
    Some(found.value.clone())
}

/// Whether a mounted file may say something about connections.
fn is_of_interest(at: &str) -> bool {
    let file = at.rsplit('/').next().unwrap_or(at);
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    INTERESTING.contains(&extension) || file.starts_with(".env")
}

/// Ends of names of files that may say something about connections.
const INTERESTING: [&str; 14] = [
    "ini",
    "conf",
    "env",
    "yml",
    "yaml",
    "toml",
    "properties",
    "php",
    "py",
    "rb",
    "js",
    "ts",
    "json",
    "exs",
];
