//! Kubernetes manifests, also as `helm template`, `kustomize build` and `kubectl get -o yaml` write them.
//!
//! Objects of all files are read together: a Deployment may find its ConfigMap, its autoscaler and the
//! Service of its pooler in other files.

mod containers;
mod maps;
mod operators;
mod pods;

use std::collections::{HashMap, HashSet};

use crate::inventory::{Endpoint, Inventory, Place, Target, Unknown};
use crate::yaml::{Data, Node};

/// Objects of all files, and what they refer to.
pub(crate) struct Objects<'a> {
    all: Vec<&'a Node>,
    maps: maps::Maps,
    /// What scales a workload of this namespace and name.
    scalers: HashMap<(&'a str, &'a str), Vec<&'a Node>>,
}

/// Whether a document is an object, or a list of objects.
pub(crate) fn is_object(document: &Node) -> bool {
    !kind(document).is_empty()
}

/// Adds what documents say.
pub(crate) fn read(documents: &[Node], inventory: &mut Inventory) {
    let mut all = Vec::new();
    for document in documents {
        flatten(document, &mut all);
    }
    let all = those_that_count(all);
    let maps = maps::Maps::of(&all);
    let mut scalers: HashMap<(&str, &str), Vec<&Node>> = HashMap::new();
    for object in &all {
        if ["HorizontalPodAutoscaler", "ScaledObject"].contains(&kind(object)) {
            let target = text(object, &["spec", "scaleTargetRef", "name"]);
            let target = (namespace(object), target);
            scalers.entry(target).or_default().push(*object);
        }
    }
    let objects = Objects { all, maps, scalers };
    for object in &objects.all {
        match kind(object) {
            "Service" if !text(object, &["apiVersion"]).contains("knative") => {
                inventory.endpoints.extend(service(object));
            }
            "Kustomization" => inventory.unknown.push(Unknown {
                what: "a Kustomization says only what others become".to_owned(),
                add: "give the output of `kustomize build` to --from instead".to_owned(),
                key: None,
                origin: object.origin(),
            }),
            _ if operators::read(object, &objects, inventory) => {}
            _ => {
                if let Some(workload) = pods::workload(object, &objects, inventory) {
                    inventory.workloads.push(workload);
                }
            }
        }
    }
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

/// Of an object that is in one file twice the last counts, as when both are applied. In two files it may
/// be two objects of two clusters: they count once if they are the same.
fn those_that_count(all: Vec<&Node>) -> Vec<&Node> {
    let mut last: HashMap<(&str, &str, &str, &str), usize> = HashMap::new();
    for (at, object) in all.iter().enumerate() {
        last.insert(
            (&object.file, kind(object), namespace(object), name(object)),
            at,
        );
    }
    let mut seen = HashSet::new();
    let mut counting = Vec::new();
    for (at, object) in all.iter().enumerate() {
        let key = (&*object.file, kind(object), namespace(object), name(object));
        let named = !name(object).is_empty();
        if named && last[&key] != at {
            continue;
        }
        if !named || seen.insert(content(object)) {
            counting.push(*object);
        }
    }
    counting
}

/// What a node says, wherever it stands.
fn content(node: &Node) -> String {
    fn write(node: &Node, into: &mut String) {
        match &node.data {
            Data::Null => into.push('~'),
            Data::Text(text) => *into += &format!("{text:?}"),
            Data::List(entries) => {
                into.push('[');
                entries.iter().for_each(|entry| {
                    write(entry, into);
                    into.push(',');
                });
                into.push(']');
            }
            Data::Map(fields) => {
                into.push('{');
                fields.iter().for_each(|(name, node)| {
                    *into += &format!("{name:?}:");
                    write(node, into);
                    into.push(',');
                });
                into.push('}');
            }
        }
    }
    let mut text = String::new();
    write(node, &mut text);
    text
}

fn service(object: &Node) -> Option<Endpoint> {
    let ports = object.entries_at(&["spec", "ports"]).iter().map(|port| {
        let own = text(port, &["port"]).to_owned();
        let target = text(port, &["targetPort"]);
        let target = if target.is_empty() {
            own.clone()
        } else {
            target.to_owned()
        };
        (own, target)
    });
    let selector = labels(object.at(&["spec", "selector"]));
    let external = text(object, &["spec", "externalName"]);
    let target = if !external.is_empty() {
        Target::Host(external.to_owned())
    } else if selector.is_empty() {
        // Its addresses are outside, or in an object that only a cluster has.
        return None;
    } else {
        Target::Selector(selector)
    };
    Some(Endpoint {
        place: place(object),
        name: name(object).to_owned(),
        target,
        ports: ports.collect(),
        origin: object.origin(),
    })
}

fn labels(node: Option<&Node>) -> Vec<(String, String)> {
    let fields = node.map_or(&[][..], Node::fields).iter();
    fields
        .filter_map(|(name, value)| Some((name.clone(), value.text()?.to_owned())))
        .collect()
}

fn text<'a>(node: &'a Node, path: &[&str]) -> &'a str {
    node.text_at(path)
}

fn kind(object: &Node) -> &str {
    text(object, &["kind"])
}

fn name(object: &Node) -> &str {
    text(object, &["metadata", "name"])
}

fn namespace(object: &Node) -> &str {
    match text(object, &["metadata", "namespace"]) {
        "" => "default",
        namespace => namespace,
    }
}

fn place(object: &Node) -> Place {
    Place::Namespace(namespace(object).to_owned())
}
