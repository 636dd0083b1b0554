//! Kubernetes manifests: Deployments, StatefulSets, autoscalers and the ConfigMaps they take variables
//! from, one by one or in a `List`.

use std::collections::HashMap;

use pgweir_advisor::facts::Origin;
use pgweir_advisor::fleet::{Draft, Section, Value};

use super::container::{Container, HOSTS, UNKNOWN, opens_pools, via};
use super::file::SourceFile;
use super::names::{Names, service_name};
use super::yaml::Node;

pub(crate) fn read(source: &SourceFile<'_>, documents: &[Node]) -> Draft {
    let mut draft = Draft::default();
    let mut objects = Vec::new();
    for document in documents {
        flatten(document, &mut objects);
    }
    // Of an object that is there twice the last counts, as when both are applied.
    let last: HashMap<_, usize> = objects
        .iter()
        .enumerate()
        .map(|(at, object)| ((kind(object), namespace(object), name(object)), at))
        .collect();
    let counts = |at: usize, object: &Node| {
        last[&(kind(object), namespace(object), name(object))] == at || name(object).is_none()
    };
    let workloads: Vec<Workload<'_>> = objects
        .iter()
        .enumerate()
        .filter(|(at, object)| counts(*at, object))
        .filter_map(|(_, object)| Workload::of(source, object, &objects))
        .collect();
    let mut names = service_names(&workloads).into_iter();
    let mut behind = Vec::new();
    for workload in &workloads {
        let mut services = Vec::new();
        for container in &workload.containers {
            let service = if container.opens_pools {
                names
                    .next()
                    .expect("each container that opens pools has a name")
            } else {
                String::new()
            };
            let read = container.read(workload, &service);
            let Some(added) = read.add(&mut draft) else {
                continue;
            };
            workload.surge(source, draft.service(&added, Origin::Default));
            let hosts = read
                .variables
                .iter()
                .filter(|(name, ..)| HOSTS.contains(&name.as_str()))
                .map(|(_, value, _)| value.clone());
            behind.push((added.clone(), hosts.collect::<Vec<_>>()));
            services.push(added);
        }
        let mut autoscalers = objects
            .iter()
            .filter(|object| workload.is_scaled_by(object));
        if let Some(autoscaler) = autoscalers.next_back() {
            for service in &services {
                let section = draft.service(service, Origin::Default);
                scale(source, autoscaler, section);
            }
        }
    }
    via(&mut draft, &behind);
    draft
}

/// The objects of a document: itself, or those of a list, as `kubectl get -o yaml` writes it.
fn flatten<'a>(document: &'a Node, objects: &mut Vec<&'a Node>) {
    let list = kind(document).ends_with("List");
    match document.get("items") {
        // The reader of documents bounds the depth.
        Some(items) if list => items
            .entries()
            .iter()
            .for_each(|item| flatten(item, objects)),
        _ => objects.push(document),
    }
}

fn kind(object: &Node) -> &str {
    object.get("kind").and_then(Node::text).unwrap_or_default()
}

fn name(object: &Node) -> Option<&str> {
    object.at(&["metadata", "name"]).and_then(Node::text)
}

fn namespace(object: &Node) -> &str {
    object
        .at(&["metadata", "namespace"])
        .and_then(Node::text)
        .unwrap_or("default")
}

/// Something that runs pods.
struct Workload<'a> {
    object: &'a Node,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    replicas: Option<(&'a str, Origin)>,
    origin: Origin,
    containers: Vec<Described<'a>>,
}

/// A container as it is in the manifest.
struct Described<'a> {
    name: &'a str,
    image: &'a str,
    variables: Vec<(String, String, Origin)>,
    command: Vec<&'a str>,
    opens_pools: bool,
}

impl<'a> Workload<'a> {
    fn of(source: &SourceFile<'_>, object: &'a Node, objects: &[&'a Node]) -> Option<Self> {
        let kind = kind(object);
        if !["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"].contains(&kind) {
            return None;
        }
        // Counted with the Deployment that owns it.
        if object.at(&["metadata", "ownerReferences"]).is_some() {
            return None;
        }
        let name = name(object).unwrap_or("app");
        let namespace = namespace(object);
        let containers = object
            .at(&["spec", "template", "spec", "containers"])
            .map_or(&[][..], Node::entries);
        let containers = containers.iter().map(|container| {
            let image = container.get("image").and_then(Node::text).unwrap_or(name);
            let variables = variables(source, container, namespace, objects);
            let command = ["command", "args"]
                .iter()
                .filter_map(|field| container.get(field))
                .flat_map(Node::entries)
                .filter_map(Node::text);
            Described {
                name: container.get("name").and_then(Node::text).unwrap_or(image),
                image,
                opens_pools: opens_pools(image, variables.iter().map(|(name, ..)| name.as_str())),
                variables,
                command: command.collect(),
            }
        });
        Some(Self {
            object,
            kind,
            namespace,
            name,
            replicas: object
                .at(&["spec", "replicas"])
                .and_then(|node| Some((node.text()?, source.line(node.line)))),
            origin: source.line(object.line),
            containers: containers.collect(),
        })
    }

    /// What a rollout adds. Only a Deployment runs old and new pods side by side; others, and a Deployment
    /// of type Recreate, end a pod before they start its successor, unless they set maxSurge.
    fn surge(&self, source: &SourceFile<'_>, section: &mut Section) {
        let strategy = match self.kind {
            "Deployment" => "strategy",
            _ => "updateStrategy",
        };
        let told = self
            .object
            .at(&["spec", strategy, "rollingUpdate", "maxSurge"]);
        let manner = self.object.at(&["spec", strategy, "type"]);
        let recreates = manner
            .and_then(Node::text)
            .is_some_and(|text| text == "Recreate" || text == "OnDelete");
        match told.and_then(|node| Some((node.text()?, node.line))) {
            Some((surge, line)) if !recreates => {
                section.give("surge", Value::from_text(surge), source.line(line));
            }
            _ if recreates || self.kind != "Deployment" => {
                let origin = manner.map_or(self.origin.clone(), |node| source.line(node.line));
                section.give("surge", Value::Integer(0), origin);
            }
            _ => {}
        }
    }

    fn is_scaled_by(&self, object: &Node) -> bool {
        let target = |field| {
            object
                .at(&["spec", "scaleTargetRef", field])
                .and_then(Node::text)
        };
        kind(object) == "HorizontalPodAutoscaler"
            && namespace(object) == self.namespace
            && target("name") == Some(self.name)
            && target("kind").is_none_or(|kind| kind == self.kind)
    }
}

impl<'a> Described<'a> {
    fn read(&self, workload: &Workload<'a>, service: &'a str) -> Container<'a> {
        Container {
            name: workload.name,
            service,
            image: self.image,
            variables: self.variables.clone(),
            command: self.command.clone(),
            replicas: workload.replicas.clone(),
            origin: workload.origin.clone(),
        }
    }
}

/// A name for each container that opens pools: that of its workload, with the container's own where a pod
/// has several, with the namespace where that is not enough, and with the kind where even that is not.
fn service_names(workloads: &[Workload<'_>]) -> Vec<String> {
    let mut wanted = Vec::new();
    for workload in workloads {
        let opening = || workload.containers.iter().filter(|one| one.opens_pools);
        let several = opening().count() > 1;
        for container in opening() {
            let short = if several {
                format!("{}-{}", workload.name, container.name)
            } else {
                workload.name.to_owned()
            };
            let long = format!("{}-{short}", workload.namespace);
            let longest = format!("{long}-{}", workload.kind);
            wanted.push([short, long, longest]);
        }
    }
    let mut shared = HashMap::new();
    for name in wanted.iter().flatten() {
        *shared.entry(service_name(name)).or_insert(0) += 1;
    }
    let mut names = Names::default();
    let choose = |wanted: &[String; 3]| {
        // Nobody gets a name that several want, so that names do not depend on the order.
        let alone = |name: &&str| shared[&service_name(name)] == 1;
        let wanted = wanted.each_ref().map(String::as_str);
        let alone: Vec<&str> = wanted.into_iter().filter(alone).collect();
        names.take(if alone.is_empty() {
            &wanted[2..]
        } else {
            &alone
        })
    };
    wanted.iter().map(choose).collect()
}

fn scale(source: &SourceFile<'_>, autoscaler: &Node, section: &mut Section) {
    for (field, key) in [("maxReplicas", "replicas"), ("minReplicas", "replicas_min")] {
        if let Some(node) = autoscaler.at(&["spec", field])
            && let Some(text) = node.text()
        {
            section.give(key, Value::from_text(text), source.line(node.line));
        }
    }
}

fn variables(
    source: &SourceFile<'_>,
    container: &Node,
    of: &str,
    objects: &[&Node],
) -> Vec<(String, String, Origin)> {
    let mut found = Vec::new();
    let maps = container.get("envFrom").map_or(&[][..], Node::entries);
    for reference in maps {
        let wanted = reference.at(&["configMapRef", "name"]).and_then(Node::text);
        let map = objects.iter().find(|object| {
            kind(object) == "ConfigMap" && namespace(object) == of && name(object) == wanted
        });
        let data = map
            .and_then(|map| map.get("data"))
            .map_or(&[][..], Node::fields);
        found.extend(data.iter().filter_map(|(name, node)| {
            Some((
                name.clone(),
                node.text()?.to_owned(),
                source.line(node.line),
            ))
        }));
    }
    let own = container.get("env").map_or(&[][..], Node::entries);
    found.extend(own.iter().filter_map(|entry| {
        let name = entry.get("name")?.text()?.to_owned();
        let (value, line) = match (entry.get("value"), entry.get("valueFrom")) {
            (Some(value), _) => (value.text()?.to_owned(), value.line),
            // The value in a Secret is unknown, but the variable exists.
            (None, Some(reference)) => (UNKNOWN.to_owned(), reference.line),
            (None, None) => return None,
        };
        Some((name, value, source.line(line)))
    }));
    found
}
